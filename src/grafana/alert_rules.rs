//! The alert rules: what can go wrong with feeds and runs. Those for the thresholds of `[[alert]]` are in
//! `threshold_rules.rs`.

use super::dashboard::{dashboard_uid, panels};
use super::health_panels::{JOURNAL, REMAINING, STATUS, SYMBOLS};
use super::json::{pretty, uid};
use super::query::{Queries, consolidate, node};
use super::rule_json::{Evaluator, Links, Rule, group_json};
use super::threshold_rules::threshold_rules;
use crate::cli::AlertFormat;
use crate::config::ConfigError;
use crate::fetch::Feed;
use crate::market::field::Field;
use crate::provider::Definition;
use crate::settings::Alert;
use std::collections::{BTreeMap, BTreeSet};

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

/// How often Grafana evaluates the rules, in seconds.
pub(super) const EVALUATION: u32 = 60;

/// What is wrong for longer than this is no hiccup, however rarely a feed is fetched.
const MAX_PENDING: u32 = 300;

/// The longest time over which the requests that are left are compared.
const MONTH: u32 = 31 * 86_400;

impl<'a> AlertRules<'a> {
    /// The rules as JSON, which is YAML too. `datasource` is the uid of the Graphite data source.
    ///
    /// # Errors
    /// When an `[[alert]]` is about a symbol or a field that no feed fetches.
    pub(crate) fn render(&self, datasource: &str, format: AlertFormat) -> Result<String, ConfigError> {
        let links = Links { dashboard: dashboard_uid(self.queries), panels: panels(self.feeds, self.queries) };
        Ok(pretty(&group_json(&self.rules()?, datasource, format, &links)))
    }

    fn rules(&self) -> Result<Vec<Rule<'a>>, ConfigError> {
        let mut rules = Vec::new();
        for feed in self.feeds {
            rules.push(self.points_missing(feed));
            rules.push(self.no_run(feed));
            rules.extend(self.price_not_positive(feed));
        }
        rules.extend(threshold_rules(self)?);
        rules.extend(
            self.providers_by_interval().into_iter().map(|(interval, names)| self.provider_fails(interval, &names)),
        );
        rules.extend(self.limit_nearly_reached());
        rules.extend([self.push_fails(), self.journal_grows()]);
        Ok(rules)
    }

    /// The seconds between two runs that fetch the feed.
    pub(super) fn interval(&self, feed: &Feed) -> u32 {
        feed.seconds_between_fetches(self.definitions)
    }

    /// The seconds between two runs: feeds that are due more rarely rest in some of them.
    fn run_interval(&self) -> u32 {
        self.feeds.iter().map(|feed| feed.interval).min().unwrap_or(self.queries.metrics.interval)
    }

    /// A rule that fires if the last value is above zero, and was so in two runs that are `interval` seconds
    /// apart: one run may have a hiccup.
    pub(super) fn rule(
        &self,
        kind: &'static str,
        feed: &'a str,
        interval: u32,
        title: String,
        target: String,
    ) -> Rule<'a> {
        Rule {
            uid: uid(self.queries.metrics, kind, feed),
            kind,
            feed,
            title,
            target,
            reducer: "last",
            evaluator: Evaluator::Above(0.0),
            // A run that is late, or takes its time, is in Graphite a minute or two after it was due.
            lookback: interval.saturating_mul(2).max(interval.saturating_add(120)),
            highest_of: None,
            pending: pending(interval),
            keep_firing: 0,
            fires_on_no_data: false,
            panel: String::new(),
            summary: String::new(),
            description: String::new(),
            runbook: String::new(),
        }
    }

    /// A run in which the feed is not due has two zeros. They are removed, so that the last run in which it was
    /// due counts.
    fn points_missing(&self, feed: &'a Feed) -> Rule<'a> {
        let name = &feed.name;
        let mut counts = self.queries.health_pattern(&["feed", name, "expected,fetched"]);
        // The difference is taken for each run, as several runs may fetch parts of one feed: by the run's name
        // alone, as Graphite finds no node in the name of a series with tags. It decides which of the two counts
        // comes first, so the sign of their difference means nothing.
        r"\1".clone_into(&mut counts.legend);
        let due = counts.with_legend(&format!("removeBelowValue({}, 1)", self.queries.target(&counts)));
        let missing = format!("absolute(groupByNode({due}, 0, 'diff'))");
        let target = format!(r"aliasSub({}, '^.*\(([^(),]+)\).*$', '\1')", consolidate(&missing, "last"));
        Rule {
            panel: SYMBOLS.to_owned(),
            summary: format!("Feed {name}: {{{{ $values.B }}}} symbols are missing in run {{{{ $labels.name }}}}"),
            description: "What no provider of the feed gives is missing; the rest is pushed.".to_owned(),
            runbook: format!(
                "Run `datametrics --feed {name} --dry-run -v`: it names what is missing, and why. Take a symbol that \
                 is gone out of `symbols`, or name a provider that has it in `providers`."
            ),
            ..self.rule("missing", name, self.interval(feed), format!("{name}: points missing"), target)
        }
    }

    fn no_run(&self, feed: &'a Feed) -> Rule<'a> {
        let name = &feed.name;
        let expected = self.queries.target(&self.queries.health_pattern(&["feed", name, "expected"]));
        let runs = consolidate(&format!("isNonNull(sumSeries({expected}))"), "max");
        let target = format!("alias({runs}, '{name}')");
        let rule = self.rule("norun", name, feed.interval, format!("{name}: no run at all"), target);
        Rule {
            reducer: "max",
            evaluator: Evaluator::Below(1.0),
            fires_on_no_data: true,
            pending: 0,
            panel: SYMBOLS.to_owned(),
            summary: format!("Feed {name}: no run has reached Graphite"),
            description: format!(
                "A run tells of each feed, also while its market is closed, so there was none for {} s, or none \
                 could push.",
                rule.lookback
            ),
            runbook: "Is cron (or whatever starts the runs) running, and what does it mail? Run `datametrics check`, \
                      then `datametrics all` by hand. If runs come more rarely on purpose, set `interval`."
                .to_owned(),
            ..rule
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
        let bad = format!("transformNull(removeAboveValue({}, 0), 1)", self.queries.target(&pattern));
        let target = pattern.with_legend(&consolidate(&bad, "min"));
        Some(Rule {
            reducer: "min",
            evaluator: Evaluator::Below(1.0),
            pending: 0,
            panel: format!("{name}: "),
            summary: format!("Feed {name}: a price of {{{{ $labels.name }}}} is {{{{ $values.B }}}}"),
            description: "A price must be above zero, and datametrics pushes no other.".to_owned(),
            runbook: "Find out who else pushes under this name, or choose another `prefix`.".to_owned(),
            ..self.rule("price", name, self.interval(feed), format!("{name}: price not positive"), target)
        })
    }

    /// The providers in use, by how often the feed that asks them most often is fetched.
    fn providers_by_interval(&self) -> BTreeMap<u32, BTreeSet<&'a str>> {
        let mut intervals: BTreeMap<&str, u32> = BTreeMap::new();
        for feed in self.feeds {
            for definition in feed.providers.iter().filter_map(|index| self.definitions.get(*index)) {
                let rest = u32::try_from(definition.interval_for(feed.symbols.len())).unwrap_or(u32::MAX);
                let asked = self.interval(feed).max(rest);
                let interval = intervals.entry(&definition.name).or_insert(asked);
                *interval = asked.min(*interval);
            }
        }
        let mut providers: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
        for (name, interval) in intervals {
            providers.entry(interval).or_default().insert(name);
        }
        providers
    }

    fn provider_fails(&self, interval: u32, names: &BTreeSet<&str>) -> Rule<'a> {
        let nodes: Vec<String> = names.iter().map(|name| node(name)).collect();
        // In the legend also where there is only one.
        let nodes = if nodes.len() == 1 { format!("+{}", nodes[0]) } else { nodes.join(",") };
        let pattern = self.queries.health_pattern(&[&nodes, "response", "status_code"]);
        let (id, of) = if interval == self.run_interval() {
            (String::new(), String::new())
        } else {
            (interval.to_string(), format!(" (fetched every {interval} s)"))
        };
        let target = self.queries.drawn(&pattern, "last");
        Rule {
            uid: uid(self.queries.metrics, "provider", &id),
            evaluator: Evaluator::OutsideRange(200.0, 399.0),
            panel: STATUS.to_owned(),
            summary: "A provider fails: {{ $labels.name }} is {{ $values.B }}".to_owned(),
            description: "The worst HTTP status of the last run that asked it, also where another provider filled in: \
                          0 is no answer, 401 and 403 are about its key, 429 is too many requests."
                .to_owned(),
            runbook: "Run `datametrics check`: it asks each provider once and says what to do. Name a second provider \
                      in `providers`, to be asked for what the first cannot give."
                .to_owned(),
            ..self.rule("provider", "", interval, format!("A provider fails{of}"), target)
        }
    }

    /// A rule about the requests that are left, if a provider in use tells them. The limit itself is not known,
    /// so what is left is compared with the most that was left in the last month.
    fn limit_nearly_reached(&self) -> Option<Rule<'a>> {
        if self.definitions.iter().all(|definition| definition.remaining.is_none()) {
            return None;
        }
        let interval = self.feeds.iter().map(|feed| self.interval(feed)).max()?;
        let pattern = self.queries.health_pattern(&["*", "remaining"]);
        let target = self.queries.drawn(&pattern, "last");
        Some(Rule {
            evaluator: Evaluator::Below(0.1),
            highest_of: Some((self.queries.drawn(&pattern, "max"), MONTH)),
            pending: pending(self.run_interval()),
            panel: REMAINING.to_owned(),
            summary: "A limit is nearly reached: {{ $labels.name }} has {{ $values.B }} requests left".to_owned(),
            description: "Less than a tenth of the most that was left in the last month. At none the provider refuses."
                .to_owned(),
            runbook: "`datametrics check -v` says what the runs need in a month, `datametrics providers` what the \
                      provider allows. Ask more rarely (`interval` of the feed), for fewer symbols, or use a second key."
                .to_owned(),
            ..self.rule("limit", "", interval, "A provider's limit is nearly reached".to_owned(), target)
        })
    }

    fn push_fails(&self) -> Rule<'a> {
        let pattern = self.queries.health_pattern(&["graphite", "response", "status_code"]);
        let target = self.queries.drawn(&pattern, "last");
        Rule {
            evaluator: Evaluator::OutsideRange(200.0, 299.0),
            panel: STATUS.to_owned(),
            summary: "Pushing to Graphite fails: {{ $labels.name }} is {{ $values.B }}".to_owned(),
            description: "Graphite does not take all points of a run; 0 is no answer.".to_owned(),
            runbook: "What Graphite did not take is in the journal and is sent again. Read what the runs say, then \
                      run `datametrics check`."
                .to_owned(),
            ..self.rule("push", "", self.run_interval(), "Pushing to Graphite fails".to_owned(), target)
        }
    }

    fn journal_grows(&self) -> Rule<'a> {
        let target = self.queries.drawn(&self.queries.health_pattern(&["journal"]), "last");
        Rule {
            panel: JOURNAL.to_owned(),
            summary: "The journal is not emptied: {{ $values.B }} points wait in run {{ $labels.name }}".to_owned(),
            description: "Graphite takes less than the runs fetch: points of earlier runs still wait.".to_owned(),
            runbook: "See the status of pushes on the dashboard, and what the runs say. Points that wait for another \
                      Graphite than the configured one are named by `datametrics check`."
                .to_owned(),
            ..self.rule("journal", "", self.run_interval(), "The journal grows".to_owned(), target)
        }
    }
}

/// For how many seconds a value that may change each `interval` must be bad before that is an alert: a second
/// run must have been bad, too.
fn pending(interval: u32) -> u32 {
    interval.min(MAX_PENDING) + EVALUATION
}
