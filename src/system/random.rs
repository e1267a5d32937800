//! Chance.

use std::sync::atomic::{AtomicU64, Ordering};

/// A source of random numbers, good enough to spread retries and to name files: splitmix64
/// (<https://prng.di.unimi.it/splitmix64.c>). It is not for secrets.
#[derive(Debug)]
pub struct Random(AtomicU64);

impl Random {
    /// The sequence of numbers of a seed, always the same.
    pub fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next number, from 0 up to 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64")]
    pub(crate) fn fraction(&self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The next number.
    pub fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_fractions_differ_and_stay_below_one() {
        let random = Random::seeded(1);
        let (a, b) = (random.fraction(), random.fraction());
        assert!((0.0..1.0).contains(&a) && (0.0..1.0).contains(&b) && (a - b).abs() > f64::EPSILON);
    }
}
