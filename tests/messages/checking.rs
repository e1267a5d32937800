//! The findings of `datametrics check`, limits of the machine, and failures of standard output.

use super::scene::{Observed, Scene, typed};
use crate::support::{
    Broker, Carbon, Datametrics, Dialect, Ingest, Received, Reply, Server, Verdict,
    journal::Journal,
    limit::{with_file_size, with_open_files},
};
use Scene::Played;
use std::fs::{self, File};

/// A check of one feed with one provider.
fn check_run(server: &Server) -> Datametrics {
    let config = "[stocks]\nsymbols = []\n[crypto]\nsymbols = ['BTC']\nproviders = ['coinbase']\nfields = ['last']";
    Datametrics::new().config(config).provider("coinbase", server).args(["check", "--retries", "0"])
}

/// A check with these further arguments; the provider replies with `answer`.
fn check(answer: fn(&Received) -> Reply, line: &str) -> Observed {
    let (server, ingest) = (Server::with(answer), Ingest::start(Dialect::WriteProxy));
    Observed::of_run(&typed(check_run(&server).graphite(&ingest), line))
}

fn price(_: &Received) -> Reply {
    Reply::json(r#"{"price":"5"}"#)
}

/// A check with Carbon at this URL.
fn carbon(url: impl FnOnce(&Carbon) -> String) -> Observed {
    let (server, carbon) = (Server::with(price), Carbon::start());
    let run = check_run(&server).hide(carbon.authority(), "CARBON:2003");
    Observed::of_run(&typed(run, "--timeout 5").env("GRAPHITE_URL", url(&carbon)))
}

/// No thread can be had, as its stack would be larger than any memory.
fn without_threads(line: &str) -> Observed {
    let run = Datametrics::new().env("RUST_MIN_STACK", "1000000000000000").env("HTTPS_PROXY", "http://127.0.0.1:9");
    Observed::of_run(&typed(run, line))
}

pub(crate) const SCENES: &[Scene] = &[
    Played("all is well", || check(price, "")),
    Played("all is well, with Carbon", || carbon(Carbon::url)),
    Played("all is well, with Carbon's pickle", || carbon(Carbon::pickle_url)),
    Played("all is well, with a broker", || {
        let (server, broker) = (Server::with(price), Broker::start());
        let run = check_run(&server).hide(broker.authority(), "BROKER:5672").env("GRAPHITE_URL", broker.url());
        Observed::of_run(&typed(run, "--timeout 5"))
    }),
    Played("a field that somebody named is missing", || check(price, "--fields last,bid")),
    Played("no journal is wanted", || check(price, "--no-journal")),
    Played("no journal is wanted, and there is no place for one", || {
        let server = Server::with(price);
        Observed::of_run(&typed(check_run(&server), "HOME= --no-journal"))
    }),
    Played("no Graphite, and no place for a journal", || {
        let server = Server::with(price);
        Observed::of_run(&typed(check_run(&server), "HOME="))
    }),
    Played("a mirror, and points wait for it", || {
        let (server, ingest, carbon) = (Server::with(price), Ingest::start(Dialect::WriteProxy), Carbon::start());
        let config = fs::read_to_string(check_run(&server).home().join("config.toml")).expect("a file");
        let run = Datametrics::new().config(&format!("[mirrors.cellar]\nurl = '{}'\n{config}", carbon.url()));
        let run = run.provider("coinbase", &server).graphite(&ingest).hide(carbon.authority(), "CARBON:2003");
        Journal::of(&run).plant_for(&carbon.url(), 60, &["a.b"]);
        Observed::of_run(&run.args(["check"]))
    }),
    Played("points wait for another Graphite", || {
        let (server, ingest) = (Server::with(price), Ingest::start(Dialect::WriteProxy));
        let run = check_run(&server).graphite(&ingest);
        Journal::of(&run).plant(60, &["a.b"]);
        Journal::of(&run).plant_for("tcp://old.example:2003", 60, &["a.c", "a.d"]);
        Observed::of_run(&run)
    }),
    Played("another run holds the lock", || {
        let (server, ingest) = (Server::with(price), Ingest::start(Dialect::WriteProxy));
        let run = check_run(&server).graphite(&ingest).args(["--timeout", "1"]);
        let _lock = Journal::of(&run).lock();
        Observed::of_run(&run)
    }),
    Played("the lock is a folder", || {
        let (server, ingest) = (Server::with(price), Ingest::start(Dialect::WriteProxy));
        let run = check_run(&server).graphite(&ingest);
        fs::create_dir_all(run.state_dir().join("lock")).expect("a folder");
        Observed::of_run(&run)
    }),
    Played("the state directory is a file", || {
        let server = Server::with(price);
        let run = typed(check_run(&server), "DATAMETRICS_STATE_DIR=config.toml");
        Observed::of_run(&run)
    }),
    Played("Graphite refuses the credentials", || {
        let (server, ingest) = (Server::with(price), Ingest::start(Dialect::WriteProxy));
        Observed::of_run(&check_run(&server).graphite(&ingest).env("GRAPHITE_PASSWORD", "wrong"))
    }),
    Played("Graphite answers 500", || {
        let server = Server::with(price);
        let ingest = Ingest::deciding(Dialect::WriteProxy, |_| Verdict::Refuse(Reply::text(500, "ill")));
        Observed::of_run(&check_run(&server).graphite(&ingest))
    }),
    Played("the provider answers 503", || check(|_| Reply::status(503), "")),
    Played("a provider lacks its key", || {
        check(price, "DATAMETRICS_STOCKS_SYMBOLS=AAPL DATAMETRICS_STOCKS_PROVIDERS=finnhub")
    }),
    Played("no symbol is in the shard", || check(price, "--shard 0/1000000")),
    Played("the provider was asked a moment ago", || {
        let (server, ingest) = (Server::with(price), Ingest::start(Dialect::WriteProxy));
        let run = Datametrics::new().config("[stocks]\nsymbols = []\n[providers.coinbase]\nmin_interval = 3600");
        let run = run.provider("coinbase", &server).graphite(&ingest).args(["--provider", "coinbase"]);
        let run = run.env("DATAMETRICS_CRYPTO_SYMBOLS", "BTC").env("DATAMETRICS_CRYPTO_FIELDS", "last");
        assert_eq!(run.clone().args(["all"]).run().code, Some(0));
        Observed::of_run(&run.args(["check"]))
    }),
];

pub(crate) const MACHINE: &[Scene] = &[
    Played("no thread can be had", || without_threads("crypto BTC ETH --provider coinbase --dry-run --retries 0")),
    Played("no file may be written", || {
        let (server, ingest) = (Server::with(price), Ingest::start(Dialect::WriteProxy));
        let run = check_run(&server).graphite(&ingest);
        Observed::of_run(&with_file_size(run, 0))
    }),
    Played("no file may be written, and points are printed into one", || {
        let run = typed(Datametrics::new(), "providers kraken");
        Observed::of_run(&with_file_size(run, 0).started_by(["sh", "-c", "exec \"$0\" \"$@\" > file"]))
    }),
    Played("4 files may be open, and one is the connection to another provider", || {
        let (first, second) = (Server::with(|_| Reply::json(r#"{"error":[],"result":{}}"#)), Server::start());
        let run =
            typed(Datametrics::new(), "crypto BTC --provider kraken,coinbase --fields last --retries 0 --dry-run");
        Observed::of_run(&with_open_files(run.provider("kraken", &first).provider("coinbase", &second), 4))
    }),
];

pub(crate) const OUTPUT: &[Scene] = &[
    Played("a full disk", || {
        let run = typed(Datametrics::new(), "providers kraken");
        let mut command = run.command();
        command.stdout(File::options().write(true).open("/dev/full").expect("a device"));
        Observed::of_command(&run, command)
    }),
    Played("a full disk, for help", || {
        let run = typed(Datametrics::new(), "--help");
        let mut command = run.command();
        command.stdout(File::options().write(true).open("/dev/full").expect("a device"));
        Observed::of_command(&run, command)
    }),
];
