//! The panels about the runs themselves.

use super::panel::{Panel, PanelGrid, Unit};
use super::query::{Queries, consolidate};

/// A panel about the runs.
struct HealthPanel {
    title: &'static str,
    description: &'static str,
    unit: Unit,
    /// See [`Queries::health_pattern`]; and what Graphite makes of several values that it draws as one.
    targets: &'static [(&'static [&'static str], &'static str)],
}

/// The title of the panel about symbols.
pub(super) const SYMBOLS: &str = "Symbols expected and fetched";
/// The title of the panel about status codes.
pub(super) const STATUS: &str = "Status of answers";
/// The title of the panel about limits.
pub(super) const REMAINING: &str = "Requests left";
/// The title of the panel about the journal.
pub(super) const JOURNAL: &str = "Points waiting in the journal";

const PANELS: [HealthPanel; 8] = [
    HealthPanel {
        title: SYMBOLS,
        description: "Symbols due in a run and those that were fetched, by run and feed; none is due while a market is closed or an interval is not over.",
        unit: Unit::Count,
        targets: &[(&["feed", "*", "+expected"], "max"), (&["feed", "*", "+fetched"], "min")],
    },
    HealthPanel {
        title: "Response time",
        description: "The slowest answer of each provider in a run, and of Graphite in the run before.",
        unit: Unit::Seconds,
        targets: &[(&["*", "response", "time"], "max")],
    },
    HealthPanel {
        title: STATUS,
        description: "The worst HTTP status of each provider in a run, and of Graphite in the run before; a dot at 0 is no answer.",
        unit: Unit::Count,
        targets: &[(&["*", "response", "status_code"], "max")],
    },
    HealthPanel {
        title: "Requests and retries",
        description: "Requests to each provider in a run, and those that were tried again.",
        unit: Unit::Count,
        targets: &[(&["*", "requests,retries"], "max")],
    },
    HealthPanel {
        title: REMAINING,
        description: "The fewest requests that were left of the limit of a provider in a run, where the provider tells it.",
        unit: Unit::Count,
        targets: &[(&["*", "remaining"], "min")],
    },
    HealthPanel {
        title: "Duration of a run",
        description: "From its start until its points were ready to be pushed.",
        unit: Unit::Seconds,
        targets: &[(&["duration"], "max")],
    },
    HealthPanel {
        title: "Points of a run",
        description: "How many points a run pushed, those about itself included.",
        unit: Unit::Count,
        targets: &[(&["points"], "last")],
    },
    HealthPanel {
        title: JOURNAL,
        description: "Points of earlier runs that Graphite has not taken yet; more than none for long means that pushing fails.",
        unit: Unit::Count,
        targets: &[(&["journal"], "max")],
    },
];

/// Adds the panels about the runs.
pub(super) fn add_health(grid: &mut PanelGrid, queries: Queries<'_>) {
    grid.add_row("Runs");
    for HealthPanel { title, description, unit, targets } in &PANELS {
        let target = |(nodes, function): &(&[&str], &str)| queries.drawn(&queries.health_pattern(nodes), function);
        let mut drawn: Vec<String> = targets.iter().map(target).collect();
        // The nodes of a mirror stand where others have one.
        let of_mirrors = targets.iter().filter_map(|(nodes, function)| match nodes {
            ["*", "response", end] => {
                Some(queries.drawn(&queries.health_pattern(&["mirror", "*", "response", end]), function))
            }
            ["journal"] => Some(queries.drawn(&queries.health_pattern(&["mirror", "*", "journal"]), function)),
            _ => None,
        });
        let of_mirrors: Vec<String> = of_mirrors.filter(|_| queries.has_mirrors).collect();
        let is_status = *title == STATUS;
        // The dots are those of the second target.
        drawn.extend(is_status.then(|| no_answers(queries)));
        drawn.extend(of_mirrors);
        let panel = Panel { title, description, unit: unit.clone(), targets: drawn, repeat: None, width: 8 };
        if is_status { grid.add_lines_and_dots(&panel) } else { grid.add_time_series(&panel) }
    }
}

/// The target for the runs in which a provider, Graphite or a mirror gave no answer. Their status, 0, is less than
/// every other, so it would be lost where the greatest of several counts.
fn no_answers(queries: Queries<'_>) -> String {
    let zeros = |nodes: &[&str]| {
        let mut pattern = queries.health_pattern(nodes);
        pattern.legend.push_str(" no answer");
        pattern.with_legend(&consolidate(&format!("removeAboveValue({}, 0)", queries.target(&pattern)), "min"))
    };
    let mut all = zeros(&["*", "response", "status_code"]);
    if queries.has_mirrors {
        all = format!("group({all}, {})", zeros(&["mirror", "*", "response", "status_code"]));
    }
    format!("removeEmptySeries({all})")
}
