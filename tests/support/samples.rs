//! Replies in the documented shape, for tests that are not about reading replies.

use super::Reply;

/// The request to Kraken for the default symbols.
pub(crate) const KRAKEN: &str = "GET /0/public/Ticker?pair=XBTUSD,ETHUSD,BATUSD";
/// The request to Yahoo for the default symbols.
pub(crate) const YAHOO: &str = "GET /v7/finance/spark?symbols=AMZN,NFLX,AAPL&range=1d&interval=5m";

/// Kraken's spelling of the default symbols and a last price for each.
pub(crate) const CRYPTO: [(&str, &str); 3] =
    [("XXBTZUSD", "65600.10"), ("XETHZUSD", "3400.25"), ("BATUSD", "0.00007351")];
/// The default stocks and a last price for each.
pub(crate) const STOCKS: [(&str, &str); 3] = [("AMZN", "230"), ("NFLX", "1100.5"), ("AAPL", "204")];

/// A reply of Kraken with these last prices; all other numbers are the same for all symbols.
pub(crate) fn kraken(rows: &[(&str, &str)]) -> Reply {
    let row = |(key, last): &(&str, &str)| {
        format!(
            r#""{key}":{{"a":["{last}","1","1.000"],"b":["{last}","1","1.000"],"c":["{last}","0.1"],"v":["1.5","20.25"],"p":["1","650.5"],"t":[5,6],"l":["1","640.10"],"h":["1","660.90"],"o":"651"}}"#
        )
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    Reply::json(format!(r#"{{"error":[],"result":{{{}}}}}"#, rows.join(",")))
}

/// A reply of Yahoo with these last prices; all other numbers are the same for all symbols.
pub(crate) fn yahoo(rows: &[(&str, &str)]) -> Reply {
    let row = |(symbol, last): &(&str, &str)| {
        format!(
            r#"{{"symbol":"{symbol}","response":[{{"meta":{{"symbol":"{symbol}","regularMarketTime":1772485201,"regularMarketPrice":{last},"regularMarketDayHigh":1200,"regularMarketDayLow":200.5,"regularMarketVolume":41234567,"chartPreviousClose":200,"previousClose":200}}}}]}}"#
        )
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    Reply::json(format!(r#"{{"spark":{{"result":[{}],"error":null}}}}"#, rows.join(",")))
}
