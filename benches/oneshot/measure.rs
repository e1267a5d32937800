//! Measures what a program costs: wall time, CPU time, memory and instructions.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often each program is run.
const RUNS: usize = 25;

/// A program with its arguments, its input and its environment.
pub(crate) struct Program {
    command_line: Vec<String>,
    home: PathBuf,
    stdin: Option<PathBuf>,
    /// The file of trusted certificates: `SSL_CERT_FILE`.
    roots: Option<PathBuf>,
}

/// What one run costs. `None` if this machine lacks the tool that measures it.
pub(crate) struct Cost {
    /// Of the wall time.
    median: Duration,
    /// Of the wall time.
    minimum: Duration,
    /// In seconds.
    cpu: Option<f64>,
    /// In KiB.
    memory: Option<u64>,
    instructions: Option<u64>,
}

impl Program {
    /// A program without arguments and input. `home` is its `HOME`.
    pub(crate) fn new(path: &str, home: &Path) -> Self {
        Self { command_line: vec![path.to_owned()], home: home.to_owned(), stdin: None, roots: None }
    }

    /// Adds arguments.
    pub(crate) fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.command_line.extend(args.into_iter().map(str::to_owned));
        self
    }

    /// Reads standard input from a file.
    pub(crate) fn stdin(mut self, path: &Path) -> Self {
        self.stdin = Some(path.to_owned());
        self
    }

    /// Trusts the certificates in a file.
    pub(crate) fn roots(mut self, path: &Path) -> Self {
        self.roots = Some(path.to_owned());
        self
    }

    /// The command that runs the program; `wrapper` is a command line that is put before its own.
    fn command(&self, wrapper: &[&str]) -> Command {
        let words: Vec<&str> = wrapper.iter().copied().chain(self.command_line.iter().map(String::as_str)).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env_clear().env("HOME", &self.home).stdout(Stdio::null()).stderr(Stdio::piped());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.roots.as_ref().map(|path| ("SSL_CERT_FILE", path)));
        command.stdin(self.stdin.as_ref().map_or_else(Stdio::null, |path| File::open(path).expect("a file").into()));
        command
    }

    /// Runs the program, which must succeed. Returns its standard error.
    pub(crate) fn run(&self, wrapper: &[&str]) -> String {
        let output = self.command(wrapper).output().expect("the program starts");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{:?}: {}: {stderr}", self.command_line, output.status);
        stderr
    }

    fn wall_time(&self) -> Duration {
        let begun = Instant::now();
        self.run(&[]);
        begun.elapsed()
    }

    /// The CPU time of one run in seconds, by bash. Its clock is too coarse for a single run, so this is
    /// the mean of several.
    fn cpu_time(&self) -> Option<f64> {
        if !is_installed("bash") {
            return None;
        }
        let input = self.stdin.as_ref().map_or("/dev/null".as_ref(), PathBuf::as_path).to_str()?;
        let script = format!(
            "input=$0; TIMEFORMAT='%3U %3S'; time for i in {{1..{RUNS}}}; do \"$@\" <\"$input\" 2>/dev/null; done"
        );
        let times = self.run(&["bash", "-c", &script, input]);
        let seconds: Option<f64> = times.split_whitespace().map(|time| time.parse::<f64>().ok()).sum();
        Some(seconds? / f64::from(u32::try_from(RUNS).ok()?))
    }

    /// The peak of the resident memory in KiB: the median of several runs, as it depends on where the pages of the
    /// program happen to lie.
    fn peak_memory(&self) -> Option<u64> {
        let mut peaks = (0..RUNS).map(|_| self.run_for_memory()).collect::<Option<Vec<u64>>>()?;
        peaks.sort_unstable();
        Some(peaks[RUNS / 2])
    }

    /// Runs the program. Returns the peak of its resident memory in KiB, by GNU time, if that is installed.
    pub(crate) fn run_for_memory(&self) -> Option<u64> {
        const TIME: &str = "/usr/bin/time";
        let wrapper: &[&str] = if is_installed(TIME) { &[TIME, "-f", "%M"] } else { &[] };
        self.run(wrapper).lines().last()?.trim().parse().ok()
    }

    /// How many system calls of each kind a run makes, by strace. `None` if it is not installed, or may trace
    /// nothing here.
    pub(crate) fn system_calls(&self) -> Option<Vec<(String, u64)>> {
        let file = self.home.join("strace.txt");
        let wrapper = ["strace", "-f", "-c", "-U", "name,calls", "-o", file.to_str()?];
        let probe = Command::new(wrapper[0]).args(&wrapper[1..]).arg("true").output();
        if !probe.is_ok_and(|output| output.status.success()) {
            return None;
        }
        self.run(&wrapper);
        let report = std::fs::read_to_string(file).ok()?;
        let line = |line: &str| {
            let (name, calls) = line.split_once(' ')?;
            Some((name.to_owned(), calls.trim().parse().ok()?))
        };
        Some(report.lines().filter_map(line).filter(|(name, _)| name != "total").collect())
    }

    /// How many instructions a run takes, by callgrind. `None` for a shell, as callgrind would count the
    /// shell without the programs that it starts.
    pub(crate) fn instructions(&self) -> Option<u64> {
        if self.command_line[0] == "sh" || !is_installed("valgrind") {
            return None;
        }
        let report = self.run(&["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        let (_, count) = report.lines().find_map(|line| line.split_once("Collected : "))?;
        count.trim().parse().ok()
    }
}

/// Whether this machine has a program.
pub(crate) fn is_installed(name: &str) -> bool {
    Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// The median and the minimum of the wall time of a program.
pub(crate) fn wall_times(program: &Program) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..RUNS).map(|_| program.wall_time()).collect();
    times.sort_unstable();
    (times[RUNS / 2], times[0])
}

/// Measures several programs. They run by turns, so that other work of the machine slows down all of
/// them alike.
pub(crate) fn costs(programs: &[&Program]) -> Vec<Cost> {
    for program in programs {
        // The first run only fills caches.
        program.wall_time();
    }
    let mut wall_times = vec![Vec::new(); programs.len()];
    for _ in 0..RUNS {
        for (program, times) in programs.iter().zip(&mut wall_times) {
            times.push(program.wall_time());
        }
    }
    let cost = |(program, mut times): (&&Program, Vec<Duration>)| {
        times.sort_unstable();
        Cost {
            median: times[RUNS / 2],
            minimum: times[0],
            cpu: program.cpu_time(),
            memory: program.peak_memory(),
            instructions: program.instructions(),
        }
    };
    programs.iter().zip(wall_times).map(cost).collect()
}

/// A count in millions.
#[expect(clippy::cast_precision_loss, reason = "no printed figure has more digits than an f64")]
pub(crate) fn millions(count: u64) -> f64 {
    count as f64 / 1e6
}

impl Cost {
    /// The header of the table's columns.
    pub(crate) const HEADER: &str = "   wall    min      x    CPU      x  memory  instructions      x";

    /// A line of the table, with the ratios to the cost of the floor.
    pub(crate) fn line(&self, floor: &Self) -> String {
        let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
        let ratio = |own: Option<f64>, floor: Option<f64>| number(own.zip(floor).map(|(own, floor)| own / floor));
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let instructions = |cost: &Self| cost.instructions.map(millions);
        format!(
            "{:>7.2} {:>6.2} {:>6} {:>6} {:>6} {:>7} {:>13} {:>6}",
            ms(self.median),
            ms(self.minimum),
            ratio(Some(ms(self.median)), Some(ms(floor.median))),
            number(self.cpu.map(|seconds| seconds * 1e3)),
            ratio(self.cpu, floor.cpu),
            number(self.memory.map(|kib| millions(kib) * 1e6 / 1024.0)),
            number(instructions(self)),
            ratio(instructions(self), instructions(floor)),
        )
    }
}
