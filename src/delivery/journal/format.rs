//! The text format of a file of the journal. Every line ends in a checksum of its own, so that a
//! damaged line costs only itself:
//!
//! ```text
//! ; datametrics journal 2 38bbd3d9
//! ; destination ce947e01b492890e tcp://carbon.example:2003 47e8deb4
//! ; tag env=home 8c20985a
//! ; name value time interval refusals aa6ac467
//! crypto.BTC-USD.last 61000.5 1785182401 60 0 452112df
//! ; end 1 bf667e5f
//! ```
//!
//! In the first version there was no destination, and one interval for all points:
//!
//! ```text
//! ; datametrics journal 1 b26cd3d9
//! ; interval 60 76b45d12
//! ; tag env=home 8c20985a
//! ; name value time 31a08f83
//! crypto.BTC-USD.last 61000.5 1785182401 07bc7794
//! ; end 1 bf667e5f
//! ```

use crate::delivery::graphite::DestinationId;
use crate::market::number::Number;
use crate::metrics::batch::Batch;
use std::io::{self, BufRead, Read, Write};

/// The version of the format that is written. In every version a file begins with
/// `; datametrics journal FORMAT_VERSION` and the checksum of that line.
pub(super) const FORMAT_VERSION: &str = "2";

/// The first version, which can be read.
const FIRST_VERSION: &str = "1";

/// The first line, up to the version.
pub(super) const TITLE: &str = "; datametrics journal ";

/// The line between the head and the points, and that of the first version.
const COLUMNS: &str = "; name value time interval refusals";
const FIRST_COLUMNS: &str = "; name value time";

/// Longest line that is held in memory, in bytes. No receiver takes a name that long.
const MAX_LINE: u64 = 1 << 20;

/// Bytes that are written at once.
const CHUNK: usize = 64 << 10;

/// Writes a batch for a destination. Returns the size in bytes.
pub(super) fn encode(batch: &Batch, destination: &DestinationId, out: &mut impl Write) -> io::Result<u64> {
    let mut text = Vec::with_capacity(CHUNK + CHUNK / 4);
    let mut written = 0;
    push_line(&mut text, [TITLE.as_bytes(), FORMAT_VERSION.as_bytes()]);
    push_line(&mut text, [b"; destination ", destination.to_string().as_bytes()]);
    batch.tags.iter().for_each(|tag| push_line(&mut text, [b"; tag ", tag.as_bytes()]));
    push_line(&mut text, [COLUMNS.as_bytes()]);
    let (mut last, mut ending) = (None, String::new());
    for (index, point) in batch.iter().enumerate() {
        let numbers = (point.time, point.interval, batch.refusals(index));
        if last != Some(numbers) {
            last = Some(numbers);
            ending = format!(" {} {} {}", numbers.0, numbers.1, numbers.2);
        }
        push_line(&mut text, [point.name.as_bytes(), b" ", point.value.as_bytes(), ending.as_bytes()]);
        if text.len() >= CHUNK {
            out.write_all(&text)?;
            written += text.len() as u64;
            text.clear();
        }
    }
    push_line(&mut text, [b"; end ", batch.len().to_string().as_bytes()]);
    out.write_all(&text)?;
    Ok(written + text.len() as u64)
}

/// Appends a line with its checksum.
fn push_line<const N: usize>(text: &mut Vec<u8>, parts: [&[u8]; N]) {
    let begin = text.len();
    for part in parts {
        text.extend_from_slice(part);
    }
    let checksum = checksum(&text[begin..]);
    text.extend_from_slice(&ending(checksum));
}

/// The end of a line.
fn ending(checksum: u32) -> [u8; 10] {
    let mut ending = *b" 00000000\n";
    for (digit, shift) in ending[1..9].iter_mut().zip((0..32).step_by(4).rev()) {
        *digit = b"0123456789abcdef"[(checksum >> shift) as usize & 15];
    }
    ending
}

/// The checksum of a line, the same since the first version of the format. Each step takes four bytes and is
/// one-to-one both in them and in the sum so far. So a change within four bytes always changes the sum, and
/// two such changes hardly ever cancel each other out.
pub(super) fn checksum(line: &[u8]) -> u32 {
    let step =
        |checksum: u32, bytes: [u8; 4]| (checksum.rotate_left(5) ^ u32::from_le_bytes(bytes)).wrapping_mul(0x9e37_79b1);
    let (fours, rest) = line.as_chunks::<4>();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    let length = u32::try_from(line.len()).unwrap_or(u32::MAX);
    step(fours.iter().copied().fold(length, step), last)
}

/// The contents of a file.
#[derive(Debug, PartialEq)]
pub(super) enum Decoded {
    /// The readable points, and what is wrong with the rest.
    Points(Batch, Option<String>),
    /// The first line names this version, which is not known.
    UnknownVersion(String),
}

pub(super) fn decode(input: impl BufRead) -> io::Result<Decoded> {
    let mut lines = Lines { input, line: Vec::new(), number: 0 };
    let (form, mut batch) = match read_head(&mut lines)? {
        Head::Batch(form, batch) => (form, batch),
        Head::UnknownVersion(version) => return Ok(Decoded::UnknownVersion(version)),
        Head::Damaged => {
            let damage = format!("line {} cannot be read, and without it the points mean nothing", lines.number);
            return Ok(Decoded::Points(Batch::default(), Some(damage)));
        }
    };
    let damage = read_points(&mut lines, form, &mut batch)?;
    Ok(Decoded::Points(batch, damage))
}

/// The destination that the head of a file names, for a message. `None` if it names none.
pub(super) fn destination_label(input: impl BufRead) -> io::Result<Option<String>> {
    let mut lines = Lines { input, line: Vec::new(), number: 0 };
    lines.next()?;
    let Some(Line::Intact(line)) = lines.next()? else { return Ok(None) };
    let id = line.strip_prefix("; destination ").and_then(|id| id.split_once(' '));
    Ok(id.map(|(_, label)| label.to_owned()))
}

/// How the lines of points are written.
#[derive(Clone, Copy)]
enum Form {
    First,
    Current,
}

enum Head {
    Batch(Form, Batch),
    UnknownVersion(String),
    Damaged,
}

/// Reads the lines before the points. They belong to every point, so every one of them must be intact.
fn read_head(lines: &mut Lines<impl BufRead>) -> io::Result<Head> {
    let Some(Line::Intact(first)) = lines.next()? else { return Ok(Head::Damaged) };
    let form = match first.strip_prefix(TITLE) {
        Some(FORMAT_VERSION) => Form::Current,
        Some(FIRST_VERSION) => Form::First,
        Some(version) => return Ok(Head::UnknownVersion(version.to_owned())),
        None => return Ok(Head::Damaged),
    };
    // In the current form each point has its own interval.
    let (mut interval, mut has_destination) = (None, false);
    let mut tags = Vec::new();
    while let Some(Line::Intact(line)) = lines.next()? {
        match form {
            Form::First if interval.is_none() && line.starts_with("; interval ") => {
                interval = line.strip_prefix("; interval ").and_then(|value| value.parse().ok());
            }
            Form::Current if !has_destination && line.starts_with("; destination ") => has_destination = true,
            Form::First if line == FIRST_COLUMNS && interval.is_some() => {
                return Ok(Head::Batch(form, Batch::new(interval.unwrap_or_default(), tags)));
            }
            Form::Current if line == COLUMNS && has_destination => {
                return Ok(Head::Batch(form, Batch::new(0, tags)));
            }
            _ => match line.strip_prefix("; tag ") {
                Some(tag) => tags.push(tag.to_owned()),
                None => break,
            },
        }
    }
    Ok(Head::Damaged)
}

/// Reads the lines of points up to the last line. Returns what is wrong with them.
fn read_points(lines: &mut Lines<impl BufRead>, form: Form, batch: &mut Batch) -> io::Result<Option<String>> {
    let mut bad = None;
    let mut end: Option<usize> = None;
    while let Some(line) = lines.next()? {
        let is_readable = match line {
            Line::Intact(line) if end.is_none() => match line.strip_prefix("; end ") {
                Some(count) => {
                    end = count.parse().ok();
                    end.is_some()
                }
                None => push_point(form, batch, line).is_some(),
            },
            _ => false,
        };
        if !is_readable {
            bad.get_or_insert(lines.number);
        }
    }
    Ok(match (bad, end) {
        (Some(number), _) => Some(format!("line {number} cannot be read")),
        (None, None) => Some("it has no last line".to_owned()),
        (None, Some(count)) if count != batch.len() => Some(format!("it should hold {count} points")),
        (None, Some(_)) => None,
    })
}

/// Adds the point of a line. It is read from the end of the line, as a name may hold spaces.
fn push_point(form: Form, batch: &mut Batch, line: &str) -> Option<()> {
    let (line, refusals) = match form {
        Form::First => (line, 0),
        Form::Current => {
            let (line, refusals) = line.rsplit_once(' ')?;
            let (line, interval) = line.rsplit_once(' ')?;
            batch.set_interval(interval.parse().ok()?);
            (line, refusals.parse().ok()?)
        }
    };
    let (line, time) = line.rsplit_once(' ')?;
    let (name, value) = line.rsplit_once(' ')?;
    let (value, time) = (Number::parse(value)?, time.parse().ok()?);
    // No run writes such a name, and to an ingest it could say anything.
    if name.contains(|c: char| c.is_control() || matches!(c, '"' | '\\')) {
        return None;
    }
    batch.push(|out| out.push_str(name), value, time);
    if refusals > 0 {
        batch.set_refusals(batch.len() - 1, refusals);
    }
    Some(())
}

/// A line, without its checksum.
enum Line<'a> {
    Intact(&'a str),
    Damaged,
}

/// The lines of a file, with one of them in memory at a time.
struct Lines<R> {
    input: R,
    line: Vec<u8>,
    /// The number of the line that was read last, counted from 1.
    number: usize,
}

impl<R: BufRead> Lines<R> {
    /// The next line. A line beyond [`MAX_LINE`] comes in pieces, all of them damaged.
    fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        self.number += 1;
        if self.input.by_ref().take(MAX_LINE).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        let intact = || {
            let line = std::str::from_utf8(&self.line).ok()?.strip_suffix('\n')?;
            let (content, written) = line.rsplit_once(' ')?;
            (u32::from_str_radix(written, 16).ok()? == checksum(content.as_bytes())).then_some(content)
        };
        Ok(Some(intact().map_or(Line::Damaged, Line::Intact)))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use arbtest::arbitrary::{self, Unstructured};
    use std::fmt::Write as _;

    pub(in crate::delivery::journal) const NOW: i64 = 1_785_182_401;

    pub(in crate::delivery::journal) fn batch(points: usize) -> Batch {
        let mut batch = Batch::new(60, vec!["env=my home".to_owned(), "a=b".to_owned()]);
        for index in 0..points {
            batch.push(|out| write!(out, "crypto.C{index}-USD.last").unwrap(), Number::parse("0E-7").unwrap(), NOW);
        }
        batch
    }

    pub(in crate::delivery::journal) fn destination() -> DestinationId {
        DestinationId::new("tcp", "carbon.example", 2003, "")
    }

    fn encoded(batch: &Batch) -> Vec<u8> {
        let mut bytes = Vec::new();
        assert_eq!(encode(batch, &destination(), &mut bytes).unwrap(), bytes.len() as u64);
        bytes
    }

    fn decoded(bytes: &[u8]) -> (Batch, Option<String>) {
        match decode(bytes).unwrap() {
            Decoded::Points(batch, damage) => (batch, damage),
            Decoded::UnknownVersion(version) => panic!("version {version}"),
        }
    }

    #[test]
    fn a_journal_file_is_text() {
        let mut batch = batch(1);
        batch.set_interval(300);
        batch.push(|out| out.push_str("a.b c"), Number::parse("5").unwrap(), NOW);
        batch.set_refusals(1, 2);
        let text = String::from_utf8(encoded(&batch)).unwrap();
        let lines: Vec<&str> = text.lines().map(|line| line.rsplit_once(' ').unwrap().0).collect();
        let destination = format!("; destination {} tcp://carbon.example:2003", destination().hash_text());
        let expected = [
            "; datametrics journal 2",
            &destination,
            "; tag env=my home",
            "; tag a=b",
            "; name value time interval refusals",
            "crypto.C0-USD.last 0E-7 1785182401 60 0",
            "a.b c 5 1785182401 300 2",
            "; end 2",
        ];
        assert_eq!(lines, expected);
        assert_eq!(decoded(text.as_bytes()), (batch, None));
        assert_eq!(destination_label(text.as_bytes()).unwrap().as_deref(), Some("tcp://carbon.example:2003"));
    }

    #[test]
    fn a_journal_file_of_the_first_version_is_read() {
        let text = "\
            ; datametrics journal 1 b26cd3d9\n\
            ; interval 60 76b45d12\n\
            ; tag env=my home e8d56418\n\
            ; tag a=b a8c29964\n\
            ; name value time 31a08f83\n\
            crypto.C0-USD.last 0E-7 1785182401 ba6270b0\n\
            ; end 1 bf667e5f\n";
        assert_eq!(decoded(text.as_bytes()), (batch(1), None));
        assert_eq!(destination_label(text.as_bytes()).unwrap(), None);
    }

    #[test]
    fn a_long_journal_file_is_read_back_and_its_size_is_known() {
        let batch = batch(3 * CHUNK / 40);
        assert_eq!(decoded(&encoded(&batch)), (batch, None));
    }

    /// A file of these lines, each with its right checksum.
    fn file(lines: &[&str]) -> Vec<u8> {
        let mut text = Vec::new();
        for line in lines {
            push_line(&mut text, [line.as_bytes()]);
        }
        text
    }

    const LINES: [&str; 7] = [
        "; datametrics journal 2",
        "; destination 0123456789abcdef tcp://h:2003",
        "; tag a=b",
        "; name value time interval refusals",
        "a 1 1785182401 60 0",
        "b 2 1785182401 60 0",
        "; end 2",
    ];

    /// The names that can be read of a file of these lines, and what is wrong with it.
    fn read(lines: &[&str]) -> (Vec<String>, Option<String>) {
        let (batch, damage) = decoded(&file(lines));
        (batch.iter().map(|point| point.name.to_owned()).collect(), damage)
    }

    #[test]
    fn without_a_line_of_its_head_a_journal_file_means_nothing() {
        assert_eq!(read(&LINES), (vec!["a".to_owned(), "b".to_owned()], None));
        for (line, bad) in [(0, 1), (1, 3), (3, 4)] {
            let mut lines = LINES.to_vec();
            lines.remove(line);
            let damage = format!("line {bad} cannot be read, and without it the points mean nothing");
            assert_eq!(read(&lines), (vec![], Some(damage)), "without {:?}", LINES[line]);
        }
        let mut twice = LINES.to_vec();
        twice.insert(1, LINES[1]);
        assert!(read(&twice).0.is_empty(), "whose points they are is not plain");
        let first =
            |interval| ["; datametrics journal 1", "; interval 60", interval, "; name value time", "a 1 5", "; end 1"];
        assert_eq!(read(&first("; tag a=b")).0, ["a"]);
        assert!(read(&first("; interval 30")).0.is_empty(), "which interval they have is not plain");
    }

    #[test]
    fn a_journal_file_with_a_line_too_few_or_too_many_is_damaged() {
        let few = [&LINES[..4], &LINES[5..]].concat();
        assert_eq!(read(&few), (vec!["b".to_owned()], Some("it should hold 2 points".to_owned())));
        let many = [&LINES[..], &LINES[4..5]].concat();
        assert_eq!(read(&many), (vec!["a".to_owned(), "b".to_owned()], Some("line 8 cannot be read".to_owned())));
    }

    #[test]
    fn a_name_that_no_run_writes_is_not_read_from_a_journal_file() {
        for line in ["a\"b 1 1785182401 60 0", "a\\b 1 1785182401 60 0", "a\tb 1 1785182401 60 0"] {
            let lines = [&LINES[..4], &[line], &LINES[5..]].concat();
            assert_eq!(read(&lines), (vec!["b".to_owned()], Some("line 5 cannot be read".to_owned())), "{line:?}");
        }
    }

    fn any_batch(u: &mut Unstructured<'_>) -> arbitrary::Result<Batch> {
        let tags = ["env=home", "a= b "].map(str::to_owned);
        let mut batch = Batch::new(u.arbitrary()?, tags[..u.int_in_range(0..=2)?].to_vec());
        for _ in 0..u.int_in_range(0..=8)? {
            let len = u.int_in_range(1..=20)?;
            let name = (0..len).map(|_| u.int_in_range(b'#'..=b'[').map(char::from)).collect::<Result<String, _>>()?;
            let value = Number::from_f64(u.arbitrary()?).or(Number::parse("0E-7")).unwrap();
            batch.set_interval(u.arbitrary()?);
            batch.push(|out| out.push_str(&name), value, u.arbitrary()?);
            if u.arbitrary()? {
                batch.set_refusals(batch.len() - 1, u.int_in_range(1..=9)?);
            }
        }
        Ok(batch)
    }

    #[test]
    fn a_truncated_journal_file_gives_a_prefix_of_its_points() {
        arbtest::arbtest(|u| {
            let batch = any_batch(u)?;
            let bytes = encoded(&batch);
            assert_eq!(decoded(&bytes), (batch.clone(), None));
            let (rest, damage) = decoded(&bytes[..u.choose_index(bytes.len())?]);
            assert!(damage.is_some());
            assert!(rest.is_empty() || rest.tags == batch.tags);
            assert!(rest.iter().eq(batch.iter().take(rest.len())));
            Ok(())
        });
    }

    #[test]
    fn a_changed_byte_in_a_journal_file_invents_no_point() {
        arbtest::arbtest(|u| {
            let batch = any_batch(u)?;
            let mut bytes = encoded(&batch);
            let index = u.choose_index(bytes.len())?;
            bytes[index] = u.arbitrary()?;
            let (rest, _) = decoded(&bytes);
            assert!(rest.is_empty() || rest.tags == batch.tags);
            // At most two points are lost: a newline that is changed joins two lines.
            let mut left = batch.iter();
            assert!(rest.iter().all(|point| left.any(|other| other == point)));
            assert!(rest.is_empty() || rest.len() + 2 >= batch.len());
            Ok(())
        });
    }

    #[test]
    fn any_bytes_can_be_decoded_as_a_journal_file() {
        arbtest::arbtest(|u| {
            let mut bytes = if u.arbitrary()? { encoded(&any_batch(u)?) } else { Vec::new() };
            bytes.extend(u.arbitrary::<Vec<u8>>()?);
            decode(&bytes[..]).unwrap();
            Ok(())
        });
    }

    #[test]
    fn an_endless_line_is_not_held_in_memory() {
        let mut lines = Lines { input: io::Cursor::new(vec![b'x'; 3 << 20]), line: Vec::new(), number: 0 };
        while let Some(line) = lines.next().unwrap() {
            assert!(matches!(line, Line::Damaged));
        }
        assert_eq!(lines.number, 4, "three pieces, and the end");
        // A vector doubles its memory when it grows.
        assert!(lines.line.capacity() <= 2 << 20, "{} bytes", lines.line.capacity());
    }
}
