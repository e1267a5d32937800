//! The journal on disk.

pub(crate) use super::journal_format::{DestinationId, JournalPoint, decode, encode};
use super::{Datametrics, now, wait_until};
use std::{
    collections::BTreeMap,
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
