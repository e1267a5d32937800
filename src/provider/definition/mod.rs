//! The form of a provider's definition.

mod read;

pub(crate) use read::base_url;

use super::pointer::Pointer;
use super::template::{Spelling, SymbolPart, Template};
use crate::http::url::Url;
use crate::market::field::Field;
use std::collections::BTreeMap;

/// What a provider quotes. A feed takes the providers of its market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Market {
    /// Pairs of currencies, `BTC/USD`.
    Crypto,
    /// Shares, `AAPL`.
    Stocks,
    /// Anything else.
    Other,
}

impl Market {
    const ALL: [Self; 3] = [Self::Crypto, Self::Stocks, Self::Other];

    /// The name in a definition.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Crypto => "crypto",
            Self::Stocks => "stocks",
            Self::Other => "other",
        }
    }
}

/// An API as data: how to ask it, and where in its answers the numbers are.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    /// Its name in settings, messages and health points.
    pub(crate) name: String,
    /// What it quotes.
    pub(crate) market: Market,
    /// The address of the API.
    pub(crate) base: Url,
    /// Its terms of use, in one line.
    pub(crate) terms: String,
    /// Its limits, in one line.
    pub(crate) limits: String,
    /// Seconds between the starts of two runs that ask it.
    pub(crate) min_interval: u64,
    /// The same for each symbol, where the API charges by symbol.
    pub(crate) min_interval_per_symbol: u64,
    /// Requests a second inside a run.
    pub(crate) per_second: Option<f64>,
    /// Requests in flight at once.
    pub(crate) max_concurrency: usize,
    /// Longest body read, in bytes after decompression.
    pub(crate) max_body: u64,
    /// Headers of every request.
    pub(crate) headers: Vec<(String, Template)>,
    /// How it spells a symbol.
    pub(crate) symbol: Template,
    /// The codes and characters that it spells otherwise.
    pub(crate) spelling: Spelling,
    /// How it refuses a symbol that it does not know.
    pub(crate) bad_symbol: BadSymbol,
    /// The field from which `change` and `change_percent` are computed if the API gives none.
    pub(crate) change_from: Option<Field>,
    /// Its requests. Their fields are merged.
    pub(crate) quotes: Vec<Endpoint>,
}

/// How an API refuses a symbol that it does not know: with one of these statuses or texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct BadSymbol {
    /// HTTP statuses.
    pub(crate) status: Vec<u16>,
    /// Parts of the error text, in lower case.
    pub(crate) text: Vec<String>,
}

impl BadSymbol {
    /// Whether a reply with this status and error text is such a refusal.
    pub(crate) fn matches(&self, status: u16, text: &str) -> bool {
        let text = text.to_lowercase();
        self.status.contains(&status) || self.text.iter().any(|part| text.contains(part.as_str()))
    }
}

/// One request of a definition, and how its reply is read.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// Path and query.
    pub(crate) path: Template,
    /// Symbols a request at most; 0 is no bound.
    pub(crate) batch: usize,
    /// The text between two symbols of a batch.
    pub(crate) join: String,
    /// Where the rows are.
    pub(crate) rows: Pointer,
    /// Where a row's symbol is.
    pub(crate) key: Option<Pointer>,
    /// Spellings under which a row may come back, beside the one in the request.
    pub(crate) keys: Vec<Template>,
    /// Whether spellings are compared without case.
    pub(crate) ignore_case: bool,
    /// Where the API's own error texts are.
    pub(crate) error: Vec<Pointer>,
    /// Where a row's error text is.
    pub(crate) row_error: Option<Pointer>,
    /// Whether the body is the bare row if one symbol was asked for.
    pub(crate) unwrapped_single: bool,
    /// Where the time of a quote is.
    pub(crate) time: Option<TimeSpec>,
    /// The values.
    pub(crate) fields: Vec<FieldSpec>,
}

impl Endpoint {
    /// Whether each request is for one symbol.
    pub(crate) fn is_single(&self) -> bool {
        let (base, quote) = (self.path.has(SymbolPart::Base), self.path.has(SymbolPart::Quote));
        self.path.has(SymbolPart::Symbol) || (base && quote && !self.path.has_symbols())
    }

    /// Whether the reply has this field.
    pub(crate) fn gives(&self, field: &Field) -> bool {
        self.fields.iter().any(|spec| spec.field == *field) || (field.as_str() == "age" && self.time.is_some())
    }

    fn pointers(&self) -> impl Iterator<Item = &Pointer> {
        let fields = self.fields.iter().flat_map(|spec| &spec.at);
        let time = self.time.iter().flat_map(|time| &time.at);
        fields.chain(time).chain(&self.error).chain(&self.key).chain(&self.row_error).chain([&self.rows])
    }
}

/// Where a field is, and how it is written there.
#[derive(Clone, Debug)]
pub(crate) struct FieldSpec {
    /// Its name.
    pub(crate) field: Field,
    /// The first of these that holds a value gives it.
    pub(crate) at: Vec<Pointer>,
    /// The value is multiplied by ten to this power.
    pub(crate) exponent: i32,
    /// Whether it is a price: zero and less is no value.
    pub(crate) price: bool,
    /// Whether it may have thousands separators, a `$` or a `%`.
    pub(crate) separators: bool,
}

/// Where a quote's time is, and how it is written there.
#[derive(Clone, Debug)]
pub(crate) struct TimeSpec {
    /// The first of these that holds a time gives it.
    pub(crate) at: Vec<Pointer>,
    /// How it is written.
    pub(crate) unit: TimeUnit,
}

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeUnit {
    /// Unix time in units of ten to minus this power of a second.
    Decimal(i32),
    /// `2026-11-24T05:24:17Z`.
    Rfc3339,
}

impl Definition {
    /// Whether a quote has the field: the API gives it, or it can be computed from what the API gives.
    pub(crate) fn gives(&self, field: &Field) -> bool {
        self.quotes.iter().any(|endpoint| endpoint.gives(field)) || self.computes(field)
    }

    /// Whether the field can be computed if a quote has none.
    pub(crate) fn computes(&self, field: &Field) -> bool {
        let has = |name: &str| {
            self.quotes.iter().flat_map(|endpoint| &endpoint.fields).any(|spec| spec.field.as_str() == name)
        };
        matches!(field.as_str(), "change" | "change_percent")
            && has("last")
            && self.change_from.as_ref().is_some_and(|from| has(from.as_str()))
    }

    /// Whether it can be asked for pairs only, `BTC/USD`.
    pub(crate) fn needs_pairs(&self) -> bool {
        self.symbol.has(SymbolPart::Quote) || self.quotes.iter().all(|endpoint| endpoint.path.has(SymbolPart::Quote))
    }

    /// Seconds between the starts of two runs that ask it for this many symbols.
    pub(crate) fn interval_for(&self, symbols: usize) -> u64 {
        self.min_interval.max(self.min_interval_per_symbol.saturating_mul(symbols as u64))
    }

    /// Whether it must be left alone for a while after a run.
    pub(crate) fn has_interval(&self) -> bool {
        self.min_interval > 0 || self.min_interval_per_symbol > 0
    }

    /// Every field it gives. Those that no endpoint has are last.
    pub(crate) fn fields(&self) -> Vec<Field> {
        let mut fields: Vec<Field> = Vec::new();
        let own = self.quotes.iter().flat_map(|endpoint| &endpoint.fields).map(|spec| spec.field.clone());
        let common = Field::STANDARD.iter().filter_map(|name| Field::new(name)).filter(|field| self.gives(field));
        for field in own.chain(common) {
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        fields
    }

    /// The names of the secrets it knows, and whether it works without.
    pub(crate) fn secrets(&self) -> BTreeMap<&str, bool> {
        let headers = self.headers.iter().map(|(_, template)| template);
        let paths = self.quotes.iter().map(|endpoint| &endpoint.path);
        let mut all = BTreeMap::new();
        for (name, is_optional) in headers.chain(paths).flat_map(Template::secrets) {
            all.entry(name).and_modify(|both: &mut bool| *both &= is_optional).or_insert(is_optional);
        }
        all
    }
}
