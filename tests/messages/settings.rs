//! Errors in the config file, in variables, and in the files that they name.

use super::scene::{Observed, Scene, typed};
use crate::support::{Datametrics, limit::make_pipe, tls::Certificate};
use Scene::{Both, Config, Played, Typed};
use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _, os::unix::fs::PermissionsExt as _};

/// A run with files in its home.
fn with_files(files: &[(&str, &[u8])], line: &str) -> Observed {
    let run = typed(Datametrics::new(), line);
    for (name, bytes) in files {
        fs::write(run.home().join(name), bytes).expect("a file");
    }
    Observed::of_run(&run)
}

pub(crate) const SCENES: &[Scene] = &[
    Config("[graphite\nurl = 'tcp://h'"),
    Config("[graphite]\nprefix = 'a'\nprefix = 'b'"),
    Config("[graphit]"),
    Config("[graphite]\nurll = 'tcp://h'"),
    Config("[graphite]\nzzz = 1"),
    Config("[journal]\ninterval = 60"),
    Config("timeout = 30"),
    Both("--timeout 5 --dry-run crypto", "[graphite]\nurl = 'tcp://h'\nlinger = 3"),
    Both("crypto --shard 0/1000000 --dry-run", "[graphite]\nurl = 'https://h/metrics'\nlinger = 3"),
    Both("crypto --shard 0/1000000 --dry-run", "[graphite]\nurl = 'tcp://h'\nuser = 'u'"),
    Config("[mirrors.cellar]\nlinger = 2"),
    Config("[mirrors.cellar]\nurl = 'tcp://h'\nprefix = 'a'"),
    Config("[mirrors.'my cellar']\nurl = 'tcp://h'"),
    Config("[mirrors.a-b]\nurl = 'tcp://h'\n[mirrors.a_b]\nurl = 'tcp://i'"),
    Config("[mirror.cellar]\nurl = 'tcp://h'"),
    Both("all", "[mirrors.cellar]\nurl = 'https://h/metrics'\nuser = 'u'"),
    Both("--graphite-url tcp://h --dry-run crypto", "[mirrors.cellar]\nurl = 'tcp://h:2003'"),
    Both("--graphite-url tcp://h --dry-run crypto", "[mirrors.cellar]\nurl = 'tcp://i'\nformerly = ['tcp://h']"),
    Both(
        "--graphite-url tcp://h --dry-run crypto",
        "[graphite]\nformerly = ['tcp://i']\n[mirrors.cellar]\nurl = 'tcp://i'",
    ),
    Both(
        "--graphite-url tcp://h --dry-run crypto",
        "[graphite]\nformerly = ['tcp://o']\n[mirrors.cellar]\nurl = 'tcp://i'\nformerly = ['tcp://o']",
    ),
    Config("colour = 'red'"),
    Config("graphite = 'tcp://h'"),
    Config("[graphite]\nurl = 7"),
    Config("[graphite]\nurl = 'graphite.example'"),
    Config("[graphite]\nallow_plaintext_credentials = 'yes'"),
    Config("[graphite]\nformerly = 'tcp://old.example'"),
    Config("[graphite]\nformerly = ['old.example:2003']"),
    Config("[graphite]\nformerly = ['tpc://old.example']"),
    Config("[graphite]\nformerly = ['amqp://old.example/%ff']"),
    Config("[graphite]\nprefix = true"),
    Config("[graphite]\nprefix = 2027-01-05"),
    Config("[graphite]\nprefix = ['a', 'b']"),
    Config("[graphite]\ninterval = 0.5"),
    Config("[journal]\nmax_bytes = 0"),
    Config("[graphite]\nprefix = '.home'"),
    Config("[graphite]\nnames = '{feed}.{symbol}.{feild}'"),
    Config("[graphite]\nnames = '{feed}.{symbol}.{field'"),
    Config("[graphite]\nnames = '{feed}.{symbol}'"),
    Config("[graphite]\nnames = 'metrics.{feed}.{symbol}.{field}'"),
    Config("[graphite]\ntags = { 'a b' = 'c' }"),
    Config("[graphite]\ntags = { name = 'c' }"),
    Config("[graphite]\ntags = { env = 'my home' }"),
    Config("[crypto]\nsymbols = 'BTC'"),
    Config("[crypto]\ncurrency = 'EUR/USD'"),
    Config("[stocks]\nmarket_hours = 'reglar'"),
    Config("[stocks]\nclosed = ['5 January']"),
    Config("[crypto]\nmarket_hours = 'regular'"),
    Config("[feeds.all]"),
    Config("[feeds.crypto-0]"),
    Config("[feeds.a]\n[feeds.b]\n[feeds.a-b]"),
    Config("[feeds.all-0]"),
    Config("[feeds.'my feed']"),
    Config("[providers.krakn]\nper_second = 1"),
    Config("[providers.zzz]\nper_second = 1"),
    Config("[[alert]]\nabove = 5"),
    Config("[[alert]]\nsymbol = 'BTC'"),
    Config("[[alert]]\nsymbol = 'BTC'\nabove = 'much'"),
    Config("[[alert]]\nsymbol = 'BTC'\nchange_percent_1h = 0"),
    Config("[[alert]]\nsymbol = 'BTC'\nfield = '24h'\nabove = 5"),
    Config("[[alert]]\nsymbol = 'BTC'\nabov = 5"),
    Config("[alert]\nsymbol = 'BTC'\nabove = 5"),
    Both("grafana alerts --datasource uid", "[[alert]]\nsymbol = 'XYZ'\nabove = 5"),
    Both("grafana alerts --datasource uid", "[[alert]]\nsymbol = 'ripple'\nabove = 5"),
    Both("grafana alerts --datasource uid", "[crypto]\nfields = ['high']\n[[alert]]\nsymbol = 'BTC'\nabove = 5"),
    Typed("DATAMETRICS_INTERVAL=minute all"),
    Typed("DATAMETRICS_CONFIG=gone.toml all"),
    Typed("DATAMETRICS_CRYPTO_PROVIDERS=krakn crypto --dry-run"),
    Typed("DATAMETRICS_MARKET_HOURS=noon stocks --dry-run"),
    Typed("DATAMETRICS_KRAKEN_BASE_URL=ftp://kraken.example crypto --dry-run"),
    Typed("HTTPS_PROXY=socks5://proxy.example crypto --dry-run"),
    Typed("SSL_CERT_FILE=gone.pem crypto --dry-run"),
    Played("`SSL_CERT_FILE` names a file that is no certificate", || {
        with_files(&[("x.pem", b"no certificate")], "SSL_CERT_FILE=x.pem crypto --dry-run")
    }),
    Played("a variable that is no UTF-8", || {
        let run = Datametrics::new().args(["all"]);
        Observed::of_run(&run.env("DATAMETRICS_PREFIX", OsStr::from_bytes(b"\xff")))
    }),
    Played("the user's config file is a folder", || {
        let run = Datametrics::new().args(["all", "--dry-run"]);
        fs::create_dir_all(run.home().join(".config/datametrics/config.toml")).expect("a folder");
        Observed::of_run(&run)
    }),
    Played("a config file that is no UTF-8", || {
        with_files(&[("x.toml", b"\xff")], "DATAMETRICS_CONFIG=x.toml all --dry-run")
    }),
];

fn readable_by_others(config: &str) -> Observed {
    let run = Datametrics::new().config(config);
    let config = run.home().join("config.toml");
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).expect("a file of ours");
    Observed::of_run(&typed(run, "crypto --shard 0/1000000 --retries 0"))
}

/// A run whose certificate and key are these texts.
fn known_by(certificate: &str, key: &str) -> Observed {
    let config = "graphite = { url = 'tls://graphite.example', client_cert = 'me.pem', client_key = 'me.key' }";
    let run = Datametrics::new().config(config);
    fs::write(run.home().join("me.pem"), certificate).expect("a file");
    fs::write(run.home().join("me.key"), key).expect("a file");
    Observed::of_run(&typed(run, "crypto"))
}

pub(crate) const SECRETS: &[Scene] = &[
    Both("all", "[graphite]\nurl = 'tls://graphite.example'\nclient_cert = 'me.pem'"),
    Both("all", "[graphite]\nurl = 'tls://graphite.example'\nclient_key = 'me.key'"),
    Played("a certificate of ours that is none", || known_by("nothing", "nothing")),
    Played("a key of ours that is none", || known_by(&Certificate::make_client_pem()[0], "nothing")),
    Played("a key of ours that is of another certificate", || {
        known_by(&Certificate::make_client_pem()[0], &Certificate::make_client_pem()[1])
    }),
    Played("a certificate of ours that nobody would see", || {
        let [certificate, key, _] = Certificate::make_client_pem();
        let run = Datametrics::new().config("graphite = { client_cert = 'me.pem', client_key = 'me.key' }");
        fs::write(run.home().join("me.pem"), certificate).expect("a file");
        fs::write(run.home().join("me.key"), key).expect("a file");
        Observed::of_run(&typed(run, "GRAPHITE_URL=tcp://graphite.example crypto"))
    }),
    Both("GRAPHITE_USER=1 all", "[graphite]\nurl = 'https://graphite.example/metrics'"),
    Both("GRAPHITE_PASSWORD=s3same all", "[graphite]\nurl = 'https://graphite.example/metrics'"),
    Typed("GRAPHITE_PASSWORD=s3same GRAPHITE_PASSWORD_FILE=y all"),
    Typed("GRAPHITE_PASSWORD_FILE=gone all"),
    Played("a file of a secret that is a pipe, and nobody writes", || {
        let run = typed(Datametrics::new(), "GRAPHITE_PASSWORD_FILE=pipe all --timeout 1");
        make_pipe(&run.home().join("pipe"));
        Observed::of_run(&run)
    }),
    Typed("GRAPHITE_PASSWORD_FILE=/dev/zero all"),
    Played("a file of a secret that is empty", || with_files(&[("x", b"\n")], "GRAPHITE_PASSWORD_FILE=x all")),
    Played("a file of a secret that has two lines", || {
        with_files(&[("x", b"s3same\ns3same\n")], "GRAPHITE_PASSWORD_FILE=x all")
    }),
    Played("a credential of systemd that cannot be read", || {
        let run = typed(Datametrics::new(), "CREDENTIALS_DIRECTORY=c GRAPHITE_USER=1 all");
        fs::create_dir_all(run.home().join("c/graphite_password")).expect("a folder");
        Observed::of_run(&run)
    }),
    Both("all", "[graphite]\nuser = '1'\npassword = 's3same'\npassword_file = 'y'"),
    Both("all", "[graphite]\nuser = '1'\npassword = ''"),
    Both("all", "[graphite]\nuser = '1'\npassword_file = 'gone'"),
    Both("all", "[graphite]\npassword = 7"),
    Config("[graphite]\nheaders = { Host = 'x' }"),
    Config("[graphite]\nheaders = { A = 'x', a = 'x' }"),
    Config("[graphite]\nheaders = { A = '{option:feed}' }"),
    Both("all", "[graphite]\nheaders = { A = '{secret:MIMIR_TOKEN}' }"),
    Config("[graphite]\nurl = 'tcp://carbon.example'\nheaders = { A = 'x' }"),
    Config(
        "[graphite]\nurl = 'https://u:s3same@graphite.example/metrics'\nheaders = { Authorization = 'Bearer s3same' }",
    ),
    Both("T=s3same crypto", "[graphite]\nurl = 'http://graphite.example/metrics'\nheaders = { A = '{secret:T}' }"),
    Both(
        "crypto --shard 0/1000000 --dry-run",
        "[graphite]\nurl = 'http://graphite.example/metrics'\nheaders = { X-Api-Key = 'literal' }",
    ),
    Typed("GRAPHITE_USER=1 GRAPHITE_PASSWORD=\"s3same\" all"),
    Typed("GRAPHITE_USER=1 'GRAPHITE_PASSWORD=s3same ' all"),
    Typed("GRAPHITE_USER=1 'GRAPHITE_PASSWORD=Bearer s3same' all"),
    Typed("GRAPHITE_USER=1 GRAPHITE_PASSWORD=1:s3same all"),
    Typed("GRAPHITE_USER=glc_s3same GRAPHITE_PASSWORD=1 all"),
    Typed("GRAPHITE_USER=1 'GRAPHITE_PASSWORD=glc_s3same s3same' all"),
    Typed("'FINNHUB_API_KEY=s3same s3same' stocks --provider finnhub --dry-run"),
    Both(
        "'MIMIR_TOKEN=Bearer s3same' all",
        "[graphite]\nurl = 'https://mimir.example/metrics'\nheaders = { Authorization = 'Bearer {secret:MIMIR_TOKEN}' }",
    ),
    Typed("stocks --provider finnhub --dry-run"),
    Typed("FINNHUB_API_KEY=s3same FINNHUB_API_KEY_FILE=y stocks --provider finnhub --dry-run"),
    Typed(
        "FINNHUB_API_KEY=s3same DATAMETRICS_FINNHUB_BASE_URL=http://finnhub.example stocks --provider finnhub --dry-run",
    ),
    Both(
        "crypto --shard 0/1000000 --dry-run",
        "[providers.kraken]\nbase_url = 'http://kraken.example'\nheaders = { X-Api-Key = 'literal' }",
    ),
    Played("a config file with a password that others can read", || {
        readable_by_others("[graphite]\nurl = 'http://127.0.0.1:9/metrics'\nuser = '1'\npassword = 's3same'")
    }),
    Played("a config file with a token in a header that others can read", || {
        readable_by_others(
            "[graphite]\nurl = 'http://127.0.0.1:9/metrics'\nheaders = { Authorization = 'Bearer s3same' }",
        )
    }),
];

pub(crate) const WATCHED: &[Scene] = &[
    Config("[crypto]\nsymbols = ['BTC/USD/EUR']"),
    Typed("stocks 'BRK B' --dry-run"),
    Typed("stocks AAPL ' ' --dry-run"),
    Played("a symbol of 101 characters", || {
        Observed::of_run(&Datametrics::new().args(["stocks", &"A".repeat(101), "--dry-run"]))
    }),
    Config("[crypto]\nsymbols = []\n[stocks]\nsymbols = []"),
    Both("crypto --dry-run", "[crypto]\nsymbols = []"),
    Both("crypto --dry-run", "[crypto]\nproviders = []"),
    Both("--feed fx --dry-run", "[feeds.fx]\nproviders = ['frankfurter']\nsymbols = [\"EUR\\tUSD\"]"),
    Both("--feed fx --dry-run", "[feeds.fx]\nsymbols = ['EUR/USD']"),
    Both("--feed fx --dry-run", "[feeds.fx]\nproviders = ['frankfurter']"),
    Config("[crypto]\nproviders = ['krakn']"),
    Config("[crypto]\nfields = ['lst']"),
    Config("[crypto]\nfields = ['zzz']"),
    Config("[crypto]\nfields = []"),
    Config(
        "[crypto]\nproviders = ['own']\n[providers.own]\nmarket = 'crypto'\nbase_url = 'https://own.example'\n\
         [[providers.own.quote]]\npath = '/{symbol}'\nfields = { bid = '/b' }",
    ),
    Config("[feed.weather]\nproviders = ['own']"),
    Config("[feeds.weather]\nbase_url = 'https://own.example'"),
    Both("stocks REI-UN REI.UN --dry-run", "[stocks]\nproviders = ['cnbc']"),
    Typed("DATAMETRICS_SYMBOLS=AB/CUSD,ABC/USD crypto --provider kraken --dry-run"),
    Both("crypto BTC/USD BTC/EUR --dry-run", "[crypto]\nnames = '{feed}.{base}.{field}'"),
    Both("stocks AAPL --dry-run", "[stocks]\nnames = '{feed}.{base}.{quote}.{field}'"),
];
