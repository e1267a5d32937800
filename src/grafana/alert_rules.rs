//! The alert rules: what can go wrong with feeds and runs, and the thresholds of `[[alert]]`.

use super::json::{pretty, uid};
use super::query::{Queries, node};
use super::rule_json::{Evaluator, Rule, group_json};
use crate::cli::AlertFormat;
use crate::config::ConfigError;
use crate::fetch::Feed;
use crate::market::field::Field;
use crate::market::spellings::probable_pair;
use crate::market::symbol::Symbol;
use crate::provider::Definition;
use crate::settings::Alert;

/// Makes the alert rules.
pub(crate) struct AlertRules<'a> {
    /// The feeds that are watched.
    pub(crate) feeds: &'a [Feed],
    /// The providers of these feeds.
    pub(crate) definitions: &'a [Definition],
    /// The thresholds of `[[alert]]`.
    pub(crate) thresholds: &'a [Alert],
    /// How Graphite is asked for the points.
    pub(crate) queries: Queries<'a>,
}

/// A threshold, and a symbol of a feed for which it holds.
#[derive(Clone, Copy)]
struct Watch<'a> {
    alert: &'a Alert,
    feed: &'a Feed,
    symbol: &'a Symbol,
}

/// In which way a price can be beyond a threshold.
#[derive(Clone, Copy, PartialEq)]
enum ThresholdKind {
    Above,
    Below,
    Rise,
    Fall,
}

impl<'a> AlertRules<'a> {
    /// The rules as JSON, which is YAML too. `datasource` is the uid of the Graphite data source.
    ///
    /// # Errors
    /// When an `[[alert]]` is about a symbol or a price that no feed fetches.
    pub(crate) fn render(&self, datasource: &str, format: AlertFormat) -> Result<String, ConfigError> {
        Ok(pretty(&group_json(&self.rules()?, datasource, format)))
    }

    fn rules(&self) -> Result<Vec<Rule<'a>>, ConfigError> {
        let mut rules = Vec::new();
        for feed in self.feeds {
            rules.push(self.points_missing(feed));
            rules.push(self.no_run(feed));
            rules.extend(self.price_not_positive(feed));
        }
        rules.extend(self.threshold_rules()?);
        rules.extend([self.provider_fails(), self.push_fails(), self.journal_grows()]);
        Ok(rules)
    }

    /// The seconds that this many runs take, but at least ten minutes.
    fn seconds_of_runs(&self, runs: u32) -> u32 {
        self.queries.metrics.interval.saturating_mul(runs).max(600)
    }

    /// A rule that fires at once if the last value is above zero.
    fn rule(&self, kind: &'static str, feed: &'a str, title: String, target: String) -> Rule<'a> {
        Rule {
            uid: uid(self.queries.metrics, kind, feed),
            kind,
            feed,
            title,
            target,
            reducer: "last",
            evaluator: Evaluator::Above(0.0),
            lookback: self.seconds_of_runs(5),
            pending: 0,
            fires_on_no_data: false,
            summary: String::new(),
            description: String::new(),
        }
    }

    fn points_missing(&self, feed: &'a Feed) -> Rule<'a> {
        let name = &feed.name;
        let counts = self.queries.target(&self.queries.health_pattern(&["feed", name, "expected,fetched"]));
        // The difference is taken for each run, as several runs may fetch parts of one feed.
        let run_node = self.queries.prefix_nodes() + 1;
        let target = format!("groupByNode({counts}, {run_node}, 'diff')");
        Rule {
            // Graphite decides which of the two counts comes first, so the sign means nothing.
            evaluator: Evaluator::OutsideRange(0.0, 0.0),
            pending: self.seconds_of_runs(3),
            summary: format!("Feed {name}: {{{{ $values.B }}}} symbols are missing in run {{{{ $labels.name }}}}"),
            description: format!("Run `datametrics --feed {name} --dry-run -v`: it names what is missing, and why."),
            ..self.rule("missing", name, format!("{name}: points missing"), target)
        }
    }

    fn no_run(&self, feed: &'a Feed) -> Rule<'a> {
        let name = &feed.name;
        let expected = self.queries.target(&self.queries.health_pattern(&["feed", name, "expected"]));
        let target = format!("alias(isNonNull(sumSeries({expected})), '{name}')");
        Rule {
            reducer: "max",
            evaluator: Evaluator::Below(1.0),
            fires_on_no_data: true,
            summary: format!("Feed {name}: no run has reached Graphite"),
            description:
                "Is cron (or whatever starts the runs) running, and what does it mail? Run `datametrics` by hand."
                    .to_owned(),
            ..self.rule("norun", name, format!("{name}: no run at all"), target)
        }
    }

    /// A rule about prices that are zero or less. In its target they keep their values, and all other
    /// values become 1. `None` if the feed has no prices.
    fn price_not_positive(&self, feed: &'a Feed) -> Option<Rule<'a>> {
        let name = &feed.name;
        let prices: Vec<&str> = feed.fields.iter().filter(|field| field.is_price()).map(Field::as_str).collect();
        if prices.is_empty() {
            return None;
        }
        let pattern = self.queries.fields_pattern(feed, &prices, false);
        let target = format!("transformNull(removeAboveValue({}, 0), 1)", self.queries.target(&pattern));
        Some(Rule {
            reducer: "min",
            evaluator: Evaluator::Below(1.0),
            summary: format!("Feed {name}: a price of {{{{ $labels.name }}}} is {{{{ $values.B }}}}"),
            description:
                "A price must be above zero, and datametrics pushes no other: who else pushes under this name?"
                    .to_owned(),
            ..self.rule("price", name, format!("{name}: price not positive"), pattern.with_legend(&target))
        })
    }

    fn provider_fails(&self) -> Rule<'a> {
        let names: Vec<String> = self.definitions.iter().map(|definition| node(&definition.name)).collect();
        let pattern = self.queries.health_pattern(&[&names.join(","), "response", "status_code"]);
        let target = self.queries.target(&pattern);
        Rule {
            evaluator: Evaluator::OutsideRange(200.0, 399.0),
            pending: self.seconds_of_runs(3),
            summary: "A provider fails: {{ $labels.name }} is {{ $values.B }}".to_owned(),
            description: "0 is no answer, 401 and 403 are about its key, 429 is too many requests; the run's messages \
                          say more. Name a second provider in `providers`, to be asked for what the first cannot give."
                .to_owned(),
            ..self.rule("provider", "", "A provider fails".to_owned(), target)
        }
    }

    fn push_fails(&self) -> Rule<'a> {
        let target = self.queries.target(&self.queries.health_pattern(&["graphite", "response", "status_code"]));
        Rule {
            evaluator: Evaluator::OutsideRange(200.0, 299.0),
            pending: self.seconds_of_runs(3),
            summary: "Pushing to Graphite fails: {{ $labels.name }} is {{ $values.B }}".to_owned(),
            description:
                "0 is no answer. What Graphite did not take is in the journal; the run's messages say what to do."
                    .to_owned(),
            ..self.rule("push", "", "Pushing to Graphite fails".to_owned(), target)
        }
    }

    fn journal_grows(&self) -> Rule<'a> {
        let target = self.queries.target(&self.queries.health_pattern(&["journal"]));
        Rule {
            // The journal does not grow if it was empty once within the lookback.
            reducer: "min",
            lookback: self.seconds_of_runs(15),
            pending: self.seconds_of_runs(3),
            summary: "The journal grows: {{ $labels.name }} has not been below {{ $values.B }}".to_owned(),
            description: "Graphite takes less than the runs fetch: see the status of pushes, and the run's messages."
                .to_owned(),
            ..self.rule("journal", "", "The journal grows".to_owned(), target)
        }
    }

    /// The rules of `[[alert]]`: one for each feed and each kind of threshold.
    fn threshold_rules(&self) -> Result<Vec<Rule<'a>>, ConfigError> {
        let mut watches = Vec::new();
        for alert in self.thresholds {
            watches.extend(self.watches(alert)?);
        }
        let kinds = [ThresholdKind::Above, ThresholdKind::Below, ThresholdKind::Rise, ThresholdKind::Fall];
        let mut rules = Vec::new();
        for feed in self.feeds {
            let of_feed: Vec<Watch<'_>> =
                watches.iter().copied().filter(|watch| watch.feed.name == feed.name).collect();
            rules.extend(kinds.iter().filter_map(|kind| self.threshold_rule(feed, *kind, &of_feed)));
        }
        Ok(rules)
    }

    /// The rule for all thresholds of one kind in one feed; `None` if there are none.
    fn threshold_rule(&self, feed: &'a Feed, kind: ThresholdKind, watches: &[Watch<'_>]) -> Option<Rule<'a>> {
        let targets: Vec<String> = watches
            .iter()
            .filter_map(|watch| Some(self.threshold_target(kind, *watch, kind.threshold(watch.alert)?)))
            .collect();
        let name = &feed.name;
        let (event, unit) = kind.describe();
        (!targets.is_empty()).then(|| Rule {
            evaluator: if kind == ThresholdKind::Fall { Evaluator::Below(0.0) } else { Evaluator::Above(0.0) },
            summary: format!("{{{{ $labels.name }}}}: {event}: {{{{ $values.B }}}}{unit}"),
            description: "The threshold is an [[alert]] of the config.".to_owned(),
            ..self.rule(kind.as_str(), name, format!("{name}: {event}"), format!("group({})", targets.join(", ")))
        })
    }

    /// A target that is the price, or its change in percent, while that is beyond the threshold, and 0
    /// otherwise.
    fn threshold_target(&self, kind: ThresholdKind, watch: Watch<'_>, threshold: f64) -> String {
        let Watch { feed, symbol, .. } = watch;
        let name = feed.names.name(&self.queries.metrics.prefix, &feed.name, symbol, "last");
        let price = format!("keepLastValue({})", self.queries.metric_target(&name));
        let change = || format!("offset(scale(divideSeries({price}, timeShift({price}, '1h')), 100), -100)");
        // f64 prints the shortest digits that read back the same, so the threshold looks as in the config.
        let beyond = match kind {
            ThresholdKind::Above => format!("removeBelowValue({price}, {threshold})"),
            ThresholdKind::Below => format!("removeAboveValue({price}, {threshold})"),
            ThresholdKind::Rise => format!("removeBelowValue({}, {threshold})", change()),
            ThresholdKind::Fall => format!("removeAboveValue({}, -{threshold})", change()),
        };
        let label = format!("{symbol} {} {threshold}", kind.as_str()).replace('\'', "_");
        format!("alias(transformNull({beyond}, 0), '{label}')")
    }

    /// Where the symbol of an alert is watched.
    fn watches(&self, alert: &'a Alert) -> Result<Vec<Watch<'a>>, ConfigError> {
        let watches =
            self.feeds.iter().flat_map(|feed| feed.symbols.iter().map(move |symbol| Watch { alert, feed, symbol }));
        let watches: Vec<Watch<'_>> = watches.filter(Watch::has_symbol_of_alert).collect();
        let invalid = |problem: String| Err(ConfigError::invalid(alert.origin.clone(), problem));
        if watches.is_empty() {
            let did_you_mean = |probable| format!("; did you mean {probable:?}?");
            let suggestion = probable_pair(&alert.pair).map_or_else(String::new, did_you_mean);
            return invalid(format!("{} is a symbol of no feed: add it to one{suggestion}", alert.symbol));
        }
        if let Some(Watch { feed, .. }) = watches.iter().find(|watch| !watch.has_last()) {
            return invalid(format!(
                "{} has no price, as feed {} does not fetch last: add it to the fields",
                alert.symbol, feed.name
            ));
        }
        Ok(watches)
    }
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

    fn has_last(&self) -> bool {
        self.feed.fields.iter().any(|field| field.as_str() == "last")
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
            Self::Above => ("price at or above its threshold", ""),
            Self::Below => ("price at or below its threshold", ""),
            Self::Rise => ("price rose within an hour", " %"),
            Self::Fall => ("price fell within an hour", " %"),
        }
    }
}
