//! Random replies in the real shape of the API of every built-in provider. Each number has to come out as
//! it was written, under the symbol it belongs to and under no other.
//!
//! A shape is data: how the API spells a symbol, and the text of its replies with holes for numbers. What
//! is expected is noted while the holes are filled, so no code here reads a reply. A run gets the replies
//! from a transport inside this process and prints its points as lines for Carbon.

use crate::support::{Datametrics, in_parallel, log_capture::Messages};
use arbtest::{arbitrary::Unstructured, arbtest};
use datametrics::{
    Cli, Clock, Context, Deadline, Document, Outcome, Random, Request, Response, Settings, SystemClock, SystemDialer,
    Transport, TransportError,
};
use jiff::{
    Timestamp,
    tz::{Offset, TimeZone},
};
use percent_encoding::percent_decode_str;
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    ffi::OsString,
    fmt::Write as _,
    sync::Mutex,
    time::{Duration, Instant},
};
use toml::de::DeTable;

/// Cases for each provider at least.
const CASES: usize = 750;
/// The time of every run, in Unix milliseconds.
const NOW: i64 = 1_800_000_000_000;

/// The clock of every run: the date never changes.
struct FixedDate;

impl Clock for FixedDate {
    fn unix_time(&self) -> Duration {
        Duration::from_millis(NOW.unsigned_abs())
    }

    fn now(&self) -> Instant {
        SystemClock.now()
    }

    fn sleep(&self, span: Duration) {
        SystemClock.sleep(span);
    }
}

/// The replies of one API.
struct Shape {
    provider: &'static str,
    market: &'static str,
    /// Codes that the API spells in another way.
    codes: &'static [(&'static str, &'static str)],
    /// The replacement for the `.` of `BRK.B`.
    dot: &'static str,
    forms: &'static [Form],
}

/// The replies to one kind of request.
///
/// In texts `{B}` and `{Q}` are the codes of base and quote, `{b}` is the code of the base in lower case,
/// `{base}` and `{quote}` (`{q}` in lower case) are the names in the feed, `{S}` and `{s}` are a share. In
/// rows `$field` is a hole for a string, `#field` for a number, `%field` for a number with separators,
/// `^field` for a number that counts a hundredfold, `~field` for such a string, and `&` for the symbol of the
/// row. `_` is not a field. Of `last` and `last+` the first that holds a number counts.
struct Form {
    /// A part of its path.
    path: &'static str,
    /// What the path has for each requested symbol; empty if the reply has all symbols.
    requested: &'static [&'static str],
    /// The names that a row may have.
    keys: &'static [&'static str],
    body: (&'static str, Rows, &'static str),
    /// The members of a row, in any order. A member that is an array or a number is the whole row.
    row: &'static [&'static str],
    /// The format of times.
    time: Time,
    /// Rows for a symbol that the API does not know.
    unknown: &'static [&'static str],
    /// Which of several rows of a symbol counts.
    pick: Pick,
    /// Whether names are compared without case.
    any_case: bool,
    /// Rows of something else.
    foreign: &'static [&'static str],
}

#[derive(Clone, Copy, PartialEq)]
enum Pick {
    /// None, if they contradict each other.
    Only,
    /// The first one with a value.
    First,
}

#[derive(Clone, Copy, PartialEq)]
enum Rows {
    /// `[row, row]`
    List,
    /// `{"symbol": row, "symbol": row}`
    Object,
    /// The same, but the row alone where one symbol is requested.
    ObjectOrBare,
    /// One symbol is requested, and one row comes.
    Bare,
}

enum Time {
    Never,
    Seconds,
    Millis,
    /// A strftime format, and the hours of the time zone.
    Text(&'static str, i8),
}

const PAIR: Form = Form {
    path: "",
    requested: &["{B}-{Q}"],
    keys: &["{B}-{Q}"],
    body: ("", Rows::Bare, ""),
    row: &[],
    time: Time::Never,
    unknown: &[],
    pick: Pick::Only,
    any_case: false,
    foreign: &[],
};
const SHARE: Form = Form { requested: &["{S}"], keys: &["{S}"], ..PAIR };

const SHAPES: &[Shape] = &[
    Shape {
        provider: "kraken",
        market: "crypto",
        codes: &[("BTC", "XBT"), ("DOGE", "XDG")],
        dot: ".",
        forms: &[Form {
            path: "/0/public/Ticker?pair=",
            requested: &["{B}{Q}"],
            keys: &["{B}{Q}", "X{B}Z{Q}", "X{B}X{Q}", "{B}Z{Q}", "Z{B}Z{Q}", "{B}/{Q}", "{base}/{quote}"],
            body: (r#"{"error":[],"result":{"#, Rows::Object, "}}"),
            row: &[
                r#""a":[$ask,"1","1.000"]"#,
                r#""b":[$bid,"1","1.000"]"#,
                r#""c":[$last,$_]"#,
                r#""v":[$_,$volume]"#,
                r#""p":[$_,$vwap]"#,
                r#""t":[#_,#_]"#,
                r#""l":[$_,$low]"#,
                r#""h":[$_,$high]"#,
                r#""o":$open"#,
            ],
            ..PAIR
        }],
    },
    Shape {
        provider: "coinbase",
        market: "crypto",
        codes: &[],
        dot: ".",
        forms: &[
            Form {
                path: "/ticker",
                row: &[
                    r#""ask":$ask"#,
                    r#""bid":$bid"#,
                    r#""volume":$volume"#,
                    r#""trade_id":#_"#,
                    r#""price":$last"#,
                    r#""size":$_"#,
                    r#""time":$age"#,
                    r#""rfq_volume":$_"#,
                ],
                time: Time::Text("%Y-%m-%dT%H:%M:%S%.6fZ", 0),
                ..PAIR
            },
            Form {
                path: "/stats",
                row: &[
                    r#""open":$open"#,
                    r#""high":$high"#,
                    r#""low":$low"#,
                    r#""last":$last"#,
                    r#""volume":$volume"#,
                    r#""volume_30day":$_"#,
                ],
                ..PAIR
            },
        ],
    },
    Shape {
        provider: "binance",
        market: "crypto",
        codes: &[],
        dot: ".",
        forms: &[Form {
            path: "/api/v3/ticker/24hr?symbols=",
            requested: &["{B}{Q}"],
            keys: &["{B}{Q}"],
            body: ("[", Rows::List, "]"),
            row: &[
                r#""symbol":&"#,
                r#""priceChange":$change"#,
                r#""priceChangePercent":$change_percent"#,
                r#""weightedAvgPrice":$vwap"#,
                r#""prevClosePrice":$previous_close"#,
                r#""lastPrice":$last"#,
                r#""lastQty":$_"#,
                r#""bidPrice":$bid"#,
                r#""bidQty":$_"#,
                r#""askPrice":$ask"#,
                r#""askQty":$_"#,
                r#""openPrice":$open"#,
                r#""highPrice":$high"#,
                r#""lowPrice":$low"#,
                r#""volume":$volume"#,
                r#""quoteVolume":$quote_volume"#,
                r#""openTime":#_"#,
                r#""closeTime":#age"#,
                r#""firstId":28385,"lastId":28460,"count":76"#,
            ],
            time: Time::Millis,
            ..PAIR
        }],
    },
    Shape {
        provider: "bitstamp",
        market: "crypto",
        codes: &[],
        dot: ".",
        forms: &[Form {
            path: "/api/v2/ticker/",
            requested: &[],
            keys: &["{B}/{Q}"],
            body: ("[", Rows::List, "]"),
            row: &[
                r#""timestamp":$age"#,
                r#""open":$_"#,
                r#""high":$high"#,
                r#""low":$low"#,
                r#""last":$last"#,
                r#""volume":$volume"#,
                r#""vwap":$vwap"#,
                r#""bid":$bid"#,
                r#""ask":$ask"#,
                r#""side":"0""#,
                r#""open_24":$open"#,
                r#""percent_change_24":$change_percent"#,
                r#""pair":&"#,
                r#""market_type":"SPOT""#,
            ],
            time: Time::Seconds,
            ..PAIR
        }],
    },
    Shape {
        provider: "gemini",
        market: "crypto",
        codes: &[],
        dot: ".",
        forms: &[
            Form {
                path: "/v1/pubticker/",
                requested: &["{b}{q}"],
                row: &[
                    r#""bid":$bid"#,
                    r#""ask":$ask"#,
                    r#""last":$last"#,
                    r#""volume":{"{base}":$volume,"{quote}":$quote_volume,"timestamp":$age}"#,
                ],
                time: Time::Millis,
                ..PAIR
            },
            Form {
                path: "/v2/ticker/",
                requested: &["{b}{q}"],
                row: &[
                    r#""symbol":"{B}{Q}""#,
                    r#""open":$open"#,
                    r#""high":$high"#,
                    r#""low":$low"#,
                    r#""close":$last"#,
                    r#""changes":[$_,$_,$_]"#,
                    r#""bid":$bid"#,
                    r#""ask":$ask"#,
                ],
                ..PAIR
            },
        ],
    },
    Shape {
        provider: "bitfinex",
        market: "crypto",
        codes: &[("USDT", "UST")],
        dot: ".",
        forms: &[Form {
            path: "/v2/tickers?symbols=ALL",
            requested: &[],
            keys: &["t{B}{Q}", "t{B}:{Q}"],
            body: ("[", Rows::List, "]"),
            row: &["[&,#bid,#_,#ask,#_,#change,^change_percent,#last,#volume,#high,#low]"],
            foreign: &["[\"f{Q}\",#_,#_,30,#_,#_,2,#_,#_,#_,#_,#_,#_,#_,null,null,#_]"],
            ..PAIR
        }],
    },
    Shape {
        provider: "okx",
        market: "crypto",
        codes: &[],
        dot: ".",
        forms: &[Form {
            path: "/api/v5/market/tickers?instType=SPOT",
            requested: &[],
            body: (r#"{"code":"0","msg":"","data":["#, Rows::List, "]}"),
            row: &[
                r#""instType":"SPOT""#,
                r#""instId":&"#,
                r#""last":$last"#,
                r#""lastSz":$_"#,
                r#""askPx":$ask"#,
                r#""askSz":$_"#,
                r#""bidPx":$bid"#,
                r#""bidSz":$_"#,
                r#""open24h":$open"#,
                r#""high24h":$high"#,
                r#""low24h":$low"#,
                r#""volCcy24h":$quote_volume"#,
                r#""vol24h":$volume"#,
                r#""ts":$age"#,
                r#""sodUtc0":$_"#,
                r#""sodUtc8":$_"#,
            ],
            time: Time::Millis,
            ..PAIR
        }],
    },
    Shape {
        provider: "coingecko",
        market: "crypto",
        codes: &[],
        dot: ".",
        forms: &[Form {
            path: "/coins/markets?vs_currency=",
            requested: &["{b}", "vs_currency={q}"],
            keys: &["{b}"],
            pick: Pick::First,
            body: ("[", Rows::List, "]"),
            row: &[
                r#""symbol":&"#,
                r#""id":"abc","name":"A, \"B\" [C]","image":"https://example.com/1/large/x.png?1696501400""#,
                r#""current_price":#last"#,
                r#""market_cap":#_"#,
                r#""market_cap_rank":1,"fully_diluted_valuation":#_"#,
                r#""total_volume":#quote_volume"#,
                r#""high_24h":#high"#,
                r#""low_24h":#low"#,
                r#""price_change_24h":#change"#,
                r#""price_change_percentage_24h":#change_percent"#,
                r#""circulating_supply":#_,"max_supply":null,"ath":#_,"ath_date":"2025-10-06T18:57:42.558Z""#,
                r#""roi":{"times":#_,"currency":"btc","percentage":#_}"#,
                r#""last_updated":$age"#,
            ],
            time: Time::Text("%Y-%m-%dT%H:%M:%S%.3fZ", 0),
            ..PAIR
        }],
    },
    Shape {
        provider: "coingecko-ids",
        market: "other",
        codes: &[],
        dot: ".",
        forms: &[Form {
            path: "/coins/markets?vs_currency=",
            requested: &["{b}", "vs_currency={q}"],
            keys: &["{b}"],
            body: ("[", Rows::List, "]"),
            row: &[
                r#""id":&"#,
                r#""symbol":"abc","name":"A, \"B\" [C]","image":"https://example.com/1/large/x.png?1696501400""#,
                r#""current_price":#last"#,
                r#""market_cap":#_"#,
                r#""market_cap_rank":1,"fully_diluted_valuation":#_"#,
                r#""total_volume":#quote_volume"#,
                r#""high_24h":#high"#,
                r#""low_24h":#low"#,
                r#""price_change_24h":#change"#,
                r#""price_change_percentage_24h":#change_percent"#,
                r#""circulating_supply":#_,"max_supply":null,"ath":#_,"ath_date":"2025-10-06T18:57:42.558Z""#,
                r#""roi":{"times":#_,"currency":"btc","percentage":#_}"#,
                r#""last_updated":$age"#,
            ],
            time: Time::Text("%Y-%m-%dT%H:%M:%S%.3fZ", 0),
            ..PAIR
        }],
    },
    Shape {
        provider: "bybit",
        market: "crypto",
        codes: &[],
        dot: ".",
        forms: &[Form {
            path: "/v5/market/tickers?category=spot",
            requested: &[],
            keys: &["{B}{Q}"],
            body: (r#"{"retCode":0,"retMsg":"OK","result":{"category":"spot","list":["#, Rows::List, r#"]},"time":1}"#),
            row: &[
                r#""symbol":&"#,
                r#""bid1Price":$bid,"bid1Size":$_"#,
                r#""ask1Price":$ask,"ask1Size":$_"#,
                r#""lastPrice":$last"#,
                r#""prevPrice24h":$open"#,
                r#""price24hPcnt":~change_percent"#,
                r#""highPrice24h":$high"#,
                r#""lowPrice24h":$low"#,
                r#""turnover24h":$quote_volume"#,
                r#""volume24h":$volume"#,
                r#""usdIndexPrice":$_"#,
            ],
            ..PAIR
        }],
    },
    Shape {
        provider: "kucoin",
        market: "crypto",
        codes: &[],
        dot: ".",
        forms: &[Form {
            path: "/api/v1/market/allTickers",
            requested: &[],
            body: (r#"{"code":"200000","data":{"time":1799999999999,"ticker":["#, Rows::List, "]}}"),
            row: &[
                r#""symbol":&"#,
                r#""symbolName":"ABC-USDT""#,
                r#""buy":$bid,"bestBidSize":$_"#,
                r#""sell":$ask,"bestAskSize":$_"#,
                r#""changeRate":~change_percent"#,
                r#""changePrice":$change"#,
                r#""high":$high"#,
                r#""low":$low"#,
                r#""vol":$volume"#,
                r#""volValue":$quote_volume"#,
                r#""last":$last"#,
                r#""averagePrice":$_"#,
                r#""takerFeeRate":"0.001","makerFeeRate":"0.001""#,
            ],
            ..PAIR
        }],
    },
    Shape {
        provider: "bitvavo",
        market: "crypto",
        codes: &[],
        dot: ".",
        forms: &[Form {
            path: "/ticker/24h",
            requested: &[],
            body: ("[", Rows::List, "]"),
            row: &[
                r#""market":&"#,
                r#""startTimestamp":#_"#,
                r#""timestamp":#age"#,
                r#""open":$open,"openTimestamp":#_"#,
                r#""high":$high"#,
                r#""low":$low"#,
                r#""last":$last,"closeTimestamp":#_"#,
                r#""bid":$bid,"bidSize":$_"#,
                r#""ask":$ask,"askSize":$_"#,
                r#""volume":$volume"#,
                r#""volumeQuote":$quote_volume"#,
            ],
            time: Time::Millis,
            ..PAIR
        }],
    },
    Shape {
        provider: "yahoo",
        market: "stocks",
        codes: &[],
        dot: "-",
        forms: &[Form {
            path: "/v7/finance/spark?symbols=",
            body: (r#"{"spark":{"result":["#, Rows::List, r#"],"error":null}}"#),
            row: &[
                r#""symbol":&"#,
                r#""response":[{"meta":{"currency":"USD","symbol":&,"regularMarketTime":#age,"regularMarketPrice":#last,"fiftyTwoWeekHigh":#_,"regularMarketDayHigh":#high,"regularMarketDayLow":#low,"regularMarketVolume":#volume,"chartPreviousClose":#previous_close+,"previousClose":#previous_close,"priceHint":2},"timestamp":[#_,#_],"indicators":{"quote":[{"close":[#_,null]}]}}]"#,
            ],
            time: Time::Seconds,
            ..SHARE
        }],
    },
    Shape {
        provider: "cnbc",
        market: "stocks",
        codes: &[],
        dot: ".",
        forms: &[Form {
            path: "/symbol?symbols=",
            body: (r#"{"FormattedQuoteResult":{"FormattedQuote":["#, Rows::List, "]}}"),
            row: &[
                r#""symbol":&"#,
                r#""symbolType":"symbol","code":0,"name":"Some Company","shortName":"SC""#,
                r#""last":%last"#,
                r#""last_time":$age"#,
                r#""bid":%bid"#,
                r#""ask":%ask"#,
                r#""change":%change"#,
                r#""change_pct":%change_percent"#,
                r#""volume":%volume"#,
                r#""volume_alt":"41.2M""#,
                r#""open":%open"#,
                r#""high":%high"#,
                r#""low":%low"#,
                r#""previous_day_closing":%previous_close"#,
            ],
            time: Time::Text("%Y-%m-%dT%H:%M:%S%.3f%z", -5),
            unknown: &[r#"{"symbol":&,"code":1}"#],
            ..SHARE
        }],
    },
    Shape {
        provider: "nasdaq",
        market: "stocks",
        codes: &[],
        dot: "/",
        forms: &[Form {
            path: "/api/quote/watchlist?symbol=",
            requested: &["{s}|stocks"],
            any_case: true,
            body: (r#"{"data":["#, Rows::List, r#"],"message":null,"status":{"rCode":200,"bCodeMessage":null}}"#),
            row: &[
                r#""symbol":&"#,
                r#""companyName":"Some Company Common Stock""#,
                r#""lastSalePrice":%last"#,
                r#""netChange":%change"#,
                r#""percentageChange":%change_percent"#,
                r#""deltaIndicator":"up""#,
                r#""lastTradeTimestampDateTime":"2027-01-15T02:59:57-05:00""#,
                r#""previousClosePrice":%previous_close"#,
                r#""volume":%volume"#,
                r#""assetClass":"STOCKS","marketStatus":"Open""#,
            ],
            unknown: &[r#"{"symbol":&,"lastSalePrice":"N/A","netChange":"N/A","percentageChange":"","volume":null}"#],
            ..SHARE
        }],
    },
    Shape {
        provider: "cboe",
        market: "stocks",
        codes: &[],
        dot: ".",
        forms: &[Form {
            path: "/api/global/delayed_quotes/quotes/",
            requested: &["{S}.json"],
            row: &[
                r#""timestamp":"2027-01-15 07:59:58","symbol":&"#,
                r#""data":{"symbol":&,"security_type":"stock","exchange_id":5,"current_price":#last,"price_change":#change,"price_change_percent":#change_percent,"bid":#bid,"bid_size":#_,"ask":#ask,"ask_size":#_,"open":#open,"high":#high,"low":#low,"close":#_,"prev_day_close":#_,"volume":#volume,"iv30":#_,"last_trade_time":"2027-01-15T02:44:59","tick":"down"}"#,
            ],
            unknown: &[r#"{"symbol":&,"data":{"symbol":&,"current_price":0.0,"bid":0.0,"ask":0.0}}"#],
            ..SHARE
        }],
    },
    Shape {
        provider: "alphavantage",
        market: "stocks",
        codes: &[],
        dot: ".",
        forms: &[Form {
            path: "/query?function=GLOBAL_QUOTE&symbol=",
            row: &[
                r#""Global Quote":{"01. symbol":&,"02. open":$open,"03. high":$high,"04. low":$low,"05. price":$last,"06. volume":$volume,"07. latest trading day":"2027-01-14","08. previous close":$previous_close,"09. change":$change,"10. change percent":%change_percent}"#,
            ],
            unknown: &[r#"{"Global Quote":{}}"#],
            ..SHARE
        }],
    },
    Shape {
        provider: "alpaca",
        market: "stocks",
        codes: &[],
        dot: ".",
        forms: &[Form {
            path: "/v2/stocks/snapshots?symbols=",
            body: ("{", Rows::Object, "}"),
            row: &[
                r#""latestTrade":{"t":$age,"x":"V","p":#last,"s":#_,"c":["@"],"i":10593,"z":"C"}"#,
                r#""latestQuote":{"t":"2027-01-15T07:59:59Z","ax":"V","ap":#ask,"as":5,"bx":"V","bp":#bid,"bs":1,"c":["R"]}"#,
                r#""minuteBar":{"t":"2027-01-15T07:59:00Z","o":#_,"h":#_,"l":#_,"c":#_,"v":#_,"n":26,"vw":#_}"#,
                r#""dailyBar":{"t":"2027-01-15T05:00:00Z","o":#open,"h":#high,"l":#low,"c":#_,"v":#volume,"n":10408,"vw":#vwap}"#,
                r#""prevDailyBar":{"t":"2027-01-14T05:00:00Z","o":#_,"h":#_,"l":#_,"c":#previous_close,"v":#_,"n":7,"vw":#_}"#,
            ],
            time: Time::Text("%Y-%m-%dT%H:%M:%S%.9fZ", 0),
            unknown: &["null"],
            ..SHARE
        }],
    },
    Shape {
        provider: "finnhub",
        market: "stocks",
        codes: &[],
        dot: ".",
        forms: &[Form {
            path: "/quote?symbol=",
            row: &[
                r#""c":#last"#,
                r#""d":#change"#,
                r#""dp":#change_percent"#,
                r#""h":#high"#,
                r#""l":#low"#,
                r#""o":#open"#,
                r#""pc":#previous_close"#,
                r#""t":#age"#,
            ],
            time: Time::Seconds,
            unknown: &[r#"{"c":0,"d":null,"dp":null,"h":0,"l":0,"o":0,"pc":0,"t":0}"#],
            ..SHARE
        }],
    },
    Shape {
        provider: "twelvedata",
        market: "stocks",
        codes: &[],
        dot: ".",
        forms: &[Form {
            path: "/quote?symbol=",
            body: ("{", Rows::ObjectOrBare, "}"),
            row: &[
                r#""symbol":&,"name":"Some Company","exchange":"NASDAQ","currency":"USD","datetime":"2027-01-15""#,
                r#""timestamp":#age+"#,
                r#""last_quote_at":#age"#,
                r#""open":$open"#,
                r#""high":$high"#,
                r#""low":$low"#,
                r#""close":$last"#,
                r#""volume":$volume"#,
                r#""previous_close":$previous_close"#,
                r#""change":$change"#,
                r#""percent_change":$change_percent"#,
                r#""average_volume":$_"#,
                r#""is_market_open":false,"fifty_two_week":{"low":$_,"high":$_,"range":"164.080002 - 237.490005"}"#,
            ],
            time: Time::Seconds,
            unknown: &[r#"{"code":400,"message":"**symbol** not found","status":"error"}"#],
            ..SHARE
        }],
    },
    Shape {
        provider: "tiingo",
        market: "stocks",
        codes: &[],
        dot: "-",
        forms: &[Form {
            path: "/iex/?tickers=",
            requested: &["{s}"],
            keys: &["{S}", "{s}"],
            any_case: true,
            body: ("[", Rows::List, "]"),
            row: &[
                r#""ticker":&"#,
                r#""timestamp":$age"#,
                r#""lastSaleTimestamp":"2027-01-15T02:59:57.053159184-05:00""#,
                r#""open":#open"#,
                r#""high":#high"#,
                r#""low":#low"#,
                r#""mid":#_"#,
                r#""tngoLast":#last+"#,
                r#""last":#last"#,
                r#""lastSize":#_"#,
                r#""bidSize":#_"#,
                r#""bidPrice":#bid"#,
                r#""askPrice":#ask"#,
                r#""askSize":#_"#,
                r#""prevClose":#previous_close"#,
                r#""volume":#volume"#,
            ],
            time: Time::Text("%Y-%m-%dT%H:%M:%S%.9f%:z", -5),
            ..SHARE
        }],
    },
    Shape {
        provider: "frankfurter",
        market: "other",
        codes: &[],
        dot: ".",
        forms: &[Form {
            path: "/v1/latest?base=",
            requested: &["{B}"],
            keys: &["{Q}"],
            body: (r#"{"amount":1.0,"base":"EUR","date":"2027-01-14","rates":{"#, Rows::Object, "}}"),
            row: &["#last"],
            ..PAIR
        }],
    },
];

#[test]
fn random_replies_of_every_provider_give_the_numbers_that_were_written() {
    let listed = Datametrics::new().args(["providers"]).run().stdout;
    let names = listed.lines().skip(1).filter(|line| !line.starts_with(' '));
    let built_in: BTreeSet<&str> = names.map(|line| line.split(' ').next().expect("a name")).collect();
    let shapes: BTreeSet<&str> = SHAPES.iter().map(|shape| shape.provider).collect();
    assert_eq!(shapes, built_in, "a shape for every built-in definition");
    let totals = in_parallel(SHAPES, Shape::test);
    let cases: usize = totals.iter().map(|total| total.cases).sum();
    let numbers: usize = totals.iter().map(|total| total.numbers).sum();
    println!("{cases} cases, {numbers} numbers");
    assert!(cases >= 10_000, "{cases} cases");
    assert!(numbers >= 10 * cases, "only {numbers} numbers in {cases} cases");
}

#[derive(Default)]
struct Total {
    cases: usize,
    numbers: usize,
    fields: HashSet<usize>,
}

/// The command line and the config of the runs for one provider.
struct Config {
    cli: Cli,
    /// Every field that the API itself has.
    fields: Vec<String>,
    /// All of the config but the symbols.
    text: String,
}

impl Config {
    /// `change_from = 'none'`: what is computed is not a number of the reply.
    fn of(shape: &Shape) -> Self {
        let Shape { provider, market, .. } = shape;
        let feed = shape.feed();
        let section = if *market == "other" { format!("feeds.{feed}") } else { feed.to_owned() };
        let line = ["datametrics", "--feed", feed, "--dry-run", "--graphite-url", "tcp://127.0.0.1:9"];
        let fields = fields_of(provider);
        let text = format!(
            "[providers.{provider}]\nchange_from = 'none'\nper_second = 1000000\nmax_concurrency = 1\n\
             [{section}]\nproviders = ['{provider}']\nfields = ['{}']\n",
            fields.join("', '")
        );
        Self { cli: Cli::from_args(line).expect("a command line"), fields, text }
    }

    fn settings(&self, symbols: &[String]) -> Settings {
        let environment = |name: &str| {
            let is_key = name.ends_with("_API_KEY") || (name.starts_with("APCA_API_") && !name.ends_with("_FILE"));
            is_key.then(|| OsString::from("k"))
        };
        let document = Document::new("config.toml", format!("{}symbols = ['{}']\n", self.text, symbols.join("', '")));
        Settings::from_config(&self.cli, &environment, &document, std::io::empty()).expect("settings")
    }
}

/// The fields that the definition of a provider reads from replies, as the program prints it.
fn fields_of(provider: &str) -> Vec<String> {
    let printed = Datametrics::new().args(["providers", provider]).run().stdout;
    let document = DeTable::parse(&printed).expect("TOML");
    let definition = document.get_ref()["providers"].get_ref()[provider].get_ref();
    let mut fields = BTreeSet::new();
    for quote in definition["quote"].get_ref().as_array().expect("an array") {
        let quote = quote.get_ref().as_table().expect("a table");
        fields
            .extend(quote["fields"].get_ref().as_table().expect("a table").keys().map(|key| key.get_ref().to_string()));
        fields.extend(quote.contains_key("time").then(|| "age".to_owned()));
    }
    fields.into_iter().collect()
}

impl Shape {
    /// The feed that is fetched. There is none by default of the market `other`.
    fn feed(&self) -> &'static str {
        if self.market == "other" { "own" } else { self.market }
    }

    fn test(&self) -> Total {
        let config = Config::of(self);
        let mut total = Total::default();
        // The search begins with small cases each time.
        while total.cases < CASES {
            arbtest(|u| {
                self.case(&config, Dice(u), &mut total);
                Ok(())
            })
            .size_min(64)
            .size_max(4 << 10)
            .budget_ms(250);
        }
        let is_unread = |at: &usize| !total.fields.contains(at);
        let unread: Vec<&String> = (0..config.fields.len()).filter(is_unread).map(|at| &config.fields[at]).collect();
        assert!(unread.is_empty(), "{} has the fields {unread:?}, which its shape does not have", self.provider);
        total
    }

    fn case(&self, config: &Config, mut dice: Dice<'_, '_>, total: &mut Total) {
        let symbols = self.symbols(&mut dice);
        let settings = config.settings(&symbols);
        let api = Mutex::new(Api {
            shape: self,
            symbols: &symbols,
            fields: &config.fields,
            dice,
            expected: HashMap::new(),
            log: String::new(),
        });
        let (transport, dialer, random) = (ScriptedTransport(&api), SystemDialer::default(), Random::seeded(1));
        let context = Context { clock: &FixedDate, ..Context::system(&transport, &dialer, &random) };
        let (mut printed, messages) = (Vec::new(), Messages::new(log::LevelFilter::Error));
        messages.capture();
        let outcome = datametrics::run(&settings, context, &mut printed);
        let errors: Vec<String> = messages.take().into_iter().map(|(_, message)| message).collect();
        let api = api.lock().expect("no panic in there");
        let is_known = matches!(outcome, Outcome::Success | Outcome::Partial | Outcome::NothingFetched);
        assert!(is_known, "{outcome:?} {errors:?}{}", api.log);
        // A value or a symbol may be missing, but no request and no reply may fail.
        let is_missing = |error: &String| error.starts_with(&format!("{}: no ", self.feed()));
        assert!(errors.iter().all(is_missing), "{errors:?}{}", api.log);
        api.compare(&String::from_utf8(printed).expect("UTF-8"), total);
        total.cases += 1;
    }

    /// Symbols of few letters, so that many are similar. A generated code ends in a digit, so no definition
    /// renames it.
    fn symbols(&self, dice: &mut Dice<'_, '_>) -> Vec<String> {
        let mut texts = BTreeSet::new();
        let most = if dice.one_in(16) { 25 } else { 4 };
        for _ in 0..=dice.below(most) {
            let mut text: String = (0..=dice.below(4)).map(|_| dice.one_of(&['A', 'B', 'S', 'T', 'X', 'Z'])).collect();
            if self.market != "stocks" {
                text.push(dice.one_of(&['1', '2']));
                if dice.one_in(3) {
                    dice.one_of(&["BTC", "ETH", "DOGE", "USDT"]).clone_into(&mut text);
                }
                let quote = dice.one_of(&["USD", "EUR", "BTC", "USDT"]);
                text = if text == quote { format!("{text}/GBP") } else { format!("{text}/{quote}") };
            } else if dice.one_in(4) {
                text.push_str(dice.one_of(&[".A", ".B"]));
            }
            texts.insert(text);
        }
        texts.into_iter().collect()
    }

    /// A text of the shape for one symbol.
    fn spell(&self, text: &str, symbol: &str) -> String {
        let code = |text: &str| {
            let found = self.codes.iter().find(|(from, _)| *from == text);
            found.map_or(text, |(_, to)| to).to_owned()
        };
        let (base, quote) = symbol.split_once('/').unwrap_or((symbol, ""));
        let mut out = text.to_owned();
        for hole in ["{B}", "{Q}", "{b}", "{q}", "{base}", "{quote}", "{S}", "{s}"] {
            if !out.contains('{') {
                break;
            }
            if out.contains(hole) {
                let value = match hole {
                    "{B}" => code(base),
                    "{Q}" => code(quote),
                    "{b}" => code(base).to_lowercase(),
                    "{q}" => quote.to_lowercase(),
                    "{base}" => base.to_owned(),
                    "{quote}" => quote.to_owned(),
                    "{S}" => base.replace('.', self.dot),
                    _ => base.replace('.', self.dot).to_lowercase(),
                };
                out = out.replace(hole, &value);
            }
        }
        out
    }
}

/// A number as written in the reply.
#[derive(Clone)]
struct Written {
    text: String,
    hundredfold: bool,
}

impl Written {
    fn number(&self) -> f64 {
        self.text.parse().expect("a number")
    }

    fn is(&self, printed: &str) -> bool {
        if self.hundredfold {
            let (mantissa, exponent) = self.text.split_once(['e', 'E']).unwrap_or((&self.text, "0"));
            let exponent: i32 = exponent.parse().expect("an exponent");
            let value: f64 = format!("{mantissa}e{}", exponent + 2).parse().expect("a number");
            return printed.parse::<f64>().is_ok_and(|printed| printed.to_bits() == value.to_bits());
        }
        printed == self.text
    }
}

/// An API that replies at random, and the values that a run has to read.
struct Api<'a, 'u, 'd> {
    shape: &'a Shape,
    symbols: &'a [String],
    fields: &'a [String],
    dice: Dice<'u, 'd>,
    /// By index of symbol and field.
    expected: HashMap<(usize, usize), Written>,
    /// The requests and replies, for the message of a failure.
    log: String,
}

struct ScriptedTransport<'a, 'b, 'u, 'd>(&'a Mutex<Api<'b, 'u, 'd>>);

impl Transport for ScriptedTransport<'_, '_, '_, '_> {
    fn send(&self, request: &Request, _: Deadline<'_>) -> Result<Response, TransportError> {
        let body = self.0.lock().expect("no panic in there").answer(request.path.expose());
        Ok(Response { status: 200, retry_after: None, remaining: None, redirect: None, body: body.into_bytes().into() })
    }
}

impl Api<'_, '_, '_> {
    /// Compares the lines that a run printed with what the replies held, in both directions.
    fn compare(&self, printed: &str, total: &mut Total) {
        let mut values: HashMap<&str, &str> = HashMap::new();
        for line in printed.lines().filter(|line| !line.starts_with("metrics.")) {
            let [name, value, time] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("the line {line:?}") };
            assert_eq!(time.parse(), Ok(NOW / 1000), "{line}");
            assert_eq!(values.insert(name, value), None, "{name} comes twice{}", self.log);
        }
        for (at, symbol) in self.symbols.iter().enumerate() {
            for (column, field) in self.fields.iter().enumerate() {
                let node = symbol.replace(['/', '.'], "-");
                let printed = values.remove(&*format!("{}.{node}.{field}", self.shape.feed()));
                let expected = self.expected.get(&(at, column));
                let same = match (printed, expected) {
                    (Some(printed), Some(expected)) => expected.is(printed),
                    (None, None) => true,
                    _ => false,
                };
                let text = expected.map(|written| &written.text);
                assert!(same, "{} {symbol} {field}: {printed:?} instead of {text:?}{}", self.shape.provider, self.log);
                total.numbers += usize::from(printed.is_some());
                total.fields.extend(printed.map(|_| column));
            }
        }
        assert!(values.is_empty(), "of no symbol or field: {values:?}{}", self.log);
    }

    fn answer(&mut self, path: &str) -> String {
        let shape = self.shape;
        let path = percent_decode_str(path).decode_utf8_lossy().into_owned();
        let form = shape.forms.iter().find(|form| path.contains(form.path)).expect("a request of the shape");
        let words: HashSet<&str> = path
            .split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '.'))
            .chain(path.split(['=', '&']))
            .chain(path.split(['?', '&']))
            .collect();
        let is_requested = |symbol: &str| form.requested.iter().all(|text| words.contains(&*shape.spell(text, symbol)));
        let requested: Vec<usize> = (0..self.symbols.len()).filter(|at| is_requested(&self.symbols[*at])).collect();
        assert!(!requested.is_empty(), "nothing is asked by {path}");
        let body = self.body(form, &requested);
        let _ = write!(self.log, "\n> {path}\n{body}");
        body
    }

    fn body(&mut self, form: &Form, requested: &[usize]) -> String {
        let (before, rows, after) = form.body;
        let names = Names::new(self.shape, form, requested.iter().map(|at| self.symbols[*at].as_str()));
        if rows == Rows::Bare || (rows == Rows::ObjectOrBare && requested.len() == 1) {
            let (row, found) = self.row(form, Some(requested[0]), &names.own[0][0]);
            self.expect(requested[0], found);
            return row;
        }
        let mut keys = self.keys(form, requested, &names);
        if rows != Rows::List {
            let mut seen = HashSet::new();
            keys.retain(|(_, key)| seen.insert(key.clone()));
        }
        let mut texts: Vec<String> = Vec::new();
        let mut found: HashMap<usize, Vec<Found>> = HashMap::new();
        for (of, key) in keys {
            let (row, values) = self.row(form, of, &key);
            if let Some(at) = of
                && !values.is_empty()
            {
                found.entry(at).or_default().push(values);
            }
            texts.push(if rows == Rows::List { row } else { format!("{}:{row}", self.quoted(&key)) });
        }
        for (at, rows) in found {
            self.expect(at, pick(form.pick, rows));
        }
        let comma = self.dice.one_of(&[",", ", ", ",\n  ", "\r\n,\t"]);
        format!("{before}{}{after}", texts.join(comma))
    }

    /// The names of the rows, each with the index of its symbol, if any. Some rows are missing, some come
    /// twice, some belong to no requested symbol, and the order is random.
    fn keys(&mut self, form: &Form, requested: &[usize], names: &Names) -> Vec<(Option<usize>, String)> {
        let mut keys = Vec::new();
        for (at, own) in requested.iter().zip(&names.own) {
            for _ in 0..self.dice.one_of(&[1, 1, 1, 1, 1, 1, 0, 2]) {
                keys.push((Some(*at), self.dice.choose(own).clone()));
            }
        }
        for _ in 0..self.dice.below(4) {
            let like = self.dice.choose(&names.own);
            let like = self.dice.choose(like);
            let swap = |c: char| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            let strange = match self.dice.below(6) {
                0 => format!("{like}-PERP"),
                1 => format!("X{like}"),
                2 => like[..like.len() - 1].to_owned(),
                3 => like.chars().map(swap).collect(),
                4 => like.chars().rev().collect(),
                _ => self.shape.spell(form.keys[0], &self.shape.symbols(&mut self.dice)[0]),
            };
            if !names.fits(&strange) {
                keys.push((None, strange));
            }
        }
        keys.extend(names.ambiguous.iter().filter(|_| self.dice.one_in(2)).map(|name| (None, name.clone())));
        self.dice.shuffle(&mut keys);
        keys
    }

    /// The text as a JSON string, in one of several spellings.
    fn quoted(&mut self, key: &str) -> String {
        match (key.chars().next(), self.dice.below(8)) {
            (Some(first), 7) => format!("\"\\u{:04x}{}\"", u32::from(first), &key[1..]),
            (_, 3..7) => format!("\"{}\"", key.replace('/', "\\/")),
            _ => format!("\"{key}\""),
        }
    }

    /// Notes the values that a run has to read.
    fn expect(&mut self, at: usize, found: Found) {
        for (field, (_, written)) in found {
            self.expected.entry((at, field)).or_insert(written);
        }
    }

    /// One row, and the values in it that a run has to read.
    fn row(&mut self, form: &Form, of: Option<usize>, key: &str) -> (String, Found) {
        if of.is_some() && !form.unknown.is_empty() && self.dice.one_in(8) {
            let text = self.dice.one_of(form.unknown);
            return (self.expand(form, key, text, &mut Found::new()), Found::new());
        }
        let symbol = &self.symbols[of.unwrap_or(0)];
        let mut found = Found::new();
        let text = if form.row[0].starts_with(['[', '#']) {
            let foreign = of.is_none() && !form.foreign.is_empty() && self.dice.one_in(2);
            let text = if foreign { self.dice.one_of(form.foreign) } else { form.row[0] };
            self.expand(form, key, &self.shape.spell(text, symbol), &mut found)
        } else {
            let mut members: Vec<&str> = form.row.to_vec();
            members.retain(|member| member.contains('&') || !self.dice.one_in(16));
            members.extend(self.dice.one_in(2).then(|| self.dice.one_of(&MORE)));
            self.dice.shuffle(&mut members);
            let expanded: Vec<String> = members
                .into_iter()
                .map(|text| self.expand(form, key, &self.shape.spell(text, symbol), &mut found))
                .collect();
            format!("{{{}}}", expanded.join(self.dice.one_of(&[",", ", "])))
        };
        // A row with nothing but a time is not a quote.
        if !found.keys().any(|field| self.fields[*field] != "age") {
            found.clear();
        }
        (text, found)
    }

    /// Fills the holes of a text.
    fn expand(&mut self, form: &Form, key: &str, text: &str, found: &mut Found) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['$', '#', '%', '^', '~', '&']) {
            out.push_str(&rest[..at]);
            let (kind, after) = rest[at..].split_at(1);
            if kind == "&" {
                out.push_str(&self.quoted(key));
                rest = after;
                continue;
            }
            let end = after.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(after.len());
            let name = &after[..end];
            rest = after[end..].trim_start_matches('+');
            let rank = after.len() - end - rest.len();
            let (token, written) = if name == "age" { self.time(form, kind) } else { self.number(kind, name) };
            out.push_str(&token);
            let Some(field) = self.fields.iter().position(|field| *field == name) else {
                assert_eq!(name, "_", "a field of {}", self.shape.provider);
                continue;
            };
            if let Some(written) = written
                && found.get(&field).is_none_or(|(known, _)| rank < *known)
            {
                found.insert(field, (rank, written));
            }
        }
        out + rest
    }

    /// A number for a hole, or a text that is not a number.
    fn number(&mut self, kind: &str, field: &str) -> (String, Option<Written>) {
        let dice = &mut self.dice;
        if dice.one_in(10) {
            let none: &[&str] = match kind {
                "$" | "~" => &["null", "\"\"", "\"N/A\"", "\"NaN\"", "\" \"", "\"-\""],
                "%" => &["null", "\"\"", "\"N/A\"", "\"UNCH\""],
                _ => &["null", "\"N/A\"", "{}", "[]", "true"],
            };
            return (dice.one_of(none).to_owned(), None);
        }
        let is_price = !matches!(field, "volume" | "quote_volume" | "change" | "change_percent");
        let is_zero = dice.one_in(12);
        let is_negative = !is_zero && dice.one_in(if is_price { 20 } else { 3 });
        let mut text = if is_negative { "-".to_owned() } else { String::new() };
        if is_zero {
            text.push_str(if kind == "%" { "0.00" } else { dice.one_of(&["0", "0.0", "0.00000000", "0E-7", "0e0"]) });
        } else {
            text.push_str(&dice.number(kind != "%"));
        }
        let token = match kind {
            "$" | "~" => format!("\"{text}\""),
            "%" => format!("\"{}\"", with_separators(&text)),
            _ => text.clone(),
        };
        let is_value = !is_price || !(is_zero || is_negative);
        (token, is_value.then_some(Written { text, hundredfold: matches!(kind, "^" | "~") }))
    }

    /// A time for a hole and its age, or a text that is not a time.
    fn time(&mut self, form: &Form, kind: &str) -> (String, Option<Written>) {
        let dice = &mut self.dice;
        if dice.one_in(8) {
            let none: &[&str] = if kind == "$" { &["null", "\"\"", "\"2027-01-15\""] } else { &["null", "0"] };
            let none: &[&str] =
                if matches!(form.time, Time::Text(..)) { none } else { &["null", "0", "\"\"", "\"0\""] };
            return (dice.one_of(none).to_owned(), None);
        }
        let seconds = i64::try_from(dice.below(100_000)).expect("small") - 10;
        let whole = matches!(form.time, Time::Seconds);
        let age = if whole { seconds * 1000 } else { seconds * 1000 + i64::try_from(dice.below(1000)).expect("small") };
        let text = match form.time {
            Time::Never => panic!("a time in a form without"),
            Time::Seconds => ((NOW - age) / 1000).to_string(),
            Time::Millis => (NOW - age).to_string(),
            Time::Text(text, hours) => {
                let at = Timestamp::from_millisecond(NOW - age).expect("a time");
                at.to_zoned_datetime(TimeZone::fixed(Offset::constant(hours))).strftime(text).to_string()
            }
        };
        let token = if kind == "$" { format!("\"{text}\"") } else { text };
        (token, Some(Written { text: shortest(age), hundredfold: false }))
    }
}

/// The names that the rows of one reply may have.
struct Names {
    /// For each requested symbol, the names that only its row has.
    own: Vec<Vec<String>>,
    /// The names that fit two symbols.
    ambiguous: BTreeSet<String>,
    /// All names, in lower case if case does not count.
    all: HashSet<String>,
    any_case: bool,
}

impl Names {
    fn new<'s>(shape: &Shape, form: &Form, requested: impl Iterator<Item = &'s str>) -> Self {
        let spelled = |symbol| form.keys.iter().map(|key| shape.spell(key, symbol)).collect();
        let mut own: Vec<BTreeSet<String>> = requested.map(spelled).collect();
        let (mut once, mut ambiguous) = (BTreeSet::new(), BTreeSet::new());
        for name in own.iter().flatten() {
            if !once.insert(name.clone()) {
                ambiguous.insert(name.clone());
            }
        }
        for names in &mut own {
            names.retain(|name| !ambiguous.contains(name));
        }
        let fold = |name: String| if form.any_case { name.to_lowercase() } else { name };
        let own = own.into_iter().map(|names| names.into_iter().collect()).collect();
        Self { own, ambiguous, all: once.into_iter().map(fold).collect(), any_case: form.any_case }
    }

    fn fits(&self, name: &str) -> bool {
        self.all.contains(name) || (self.any_case && self.all.contains(&name.to_lowercase()))
    }
}

/// By index of the field: its rank among the alternatives, and the number.
type Found = HashMap<usize, (usize, Written)>;

/// The values that count of several rows of one symbol.
fn pick(pick: Pick, rows: Vec<Found>) -> Found {
    let mut picked = Found::new();
    for row in rows {
        if pick == Pick::First {
            return row;
        }
        for (field, (rank, written)) in row {
            match picked.get(&field) {
                Some((_, known)) if known.number().total_cmp(&written.number()).is_ne() => return Found::new(),
                Some(_) => {}
                None => drop(picked.insert(field, (rank, written))),
            }
        }
    }
    picked
}

/// Members that no definition reads, with parts that it reads elsewhere.
const MORE: [&str; 5] = [
    r#""x":{"last":"1","c":["2","3"],"p":4,"meta":{"regularMarketPrice":5},"symbol":&}"#,
    r#""x y":[[1,2,3,4,5,6,7,8,9,10,11],{"close":"1"},"]}\"",[]]"#,
    r#""\u0065x\/tra":1e999"#,
    r#""":null"#,
    r#""é":"\\\"{\ud83d\ude00""#,
];

/// Milliseconds as seconds.
fn shortest(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let text = format!("{sign}{}.{:03}", millis.abs() / 1000, millis.abs() % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `-1234.5` is `-1,234.5`.
fn with_separators(text: &str) -> String {
    let whole = text.find('.').unwrap_or(text.len());
    let mut out = String::new();
    for (at, c) in text.char_indices() {
        if at > 0 && at < whole && (whole - at).is_multiple_of(3) && !out.ends_with('-') {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Random choices. When the random bytes are used up, the first choice is taken.
struct Dice<'u, 'd>(&'u mut Unstructured<'d>);

impl Dice<'_, '_> {
    /// A number below `count`.
    fn below(&mut self, count: usize) -> usize {
        self.0.int_in_range(0..=count - 1).unwrap_or_default()
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        *self.choose(of)
    }

    fn choose<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in 1..items.len() {
            items.swap(at, self.below(at + 1));
        }
    }

    /// A number above zero of 17 digits at most, in a spelling that the program does not change.
    fn number(&mut self, exponents: bool) -> String {
        let len = 1 + self.below(17);
        let mut digits: String =
            (0..len).map(|_| self.one_of(&['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])).collect();
        if digits.starts_with('0') {
            digits.replace_range(..1, "7");
        }
        match self.below(if exponents { 4 } else { 3 }) {
            0 => {}
            1 => digits.insert_str(0, self.one_of(&["0.", "0.0", "0.00", "0.000"])),
            2 => digits.insert(1 + self.below(len), '.'),
            _ => {
                if len > 1 {
                    digits.insert(1, '.');
                }
                let (e, sign) = (self.one_of(&["e", "E"]), self.one_of(&["", "+", "-"]));
                let exponent = self.below(16);
                let two = if self.one_in(2) { 2 } else { 0 };
                let _ = write!(digits, "{e}{sign}{exponent:0two$}");
            }
        }
        if digits.ends_with('.') {
            digits.push('0');
        }
        digits
    }
}
