//! The thresholds of `[[alert]]`.

use super::sources::Sources;
use crate::config::{ConfigError, Origin, Section};
use crate::market::symbol::Symbol;

/// A threshold that somebody wants to be told of.
#[derive(Clone, Debug)]
pub(crate) struct Alert {
    /// Where its symbol was given.
    pub(crate) origin: Origin,
    /// Of which symbol.
    pub(crate) symbol: Symbol,
    /// When `last` is above this.
    pub(crate) above: Option<f64>,
    /// When `last` is below this.
    pub(crate) below: Option<f64>,
    /// When `last` changed by more than this many percent within an hour, up or down.
    pub change_percent_1h: Option<f64>,
}

/// Reads all of them.
///
/// # Errors
/// With the place of the first thing that is wrong.
pub(super) fn read(sources: Sources<'_>) -> Result<Vec<Alert>, ConfigError> {
    let Some(value) = sources.optional("alert", sources.file.get("alert")) else { return Ok(Vec::new()) };
    let sections = value.list()?.iter().map(crate::config::ConfigValue::section).collect::<Result<Vec<_>, _>>()?;
    sections.iter().map(alert).collect()
}

fn alert(section: &Section<'_>) -> Result<Alert, ConfigError> {
    let threshold = |key| section.get(key).map(|value| value.positive(1e300)).transpose();
    let missing = |what: &str| ConfigError::invalid(section.origin(), format!("{what} is missing"));
    let symbol = section.get("symbol").ok_or_else(|| missing("symbol"))?;
    let alert = Alert {
        origin: symbol.origin(),
        symbol: Symbol::new(symbol.text()?).map_err(|problem| symbol.invalid(problem.to_string()))?,
        above: threshold("above")?,
        below: threshold("below")?,
        change_percent_1h: threshold("change_percent_1h")?,
    };
    section.deny_unknown_keys()?;
    if alert.above.is_none() && alert.below.is_none() && alert.change_percent_1h.is_none() {
        return Err(missing("above, below or change_percent_1h"));
    }
    Ok(alert)
}
