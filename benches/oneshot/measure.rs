//! What a program costs: time by the clock, CPU, memory and instructions.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs of each program of which the median and the minimum are taken.
const RUNS: usize = 25;

/// A program with its arguments and its input.
pub(crate) struct Program {
    line: Vec<String>,
    home: PathBuf,
    stdin: Option<PathBuf>,
    /// `SSL_CERT_FILE`.
    trusts: Option<PathBuf>,
}

/// What one run costs; what cannot be measured here is `None`.
pub(crate) struct Cost {
    median: Duration,
    minimum: Duration,
    cpu: Option<f64>,
    memory: Option<u64>,
    instructions: Option<u64>,
}

impl Program {
    pub(crate) fn new(path: &str, home: &Path) -> Self {
        Self { line: vec![path.to_owned()], home: home.to_owned(), stdin: None, trusts: None }
    }

    pub(crate) fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.line.extend(args.into_iter().map(str::to_owned));
        self
    }

    pub(crate) fn stdin(mut self, path: &Path) -> Self {
        self.stdin = Some(path.to_owned());
        self
    }

    pub(crate) fn trusts(mut self, path: &Path) -> Self {
        self.trusts = Some(path.to_owned());
        self
    }

    /// It, run by something that is put before it.
    fn command(&self, before: &[&str]) -> Command {
        let line: Vec<&str> = before.iter().copied().chain(self.line.iter().map(String::as_str)).collect();
        let mut command = Command::new(line[0]);
        command.args(&line[1..]).env_clear().env("HOME", &self.home).stdout(Stdio::null()).stderr(Stdio::piped());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.trusts.as_ref().map(|path| ("SSL_CERT_FILE", path)));
        command.stdin(self.stdin.as_ref().map_or_else(Stdio::null, |path| File::open(path).expect("a file").into()));
        command
    }

    /// What is said on standard error of a run that goes well.
    fn run(&self, before: &[&str]) -> String {
        let output = self.command(before).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{:?}: {}: {said}", self.line, output.status);
        said
    }

    fn wall(&self) -> Duration {
        let begun = Instant::now();
        self.run(&[]);
        begun.elapsed()
    }

    /// Seconds of CPU of one run: bash's clock is too coarse for a single one.
    fn cpu(&self) -> Option<f64> {
        if !is_installed("bash") {
            return None;
        }
        let input = self.stdin.as_ref().map_or("/dev/null".as_ref(), PathBuf::as_path).to_str()?;
        let script = format!(
            "input=$0; TIMEFORMAT='%3U %3S'; time for i in {{1..{RUNS}}}; do \"$@\" <\"$input\" 2>/dev/null; done"
        );
        let said = self.run(&["bash", "-c", &script, input]);
        let seconds: Option<f64> = said.split_whitespace().map(|part| part.parse::<f64>().ok()).sum();
        Some(seconds? / f64::from(u32::try_from(RUNS).ok()?))
    }

    /// The most memory it has at once, in KiB, by GNU time; the median, as it depends on where the
    /// pages of the program happen to lie.
    fn memory(&self) -> Option<u64> {
        if !is_installed("/usr/bin/time") {
            return None;
        }
        let one = |_| self.run(&["/usr/bin/time", "-f", "%M"]).lines().last()?.trim().parse().ok();
        let mut all = (0..RUNS).map(one).collect::<Option<Vec<u64>>>()?;
        all.sort_unstable();
        Some(all[RUNS / 2])
    }

    /// The instructions it takes, by callgrind. Of a shell that would be the shell's own alone.
    pub(crate) fn instructions(&self) -> Option<u64> {
        if self.line[0] == "sh" || !is_installed("valgrind") {
            return None;
        }
        let said = self.run(&["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        let collected = said.lines().find_map(|line| line.split_once("Collected : "))?;
        collected.1.trim().parse().ok()
    }
}

/// Whether there is such a program.
pub(crate) fn is_installed(name: &str) -> bool {
    Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// How long a program takes: the median and the minimum.
pub(crate) fn wall(program: &Program) -> (Duration, Duration) {
    let mut walls: Vec<Duration> = (0..RUNS).map(|_| program.wall()).collect();
    walls.sort_unstable();
    (walls[RUNS / 2], walls[0])
}

/// Measures programs, each in its turn, so that what else the machine does meets all alike.
pub(crate) fn in_turn(programs: &[&Program]) -> Vec<Cost> {
    for program in programs {
        program.wall();
    }
    let mut walls = vec![Vec::new(); programs.len()];
    for _ in 0..RUNS {
        for (program, walls) in programs.iter().zip(&mut walls) {
            walls.push(program.wall());
        }
    }
    let cost = |(program, mut walls): (&&Program, Vec<Duration>)| {
        walls.sort_unstable();
        Cost {
            median: walls[walls.len() / 2],
            minimum: walls[0],
            cpu: program.cpu(),
            memory: program.memory(),
            instructions: program.instructions(),
        }
    };
    programs.iter().zip(walls).map(cost).collect()
}

/// A count in millions.
#[expect(clippy::cast_precision_loss, reason = "a figure to be read")]
pub(crate) fn millions(count: u64) -> f64 {
    count as f64 / 1e6
}

impl Cost {
    pub(crate) const HEAD: &str = "   wall    min      x    CPU      x  memory  instructions      x";

    /// A line of the table, with ratios to another.
    pub(crate) fn line(&self, floor: &Self) -> String {
        let ratio = |own: Option<f64>, other: Option<f64>| {
            own.zip(other).map_or("-".to_owned(), |(own, other)| format!("{:.2}", own / other))
        };
        let shown =
            |value: Option<f64>, places: usize| value.map_or("-".to_owned(), |value| format!("{value:.places$}"));
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let instructions = |cost: &Self| cost.instructions.map(millions);
        format!(
            "{:>7.2} {:>6.2} {:>6} {:>6} {:>6} {:>7} {:>13} {:>6}",
            ms(self.median),
            ms(self.minimum),
            ratio(Some(ms(self.median)), Some(ms(floor.median))),
            shown(self.cpu.map(|seconds| seconds * 1e3), 2),
            ratio(self.cpu, floor.cpu),
            shown(self.memory.map(|kib| millions(kib) * 1e6 / 1024.0), 2),
            shown(instructions(self), 2),
            ratio(instructions(self), instructions(floor)),
        )
    }
}
