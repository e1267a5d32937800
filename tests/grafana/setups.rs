//! The configs for which dashboard and rules are made, and how they are printed.

use crate::support::{Carbon, Datametrics, Reply, Server, samples};
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// A feed of the user's own, with a field of its own and no price.
pub(super) const OWN: &str = "
[feeds.water-levels]
providers = ['own']
symbols = ['north', 'south']
fields = ['depth', 'age']

[providers.own]
market = 'other'
base_url = 'http://127.0.0.1:9'
symbol = '{symbol}'

[[providers.own.quote]]
path = '/own'
batch = 0
rows = ''
key = '/symbol'
time = { at = '/time', unit = 's' }
fields = { depth = '/depth' }
";

/// More fields than have a panel each, of several units, and a number beside prices; names in which the field, or the
/// quote, comes first.
const FIELDS: &str = "
[feeds.house]
providers = ['house']
symbols = ['attic', 'cellar']
fields = ['temperature', 'heater', 'humidity', 'power', 'disk', 'load', 'draught']

[feeds.garden]
providers = ['house']
symbols = ['attic', 'cellar']
fields = ['temperature', 'heater', 'humidity', 'power', 'disk', 'load', 'draught']
names = '{field}.{feed}.{symbol}'

[feeds.coins]
providers = ['house']
symbols = ['BTC/USD', 'ETH/USD']
fields = ['last', 'supply', 'share']
names = '{feed}.{quote}.{base}.{field}'

[[alert]]
symbol = 'BTC/USD'
field = 'supply'
above = 1
[[alert]]
symbol = 'attic'
field = 'heater'
above = 1

[providers.house]
market = 'other'
base_url = 'http://127.0.0.1:9'
symbol = '{symbol}'

[[providers.house.quote]]
path = '/house'
batch = 0
rows = ''
key = '/symbol'

[providers.house.quote.fields]
temperature = { at = '/t', unit = 'celsius' }
heater = { at = '/t', unit = 'celsius' }
humidity = { at = '/t', unit = 'percent' }
power = { at = '/t', unit = 'watt' }
disk = { at = '/t', unit = 'decbytes' }
load = '/t'
draught = '/t'
last = '/t'
supply = '/t'
share = { at = '/t', unit = 'percent' }
";

pub(super) const CRYPTO: &str = "
[crypto]
providers = ['kraken']
symbols = ['BTC/USD', 'ETH/USD', 'BAT/USD']
fields = ['last', 'bid', 'ask', 'open', 'high', 'low', 'vwap', 'volume']
";

/// For the panel about the requests that are left.
pub(super) const REMAINING: &str = "
[providers.kraken]
remaining = { header = 'X-Left', of = 60 }
";

pub(super) const ALERTS: &str = "
[[alert]]
symbol = 'BTC/USD'
above = 10
below = 999999.5
change_percent_1h = 0.001
[[alert]]
symbol = 'BTC'
above = 10
[[alert]]
symbol = 'ETH'
above = 999999
[[alert]]
symbol = 'AAPL'
below = 1
";

/// Thresholds of a field of the user's own, of any sign.
const OWN_ALERTS: &str = "
[[alert]]
symbol = 'south'
field = 'depth'
above = -5
below = -1.5
";

/// A config for which the dashboard and the rules are built.
pub(super) struct Setup {
    pub(super) name: &'static str,
    pub(super) config: String,
    /// The crypto symbols as the dashboard shows them.
    pub(super) crypto: Vec<String>,
}

pub(super) fn setups() -> Vec<Setup> {
    // It takes everything, to the end of the tests.
    static MIRROR: LazyLock<Carbon> = LazyLock::new(Carbon::start);
    let mirror = format!("[mirrors.cellar]\nurl = '{}'\n", MIRROR.url());
    let pairs = |separator: &str| ["BAT", "BTC", "ETH"].map(|base| format!("{base}{separator}USD")).to_vec();
    let many: Vec<String> = (1..=200).map(|number| format!("C{number}")).collect();
    let mut all: String =
        format!("[graphite]\nprefix = 'many'\n[crypto]\nproviders = ['kraken']\nsymbols = ['{}']\n", many.join("', '"));
    for symbol in &many {
        let _ = write!(all, "[[alert]]\nsymbol = '{symbol}'\nabove = 10.5\nchange_percent_1h = 5\n");
    }
    vec![
        Setup { name: "default", config: String::new(), crypto: pairs("-") },
        Setup {
            name: "own",
            config: format!("[graphite]\nprefix = 'home.north'\n{mirror}{CRYPTO}{OWN}{ALERTS}{OWN_ALERTS}"),
            crypto: pairs("-"),
        },
        Setup {
            name: "tags",
            config: format!(
                "[graphite]\nprefix = 'tagged'\ntags = {{ env = 'home', who = \"it's\" }}\n{mirror}{CRYPTO}{OWN}{ALERTS}{OWN_ALERTS}"
            ),
            crypto: pairs("-"),
        },
        Setup {
            name: "old",
            config: format!(
                "[graphite]\nprefix = 'old'\nnames = '{{feed}}.{{base}}/{{quote}}-{{field}}'\n{CRYPTO}names = '{{feed}}.{{base}}/{{quote}}-{{field}}'\n{ALERTS}[stocks]\nnames = '{{feed}}.{{field}}.{{symbol}}'\n"
            ),
            crypto: pairs("/"),
        },
        Setup {
            name: "fields",
            config: format!("[graphite]\nprefix = 'fields'\n[crypto]\nsymbols = ['BAT']\nfields = ['bid']\n{FIELDS}"),
            crypto: vec!["BAT-USD".to_owned()],
        },
        Setup { name: "many", config: all, crypto: many.iter().map(|symbol| format!("{symbol}-USD")).collect() },
    ]
}

/// A provider whose prices change from request to request.
pub(super) fn provider(symbols: &[String]) -> Server {
    let requests = AtomicU32::new(0);
    let bases: Vec<String> =
        symbols.iter().map(|symbol| symbol[..symbol.find(['-', '/']).unwrap()].to_owned()).collect();
    Server::with(move |request| {
        let price = (1000 + requests.fetch_add(1, Ordering::Relaxed) * 7 % 50).to_string();
        let line = request.line();
        if line.contains("/own") {
            return Reply::json(format!(
                r#"[{{"symbol":"north","depth":{price},"time":1700000000}},{{"symbol":"south","depth":-2,"time":1700000000}}]"#
            ));
        }
        if line.contains("/house") {
            let row = |symbol: &str| json!({ "symbol": symbol, "t": 1500 });
            return Reply::json(json!(["attic", "cellar", "BTC/USD", "ETH/USD"].map(row)).to_string());
        }
        if line.contains("/spark") {
            return samples::yahoo(&["AMZN", "NFLX", "AAPL"].map(|symbol| (symbol, price.as_str())));
        }
        let keys: Vec<String> = bases
            .iter()
            .map(|base| match base.as_str() {
                "BTC" => "XXBTZUSD".to_owned(),
                "ETH" => "XETHZUSD".to_owned(),
                base => format!("{base}USD"),
            })
            .collect();
        samples::kraken(&keys.iter().map(|key| (key.as_str(), price.as_str())).collect::<Vec<_>>())
            .header("X-Left", "59")
    })
}

impl Setup {
    pub(super) fn command(&self, graphite: &str) -> Datametrics {
        Datametrics::new().config(&format!("{}{REMAINING}", self.config)).env("GRAPHITE_URL", graphite)
    }

    pub(super) fn run(&self, provider: &Server, graphite: &str) -> Datametrics {
        let run = self.command(graphite).args(["all"]);
        ["kraken", "yahoo", "own", "house"].iter().fold(run, |run, name| run.provider(name, provider))
    }

    /// The JSON that a command prints. Nothing else may be printed.
    pub(super) fn print(&self, graphite: &str, arguments: &[&str]) -> Value {
        let output = self.command(graphite).args(["grafana"]).args(arguments).run();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
        serde_json::from_str(&output.stdout).expect("JSON")
    }
}
