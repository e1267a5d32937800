//! Errors on the command line.

use super::scene::{Observed, Scene, typed};
use crate::support::Datametrics;
use Scene::{Both, Played, Typed};

pub(crate) const SCENES: &[Scene] = &[
    Typed("stoks"),
    Typed("fx"),
    Typed("grafana fx"),
    Typed("help fx"),
    Typed("grafana dashbord"),
    Typed("all --dry-rum"),
    Typed("all now"),
    Typed("--dry-run"),
    Typed("--feed fx all"),
    Typed("all -q -v"),
    Typed("all --interval"),
    Typed("all --dry-run=yes"),
    Typed("grafana alerts"),
    Typed("grafana alerts --datasource ''"),
    Typed("grafana alerts --datasource uid --format fil"),
    Typed("grafana alerts --datasource uid --format json"),
    Typed("--format json grafana alerts --datasource uid"),
    Typed("check --format json"),
    Typed("all --format xml"),
    Typed("check --dry-run"),
    Typed("all"),
    Typed("--feed stoks"),
    Both("--feed fxx", "[feeds.fx]"),
    Typed("--feed zzz"),
    Typed("providers krakn"),
    Typed("providers --reply reply.json"),
    Typed("providers kraken BTC/USD"),
    Typed("providers kraken --reply reply.json BTC/USD"),
    Typed("providers kraken --reply -"),
    Typed("providers 'my own' --reply -"),
    Played("`providers own --reply -` of no JSON", || replied(&["own"], "no JSON")),
    Typed("init --user glc_s3same"),
    Played("`providers frankfurter --reply - EUR` of an empty object", || replied(&["frankfurter", "EUR"], "{}")),
    Played("`providers kraken --reply - BTC/USD ETH/USD` of one pair", || {
        replied(&["kraken", "BTC/USD", "ETH/USD"], r#"{"error":["busy"],"result":{"XXBTZUSD":{"c":["5","1"]}}}"#)
    }),
    Typed("crypto --provider krakn"),
    Typed("crypto --provider kraken,zzz"),
    Typed("crypto --provider yahoo"),
    Typed("crypto --provider ,"),
    Typed("crypto --fields last,hihg --dry-run"),
    Typed("crypto --fields previous_close --dry-run"),
    Typed("crypto --fields ,"),
    Typed("crypto --symbols ,"),
    Typed("crypto BTC --symbols ETH"),
    Typed("all --symbols BTC"),
    Typed("crypto BTCUSDT --dry-run"),
    Typed("crypto bitcoin --dry-run"),
    Typed("crypto bitcoin/eur --dry-run"),
    Typed("stocks AAPL;MSFT --dry-run"),
    Typed("all --config gone.toml"),
    Played("`all`, and the config is where none is looked for", || {
        let run = Datametrics::new().config("[graphite]\nurl = 'tcp://carbon.example'");
        let other = Datametrics::new().env("HOME", run.home()).args(["all"]);
        std::fs::rename(run.home().join("config.toml"), run.home().join(".datametrics.toml")).expect("a file");
        Observed::of_run(&other.hide(run.home().to_str().expect("a path"), "<home>"))
    }),
    Both("all", "[crypto]"),
    Typed("HOME= init"),
    Typed("init --graphite-url https://u:s3same@graphite.example/metrics"),
    Typed("init --graphite-url tcp://carbon.example --user 1"),
    Typed("init --config /proc/x/y.toml"),
    Played("`init --config config.toml`, and there is one", || {
        Observed::of_run(&typed(Datametrics::new().config(""), "init"))
    }),
    Played("`init` for a file whose name is not UTF-8", || {
        let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff.toml");
        Observed::of_run(&Datametrics::new().args(["init"]).env("DATAMETRICS_CONFIG", name))
    }),
    Played("standard input is a folder", || {
        let run = typed(Datametrics::new(), "stocks - --dry-run");
        let mut command = run.command();
        command.stdin(std::fs::File::open(run.home()).expect("a folder"));
        Observed::of_command(&run, command)
    }),
    Played("standard input has no end", || {
        let run = typed(Datametrics::new(), "stocks - --dry-run");
        let mut command = run.command();
        command.stdin(std::fs::File::open("/dev/zero").expect("a device"));
        Observed::of_command(&run, command)
    }),
    Played("standard input is empty", || Observed::of_run(&typed(Datametrics::new().stdin("# none\n"), "stocks -"))),
    Played("standard input has a bad symbol", || {
        Observed::of_run(&typed(Datametrics::new().stdin("A\nB C\n"), "stocks -"))
    }),
];

pub(crate) const VALUES: &[Scene] = &[
    Typed("all --interval 0"),
    Typed("all --timeout soon --dry-run"),
    Typed("all --retries 101 --dry-run"),
    Typed("all --market-hours noon"),
    Typed("all --market-hours regulr"),
    Typed("all --shard 4/4"),
    Typed("all --shard 0/0"),
    Typed("all --shard 1of4"),
    Typed("all --prefix 'a b'"),
    Typed("all --prefix a..b"),
    Typed("all --graphite-url graphite.example"),
    Typed("all --graphite-url tcp://graphite.example:99999"),
    Typed("all --graphite-url udp://graphite.example"),
    Typed("all --graphite-url htps://graphite.example"),
    Typed("all --graphite-url tcp://graphite.example/metrics"),
    Typed("all --graphite-url tcp://me:s3same@carbon.example"),
    Typed("all --graphite-url amqp://broker.example/a/b"),
    Typed("all --graphite-url amqp://broker.example/?exchange="),
    Typed("all --graphite-url amqp://broker.example/?names=key"),
    Typed("all --graphite-url amqp://broker.example/?exchnage=graphite"),
    Typed("all --graphite-url amqp://user:s3same@broker.example"),
    Typed("all --graphite-url https://graphite.example/graphite"),
    Typed("all --graphite-url https://graphite.example/x"),
    Typed("all --graphite-url https://prometheus-prod-01-eu-west-0.grafana.net/api/prom/push"),
    Typed("all --graphite-url https://influx.example/api/v1/push/influx/write"),
    Typed("all --graphite-url https://loki.example/loki/api/v1/push"),
    Typed("all --graphite-url https://otlp-gateway-prod-eu-west-2.grafana.net/otlp"),
    Typed("all --graphite-url https://home.grafana.net/d/abc"),
    Typed("all --graphite-url https://graphite.grafana.net/graphite/metrics"),
    Typed("all --graphite-url http://user:s3same@graphite.example/metrics"),
    Typed("all --ping-url monitor.example"),
    Typed("all --ping-url ftp://monitor.example"),
    Typed("all --ping-url http://user:s3same@monitor.example"),
    Typed("all --ping-url ''"),
    Typed("all --ping-url 'https://monitor.example/push/s3same?status={state}'"),
];

/// The definition of the first of these, tried on a reply to a request for the others.
fn replied(names: &[&str], body: &str) -> Observed {
    let run = Datametrics::new().args(["providers", "--reply", "-"]).args(names).stdin(body);
    Observed::of_run(&run)
}
