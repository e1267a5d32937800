//! The thresholds of `[[alert]]`.

use super::sources::Sources;
use crate::config::{ConfigError, Origin, Section};
use crate::market::field::Field;
use crate::market::spellings::{canonicalize_pair, canonicalize_share};
use crate::market::symbol::Symbol;

/// The thresholds of a field of one symbol. Grafana alerts when its value crosses one of them.
#[derive(Clone, Debug)]
pub(crate) struct Alert {
    /// The origin of the symbol.
    pub(crate) origin: Origin,
    /// The symbol that is watched, as the user typed it.
    pub(crate) symbol: Symbol,
    /// The symbol as it is spelled in `crypto`. Without a quote it means every pair with this base.
    pub(crate) pair: String,
    /// The symbol as it is spelled in `stocks`.
    pub(crate) share: String,
    /// The field that is watched.
    pub(crate) field: Field,
    /// Alert when the field is at this or above.
    pub(crate) above: Option<f64>,
    /// Alert when the field is at this or below.
    pub(crate) below: Option<f64>,
    /// Alert when the field changes by this many percent or more within an hour, up or down.
    pub(crate) change_percent_1h: Option<f64>,
}

/// The greatest threshold, up and down.
const MAX_THRESHOLD: f64 = 1e90;

/// Reads the alerts. Only what prints their rules needs them: for anything else they are checked alone, as there may
/// be many.
///
/// # Errors
/// When a value is wrong, or a symbol or its thresholds are missing.
pub(super) fn read(sources: Sources<'_>, are_needed: bool) -> Result<Vec<Alert>, ConfigError> {
    let Some(value) = sources.optional_setting("alert", sources.file.get("alert")) else { return Ok(Vec::new()) };
    let mut alerts = Vec::new();
    for value in value.list()? {
        alerts.extend(read_alert(&value.section()?, are_needed)?);
    }
    Ok(alerts)
}

/// Checks an alert. Returns it if it is needed.
fn read_alert(section: &Section<'_>, is_needed: bool) -> Result<Option<Alert>, ConfigError> {
    let threshold = |key| section.get(key).map(|value| value.number_within(MAX_THRESHOLD)).transpose();
    let missing = |keys: &str| ConfigError::invalid(section.origin(), format!("{keys} is missing"));
    let value = section.get("symbol").ok_or_else(|| missing("symbol"))?;
    let symbol = Symbol::with_spaces(value.text()?).map_err(|problem| value.invalid(problem.to_string()))?;
    let field = section.get("field").map(|value| value.parse::<Field>()).transpose()?;
    let (above, below) = (threshold("above")?, threshold("below")?);
    let change_percent_1h = section.get("change_percent_1h").map(|value| value.positive(MAX_THRESHOLD)).transpose()?;
    section.deny_unknown_keys()?;
    if above.is_none() && below.is_none() && change_percent_1h.is_none() {
        return Err(missing("above, below or change_percent_1h"));
    }
    if !is_needed {
        return Ok(None);
    }
    let (mut pair, mut share) = (symbol.to_string(), symbol.to_string());
    canonicalize_pair(&mut pair);
    canonicalize_share(&mut share);
    let field = field.unwrap_or_else(Field::last);
    Ok(Some(Alert { origin: value.origin(), symbol, pair, share, field, above, below, change_percent_1h }))
}
