//! The destinations of a run: the first one, and its mirrors.

use super::graphite::{Destination, DestinationId};
use super::journal::{Entry, JournalLimits};
use std::fmt;

/// The name of a destination in messages: `graphite`, or `mirror NAME`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum DestinationName {
    /// `[graphite]`, the first destination.
    #[default]
    First,
    /// `[mirrors.NAME]`.
    Mirror(String),
}

impl DestinationName {
    /// The section of the config that has its settings.
    pub(crate) fn section(&self) -> String {
        match self {
            Self::First => "graphite".to_owned(),
            Self::Mirror(name) => format!("mirrors.{name}"),
        }
    }

    /// The variable of its password.
    pub(crate) fn password_variable(&self) -> String {
        self.mirror().map_or_else(
            || "GRAPHITE_PASSWORD".to_owned(),
            |name| format!("DATAMETRICS_MIRROR_{}_PASSWORD", name.to_uppercase().replace('-', "_")),
        )
    }

    /// The name of its mirror.
    pub(crate) fn mirror(&self) -> Option<&str> {
        match self {
            Self::First => None,
            Self::Mirror(name) => Some(name),
        }
    }

    /// The file that is locked while points are sent to it. Each destination has one of its own, so that a mirror that
    /// is down holds up no other.
    pub(crate) fn lock_file(&self) -> String {
        self.mirror().map_or_else(|| "lock".to_owned(), |name| format!("lock-{name}"))
    }

    /// What follows a number of points in a message: nothing, or ` for mirror NAME`.
    pub(super) fn of_points(&self) -> String {
        if *self == Self::First { String::new() } else { format!(" for {self}") }
    }
}

impl fmt::Display for DestinationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("graphite"),
            Self::Mirror(name) => write!(f, "mirror {name}"),
        }
    }
}

/// A destination with its name, and with its part of the journal.
#[derive(Debug)]
pub(crate) struct NamedDestination {
    /// Its name.
    pub(crate) name: DestinationName,
    /// Where points go.
    pub(crate) destination: Destination,
    /// Destinations whose waiting points go there now.
    pub(crate) formerly: Vec<DestinationId>,
    /// The bounds of what waits for it.
    pub(crate) limits: JournalLimits,
}

/// Sorts files of the journal by their destinations: the files of each of these, and those of none of them. Files of
/// the first version name no destination and belong to the first one.
pub(crate) fn sort_by_owner(files: Vec<Entry>, destinations: &[&NamedDestination]) -> (Vec<Vec<Entry>>, Vec<Entry>) {
    let hashes: Vec<Vec<String>> = destinations.iter().map(|destination| destination.hashes()).collect();
    let owner = |entry: &Entry| match &entry.destination {
        None => destinations.iter().position(|destination| destination.name == DestinationName::First),
        Some(hash) => hashes.iter().position(|hashes| hashes.contains(hash)),
    };
    let (mut owned, mut others) = (Vec::new(), Vec::new());
    owned.resize_with(destinations.len(), Vec::new);
    for entry in files {
        owner(&entry).map_or(&mut others, |index| &mut owned[index]).push(entry);
    }
    (owned, others)
}

impl NamedDestination {
    /// The hashes in the names of its files.
    fn hashes(&self) -> Vec<String> {
        [&self.destination.id()].into_iter().chain(&self.formerly).map(DestinationId::hash_text).collect()
    }
}
