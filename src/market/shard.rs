//! Shards: how several machines divide one list of symbols without communicating.

use super::symbol::Symbol;
use crate::util::hash::stable_hash;
use std::fmt;
use std::str::FromStr;

/// One of N parts of about equal size into which all possible symbols are divided. It is written K/N,
/// with K from 0.
///
/// Only the spelling of a symbol decides in which shard it is, neither other symbols nor the feed do. So
/// every symbol is in exactly one shard, and adding or removing other symbols does not move it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    /// K, from 0.
    pub(crate) index: u32,
    /// N.
    count: u32,
}

/// Why a text is no shard.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ShardError {
    /// It is not two whole numbers with a `/` between them.
    #[error("must be K/N, two whole numbers such as 0/4 for the first of four machines, not {0:?}")]
    NotTwoNumbers(String),
    /// K is not below N.
    #[error("K is counted from 0, so of {count} machines the last is {last}/{count}; {index}/{count} is none", last = count - 1)]
    PastTheEnd {
        /// K.
        index: u32,
        /// N.
        count: u32,
    },
    /// N is 0. The number is K.
    #[error("N must be 1 at least: {0}/0 would watch nothing")]
    NoMachine(u32),
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let number = |text: &str| text.trim().parse::<u32>().ok();
        let numbers = text.split_once('/').and_then(|(index, count)| Some((number(index)?, number(count)?)));
        match numbers {
            None => Err(ShardError::NotTwoNumbers(text.chars().take(40).collect())),
            Some((index, 0)) => Err(ShardError::NoMachine(index)),
            Some((index, count)) if index >= count => Err(ShardError::PastTheEnd { index, count }),
            Some((index, count)) => Ok(Self { index, count }),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl Shard {
    /// Whether the symbol is in this shard.
    pub(crate) fn holds(self, symbol: &Symbol) -> bool {
        hash(symbol.as_str()) % u64::from(self.count) == u64::from(self.index)
    }
}

/// The hash that divides symbols. It must never change, as machines with different versions of this
/// program share one list. It is FNV-1a over the bytes of the canonical spelling, then the 64-bit
/// finalizer of MurmurHash3 (<https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp>):
/// without it, the low bits of the hash would depend on little more than the low bits of the
/// characters.
fn hash(text: &str) -> u64 {
    let mut hash = stable_hash(text.bytes());
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arbtest::arbitrary::{self, Unstructured};

    fn symbol(text: &str) -> Symbol {
        Symbol::new(text).unwrap()
    }

    fn any_symbol(u: &mut Unstructured<'_>) -> arbitrary::Result<Symbol> {
        let len = u.int_in_range(1..=12)?;
        let text = (0..len).map(|_| Ok(char::from(u.int_in_range(b'A'..=b'Z')?))).collect::<Result<String, _>>()?;
        Ok(symbol(&text))
    }

    /// These were computed with Python, not with this code. A change of any of them would move the
    /// symbols of all users to other machines.
    const KNOWN_HASHES: [(&str, u64); 6] = [
        ("A", 0xda15_c58c_2659_50bd),
        ("AAPL", 0x59ab_e90c_82fc_3687),
        ("BTC/USD", 0x7915_d41e_0507_5f1b),
        ("BRK.B", 0x6f7a_e374_c22b_4ec5),
        ("^GSPC", 0xa91e_d811_6a7d_a74a),
        ("ü", 0x9a8f_a3aa_aa09_fd21),
    ];

    #[test]
    fn the_hash_of_a_symbol_never_changes() {
        for (text, expected) in KNOWN_HASHES {
            assert_eq!(hash(text), expected, "{text}");
        }
    }

    #[test]
    fn every_symbol_is_in_exactly_one_shard() {
        arbtest::arbtest(|u| {
            let (symbol, count) = (any_symbol(u)?, u.int_in_range(1..=1000)?);
            let holders = (0..count).filter(|index| Shard { index: *index, count }.holds(&symbol)).count();
            assert_eq!(holders, 1);
            Ok(())
        });
    }

    /// The symbols of real lists resemble each other. Their shards must still differ no more than
    /// random ones.
    #[test]
    fn shards_have_about_the_same_size() {
        let pairs: Vec<Symbol> = (0..8000).map(|n| symbol(&format!("C{n}/USD"))).collect();
        let stocks: Vec<Symbol> = (b'A'..=b'Z')
            .flat_map(|a| (b'A'..=b'Z').flat_map(move |b| (b'A'..=b'L').map(move |c| [a, b, c])))
            .map(|name| symbol(std::str::from_utf8(&name).unwrap()))
            .collect();
        for symbols in [pairs, stocks] {
            for count in [2, 3, 4, 7, 8, 16] {
                let mean = symbols.len() as u64 / u64::from(count);
                for index in 0..count {
                    let size = symbols.iter().filter(|symbol| Shard { index, count }.holds(symbol)).count() as u64;
                    // The bound is five standard deviations.
                    assert!(size.abs_diff(mean).pow(2) < 25 * mean, "{index}/{count}: {size} instead of {mean}");
                }
            }
        }
    }

    #[test]
    fn a_text_that_is_no_shard_is_refused() {
        let message = |text: &str| text.parse::<Shard>().unwrap_err().to_string();
        for text in ["", "3", "/", "1/", "/4", "a/4", "-1/4", "1/4/8", "0.5/4", "1 of 4", "4294967296/8"] {
            assert!(message(text).starts_with("must be K/N, "), "{text}: {}", message(text));
        }
        assert_eq!(message("4/4"), "K is counted from 0, so of 4 machines the last is 3/4; 4/4 is none");
        assert_eq!(message("0/0"), "N must be 1 at least: 0/0 would watch nothing");
        assert_eq!("7/8".parse::<Shard>().unwrap().to_string(), "7/8");
    }
}
