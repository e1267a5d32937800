//! Which symbols are this machine's, where several share one watch list with no word between them.

use crate::market::symbol::Symbol;
use crate::util::hash::stable_hash;
use std::fmt;
use std::str::FromStr;

/// One of several equal parts of all symbols there could be: K of N, K from 0.
///
/// A symbol is in the part that its own spelling says, whatever the other symbols and whatever the
/// feed: it is in one part exactly, and no other symbol moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    /// From 0 on.
    pub(crate) index: u32,
    count: u32,
}

/// A text that names no shard.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ShardError {
    /// Something else than two numbers.
    #[error("must be K/N, two whole numbers such as 0/4 for the first of four machines, not {0:?}")]
    NotTwoNumbers(String),
    /// K is none of the N.
    #[error("K is pluralize from 0, so of {count} machines the last is {last}/{count}; {index}/{count} is none", last = count - 1)]
    PastTheEnd {
        /// K.
        index: u32,
        /// N.
        count: u32,
    },
    /// N is 0.
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
    /// Whether the symbol is in this part.
    pub(crate) fn holds(self, symbol: &Symbol) -> bool {
        hash(symbol.as_str()) % u64::from(self.count) == u64::from(self.index)
    }
}

/// A hash that never changes, as machines with different versions of this program share one list:
/// FNV-1a over the bytes of the canonical spelling, then MurmurHash3's finalizer for 64 bits
/// (<https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp>): the low bits of FNV-1a
/// alone hardly depend on more than the low bits of the characters.
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

    /// Computed apart from this code, with Python's integers. Whoever changes one of these moves
    /// everybody's symbols.
    #[test]
    fn the_hash_is_what_it_was() {
        for (text, expected) in KNOWN {
            assert_eq!(hash(text), expected, "{text}");
        }
    }

    const KNOWN: [(&str, u64); 6] = [
        ("A", 0xda15_c58c_2659_50bd),
        ("AAPL", 0x59ab_e90c_82fc_3687),
        ("BTC/USD", 0x7915_d41e_0507_5f1b),
        ("BRK.B", 0x6f7a_e374_c22b_4ec5),
        ("^GSPC", 0xa91e_d811_6a7d_a74a),
        ("ü", 0x9a8f_a3aa_aa09_fd21),
    ];

    #[test]
    fn every_symbol_is_in_one_shard_exactly() {
        arbtest::arbtest(|u| {
            let (symbol, count) = (any_symbol(u)?, u.int_in_range(1..=1000)?);
            let holders = (0..count).filter(|index| Shard { index: *index, count }.holds(&symbol)).count();
            assert_eq!(holders, 1);
            Ok(())
        });
    }

    /// Of real lists too, whose symbols resemble each other: no shard is off by more than chance.
    #[test]
    fn shards_are_of_about_one_size() {
        let pairs: Vec<Symbol> = (0..8000).map(|n| symbol(&format!("C{n}/USD"))).collect();
        let stocks: Vec<Symbol> = (b'A'..=b'Z')
            .flat_map(|a| (b'A'..=b'Z').flat_map(move |b| (b'A'..=b'L').map(move |c| [a, b, c])))
            .map(|name| symbol(std::str::from_utf8(&name).unwrap()))
            .collect();
        for symbols in [pairs, stocks] {
            for count in [2, 3, 4, 7, 8, 16] {
                let fair = symbols.len() as u64 / u64::from(count);
                for index in 0..count {
                    let size = symbols.iter().filter(|symbol| Shard { index, count }.holds(symbol)).count() as u64;
                    // Five standard deviations.
                    assert!(size.abs_diff(fair).pow(2) < 25 * fair, "{index}/{count}: {size} instead of {fair}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_shard_is_said() {
        let said = |text: &str| text.parse::<Shard>().unwrap_err().to_string();
        for text in ["", "3", "/", "1/", "/4", "a/4", "-1/4", "1/4/8", "0.5/4", "1 of 4", "4294967296/8"] {
            assert!(said(text).starts_with("must be K/N, "), "{text}: {}", said(text));
        }
        assert_eq!(said("4/4"), "K is pluralize from 0, so of 4 machines the last is 3/4; 4/4 is none");
        assert_eq!(said("0/0"), "N must be 1 at least: 0/0 would watch nothing");
        assert_eq!("7/8".parse::<Shard>().unwrap().to_string(), "7/8");
    }
}
