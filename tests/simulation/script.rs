//! The simulated disk behaves as a real one: the same calls, the same results.
