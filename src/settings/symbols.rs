//! Symbols that replace the configured symbols of a feed for one run.

use super::sources::Sources;
use crate::cli::Cli;
use crate::config::{ConfigError, Origin};
use crate::system::input;
use std::io::Read;

/// The longest list on standard input, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// Symbols from the command line, a variable or standard input.
pub(super) struct SymbolOverride {
    /// The source of the symbols.
    pub(super) origin: Origin,
    sources: Vec<SymbolSource>,
}

enum SymbolSource {
    Symbol(String),
    /// A list with one symbol a line. It is kept as one text, as it may be long.
    List(String),
}

impl SymbolOverride {
    /// How many symbols there are at most.
    pub(super) fn max_len(&self) -> usize {
        let len = |source: &SymbolSource| match source {
            SymbolSource::Symbol(_) => 1,
            SymbolSource::List(text) => text.bytes().filter(|byte| *byte == b'\n').count() + 1,
        };
        self.sources.iter().map(len).sum()
    }

    /// The symbols as the user wrote them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().flat_map(|source| -> Box<dyn Iterator<Item = &str>> {
            match source {
                SymbolSource::Symbol(text) => Box::new(std::iter::once(text.as_str())),
                SymbolSource::List(text) => Box::new(symbol_lines(text)),
            }
        })
    }
}

/// Reads the SYMBOL arguments, or else `--symbols` or its variable. A `-` among them stands for the lines
/// of standard input.
pub(super) fn read(
    cli: &Cli,
    sources: Sources<'_>,
    stdin: impl Read + Send + 'static,
) -> Result<Option<SymbolOverride>, ConfigError> {
    let flag = Some(("--symbols", &cli.options.symbols));
    let (origin, texts) = if cli.symbols().is_empty() {
        let value = sources.optional_setting("--symbols", sources.first_of(flag, "DATAMETRICS_SYMBOLS", None)?);
        let Some(value) = value else { return Ok(None) };
        let texts = value.list()?.iter().map(|symbol| Ok(symbol.text()?.to_owned())).collect::<Result<Vec<_>, _>>()?;
        (value.origin(), texts)
    } else if cli.options.symbols.is_some() {
        let problem = "is given, and SYMBOL arguments too: use one form";
        return Err(ConfigError::invalid(Origin::Flag("--symbols"), problem));
    } else {
        (Origin::Flag("SYMBOL"), cli.symbols().to_vec())
    };
    let has_list = texts.iter().any(|text| text == "-");
    let mut stdin = Some(stdin);
    let read_source = |text: String| match stdin.take_if(|_| text == "-") {
        Some(stdin) => read_stdin(stdin, sources).map(SymbolSource::List),
        // Standard input was read for an earlier `-`.
        None if text == "-" => Ok(SymbolSource::List(String::new())),
        None => Ok(SymbolSource::Symbol(text)),
    };
    let symbol_sources = texts.into_iter().map(read_source).collect::<Result<_, _>>()?;
    let origin = if has_list { Origin::Stdin } else { origin };
    Ok(Some(SymbolOverride { origin, sources: symbol_sources }))
}

fn read_stdin(stdin: impl Read + Send + 'static, sources: Sources<'_>) -> Result<String, ConfigError> {
    let unreadable = |cause| ConfigError::Unreadable { origin: Origin::Stdin, subject: "symbols".to_owned(), cause };
    input::read_stream(stdin, MAX_BYTES, sources.deadline).and_then(input::text).map_err(unreadable)
}

/// The symbols in a list: its lines without comments, blank lines left out.
fn symbol_lines(text: &str) -> impl Iterator<Item = &str> {
    // Lines are short. For short texts, a loop over the bytes is faster than `str::find`.
    let length_until = |text: &str, end: u8| text.bytes().position(|b| b == end).unwrap_or(text.len());
    let mut remaining = text;
    let lines = std::iter::from_fn(move || {
        let (line, after) = remaining.split_at(length_until(remaining, b'\n'));
        let is_end = remaining.is_empty();
        // Without the line break.
        remaining = after.get(1..).unwrap_or_default();
        (!is_end).then_some(line)
    });
    lines.map(move |line| line[..length_until(line, b'#')].trim()).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbol_lines_leave_out_comments_and_blank_lines() {
        let lines: Vec<&str> = symbol_lines("# head\nBTC/USD\n\n  ETH # second\n\r\nBAT").collect();
        assert_eq!(lines, ["BTC/USD", "ETH", "BAT"]);
        assert_eq!(symbol_lines("").count(), 0);
    }
}
