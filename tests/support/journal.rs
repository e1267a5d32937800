//! The journal on disk, read and written without the code of the program: a change of the format that
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

use super::{Datametrics, now, wait_until};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, DirBuilder, File},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// The journal in a state directory.
pub(crate) struct Journal {
    state_dir: PathBuf,
}

/// A file of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JournalFile {
    /// `STARTED-WRITTEN-UNIQUE-POINTS-DESTINATION.points`, in form 1 without the destination.
    pub(crate) name: String,
    /// When the run began that wrote the file, in Unix seconds.
    pub(crate) started: i64,
    /// In form 1 there is none.
    pub(crate) destination: Option<DestinationId>,
    pub(crate) points: Vec<JournalPoint>,
}

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
        Self { hash: format!("{hash:016x}"), label: url[..path].to_owned() }
    }
}

impl Journal {
    /// The journal that a run uses by default.
    pub(crate) fn of(run: &Datametrics) -> Self {
        Self::at(&run.state_dir())
    }

    /// The journal in this state directory.
    pub(crate) fn at(state_dir: &Path) -> Self {
        Self { state_dir: state_dir.to_owned() }
    }

    fn folder(&self) -> PathBuf {
        self.state_dir.join("journal")
    }

    /// The path of a file of this name.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Writes a file as an older program left it whose run began `age` seconds ago: such a file names no
    /// destination. Every point has the value 1.5.
    pub(crate) fn plant<N: AsRef<str>>(&self, age: i64, names: &[N]) -> JournalFile {
        self.plant_file(age, names, None)
    }

    /// The same as today's program leaves it for the destination with this URL.
    pub(crate) fn plant_for<N: AsRef<str>>(&self, url: &str, age: i64, names: &[N]) -> JournalFile {
        self.plant_file(age, names, Some(DestinationId::of(url)))
    }

    fn plant_file<N: AsRef<str>>(&self, age: i64, names: &[N], destination: Option<DestinationId>) -> JournalFile {
        static UNIQUE: AtomicU64 = AtomicU64::new(0);
        let started = now() - age;
        let (value, time, interval) = ("1.5", started, 60);
        let point = |name: &str| JournalPoint { name: name.into(), value: value.into(), time, interval, refusals: 0 };
        let points: Vec<_> = names.iter().map(|name| point(name.as_ref())).collect();
        let written = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_micros();
        let unique = UNIQUE.fetch_add(1, Ordering::Relaxed);
        let end = destination.as_ref().map_or(String::new(), |id| format!("-{}", id.hash));
        let name = format!("{started:012}-{written:016}-{unique:016x}-{}{end}.points", points.len());
        DirBuilder::new().recursive(true).mode(0o700).create(self.folder()).expect("a folder");
        fs::write(self.path(&name), encode(destination.as_ref(), &[], &points)).expect("a file");
        JournalFile { name, started, destination, points }
    }

    /// The names of all files, oldest first.
    pub(crate) fn file_names(&self) -> Vec<String> {
        self.names_ending_in(".points")
    }

    /// The names of the files that are being written, or that a killed run left half written.
    pub(crate) fn temporary_names(&self) -> Vec<String> {
        self.names_ending_in(".tmp")
    }

    fn names_ending_in(&self, end: &str) -> Vec<String> {
        let files = fs::read_dir(self.folder()).into_iter().flatten().flatten();
        let names = files.filter_map(|file| file.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(end)).collect();
        names.sort();
        names
    }

    /// All files, oldest first.
    ///
    /// # Panics
    /// When a file is damaged, or its name and its content differ.
    pub(crate) fn files(&self) -> Vec<JournalFile> {
        self.file_names().iter().map(|name| self.read(name)).collect()
    }

    /// One file.
    ///
    /// # Panics
    /// When it is damaged, or its name and its content differ.
    pub(crate) fn read(&self, name: &str) -> JournalFile {
        let text = fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (destination, points) = decode(&text).unwrap_or_else(|problem| panic!("{name}: {problem}\n{text}"));
        let mut parts = name.trim_end_matches(".points").split('-');
        let mut part = || parts.next().unwrap_or_else(|| panic!("the name {name}"));
        let [started, _written, _unique, count] = [part(), part(), part(), part()];
        assert_eq!(count.parse(), Ok(points.len()), "the number of points in {name}");
        let hash = destination.as_ref().map(|id| id.hash.as_str());
        assert_eq!((parts.next(), parts.next()), (hash, None), "the destination of {name}");
        JournalFile { name: name.to_owned(), started: started.parse().expect("a time"), destination, points }
    }

    /// The points of all files: name and time, and the value.
    ///
    /// # Panics
    /// When a file is damaged, or its name and its content differ.
    pub(crate) fn values(&self) -> BTreeMap<(String, i64), String> {
        let points = self.files().into_iter().flat_map(|file| file.points);
        points.map(|point| ((point.name, point.time), point.value)).collect()
    }

    /// Waits until there are so many files.
    #[track_caller]
    pub(crate) fn wait_for_files(&self, count: usize) {
        wait_until("a file in the journal", || self.file_names().len() >= count);
    }

    /// Takes the lock that a run needs for sending; it is free again when the file is dropped.
    ///
    /// # Panics
    /// When another process has it.
    pub(crate) fn lock(&self) -> File {
        self.lock_file("lock")
    }

    /// The same for a mirror.
    pub(crate) fn lock_of_mirror(&self, name: &str) -> File {
        self.lock_file(&format!("lock-{name}"))
    }

    fn lock_file(&self, name: &str) -> File {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.state_dir).expect("a folder");
        let file = File::create(self.state_dir.join(name)).expect("a file");
        file.try_lock().expect("a lock that nobody has");
        file
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
pub(crate) fn checksum(line: &[u8]) -> u32 {
    let length = u32::try_from(line.len()).expect("a short line");
    let mut padded = line.to_vec();
    padded.resize((line.len() / 4 + 1) * 4, 0);
    let words = padded.chunks(4).map(|bytes| u32::from_le_bytes(bytes.try_into().expect("four bytes")));
    words.fold(length, |sum, word| (sum.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b1))
}
