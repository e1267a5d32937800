//! Simulated days: runs of the real program, one a minute, with a clock, providers and a Graphite of the test.

use crate::support::lock;
use datametrics::{
    Cli, Clock, Context, Deadline, Document, Outcome, Random, Request, Response, Settings, SystemDialer, Transport,
    TransportError,
};
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    io,
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A feed that is fetched each minute, one only while the New York exchange is open, one once a day, and one as rarely
/// as its provider allows it.
const CONFIG: &str = "
[graphite]
url = 'http://graphite.example/metrics'

[crypto]
providers = ['coin', 'spare']
symbols = ['BTC/USD', 'ETH/USD']
fields = ['last', 'low']

[stocks]
providers = ['exchange']
symbols = ['AAPL', 'NFLX']
fields = ['last']
market_hours = 'regular'
interval = 300

[feeds.fx]
providers = ['bank']
symbols = ['EUR/USD']
fields = ['last']
interval = 86400

[feeds.levels]
providers = ['meter']
symbols = ['north']
fields = ['last']
interval = 300

[[alert]]
symbol = 'BTC/USD'
field = 'low'
below = 50000

[[alert]]
symbol = 'BTC'
field = 'low'
below = 50000

[[alert]]
symbol = 'AAPL'
change_percent_1h = 5
";

/// What is wrong in the world.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Fault {
    #[default]
    Nothing,
    /// No provider has this symbol. The meter says so with a status, the others leave it out.
    Missing(&'static str),
    /// The first provider of coins answers 503, and the second one fills in.
    ProviderDown,
    /// Graphite takes the points, and answers 500.
    PushFails,
    /// Graphite leaves the last point of each run without a word.
    TakesLess,
    /// Nobody starts a run.
    NoRun,
    /// Somebody else pushes 0 as a price.
    NotPositive,
    /// The price falls below its threshold.
    Below,
    /// A share is worth a tenth more.
    Rise,
    /// A share is worth a tenth less.
    Fall,
    /// The provider of coins has little left.
    Limit,
    /// The first provider of coins answers 503 once, and then it does not.
    Retry,
}

/// The machine, the providers and Graphite. The journal is kept, unless a fault is to be seen without it.
pub(super) struct World {
    prefix: String,
    settings: Settings,
    _state: TempDir,
    started: Instant,
    /// Unix seconds.
    now: AtomicI64,
    fault: Mutex<Fault>,
    /// Whether the provider of coins has not been asked in this run.
    is_first: Mutex<bool>,
    /// What Graphite took since it was asked: names, values and times.
    taken: Mutex<Vec<(String, f64, i64)>>,
}

/// The config of a world whose metrics have this prefix.
pub(super) fn config(prefix: &str) -> String {
    let provider = |(name, market, more): (&str, &str, &str)| {
        format!(
            "[providers.{name}]\nmarket = '{market}'\nbase_url = 'https://{name}.example'\n{more}\nquote = [{{ path = \
             '/all', batch = 0, rows = '', key = '/s', fields = {{ last = '/p', low = '/p' }} }}]\n"
        )
    };
    // What the bank allows is used up by each run, as it is meant to be.
    let providers = [
        ("coin", "crypto", "remaining = { header = 'x-left', of = 100 }"),
        ("spare", "crypto", ""),
        ("exchange", "stocks", "remaining = { header = 'x-left', of = 100 }"),
        ("bank", "other", "remaining = { header = 'x-left' }"),
        ("meter", "other", "min_interval = 420\nbad_symbol = { status = 404 }"),
    ];
    let providers: String = providers.map(provider).concat();
    format!("{}{providers}", CONFIG.replace("[graphite]", &format!("[graphite]\nprefix = '{prefix}'")))
}

impl World {
    pub(super) fn new(prefix: &str, has_journal: bool) -> Self {
        // In memory, if there is such a folder: thousands of runs write and sync.
        let state = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let args = ["datametrics", "all", "--retries=1"].into_iter().chain((!has_journal).then_some("--no-journal"));
        let cli = Cli::from_args(args.map(str::to_owned)).unwrap();
        let dir = state.path().as_os_str().to_owned();
        let env = move |name: &str| (name == "DATAMETRICS_STATE_DIR").then(|| dir.clone());
        let document = Document::new("config.toml", config(prefix));
        let settings = Settings::from_config(&cli, &env, &document, io::empty()).unwrap();
        Self {
            prefix: prefix.to_owned(),
            settings,
            _state: state,
            started: Instant::now(),
            now: AtomicI64::new(0),
            fault: Mutex::default(),
            is_first: Mutex::default(),
            taken: Mutex::default(),
        }
    }

    /// A run at this Unix second. Returns lines for Carbon, in which all times are later by `shift`.
    pub(super) fn run(&self, time: i64, fault: Fault, shift: i64) -> String {
        self.now.store(time, Ordering::SeqCst);
        *lock(&self.fault) = fault;
        *lock(&self.is_first) = true;
        if fault != Fault::NoRun {
            let (dialer, random) = (SystemDialer::default(), Random::seeded(time.unsigned_abs()));
            let context = Context { clock: self, ..Context::system(self, &dialer, &random) };
            let outcome = datametrics::run(&self.settings, context, &mut Vec::new());
            assert_ne!(outcome, Outcome::Defect);
        }
        let mut taken = std::mem::take(&mut *lock(&self.taken));
        if fault == Fault::NotPositive {
            taken.push((format!("{}.crypto.ETH-USD.last", self.prefix), 0.0, time));
        }
        let mut lines = String::new();
        for (name, value, time) in taken {
            writeln!(lines, "{name} {value} {}", time + shift).unwrap();
        }
        lines
    }

    /// The quotes of a provider.
    fn quotes(&self, provider: &str) -> Response {
        let fault = *lock(&self.fault);
        let is_first = provider == "coin.example" && std::mem::replace(&mut *lock(&self.is_first), false);
        if is_first && fault == Fault::Retry || provider == "coin.example" && fault == Fault::ProviderDown {
            return response(503, "down");
        }
        if provider == "meter.example" && fault == Fault::Missing("north") {
            return response(404, "unknown");
        }
        // Prices swing a little, and differ from run to run.
        #[expect(clippy::cast_precision_loss, reason = "a minute of a day")]
        let swing = 1.0 + 0.01 * ((self.now.load(Ordering::SeqCst) / 60 % 1440) as f64 / 90.0).sin();
        let bitcoin = if fault == Fault::Below { 49_000.0 } else { 64_210.1 };
        let share = match fault {
            Fault::Rise => 1.1,
            Fault::Fall => 0.9,
            _ => 1.0,
        };
        let prices = [
            ("BTC/USD", bitcoin),
            ("ETH/USD", 3_050.25),
            ("AAPL", 228.0 * share),
            ("NFLX", 1_085.5),
            ("EUR/USD", 1.08),
            ("north", 12.5),
        ];
        let rows: Vec<Value> = prices
            .into_iter()
            .filter(|(symbol, _)| fault != Fault::Missing(symbol))
            .map(|(symbol, price)| json!({ "s": symbol, "p": price * swing }))
            .collect();
        let remaining = match provider {
            "coin.example" => Some(if fault == Fault::Limit { 9 } else { 12 }),
            "exchange.example" => Some(99),
            "bank.example" => Some(0),
            _ => None,
        };
        Response { remaining, ..response(200, &json!(rows).to_string()) }
    }

    /// What Graphite answers to these points.
    fn take(&self, body: &[u8]) -> Response {
        let points: Vec<Value> = serde_json::from_slice(body).unwrap();
        let (fault, count) = (*lock(&self.fault), points.len());
        let is_taken = |index: usize| fault != Fault::TakesLess || index + 1 < count;
        let taken = points.iter().enumerate().filter(|(index, _)| is_taken(*index)).map(|(_, point)| {
            let name = point["name"].as_str().unwrap().to_owned();
            (name, point["value"].as_f64().unwrap(), point["time"].as_i64().unwrap())
        });
        lock(&self.taken).extend(taken);
        match fault {
            Fault::PushFails => response(500, "failed"),
            Fault::TakesLess => response(200, &json!({ "published": count - 1 }).to_string()),
            _ => response(200, &json!({ "published": count }).to_string()),
        }
    }
}

fn response(status: u16, body: &str) -> Response {
    Response { status, retry_after: None, remaining: None, redirect: None, body: body.as_bytes().to_vec().into() }
}

impl Transport for World {
    fn send(&self, request: &Request, _: Deadline<'_>) -> Result<Response, TransportError> {
        Ok(match &request.body {
            Some(body) => self.take(body),
            None => self.quotes(&request.server.host),
        })
    }
}

impl Clock for World {
    fn unix_time(&self) -> Duration {
        Duration::from_secs(self.now.load(Ordering::SeqCst).unsigned_abs())
    }

    fn now(&self) -> Instant {
        self.started + self.unix_time()
    }

    fn sleep(&self, _: Duration) {}
}
