//! Measures what one run costs, compared with the floor (a minimal program that does the same job with
//! bare sockets), and with curl and jq.
//!
//! `cargo bench` prints a table. `cargo bench -- --check` counts the instructions of some runs and fails
//! if one takes over five per cent more than `instructions.txt` says. `cargo bench -- --record` writes
//! that file. Instructions are counted because the count is repeatable, which times are not. Both need
//! valgrind.

mod floor;
mod measure;
mod server;
mod waits;

use measure::{Cost, Program};
use server::Server;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs};

/// A run that is measured.
#[derive(Clone, Copy)]
struct Case {
    /// How many rows the ticker serves.
    rows: usize,
    /// How many symbols the run watches.
    watched: usize,
    setup: Setup,
}

#[derive(Clone, Copy, PartialEq)]
enum Setup {
    /// HTTP, and no journal.
    Plain,
    /// HTTP, and a journal.
    Journal,
    /// HTTPS, and no journal.
    Tls,
}

const fn case(rows: usize, watched: usize, setup: Setup) -> Case {
    Case { rows, watched, setup }
}

const CASES: [Case; 8] = [
    case(3, 3, Setup::Plain),
    case(3, 3, Setup::Journal),
    case(3, 3, Setup::Tls),
    case(1_000, 1_000, Setup::Plain),
    case(10_000, 10_000, Setup::Plain),
    case(10_000, 10_000, Setup::Journal),
    case(10_000, 3, Setup::Plain),
    case(100_000, 100_000, Setup::Plain),
];
/// The cases whose instructions are recorded.
const RECORDED_CASES: [Case; 3] =
    [case(3, 3, Setup::Plain), case(10_000, 10_000, Setup::Plain), case(10_000, 3, Setup::Plain)];
/// The greatest ratio of a count to the recorded one that `--check` allows.
const MAX_RATIO: f64 = 1.05;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--floor", ticker, graphite, symbols] => floor::run(ticker, graphite, symbols),
        ["--check"] => return check(),
        ["--record"] => record(),
        _ => {
            print_table();
            waits::print_table();
        }
    }
    ExitCode::SUCCESS
}

/// A case with its servers and files.
struct Bench {
    /// A ticker and a Graphite that speak plain HTTP, for the floor and curl. They are two servers
    /// because real ones are, too.
    plain: [Server; 2],
    folder: Folder,
    setup: Setup,
}

/// A temporary folder, which is removed when this value is dropped.
struct Folder(PathBuf);

impl Bench {
    fn new(case: Case) -> Self {
        let folder = Folder::new();
        let symbols: String = (0..case.watched).fold(String::new(), |text, index| text + &server::symbol(index) + "\n");
        folder.write("symbols", &symbols);
        let start = if case.setup == Setup::Tls { Server::start_tls } else { Server::start };
        let [ticker, graphite] = [start(case.rows), start(0)];
        folder.write("config.toml", &config(&ticker.url(), &graphite.url()));
        folder.write("roots.pem", &[&ticker, &graphite].map(|server| server.certificate.as_str()).concat());
        let plain = [Server::start(case.rows), Server::start(0)];
        Self { plain, folder, setup: case.setup }
    }

    /// A run of datametrics.
    fn datametrics(&self) -> Program {
        let program = Program::new(DATAMETRICS, &self.folder.0)
            .args(["--feed", "ticker", "--symbols", "-", "--config", &self.folder.path("config.toml")])
            .stdin(&self.folder.0.join("symbols"));
        match self.setup {
            Setup::Journal => program,
            Setup::Plain => program.args(["--no-journal"]),
            Setup::Tls => program.args(["--no-journal"]).roots(&self.folder.0.join("roots.pem")),
        }
    }

    /// The floor, which is this program with `--floor`.
    fn floor(&self) -> Program {
        let path = env::current_exe().expect("the path of this program");
        let [ticker, graphite] = &self.plain;
        let [ticker, graphite] = [ticker.address() + "/ticker", graphite.address() + "/metrics"];
        Program::new(path.to_str().expect("a path in UTF-8"), &self.folder.0).args([
            "--floor",
            &ticker,
            &graphite,
            &self.folder.path("symbols"),
        ])
    }

    /// A shell script that does the same with curl and jq.
    fn shell(&self) -> Program {
        const JQ: &str = r#"($list | split("\n") | map({(.): true}) | add) as $watch | now | floor as $now
            | [$rows[] | select($watch[.symbol]) | .symbol as $s
               | (["last", .last], ["high", .high], ["low", .low], ["volume", .volume], ["vwap", .vwap])
               | {name: "ticker.\($s | gsub("/"; "-")).\(.[0])", value: .[1], time: $now, interval: 60}]"#;
        let [ticker, graphite] = self.plain.each_ref().map(Server::url);
        let script = format!(
            "curl -sS {ticker}/ticker | jq -c --rawfile list {} '. as $rows | {JQ}' | \
             curl -sS -H 'Content-Type: application/json' --data-binary @- {graphite}/metrics",
            self.folder.path("symbols")
        );
        Program::new("sh", &self.folder.0).args(["-c", &script])
    }
}

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("datametrics-bench-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a path in UTF-8").to_owned()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).expect("a file");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // If a temporary folder stays behind, that does not matter to the figures.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A config with one feed, which is made from the rows of the ticker.
fn config(ticker: &str, graphite: &str) -> String {
    format!(
        "[graphite]\nurl = '{graphite}/metrics'\n\
         [feeds.ticker]\nproviders = ['ticker']\nsymbols = ['none']\n\
         fields = ['last', 'high', 'low', 'volume', 'vwap']\n\
         [providers.ticker]\nmarket = 'other'\nbase_url = '{ticker}'\nmax_body = 33_554_432\n\
         [[providers.ticker.quote]]\npath = '/ticker'\nbatch = 0\nkey = '/symbol'\n\
         fields = {{ last = '/last', high = '/high', low = '/low', volume = '/volume', vwap = '/vwap' }}\n"
    )
}

fn print_table() {
    let has_shell = ["curl", "jq"].iter().all(|tool| measure::is_installed(tool));
    println!("wall and CPU in ms, memory in MiB, instructions in millions; x: times the floor's\n");
    println!("{:<34} {:<12} {}", "watched of served", "program", Cost::HEADER);
    for case in CASES {
        let bench = Bench::new(case);
        let mut programs = vec![("datametrics", bench.datametrics()), ("floor", bench.floor())];
        // With more rows jq takes minutes.
        if has_shell && case.rows <= 1_000 && case.setup == Setup::Plain {
            programs.push(("curl | jq", bench.shell()));
        }
        let costs = measure::costs(&programs.iter().map(|(_, program)| program).collect::<Vec<_>>());
        for ((name, _), cost) in programs.iter().zip(&costs) {
            let setup = match case.setup {
                Setup::Plain => "",
                Setup::Journal => ", with a journal",
                Setup::Tls => ", by https",
            };
            let title = format!("{} of {}{setup}", case.watched, case.rows);
            println!("{title:<34} {name:<12} {}", cost.line(&costs[1]));
        }
    }
    let version = Program::new(DATAMETRICS, Path::new("/")).args(["--version"]);
    if let Some(instructions) = version.instructions() {
        println!("--version: {:.2} M instructions", measure::millions(instructions));
    }
    let size = fs::metadata(DATAMETRICS).map_or(0, |meta| meta.len());
    println!("the binary: {size} bytes");
    if let Ok(rustc) = Command::new("rustc").arg("--version").output() {
        println!("{}", String::from_utf8_lossy(&rustc.stdout).trim());
    }
}

const DATAMETRICS: &str = env!("CARGO_BIN_EXE_datametrics");
/// The recorded counts, `watched of served: instructions` in each line.
const RECORD_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/oneshot/instructions.txt");

/// Counts the instructions of each recorded case. Its name is `watched of served`.
fn count_instructions() -> Vec<(String, u64)> {
    let count = |case: Case| {
        let instructions = Bench::new(case).datametrics().instructions().expect("valgrind is installed and counts");
        (format!("{} of {}", case.watched, case.rows), instructions)
    };
    RECORDED_CASES.map(count).into()
}

fn record() {
    let mut text = String::new();
    for (name, instructions) in count_instructions() {
        writeln!(text, "{name}: {instructions}").expect("a string can be written");
    }
    fs::write(RECORD_FILE, text).expect("the record can be written");
}

fn check() -> ExitCode {
    let recorded = fs::read_to_string(RECORD_FILE).expect("the record can be read");
    let mut code = ExitCode::SUCCESS;
    for (name, instructions) in count_instructions() {
        let line = recorded.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        let count: u64 = line.expect("every case is recorded").parse().expect("a number");
        let ratio = measure::millions(instructions) / measure::millions(count);
        println!("{name}: {instructions} instructions, {ratio:.3} of the recorded {count}");
        if ratio > MAX_RATIO {
            println!("more than {MAX_RATIO} of it: find out why, or `cargo bench -- --record` and say why");
            code = ExitCode::FAILURE;
        }
    }
    code
}
