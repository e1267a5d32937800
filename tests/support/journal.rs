//! The journal on disk, read and written without the code of the program: a change of the format that
//! breaks old files makes a test fail.
//!
//! A file is text. Every line ends in a space and a checksum of eight hexadecimal digits:
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
    /// `STARTED-WRITTEN-UNIQUE-POINTS.points`
    pub(crate) name: String,
    /// When the run began that wrote the file, in Unix seconds.
    pub(crate) started: i64,
    pub(crate) points: Vec<JournalPoint>,
}

/// A point of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JournalPoint {
    pub(crate) name: String,
    /// The digits as they are in the file.
    pub(crate) value: String,
    /// Unix seconds.
    pub(crate) time: i64,
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

    /// Writes a file as a run leaves it that began `age` seconds ago. Every point has the value 1.5.
    pub(crate) fn plant<N: AsRef<str>>(&self, age: i64, names: &[N]) -> JournalFile {
        static UNIQUE: AtomicU64 = AtomicU64::new(0);
        let started = now() - age;
        let point = |name: &N| JournalPoint { name: name.as_ref().to_owned(), value: "1.5".to_owned(), time: started };
        let points: Vec<_> = names.iter().map(point).collect();
        let written = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_micros();
        let unique = UNIQUE.fetch_add(1, Ordering::Relaxed);
        let name = format!("{started:012}-{written:016}-{unique:016x}-{}.points", points.len());
        DirBuilder::new().recursive(true).mode(0o700).create(self.folder()).expect("a folder");
        fs::write(self.path(&name), encode(60, &[], &points)).expect("a file");
        JournalFile { name, started, points }
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
        let points = decode(&text).unwrap_or_else(|problem| panic!("{name}: {problem}\n{text}"));
        let parts: Vec<&str> = name.trim_end_matches(".points").split('-').collect();
        let [started, _written, _unique, count] = parts[..] else { panic!("the name {name}") };
        assert_eq!(count.parse(), Ok(points.len()), "the number of points in {name}");
        JournalFile { name: name.to_owned(), started: started.parse().expect("a time"), points }
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
        DirBuilder::new().recursive(true).mode(0o700).create(&self.state_dir).expect("a folder");
        let file = File::create(self.state_dir.join("lock")).expect("a file");
        file.try_lock().expect("a lock that nobody has");
        file
    }
}

/// The text of a file.
pub(crate) fn encode(interval: u32, tags: &[&str], points: &[JournalPoint]) -> String {
    let mut lines = vec!["; datametrics journal 1".to_owned(), format!("; interval {interval}")];
    lines.extend(tags.iter().map(|tag| format!("; tag {tag}")));
    lines.push("; name value time".to_owned());
    lines.extend(points.iter().map(|JournalPoint { name, value, time }| format!("{name} {value} {time}")));
    lines.push(format!("; end {}", points.len()));
    let mut text = String::new();
    for line in lines {
        writeln!(text, "{line} {:08x}", checksum(line.as_bytes())).expect("memory");
    }
    text
}

/// The points of a file.
///
/// # Errors
/// Says which line is wrong.
pub(crate) fn decode(text: &str) -> Result<Vec<JournalPoint>, String> {
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
    let columns = lines.iter().position(|line| *line == "; name value time").ok_or("no line with the columns")?;
    let (head, rest) = (&lines[..columns], &lines[columns + 1..]);
    let is_interval = |line: &str| line.strip_prefix("; interval ").is_some_and(|value| value.parse::<u32>().is_ok());
    let tags = match head {
        ["; datametrics journal 1", interval, tags @ ..] if is_interval(interval) => tags,
        _ => return Err(format!("the lines before the points: {head:?}")),
    };
    if let Some(line) = tags.iter().find(|line| !line.starts_with("; tag ")) {
        return Err(format!("not a tag: {line:?}"));
    }
    let (end, points) = rest.split_last().ok_or("no last line")?;
    if *end != format!("; end {}", points.len()) {
        return Err(format!("{} points, and the last line {end:?}", points.len()));
    }
    points.iter().map(|line| point(line).ok_or_else(|| format!("not a point: {line:?}"))).collect()
}

/// A name may hold spaces, so the line is read from its end.
fn point(line: &str) -> Option<JournalPoint> {
    let (line, time) = line.rsplit_once(' ')?;
    let (name, value) = line.rsplit_once(' ')?;
    let is_finite = value.parse::<f64>().is_ok_and(f64::is_finite);
    is_finite.then_some(())?;
    Some(JournalPoint { name: name.to_owned(), value: value.to_owned(), time: time.parse().ok()? })
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
