//! The text of a file of the journal, read and written without the code of the program: a change of the format that
//! breaks old files makes a test fail.
//!
//! A file is text. Every line ends in a space and a checksum of eight hexadecimal digits:
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
//! Older programs wrote form 1, which names no destination and has one interval for all points:
//!
//! ```text
//! ; datametrics journal 1 b26cd3d9
//! ; interval 60 76b45d12
//! ; tag env=home 8c20985a
//! ; name value time 31a08f83
//! crypto.BTC-USD.last 61000.5 1785182401 07bc7794
//! ; end 1 bf667e5f
//! ```

use std::fmt::Write as _;

/// To which destination the points of a file belong, as its second line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DestinationId {
    /// 16 hexadecimal digits: 64-bit FNV-1a of the URL.
    pub(crate) hash: String,
    /// Scheme, host and port.
    pub(crate) label: String,
}

/// A point of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JournalPoint {
    pub(crate) name: String,
    /// The digits as they are in the file.
    pub(crate) value: String,
    /// Unix seconds.
    pub(crate) time: i64,
    /// Seconds.
    pub(crate) interval: u32,
    /// How many runs saw it refused alone.
    pub(crate) refusals: u32,
}

impl DestinationId {
    /// That of a URL that names its port and no user.
    pub(crate) fn of(url: &str) -> Self {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let hash = url.bytes().fold(0xcbf2_9ce4_8422_2325, step);
        let path = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
        // The paths that hold no key.
        let is_shown = matches!(&url[path..], "/metrics" | "/graphite/metrics");
        Self { hash: format!("{hash:016x}"), label: if is_shown { url } else { &url[..path] }.to_owned() }
    }
}

/// The text of a file: form 1 if it has no destination.
pub(crate) fn encode(destination: Option<&DestinationId>, tags: &[&str], points: &[JournalPoint]) -> String {
    let mut lines = if let Some(DestinationId { hash, label }) = destination {
        vec!["; datametrics journal 2".to_owned(), format!("; destination {hash} {label}")]
    } else {
        let interval = points.first().map_or(60, |point| point.interval);
        vec!["; datametrics journal 1".to_owned(), format!("; interval {interval}")]
    };
    lines.extend(tags.iter().map(|tag| format!("; tag {tag}")));
    lines.push(columns(destination.is_some()).to_owned());
    lines.extend(points.iter().map(|JournalPoint { name, value, time, interval, refusals }| match destination {
        Some(_) => format!("{name} {value} {time} {interval} {refusals}"),
        None => format!("{name} {value} {time}"),
    }));
    lines.push(format!("; end {}", points.len()));
    let mut text = String::new();
    for line in lines {
        writeln!(text, "{line} {:08x}", checksum(line.as_bytes())).expect("memory");
    }
    text
}

/// The line between the head and the points.
fn columns(has_destination: bool) -> &'static str {
    if has_destination { "; name value time interval refusals" } else { "; name value time" }
}

/// The destination of a file, and its points.
///
/// # Errors
/// Says which line is wrong.
pub(crate) fn decode(text: &str) -> Result<(Option<DestinationId>, Vec<JournalPoint>), String> {
    if !text.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    let mut lines = Vec::new();
    for line in text.lines() {
        let (bare, sum) = line.rsplit_once(' ').ok_or_else(|| format!("no checksum: {line:?}"))?;
        if sum != format!("{:08x}", checksum(bare.as_bytes())) {
            return Err(format!("a wrong checksum: {line:?}"));
        }
        lines.push(bare);
    }
    let wrong_head = || format!("the lines before the points: {lines:?}");
    let (interval, destination, rest) = match lines[..] {
        ["; datametrics journal 1", second, ref rest @ ..] => {
            let interval = second.strip_prefix("; interval ").and_then(|value| value.parse().ok());
            (Some(interval.ok_or_else(wrong_head)?), None, rest)
        }
        ["; datametrics journal 2", second, ref rest @ ..] => {
            let id = second.strip_prefix("; destination ").and_then(|id| id.split_once(' '));
            let (hash, label) = id.ok_or_else(wrong_head)?;
            (None, Some(DestinationId { hash: hash.to_owned(), label: label.to_owned() }), rest)
        }
        _ => return Err(wrong_head()),
    };
    let columns = columns(destination.is_some());
    let columns = rest.iter().position(|line| *line == columns).ok_or("no line with the columns")?;
    if let Some(line) = rest[..columns].iter().find(|line| !line.starts_with("; tag ")) {
        return Err(format!("not a tag: {line:?}"));
    }
    let (end, points) = rest[columns + 1..].split_last().ok_or("no last line")?;
    if *end != format!("; end {}", points.len()) {
        return Err(format!("{} points, and the last line {end:?}", points.len()));
    }
    let point = |line: &&str| point(line, interval).ok_or_else(|| format!("not a point: {line:?}"));
    Ok((destination, points.iter().map(point).collect::<Result<_, _>>()?))
}

/// A name may hold spaces, so the line is read from its end. `interval` is that of form 1, where a line has
/// none.
fn point(line: &str, interval: Option<u32>) -> Option<JournalPoint> {
    let (line, interval, refusals) = if let Some(interval) = interval {
        (line, interval, 0)
    } else {
        let (line, refusals) = line.rsplit_once(' ')?;
        let (line, interval) = line.rsplit_once(' ')?;
        (line, interval.parse().ok()?, refusals.parse().ok()?)
    };
    let (line, time) = line.rsplit_once(' ')?;
    let (name, value) = line.rsplit_once(' ')?;
    let is_finite = value.parse::<f64>().is_ok_and(f64::is_finite);
    let (name, value) = (name.to_owned(), value.to_owned());
    is_finite.then_some(JournalPoint { name, value, time: time.parse().ok()?, interval, refusals })
}

/// The checksum of a line: it starts with the length and takes four bytes in every step. At least one byte of
/// zeros pads the last four.
fn checksum(line: &[u8]) -> u32 {
    let length = u32::try_from(line.len()).expect("a short line");
    let mut padded = line.to_vec();
    padded.resize((line.len() / 4 + 1) * 4, 0);
    let words = padded.chunks(4).map(|bytes| u32::from_le_bytes(bytes.try_into().expect("four bytes")));
    words.fold(length, |sum, word| (sum.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b1))
}
