//! All destinations together: that of `[graphite]` and the mirrors.

use super::destination::DestinationConfig;
use super::journal::JournalConfig;
use crate::config::{ConfigError, Origin};
use crate::delivery::NamedDestination;
use std::time::Duration;

/// All destinations that have a URL. The points that wait for one must not be sent to another, so each has an address of
/// its own.
///
/// # Errors
/// When two have one address, or `linger` is too long for a run of this `timeout`.
pub(super) fn join(
    first: DestinationConfig,
    mirrors: Vec<DestinationConfig>,
    journal: &JournalConfig,
    timeout: Duration,
) -> Result<Vec<NamedDestination>, ConfigError> {
    let mut joined: Vec<NamedDestination> = Vec::new();
    for DestinationConfig { name, destination, formerly, origins } in std::iter::once(first).chain(mirrors) {
        let Some(destination) = destination else { continue };
        let about = |origin: &Origin, problem: String| Err(ConfigError::setting(origin.clone(), problem));
        if destination.linger() > timeout / 2 {
            let problem = "is more than half of the time that a run has: make it shorter, or --timeout longer";
            return about(&origins.linger, problem.to_owned());
        }
        let limits = journal.limits(&destination);
        let new = NamedDestination { name, destination, formerly, limits };
        for other in &joined {
            let section = other.name.section();
            if other.destination.id() == new.destination.id() {
                return about(
                    &origins.url,
                    format!("is where points of [{section}] go: each destination has a URL of its own"),
                );
            }
            if new.formerly.contains(&other.destination.id()) {
                return about(&origins.formerly, format!("names the URL of [{section}], where points go still"));
            }
            if other.formerly.contains(&new.destination.id()) {
                return about(
                    &origins.url,
                    format!("is in `formerly` of [{section}], which would get what waits for it"),
                );
            }
            if other.formerly.iter().any(|id| new.formerly.contains(id)) {
                return about(
                    &origins.formerly,
                    format!("has a URL that is in `formerly` of [{section}] too: leave it in one"),
                );
            }
        }
        joined.push(new);
    }
    Ok(joined)
}
