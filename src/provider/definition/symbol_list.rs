//! How the list of a provider's symbols is requested and read. In TOML it is the table `symbols`.

use super::Endpoint;
use super::keys::{one_or_more, optional, path_template, pointer};
use super::options::Options;
use super::places::place_of;
use crate::config::{ConfigError, ConfigValue, Section};
use crate::provider::pointer::Pointer;
use crate::provider::template::TemplateKind;

/// How the list of a provider's symbols is requested and read.
#[derive(Clone, Debug)]
pub(crate) struct SymbolList {
    /// The request, where the rows are, and where the API's own spelling is in a row.
    pub(crate) endpoint: Endpoint,
    /// The base of a pair. If only one of base and quote is given, the other one is the API's spelling.
    pub(crate) base: Option<CodeSource>,
    /// The quote of a pair.
    pub(crate) quote: Option<CodeSource>,
    /// What a pair may end in that is spelled without anything between base and quote.
    pub(crate) quotes: Vec<String>,
    /// Where the name is in a row. The first pointer at a text counts.
    pub(crate) name: Vec<Pointer>,
    /// What a row must have to count: a pointer, and the texts that may be there.
    pub(crate) only: Vec<(Pointer, Vec<String>)>,
}

/// Where a part of a pair is.
#[derive(Clone, Debug)]
pub(crate) enum CodeSource {
    /// In a row.
    Pointer(Pointer),
    /// It is the same in all rows.
    Literal(String),
}

impl SymbolList {
    /// Whether the API is asked for what fits a text, as it does not list everything.
    pub(crate) fn is_search(&self) -> bool {
        self.endpoint.path.has_search_text()
    }
}

/// Reads the table `symbols` of a definition: the list, if there is one, and the page on which people find symbols.
/// Without pointers of its own the list has the error texts of the first `[[quote]]`.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub(super) fn symbol_list(
    section: &Section<'_>,
    options: &Options<'_>,
    endpoints: &[Endpoint],
) -> Result<(Option<SymbolList>, String), ConfigError> {
    if let Some(value) = section.get("symbols").filter(|value| !value.is_section()) {
        let problem = "unknown key here: it belongs in [feeds.NAME]; where an API lists its symbols is a table";
        return Err(value.invalid(problem));
    }
    let section = section.section("symbols")?;
    let page = section.get("page").map_or(Ok(String::new()), |value| value.text().map(str::to_owned))?;
    let Some(path) = section.get("path") else {
        section.deny_misplaced_keys(place_of)?;
        return Ok((None, page));
    };
    let mut error = one_or_more(&section, "error", plain_pointer)?;
    if error.is_empty() {
        let first = endpoints.iter().take(1).flat_map(|endpoint| &endpoint.error);
        error = first.filter(|pointer| pointer.is_literal()).cloned().collect();
    }
    let plain = Endpoint::plain(path_template(&path, options, TemplateKind::List)?);
    let endpoint = Endpoint {
        rows: optional(&section, "rows", plain_pointer)?.unwrap_or_default(),
        key: optional(&section, "key", plain_pointer)?,
        error,
        ..plain
    };
    let list = SymbolList {
        endpoint,
        base: optional(&section, "base", code_source)?,
        quote: optional(&section, "quote", code_source)?,
        quotes: one_or_more(&section, "quotes", |value| value.text().map(str::to_owned))?,
        name: one_or_more(&section, "name", plain_pointer)?,
        only: only(&section)?,
    };
    section.deny_misplaced_keys(place_of)?;
    Ok((Some(list), page))
}

/// A pointer of a list, which is about no symbol.
fn plain_pointer(value: &ConfigValue<'_>) -> Result<Pointer, ConfigError> {
    without_placeholder(pointer(value)?, value)
}

fn without_placeholder(pointer: Pointer, value: &ConfigValue<'_>) -> Result<Pointer, ConfigError> {
    if pointer.is_literal() {
        Ok(pointer)
    } else {
        Err(value.invalid("must not have a placeholder: a list is about no symbol"))
    }
}

fn code_source(value: &ConfigValue<'_>) -> Result<CodeSource, ConfigError> {
    let text = value.text()?;
    if text.is_empty() || text.starts_with('/') {
        plain_pointer(value).map(CodeSource::Pointer)
    } else {
        Ok(CodeSource::Literal(text.to_owned()))
    }
}

fn only(section: &Section<'_>) -> Result<Vec<(Pointer, Vec<String>)>, ConfigError> {
    let condition = |(at, value): (String, ConfigValue<'_>)| {
        let texts =
            value.one_or_more().iter().map(|value| value.text().map(str::to_owned)).collect::<Result<_, _>>()?;
        let pointer = Pointer::parse(&at).map_err(|problem| value.invalid(problem))?;
        Ok((without_placeholder(pointer, &value)?, texts))
    };
    section.section("only")?.entries().into_iter().map(condition).collect()
}
