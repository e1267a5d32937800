//! `datametrics symbols`: how providers spell symbols.

use crate::context::Context;
use crate::fetch::{ListReport, fetch_symbol_lists};
use crate::outcome::Outcome;
use crate::output::print;
use crate::progress;
use crate::provider::{ListedSymbol, SymbolList};
use crate::settings::SymbolSearch;
use crate::system::terminal::Terminal;
use crate::util::sanitize::sanitize;
use std::fmt::Write as _;
use std::io::Write;

/// So many characters of a name are shown, however narrow the terminal is.
const MIN_NAME: usize = 8;

/// The space between two columns.
const GAP: &str = "  ";

/// Asks the providers for the symbols that fit all texts, and prints a line for each. To find nothing is no success,
/// as it is with `grep`.
pub(super) fn find(
    search: &SymbolSearch,
    texts: &[String],
    context: Context<'_>,
    terminal: Option<Terminal>,
    out: &mut dyn Write,
) -> Outcome {
    let reports = fetch_symbol_lists(&search.fetch, texts, context, context.deadline(search.timeout));
    progress::clear();
    let outcome = say_problems(search, &reports);
    let rows: Vec<[&str; 4]> = reports.iter().flat_map(rows).collect();
    // One that failed may have had it.
    if rows.is_empty() && outcome == Outcome::Success {
        log::error!("no symbol was found: {}", advice(texts));
        return Outcome::Partial;
    }
    let text = match terminal {
        Some(Terminal { width, .. }) => columns(&rows, width),
        None => rows.iter().map(|row| row.join("\t") + "\n").collect(),
    };
    outcome.max(print(out, &text))
}

/// Says which providers were not asked, and which failed. Returns what that comes to.
fn say_problems(search: &SymbolSearch, reports: &[ListReport<'_>]) -> Outcome {
    if search.are_named {
        search.left_out.iter().for_each(|(name, reason)| log::error!("{name}: {reason}"));
    } else if !search.left_out.is_empty() {
        let others: Vec<String> = search.left_out.iter().map(|(name, reason)| format!("{name} ({reason})")).collect();
        log::warn!("not asked: {}", others.join(", "));
    }
    for ListReport { definition, symbols, .. } in reports {
        if let Err(problem) = symbols {
            log::error!("{}: {problem}", definition.name);
        }
    }
    let failed = reports.iter().filter(|report| report.symbols.is_err()).count();
    let refused = if search.are_named { search.left_out.len() } else { 0 };
    if reports.iter().any(|report| report.is_limited) {
        Outcome::NotTaken
    } else if failed == reports.len() {
        Outcome::NothingFetched
    } else if failed + refused > 0 {
        Outcome::Partial
    } else {
        Outcome::Success
    }
}

fn advice(texts: &[String]) -> &'static str {
    if texts.len() > 1 {
        "each TEXT must be in one of its spellings or in its name; try fewer"
    } else {
        "try a part of its name, or its code alone"
    }
}

fn rows<'r>(report: &'r ListReport<'_>) -> Vec<[&'r str; 4]> {
    let mut symbols: Vec<&ListedSymbol> = report.symbols.iter().flatten().collect();
    // What an API has searched stands in its own order: the best comes first.
    if !report.definition.symbol_list.as_ref().is_some_and(SymbolList::is_search) {
        symbols.sort_by(|a, b| a.symbol.cmp(&b.symbol));
    }
    let row = |listed: &'r ListedSymbol| {
        [listed.symbol.as_str(), &listed.spelled, &listed.name, report.definition.name.as_str()]
    };
    symbols.into_iter().map(row).collect()
}

/// The rows in columns that fit the width of a terminal: names are cut, and a row whose spellings are very long goes on
/// below.
fn columns(rows: &[[&str; 4]], max_width: usize) -> String {
    let widest = |column: usize, limit: usize| {
        let widths = rows.iter().map(|row| width(row[column])).filter(|width| *width <= limit);
        widths.max().unwrap_or(0)
    };
    let (symbol, spelled) = (widest(0, max_width / 3), widest(1, max_width / 3));
    let begin = symbol + GAP.len() + spelled + GAP.len();
    let beside_name = begin + GAP.len() + widest(3, usize::MAX);
    let name = widest(2, usize::MAX).min(max_width.saturating_sub(beside_name).max(MIN_NAME));
    let mut text = String::new();
    for row in rows {
        let spellings = format!("{:symbol$}{GAP}{:spelled$}{GAP}", row[0], row[1]);
        text += if width(&spellings) > begin { spellings.trim_end() } else { &spellings };
        if width(&spellings) > begin {
            // Writing into a string does not fail.
            let _ = write!(text, "\n{:begin$}", "");
        }
        if name > 0 {
            let cut = if width(row[2]) > name { sanitize(row[2], name - 1) } else { row[2].to_owned() };
            let _ = write!(text, "{cut:name$}{GAP}");
        }
        text += row[3];
        text.push('\n');
    }
    text
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fit_the_terminal() {
        let rows = [
            ["BTC/USD", "XBT/USD", "", "kraken"],
            ["bitcoin/usd", "bitcoin", "Bitcoin", "coingecko-ids"],
            ["a-token-with-a-long-id/usd", "a-token-with-a-long-id", "A Token of the Long Name", "coingecko-ids"],
        ];
        let expected = "\
BTC/USD      XBT/USD                      kraken
bitcoin/usd  bitcoin  Bitcoin             coingecko-ids
a-token-with-a-long-id/usd  a-token-with-a-long-id
                      A Token of the Lo…  coingecko-ids
";
        assert_eq!(columns(&rows, 55), expected);
        assert_eq!(columns(&[["A", "a", "", "p"]], 55), "A  a  p\n");
    }
}
