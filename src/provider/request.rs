//! Symbols and wanted fields into requests.

use super::definition::{Definition, Endpoint};
use super::template::{Asked, SymbolPart};
use crate::http::request::Request;
use crate::market::field::Field;
use crate::market::number::Number;
use crate::market::symbol::{Symbol, join_names};
use crate::secret::Secret;
use crate::util::group_by::group_by;
use crate::util::hash::{all_differ, hash_of};
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What one provider is to be asked for one feed.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// The provider.
    pub(crate) definition: &'a Definition,
    /// The symbols of the feed.
    pub(crate) symbols: &'a [Symbol],
    /// The fields that its replies are read for: those of the feed, in their order, then those that
    /// only serve to compute one of them.
    pub(crate) columns: Vec<Field>,
    /// How many of the columns are fields of the feed. They come first.
    pub(crate) field_count: usize,
    computes: bool,
    endpoints: Vec<&'a Endpoint>,
    secrets: &'a BTreeMap<String, Secret>,
}

/// One request of a plan and what it asks for.
#[derive(Debug)]
pub(crate) struct Query<'a> {
    /// How the reply is read.
    pub(crate) endpoint: &'a Endpoint,
    /// The symbols asked for: their indexes in the feed.
    pub(crate) symbols: Vec<usize>,
    /// Their spellings, in the same order.
    pub(crate) spelled: Vec<Cow<'a, str>>,
    /// The request.
    pub(crate) request: Request,
}

impl<'a> Plan<'a> {
    /// Plans to ask for those of the fields that are wanted; what the provider does not give costs
    /// no request.
    pub(crate) fn new(
        definition: &'a Definition,
        symbols: &'a [Symbol],
        fields: &[Field],
        wanted: &[bool],
        secrets: &'a BTreeMap<String, Secret>,
    ) -> Self {
        let mut columns = fields.to_vec();
        let is_wanted = |(field, wanted): (&Field, &bool)| wanted.then(|| field.clone());
        let mut needs: Vec<Field> = fields.iter().zip(wanted).filter_map(is_wanted).collect();
        let computes = needs.iter().any(|field| definition.computes(field));
        if computes {
            for field in Field::new("last").into_iter().chain(definition.change_from.clone()) {
                for all in [&mut columns, &mut needs] {
                    if !all.contains(&field) {
                        all.push(field.clone());
                    }
                }
            }
        }
        let endpoints = needed(&definition.quotes, &needs);
        Self { definition, symbols, columns, field_count: fields.len(), computes, endpoints, secrets }
    }

    /// The requests for those of the feed's symbols. A symbol that the API cannot spell (one
    /// without a quote where the spelling wants one, or `..`) is in none of them.
    pub(crate) fn queries(&self, symbols: &[usize]) -> Vec<Query<'a>> {
        let mut queries = Vec::new();
        for endpoint in &self.endpoints {
            for group in self.groups(endpoint, symbols) {
                let size = if endpoint.is_single() { 1 } else { endpoint.batch };
                let size = if size == 0 { usize::MAX } else { size };
                queries.extend(group.chunks(size).map(|symbols| self.query(endpoint, symbols)));
            }
        }
        queries
    }

    /// One request for these symbols, which must be of one group.
    fn query(&self, endpoint: &'a Endpoint, indexes: &[usize]) -> Query<'a> {
        let spelling = &self.definition.spelling;
        let symbols: Vec<&'a Symbol> = indexes.iter().map(|index| &self.symbols[*index]).collect();
        let spelled: Vec<Cow<'a, str>> =
            symbols.iter().map(|symbol| self.definition.symbol.spell(spelling, symbol).unwrap_or_default()).collect();
        let asked = Asked { symbols: &symbols, spelled: &spelled, spelling, join: &endpoint.join };
        let request = self.request(endpoint, &asked);
        Query { endpoint, symbols: indexes.to_vec(), spelled, request }
    }

    /// The request for a part of what `ask` asked for.
    pub(crate) fn part(&self, query: &Query<'a>, range: std::ops::Range<usize>) -> Query<'a> {
        self.query(query.endpoint, &query.symbols[range])
    }

    /// The symbols that the API can spell, those together that one request may hold.
    fn groups(&self, endpoint: &Endpoint, symbols: &[usize]) -> Vec<Vec<usize>> {
        let (by_base, by_quote) = (endpoint.path.has(SymbolPart::Base), endpoint.path.has(SymbolPart::Quote));
        let needs_quote = by_quote || self.definition.symbol.has(SymbolPart::Quote);
        let spelling = &self.definition.spelling;
        let has_dot_segment = |symbol: &Symbol| {
            self.definition
                .symbol
                .spell(spelling, symbol)
                .is_none_or(|spelled| endpoint.path.has_dot_segment(spelling, symbol, &spelled))
        };
        let is_asked = |index: &usize| {
            let symbol = &self.symbols[*index];
            (!needs_quote || symbol.quote().is_some()) && (endpoint.path.is_fixed() || !has_dot_segment(symbol))
        };
        let asked: Vec<usize> = symbols.iter().copied().filter(is_asked).collect();
        if !by_base && !by_quote {
            return vec![asked];
        }
        let group = |index: &usize| {
            let symbol = &self.symbols[*index];
            (by_base.then(|| symbol.base()), symbol.quote().filter(|_| by_quote))
        };
        group_by(asked.into_iter().map(|index| (group(&index), index))).into_iter().map(|(_, group)| group).collect()
    }

    fn request(&self, endpoint: &Endpoint, asked: &Asked<'_>) -> Request {
        let definition = self.definition;
        let (path, redacted) = endpoint.path.path(asked, self.secrets);
        let mut headers: Vec<(String, Secret)> = Vec::with_capacity(definition.headers.len() + 1);
        for (name, template) in &definition.headers {
            if let Some(value) = template.fill(self.secrets) {
                headers.push((name.clone(), value));
            }
        }
        let mut secrets: Vec<Secret> =
            definition.secrets().keys().filter_map(|name| self.secrets.get(*name)).cloned().collect();
        if let Some(credentials) = &definition.base.credentials {
            headers.push(("Authorization".to_owned(), credentials.basic()));
            secrets.extend(credentials.secrets());
        }
        Request {
            server: definition.base.clone(),
            path: Secret::new(format!("{}{path}", definition.base.path)),
            redacted_path: format!("{}{redacted}", definition.base.path),
            about: join_names(asked.symbols.iter().copied()),
            headers,
            body: None,
            max_body: definition.max_body,
            secrets,
        }
    }

    /// Computes what the provider does not give itself from the values of a symbol, one a column.
    pub(crate) fn complete(&self, symbol: &Symbol, values: &mut [Option<Number>]) {
        if !self.computes {
            return;
        }
        let column = |name: &str| self.columns.iter().position(|field| field.as_str() == name);
        let of = |values: &[Option<Number>], at: Option<usize>| at.and_then(|at| values[at]);
        for name in ["change", "change_percent"] {
            let Some(at) = column(name).filter(|at| values[*at].is_none()) else { continue };
            let from = self.definition.change_from.as_ref().and_then(|field| column(field.as_str()));
            if let (Some(last), Some(from)) = (of(values, column("last")), of(values, from)) {
                values[at] = if name == "change" { last.change(from) } else { last.change_percent(from) };
                if let Some(value) = values[at] {
                    log::debug!("{symbol}: {name}: {value} computed");
                }
            }
        }
    }
}

impl Definition {
    /// Two symbols that one request could hold and that this API spells the same, so that their
    /// rows could not be told apart.
    pub(crate) fn find_ambiguous<'s>(&self, symbols: &'s [Symbol]) -> Option<(&'s Symbol, &'s Symbol)> {
        let batched = self.quotes.iter().filter(|endpoint| !endpoint.is_single());
        let (by_base, by_quote) = batched.fold((true, true), |(base, quote), endpoint| {
            (base && endpoint.path.has(SymbolPart::Base), quote && endpoint.path.has(SymbolPart::Quote))
        });
        if self.quotes.iter().all(Endpoint::is_single) || self.symbol.is_canonical(&self.spelling) {
            return None;
        }
        let group = |symbol: &'s Symbol| (by_base.then(|| symbol.base()), symbol.quote().filter(|_| by_quote));
        let key = |symbol: &'s Symbol| Some((group(symbol), self.symbol.spell(&self.spelling, symbol)?));
        if all_differ(symbols.len(), symbols.iter().filter_map(key).map(|key| hash_of(&key))) {
            return None;
        }
        let mut owners = FxHashMap::default();
        symbols.iter().find_map(|symbol| Some((owners.insert(key(symbol)?, symbol)?, symbol)))
    }
}

/// The fewest requests that give the columns: those that alone give one, then for each column
/// still open the first that gives it.
fn needed<'a>(endpoints: &'a [Endpoint], columns: &[Field]) -> Vec<&'a Endpoint> {
    let mut used = vec![false; endpoints.len()];
    let givers =
        |field: &Field| -> Vec<usize> { (0..endpoints.len()).filter(|index| endpoints[*index].gives(field)).collect() };
    for field in columns {
        if let [only] = givers(field)[..] {
            used[only] = true;
        }
    }
    for field in columns {
        let givers = givers(field);
        if let Some(first) = givers.first().filter(|_| !givers.iter().any(|at| used[*at])) {
            used[*first] = true;
        }
    }
    endpoints.iter().zip(used).filter(|(_, used)| *used).map(|(endpoint, _)| endpoint).collect()
}
