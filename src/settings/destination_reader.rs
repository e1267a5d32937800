//! What a destination's settings are read from, and what they are called.

use super::sources::Sources;
use crate::config::{ConfigValue, Section, key_path};
use crate::delivery::DestinationName;

/// The names of the settings of a destination, for messages.
pub(super) struct Names {
    /// The destination.
    pub(super) of: DestinationName,
    /// The setting of the URL.
    pub(super) url: String,
    /// The setting of the user.
    pub(super) user: String,
    /// The variable of the password.
    pub(super) password: String,
}

impl Names {
    /// The full name of a key.
    pub(super) fn key(&self, key: &str) -> String {
        key_path(&self.of.section(), key)
    }
}

/// Reads one destination. Its method `read` is in `destination.rs`; credentials, headers and identity are read with it
/// in files of their own, which do not know what comes of them.
pub(super) struct DestinationReader<'r, 'a> {
    /// The section that has its keys.
    pub(super) section: &'r Section<'a>,
    /// What its settings are called.
    pub(super) names: Names,
    /// The sources of settings.
    pub(super) sources: Sources<'a>,
    /// Whether something is to be sent. If not, user, password and the secrets of headers are left alone.
    pub(super) needs_secrets: bool,
}

impl<'a> DestinationReader<'_, 'a> {
    /// Records a key that holds the path of a file. Returns its value.
    pub(super) fn path_setting(&self, key: &'static str) -> Option<ConfigValue<'a>> {
        self.sources.path_setting(&self.names.key(key), self.section.get(key))
    }
}
