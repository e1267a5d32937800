//! What one run costs, beside a floor that does the same with bare sockets, and beside curl and jq.
//!
//! `cargo bench` prints the table. `cargo bench -- --check` holds the instructions of a run against
//! `instructions.txt`, with five per cent of slack, and `cargo bench -- --record` writes that file:
//! instructions are repeatable where times are not. Both need valgrind.

mod floor;
mod measure;
mod serve;
mod waits;

use measure::{Cost, Program};
use serve::Server;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs};

/// A run that is measured.
#[derive(Clone, Copy)]
struct Case {
    /// Rows that are served.
    rows: usize,
    /// Symbols that are watched.
    watched: usize,
    way: Way,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// By HTTP and without a journal.
    Plain,
    /// With a journal.
    Journal,
    /// By HTTPS.
    Tls,
}

const fn case(rows: usize, watched: usize, way: Way) -> Case {
    Case { rows, watched, way }
}

const CASES: [Case; 8] = [
    case(3, 3, Way::Plain),
    case(3, 3, Way::Journal),
    case(3, 3, Way::Tls),
    case(1_000, 1_000, Way::Plain),
    case(10_000, 10_000, Way::Plain),
    case(10_000, 10_000, Way::Journal),
    case(10_000, 3, Way::Plain),
    case(100_000, 100_000, Way::Plain),
];
/// The cases whose instructions are recorded.
const RECORDED: [Case; 3] = [case(3, 3, Way::Plain), case(10_000, 10_000, Way::Plain), case(10_000, 3, Way::Plain)];
/// By so much may a figure be higher than the recorded one.
const SLACK: f64 = 1.05;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--floor", ticker, graphite, symbols] => floor::run(ticker, graphite, symbols),
        ["--check"] => return check(),
        ["--record"] => record(),
        _ => {
            table();
            waits::table();
        }
    }
    ExitCode::SUCCESS
}

/// A case with everything that it needs.
struct Bench {
    /// Two servers, as ticker and Graphite are in life, that speak plain HTTP, as the floor and curl need it.
    plain: [Server; 2],
    folder: Folder,
    way: Way,
}

/// A temporary folder.
struct Folder(PathBuf);

impl Bench {
    fn new(case: Case) -> Self {
        let folder = Folder::new();
        let symbols: String = (0..case.watched).fold(String::new(), |text, at| text + &serve::symbol(at) + "\n");
        folder.write("symbols", &symbols);
        let start = if case.way == Way::Tls { Server::start_tls } else { Server::start };
        let [ticker, graphite] = [start(case.rows), start(0)];
        folder.write("config.toml", &config(&ticker.url(), &graphite.url()));
        folder.write("roots.pem", &[&ticker, &graphite].map(|server| server.certificate.as_str()).concat());
        let plain = [Server::start(case.rows), Server::start(0)];
        Self { plain, folder, way: case.way }
    }

    /// The program that all this is about.
    fn datametrics(&self) -> Program {
        let program = Program::new(DATAMETRICS, &self.folder.0)
            .args(["--feed", "ticker", "--symbols", "-", "--config", &self.folder.path("config.toml")])
            .stdin(&self.folder.0.join("symbols"));
        match self.way {
            Way::Journal => program,
            Way::Plain => program.args(["--no-journal"]),
            Way::Tls => program.args(["--no-journal"]).trusts(&self.folder.0.join("roots.pem")),
        }
    }

    /// The same with sockets and serde_json, and nothing around them.
    fn floor(&self) -> Program {
        let own = env::current_exe().expect("the path of this program");
        let [ticker, graphite] = &self.plain;
        let [ticker, graphite] = [ticker.address() + "/ticker", graphite.address() + "/metrics"];
        Program::new(own.to_str().expect("a path in UTF-8"), &self.folder.0).args([
            "--floor",
            &ticker,
            &graphite,
            &self.folder.path("symbols"),
        ])
    }

    /// The same as a shell would do it.
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
        // One that stays is no reason to fail.
        let _ = fs::remove_dir_all(&self.0);
    }
}

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

fn table() {
    let has_shell = ["curl", "jq"].iter().all(|tool| measure::is_installed(tool));
    println!("wall and CPU in ms, memory in MiB, instructions in millions; x: times the floor's\n");
    println!("{:<34} {:<12} {}", "watched of served", "program", Cost::HEAD);
    for case in CASES {
        let bench = Bench::new(case);
        let mut programs = vec![("datametrics", bench.datametrics()), ("floor", bench.floor())];
        // With more it takes minutes.
        if has_shell && case.rows <= 1_000 && case.way == Way::Plain {
            programs.push(("curl | jq", bench.shell()));
        }
        let costs = measure::in_turn(&programs.iter().map(|(_, program)| program).collect::<Vec<_>>());
        for ((name, _), cost) in programs.iter().zip(&costs) {
            let way = match case.way {
                Way::Plain => "",
                Way::Journal => ", with a journal",
                Way::Tls => ", by https",
            };
            let what = format!("{} of {}{way}", case.watched, case.rows);
            println!("{what:<34} {name:<12} {}", cost.line(&costs[1]));
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
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/oneshot/instructions.txt");

/// `watched of served` and the instructions of each recorded case.
fn measured() -> Vec<(String, u64)> {
    let measure = |case: Case| {
        let instructions = Bench::new(case).datametrics().instructions().expect("valgrind is installed and counts");
        (format!("{} of {}", case.watched, case.rows), instructions)
    };
    RECORDED.map(measure).into()
}

fn record() {
    let mut text = String::new();
    for (name, instructions) in measured() {
        writeln!(text, "{name}: {instructions}").expect("memory takes all");
    }
    fs::write(FILE, text).expect("the file of the figures");
}

fn check() -> ExitCode {
    let recorded = fs::read_to_string(FILE).expect("the file of the figures");
    let mut code = ExitCode::SUCCESS;
    for (name, instructions) in measured() {
        let line = recorded.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        let limit: f64 = line.expect("a figure of every case").parse().expect("a number");
        let ratio = measure::millions(instructions) * 1e6 / limit;
        println!("{name}: {instructions} instructions, {ratio:.3} of the recorded {limit}");
        if ratio > SLACK {
            println!("more than {SLACK} of it: find out why, or `cargo bench -- --record` and say why");
            code = ExitCode::FAILURE;
        }
    }
    code
}
