//! How many symbols of 100 come, and with how many requests, from APIs that behave as those of the built-in
//! providers do.

use crate::support::{Datametrics, Dialect, Ingest, Received, Reply, Server, in_parallel};
use snapbox::{Assert, Data};
use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

const HEAD: &str = "\
# Unknown symbols

For each built-in provider: the requests of three runs that ask for 100 symbols of which some are unknown,
`first + second + third`. In each run every known symbol is fetched, or the test fails. The APIs are doubles that treat
an unknown symbol as the real ones do. `SNAPSHOTS=overwrite cargo test --test integration unknown_symbols` rewrites the
page.

Where each request is for one symbol, a rejected symbol rests for a day from the third run on. It costs no other symbol,
and it may be rejected for a moment only, so one run is not enough to leave it out.

| provider | a request for an unknown symbol | 0 | 1 | 3 | 10 | 30 |
| --- | --- | --- | --- | --- | --- | --- |
";

/// How an API treats unknown symbols.
#[derive(Clone, Copy)]
enum Unknown {
    /// There is no row of them.
    LeftOut,
    /// Such a row, where `#` is the symbol.
    Row(&'static str),
    /// Such a reply to the whole request, where `#` is the first unknown symbol.
    Rejected(u16, &'static str),
}

impl Unknown {
    fn describe(self) -> String {
        match self {
            Self::LeftOut => "has no row for it".to_owned(),
            Self::Row(_) => "has a row without a price".to_owned(),
            Self::Rejected(status, body) if body.contains('#') => format!("is rejected with {status}, which names it"),
            Self::Rejected(status, _) => format!("is rejected with {status}"),
        }
    }
}

/// The API of a built-in provider.
struct Api {
    provider: &'static str,
    /// A feed, and a symbol in which `#` is the code.
    feed: (&'static str, &'static str),
    /// The body before the rows, between them, and after them.
    body: (&'static str, &'static str),
    row: &'static str,
    unknown: Unknown,
}

use Unknown::{LeftOut, Rejected, Row};

const fn api(
    provider: &'static str,
    feed: (&'static str, &'static str),
    body: (&'static str, &'static str),
    row: &'static str,
    unknown: Unknown,
) -> Api {
    Api { provider, feed, body, row, unknown }
}

const CRYPTO: (&str, &str) = ("crypto", "#/USD");
const TETHER: (&str, &str) = ("crypto", "#/USDT");
const STOCKS: (&str, &str) = ("stocks", "#");
const LIST: (&str, &str) = ("[", "]");
const OBJECT: (&str, &str) = ("{", "}");
const NONE: (&str, &str) = ("", "");

const APIS: &[Api] = &[
    api(
        "alpaca",
        STOCKS,
        OBJECT,
        r##""#":{"latestTrade":{"p":1}}"##,
        Rejected(400, r#"{"message":"code=400, message=invalid symbol: #"}"#),
    ),
    api("alphavantage", STOCKS, (r#"{"Global Quote":{"#, "}}"), r#""05. price":"1.0000""#, Row("")),
    api(
        "binance",
        TETHER,
        LIST,
        r##"{"symbol":"#USDT","lastPrice":"1"}"##,
        Rejected(400, r#"{"code":-1121,"msg":"Invalid symbol."}"#),
    ),
    api("bitfinex", CRYPTO, LIST, r#"["t#:USD",1,1,1,1,0,0,1,1,1,1]"#, LeftOut),
    api("bitstamp", CRYPTO, LIST, r##"{"pair":"#/USD","last":"1"}"##, LeftOut),
    api("bitvavo", ("crypto", "#/EUR"), LIST, r##"{"market":"#-EUR","last":"1"}"##, LeftOut),
    api(
        "bybit",
        TETHER,
        (r#"{"retCode":0,"retMsg":"OK","result":{"list":["#, "]}}"),
        r##"{"symbol":"#USDT","lastPrice":"1"}"##,
        LeftOut,
    ),
    api(
        "cboe",
        STOCKS,
        NONE,
        r#"{"data":{"current_price":1}}"#,
        Rejected(403, "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>"),
    ),
    api(
        "cnbc",
        STOCKS,
        (r#"{"FormattedQuoteResult":{"FormattedQuote":["#, "]}}"),
        r##"{"symbol":"#","code":0,"last":"1.00"}"##,
        Row(r##"{"symbol":"#","code":1}"##),
    ),
    api("coinbase", CRYPTO, NONE, r#"{"price":"1"}"#, Rejected(404, r#"{"message":"NotFound"}"#)),
    api("coingecko", CRYPTO, LIST, r#"{"symbol":"%","current_price":1}"#, LeftOut),
    api("coingecko-ids", ("own", "#/USD"), LIST, r#"{"id":"%","current_price":1}"#, LeftOut),
    api("finnhub", STOCKS, NONE, r#"{"c":1}"#, Row(r#"{"c":0,"d":null,"dp":null,"h":0,"l":0,"o":0,"pc":0,"t":0}"#)),
    api("frankfurter", ("own", "EUR/#"), (r#"{"base":"EUR","rates":{"#, "}}"), r##""#":1"##, LeftOut),
    api(
        "gemini",
        CRYPTO,
        NONE,
        r#"{"last":"1"}"#,
        Rejected(400, r#"{"result":"error","reason":"InvalidSymbol","message":"Invalid"}"#),
    ),
    api(
        "kraken",
        CRYPTO,
        (r#"{"error":[],"result":{"#, "}}"),
        r##""#/USD":{"c":["1","1"]}"##,
        Rejected(200, r#"{"error":["EQuery:Unknown asset pair"]}"#),
    ),
    api(
        "kucoin",
        TETHER,
        (r#"{"code":"200000","data":{"ticker":["#, "]}}"),
        r##"{"symbol":"#-USDT","last":"1"}"##,
        LeftOut,
    ),
    api("nasdaq", STOCKS, (r#"{"data":["#, "]}"), r##"{"symbol":"#","lastSalePrice":"$1.00"}"##, LeftOut),
    api("okx", TETHER, (r#"{"code":"0","msg":"","data":["#, "]}"), r##"{"instId":"#-USDT","last":"1"}"##, LeftOut),
    api("tiingo", STOCKS, LIST, r##"{"ticker":"#","tngoLast":1}"##, LeftOut),
    api(
        "twelvedata",
        STOCKS,
        OBJECT,
        r##""#":{"close":"1"}"##,
        Row(r##""#":{"code":404,"message":"**symbol** or **figi** is missing or invalid","status":"error"}"##),
    ),
    api(
        "yahoo",
        STOCKS,
        (r#"{"spark":{"result":["#, r#"],"error":null}}"#),
        r##"{"symbol":"#","response":[{"meta":{"regularMarketPrice":1}}]}"##,
        LeftOut,
    ),
];

/// The code of a symbol, which no API spells in another way.
fn code(number: usize) -> String {
    format!("Z{number:02}X")
}

/// The numbers of the symbols in a request; all if there are none.
fn requested(target: &str) -> Vec<usize> {
    let target = target.to_uppercase();
    let found: Vec<usize> = (0..100).filter(|number| target.contains(&code(*number))).collect();
    if found.is_empty() { (0..100).collect() } else { found }
}

impl Api {
    fn reply(&self, request: &Received, is_unknown: impl Fn(usize) -> bool) -> Reply {
        let requested = requested(&request.target);
        let with = |text: &str, number| text.replace('#', &code(number)).replace('%', &code(number).to_lowercase());
        let is_everything = requested.len() == 100 && !request.target.to_uppercase().contains("Z00X");
        let first_unknown = requested.iter().copied().find(|number| is_unknown(*number) && !is_everything);
        if let (Some(number), Rejected(status, body)) = (first_unknown, self.unknown) {
            return Reply::text(status, with(body, number));
        }
        let row = |number: usize| match self.unknown {
            _ if !is_unknown(number) => Some(with(self.row, number)),
            Row(row) => Some(with(row, number)),
            LeftOut | Rejected(..) => None,
        };
        let rows: Vec<String> = requested.into_iter().filter_map(row).collect();
        Reply::json(format!("{}{}{}", self.body.0, rows.join(","), self.body.1))
    }

    /// The requests of three runs with so many unknown symbols.
    fn requests(&'static self, unknown: usize) -> [usize; 3] {
        // Spread over the list.
        let is_unknown = move |number: usize| number * 37 % 100 < unknown;
        let server = Server::with(move |request| self.reply(request, is_unknown));
        let ingest = Ingest::start(Dialect::WriteProxy);
        let (provider, (feed, symbol)) = (self.provider, self.feed);
        let symbols: Vec<_> = (0..100).map(|number| symbol.replace('#', &code(number))).collect();
        let config = format!(
            "[providers.{provider}]\nper_second = 10000\nmin_interval = 0\nmin_interval_per_symbol = 0\n\
             [feeds.own]\nproviders = ['{provider}']\n"
        );
        let run = ["FINNHUB_API_KEY", "TWELVEDATA_API_KEY", "TIINGO_API_KEY", "APCA_API_KEY_ID", "APCA_API_SECRET_KEY"]
            .into_iter()
            .chain(["ALPHAVANTAGE_API_KEY"])
            .fold(Datametrics::new().config(&config), |run, key| run.env(key, "k"));
        let run = run.args(["--feed", feed, "--provider", provider, "--fields", "last", "--retries", "0"]);
        let run = run.args(["--symbols", &symbols.join(",")]).provider(provider, &server).graphite(&ingest);
        let next = || {
            let before = server.requests().len();
            let output = run.run();
            let fetched = ingest.value(&format!("metrics.{feed}.feed.{feed}.fetched"));
            assert_eq!(fetched, Some((100 - unknown).to_string()), "{provider}, {unknown} unknown: {output}");
            assert_eq!(output.code, Some(i32::from(unknown > 0)), "{provider}: {output}");
            server.requests().len() - before
        };
        [next(), next(), next()]
    }

    fn line(&'static self) -> String {
        let mut line = format!("| {} | {} |", self.provider, self.unknown.describe());
        for unknown in [0, 1, 3, 10, 30] {
            let [first, second, third] = self.requests(unknown);
            let _ = write!(line, " {first} + {second} + {third} |");
        }
        line + "\n"
    }
}

#[test]
fn every_known_symbol_comes_from_every_built_in_provider() {
    let apis: Vec<&'static Api> = APIS.iter().collect();
    let lines = in_parallel(&apis, |api| api.line());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/unknown_symbols/README.md");
    let assert = Assert::new().action_env("SNAPSHOTS").normalize_paths(false);
    assert.eq(Data::text(format!("{HEAD}{}", lines.concat())).raw(), Data::read_from(&file, None).raw());
}

#[test]
fn no_built_in_provider_is_left_out() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/provider/builtin");
    let files = fs::read_dir(folder).expect("the definitions").map(|entry| entry.expect("an entry").file_name());
    let defined: BTreeSet<String> = files.map(|name| name.to_string_lossy().replace(".toml", "")).collect();
    assert_eq!(APIS.iter().map(|api| api.provider.to_owned()).collect::<BTreeSet<_>>(), defined);
}
