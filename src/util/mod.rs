//! Helpers that know nothing about the rest of the program.

pub(crate) mod brackets;
pub(crate) mod clauses;
pub(crate) mod group_by;
pub(crate) mod hash;
pub(crate) mod line_buffer;
pub(crate) mod placeholder;
pub(crate) mod pluralize;
pub(crate) mod sanitize;
pub(crate) mod shorten;
pub(crate) mod suggest;
