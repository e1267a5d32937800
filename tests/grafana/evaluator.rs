//! What Grafana does with an alert rule whose query goes to Graphite: it asks, reduces each series to one value,
//! compares it, and waits. See pkg/tsdb/graphite, pkg/expr and pkg/services/ngalert/state of
//! <https://github.com/grafana/grafana>.

use super::queries::{array, str};
use crate::support::real_graphite::RealGraphite;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::Duration,
};

/// The alerts of a rule.
pub(super) struct Rule {
    json: Value,
    /// By the name of the series.
    states: BTreeMap<String, State>,
}

#[derive(Clone, Copy)]
enum State {
    PendingSince(i64),
    Firing,
    /// It fires on, but its value is good since then.
    GoodSince(i64),
}

impl Rule {
    /// The rules of a group, as `--format api` prints them.
    pub(super) fn all(group: &Value) -> Vec<Self> {
        array(&group["rules"]).iter().map(|json| Self { json: json.clone(), states: BTreeMap::new() }).collect()
    }

    /// What is wrong, and where: `missing crypto`.
    pub(super) fn name(&self) -> String {
        let feed = self.json["labels"]["feed"].as_str().unwrap_or_default();
        format!("{} {feed}", str(&self.json["labels"]["kind"])).trim().to_owned()
    }

    /// The names of the series that are bad at this Unix second, whatever they were before.
    pub(super) fn bad(&self, graphite: &RealGraphite, now: i64) -> BTreeSet<String> {
        let mut steps: BTreeMap<&str, Step> = BTreeMap::new();
        for query in array(&self.json["data"]) {
            let step = evaluate(query, &steps, graphite, now);
            steps.insert(str(&query["refId"]), step);
        }
        let Some(Step::Values(values)) = steps.remove(str(&self.json["condition"])) else { panic!("{}", self.json) };
        if values.is_empty() && self.json["noDataState"] == "Alerting" {
            return BTreeSet::from(["no data".to_owned()]);
        }
        // NaN, which no value becomes, is not bad.
        values.into_iter().filter(|(_, value)| *value > 0.0).map(|(name, _)| name).collect()
    }

    /// Evaluates the rule at this Unix second. Returns whether an alert fires.
    pub(super) fn fires(&mut self, graphite: &RealGraphite, now: i64) -> bool {
        let (pending, keep) = (seconds(&self.json["for"]), seconds(&self.json["keep_firing_for"]));
        let bad = self.bad(graphite, now);
        let names: BTreeSet<String> = self.states.keys().cloned().chain(bad.iter().cloned()).collect();
        for name in names {
            let next = match (self.states.get(&name), bad.contains(&name)) {
                (None | Some(State::PendingSince(_)), false) => None,
                (None, true) if pending == 0 => Some(State::Firing),
                (None, true) => Some(State::PendingSince(now)),
                (Some(State::PendingSince(since)), true) if now - since >= pending => Some(State::Firing),
                (Some(State::PendingSince(since)), true) => Some(State::PendingSince(*since)),
                (Some(State::Firing | State::GoodSince(_)), true) => Some(State::Firing),
                (Some(State::Firing), false) if keep == 0 => None,
                (Some(State::Firing), false) => Some(State::GoodSince(now)),
                (Some(State::GoodSince(since)), false) if now - since >= keep => None,
                (Some(State::GoodSince(since)), false) => Some(State::GoodSince(*since)),
            };
            match next {
                Some(state) => _ = self.states.insert(name, state),
                None => _ = self.states.remove(&name),
            }
        }
        self.states.values().any(|state| matches!(state, State::Firing | State::GoodSince(_)))
    }
}

/// The result of a step of a rule.
enum Step {
    /// Values without gaps, by the names of their series.
    Series(BTreeMap<String, Vec<f64>>),
    Values(BTreeMap<String, f64>),
}

/// Whether a series has its last point but one and not the last.
fn lacks_newest(reply: &Value) -> bool {
    let ends_early =
        |points: &[Value]| matches!(points, [.., before, last] if !before[0].is_null() && last[0].is_null());
    array(reply).iter().any(|series| ends_early(array(&series["datapoints"])))
}

fn evaluate(query: &Value, steps: &BTreeMap<&str, Step>, graphite: &RealGraphite, now: i64) -> Step {
    let model = &query["model"];
    let of = |name: &Value| match &steps[str(name)] {
        Step::Values(values) => values.clone(),
        Step::Series(_) => panic!("{model}"),
    };
    match model["type"].as_str() {
        None => {
            let from = (now - query["relativeTimeRange"]["from"].as_i64().unwrap()).to_string();
            // Grafana asks for 500 points, whatever the model says.
            let range = [("from", from.as_str()), ("until", &now.to_string()), ("maxDataPoints", "500")];
            let ask = || graphite.render_json(str(&model["target"]), &range);
            let mut reply = ask();
            // While Carbon writes points into a file, Graphite sees them neither there nor in Carbon's cache.
            if lacks_newest(&reply) {
                thread::sleep(Duration::from_millis(100));
                reply = ask();
            }
            let mut all = BTreeMap::new();
            for series in array(&reply) {
                let points = array(&series["datapoints"]).iter().filter_map(|point| point[0].as_f64());
                let name = str(&series["target"]).to_owned();
                // For Grafana the whole rule is an error then.
                assert!(all.insert(name, points.collect()).is_none(), "two series of one name: {reply}");
            }
            Step::Series(all)
        }
        Some("reduce") => {
            let Step::Series(series) = &steps[str(&model["expression"])] else { panic!("{model}") };
            assert_eq!(model["settings"]["mode"], "dropNN");
            let reduce = |values: &Vec<f64>| match str(&model["reducer"]) {
                "last" => values.last().copied().unwrap_or(f64::NAN),
                "max" => values.iter().copied().reduce(f64::max).unwrap_or(f64::NAN),
                "min" => values.iter().copied().reduce(f64::min).unwrap_or(f64::NAN),
                #[expect(clippy::cast_precision_loss, reason = "500 at most")]
                "count" => values.len() as f64,
                other => panic!("{other}"),
            };
            Step::Values(series.iter().map(|(name, values)| (name.clone(), reduce(values))).collect())
        }
        Some("math") => {
            let expression = str(&model["expression"]);
            if expression.starts_with("$A") {
                let Step::Series(series) = &steps["A"] else { panic!("{model}") };
                let bad = |values: &Vec<f64>| values.iter().map(|value| is_true(expression, &|_| *value)).collect();
                Step::Series(series.iter().map(|(name, values)| (name.clone(), bad(values))).collect())
            } else {
                let [e, f] = ["E", "F"].map(|name| of(&name.into()));
                let value = |name: &String| is_true(expression, &|step| if step == "$E" { e[name] } else { f[name] });
                Step::Values(e.keys().map(|name| (name.clone(), value(name))).collect())
            }
        }
        Some("threshold") => {
            let evaluator = &model["conditions"][0]["evaluator"];
            let bound = |index: usize| evaluator["params"][index].as_f64().unwrap();
            let is_bad = |value: f64| match str(&evaluator["type"]) {
                "gt" => value > bound(0),
                "lt" => value < bound(0),
                "outside_range" => value < bound(0) || value > bound(1),
                other => panic!("{other}"),
            };
            let compared = of(&model["expression"]).into_iter();
            Step::Values(compared.map(|(name, value)| (name, f64::from(u8::from(is_bad(value))))).collect())
        }
        Some(other) => panic!("{other}"),
    }
}

/// 1 if an expression of comparisons is true, else 0. NaN is neither greater nor less than a number.
fn is_true(expression: &str, value: &dyn Fn(&str) -> f64) -> f64 {
    let holds = |comparison: &str| {
        let [name, operator, number] = comparison.split(' ').collect::<Vec<_>>()[..] else { panic!("{comparison}") };
        let (value, number) = (value(name), number.parse::<f64>().unwrap());
        if operator == ">" { value > number } else { value < number }
    };
    f64::from(u8::from(expression.split(" || ").any(|all| all.split(" && ").all(holds))))
}

/// A time such as `120s`.
fn seconds(text: &Value) -> i64 {
    text.as_str().map_or(0, |text| text.strip_suffix('s').unwrap().parse().unwrap())
}
