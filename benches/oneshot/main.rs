//! What one run costs, beside a floor that does the same with bare sockets, and beside curl and jq.
//!
//! `cargo bench` prints the table. `cargo bench -- --check` holds the instructions of a run against
//! `instructions.txt`, with five per cent of slack, and `cargo bench -- --record` writes that file:
//! instructions are repeatable where times are not. Both need valgrind.

mod floor;
mod measure;
mod serve;

use measure::{Cost, Program};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

/// Rows that are served, symbols that are watched, and whether a journal is kept.
const CASES: [(usize, usize, bool); 6] = [
    (3, 3, false),
    (3, 3, true),
    (1_000, 1_000, false),
    (10_000, 10_000, false),
    (10_000, 10_000, true),
    (10_000, 3, false),
];
/// The cases whose instructions are recorded.
const RECORDED: [(usize, usize, bool); 3] = [(3, 3, false), (10_000, 10_000, false), (10_000, 3, false)];
/// By so much may a figure be higher than the recorded one.
const SLACK: f64 = 1.05;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--floor", ticker, graphite, symbols] => floor::run(ticker, graphite, symbols),
        ["--check"] => return check(),
        ["--record"] => record(),
        _ => table(),
    }
    ExitCode::SUCCESS
}

/// A case with everything that it needs.
struct Bench {
    server: serve::Server,
    folder: PathBuf,
    journal: bool,
}

impl Bench {
    fn new((rows, watched, journal): (usize, usize, bool)) -> Self {
        let folder =
            env::temp_dir().join(format!("datametrics-bench-{}-{rows}-{watched}-{journal}", std::process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        let symbols: String = (0..watched).fold(String::new(), |text, at| text + &serve::symbol(at) + "\n");
        fs::write(folder.join("symbols"), symbols).expect("a file");
        let server = serve::Server::start(rows);
        fs::write(folder.join("config.toml"), config(&server.url())).expect("a file");
        Self { server, folder, journal }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().expect("a path in UTF-8").to_owned()
    }

    /// The program that all this is about.
    fn datametrics(&self) -> Program {
        let program = Program::new(env!("CARGO_BIN_EXE_datametrics"), &self.folder)
            .args(["--feed", "ticker", "--symbols", "-", "--config", &self.path("config.toml")])
            .stdin(&self.folder.join("symbols"));
        if self.journal { program } else { program.args(["--no-journal"]) }
    }

    /// The same with sockets and serde_json, and nothing around them.
    fn floor(&self) -> Program {
        let own = env::current_exe().expect("the path of this program");
        let [ticker, graphite] = ["/ticker", "/metrics"].map(|path| self.server.address() + path);
        Program::new(own.to_str().expect("a path in UTF-8"), &self.folder).args([
            "--floor",
            &ticker,
            &graphite,
            &self.path("symbols"),
        ])
    }

    /// The same as a shell would do it.
    fn shell(&self) -> Program {
        const JQ: &str = r#"($list | split("\n") | map({(.): true}) | add) as $watch | now | floor as $now
            | [$rows[] | select($watch[.symbol]) | .symbol as $s
               | (["last", .last], ["high", .high], ["low", .low], ["volume", .volume], ["vwap", .vwap])
               | {name: "ticker.\($s | gsub("/"; "-")).\(.[0])", value: .[1], time: $now, interval: 60}]"#;
        let url = self.server.url();
        let script = format!(
            "curl -sS {url}/ticker | jq -c --rawfile list {} '. as $rows | {JQ}' | \
             curl -sS -H 'Content-Type: application/json' --data-binary @- {url}/metrics",
            self.path("symbols")
        );
        Program::new("sh", &self.folder).args(["-c", &script])
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // A folder that stays is no reason to fail.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn config(url: &str) -> String {
    format!(
        "[graphite]\nurl = '{url}/metrics'\n\
         [feeds.ticker]\nproviders = ['ticker']\nsymbols = ['none']\n\
         fields = ['last', 'high', 'low', 'volume', 'vwap']\n\
         [providers.ticker]\nmarket = 'other'\nbase_url = '{url}'\n\
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
        if has_shell && case.0 <= 1_000 {
            programs.push(("curl | jq", bench.shell()));
        }
        let costs = measure::in_turn(&programs.iter().map(|(_, program)| program).collect::<Vec<_>>());
        for ((name, _), cost) in programs.iter().zip(&costs) {
            let (rows, watched, journal) = case;
            let what = format!("{watched} of {rows}{}", if journal { ", with a journal" } else { "" });
            println!("{what:<34} {name:<12} {}", cost.line(&costs[1]));
        }
    }
    let version = Program::new(env!("CARGO_BIN_EXE_datametrics"), Path::new("/")).args(["--version"]);
    if let Some(instructions) = version.instructions() {
        println!("--version: {:.2} M instructions", measure::millions(instructions));
    }
    let size = fs::metadata(env!("CARGO_BIN_EXE_datametrics")).map_or(0, |meta| meta.len());
    println!("the binary: {size} bytes");
    if let Ok(rustc) = Command::new("rustc").arg("--version").output() {
        println!("{}", String::from_utf8_lossy(&rustc.stdout).trim());
    }
}

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/oneshot/instructions.txt");

/// `watched of served` and the instructions of each recorded case.
fn measured() -> Vec<(String, u64)> {
    let measure = |case: (usize, usize, bool)| {
        let instructions = Bench::new(case).datametrics().instructions().expect("valgrind is installed and counts");
        (format!("{} of {}", case.1, case.0), instructions)
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
