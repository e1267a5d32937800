//! What `datametrics check` finds, and what happens where nobody takes the data.

use super::scene::{Said, Scene, typed};
use crate::support::{Carbon, Datametrics, Dialect, Ingest, Received, Reply, Server, Verdict};
use Scene::Played;
use std::fs::File;

/// One provider and one feed.
fn world(server: &Server) -> Datametrics {
    let config = "[stocks]\nsymbols = []\n[crypto]\nsymbols = ['BTC']\nproviders = ['coinbase']\nfields = ['last']";
    Datametrics::new().config(config).provider("coinbase", server).args(["check", "--retries", "0"])
}

/// A check of it; the provider answers so, and this is typed in addition.
fn check(answer: fn(&Received) -> Reply, line: &str) -> Said {
    let (server, ingest) = (Server::with(answer), Ingest::start(Dialect::WriteProxy));
    Said::by(&typed(world(&server).graphite(&ingest), line))
}

fn price(_: &Received) -> Reply {
    Reply::json(r#"{"price":"5"}"#)
}

/// A check with Carbon at this URL.
fn carbon(url: impl FnOnce(&Carbon) -> String) -> Said {
    let (server, carbon) = (Server::with(price), Carbon::start());
    let run = world(&server).hide(carbon.authority(), "CARBON:2003");
    Said::by(&typed(run, "--timeout 5").env("GRAPHITE_URL", url(&carbon)))
}

/// What counts as a defect: the system refuses a thread, as its stack is to be larger than any memory.
fn defect(line: &str) -> Said {
    let run = typed(Datametrics::new().env("RUST_MIN_STACK", "1000000000000000"), line);
    let mut output = run.run();
    // Where it was is a place in the source, or in that of Rust.
    let place = output.stderr.split_once(" at ").zip(output.stderr.split_once("; please"));
    output.stderr = place.map_or_else(String::new, |((head, _), (_, tail))| format!("{head} at PLACE; please{tail}"));
    Said::of(&output)
}

pub(crate) const SCENES: &[Scene] = &[
    Played("all is well", || check(price, "")),
    Played("all is well, with Carbon", || carbon(Carbon::url)),
    Played("all is well, with Carbon's pickle", || carbon(Carbon::pickle_url)),
    Played("a field that somebody named is missing", || check(price, "--fields last,bid")),
    Played("no journal is wanted", || check(price, "--no-journal")),
    Played("no journal is wanted, and there is no place for one", || {
        let server = Server::with(price);
        Said::by(&typed(world(&server), "HOME= --no-journal"))
    }),
    Played("no Graphite, and no place for a journal", || {
        let server = Server::with(price);
        Said::by(&typed(world(&server), "HOME="))
    }),
    Played("the state directory is a file", || {
        let server = Server::with(price);
        let run = typed(world(&server), "DATAMETRICS_STATE_DIR=config.toml");
        Said::by(&run)
    }),
    Played("Graphite refuses the credentials", || {
        let (server, ingest) = (Server::with(price), Ingest::start(Dialect::WriteProxy));
        Said::by(&world(&server).graphite(&ingest).env("GRAPHITE_PASSWORD", "wrong"))
    }),
    Played("Graphite answers 500", || {
        let server = Server::with(price);
        let ingest = Ingest::deciding(Dialect::WriteProxy, |_| Verdict::Refuse(Reply::text(500, "ill")));
        Said::by(&world(&server).graphite(&ingest))
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
        Said::by(&run.args(["check"]))
    }),
    Played("no thread can be had", || defect("check")),
];

pub(crate) const DEFECTS: &[Scene] = &[
    Played("no thread can be had for two feeds", || defect("all --dry-run")),
    Played("no thread can be had for two requests", || defect("crypto BTC ETH --provider coinbase --dry-run")),
];

pub(crate) const OUTPUT: &[Scene] = &[
    Played("a full disk", || {
        let run = typed(Datametrics::new(), "providers kraken");
        let mut command = run.command();
        command.stdout(File::options().write(true).open("/dev/full").expect("a device"));
        Said::of_command(&run, command)
    }),
    Played("a full disk, for help", || {
        let run = typed(Datametrics::new(), "--help");
        let mut command = run.command();
        command.stdout(File::options().write(true).open("/dev/full").expect("a device"));
        Said::of_command(&run, command)
    }),
];
