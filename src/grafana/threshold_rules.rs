//! The alert rules for the thresholds of `[[alert]]`: one for each feed, kind and field, whatever the number of
//! symbols.

use super::alert_rules::{AlertRules, lookback};
use super::dashboard::field_panel;
use super::json::uid;
use super::query::consolidate;
use super::rule_json::{Condition, EVALUATION, Evaluator, Rule};
use crate::config::ConfigError;
use crate::fetch::Feed;
use crate::market::spellings::probable_pair;
use crate::market::symbol::Symbol;
use crate::settings::Alert;
use std::collections::BTreeSet;

/// Stands for every value that is not beyond its threshold: no API sends such a number, and it lies on the
/// other side of every threshold.
const NOT_BEYOND: f64 = 1e100;

/// A value beyond its threshold is told after so many seconds, however rarely it is fetched.
const MAX_PENDING: u32 = 300;

/// A threshold, and a symbol of a feed for which it holds.
#[derive(Clone, Copy)]
struct Watch<'a> {
    alert: &'a Alert,
    feed: &'a Feed,
    symbol: &'a Symbol,
}

/// In which way a value can be beyond a threshold.
#[derive(Clone, Copy, PartialEq)]
enum ThresholdKind {
    Above,
    Below,
    Rise,
    Fall,
}

/// The rules of `[[alert]]`.
///
/// # Errors
/// When an alert is about a symbol or a field that no feed fetches.
pub(super) fn threshold_rules<'a>(rules: &AlertRules<'a>) -> Result<Vec<Rule<'a>>, ConfigError> {
    let mut watches = Vec::new();
    for alert in rules.thresholds {
        watches.extend(watches_of(rules.feeds, alert)?);
    }
    let kinds = [ThresholdKind::Above, ThresholdKind::Below, ThresholdKind::Rise, ThresholdKind::Fall];
    let mut of_feeds = Vec::new();
    for feed in rules.feeds {
        for field in &feed.fields {
            let is_of_field = |watch: &&Watch<'_>| watch.feed.name == feed.name && watch.alert.field == *field;
            let of_field: Vec<Watch<'_>> = watches.iter().filter(is_of_field).copied().collect();
            of_feeds
                .extend(kinds.iter().filter_map(|kind| threshold_rule(rules, feed, field.as_str(), *kind, &of_field)));
        }
    }
    Ok(of_feeds)
}

/// The rule for all thresholds of one kind for a field of a feed; `None` if there are none.
fn threshold_rule<'a>(
    rules: &AlertRules<'a>,
    feed: &'a Feed,
    field: &str,
    kind: ThresholdKind,
    watches: &[Watch<'_>],
) -> Option<Rule<'a>> {
    let of_watch = |watch: &Watch<'_>| Some(target(rules, kind, *watch, kind.threshold(watch.alert)?));
    // Two alerts may mean the same, such as BTC and BTC/USD. In Grafana two series of one name are an error of the rule.
    let mut seen = BTreeSet::new();
    let targets: Vec<String> =
        watches.iter().filter_map(of_watch).filter(|target| seen.insert(target.clone())).collect();
    let (event, unit) = kind.describe();
    let targets = (!targets.is_empty()).then(|| format!("group({})", targets.join(", ")))?;
    let name = &feed.name;
    let (subject, of_field) = if field == "last" {
        (name.clone(), name.clone())
    } else {
        (format!("{name} {field}"), format!("{name}: {field}"))
    };
    let interval = rules.interval(feed);
    let wait = interval.min(MAX_PENDING);
    let is_beyond =
        if kind.looks_up() { Evaluator::Above(-NOT_BEYOND / 10.0) } else { Evaluator::Below(NOT_BEYOND / 10.0) };
    Some(Rule {
        uid: uid(rules.queries.metrics, kind.as_str(), &subject),
        condition: Condition::Reduced("last", is_beyond),
        lookback: lookback(interval),
        pending: wait + EVALUATION,
        // A value that swings about its threshold is one alert.
        keep_firing: wait,
        panel: field_panel(feed, field),
        summary: format!("{{{{ $labels.name }}}}: {event}: {{{{ $values.B }}}}{unit}"),
        description: "It is beyond the threshold.".to_owned(),
        runbook: "The threshold is an [[alert]] of the config: change it there, and print the rules again.".to_owned(),
        ..rules.rule(kind.as_str(), name, interval, format!("{of_field}: {event}"), targets)
    })
}

/// A target that is the value, or its change in percent, while that is beyond the threshold, and a number far
/// on the other side otherwise.
fn target(rules: &AlertRules<'_>, kind: ThresholdKind, watch: Watch<'_>, threshold: f64) -> String {
    let Watch { feed, symbol, alert } = watch;
    let name = feed.names.name(&rules.queries.metrics.prefix, &feed.name, symbol, alert.field.as_str());
    let value = format!("keepLastValue({})", rules.queries.metric_target(&name));
    let change = || format!("offset(scale(divideSeries({value}, timeShift({value}, '1h')), 100), -100)");
    // f64 prints the shortest digits that read back the same, so the threshold looks as in the config.
    let beyond = match kind {
        ThresholdKind::Above => format!("removeBelowValue({value}, {threshold})"),
        ThresholdKind::Below => format!("removeAboveValue({value}, {threshold})"),
        ThresholdKind::Rise => format!("removeBelowValue({}, {threshold})", change()),
        ThresholdKind::Fall => format!("removeAboveValue({}, -{threshold})", change()),
    };
    let otherwise = if kind.looks_up() { -NOT_BEYOND } else { NOT_BEYOND };
    let of_field = if alert.field.as_str() == "last" { String::new() } else { format!(" {}", alert.field) };
    let label = format!("{symbol}{of_field} {} {threshold}", kind.as_str()).replace('\'', "_");
    let last = consolidate(&format!("transformNull({beyond}, {otherwise:e})"), "last");
    format!("alias({last}, '{label}')")
}

/// Where the symbol of an alert is watched.
fn watches_of<'a>(feeds: &'a [Feed], alert: &'a Alert) -> Result<Vec<Watch<'a>>, ConfigError> {
    let watches = feeds.iter().flat_map(|feed| feed.symbols.iter().map(move |symbol| Watch { alert, feed, symbol }));
    let watches: Vec<Watch<'_>> = watches.filter(Watch::has_symbol_of_alert).collect();
    let invalid = |problem: String| Err(ConfigError::invalid(alert.origin.clone(), problem));
    if watches.is_empty() {
        let did_you_mean = |probable| format!("; did you mean {probable:?}?");
        let suggestion = probable_pair(&alert.pair).map_or_else(String::new, did_you_mean);
        return invalid(format!("{} is a symbol of no feed: add it to one{suggestion}", alert.symbol));
    }
    if let Some(Watch { feed, .. }) = watches.iter().find(|watch| !watch.feed.fields.contains(&alert.field)) {
        let field = &alert.field;
        return invalid(format!(
            "{} has no {field}, as feed {} does not fetch {field}: add it to the fields",
            alert.symbol, feed.name
        ));
    }
    Ok(watches)
}

impl Watch<'_> {
    /// Whether the symbol is the one that the alert names. In the feed crypto `BTC` alone means every pair
    /// with the base BTC.
    fn has_symbol_of_alert(&self) -> bool {
        let Self { alert, symbol, .. } = self;
        match self.feed.name.as_str() {
            "crypto" => symbol.as_str() == alert.pair || symbol.base() == alert.pair,
            "stocks" => symbol.as_str() == alert.share || symbol.base() == alert.share,
            _ => *symbol == &alert.symbol,
        }
    }
}

impl ThresholdKind {
    /// The word in labels, uids and legends.
    fn as_str(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
            Self::Rise => "rise",
            Self::Fall => "fall",
        }
    }

    /// Whether great values are beyond the threshold.
    fn looks_up(self) -> bool {
        matches!(self, Self::Above | Self::Rise)
    }

    /// The threshold of this kind that an alert has.
    fn threshold(self, alert: &Alert) -> Option<f64> {
        match self {
            Self::Above => alert.above,
            Self::Below => alert.below,
            Self::Rise | Self::Fall => alert.change_percent_1h,
        }
    }

    /// What happened, and the unit of the value.
    fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::Above => ("at or above its threshold", ""),
            Self::Below => ("at or below its threshold", ""),
            Self::Rise => ("rose within an hour", " %"),
            Self::Fall => ("fell within an hour", " %"),
        }
    }
}
