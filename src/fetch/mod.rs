//! Quotes from providers: what each feed wants, who is asked for it, and what came of it.

mod circuit_breaker;
mod collector;
mod error;
mod feed;
mod missing_value;
mod provider_fetch;
mod rate_limit;
mod report;
mod requester;
mod shared_replies;
mod symbol_lists;
mod unknown_search;

pub(crate) use collector::Collector;
pub(crate) use feed::Feed;
pub(crate) use report::{FeedReport, SkipReason, stats_by_provider};
pub(crate) use symbol_lists::{ListReport, fetch_symbol_lists};

use crate::provider::Definition;
use crate::secret::Secret;
use std::collections::BTreeMap;

/// What to fetch.
#[derive(Debug)]
pub(crate) struct FetchConfig {
    /// What is watched.
    pub(crate) feeds: Vec<Feed>,
    /// The providers in use. Feeds refer to them by their index.
    pub(crate) definitions: Vec<Definition>,
    /// The secrets of those providers, by the names of their variables.
    pub(crate) secrets: BTreeMap<String, Secret>,
    /// How often a failed request is repeated.
    pub(crate) retries: u32,
}
