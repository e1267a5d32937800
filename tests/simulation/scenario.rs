//! What a seed makes: hours of cron, with outages, crashes, full disks and clocks that jump.

use super::{
    ledger::{Losses, MIRROR, Over, url_of},
    network::{DESTINATIONS, Graphite},
    number,
    promises::Promise,
    world::{Inner, Life, Lock, Machine, Process, STATE, Weather, World},
};
use crate::support::{Dialect, log_capture::Messages};
use datametrics::{Cli, Context, Document, Random, Settings};
use log::LevelFilter;
use std::{
    collections::{BTreeSet, HashMap},
    ffi::OsString,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{self, Scope},
    time::Duration,
};

/// The `min_interval` of the second provider, in seconds.
pub(super) const INTERVAL: i64 = 300;
/// The `--timeout` of all runs.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A line of a crontab.
pub(super) struct Job {
    args: &'static [&'static str],
    pub(super) symbols: &'static [&'static str],
}

pub(super) const JOBS: [Job; 7] = [
    Job { args: &["--feed=a"], symbols: &["A1", "A2", "A3"] },
    Job { args: &["--feed=b"], symbols: &["B1"] },
    Job { args: &["--feed=c"], symbols: &["C1"] },
    Job { args: &["--feed=d"], symbols: &["D1"] },
    Job { args: &["--feed=a", "--feed=c"], symbols: &["A1", "A2", "A3", "C1"] },
    Job { args: &["--feed=a", "--shard=0/1"], symbols: &["A1", "A2", "A3"] },
    Job { args: &["--feed=a-x"], symbols: &["A0"] },
];

/// Crontabs whose lines have no feed in common.
const CRONTABS: [&[usize]; 6] = [&[0], &[0, 1], &[2, 3], &[0, 1, 2], &[4, 3, 1], &[5, 6]];

const CONFIG: &str = "
[feeds.a]
providers = ['own']
symbols = ['A1', 'A2', 'A3']
[feeds.b]
providers = ['own']
symbols = ['B1']
[feeds.c]
providers = ['rare']
symbols = ['C1']
[feeds.d]
providers = ['rare']
symbols = ['D1']
[feeds.a-x]
providers = ['own']
symbols = ['A0']
[providers.own]
market = 'other'
base_url = 'https://own.example'
[[providers.own.quote]]
path = '/{symbols}'
batch = 2
fields = { last = '/last' }
[providers.rare]
market = 'other'
base_url = 'https://rare.example'
min_interval = 300
[[providers.rare.quote]]
path = '/{symbols}'
batch = 2
fields = { last = '/last' }
";

/// The bounds of the journal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_bytes: u64,
    pub(super) max_age: i64,
}

/// What a simulation came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) runs: usize,
    pub(super) points: usize,
    pub(super) taken: usize,
    pub(super) calls: u64,
    pub(super) faults: u64,
    /// Runs that had several requests to one ingest in flight.
    pub(super) wide: usize,
    /// Two simulations of one seed have the same.
    pub(super) passes: u64,
}

impl Summary {
    pub(super) fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.points += other.points;
        self.taken += other.taken;
        self.calls += other.calls;
        self.faults += other.faults;
        self.wide += other.wide;
        self.passes += other.passes;
    }
}

/// A promise was broken.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) violations: Vec<String>,
    pub(super) trace: Vec<String>,
    pub(super) summary: Summary,
}

struct Simulation {
    world: Arc<World>,
    limits: Limits,
    retries: u64,
    /// The first one, and its mirror if there is one.
    destinations: Vec<usize>,
    settings: HashMap<(usize, Vec<usize>), Arc<Settings>>,
    /// No two runs of a job start in one second: nobody could tell their points apart.
    starts: BTreeSet<(usize, u64)>,
    power_cuts: u64,
    /// Runs before this one were looked at.
    settled: usize,
}

/// Simulates what the seed makes, up to the first broken promise.
pub(super) fn simulate(seed: u64, left: &[Promise], is_traced: bool) -> Result<Summary, Box<Failure>> {
    let world = Arc::new(World::new(seed, is_traced, left));
    let baton = &world.baton;
    let limits = Limits {
        max_bytes: baton.pick(&[64 << 20, 64 << 20, 20_000, 5_000]),
        max_age: baton.pick(&[3_600, 3_600, 1_200, 604_800]),
    };
    let crontab = baton.pick(&CRONTABS);
    let minutes = baton.pick(&[20, 40, 90, 180]);
    let minutes = number("SIMULATION_HOURS").map_or(minutes, |hours| hours * 60);
    for _ in DESTINATIONS {
        let graphite = Graphite {
            dialect: baton.pick(&[Dialect::Gateway, Dialect::WriteProxy]),
            outage: None,
            fault: 0,
            max_points: baton.pick(&[5_000, 7, 4]),
            latency: 50,
        };
        world.inner().network.graphites.push(graphite);
    }
    world.inner().network.bad_points = baton.pick(&[0, 0, 100]);
    let (retries, destinations) = (baton.below(3), world.choose_destinations());
    let (settings, starts) = (HashMap::new(), BTreeSet::new());
    let mut simulation = Simulation {
        world: Arc::clone(&world),
        limits,
        retries,
        destinations,
        settings,
        starts,
        power_cuts: 0,
        settled: 0,
    };
    thread::scope(|scope| {
        for minute in 0..minutes {
            simulation.change_weather();
            simulation.run_minute(scope, minute, crontab);
            if !world.inner().ledger.violations.is_empty() {
                break;
            }
        }
        simulation.drain(scope, crontab);
    });
    simulation.finish()
}

impl World {
    /// A destination, and in half of the cases a mirror.
    fn choose_destinations(&self) -> Vec<usize> {
        let (first, distance) = (self.baton.pick(&[0, 1, 2]), self.baton.pick(&[0, 0, 1, 2]));
        let mirror = (distance > 0).then_some((first + distance) % DESTINATIONS.len());
        std::iter::once(first).chain(mirror).collect()
    }
}

impl Simulation {
    /// Once in a while something begins or ends.
    fn change_weather(&mut self) {
        let Self { world, .. } = self;
        let baton = &world.baton;
        let mood = world.bad_mood();
        let new_destinations = world.choose_destinations();
        let mut inner = world.inner();
        for graphite in &mut inner.network.graphites {
            if baton.one_in(8) {
                graphite.outage = baton.one_in(2).then_some(mood);
            }
            if baton.one_in(20) {
                graphite.fault = baton.pick(&[0, 0, 20, 3]);
                graphite.latency = baton.pick(&[50, 50, 500, 8_000]);
            }
        }
        if baton.one_in(20) {
            inner.network.provider_fault = baton.pick(&[0, 0, 20, 3]);
        }
        let Weather { disk_fault, is_disk_full, lock } = &mut inner.weather;
        if baton.one_in(15) {
            *disk_fault = baton.pick(&[0, 0, 200, 30]);
        }
        if baton.one_in(15) {
            *is_disk_full = baton.one_in(4);
        }
        if baton.one_in(15) && !world.leaves(Promise::BoundsWithoutLock) {
            *lock = baton.pick(&[Lock::Works, Lock::Unknown, Lock::Held]);
        }
        if baton.one_in(8) {
            inner.disk.write_back();
            inner.ledger.folder_synced();
        }
        if baton.one_in(30) {
            // What the clock is wrong by, in seconds; at last it may be years.
            let errors = [0, 0, -300, -7, 3, 90, 500, 7_300, -4_000_000, -100_000_000, 100_000_000];
            inner.clock_error = baton.pick(&errors) * 1_000_000;
            inner.counts.clock_jumps += 1;
            inner.jumped_at = world.true_time();
        }
        if baton.one_in(15) && !world.leaves(Promise::OwnDestination) {
            self.destinations = new_destinations;
        }
    }

    fn run_minute<'s>(&mut self, scope: &'s Scope<'s, '_>, minute: u64, crontab: &[usize]) {
        let world = Arc::clone(&self.world);
        let baton = &world.baton;
        let end = Duration::from_secs(60 * (minute + 1));
        // A scheduler is late at times, so that a run reaches into the next minute.
        let mut late = if baton.one_in(10) { Duration::from_secs(baton.below(50)) } else { Duration::ZERO };
        for &job in crontab {
            baton.sleep(Duration::from_millis(baton.below(800)) + std::mem::take(&mut late));
            let dies_at = baton.one_in(8).then(|| 1 + baton.below(60));
            let stall = baton.one_in(25).then(|| (1 + baton.below(60), baton.pick(&[5, 60, 1_200])));
            self.start(scope, job, dies_at, stall);
        }
        if baton.one_in(60) {
            baton.sleep(Duration::from_millis(baton.below(3_000)));
            world.cut_power();
        }
        baton.sleep(end.saturating_sub(Duration::from_micros(baton.now())));
        if world.running().is_empty() {
            self.settle();
        }
    }

    /// Everything is well now: what waits must go.
    fn drain<'s>(&mut self, scope: &'s Scope<'s, '_>, crontab: &[usize]) {
        let world = Arc::clone(&self.world);
        let mut inner = world.inner();
        inner.weather = Weather::default();
        inner.clock_error = 0;
        inner.network.provider_fault = 0;
        for graphite in &mut inner.network.graphites {
            (graphite.outage, graphite.fault, graphite.latency) = (None, 0, 50);
        }
        drop(inner);
        world.note(|| "all is well from here on".to_owned());
        // Those that are running have met the faults of before.
        while !world.running().is_empty() {
            world.baton.sleep(Duration::from_secs(1));
        }
        self.settle();
        let runs = world.inner().processes.len();
        for _ in 0..9 {
            if !world.inner().ledger.violations.is_empty() {
                return;
            }
            if !world.leaves(Promise::OwnDestination) {
                for at in &mut self.destinations {
                    *at = (*at + 1) % DESTINATIONS.len();
                }
            }
            for &job in crontab {
                self.start(scope, job, None, None);
            }
            world.baton.sleep(TIMEOUT * 2);
            self.settle();
        }
        let mut inner = world.inner();
        // The last runs have bad points too, and nobody comes after them.
        let waiting = inner.ledger.waiting(runs);
        if waiting > 0 {
            inner.ledger.violations.push(format!("{waiting} points still wait, though all is well"));
        }
    }

    /// Starts a run. It may be killed at one of its calls, and may be stopped at one for so many seconds.
    fn start<'s>(&mut self, scope: &'s Scope<'s, '_>, job: usize, dies_at: Option<u64>, stall: Option<(u64, u64)>) {
        let world = Arc::clone(&self.world);
        while !self.starts.insert((job, world.unix_time().as_secs())) {
            world.baton.sleep(Duration::from_millis(500));
        }
        let running = world.running();
        let mut inner = world.inner();
        for other in &running {
            inner.processes[*other].had_company = true;
        }
        let messages = Messages::new(if inner.trace.is_some() { LevelFilter::Info } else { LevelFilter::Warn });
        let mut new = Process::new(job, self.destinations.clone(), messages.clone());
        (new.dies_at, new.stall, new.had_company) = (dies_at, stall, !running.is_empty());
        new.faults_before = inner.counts.disk_faults;
        new.max_age = self.limits.max_age;
        inner.processes.push(new);
        let process = inner.processes.len() - 1;
        drop(inner);
        let settings = self.settings(job);
        world.note(|| format!("#{process} starts: {:?} to {:?}", JOBS[job].args, self.destinations));
        let slot = world.baton.add(process, None);
        let random = Random::seeded(world.baton.below(u64::MAX));
        scope.spawn(move || {
            world.baton.enter(slot);
            messages.capture();
            let machine = Machine { world: Arc::clone(&world), process };
            let context = Context {
                transport: &machine,
                clock: &machine,
                random: &random,
                threads: &machine,
                dialer: &machine,
                disk: &machine,
            };
            let result = catch_unwind(AssertUnwindSafe(|| datametrics::run(&settings, context, &mut Vec::new())));
            let messages = messages.take();
            for (level, message) in &messages {
                world.note(|| format!("#{process} {level}: {message}"));
            }
            world.note(|| format!("#{process} ends: {:?}", result.as_ref().ok()));
            let mut inner = world.inner();
            if inner.processes[process].life == Life::Running {
                inner.processes[process].life = Life::Ended;
                let destinations = inner.processes[process].destinations.clone();
                inner.processes[process].losses = Losses::read(&messages, &destinations);
                inner.processes[process].is_locked_out =
                    messages.iter().any(|(_, text)| text.contains("another run held"));
                // It touches nothing, the journal's bounds included.
                inner.processes[process].is_disturbed |=
                    messages.iter().any(|(_, text)| text.starts_with("the clock of this machine"));
                match result {
                    Ok(outcome) => inner.check_run(process, outcome, &messages),
                    Err(_) => inner.ledger.violations.push(format!("run {process} panics")),
                }
                if !world.leaves(Promise::UnkeptFirst) {
                    inner.check_unkept(process);
                }
            }
            drop(inner);
            world.baton.leave();
        });
    }

    /// Nobody runs: where is every point?
    fn settle(&mut self) {
        let mut inner = self.world.inner();
        let Inner { processes, ledger, .. } = &mut *inner;
        for (run, process) in processes.iter().enumerate().skip(self.settled) {
            // What was quoted and is nowhere else is lost too, if the run has come to its end.
            for quote in process.quotes.iter().filter(|_| process.life == Life::Ended) {
                let key = (quote.name.clone(), process.started.unwrap_or_default());
                for at in &process.destinations {
                    ledger.make((*at, key.clone()), quote.value, run);
                }
            }
        }
        let over: Vec<Over> = (self.settled..inner.processes.len())
            .map(|run| {
                let Process { started, losses, life, .. } = &inner.processes[run];
                let (started, is_killed) = (started.unwrap_or_default(), *life == Life::Killed);
                Over { run, started, losses: *losses, is_killed, was_full: self.limits.max_bytes < 1 << 20 }
            })
            .collect();
        inner.ledger.settle(&over, self.limits.max_age, |promise| self.world.leaves(promise));
        let last = &inner.processes[self.settled..];
        let is_locked_out = last.iter().any(|process| process.is_locked_out);
        // A crash of the machine brings back files that were removed.
        let is_disturbed = inner.counts.power_cuts > self.power_cuts
            || last.iter().any(|process| process.is_disturbed || process.life == Life::Killed)
            // Neither of two runs side by side may know the file of the other. The next run does.
            || last.iter().any(|process| process.had_company);
        let has_started = last.last().is_some_and(|process| process.started.is_some());
        self.power_cuts = inner.counts.power_cuts;
        if has_started && !is_disturbed {
            let leaves = self.world.leaves(Promise::BoundsWithoutLock);
            inner.check_bounds(self.limits, is_locked_out, leaves);
        }
        self.settled = inner.processes.len();
    }

    fn settings(&mut self, job: usize) -> Arc<Settings> {
        let Self { limits, retries, .. } = *self;
        let destinations = self.destinations.clone();
        let entry = self.settings.entry((job, destinations.clone())).or_insert_with(|| {
            let url = url_of(destinations[0]);
            let mirror = destinations.get(1).map(|at| format!("[mirrors.{MIRROR}]\nurl = '{}'\n", url_of(*at)));
            let mirror = mirror.unwrap_or_default();
            let (timeout, retries) = (TIMEOUT.as_secs().to_string(), retries.to_string());
            let args = ["datametrics", "--timeout", &timeout, "--retries", &retries, "--graphite-url", &url];
            let cli = Cli::from_args(args.iter().chain(JOBS[job].args)).expect("a command line");
            let Limits { max_bytes, max_age } = limits;
            let config = format!("{CONFIG}\n{mirror}[journal]\nmax_bytes = {max_bytes}\nmax_age = {max_age}\n");
            let env = |name: &str| (name == "DATAMETRICS_STATE_DIR").then(|| OsString::from(STATE));
            let document = Document::new("config.toml", config);
            Arc::new(Settings::from_config(&cli, &env, &document, std::io::empty()).expect("good settings"))
        });
        Arc::clone(entry)
    }

    fn finish(self) -> Result<Summary, Box<Failure>> {
        let mut inner = self.world.inner();
        let (points, taken) = inner.ledger.totals();
        let counts = &inner.counts;
        let faults = counts.disk_faults
            + counts.bad_answers
            + counts.kills
            + counts.stalls
            + counts.power_cuts
            + counts.clock_jumps;
        let (runs, calls, passes) = (inner.processes.len(), counts.calls, self.world.baton.passes());
        let is_wide = |process: &&Process| process.pushes.iter().any(|pushes| pushes.width > 1);
        let wide = inner.processes.iter().filter(is_wide).count();
        let summary = Summary { runs, points, taken, calls, faults, wide, passes };
        let violations = std::mem::take(&mut inner.ledger.violations);
        if violations.is_empty() {
            return Ok(summary);
        }
        Err(Box::new(Failure { violations, trace: inner.trace.take().unwrap_or_default(), summary }))
    }
}
