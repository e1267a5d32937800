//! The machine, behind traits: clocks, threads, chance, network and disk.
//!
//! Each file has one trait and the real implementation behind it. A run gets all of them in a
//! [`Context`](crate::Context), so that a test or a simulation can put its own in their place.

pub(crate) mod clock;
pub(crate) mod deadline;
pub(crate) mod dialer;
pub(crate) mod disk;
pub(crate) mod random;
pub(crate) mod resolver;
pub(crate) mod threads;
