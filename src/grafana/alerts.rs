//! Alert rules: for a file of Grafana's provisioning
//! (<https://grafana.com/docs/grafana/latest/alerting/set-up/provision-alerting-resources/file-provisioning/>),
//! or for its HTTP API
//! (<https://grafana.com/docs/grafana/latest/developers/http_api/alerting_provisioning/>).

use super::query::{Queries, safe};
use super::{GRAPHITE, text, uid};
use crate::cli::AlertFormat;
use crate::config::ConfigError;
use crate::fetch::Feed;
use crate::market::field::Field;
use crate::market::symbol::Symbol;
use crate::settings::{Alert, Settings};
use serde_json::{Value, json};

/// Folder and group of the rules; of the folder both the uid and the title.
const GROUP: &str = "datametrics";

/// Where expressions are evaluated: in Grafana itself.
const EXPRESSION: &str = "__expr__";

/// A rule: every series that its query gives is an alert of its own.
struct Rule<'a> {
    /// What is wrong, at most 11 letters.
    kind: &'static str,
    feed: &'a str,
    title: String,
    query: String,
    /// How a series becomes one number.
    reducer: &'static str,
    /// `gt`, `lt` or `outside_range`, and of what.
    condition: (&'static str, Vec<f64>),
    /// Seconds that the query looks back.
    window: u32,
    /// Seconds that it must hold.
    hold: u32,
    /// Whether it is to be told that there is nothing at all.
    is_silence_bad: bool,
    summary: String,
    advice: String,
}

/// The rules of these settings as JSON, which is YAML too.
///
/// # Errors
/// When an `[[alert]]` is about something that no feed fetches.
pub(crate) fn alerts(settings: &Settings, datasource: &str, format: AlertFormat) -> Result<String, ConfigError> {
    let rules = Writer { settings, queries: Queries::new(settings) }.rules()?;
    let group = match format {
        AlertFormat::File => {
            let rules: Vec<Value> = rules.iter().map(|rule| rule.json(settings, datasource)).collect();
            let group = json!({ "orgId": 1, "name": GROUP, "folder": GROUP, "interval": "1m", "rules": rules });
            // Grafana reads a `$` in such a file as a variable of its environment.
            doubled(json!({ "apiVersion": 1, "groups": [group] }))
        }
        AlertFormat::Api => {
            let rule = |rule: &Rule<'_>| {
                let mut json = rule.json(settings, datasource);
                json["orgID"] = json!(1);
                json["folderUID"] = json!(GROUP);
                json["ruleGroup"] = json!(GROUP);
                json
            };
            let rules: Vec<Value> = rules.iter().map(rule).collect();
            json!({ "title": GROUP, "folderUid": GROUP, "interval": 60, "rules": rules })
        }
    };
    Ok(text(&group))
}

fn doubled(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace('$', "$$")),
        Value::Array(values) => values.into_iter().map(doubled).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, doubled(value))).collect(),
        other => other,
    }
}

struct Writer<'a> {
    settings: &'a Settings,
    queries: Queries<'a>,
}

impl<'a> Writer<'a> {
    fn rules(&self) -> Result<Vec<Rule<'a>>, ConfigError> {
        let mut rules = Vec::new();
        for feed in &self.settings.fetch.feeds {
            rules.push(self.missing(feed));
            rules.push(self.no_run(feed));
            rules.extend(self.not_positive(feed));
        }
        rules.extend(self.thresholds()?);
        rules.extend([self.provider(), self.push(), self.journal()]);
        Ok(rules)
    }

    /// Seconds in which so many runs should have been, ten minutes at least.
    fn runs(&self, count: u32) -> u32 {
        self.settings.metrics.interval.saturating_mul(count).max(600)
    }

    fn rule(&self, kind: &'static str, feed: &'a str, title: String, query: String) -> Rule<'a> {
        Rule {
            kind,
            feed,
            title,
            query,
            reducer: "last",
            condition: ("gt", vec![0.0]),
            window: self.runs(5),
            hold: 0,
            is_silence_bad: false,
            summary: String::new(),
            advice: String::new(),
        }
    }

    fn missing(&self, feed: &'a Feed) -> Rule<'a> {
        let name = &feed.name;
        let both = self.queries.all(&self.queries.health(&["feed", name, "expected,fetched"], ""));
        // Of each run by itself, as several may fetch parts of a feed: expected less fetched.
        let run = self.queries.prefix_nodes() + 1;
        let query = format!("groupByNode({both}, {run}, 'diff')");
        Rule {
            // Which of the two comes first is Graphite's affair.
            condition: ("outside_range", vec![0.0, 0.0]),
            hold: self.runs(3),
            summary: format!("Feed {name}: {{{{ $values.B }}}} symbols are missing in run {{{{ $labels.name }}}}"),
            advice: format!("Run `datametrics --feed {name} --dry-run -v`: it names what is missing, and why."),
            ..self.rule("missing", name, format!("{name}: points missing"), query)
        }
    }

    fn no_run(&self, feed: &'a Feed) -> Rule<'a> {
        let name = &feed.name;
        let expected = self.queries.all(&self.queries.health(&["feed", name, "expected"], ""));
        let query = format!("alias(isNonNull(sumSeries({expected})), '{name}')");
        Rule {
            reducer: "max",
            condition: ("lt", vec![1.0]),
            is_silence_bad: true,
            summary: format!("Feed {name}: no run has reached Graphite"),
            advice: "Is cron (or whatever starts the runs) running, and what does it mail? Run `datametrics` by hand."
                .to_owned(),
            ..self.rule("norun", name, format!("{name}: no run at all"), query)
        }
    }

    /// Where a feed has prices: those that are none, of which each is as it is and all others are 1.
    fn not_positive(&self, feed: &'a Feed) -> Option<Rule<'a>> {
        let name = &feed.name;
        let prices: Vec<&str> = feed.fields.iter().filter(|field| field.is_price()).map(Field::as_str).collect();
        if prices.is_empty() {
            return None;
        }
        let pattern = self.queries.field(feed, &prices, false);
        let bad = format!("transformNull(removeAboveValue({}, 0), 1)", self.queries.all(&pattern));
        Some(Rule {
            reducer: "min",
            condition: ("lt", vec![1.0]),
            summary: format!("Feed {name}: a price of {{{{ $labels.name }}}} is {{{{ $values.B }}}}"),
            advice: "A price must be above zero, and datametrics pushes no other: who else pushes under this name?"
                .to_owned(),
            ..self.rule("price", name, format!("{name}: price not positive"), self.queries.named(&pattern, &bad))
        })
    }

    fn provider(&self) -> Rule<'a> {
        let names: Vec<String> =
            self.settings.fetch.definitions.iter().map(|definition| safe(&definition.name)).collect();
        // Which of them it is stands in the name only where there are several.
        let legend = if let [one] = &names[..] { one } else { r"\2" };
        let pattern = self.queries.health(&[&names.join(","), "response", "status_code"], legend);
        let query = self.queries.all(&pattern);
        Rule {
            condition: ("outside_range", vec![200.0, 399.0]),
            hold: self.runs(3),
            summary: "A provider fails: {{ $labels.name }} is {{ $values.B }}".to_owned(),
            advice: "0 is no answer, 401 and 403 are about its key, 429 is too many requests; the run's messages say \
                     more. Name a second provider in `providers`, to be asked for what the first cannot give."
                .to_owned(),
            ..self.rule("provider", "", "A provider fails".to_owned(), query)
        }
    }

    fn push(&self) -> Rule<'a> {
        let query = self.queries.all(&self.queries.health(&["graphite", "response", "status_code"], ""));
        Rule {
            condition: ("outside_range", vec![200.0, 299.0]),
            hold: self.runs(3),
            summary: "Pushing to Graphite fails: {{ $labels.name }} is {{ $values.B }}".to_owned(),
            advice: "0 is no answer. What Graphite did not take is in the journal; the run's messages say what to do."
                .to_owned(),
            ..self.rule("push", "", "Pushing to Graphite fails".to_owned(), query)
        }
    }

    fn journal(&self) -> Rule<'a> {
        let query = self.queries.all(&self.queries.health(&["journal"], ""));
        Rule {
            // Empty once in this time is enough.
            reducer: "min",
            window: self.runs(15),
            hold: self.runs(3),
            summary: "The journal grows: {{ $labels.name }} has not been below {{ $values.B }}".to_owned(),
            advice: "Graphite takes less than the runs fetch: see the status of pushes, and the run's messages."
                .to_owned(),
            ..self.rule("journal", "", "The journal grows".to_owned(), query)
        }
    }

    /// What `[[alert]]` asks for, a rule a feed and kind: the price or change where it is beyond its
    /// threshold, and 0 where it is not.
    fn thresholds(&self) -> Result<Vec<Rule<'a>>, ConfigError> {
        let mut rules = Vec::new();
        let wanted = self.settings.alerts.iter().map(|alert| Ok((alert, self.watched(alert)?)));
        let wanted: Vec<(&Alert, Vec<(&'a Feed, &'a Symbol)>)> = wanted.collect::<Result<_, ConfigError>>()?;
        for feed in &self.settings.fetch.feeds {
            let of_feed = wanted.iter().flat_map(|(alert, watched)| watched.iter().map(move |place| (*alert, *place)));
            let of_feed: Vec<(&Alert, &Symbol)> = of_feed
                .filter(|(_, (of, _))| of.name == feed.name)
                .map(|(alert, (_, symbol))| (alert, symbol))
                .collect();
            rules.extend(self.kind(feed, &of_feed, "above", |alert| alert.above));
            rules.extend(self.kind(feed, &of_feed, "below", |alert| alert.below));
            rules.extend(self.kind(feed, &of_feed, "rise", |alert| alert.change_percent_1h));
            rules.extend(self.kind(feed, &of_feed, "fall", |alert| alert.change_percent_1h));
        }
        Ok(rules)
    }

    fn kind(
        &self,
        feed: &'a Feed,
        wanted: &[(&Alert, &Symbol)],
        kind: &'static str,
        threshold: impl Fn(&Alert) -> Option<f64>,
    ) -> Option<Rule<'a>> {
        let series: Vec<String> = wanted
            .iter()
            .filter_map(|(alert, symbol)| {
                let price = format!("keepLastValue({})", self.price(feed, symbol));
                // As the digits of the config; f64 prints the shortest that mean the same.
                let threshold = threshold(alert)?;
                let change = || format!("offset(scale(divideSeries({price}, timeShift({price}, '1h')), 100), -100)");
                let beyond = match kind {
                    "above" => format!("removeBelowValue({price}, {threshold})"),
                    "below" => format!("removeAboveValue({price}, {threshold})"),
                    "rise" => format!("removeBelowValue({}, {threshold})", change()),
                    _ => format!("removeAboveValue({}, -{threshold})", change()),
                };
                let label = format!("{symbol} {kind} {threshold}").replace('\'', "_");
                Some(format!("alias(transformNull({beyond}, 0), '{label}')"))
            })
            .collect();
        let name = &feed.name;
        let (what, unit) = match kind {
            "above" => ("price at or above its threshold", ""),
            "below" => ("price at or below its threshold", ""),
            "rise" => ("price rose within an hour", " %"),
            _ => ("price fell within an hour", " %"),
        };
        (!series.is_empty()).then(|| Rule {
            condition: if kind == "fall" { ("lt", vec![0.0]) } else { ("gt", vec![0.0]) },
            summary: format!("{{{{ $labels.name }}}}: {what}: {{{{ $values.B }}}}{unit}"),
            advice: "The threshold is an [[alert]] of the config.".to_owned(),
            ..self.rule(kind, name, format!("{name}: {what}"), format!("group({})", series.join(", ")))
        })
    }

    fn price(&self, feed: &Feed, symbol: &Symbol) -> String {
        self.queries.one(&feed.names.name(&self.settings.metrics.prefix, &feed.name, symbol, "last"))
    }

    /// The feeds that watch the symbol of an alert. `BTC` alone is the pair that has it as its base.
    fn watched(&self, alert: &Alert) -> Result<Vec<(&'a Feed, &'a Symbol)>, ConfigError> {
        let wanted = alert.symbol.as_str();
        let is_it = |feed: &Feed, symbol: &Symbol| {
            if !matches!(feed.name.as_str(), "crypto" | "stocks") {
                return symbol.as_str() == wanted;
            }
            symbol.as_str().eq_ignore_ascii_case(wanted)
                || (symbol.quote().is_some() && symbol.base().eq_ignore_ascii_case(wanted))
        };
        let pairs =
            self.settings.fetch.feeds.iter().flat_map(|feed| feed.symbols.iter().map(move |symbol| (feed, symbol)));
        let found: Vec<(&Feed, &Symbol)> = pairs.filter(|(feed, symbol)| is_it(feed, symbol)).collect();
        let bad = |problem: String| Err(ConfigError::invalid(alert.origin.clone(), problem));
        let has_last = |feed: &Feed| feed.fields.iter().any(|field| field.as_str() == "last");
        if found.is_empty() {
            return bad(format!("{wanted} is a symbol of no feed: add it to one"));
        }
        if let Some((feed, _)) = found.iter().find(|(feed, _)| !has_last(feed)) {
            return bad(format!(
                "{wanted} has no price, as feed {} does not fetch last: add it to the fields",
                feed.name
            ));
        }
        Ok(found)
    }
}

impl Rule<'_> {
    /// The parts that both formats have in common.
    fn json(&self, settings: &Settings, datasource: &str) -> Value {
        let range = json!({ "from": self.window, "to": 0 });
        let expression = json!({ "type": EXPRESSION, "uid": EXPRESSION });
        let (evaluator, params) = &self.condition;
        let data = json!([
            {
                "refId": "A", "queryType": "", "relativeTimeRange": range, "datasourceUid": datasource,
                // So many points that Graphite joins none of them into one.
                "model": { "refId": "A", "target": self.query, "textEditor": true, "intervalMs": 1000, "maxDataPoints": 43200,
                           "datasource": { "type": GRAPHITE, "uid": datasource } },
            },
            {
                "refId": "B", "queryType": "", "relativeTimeRange": range, "datasourceUid": EXPRESSION,
                "model": { "refId": "B", "type": "reduce", "expression": "A", "reducer": self.reducer,
                           "settings": { "mode": "dropNN" }, "datasource": expression },
            },
            {
                "refId": "C", "queryType": "", "relativeTimeRange": range, "datasourceUid": EXPRESSION,
                "model": { "refId": "C", "type": "threshold", "expression": "B", "datasource": expression,
                           "conditions": [{ "evaluator": { "type": evaluator, "params": params } }] },
            },
        ]);
        let mut labels = json!({ "source": "datametrics", "kind": self.kind });
        if !self.feed.is_empty() {
            labels["feed"] = json!(self.feed);
        }
        json!({
            "uid": uid(settings, self.kind, self.feed), "title": self.title, "condition": "C", "data": data,
            // A market that is closed sends nothing, and that is right; a feed of which not even runs are
            // told is not.
            "noDataState": if self.is_silence_bad { "Alerting" } else { "OK" },
            "execErrState": "Error",
            "for": format!("{}s", self.hold), "isPaused": false, "labels": labels,
            "annotations": { "summary": self.summary, "description": self.advice },
        })
    }
}
