//! Runs on loopback: a ticker with rows, of which some are watched.

use super::folder::Folder;
use super::measure::Program;
use super::server::{self, Answers, Server, Tls};
use super::{DATAMETRICS, traffic::Traffic};
use std::env;
use std::sync::Arc;

/// A run that is measured.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    /// How many rows the ticker serves.
    pub(crate) rows: usize,
    /// How many symbols the run watches.
    pub(crate) watched: usize,
    pub(crate) setup: Setup,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Setup {
    /// HTTP, and no journal.
    Plain,
    /// HTTP, and a journal.
    Journal,
    /// HTTPS, and no journal.
    Tls,
}

pub(crate) const fn case(rows: usize, watched: usize, setup: Setup) -> Case {
    Case { rows, watched, setup }
}

/// A case with its servers and files.
pub(crate) struct Bench {
    /// A ticker and a Graphite that speak plain HTTP, for the floor and curl. They are two servers
    /// because real ones are, too.
    plain: [Server; 2],
    /// What runs of datametrics ask.
    pub(crate) traffic: Arc<Traffic>,
    folder: Folder,
    setup: Setup,
}

impl Bench {
    pub(crate) fn new(case: Case) -> Self {
        let folder = Folder::new();
        let symbols: String = (0..case.watched).fold(String::new(), |text, index| text + &server::symbol(index) + "\n");
        folder.write("symbols", &symbols);
        let traffic = Arc::default();
        let tls = (case.setup == Setup::Tls).then(|| Tls::new(vec!["127.0.0.1".to_owned()]));
        let listen = |rows| {
            let answers = Answers { rows, ..Answers::default() };
            Server::listen("127.0.0.1:0", answers, tls.as_ref(), Arc::clone(&traffic))
        };
        let [ticker, graphite] = [listen(case.rows), listen(0)];
        folder.write("config.toml", &config(&ticker.url(), &graphite.url()));
        folder.write("roots.pem", tls.as_ref().map_or("", |tls| &tls.certificate));
        let plain = [Server::start(case.rows), Server::start(0)];
        Self { plain, traffic, folder, setup: case.setup }
    }

    /// A run of datametrics.
    pub(crate) fn datametrics(&self) -> Program {
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
    pub(crate) fn floor(&self) -> Program {
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
    pub(crate) fn shell(&self) -> Program {
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
