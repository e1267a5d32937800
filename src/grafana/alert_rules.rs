//! The alert rules about what can go wrong with feeds, providers and pushes.

use super::dashboard::field_panel;
use super::health_panels::{JOURNAL, REMAINING, STATUS, SYMBOLS};
use super::json::uid;
use super::query::{Queries, consolidate, node};
use super::rule_json::{Condition, Evaluator, Rule};
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

/// How much later a run may be in Graphite than it was due, in seconds: a minute until it has fetched, and a minute
/// as Graphite gives a point the time at which its minute began.
const DELAY: u32 = 120;

/// A limit is nearly reached when less than this is left of it, in percent.
const LITTLE: f64 = 10.0;

impl<'a> AlertRules<'a> {
    /// The rules about a feed.
    pub(super) fn feed_rules(&self, feed: &'a Feed) -> impl Iterator<Item = Rule<'a>> {
        [self.points_missing(feed), self.no_run(feed)].into_iter().chain(self.price_not_positive(feed))
    }

    /// The rules about providers: first those about their failures.
    pub(super) fn provider_rules(&self) -> Vec<Rule<'a>> {
        let providers = self.providers_by_interval();
        let fails = providers.iter().map(|(interval, names)| self.provider_fails(*interval, names));
        let nearly_reached =
            providers.iter().filter_map(|(interval, names)| self.limit_nearly_reached(*interval, names));
        fails.chain(nearly_reached).collect()
    }

    /// The seconds between two runs that fetch the feed.
    pub(super) fn interval(&self, feed: &Feed) -> u32 {
        feed.seconds_between_fetches(self.definitions)
    }

    /// The seconds between two runs: feeds that are due more rarely rest in some of them.
    fn run_interval(&self) -> u32 {
        self.feeds.iter().map(|feed| feed.interval).min().unwrap_or(self.queries.metrics.interval)
    }

    /// A rule that fires if the value is above zero in all runs of two intervals, and of two runs at least.
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
            condition: Condition::EachRun(Evaluator::Above(0.0)),
            lookback: interval.saturating_mul(2).saturating_add(DELAY),
            pending: 0,
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
            condition: Condition::Reduced("max", Evaluator::Below(1.0)),
            lookback: lookback(feed.interval),
            fires_on_no_data: true,
            panel: SYMBOLS.to_owned(),
            summary: format!("Feed {name}: no run has reached Graphite"),
            description: format!(
                "A run tells of each feed, also while its market is closed, so there was none for {} s, or none \
                 could push.",
                lookback(feed.interval)
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
            condition: Condition::Reduced("min", Evaluator::Below(1.0)),
            lookback: lookback(self.interval(feed)),
            panel: field_panel(feed, if prices.contains(&"last") { "last" } else { prices[0] }),
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
        let (id, of) = self.of_interval(interval);
        let target = self.queries.drawn(&pattern, "last");
        Rule {
            uid: uid(self.queries.metrics, "provider", &id),
            condition: Condition::EachRun(Evaluator::OutsideRange(200.0, 399.0)),
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

    /// A rule about the requests that are left, in percent of the limit, of those of some providers whose limit is
    /// known.
    fn limit_nearly_reached(&self, interval: u32, names: &BTreeSet<&'a str>) -> Option<Rule<'a>> {
        let targets: Vec<String> = names.iter().filter_map(|name| self.percent_left(name)).collect();
        let target = match &targets[..] {
            [] => return None,
            [target] => target.clone(),
            targets => format!("group({})", targets.join(", ")),
        };
        let (id, of) = self.of_interval(interval);
        Some(Rule {
            uid: uid(self.queries.metrics, "limit", &id),
            condition: Condition::EachRun(Evaluator::Below(LITTLE)),
            panel: REMAINING.to_owned(),
            summary: "A limit is nearly reached: {{ $labels.name }} has {{ $values.B }} % of its requests left"
                .to_owned(),
            description: format!(
                "In each run there was less than {LITTLE} % of the limit left. At none the provider refuses."
            ),
            runbook: "`datametrics check -v` says what the runs need in a month, `datametrics providers` what the \
                      provider allows. Ask more rarely (`interval` of the feed), for fewer symbols, or use a second \
                      key. With a plan that allows more, say so in `[providers.NAME]`: `remaining = { of = … }`, or \
                      `remaining = { limit = … }` where the definition has `limit`."
                .to_owned(),
            ..self.rule("limit", "", interval, format!("A provider's limit is nearly reached{of}"), target)
        })
    }

    /// The target for how much of a provider's limit is left, in percent, if the limit is known.
    fn percent_left(&self, name: &str) -> Option<String> {
        let definition = self.definitions.iter().find(|definition| definition.name == name)?;
        let limit = definition.remaining.as_ref()?.limit?;
        let pattern = self.queries.health_pattern(&[&format!("+{}", node(name)), "remaining"]);
        #[expect(clippy::cast_precision_loss, reason = "a percentage needs no more digits")]
        let percent = format!("scale({}, {})", self.queries.target(&pattern), 100.0 / limit as f64);
        Some(pattern.with_legend(&consolidate(&percent, "last")))
    }

    /// What tells the rules of providers that are asked each `interval` seconds from the others: the end of their uid
    /// and of their title. Both are empty for those that are asked in every run.
    fn of_interval(&self, interval: u32) -> (String, String) {
        if interval == self.run_interval() {
            (String::new(), String::new())
        } else {
            (interval.to_string(), format!(" (fetched every {interval} s)"))
        }
    }

    pub(super) fn push_fails(&self) -> Rule<'a> {
        let pattern = self.queries.health_pattern(&["graphite", "response", "status_code"]);
        let target = self.queries.drawn(&pattern, "last");
        Rule {
            condition: Condition::EachRun(Evaluator::OutsideRange(200.0, 299.0)),
            panel: STATUS.to_owned(),
            summary: "Pushing to Graphite fails: {{ $labels.name }} is {{ $values.B }}".to_owned(),
            description: "Graphite does not take all points of a run; 0 is no answer.".to_owned(),
            runbook: "What Graphite did not take is in the journal and is sent again. Read what the runs say, then \
                      run `datametrics check`."
                .to_owned(),
            ..self.rule("push", "", self.run_interval(), "Pushing to Graphite fails".to_owned(), target)
        }
    }

    pub(super) fn journal_grows(&self) -> Rule<'a> {
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

/// How far a query looks back that needs one run only, in seconds.
pub(super) fn lookback(interval: u32) -> u32 {
    interval.saturating_mul(2).max(interval.saturating_add(DELAY))
}
