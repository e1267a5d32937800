//! The alert rules about mirrors: those about pushes and the journal once more, with an alert for each mirror.

use super::alert_rules::AlertRules;
use super::json::uid;
use super::rule_json::Rule;

/// The rules for all mirrors.
pub(super) fn mirror_rules<'a>(rules: &AlertRules<'a>) -> [Rule<'a>; 2] {
    let queries = rules.queries;
    let drawn = |nodes: &[&str]| queries.drawn(&queries.health_pattern(nodes), "last");
    let push_fails = Rule {
        uid: uid(queries.metrics, "push", "mirrors"),
        title: "Pushing to a mirror fails".to_owned(),
        target: drawn(&["mirror", "*", "response", "status_code"]),
        summary: "Pushing to a mirror fails: {{ $labels.name }} is {{ $values.B }}".to_owned(),
        description: "A mirror does not take all points of a run; 0 is no answer.".to_owned(),
        ..rules.push_fails()
    };
    let journal_grows = Rule {
        uid: uid(queries.metrics, "journal", "mirrors"),
        title: "The journal of a mirror grows".to_owned(),
        target: drawn(&["mirror", "*", "journal"]),
        summary: "What waits for a mirror stays: {{ $values.B }} points, of run and mirror {{ $labels.name }}"
            .to_owned(),
        description: "A mirror takes less than the runs fetch: points of earlier runs still wait.".to_owned(),
        ..rules.journal_grows()
    };
    [push_fails, journal_grows]
}
