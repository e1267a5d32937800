//! What the program promises and does not keep yet.

use Promise::{
    AgeNeedsAnswer, BoundsWithoutLock, DeadCarbon, IntervalSideBySide, OneRefusalIsNone, OwnDestination, UnkeptFirst,
};

/// A promise that the simulation can leave alone: its faults do not happen, or what comes of them is not
/// counted as a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// A point goes to the destination of its run and to no other, also after the URL was changed.
    OwnDestination,
    /// A point is dropped only if the server named it, or refused it alone in two runs.
    OneRefusalIsNone,
    /// `max_bytes`, `max_age` and the sending of old files do not depend on the lock.
    BoundsWithoutLock,
    /// What could not be written to the journal is sent before what waits there.
    UnkeptFirst,
    /// `min_interval` holds for runs side by side and after killed ones.
    IntervalSideBySide,
    /// Age drops only what was in a request that was answered.
    AgeNeedsAnswer,
    /// A Carbon that died behind a balancer loses nothing.
    DeadCarbon,
}

/// The promises that are not kept yet. Who keeps one removes it here.
pub(super) const KNOWN: &[Promise] = &[
    // Carbon's close counts as success, whoever closes.
    DeadCarbon,
];

/// Every promise, with the name by which `SIMULATION_HOLD` asks for it.
pub(super) const NAMES: &[(&str, Promise)] = &[
    ("own_destination", OwnDestination),
    ("one_refusal_is_none", OneRefusalIsNone),
    ("bounds_without_lock", BoundsWithoutLock),
    ("unkept_first", UnkeptFirst),
    ("interval_side_by_side", IntervalSideBySide),
    ("age_needs_answer", AgeNeedsAnswer),
    ("dead_carbon", DeadCarbon),
];
