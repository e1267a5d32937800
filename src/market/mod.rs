//! What is watched: symbols and their quotes, market hours, and shares of a watch list.

pub(crate) mod hours;
pub(crate) mod number;
pub(crate) mod quote;
pub(crate) mod shard;
pub(crate) mod symbol;
