//! Reading a definition from TOML.

use super::keys::{flag, integer, one_or_more, optional, required, spelling_template};
use super::options::Options;
use super::places::place_of;
use super::read_quote::endpoints;
use super::symbol_list::symbol_list;
use super::{BadSymbol, Definition, ErrorTexts, Market, NamedSymbol};
use crate::config::{ConfigError, ConfigValue, Section};
use crate::http::request::RemainingHeader;
use crate::http::url::Url;
use crate::market::field::Field;
use crate::market::symbol::Symbol;
use crate::provider::base_url::BaseUrl;
use crate::provider::header::{check_header, same_header};
use crate::provider::spelling::Spelling;
use crate::provider::template::{Template, TemplateKind};
use crate::util::suggest::must_be_one_of;

impl Definition {
    /// Reads a definition and checks it.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub(crate) fn read(name: &str, section: &Section<'_>) -> Result<Self, ConfigError> {
        let text = |key| section.get(key).map_or(Ok(String::new()), |value| value.text().map(str::to_owned));
        let seconds = |key| integer(section, key, 0, 31_536_000, 0);
        let market = market(section)?;
        let base_url = base_urls(&required(section, "base_url")?)?;
        let has_own_servers = base_url.is_by_symbol();
        // This key is only for people who read the definition.
        text("docs")?;
        let options = Options::read(section)?;
        let mut definition = Self {
            name: name.to_owned(),
            market,
            base_url,
            terms: text("terms")?,
            limits: text("limits")?,
            covers: text("covers")?,
            limit: limit(section)?,
            remaining: remaining(section)?,
            min_interval: seconds("min_interval")?,
            min_interval_per_symbol: seconds("min_interval_per_symbol")?,
            per_second: optional(section, "per_second", rate)?,
            burst: integer(section, "burst", 1, 1_000, 1)?,
            max_concurrency: integer(section, "max_concurrency", 1, 64, 4)?,
            max_body: integer(section, "max_body", 1, 1 << 30, 16 << 20)?,
            headers: headers(section, &options)?,
            symbol: optional(section, "symbol", spelling_template)?.unwrap_or_else(Template::whole_symbol),
            spelling: spelling(section)?,
            bad_symbol: bad_symbol(section)?,
            change_from: change_from(section, market)?,
            allow_plaintext_credentials: flag(section, "allow_plaintext_credentials")?,
            endpoints: endpoints(section, &options, has_own_servers)?,
            symbol_list: None,
            symbol_page: String::new(),
        };
        (definition.symbol_list, definition.symbol_page) = symbol_list(section, &options, &definition.endpoints)?;
        section.deny_misplaced_keys(place_of)?;
        options.deny_unused()?;
        Ok(definition)
    }
}

/// Requests per second. A rate of less than about one a day would be no rate within a run.
fn rate(value: &ConfigValue<'_>) -> Result<f64, ConfigError> {
    let rate = value.positive(1e6)?;
    if rate < 1e-5 { Err(value.invalid("must be 0.00001 at least")) } else { Ok(rate) }
}

fn market(section: &Section<'_>) -> Result<Market, ConfigError> {
    let value = required(section, "market")?;
    let name = value.text()?;
    let known = Market::ALL.into_iter().find(|market| market.as_str() == name);
    known.ok_or_else(|| value.invalid(must_be_one_of(name, &Market::ALL.map(Market::as_str))))
}

/// Reads the address of a provider: an `http` or `https` URL without a query.
///
/// # Errors
/// When it is anything else.
pub(crate) fn base_url(value: &ConfigValue<'_>) -> Result<Url, ConfigError> {
    let mut url = Url::parse(value.text()?).map_err(|error| value.invalid(error.to_string()))?;
    if !matches!(url.scheme.as_str(), "http" | "https") || url.path.contains('?') {
        return Err(value.invalid("must be an http or https URL without a query"));
    }
    url.path.truncate(url.path.trim_end_matches('/').len());
    Ok(url)
}

/// One URL, or a table of a URL for each symbol.
fn base_urls(value: &ConfigValue<'_>) -> Result<BaseUrl, ConfigError> {
    if !value.is_section() {
        return base_url(value).map(BaseUrl::shared);
    }
    let url = |(symbol, value): (String, ConfigValue<'_>)| match Symbol::with_spaces(&symbol) {
        Ok(known) if known.as_str() == symbol => Ok((symbol, base_url(&value)?)),
        Ok(_) => Err(value.invalid("begins or ends with white space, which no symbol does")),
        Err(problem) => Err(value.invalid(problem.to_string())),
    };
    let urls = value.section()?.entries().into_iter().map(url).collect::<Result<_, _>>()?;
    BaseUrl::by_symbol(urls).ok_or_else(|| value.invalid("has no URL: name one for each symbol"))
}

fn headers(section: &Section<'_>, options: &Options<'_>) -> Result<Vec<(String, Template)>, ConfigError> {
    let mut headers: Vec<(String, Template)> = Vec::new();
    for (name, value) in section.section("headers")?.entries_of_any_case() {
        check_header(&name, &value)?;
        if let Some((other, _)) = headers.iter().find(|(other, _)| name.eq_ignore_ascii_case(other)) {
            return Err(value.invalid(same_header(other)));
        }
        headers.push((name, options.template(&value, TemplateKind::Header)?));
    }
    Ok(headers)
}

fn spelling(section: &Section<'_>) -> Result<Spelling, ConfigError> {
    let mut spelling = Spelling::default();
    for (code, value) in section.section("rename")?.entries() {
        spelling.rename.insert(code, value.text()?.to_owned());
    }
    for (text, value) in section.section("replace")?.entries() {
        let mut chars = text.chars();
        let (Some(c), None) = (chars.next(), chars.next()) else {
            return Err(value.invalid(format!("must replace one character, not {text:?}")));
        };
        spelling.replace.push((c, value.text()?.to_owned()));
    }
    spelling.share_class = optional(section, "share_class", |value| value.text().map(str::to_owned))?;
    Ok(spelling)
}

fn bad_symbol(section: &Section<'_>) -> Result<BadSymbol, ConfigError> {
    let section = section.section("bad_symbol")?;
    let status = |value: &ConfigValue<'_>| {
        let status = value.integer(100, 599)?;
        u16::try_from(status).map_err(|_| value.invalid("is no HTTP status"))
    };
    let named = |value: &ConfigValue<'_>| {
        let problem = "must have a text and then {symbol} once, such as \"invalid symbol: {symbol}\"";
        NamedSymbol::parse(value.text()?).ok_or_else(|| value.invalid(problem))
    };
    let bad_symbol = BadSymbol {
        statuses: one_or_more(&section, "status", status)?,
        texts: error_texts(&section)?,
        named: optional(&section, "named", named)?,
    };
    section.deny_unknown_keys()?;
    Ok(bad_symbol)
}

fn error_texts(section: &Section<'_>) -> Result<ErrorTexts, ConfigError> {
    let text = |value: &ConfigValue<'_>| match value.text()?.trim() {
        "" => Err(value.invalid("must not be empty")),
        text => Ok(text.to_owned()),
    };
    Ok(ErrorTexts::new(one_or_more(section, "text", text)?))
}

fn limit(section: &Section<'_>) -> Result<ErrorTexts, ConfigError> {
    let section = section.section("limit")?;
    let texts = error_texts(&section)?;
    section.deny_unknown_keys()?;
    Ok(texts)
}

fn remaining(section: &Section<'_>) -> Result<Option<RemainingHeader>, ConfigError> {
    if section.get("remaining").is_none() {
        return Ok(None);
    }
    let section = section.section("remaining")?;
    if section.entries().is_empty() {
        // It leaves out the one of a built-in definition.
        return Ok(None);
    }
    let header = required(&section, "header")?;
    if http::HeaderName::from_bytes(header.text()?.as_bytes()).is_err() {
        return Err(header.invalid("is no name of a header"));
    }
    let limit = |key| optional(&section, key, |value| value.integer(1, i64::MAX));
    let (of, used_of) = (limit("of")?, limit("limit")?);
    section.deny_unknown_keys()?;
    if let (Some(value), true) = (section.get("of"), used_of.is_some()) {
        return Err(
            value.invalid("is for a header with what is left, limit for one with what is used: only one of them")
        );
    }
    Ok(Some(RemainingHeader {
        header: header.text()?.to_owned(),
        limit: of.or(used_of).and_then(|limit| limit.try_into().ok()),
        has_used: used_of.is_some(),
    }))
}

fn change_from(section: &Section<'_>, market: Market) -> Result<Option<Field>, ConfigError> {
    let Some(value) = section.get("change_from") else {
        return Ok(match market {
            Market::Crypto => Field::new("open"),
            Market::Stocks => Field::new("previous_close"),
            Market::Other => None,
        });
    };
    match value.text()? {
        "none" => Ok(None),
        name @ ("open" | "previous_close") => Ok(Field::new(name)),
        name => Err(value.invalid(must_be_one_of(name, &["open", "previous_close", "none"]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Document;
    use crate::provider::definition::RowsShape;
    use crate::provider::testing::definition;

    const ENDPOINT: &str = "[[quote]]\npath = '/?s={symbols}'\nfields = { last = '/l' }\n";

    fn error(text: &str) -> String {
        let base_url = if text.contains("base_url") { "" } else { "base_url = 'https://h'\n" };
        let document = Document::new("p.toml", format!("{base_url}{text}"));
        let table = document.parse().unwrap();
        Definition::read("p", &Section::root(&document, &table)).unwrap_err().to_string()
    }

    #[test]
    fn keys_that_are_left_out_have_their_defaults() {
        let definition = definition(ENDPOINT);
        assert_eq!((definition.max_concurrency, definition.max_body), (4, 16 << 20));
        assert_eq!((definition.per_second, definition.interval_for(9)), (None, 0));
        assert_eq!((&definition.symbol, &definition.spelling), (&Template::whole_symbol(), &Spelling::default()));
        let endpoint = &definition.endpoints[0];
        assert_eq!((endpoint.batch, endpoint.join.as_str(), endpoint.rows.as_str()), (100, ",", ""));
        assert!(!endpoint.ignore_case && endpoint.shape == RowsShape::Rows);
    }

    #[test]
    fn the_market_decides_from_which_field_changes_are_computed() {
        for (market, field) in [("crypto", "open"), ("stocks", "previous_close"), ("other", "")] {
            let document = Document::new("p.toml", format!("market = '{market}'\nbase_url = 'https://h'\n{ENDPOINT}"));
            let table = document.parse().unwrap();
            let definition = Definition::read("p", &Section::root(&document, &table)).unwrap();
            assert_eq!(definition.change_from, Field::new(field), "{market}");
        }
    }

    #[test]
    fn standard_prices_are_prices_unless_the_definition_says_otherwise() {
        let text = "[[quote]]\npath = '/'\n[quote.fields]\nfee = { at = '/f', price = true }\nhigh = '/h'\n\
            low = { at = '/l', price = false }\nvolume = '/v'\n";
        let fields = &definition(text).endpoints[0].fields;
        let prices: Vec<&str> = fields.iter().filter(|spec| spec.price).map(|spec| spec.field.as_str()).collect();
        assert_eq!(prices, ["fee", "high"]);
    }

    #[test]
    fn a_pointer_has_placeholders_only_if_each_request_is_for_one_symbol() {
        let with_path =
            |path: &str| format!("market = 'other'\n[[quote]]\npath = '{path}'\nfields = {{ last = '/{{base}}' }}\n");
        assert!(error(&with_path("/?s={symbols}")).contains("pointer \"/{base}\" has a placeholder"));
        for path in ["/{symbol}", "/{base}?s={symbols}"] {
            definition(&with_path(path).replace("market = 'other'\n", ""));
        }
    }

    #[test]
    fn the_greatest_and_least_values_of_a_definition_may_be_used() {
        let definition = definition(&format!("per_second = 0.00001\nmax_body = 1_073_741_824\n{ENDPOINT}"));
        assert_eq!((definition.per_second, definition.max_body), (Some(0.000_01), 1 << 30));
    }

    #[test]
    fn keys_of_an_endpoint_that_contradict_each_other_are_refused() {
        let error = |keys: &str| error(&format!("market = 'other'\n[[quote]]\nfields = {{ last = '/l' }}\n{keys}"));
        for (keys, problem) in [
            ("path = '/'\ndocument = true\nkey = '/k'", "document = true is for a reply that is one row"),
            ("path = '/?s={symbols}'\ndocument = true", "document = true is for a reply that is one row"),
            ("path = '/'\nall = '/all'\nbody = { a = 1 }", "has `all`"),
            ("path = '/'\npick = 'now'", "pick = \"now\" needs the time"),
            ("path = '/'\nmax_age = 60", "max_age needs the time"),
        ] {
            assert!(error(keys).contains(problem), "{keys}: {}", error(keys));
        }
        assert!(!error("path = '/{symbol}'\nmax_age = 60\ntime = { at = '/t', unit = 's' }\nx = 1").contains("needs"));
    }

    #[test]
    fn a_definition_that_is_wrong_is_refused() {
        for (text, problem) in [
            ("market = 'bonds'", "market: must be \"crypto\", \"stocks\" or \"other\""),
            ("market = 'other'", "[[quote]] is missing"),
            ("market = 'other'\nbase_url = 'ftp://h'", "must be an http or https URL"),
            ("market = 'other'\nbase_url = 'https://h/?a=b'", "without a query"),
            ("market = 'other'\nbase_url = { ' A' = 'https://h' }", "begins or ends with white space"),
            ("market = 'other'\nbase_url = { A = 'https://h' }", "[[quote]] is missing"),
            (
                "market = 'other'\noptions = { a = 'b' }\n[[quote]]\npath = '/'\nfields = { last = '/l' }",
                "no path, header or body has {option:a}",
            ),
            ("market = 'other'\nper_second = 0.000001", "per_second: must be 0.00001 at least"),
            ("market = 'other'\nreplace = { ab = 'c' }", "must replace one character, not \"ab\""),
            ("market = 'other'\nheaders = { 'A B' = 'c' }", "is no header"),
            ("market = 'other'\nheaders = { Content-Length = '5' }", "belongs to the connection"),
            ("market = 'other'\nheaders = { A = 'b', a = 'c' }", "headers.a: is the same header as A: remove one"),
            ("market = 'other'\nquotes = 1\n[[quote]]\npath = '/'\nfields = { last = '' }", "unknown key"),
            ("market = 'other'\n[[quote]]\npath = 'x'", "must begin with \"/\""),
            ("market = 'other'\n[[quote]]\npath = '/'", "has no fields"),
            ("market = 'other'\n[[quote]]\npath = '/'\nfields = { 1a = '/l' }", "\"1a\" is no field name"),
            ("market = 'other'\n[[quote]]\npath = '/'\nfields = { last = [] }", "has no pointer"),
        ] {
            assert!(error(text).contains(problem), "{text}: {}", error(text));
        }
    }
}
