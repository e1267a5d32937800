//! The definition of a provider: its API as data.

mod error_texts;
mod keys;
mod options;
mod places;
mod read;
mod read_body;
mod read_quote;
mod symbol_list;

pub(crate) use error_texts::{BadSymbol, ErrorTexts, NamedSymbol};
pub(crate) use places::place_of;
pub(crate) use read::base_url;
pub(crate) use symbol_list::{CodeSource, SymbolList};

use super::base_url::BaseUrl;
use super::body::BodyTemplate;
use super::pointer::Pointer;
use super::spelling::{Spelling, SymbolPart};
use super::template::Template;
use crate::http::request::RemainingHeader;
use crate::market::field::Field;
use crate::market::number::Number;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// What a provider quotes. A feed of a market may only use the providers of this market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Market {
    /// Pairs of currencies such as `BTC/USD`.
    Crypto,
    /// Shares such as `AAPL`.
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

/// An API as data: which requests it takes, and where the numbers are in its replies. The keys of the
/// TOML form are explained in the README of this module.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    /// The name of the provider in settings, messages and health points.
    pub(crate) name: String,
    /// What it quotes.
    pub(crate) market: Market,
    /// Where the API is.
    pub(crate) base_url: BaseUrl,
    /// Whether secrets may be sent to it in the clear.
    pub(crate) allow_plaintext_credentials: bool,
    /// Its terms of use, in one line.
    pub(crate) terms: String,
    /// Its rate limits, in one line.
    pub(crate) limits: String,
    /// What it has quotes of, in one line, to tell why a symbol is missing.
    pub(crate) covers: String,
    /// How it says, with any status, that a limit is reached.
    pub(crate) limit: ErrorTexts,
    /// Where it says how many requests are left.
    pub(crate) remaining: Option<RemainingHeader>,
    /// Seconds between the starts of two runs that send it requests.
    pub(crate) min_interval: u64,
    /// The same for each symbol, for an API that charges by symbol.
    pub(crate) min_interval_per_symbol: u64,
    /// Most requests per second in a run.
    pub(crate) per_second: Option<f64>,
    /// How many requests may be sent at once before `per_second` spaces them.
    pub(crate) burst: u32,
    /// Most requests in flight at the same time.
    pub(crate) max_concurrency: usize,
    /// Most bytes of a body, after decompression.
    pub(crate) max_body: u64,
    /// The headers of every request.
    pub(crate) headers: Vec<(String, Template)>,
    /// How it spells a symbol in a request.
    pub(crate) symbol: Template,
    /// The codes and characters that it spells in another way.
    pub(crate) spelling: Spelling,
    /// How it rejects an unknown symbol.
    pub(crate) bad_symbol: BadSymbol,
    /// The field from which `change` and `change_percent` are computed if the API does not give them.
    pub(crate) change_from: Option<Field>,
    /// Its requests. A quote has the fields of all of them together.
    pub(crate) endpoints: Vec<Endpoint>,
    /// Its list of symbols, if it has one.
    pub(crate) symbol_list: Option<SymbolList>,
    /// The page on which people find its symbols. Empty if the definition names none.
    pub(crate) symbol_page: String,
}

/// Which of several rows of one symbol counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pick {
    /// There must be only one; others must not contradict it.
    #[default]
    Only,
    /// The first one with a value.
    First,
    /// The last one with a value.
    Last,
    /// The latest one whose time has come.
    Now,
}

impl Pick {
    const ALL: [(&'static str, Self); 4] =
        [("only", Self::Only), ("first", Self::First), ("last", Self::Last), ("now", Self::Now)];
}

/// What the value at `rows` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowsShape {
    /// Rows, or a row alone if each request is for one symbol and rows have no key.
    Rows,
    /// The same, and a row alone in any reply for one symbol.
    UnwrappedSingle,
    /// The row of each symbol, whatever it is.
    Document,
}

/// One request of a definition, and how its reply is read. In TOML it is a `[[quote]]`.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// Path and query of the URL.
    pub(crate) path: Template,
    /// The JSON body, which makes the request a POST.
    pub(crate) body: Option<BodyTemplate>,
    /// Path and query of a request whose reply has all symbols, in the same form.
    pub(crate) all: Option<Template>,
    /// Most symbols in a request; 0 means any number.
    pub(crate) batch: usize,
    /// Whether each symbol is on a server of its own.
    pub(crate) has_own_servers: bool,
    /// The text between two symbols in the path.
    pub(crate) join: String,
    /// Where the rows are in the body.
    pub(crate) rows: Pointer,
    /// Where its symbol is in a row.
    pub(crate) key: Option<Pointer>,
    /// Spellings of a symbol in a reply, beside its spelling in the request.
    pub(crate) keys: Vec<Template>,
    /// Whether spellings are compared without regard to case.
    pub(crate) ignore_case: bool,
    /// Which of several rows of one symbol counts.
    pub(crate) pick: Pick,
    /// Where the API's error texts are in the body.
    pub(crate) error: Vec<Pointer>,
    /// Where an error text about its symbol is in a row.
    pub(crate) row_error: Option<Pointer>,
    /// What is at `rows`.
    pub(crate) shape: RowsShape,
    /// Where the time of a quote is in a row.
    pub(crate) time: Option<TimeSpec>,
    /// Whose day it is in `{date}`, and in times without an offset.
    pub(crate) time_zone: TimeZone,
    /// A quote that is older than so many seconds is none.
    pub(crate) max_age: Option<f64>,
    /// Where the values are in a row.
    pub(crate) fields: Vec<FieldSpec>,
}

impl Endpoint {
    /// A request with this path, whose reply is read for its rows alone.
    fn plain(path: Template) -> Self {
        Self {
            path,
            body: None,
            all: None,
            batch: 0,
            has_own_servers: false,
            join: String::new(),
            rows: Pointer::default(),
            key: None,
            keys: Vec::new(),
            ignore_case: false,
            pick: Pick::Only,
            error: Vec::new(),
            row_error: None,
            shape: RowsShape::Rows,
            time: None,
            time_zone: TimeZone::UTC,
            max_age: None,
            fields: Vec::new(),
        }
    }

    /// Whether each request is for one symbol.
    pub(crate) fn is_single(&self) -> bool {
        let (base, quote) = (self.has(SymbolPart::Base), self.has(SymbolPart::Quote));
        self.is_document()
            || self.has_own_servers
            || self.has(SymbolPart::Whole)
            || (base && quote && !self.has_symbols())
    }

    /// Whether the value at `rows` is a row itself, whatever it is.
    pub(crate) fn is_document(&self) -> bool {
        self.shape == RowsShape::Document
    }

    /// Whether the request has a placeholder for this part of one symbol.
    pub(crate) fn has(&self, part: SymbolPart) -> bool {
        self.templates().any(|template| template.has(part))
    }

    /// Whether the request has all its symbols in it.
    pub(crate) fn has_symbols(&self) -> bool {
        self.templates().any(Template::has_symbols)
    }

    /// Whether the request is the same for all symbols.
    pub(crate) fn has_no_symbols(&self) -> bool {
        self.templates().all(Template::is_without_symbols)
    }

    /// The templates of the request itself.
    fn templates(&self) -> impl Iterator<Item = &Template> {
        [&self.path].into_iter().chain(self.body.iter().flat_map(BodyTemplate::templates))
    }

    /// The names of the secrets in the request, and whether it can be made without each.
    fn secrets(&self) -> impl Iterator<Item = (&str, bool)> {
        self.templates().chain(&self.all).flat_map(Template::secrets)
    }

    /// Whether requests for any of these many symbols, which share one request, have the same URL.
    pub(crate) fn has_one_url(&self, symbols: usize) -> bool {
        symbols > 1 && !self.has_symbols() && !self.is_single()
    }

    /// Whether the time of a row decides whether it counts.
    pub(crate) fn needs_time(&self) -> bool {
        self.pick == Pick::Now || self.max_age.is_some()
    }

    /// Whether its replies have this field.
    pub(crate) fn gives(&self, field: &Field) -> bool {
        self.fields.iter().any(|spec| spec.field == *field) || (field.as_str() == "age" && self.time.is_some())
    }

    /// Whether nothing in the requests and the replies is about a symbol.
    fn is_without_symbols(&self) -> bool {
        self.is_document() && self.has_no_symbols() && self.pointers().all(Pointer::is_literal)
    }

    fn pointers(&self) -> impl Iterator<Item = &Pointer> {
        let fields = self.fields.iter().flat_map(|spec| &spec.pointers);
        let time = self.time.iter().flat_map(|time| &time.pointers);
        fields.chain(time).chain(&self.error).chain(&self.key).chain(&self.row_error).chain([&self.rows])
    }
}

/// Where a field is in a row, and how its value is written.
#[derive(Clone, Debug)]
pub(crate) struct FieldSpec {
    /// The field.
    pub(crate) field: Field,
    /// Where its value is. The first pointer at a valid value counts.
    pub(crate) pointers: Vec<Pointer>,
    /// The value is multiplied by ten to this power.
    pub(crate) exponent: i32,
    /// Whether it is a price. Then zero and less are no values.
    pub(crate) price: bool,
    /// Whether the value may have thousands separators, a `$` or a `%`.
    pub(crate) separators: bool,
    /// Whether a text has hexadecimal digits.
    pub(crate) hex: bool,
    /// The numbers that stand for words, and for `true`, `false` and `null`.
    pub(crate) values: Vec<(String, Number)>,
    /// Grafana's name of the unit, for the dashboard. Empty if the definition has none.
    pub(crate) unit: String,
}

impl FieldSpec {
    /// A field with these pointers, whose values are plain numbers.
    pub(crate) fn new(field: Field, pointers: Vec<Pointer>) -> Self {
        let (price, values, unit) = (field.is_price(), Vec::new(), String::new());
        Self { field, pointers, exponent: 0, price, separators: false, hex: false, values, unit }
    }
}

/// Where the time of a quote is in a row, and how it is written.
#[derive(Clone, Debug)]
pub(crate) struct TimeSpec {
    /// Where it is. The first pointer at a valid time counts.
    pub(crate) pointers: Vec<Pointer>,
    /// How it is written.
    pub(crate) unit: TimeUnit,
}

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeUnit {
    /// Unix time in units of ten to minus this power of a second: 3 for milliseconds.
    Decimal(i32),
    /// RFC 3339, such as `2026-11-24T05:24:17Z`.
    Rfc3339,
    /// A date and a time without an offset, such as `2026-11-24 05:24:17`.
    DateTime,
    /// A date alone, such as `2026-11-24`: the beginning of that day.
    Date,
    /// The form of HTTP's headers: `Tue, 24 Nov 2026 05:24:17 GMT`.
    Http,
}

impl TimeUnit {
    /// All units, by their names in a definition.
    pub(crate) const ALL: [(&'static str, Self); 8] = [
        ("s", Self::Decimal(0)),
        ("ms", Self::Decimal(3)),
        ("us", Self::Decimal(6)),
        ("ns", Self::Decimal(9)),
        ("rfc3339", Self::Rfc3339),
        ("datetime", Self::DateTime),
        ("date", Self::Date),
        ("http", Self::Http),
    ];
}

impl Definition {
    /// Whether a quote has the field: the API gives it, or it is computed from what the API gives.
    pub(crate) fn gives(&self, field: &Field) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.gives(field)) || self.computes(field)
    }

    /// Whether the field can be computed for a quote that lacks it.
    pub(crate) fn computes(&self, field: &Field) -> bool {
        let reads = |name: &str| {
            self.endpoints.iter().flat_map(|endpoint| &endpoint.fields).any(|spec| spec.field.as_str() == name)
        };
        matches!(field.as_str(), "change" | "change_percent")
            && reads("last")
            && self.change_from.as_ref().is_some_and(|from| reads(from.as_str()))
    }

    /// Whether it quotes only pairs such as `BTC/USD`.
    pub(crate) fn needs_pairs(&self) -> bool {
        self.symbol.has(SymbolPart::Quote) || self.endpoints.iter().all(|endpoint| endpoint.has(SymbolPart::Quote))
    }

    /// The symbols of a feed that names none: all that have a server, or the API's own name if it has no
    /// symbols. None of both if it must be asked for something.
    pub(crate) fn default_symbols(&self) -> Vec<&str> {
        if self.base_url.is_by_symbol() {
            self.base_url.symbols().collect()
        } else if self.endpoints.iter().all(Endpoint::is_without_symbols) {
            vec![&self.name]
        } else {
            Vec::new()
        }
    }

    /// Whether several requests of one feed may be the same.
    pub(crate) fn repeats_requests(&self) -> bool {
        let is_repeated = |(index, endpoint): (usize, &Endpoint)| {
            let is_alike = |earlier: &Endpoint| (&earlier.path, &earlier.body) == (&endpoint.path, &endpoint.body);
            endpoint.is_document() || self.endpoints[..index].iter().any(is_alike)
        };
        self.endpoints.iter().enumerate().any(is_repeated)
    }

    /// Seconds between the starts of two runs that send it requests for this many symbols.
    pub(crate) fn interval_for(&self, symbols: usize) -> u64 {
        self.min_interval.max(self.min_interval_per_symbol.saturating_mul(symbols as u64))
    }

    /// Grafana's name of the unit of a field, if the definition has one.
    pub(crate) fn unit(&self, field: &Field) -> Option<&str> {
        let specs = self.endpoints.iter().flat_map(|endpoint| &endpoint.fields);
        let unit = specs.filter(|spec| spec.field == *field).find(|spec| !spec.unit.is_empty())?;
        Some(&unit.unit)
    }

    /// All its fields: first those of its endpoints, then `age` and those that are computed.
    pub(crate) fn fields(&self) -> Vec<Field> {
        let mut fields: Vec<Field> = Vec::new();
        let read = self.endpoints.iter().flat_map(|endpoint| &endpoint.fields).map(|spec| spec.field.clone());
        let standard = Field::STANDARD.iter().filter_map(|name| Field::new(name)).filter(|field| self.gives(field));
        for field in read.chain(standard) {
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        fields
    }

    /// The names of the secrets in requests for quotes, and whether each is optional everywhere.
    pub(crate) fn secrets(&self) -> BTreeMap<&str, bool> {
        self.secrets_with(self.endpoints.iter())
    }

    /// The same for the request for its list of symbols.
    pub(crate) fn secrets_of_list(&self) -> BTreeMap<&str, bool> {
        self.secrets_with(self.symbol_list.iter().map(|list| &list.endpoint))
    }

    /// The names of all secrets, and whether quotes come without each.
    pub(crate) fn all_secrets(&self) -> BTreeMap<&str, bool> {
        let mut secrets = self.secrets_of_list();
        for is_optional in secrets.values_mut() {
            *is_optional = true;
        }
        secrets.extend(self.secrets());
        secrets
    }

    fn secrets_with<'d>(&'d self, endpoints: impl Iterator<Item = &'d Endpoint>) -> BTreeMap<&'d str, bool> {
        let headers = self.headers.iter().flat_map(|(_, template)| template.secrets());
        let mut secrets = BTreeMap::new();
        for (name, is_optional) in headers.chain(endpoints.flat_map(Endpoint::secrets)) {
            secrets.entry(name).and_modify(|optional: &mut bool| *optional &= is_optional).or_insert(is_optional);
        }
        secrets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::testing::definition;

    #[test]
    fn an_endpoint_is_single_if_its_path_names_one_symbol() {
        for (path, is_single) in [
            ("/{symbol}", true),
            ("/{base}/{quote}", true),
            ("/{base}", false),
            ("/{quote}?s={symbols}", false),
            ("/{base}/{quote}?s={symbols}", false),
            ("/all", false),
        ] {
            let definition = definition(&format!("[[quote]]\npath = '{path}'\nfields = {{ last = '/l' }}\n"));
            assert_eq!(definition.endpoints[0].is_single(), is_single, "{path}");
        }
    }

    #[test]
    fn changes_are_computed_if_the_definition_reads_last_and_change_from() {
        let computes = |text: &str| definition(text).computes(&Field::new("change").unwrap());
        assert!(computes("[[quote]]\npath = '/'\nfields = { last = '/l', open = '/o' }\n"));
        assert!(!computes("[[quote]]\npath = '/'\nfields = { last = '/l', previous_close = '/p' }\n"));
        assert!(!computes("change_from = 'none'\n[[quote]]\npath = '/'\nfields = { last = '/l', open = '/o' }\n"));
        assert!(computes(
            "change_from = 'previous_close'\n[[quote]]\npath = '/'\nfields = { last = '/l', previous_close = '/p' }\n"
        ));
    }

    #[test]
    fn fields_that_no_pointer_gives_come_last() {
        let text = "[[quote]]\npath = '/'\ntime = { at = '/t', unit = 's' }\n\
            fields = { open = '/o', last = '/l', fee = '/f' }\n";
        let fields = definition(text).fields();
        let names: Vec<&str> = fields.iter().map(Field::as_str).collect();
        assert_eq!(names, ["fee", "last", "open", "change", "change_percent", "age"]);
    }

    #[test]
    fn quotes_come_without_the_secrets_of_the_list_of_symbols() {
        let text = "headers = { H = '{secret?:H}' }\n\
            [[quote]]\npath = '/?key={secret:X}'\nfields = { last = '/l' }\n\
            [symbols]\npath = '/all?a={secret?:X}&b={secret:Y}'\nkey = '/s'\n";
        let definition = definition(text);
        assert_eq!(definition.secrets(), BTreeMap::from([("H", true), ("X", false)]));
        assert_eq!(definition.secrets_of_list(), BTreeMap::from([("H", true), ("X", true), ("Y", false)]));
        assert_eq!(definition.all_secrets(), BTreeMap::from([("H", true), ("X", false), ("Y", true)]));
    }

    #[test]
    fn a_secret_is_optional_only_if_it_is_optional_everywhere() {
        let text = "headers = { A = '{secret?:X}', B = '{secret?:Y}' }\n\
            [[quote]]\npath = '/?key={secret:Y}'\nfields = { last = '/l' }\n";
        assert_eq!(definition(text).secrets(), BTreeMap::from([("X", true), ("Y", false)]));
    }

    #[test]
    fn the_interval_is_the_longer_one_of_run_and_symbols() {
        let mut definition = definition("[[quote]]\npath = '/'\nfields = { last = '/l' }\n");
        assert_eq!(definition.interval_for(2), 0);
        (definition.min_interval, definition.min_interval_per_symbol) = (60, 25);
        assert_eq!([definition.interval_for(2), definition.interval_for(3)], [60, 75]);
    }

    #[test]
    fn a_feed_without_symbols_has_those_of_its_definition() {
        let symbols = |text: &str| {
            let text = format!("{text}\nfields = {{ last = '/l' }}\n");
            definition(&text).default_symbols().into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(symbols("[[quote]]\npath = '/'\ndocument = true"), ["p"]);
        for text in [
            "[[quote]]\npath = '/'",
            "[[quote]]\npath = '/{symbol}'\ndocument = true",
            "[[quote]]\npath = '/'\ndocument = true\nrows = '/{symbol}'",
            "[[quote]]\npath = '/'\ndocument = true\nbody = { s = '{symbol}' }",
        ] {
            assert_eq!(symbols(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn requests_of_a_feed_may_be_the_same() {
        let quote = |keys: &str| format!("[[quote]]\nfields = {{ last = '/l' }}\n{keys}\n");
        let repeats = |one: &str, other: &str| definition(&(quote(one) + &quote(other))).repeats_requests();
        let (a, b) = ("path = '/a?s={symbols}'", "path = '/b?s={symbols}'");
        assert!(repeats(a, a) && repeats(a, "path = '/b'\ndocument = true"));
        assert!(!repeats(a, b) && !repeats(a, &format!("{a}\nbody = {{ x = 1 }}")));
    }

    #[test]
    fn a_request_for_any_of_its_symbols_has_one_url_if_none_is_in_it() {
        let has_one_url = |path: &str, symbols: usize| {
            definition(&format!("[[quote]]\npath = '{path}'\nfields = {{ last = '/l' }}\n")).endpoints[0]
                .has_one_url(symbols)
        };
        assert!(has_one_url("/all", 2) && has_one_url("/{quote}", 2));
        assert!(!has_one_url("/all", 1) && !has_one_url("/?s={symbols}", 2) && !has_one_url("/{symbol}", 2));
    }

    #[test]
    fn a_field_has_the_unit_of_the_endpoint_that_names_one() {
        let text = "[[quote]]\npath = '/a'\nfields = { temp = '/t', hum = '/h' }\n\
            [[quote]]\npath = '/b'\nfields = { temp = { at = '/t', unit = 'celsius' }, x = { at = '/x', unit = 'y' } }\n";
        let definition = definition(text);
        let unit = |name: &str| definition.unit(&Field::new(name).unwrap()).map(str::to_owned);
        assert_eq!((unit("temp").as_deref(), unit("hum")), (Some("celsius"), None));
    }
}
