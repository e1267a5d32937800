//! The machine, behind traits: clocks, threads, chance, network and disk.
//!
//! Most files have one trait and the real implementation behind it. A run gets all of them in a
//! [`Context`](crate::Context), so that a test or a simulation can put its own in their place. `input.rs`,
//! `limit.rs` and `signals.rs` are for what comes before a run, and for what the machine refuses; `early.rs`,
//! `opening.rs` and `tls.rs` are about connections.

pub(crate) mod clock;
pub(crate) mod deadline;
pub(crate) mod dialer;
pub(crate) mod disk;
pub(crate) mod early;
pub(crate) mod input;
pub(crate) mod limit;
pub(crate) mod opening;
pub(crate) mod random;
pub(crate) mod resolver;
pub(crate) mod signals;
pub(crate) mod terminal;
pub(crate) mod threads;
pub(crate) mod tls;
