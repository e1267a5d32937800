//! The machine on which the simulated runs live: processes, clocks, threads and the disk, with faults.

use super::{
    baton::{Baton, Micros},
    checks::Asked,
    disk::Disk,
    ledger::{Ledger, Losses},
    network::{DESTINATIONS, Network, Quote},
    order::Pushes,
    promises::Promise,
};
use crate::support::{lock, log_capture::Messages};
use datametrics::{Clock, DirEntry, LockGuard, NewFile, Signal, Task, Threads};
use std::{
    collections::BTreeMap,
    fmt::Display,
    io::{self, Cursor, ErrorKind, Read, Write},
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// The state directory of all runs.
pub(super) const STATE: &str = "/state";

/// When every simulation begins, in Unix microseconds.
const BEGIN: Micros = 1_800_000_000_000_000;
/// What the system may say to any call about files: EIO, EACCES, EMFILE, ENOSPC, EROFS and EDQUOT.
const ERRNOS: [i32; 6] = [5, 13, 24, 28, 30, 122];
/// What it says where it has no locks: ENOLCK and ENOSYS.
const NO_LOCKS: [i32; 2] = [37, 38];

/// What a killed process unwinds with.
struct Killed;

/// The state of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Weather {
    /// One call about files in so many fails; 0 for none.
    pub(super) disk_fault: u64,
    pub(super) is_disk_full: bool,
    pub(super) lock: Lock,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Lock {
    #[default]
    Works,
    /// The file system knows no locks.
    Unknown,
    /// A stopped process holds it.
    Held,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Running,
    Killed,
    Ended,
}

/// A process: one run.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Process {
    pub(super) job: usize,
    /// The first one, and its mirror if there is one.
    pub(super) destinations: Vec<usize>,
    pub(super) life: Life,
    /// The Unix second at which it started, by the clock that it saw.
    pub(super) started: Option<i64>,
    calls: u64,
    /// The call before or after which it is killed.
    pub(super) dies_at: Option<u64>,
    /// The call before which it is stopped, and for how many seconds.
    pub(super) stall: Option<(u64, u64)>,
    /// It was stopped, or calls about files failed: it may not have kept the bounds of the journal.
    pub(super) is_disturbed: bool,
    /// The quotes that it was given.
    pub(super) quotes: Vec<Quote>,
    /// How many calls about files had failed when it began.
    pub(super) faults_before: u64,
    /// It has asked a provider, by its index.
    pub(super) asked: [bool; 2],
    /// A destination answered with something other than success.
    pub(super) saw_failure: bool,
    pub(super) saw_forbidden: bool,
    pub(super) saw_success: [bool; DESTINATIONS.len()],
    /// It has sent points of its own while there was time for an answer.
    pub(super) sent_own: [bool; DESTINATIONS.len()],
    /// Other processes were running while it was.
    pub(super) had_company: bool,
    /// It has listed the journal, which takes long where there are many files.
    has_listed: bool,
    messages: Messages,
    /// Files that are older come last, in seconds.
    pub(super) max_age: i64,
    /// What it has sent to each ingest.
    pub(super) pushes: [Pushes; DESTINATIONS.len()],
    /// What it said of losses.
    pub(super) losses: [Losses; DESTINATIONS.len()],
    /// It said that another run held the lock.
    pub(super) is_locked_out: bool,
}

impl Process {
    pub(super) fn new(job: usize, destinations: Vec<usize>, messages: Messages) -> Self {
        Self {
            job,
            destinations,
            life: Life::Running,
            started: None,
            calls: 0,
            dies_at: None,
            stall: None,
            is_disturbed: false,
            quotes: Vec::new(),
            faults_before: 0,
            asked: [false; 2],
            saw_failure: false,
            saw_forbidden: false,
            saw_success: [false; DESTINATIONS.len()],
            sent_own: [false; DESTINATIONS.len()],
            had_company: false,
            has_listed: false,
            max_age: i64::MAX,
            pushes: Default::default(),
            messages,
            losses: [Losses::default(); DESTINATIONS.len()],
            is_locked_out: false,
        }
    }
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) calls: u64,
    pub(super) disk_faults: u64,
    pub(super) bad_answers: u64,
    pub(super) kills: u64,
    pub(super) stalls: u64,
    pub(super) power_cuts: u64,
    pub(super) clock_jumps: u64,
}

pub(super) struct Inner {
    pub(super) disk: Disk,
    pub(super) weather: Weather,
    pub(super) network: Network,
    pub(super) ledger: Ledger,
    pub(super) processes: Vec<Process>,
    /// What the calendar clock is ahead of the truth, in microseconds.
    pub(super) clock_error: i64,
    /// When the calendar clock was changed, in true time.
    pub(super) jumped_at: Micros,
    pub(super) counts: Counts,
    /// The run that was the last to ask the provider with a `min_interval`.
    pub(super) last_asked: Option<Asked>,
    /// What happened, if somebody wants to know.
    pub(super) trace: Option<Vec<String>>,
}

pub(super) struct World {
    pub(super) baton: Baton,
    inner: Mutex<Inner>,
    begun: Instant,
    /// The promises that are left alone.
    pub(super) left: Vec<Promise>,
}

/// The world as one process sees it.
#[derive(Clone)]
pub(super) struct Machine {
    pub(super) world: Arc<World>,
    pub(super) process: usize,
}

impl World {
    pub(super) fn new(seed: u64, is_traced: bool, left: &[Promise]) -> Self {
        let inner = Inner {
            disk: Disk::default(),
            weather: Weather::default(),
            network: Network::default(),
            ledger: Ledger::default(),
            processes: Vec::new(),
            clock_error: 0,
            jumped_at: 0,
            counts: Counts::default(),
            last_asked: None,
            trace: is_traced.then(Vec::new),
        };
        Self { baton: Baton::new(seed), inner: Mutex::new(inner), begun: Instant::now(), left: left.to_vec() }
    }

    /// The state. Nobody may keep it while the baton is passed on.
    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    pub(super) fn leaves(&self, promise: Promise) -> bool {
        self.left.contains(&promise)
    }

    pub(super) fn unix_time(&self) -> Duration {
        let error = self.inner().clock_error;
        Duration::from_micros(self.true_time().saturating_add_signed(error))
    }

    /// The true time, in Unix microseconds.
    pub(super) fn true_time(&self) -> Micros {
        BEGIN + self.baton.now()
    }

    pub(super) fn note(&self, what: impl FnOnce() -> String) {
        let now = self.baton.now();
        if let Some(trace) = &mut self.inner().trace {
            trace.push(format!("{:>13.6} {}", Duration::from_micros(now).as_secs_f64(), what()));
        }
    }

    /// Kills a process, whatever it is doing.
    pub(super) fn kill(&self, process: usize) {
        let mut inner = self.inner();
        if inner.processes[process].life == Life::Running {
            inner.processes[process].life = Life::Killed;
            inner.counts.kills += 1;
            inner.disk.unlock_all(process);
            drop(inner);
            self.baton.wake(process);
            self.note(|| format!("#{process} is killed"));
        }
    }

    /// Kills all, and loses what is not synced.
    pub(super) fn cut_power(&self) {
        let running: Vec<usize> = self.running();
        for process in running {
            self.kill(process);
        }
        let mut inner = self.inner();
        let kept = self.baton.below(inner.disk.pending() as u64 + 1);
        let keeps = |unsynced: usize| self.baton.below(unsynced as u64 + 1);
        inner.disk.power_cut(usize::try_from(kept).unwrap_or(0), |len| usize::try_from(keeps(len)).unwrap_or(0));
        inner.follow_journal(None, false);
        let Inner { ledger, processes, counts, .. } = &mut *inner;
        ledger.power_cut(|run| processes[run].life == Life::Ended);
        counts.power_cuts += 1;
        drop(inner);
        self.note(|| "the power is cut".to_owned());
    }

    pub(super) fn running(&self) -> Vec<usize> {
        let inner = self.inner();
        let running = |(index, process): (usize, &Process)| (process.life == Life::Running).then_some(index);
        inner.processes.iter().enumerate().filter_map(running).collect()
    }
}

impl Inner {
    /// Tells the ledger which files of the journal came and went. The process may not know it.
    fn follow_journal(&mut self, process: Option<usize>, is_unknown: bool) {
        for event in std::mem::take(&mut self.disk.events) {
            let is_journal =
                event.path.parent() == Some(&journal()) && event.path.extension() == Some("points".as_ref());
            let bytes = self.disk.bytes(event.file);
            match event.is_there {
                true if is_journal => {
                    self.ledger.file_appeared(bytes, process);
                }
                true if event.path.parent() == Some(&Path::new(STATE).join("damaged")) => {
                    self.ledger.file_put_aside(bytes);
                }
                false if is_journal => self.ledger.file_vanished(bytes, process, is_unknown),
                _ => {}
            }
        }
    }

    /// How many bytes wait for each destination, by the hash in the names of the files.
    pub(super) fn waiting(&self) -> BTreeMap<String, u64> {
        let files = self.disk.list(&journal()).unwrap_or_default().into_iter();
        let files = files.filter(|file| file.name.ends_with(".points"));
        let mut waiting = BTreeMap::new();
        for file in files {
            let hash = file.name.trim_end_matches(".points").rsplit('-').next().expect("a hash").to_owned();
            *waiting.entry(hash).or_default() += file.bytes;
        }
        waiting
    }
}

fn journal() -> PathBuf {
    Path::new(STATE).join("journal")
}

impl Machine {
    /// One call to the world: it takes its time, and the process may be killed before or after it.
    pub(super) fn call<T>(&self, cost: Duration, what: impl Display, act: impl FnOnce(&mut Inner) -> (T, String)) -> T {
        let Self { world, process } = self;
        self.live_or_die();
        world.baton.sleep(cost + self.stall());
        self.live_or_die();
        let mut inner = world.inner();
        inner.counts.calls += 1;
        let of = &mut inner.processes[*process];
        of.calls += 1;
        let is_last = of.dies_at == Some(of.calls);
        let (is_early, is_late) = if world.baton.one_in(2) { (is_last, false) } else { (false, is_last) };
        if is_early {
            drop(inner);
            world.note(|| format!("#{process} {what}: not done"));
            world.kill(*process);
            self.live_or_die();
            inner = world.inner();
        }
        let (result, said) = act(&mut inner);
        drop(inner);
        world.note(|| format!("#{process} {what}: {said}"));
        if is_late {
            world.kill(*process);
            self.live_or_die();
        }
        result
    }

    /// For how long the process is stopped before its next call.
    fn stall(&self) -> Duration {
        let mut inner = self.world.inner();
        let Inner { processes, counts, .. } = &mut *inner;
        let Process { calls, stall, is_disturbed, .. } = &mut processes[self.process];
        let seconds = stall.take_if(|(at, _)| *at <= *calls).map_or(0, |(_, seconds)| seconds);
        counts.stalls += u64::from(seconds > 0);
        *is_disturbed |= seconds > 0;
        Duration::from_secs(seconds)
    }

    /// Nothing of a killed process reaches the world.
    fn live_or_die(&self) {
        if self.is_killed() {
            resume_unwind(Box::new(Killed));
        }
    }

    fn is_killed(&self) -> bool {
        self.world.inner().processes[self.process].life == Life::Killed
    }

    fn now_unix(&self) -> Duration {
        self.world.unix_time()
    }

    /// A call about files.
    fn on_disk<T>(
        &self,
        what: impl Display,
        cost: u64,
        act: impl FnOnce(&mut Inner) -> io::Result<T>,
    ) -> io::Result<T> {
        let (baton, process) = (&self.world.baton, self.process);
        let cost = Duration::from_micros(cost / 2 + baton.below(cost));
        self.call(cost, what, |inner| {
            let is_faulty = baton.one_in(inner.weather.disk_fault);
            let error = || io::Error::from_raw_os_error(baton.pick(&ERRNOS));
            let result = match is_faulty {
                true if baton.one_in(3) => act(inner).and_then(|_| Err(error())),
                true => Err(error()),
                false => act(inner),
            };
            inner.follow_journal(Some(process), result.is_err());
            if is_faulty || inner.weather.is_disk_full {
                inner.processes[process].is_disturbed = true;
                inner.counts.disk_faults += u64::from(result.is_err());
            }
            let said = result.as_ref().map_or_else(ToString::to_string, |_| "ok".to_owned());
            (result, said)
        })
    }
}

impl Clock for Machine {
    fn unix_time(&self) -> Duration {
        let now = self.now_unix();
        let seconds = i64::try_from(now.as_secs()).expect("a date");
        self.world.inner().processes[self.process].started.get_or_insert(seconds);
        now
    }

    fn now(&self) -> Instant {
        self.world.begun + Duration::from_micros(self.world.baton.now())
    }

    fn sleep(&self, span: Duration) {
        self.call(span, format_args!("sleeps {span:?}"), |_| ((), String::new()));
    }
}

impl Threads for Machine {
    fn run_all(&self, tasks: Vec<Task<'_>>) {
        self.live_or_die();
        let messages = self.world.inner().processes[self.process].messages.clone();
        self.world.baton.run_all(self.process, tasks, || messages.capture());
    }

    fn wait(&self, signal: &Signal, seen: u64, timeout: Duration) {
        self.live_or_die();
        self.world.baton.wait(signal, seen, timeout, || self.is_killed());
        self.live_or_die();
    }
}

impl datametrics::Disk for Machine {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.on_disk(format_args!("mkdir {}", path.display()), 50, |inner| inner.disk.create_dir(path))
    }

    fn is_dir(&self, path: &Path) -> bool {
        self.world.inner().disk.is_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        if path == journal() {
            let mut inner = self.world.inner();
            if std::mem::replace(&mut inner.processes[self.process].has_listed, true) {
                inner.ledger.violations.push(format!("run {} lists the journal once more", self.process));
            }
        }
        let mut entries = self.on_disk(format_args!("list {}", path.display()), 100, |inner| inner.disk.list(path))?;
        // The order is the file system's.
        for index in (1..entries.len()).rev() {
            let other = self.world.baton.below(index as u64 + 1);
            entries.swap(index, usize::try_from(other).expect("an index"));
        }
        Ok(entries)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let now = self.now_unix();
        let file = self.on_disk(format_args!("create {}", path.display()), 100, |inner| {
            if inner.weather.is_disk_full && self.world.baton.one_in(2) {
                return Err(ErrorKind::StorageFull.into());
            }
            inner.disk.create_new(path, now)
        })?;
        Ok(Box::new(OpenFile { machine: self.clone(), file }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        let mut inner = self.world.inner();
        let is_damaged = self.world.baton.one_in(inner.weather.disk_fault);
        inner.processes[self.process].is_disturbed |= is_damaged;
        inner.counts.disk_faults += u64::from(is_damaged);
        drop(inner);
        let bytes = self.on_disk(format_args!("open {}", path.display()), 50, |inner| {
            // A folder can be opened, but not read.
            if inner.disk.is_dir(path) {
                return Ok(None);
            }
            let file = inner.disk.file(path)?;
            Ok(Some(inner.disk.bytes(file).to_vec()))
        })?;
        Ok(match bytes {
            None => Box::new(Failing(ErrorKind::IsADirectory)),
            Some(bytes) if is_damaged => {
                let half = bytes.len() / 2;
                Box::new(Cursor::new(bytes).take(half as u64).chain(Failing(ErrorKind::Other)))
            }
            Some(bytes) => Box::new(Cursor::new(bytes)),
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let what = format_args!("rename {} {}", from.display(), to.display()).to_string();
        self.on_disk(what, 100, |inner| inner.disk.rename(from, to))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.on_disk(format_args!("remove {}", path.display()), 100, |inner| inner.disk.remove_file(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.on_disk(format_args!("sync {}", path.display()), 5_000, |inner| {
            inner.disk.sync_dir(path)?;
            if path == journal() {
                inner.ledger.folder_synced();
            }
            Ok(())
        })
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn LockGuard>>> {
        let now = self.now_unix();
        let is_had = self.on_disk(format_args!("lock {}", path.display()), 50, |inner| match inner.weather.lock {
            Lock::Works => inner.disk.try_lock(path, self.process, now),
            Lock::Held => Ok(false),
            Lock::Unknown => Err(io::Error::from_raw_os_error(self.world.baton.pick(&NO_LOCKS))),
        });
        if is_had.is_err() {
            // A lock that is had in spite of the error ends with the file, which is closed.
            self.world.inner().disk.unlock_of(path, self.process);
        }
        let is_had = is_had?;
        let guard = || Box::new(HeldLock { machine: self.clone(), path: path.to_owned() }) as Box<dyn LockGuard>;
        Ok(is_had.then(guard))
    }
}

struct OpenFile {
    machine: Machine,
    file: usize,
}

impl Write for OpenFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let now = self.machine.now_unix();
        self.machine.on_disk(format_args!("write {} bytes", bytes.len()), 100, |inner| {
            // A full disk takes the beginning.
            let len = if inner.weather.is_disk_full { bytes.len() / 2 } else { bytes.len() };
            inner.disk.append(self.file, &bytes[..len], now);
            if len < bytes.len() { Err(ErrorKind::StorageFull.into()) } else { Ok(len) }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl NewFile for OpenFile {
    fn sync(&mut self) -> io::Result<()> {
        self.machine.on_disk("sync", 10_000, |inner| {
            inner.disk.sync(self.file);
            Ok(())
        })
    }
}

/// A reader that fails.
struct Failing(ErrorKind);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
}

struct HeldLock {
    machine: Machine,
    path: PathBuf,
}

impl LockGuard for HeldLock {}

impl Drop for HeldLock {
    fn drop(&mut self) {
        // The locks of a killed process are free already, and may be somebody else's.
        if !self.machine.is_killed() {
            self.machine.world.inner().disk.unlock(&self.path);
        }
    }
}
