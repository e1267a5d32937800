//! The form of a provider's definition: read from TOML, checked whole before it is used.

use super::pointer::Pointer;
use super::template::{Place, Spelling, Template, What};
use crate::given::{ConfigError, Given, Section};
use crate::quote::Field;
use crate::suggest::none_of;
use crate::url::Url;
use std::collections::BTreeMap;

/// What a provider quotes, and so which feeds it can serve without being named in a config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Market {
    /// Pairs of currencies, `BTC/USD`.
    Crypto,
    /// Shares, `AAPL`.
    Stocks,
    /// Anything else.
    Other,
}

impl Market {
    const NAMES: [(&'static str, Self); 3] =
        [("crypto", Self::Crypto), ("stocks", Self::Stocks), ("other", Self::Other)];

    /// The name in a definition.
    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(_, market)| *market == self).map_or("", |(name, _)| name)
    }
}

/// An API as data: how to ask it, and where in its answers the numbers are.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its name in settings, messages and health points.
    pub name: String,
    /// What it quotes.
    pub market: Market,
    /// Where it is asked.
    pub base: Url,
    /// Where its API is documented.
    pub docs: String,
    /// Its terms of use, in one line.
    pub terms: String,
    /// Its limits, in one line.
    pub limits: String,
    /// Seconds between the starts of two runs that ask it.
    pub min_interval: u64,
    /// The same for each symbol asked, where the API charges by symbol.
    pub min_interval_per_symbol: u64,
    /// Requests a second inside a run.
    pub per_second: Option<f64>,
    /// Requests under way at once.
    pub max_concurrency: usize,
    /// Longest body read, in bytes after decompression.
    pub max_body: u64,
    /// Headers of every request.
    pub headers: Vec<(String, Template)>,
    /// How it spells a symbol.
    pub symbol: Template,
    /// What it calls otherwise.
    pub spelling: Spelling,
    /// What it says of a symbol it does not know.
    pub bad_symbol: BadSymbol,
    /// The field that `change` and `change_percent` are computed from where it gives none.
    pub change_from: Option<Field>,
    /// Its requests; their fields are merged.
    pub quotes: Vec<QuoteForm>,
}

/// How an API refuses a symbol that it does not know: by one of these statuses or texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BadSymbol {
    /// HTTP statuses.
    pub status: Vec<u16>,
    /// Parts of the error text, in lower case.
    pub text: Vec<String>,
}

impl BadSymbol {
    /// Whether a reply with this status and error text says so.
    pub fn matches(&self, status: u16, text: &str) -> bool {
        let text = text.to_lowercase();
        self.status.contains(&status) || self.text.iter().any(|part| text.contains(part.as_str()))
    }
}

/// One request of a definition, and how its reply is read.
#[derive(Clone, Debug)]
pub struct QuoteForm {
    /// Path and query.
    pub path: Template,
    /// Symbols a request at most; 0 is no bound.
    pub batch: usize,
    /// What stands between two symbols of a batch.
    pub join: String,
    /// Where the rows are.
    pub rows: Pointer,
    /// Where a row's symbol is.
    pub key: Option<Pointer>,
    /// Spellings under which a row may come back, beside the one that was asked.
    pub keys: Vec<Template>,
    /// Whether spellings are compared without case.
    pub ignore_case: bool,
    /// Where the API's own error texts are.
    pub error: Vec<Pointer>,
    /// Where a row's error text is.
    pub row_error: Option<Pointer>,
    /// Whether a batch of one comes back as the bare row.
    pub unwrapped_single: bool,
    /// The quote's own time.
    pub time: Option<TimeForm>,
    /// The values.
    pub fields: Vec<FieldForm>,
}

impl QuoteForm {
    /// Whether each request is for one symbol.
    pub fn is_single(&self) -> bool {
        let (base, quote) = (self.path.has(What::Base), self.path.has(What::Quote));
        self.path.has(What::Symbol) || (base && quote && !self.path.has_symbols())
    }

    /// Whether the API says this of a quote.
    pub fn gives(&self, field: &Field) -> bool {
        self.fields.iter().any(|form| form.field == *field) || (field.as_str() == "age" && self.time.is_some())
    }

    fn pointers(&self) -> impl Iterator<Item = &Pointer> {
        let fields = self.fields.iter().flat_map(|form| &form.at);
        let time = self.time.iter().flat_map(|time| &time.at);
        fields.chain(time).chain(&self.error).chain(&self.key).chain(&self.row_error).chain([&self.rows])
    }
}

/// Where a field is, and how it is written there.
#[derive(Clone, Debug)]
pub struct FieldForm {
    /// Its name.
    pub field: Field,
    /// The first of these that holds a value gives it.
    pub at: Vec<Pointer>,
    /// The value is taken times ten to this power.
    pub exponent: i32,
    /// Whether it is a price: zero and less is no value.
    pub price: bool,
    /// Whether it may have thousands separators, a `$` or a `%`.
    pub separators: bool,
}

/// Where a quote's time is, and how it is written there.
#[derive(Clone, Debug)]
pub struct TimeForm {
    /// The first of these that holds a time gives it.
    pub at: Vec<Pointer>,
    /// How it is written.
    pub unit: TimeUnit,
}

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Unix time in units of ten to minus this power of a second.
    Decimal(i32),
    /// `2026-11-24T05:24:17Z`.
    Rfc3339,
}

impl Definition {
    /// Reads a definition and checks it.
    ///
    /// # Errors
    /// With the place of the first thing that is wrong.
    pub fn read(name: &str, section: &Section<'_>) -> Result<Self, ConfigError> {
        let text = |key| section.get(key).map_or(Ok(String::new()), |given| given.text().map(str::to_owned));
        let seconds = |key| whole(section, key, 0, 31_536_000, 0);
        let market = market(section)?;
        let base = section.get("base_url").ok_or_else(|| missing(section, "base_url"))?;
        let definition = Self {
            name: name.to_owned(),
            market,
            base: base_url(&base)?,
            docs: text("docs")?,
            terms: text("terms")?,
            limits: text("limits")?,
            min_interval: seconds("min_interval")?,
            min_interval_per_symbol: seconds("min_interval_per_symbol")?,
            per_second: optional(section, "per_second", rate)?,
            max_concurrency: whole(section, "max_concurrency", 1, 64, 4)?,
            max_body: whole(section, "max_body", 1, 1 << 30, 16 << 20)?,
            headers: headers(section)?,
            symbol: optional(section, "symbol", spelling_template)?.unwrap_or_else(Template::whole_symbol),
            spelling: spelling(section)?,
            bad_symbol: bad_symbol(section)?,
            change_from: change_from(section, market)?,
            quotes: quotes(section)?,
        };
        section.finish()?;
        Ok(definition)
    }

    /// Whether the API says this of a quote, or it can be computed from what it says.
    pub fn gives(&self, field: &Field) -> bool {
        self.quotes.iter().any(|form| form.gives(field)) || self.computes(field)
    }

    /// Whether the field can be computed where a quote has none.
    pub fn computes(&self, field: &Field) -> bool {
        let given = |name: &str| self.quotes.iter().any(|form| form.fields.iter().any(|f| f.field.as_str() == name));
        matches!(field.as_str(), "change" | "change_percent")
            && given("last")
            && self.change_from.as_ref().is_some_and(|from| given(from.as_str()))
    }

    /// Whether it can be asked for nothing but pairs, `BTC/USD`.
    pub fn needs_pairs(&self) -> bool {
        self.symbol.has(What::Quote) || self.quotes.iter().all(|form| form.path.has(What::Quote))
    }

    /// Every field it gives, computed ones last.
    pub fn fields(&self) -> Vec<Field> {
        let mut fields: Vec<Field> = Vec::new();
        let own = self.quotes.iter().flat_map(|form| form.fields.iter().map(|f| f.field.clone()));
        let common = crate::quote::FIELDS.iter().filter_map(|name| Field::new(name)).filter(|f| self.gives(f));
        for field in own.chain(common) {
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        fields
    }

    /// The names of the secrets it needs, and whether it can do without.
    pub fn secrets(&self) -> BTreeMap<&str, bool> {
        let headers = self.headers.iter().map(|(_, template)| template);
        let mut all = BTreeMap::new();
        for (name, optional) in headers.chain(self.quotes.iter().map(|form| &form.path)).flat_map(Template::secrets) {
            all.entry(name).and_modify(|both: &mut bool| *both &= optional).or_insert(optional);
        }
        all
    }
}

fn missing(section: &Section<'_>, key: &str) -> ConfigError {
    ConfigError::invalid(section.origin(), format!("{key} is missing"))
}

fn optional<T>(
    section: &Section<'_>,
    key: &'static str,
    read: impl Fn(&Given<'_>) -> Result<T, ConfigError>,
) -> Result<Option<T>, ConfigError> {
    section.get(key).map(|given| read(&given)).transpose()
}

fn all<T>(
    section: &Section<'_>,
    key: &'static str,
    read: impl Fn(&Given<'_>) -> Result<T, ConfigError>,
) -> Result<Vec<T>, ConfigError> {
    section.get(key).map_or(Ok(Vec::new()), |given| given.one_or_more().iter().map(read).collect())
}

fn whole<T>(section: &Section<'_>, key: &'static str, min: i64, max: i64, default: T) -> Result<T, ConfigError>
where
    T: TryFrom<i64>,
{
    let Some(given) = section.get(key) else { return Ok(default) };
    T::try_from(given.integer(min, max)?).map_err(|_| given.bad("is out of range"))
}

fn flag(section: &Section<'_>, key: &'static str) -> Result<bool, ConfigError> {
    section.get(key).map_or(Ok(false), |given| given.boolean())
}

/// Requests a second; slower than once a day is no rate of a run.
fn rate(given: &Given<'_>) -> Result<f64, ConfigError> {
    let rate = given.positive(1e6)?;
    if rate < 1e-5 { Err(given.bad("must be 0.00001 at least")) } else { Ok(rate) }
}

fn pointer(given: &Given<'_>) -> Result<Pointer, ConfigError> {
    Pointer::parse(given.text()?).map_err(|problem| given.bad(problem))
}

fn template(given: &Given<'_>, place: Place) -> Result<Template, ConfigError> {
    Template::parse(given.text()?, place).map_err(|problem| given.bad(problem))
}

fn spelling_template(given: &Given<'_>) -> Result<Template, ConfigError> {
    template(given, Place::Spelling)
}

fn field(name: &str, given: &Given<'_>) -> Result<Field, ConfigError> {
    Field::new(name)
        .ok_or_else(|| given.bad(format!("{name:?} is no field name: a letter, then letters, digits and _")))
}

fn market(section: &Section<'_>) -> Result<Market, ConfigError> {
    let given = section.get("market").ok_or_else(|| missing(section, "market"))?;
    let name = given.text()?;
    let found = Market::NAMES.iter().find(|(known, _)| *known == name).map(|(_, market)| *market);
    found.ok_or_else(|| given.bad(none_of(name, &Market::NAMES.map(|(known, _)| known))))
}

/// Reads the address of a provider.
///
/// # Errors
/// When it is no `http` or `https` URL without a query.
pub fn base_url(given: &Given<'_>) -> Result<Url, ConfigError> {
    let mut url = Url::parse(given.text()?).map_err(|problem| given.bad(problem))?;
    if !matches!(url.scheme.as_str(), "http" | "https") || url.path.contains('?') {
        return Err(given.bad("must be an http or https URL without a query"));
    }
    url.path.truncate(url.path.trim_end_matches('/').len());
    Ok(url)
}

fn headers(section: &Section<'_>) -> Result<Vec<(String, Template)>, ConfigError> {
    let header = |(name, given): (String, Given<'_>)| {
        let text = given.text()?;
        let valid = http::HeaderName::from_bytes(name.as_bytes()).is_ok();
        if !valid || text.chars().any(char::is_control) {
            return Err(given.bad("is no header: a name has letters, digits and -, a value no line break"));
        }
        Ok((name, template(&given, Place::Header)?))
    };
    section.section("headers")?.entries().into_iter().map(header).collect()
}

fn spelling(section: &Section<'_>) -> Result<Spelling, ConfigError> {
    let mut spelling = Spelling::default();
    for (code, given) in section.section("rename")?.entries() {
        spelling.rename.insert(code, given.text()?.to_owned());
    }
    for (text, given) in section.section("replace")?.entries() {
        let mut chars = text.chars();
        let (Some(one), None) = (chars.next(), chars.next()) else {
            return Err(given.bad(format!("must replace one character, not {text:?}")));
        };
        spelling.replace.push((one, given.text()?.to_owned()));
    }
    Ok(spelling)
}

fn bad_symbol(section: &Section<'_>) -> Result<BadSymbol, ConfigError> {
    let section = section.section("bad_symbol")?;
    let status = |given: &Given<'_>| {
        let status = given.integer(100, 599)?;
        u16::try_from(status).map_err(|_| given.bad("is no HTTP status"))
    };
    let bad = BadSymbol {
        status: all(&section, "status", status)?,
        text: all(&section, "text", |given| Ok(given.text()?.to_lowercase()))?,
    };
    section.finish()?;
    Ok(bad)
}

fn change_from(section: &Section<'_>, market: Market) -> Result<Option<Field>, ConfigError> {
    let Some(given) = section.get("change_from") else {
        return Ok(match market {
            Market::Crypto => Field::new("open"),
            Market::Stocks => Field::new("previous_close"),
            Market::Other => None,
        });
    };
    match given.text()? {
        "none" => Ok(None),
        name @ ("open" | "previous_close") => Ok(Field::new(name)),
        name => Err(given.bad(none_of(name, &["open", "previous_close", "none"]))),
    }
}

fn quotes(section: &Section<'_>) -> Result<Vec<QuoteForm>, ConfigError> {
    let forms = section.get("quote").ok_or_else(|| missing(section, "[[quote]]"))?;
    let forms = forms.list()?.iter().map(|given| quote(&given.section()?)).collect::<Result<Vec<_>, _>>()?;
    if forms.is_empty() {
        return Err(missing(section, "[[quote]]"));
    }
    Ok(forms)
}

fn quote(section: &Section<'_>) -> Result<QuoteForm, ConfigError> {
    let path = section.get("path").ok_or_else(|| missing(section, "path"))?;
    if !path.text()?.starts_with('/') {
        return Err(path.bad("must begin with \"/\""));
    }
    let join = section.get("join").map_or(Ok(",".to_owned()), |given| given.text().map(str::to_owned))?;
    let form = QuoteForm {
        path: template(&path, Place::Path)?,
        batch: whole(section, "batch", 0, 1_000_000, 100)?,
        join,
        rows: optional(section, "rows", pointer)?.unwrap_or_default(),
        key: optional(section, "key", pointer)?,
        keys: all(section, "keys", spelling_template)?,
        ignore_case: flag(section, "ignore_case")?,
        error: all(section, "error", pointer)?,
        row_error: optional(section, "row_error", pointer)?,
        unwrapped_single: flag(section, "unwrapped_single")?,
        time: time(section)?,
        fields: fields(section)?,
    };
    if form.fields.is_empty() {
        return Err(ConfigError::invalid(
            section.origin(),
            "has no fields: name one, such as fields = { last = \"/price\" }",
        ));
    }
    if let Some(pointer) = form.pointers().find(|pointer| !form.is_single() && !pointer.is_fixed()) {
        let problem = format!(
            "pointer {:?} has a placeholder, but more than one symbol is asked: ask for {{symbol}} in the path",
            pointer.as_str()
        );
        return Err(path.bad(problem));
    }
    section.finish()?;
    Ok(form)
}

fn time(section: &Section<'_>) -> Result<Option<TimeForm>, ConfigError> {
    if section.get("time").is_none() {
        return Ok(None);
    }
    let section = section.section("time")?;
    let unit = section.get("unit").ok_or_else(|| missing(&section, "unit"))?;
    let time = TimeForm {
        at: all(&section, "at", pointer)?,
        unit: match unit.text()? {
            "s" => TimeUnit::Decimal(0),
            "ms" => TimeUnit::Decimal(3),
            "us" => TimeUnit::Decimal(6),
            "ns" => TimeUnit::Decimal(9),
            "rfc3339" => TimeUnit::Rfc3339,
            name => return Err(unit.bad(none_of(name, &["s", "ms", "us", "ns", "rfc3339"]))),
        },
    };
    if time.at.is_empty() {
        return Err(missing(&section, "at"));
    }
    section.finish()?;
    Ok(Some(time))
}

fn fields(section: &Section<'_>) -> Result<Vec<FieldForm>, ConfigError> {
    section.section("fields")?.entries().into_iter().map(|(name, given)| field_form(&name, &given)).collect()
}

fn field_form(name: &str, given: &Given<'_>) -> Result<FieldForm, ConfigError> {
    let field = field(name, given)?;
    let price = field.is_price();
    if !given.is_section() {
        let at: Vec<Pointer> = given.one_or_more().iter().map(pointer).collect::<Result<_, _>>()?;
        if at.is_empty() {
            return Err(given.bad("has no pointer: give one, such as \"/price\""));
        }
        return Ok(FieldForm { field, at, exponent: 0, price, separators: false });
    }
    let section = given.section()?;
    let form = FieldForm {
        field,
        at: all(&section, "at", pointer)?,
        exponent: whole(&section, "exponent", -30, 30, 0)?,
        price: section.get("price").map_or(Ok(price), |given| given.boolean())?,
        separators: flag(&section, "separators")?,
    };
    if form.at.is_empty() {
        return Err(missing(&section, "at"));
    }
    section.finish()?;
    Ok(form)
}
