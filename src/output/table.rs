//! The quotes of a run as tables for eyes.

use crate::fetch::FeedReport;
use crate::market::field::Field;
use crate::market::number::Number;
use crate::state::history::RunHistory;
use crate::system::terminal::Terminal;
use crate::util::pluralize::pluralize;
use crate::util::sanitize::sanitize;

/// The space between two columns.
const GAP: &str = "  ";

/// Most decimals of a value in percent. Nobody reads more, and one that was computed has twelve.
const PERCENT_DECIMALS: usize = 4;

/// Stands where there is no value.
const NOTHING: &str = "-";

/// A table for each feed, and below it what is missing and why. A table that is too wide for the terminal goes on
/// in a block below, so that it never loses a digit.
pub(crate) fn tables(feeds: &[FeedReport<'_>], history: &RunHistory<'_>, terminal: Terminal) -> String {
    feeds.iter().map(|report| feed(report, history, terminal)).collect::<Vec<_>>().join("\n")
}

fn feed(report: &FeedReport<'_>, history: &RunHistory<'_>, terminal: Terminal) -> String {
    let name = &report.feed.name;
    if let Some(reason) = &report.skipped {
        return format!("{name}: {reason}\n");
    }
    let mut text = title(report) + "\n";
    text += &blocks(&Columns::of(report), terminal).join("\n");
    let problems = report.problems(history);
    let problems = [problems.errors, problems.known, problems.warnings].concat();
    if !problems.is_empty() {
        text.push('\n');
    }
    for line in problems {
        let line = line.strip_prefix(&format!("{name}: ")).unwrap_or(&line);
        text += &wrap(&sanitize(line, usize::MAX), terminal.width);
    }
    text
}

/// The name of the feed, who gave all of it, and how much is missing.
fn title(report: &FeedReport<'_>) -> String {
    let from = only_provider(report).map(|provider| format!(" from {provider}")).unwrap_or_default();
    let (fetched, due) = (report.fetched(), pluralize(report.expected, "symbol"));
    let count = if fetched == report.expected { String::new() } else { format!(": {fetched} of {due}") };
    format!("{}{from}{count}", report.feed.name)
}

/// The provider that gave everything that is there.
fn only_provider(report: &FeedReport<'_>) -> Option<String> {
    let mut all = (0..report.rows.len()).map(|symbol| providers(report, symbol)).filter(|names| names != NOTHING);
    let first = all.next()?;
    all.all(|names| names == first).then_some(first)
}

/// The providers that gave values of a symbol.
fn providers(report: &FeedReport<'_>, symbol: usize) -> String {
    let names: Vec<&str> = report.sources_of(symbol).collect();
    if names.is_empty() { NOTHING.to_owned() } else { names.join(", ") }
}

/// The columns of a table.
struct Columns {
    /// The symbols, in each block.
    symbols: Column,
    fields: Vec<Column>,
    /// What is known of the quotes: their providers and ages.
    notes: Vec<Column>,
}

impl Columns {
    fn of(report: &FeedReport<'_>) -> Self {
        let feed = report.feed;
        let numbers = |column: usize| {
            let number = move |row: &[Option<Number>]| row.get(column).copied().flatten();
            report.rows.iter().map(number).collect::<Vec<Option<Number>>>()
        };
        let field = |(column, field): (usize, &Field)| {
            let mut numbers = numbers(column);
            if field.as_str() == "change_percent" || feed.unit(field) == Some("percent") {
                numbers.iter_mut().flatten().for_each(round_percent);
            }
            Column::of_numbers(field.as_str(), &numbers)
        };
        let mut notes = Vec::new();
        if only_provider(report).is_none() {
            let providers = (0..feed.symbols.len()).map(|symbol| providers(report, symbol));
            notes.push(Column::of_words("provider", &providers.collect::<Vec<_>>()));
        }
        let ages = numbers(feed.fields.len());
        if ages.iter().any(Option::is_some) {
            let age = |age: Option<Number>| age.map_or(NOTHING.to_owned(), |age| describe_age(age.to_f64()));
            notes.push(Column::of_words("age", &ages.into_iter().map(age).collect::<Vec<_>>()));
        }
        let symbols = feed.symbols.iter().map(|symbol| sanitize(symbol.as_str(), usize::MAX));
        Self {
            symbols: Column::of_words("symbol", &symbols.collect::<Vec<_>>()),
            fields: feed.fields.iter().enumerate().map(field).collect(),
            notes,
        }
    }
}

/// A column of a table. All its texts are of its width.
struct Column {
    /// The lines of its head.
    head: Vec<String>,
    cells: Vec<String>,
    width: usize,
    /// The sign of each value that is coloured by it.
    signs: Vec<Sign>,
}

#[derive(Clone, Copy, PartialEq)]
enum Sign {
    None,
    Plus,
    Minus,
}

impl Column {
    /// A column of words, which begin at its left.
    fn of_words(head: &str, cells: &[String]) -> Self {
        let width = cells.iter().map(|cell| width(cell)).fold(width(head), usize::max);
        let pad = |text: &String| format!("{text:width$}");
        Self { head: vec![pad(&head.to_owned())], cells: cells.iter().map(pad).collect(), width, signs: Vec::new() }
    }

    /// A column of numbers, whose decimal points are below each other.
    fn of_numbers(field: &str, numbers: &[Option<Number>]) -> Self {
        let texts: Vec<&str> = numbers.iter().map(|number| number.as_ref().map_or(NOTHING, Number::as_str)).collect();
        let cells = align_points(&texts);
        let body = cells.first().map_or(0, |cell| width(cell));
        let head = fold_name(field, body);
        let width = head.iter().map(|line| width(line)).fold(body, usize::max);
        let pad = |text: &String| format!("{text:>width$}");
        let signs =
            if field.starts_with("change") { texts.iter().map(|text| sign(text)).collect() } else { Vec::new() };
        Self { head: head.iter().map(pad).collect(), cells: cells.iter().map(pad).collect(), width, signs }
    }

    fn cell(&self, row: usize, has_colour: bool) -> String {
        let cell = &self.cells[row];
        match self.signs.get(row).copied().filter(|_| has_colour) {
            Some(Sign::Plus) => format!("\x1b[32m{cell}\x1b[0m"),
            Some(Sign::Minus) => format!("\x1b[31m{cell}\x1b[0m"),
            _ => cell.clone(),
        }
    }

    /// The line of the head that is `above` the last one.
    fn head_line(&self, above: usize) -> String {
        let line = self.head.len().checked_sub(above + 1).and_then(|line| self.head.get(line));
        line.cloned().unwrap_or_else(|| " ".repeat(self.width))
    }
}

/// The table in as many blocks as its width needs. Each block begins with the symbols; the first one has the notes.
fn blocks(columns: &Columns, terminal: Terminal) -> Vec<String> {
    let Columns { symbols, fields, notes } = columns;
    let with_gap = |column: &Column| GAP.len() + column.width;
    let (mut blocks, mut rest, mut notes) = (Vec::new(), &fields[..], &notes[..]);
    while !rest.is_empty() {
        let mut width = symbols.width + notes.iter().map(with_gap).sum::<usize>();
        let fits = |column: &&Column| {
            width += with_gap(column);
            width <= terminal.width
        };
        let (block, after) = rest.split_at(rest.iter().take_while(fits).count().max(1));
        let block: Vec<&Column> = std::iter::once(symbols).chain(block).chain(notes).collect();
        blocks.push(lines(&block, terminal.has_colour));
        (rest, notes) = (after, &[]);
    }
    blocks
}

/// The lines of one block.
fn lines(columns: &[&Column], has_colour: bool) -> String {
    let head = columns.iter().map(|column| column.head.len()).max().unwrap_or(0);
    let rows = columns.first().map_or(0, |column| column.cells.len());
    let mut text = String::new();
    let mut push = |cells: Vec<String>| {
        text += cells.join(GAP).trim_end();
        text.push('\n');
    };
    for above in (0..head).rev() {
        push(columns.iter().map(|column| column.head_line(above)).collect());
    }
    for row in 0..rows {
        push(columns.iter().map(|column| column.cell(row, has_colour)).collect());
    }
    text
}

/// Numbers as texts of one width, with their decimal points below each other.
fn align_points(texts: &[&str]) -> Vec<String> {
    let texts = || texts.iter().copied();
    let whole = |text: &str| text.find(['.', 'e', 'E']).unwrap_or(text.len());
    let left = texts().map(whole).max().unwrap_or(0);
    let right = texts().map(|text| text.len() - whole(text)).max().unwrap_or(0);
    let align = |text: &str| {
        let (whole, rest) = text.split_at(whole(text));
        format!("{whole:>left$}{rest:right$}")
    };
    texts().map(align).collect()
}

/// The name of a field in lines that are no wider than its values, as far as its words allow.
fn fold_name(field: &str, body: usize) -> Vec<String> {
    if field.len() <= body {
        return vec![field.to_owned()];
    }
    let longest = field.split('_').map(str::len).max().unwrap_or(0).max(body);
    let mut lines: Vec<String> = Vec::new();
    for word in field.split('_') {
        match lines.last_mut().filter(|line| line.len() + 1 + word.len() <= longest) {
            Some(line) => *line = format!("{line} {word}"),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

fn round_percent(number: &mut Number) {
    let decimals = number.as_str().split_once('.').map_or(0, |(_, decimals)| decimals.len());
    // Beside an exponent, digits are no decimals.
    if decimals > PERCENT_DECIMALS
        && !number.as_str().contains(['e', 'E'])
        && let Some(rounded) = Number::parse(&format!("{:.PERCENT_DECIMALS$}", number.to_f64()))
    {
        *number = rounded;
    }
}

fn sign(number: &str) -> Sign {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    match number.strip_prefix('-') {
        _ if !mantissa.contains(|c: char| matches!(c, '1'..='9')) => Sign::None,
        Some(_) => Sign::Minus,
        None => Sign::Plus,
    }
}

/// An age in the unit that a person would name.
fn describe_age(seconds: f64) -> String {
    match seconds.abs() {
        age if age < 120.0 => format!("{seconds:.0} s"),
        age if age < 7_200.0 => format!("{:.0} min", seconds / 60.0),
        age if age < 172_800.0 => format!("{:.0} h", seconds / 3_600.0),
        _ => format!("{:.0} days", seconds / 86_400.0),
    }
}

/// A text in lines of this width at most, as far as its words allow. Those after the first one are indented.
fn wrap(text: &str, max_width: usize) -> String {
    let (mut lines, mut line) = (String::new(), String::new());
    for word in text.split(' ') {
        if !line.trim().is_empty() && width(&line) + 1 + width(word) > max_width {
            lines += &(line + "\n");
            line = format!("  {word}");
        } else {
            line += if line.is_empty() { "" } else { " " };
            line += word;
        }
    }
    lines + &line + "\n"
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(texts: &[&str]) -> Vec<Option<Number>> {
        texts.iter().map(|text| Number::parse(text)).collect()
    }

    fn columns(fields: &[(&str, Vec<Option<Number>>)]) -> Columns {
        let rows = fields[0].1.len();
        Columns {
            symbols: Column::of_words("symbol", &(0..rows).map(|row| format!("S{row}")).collect::<Vec<_>>()),
            fields: fields.iter().map(|(name, numbers)| Column::of_numbers(name, numbers)).collect(),
            notes: Vec::new(),
        }
    }

    fn at(width: usize) -> Terminal {
        Terminal { width, ..Terminal::default() }
    }

    #[test]
    fn percentages_are_rounded_to_four_decimals() {
        for (known, shown) in
            [("1.234567", "1.2346"), ("-0.5", "-0.5"), ("12345.123456", "12345.1235"), ("1.25432e-7", "1.25432e-7")]
        {
            let mut number = Number::parse(known).unwrap();
            round_percent(&mut number);
            assert_eq!(number.as_str(), shown);
        }
    }

    #[test]
    fn decimal_points_are_below_each_other_and_a_long_name_is_folded() {
        let last = numbers(&["65600.10", "0.00007351", "1e-08", "N/A", "7"]);
        let fields = [("last", last), ("previous_close", numbers(&["1", "-22.5", "3", "4", "5"]))];
        let expected = "                        previous
symbol            last     close
S0      65600.10             1
S1          0.00007351     -22.5
S2          1e-08            3
S3          -                4
S4          7                5
";
        assert_eq!(blocks(&columns(&fields), at(80)), [expected]);
    }

    #[test]
    fn a_table_that_is_too_wide_goes_on_below() {
        let fields = [("last", numbers(&["1"])), ("low", numbers(&["0.5"])), ("high", numbers(&["2"]))];
        let expected = ["symbol  last  low\nS0         1  0.5\n", "symbol  high\nS0         2\n"];
        assert_eq!(blocks(&columns(&fields), at(18)), expected);
        assert_eq!(blocks(&columns(&fields), at(5)).len(), 3);
    }

    #[test]
    fn changes_have_the_colour_of_their_sign_where_there_are_colours() {
        let fields = [("change_percent", numbers(&["1.5", "-0.5", "-0", "N/A"])), ("low", numbers(&["1"; 4]))];
        let cells = |has_colour| -> Vec<String> {
            let columns = columns(&fields);
            (0..4).map(|row| columns.fields[0].cell(row, has_colour).trim().to_owned()).collect()
        };
        assert_eq!(cells(false), ["1.5", "-0.5", "-0", "-"]);
        let coloured = cells(true).concat();
        assert_eq!(coloured.matches("\u{1b}[32m").count() + coloured.matches("\u{1b}[31m").count(), 2);
        assert!(coloured.starts_with("\u{1b}[32m") && coloured.contains("\u{1b}[31m"), "{coloured:?}");
        assert!(!columns(&fields).fields[1].cell(0, true).contains('\u{1b}'));
    }

    #[test]
    fn an_age_has_the_unit_that_a_person_would_name() {
        let ages = [0.4, 119.0, 120.0, 7_199.0, 7_200.0, 172_800.0, -3.0].map(describe_age);
        assert_eq!(ages, ["0 s", "119 s", "2 min", "120 min", "2 h", "2 days", "-3 s"]);
    }

    #[test]
    fn a_long_line_is_wrapped_between_its_words() {
        assert_eq!(wrap("no quote of A: it has none", 14), "no quote of A:\n  it has none\n");
        assert_eq!(wrap("unbreakable words", 5), "unbreakable\n  words\n");
    }

    /// The words of a line, each with the place where its decimal point is or would be.
    fn words(line: &str) -> Vec<(&str, usize)> {
        let begin = |word: &str| word.as_ptr() as usize - line.as_ptr() as usize;
        let point = |word: &str| word.find(['.', 'e', 'E']).unwrap_or(word.len());
        line.split_whitespace().map(|word| (word, begin(word) + point(word))).collect()
    }

    #[test]
    fn any_table_keeps_all_digits_in_columns_within_its_width() {
        arbtest::arbtest(|u| {
            let (rows, width) = (u.int_in_range(1..=5)?, u.int_in_range(10..=120)?);
            let mut fields = Vec::new();
            for name in ["last", "change", "quote_volume", "a_rather_long_name", "x"]
                .iter()
                .cycle()
                .take(u.int_in_range(1..=9)?)
            {
                let number = |u: &mut arbtest::arbitrary::Unstructured<'_>| {
                    let value = f64::from(u.arbitrary::<i32>()?) * 10f64.powi(u.int_in_range(-30..=30)?);
                    Ok(if u.ratio(1, 5)? { None } else { Number::from_f64(value) })
                };
                fields.push((*name, (0..rows).map(|_| number(u)).collect::<Result<Vec<_>, _>>()?));
            }
            let blocks = blocks(&columns(&fields), at(width));
            let mut found = vec![Vec::new(); rows];
            for block in &blocks {
                let lines: Vec<&str> = block.lines().collect();
                let body: Vec<_> = lines[lines.len() - rows..].iter().map(|line| words(line)).collect();
                let is_one_field = body[0].len() == 2;
                assert!(is_one_field || lines.iter().all(|line| line.len() <= width), "{block}");
                for (row, words) in body.iter().enumerate() {
                    let points = |words: &[(&str, usize)]| words[1..].iter().map(|(_, at)| *at).collect::<Vec<_>>();
                    assert_eq!(points(words), points(&body[0]), "{block}");
                    found[row].extend(words[1..].iter().map(|(word, _)| (*word).to_owned()));
                }
            }
            for (row, found) in found.iter().enumerate() {
                let text =
                    |(_, numbers): &(_, Vec<Option<Number>>)| numbers[row].map_or("-".to_owned(), |n| n.to_string());
                assert_eq!(*found, fields.iter().map(text).collect::<Vec<_>>());
            }
            Ok(())
        });
    }
}
