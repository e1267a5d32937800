//! The feeds: their configuration, with its defaults, and the selected ones, which alone are checked in full.

mod config;
mod defaults;
mod names;
mod reader;
mod run_names;
mod shard_filter;
mod symbol_reader;

pub(super) use config::{read_configs, read_currency};
pub(crate) use defaults::default_symbols;
pub(super) use reader::{FeedOptions, FeedReader, add_default_symbols, select};
pub(crate) use symbol_reader::read_symbols_of;
