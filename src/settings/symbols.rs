//! Symbols that replace the configured ones for one run.

use super::sources::Sources;
use crate::cli::Cli;
use crate::config::{ConfigError, Origin};
use std::io::Read;

/// Symbols from the command line, a variable or standard input.
pub(super) struct SymbolOverride {
    /// Where they came from.
    pub(super) origin: Origin,
    parts: Vec<Part>,
}

enum Part {
    Symbol(String),
    /// A list as it was read, one symbol a line. It stays one text, as it may be long.
    List(String),
}

impl SymbolOverride {
    /// How many symbols there are at most.
    pub(super) fn max_len(&self) -> usize {
        let len = |part: &Part| match part {
            Part::Symbol(_) => 1,
            Part::List(text) => text.bytes().filter(|byte| *byte == b'\n').count() + 1,
        };
        self.parts.iter().map(len).sum()
    }

    /// Each symbol as it was written.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().flat_map(|part| -> Box<dyn Iterator<Item = &str>> {
            match part {
                Part::Symbol(text) => Box::new(std::iter::once(text.as_str())),
                Part::List(text) => Box::new(symbol_lines(text)),
            }
        })
    }
}

/// Reads SYMBOL arguments, or `--symbols` and its variable. `-` among them stands for the lines of
/// standard input.
pub(super) fn read(cli: &Cli, sources: Sources<'_>, stdin: impl Read) -> Result<Option<SymbolOverride>, ConfigError> {
    let flag = Some(("--symbols", &cli.options.symbols));
    let (origin, texts) = if cli.symbols().is_empty() {
        let value = sources.optional("--symbols", sources.first(flag, "DATAMETRICS_SYMBOLS", None)?);
        let Some(value) = value else { return Ok(None) };
        let texts = value.list()?.iter().map(|one| Ok(one.text()?.to_owned())).collect::<Result<Vec<_>, _>>()?;
        (value.origin(), texts)
    } else if cli.options.symbols.is_some() {
        let problem = "is given, and SYMBOL arguments too: use one form";
        return Err(ConfigError::invalid(Origin::Flag("--symbols"), problem));
    } else {
        (Origin::Flag("SYMBOL"), cli.symbols().to_vec())
    };
    let has_list = texts.iter().any(|text| text == "-");
    let mut stdin = Some(stdin);
    let part = |text: String| match stdin.take_if(|_| text == "-") {
        Some(stdin) => read_stdin(stdin).map(Part::List),
        None if text == "-" => Ok(Part::List(String::new())),
        None => Ok(Part::Symbol(text)),
    };
    let parts = texts.into_iter().map(part).collect::<Result<_, _>>()?;
    Ok(Some(SymbolOverride { origin: if has_list { Origin::Stdin } else { origin }, parts }))
}

fn read_stdin(mut stdin: impl Read) -> Result<String, ConfigError> {
    let mut text = String::new();
    let unreadable = |cause| ConfigError::Unreadable { origin: Origin::Stdin, what: "symbols".to_owned(), cause };
    stdin.read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

/// The lines of a list, without comments and blank lines.
fn symbol_lines(text: &str) -> impl Iterator<Item = &str> {
    // Lines are short, so going through them byte by byte is faster than a search.
    let until = |text: &str, end: u8| text.bytes().position(|b| b == end).unwrap_or(text.len());
    let mut rest = text;
    let lines = std::iter::from_fn(move || {
        let (line, after) = rest.split_at(until(rest, b'\n'));
        let is_end = rest.is_empty();
        rest = after.strip_prefix('\n').unwrap_or_default();
        (!is_end).then_some(line)
    });
    lines.map(move |line| line[..until(line, b'#')].trim()).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbol_lists_have_comments_and_blank_lines() {
        let lines: Vec<&str> = symbol_lines("# head\nBTC/USD\n\n  ETH # second\n\r\nBAT").collect();
        assert_eq!(lines, ["BTC/USD", "ETH", "BAT"]);
        assert_eq!(symbol_lines("").count(), 0);
    }
}
