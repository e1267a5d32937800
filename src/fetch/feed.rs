//! A feed: what is watched together.

use crate::market::field::Field;
use crate::market::hours::MarketHours;
use crate::market::symbol::Symbol;
use crate::metrics::names::{NameAffixes, NameTemplate};
use crate::provider::Definition;
use jiff::civil::Date;

/// What is watched together, and who is asked for it.
#[derive(Debug)]
pub(crate) struct Feed {
    /// Its name, the first node of its metrics.
    pub(crate) name: String,
    /// Its name in the state directory, where each shard is counted by itself.
    pub(crate) state_name: String,
    /// What is watched, each symbol once. Empty if no symbol is in this machine's shard.
    pub(crate) symbols: Vec<Symbol>,
    /// Which values of each symbol.
    pub(crate) fields: Vec<Field>,
    /// Whether the user named the fields, so that a missing one is reported.
    pub(crate) fields_are_named: bool,
    /// Grafana's names of the units of fields whose definitions have one.
    pub(crate) units: Vec<(Field, String)>,
    /// Whether a symbol is fetched when any field has a value. Otherwise the first field must have one.
    pub(crate) any_field_counts: bool,
    /// The providers in order of preference, as indexes of definitions.
    pub(crate) providers: Vec<usize>,
    /// How its metrics are named.
    pub(crate) names: NameTemplate,
    /// The names of the metrics of each symbol, without the field.
    pub(crate) affixes: NameAffixes,
    /// When the feed is due.
    pub(crate) market_hours: MarketHours,
    /// Days on which the exchange is closed beside its holidays.
    pub(crate) closed: Vec<Date>,
    /// Seconds between two points of a metric, as Graphite is told.
    pub(crate) interval: u32,
    /// The feed is due once in so many seconds: its own interval, unless symbols were given on the command
    /// line. `None` if it is due in every run.
    pub(crate) due_every: Option<u32>,
}

impl Feed {
    /// Seconds between two runs that fetch the feed: more than its interval where its first provider must rest longer.
    pub(crate) fn seconds_between_fetches(&self, definitions: &[Definition]) -> u32 {
        let first = self.providers.first().and_then(|index| definitions.get(*index));
        let rest = first.map_or(0, |definition| definition.interval_for(self.symbols.len()));
        self.interval.max(u32::try_from(rest).unwrap_or(u32::MAX))
    }

    /// Grafana's name of the unit of a field, if its definition has one.
    pub(crate) fn unit(&self, field: &Field) -> Option<&str> {
        self.units.iter().find(|(known, _)| known == field).map(|(_, unit)| unit.as_str())
    }

    /// This feed with one symbol and these fields, of which one provider is asked at any time. Of a long list
    /// there is no copy.
    pub(crate) fn probe(&self, symbol: Symbol, fields: Vec<Field>, provider: usize) -> Self {
        let symbols = vec![symbol];
        Self {
            name: self.name.clone(),
            state_name: self.state_name.clone(),
            affixes: self.names.affixes("", &self.name, &symbols),
            symbols,
            fields,
            fields_are_named: self.fields_are_named,
            units: Vec::new(),
            any_field_counts: self.any_field_counts,
            providers: vec![provider],
            names: self.names.clone(),
            market_hours: MarketHours::Any,
            closed: Vec::new(),
            interval: self.interval,
            due_every: None,
        }
    }
}
