//! What is watched: symbols, the fields of their quotes, tables of numbers, the trading hours of the
//! stock exchange, and shards of a list of symbols.

pub(crate) mod field;
pub(crate) mod hours;
pub(crate) mod number;
pub(crate) mod shard;
pub(crate) mod spellings;
pub(crate) mod symbol;
pub(crate) mod table;
