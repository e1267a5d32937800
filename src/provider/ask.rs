//! Symbols and wanted fields into requests.

use super::definition::{Definition, QuoteForm};
use super::template::{Asked, What};
use crate::quote::{Field, Values};
use crate::request::Request;
use crate::secret::Secret;
use crate::symbol::Symbol;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// What one provider is to be asked for one feed.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The provider.
    pub definition: &'a Definition,
    /// The symbols of the feed.
    pub symbols: &'a [Symbol],
    /// The fields that its replies are read for: those of the feed, in their order, then those that
    /// only serve to compute one of them.
    pub columns: Vec<Field>,
    wanted: usize,
    forms: Vec<&'a QuoteForm>,
    secrets: &'a BTreeMap<String, Secret>,
}

/// One request of a plan and what it asks for.
#[derive(Debug)]
pub struct Ask<'a> {
    /// How the reply is read.
    pub form: &'a QuoteForm,
    /// The symbols asked for: their indexes in the feed.
    pub symbols: Vec<usize>,
    /// Their spellings, in the same order.
    pub spelled: Vec<String>,
    /// The request.
    pub request: Request,
}

impl<'a> Plan<'a> {
    /// Plans to ask for those of the fields that are wanted; what the provider does not give costs
    /// no request.
    pub fn new(
        definition: &'a Definition,
        symbols: &'a [Symbol],
        fields: &[Field],
        wanted: &[bool],
        secrets: &'a BTreeMap<String, Secret>,
    ) -> Self {
        let mut columns = fields.to_vec();
        let is_wanted = |(field, wanted): (&Field, &bool)| wanted.then(|| field.clone());
        let mut needs: Vec<Field> = fields.iter().zip(wanted).filter_map(is_wanted).collect();
        if needs.iter().any(|field| definition.computes(field)) {
            for field in Field::new("last").into_iter().chain(definition.change_from.clone()) {
                for all in [&mut columns, &mut needs] {
                    if !all.contains(&field) {
                        all.push(field.clone());
                    }
                }
            }
        }
        let forms = needed(&definition.quotes, &needs);
        Self { definition, symbols, columns, wanted: fields.len(), forms, secrets }
    }

    /// The requests for those of the feed's symbols. A symbol that the API cannot spell (one
    /// without a quote where the spelling wants one, or `..`) is in none of them.
    pub fn asks(&self, symbols: &[usize]) -> Vec<Ask<'a>> {
        let mut asks = Vec::new();
        for form in &self.forms {
            for group in self.groups(form, symbols) {
                let size = if form.is_single() { 1 } else { form.batch };
                let size = if size == 0 { usize::MAX } else { size };
                let mut rest = group.into_iter();
                while rest.len() > 0 {
                    asks.push(self.ask(form, rest.by_ref().take(size)));
                }
            }
        }
        asks
    }

    /// One request for these symbols, which must be of one group.
    fn ask(&self, form: &'a QuoteForm, batch: impl Iterator<Item = (usize, String)>) -> Ask<'a> {
        let (indexes, spelled): (Vec<usize>, Vec<String>) = batch.unzip();
        let symbols: Vec<&Symbol> = indexes.iter().map(|index| &self.symbols[*index]).collect();
        let asked =
            Asked { symbols: &symbols, spelled: &spelled, spelling: &self.definition.spelling, join: &form.join };
        let request = self.request(form, &asked);
        Ask { form, symbols: indexes, spelled, request }
    }

    /// The request for a part of what `ask` asked for.
    pub fn part(&self, ask: &Ask<'a>, range: std::ops::Range<usize>) -> Ask<'a> {
        self.ask(ask.form, range.map(|at| (ask.symbols[at], ask.spelled[at].clone())))
    }

    /// The symbols with their spellings, those that one request may hold together.
    fn groups(&self, form: &QuoteForm, symbols: &[usize]) -> Vec<Vec<(usize, String)>> {
        let (by_base, by_quote) = (form.path.has(What::Base), form.path.has(What::Quote));
        let mut groups: Vec<Vec<(usize, String)>> = Vec::new();
        let mut known = FxHashMap::default();
        for &index in symbols {
            let symbol = &self.symbols[index];
            let Some(spelled) = self.definition.symbol.spell(&self.definition.spelling, symbol) else { continue };
            let quote = if by_quote { symbol.quote() } else { Some("") };
            let Some(quote) = quote else { continue };
            if form.path.climbs(&self.definition.spelling, symbol, &spelled) {
                continue;
            }
            let key = (if by_base { symbol.base() } else { "" }, quote);
            let at = *known.entry(key).or_insert(groups.len());
            if at == groups.len() {
                groups.push(Vec::new());
            }
            groups[at].push((index, spelled));
        }
        groups
    }

    fn request(&self, form: &QuoteForm, asked: &Asked<'_>) -> Request {
        let definition = self.definition;
        let (path, shown) = form.path.path(asked, self.secrets);
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
            shown: format!("{}{shown}", definition.base.path),
            headers,
            body: None,
            max_body: definition.max_body,
            secrets,
        }
    }

    /// Computes what the provider does not give itself, and drops what only served for that.
    pub fn complete(&self, symbol: &Symbol, values: Values) -> Values {
        let mut values = values.into_vec();
        let column = |name: &str| self.columns.iter().position(|field| field.as_str() == name);
        let of = |values: &[Option<_>], at: Option<usize>| at.and_then(|at| values[at]);
        for name in ["change", "change_percent"] {
            let Some(at) = column(name).filter(|at| values[*at].is_none()) else { continue };
            let from = self.definition.change_from.as_ref().and_then(|field| column(field.as_str()));
            if let (Some(last), Some(from)) = (of(&values, column("last")), of(&values, from)) {
                values[at] = if name == "change" { last.change(&from) } else { last.change_percent(&from) };
                if let Some(value) = values[at] {
                    log::debug!("{symbol}: {name}: {value} computed");
                }
            }
        }
        values.truncate(self.wanted);
        values.into_boxed_slice()
    }
}

impl Definition {
    /// Two symbols that one request could hold and that this API spells the same, so that their
    /// rows could not be told apart.
    pub fn confused<'s>(&self, symbols: &'s [Symbol]) -> Option<(&'s Symbol, &'s Symbol)> {
        let mut owners = FxHashMap::default();
        let forms = self.quotes.iter().filter(|form| !form.is_single());
        let (by_base, by_quote) = forms.fold((true, true), |(base, quote), form| {
            (base && form.path.has(What::Base), quote && form.path.has(What::Quote))
        });
        if self.quotes.iter().all(QuoteForm::is_single) {
            return None;
        }
        symbols.iter().find_map(|symbol| {
            let base = if by_base { symbol.base() } else { "" };
            let quote = if by_quote { symbol.quote() } else { None };
            let spelled = self.symbol.spell(&self.spelling, symbol)?;
            owners.insert((base, quote, spelled), symbol).map(|first| (first, symbol))
        })
    }
}

/// The fewest requests that give the columns: those that alone give one, then for each column
/// still open the first that gives it.
fn needed<'a>(forms: &'a [QuoteForm], columns: &[Field]) -> Vec<&'a QuoteForm> {
    let mut used = vec![false; forms.len()];
    let givers = |field: &Field| -> Vec<usize> { (0..forms.len()).filter(|at| forms[*at].gives(field)).collect() };
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
    forms.iter().zip(used).filter(|(_, used)| *used).map(|(form, _)| form).collect()
}
