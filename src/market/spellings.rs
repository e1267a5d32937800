//! Spellings of symbols that people type, in the feeds `crypto` and `stocks`. What is surely meant is
//! understood. What is only likely is suggested, as the price of another symbol is worse than a question.

use super::symbol::{SHARE_CLASSES, Symbol};

/// Currencies in which prices of coins are given, and coins that stand for one.
const MONEY: [&str; 34] = [
    "USD", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "NZD", "KRW", "INR", "BRL", "TRY", "MXN", "ARS", "SGD", "HKD",
    "IDR", "THB", "VND", "PHP", "PLN", "CZK", "SEK", "NOK", "DKK", "UAH", "ZAR", "NGN", "AED", "USDT", "USDC", "EURC",
    "TUSD", "DAI",
];

/// Coins in which prices of other coins are given.
const COIN_QUOTES: [&str; 4] = ["BTC", "XBT", "ETH", "BNB"];

/// The codes with which a pair without a separator begins. No coin has the code that one of them and a quote make
/// together, as `UNI` and `BTC`, or `CRV` and `USD`, do.
const MUCH_TRADED: [&str; 33] = [
    "BTC", "XBT", "ETH", "SOL", "XRP", "DOGE", "XDG", "ADA", "LTC", "BNB", "TRX", "DOT", "LINK", "AVAX", "BCH", "XLM",
    "XMR", "ETC", "ATOM", "SHIB", "HBAR", "NEAR", "FIL", "AAVE", "ALGO", "PEPE", "SUI", "TON", "BAT", "USDT", "USDC",
    "EUR", "GBP",
];

/// Makes the canonical spelling of a pair, or of a base alone, from what a person types: `BTC/USD` from
/// `btc/usd`, `BTC-USD`, `BTC_USD`, `BTC:USD`, `$BTC/USD` and `XBT/USD`. Returns whether it has a quote.
pub(crate) fn canonicalize_pair(text: &mut String) -> bool {
    text.make_ascii_uppercase();
    strip_cashtag(text);
    let mut slash = text.bytes().position(|byte| byte == b'/');
    if slash.is_none()
        && let Some((base, quote)) = split_pair(text)
        && is_quote(quote)
        && coin_named(base).is_none()
        && !is_reversed(base, quote)
    {
        let at = base.len();
        text.replace_range(at..=at, "/");
        slash = Some(at);
    }
    if let Some(slash) = slash
        && let Some(code) = old_code(&text[slash + 1..])
    {
        text.replace_range(slash + 1.., code);
    }
    let base_len = slash.unwrap_or(text.len());
    if let Some(code) = old_code(&text[..base_len]) {
        text.replace_range(..base_len, code);
    }
    slash.is_some()
}

/// Makes the canonical spelling of a share from what a person types: `AAPL` from `$AAPL`, and `BRK.B` from
/// `BRK-B` and `BRK/B`. `BTC-USD` stays as it is: some stock APIs spell currencies so.
pub(crate) fn canonicalize_share(text: &mut String) {
    text.make_ascii_uppercase();
    strip_cashtag(text);
    let Some(at) = text.bytes().position(|byte| !byte.is_ascii_alphanumeric()).filter(|at| *at > 0) else { return };
    if let [b'-' | b'/', class, after @ ..] = &text.as_bytes()[at..]
        && SHARE_CLASSES.contains(class)
        && matches!(after, [] | [b'.', ..])
    {
        text.replace_range(at..=at, ".");
    }
}

/// The pair that is probably meant by a text without a `/`, or only its base: `BTC/USDT` by `BTCUSDT`, `BTC` by
/// `BITCOIN`. The text has gone through [`canonicalize_pair`]. A text that is probably a code has none.
pub(crate) fn probable_pair(text: &str) -> Option<String> {
    if text.len() > Symbol::MAX_LEN {
        return None;
    }
    if let Some(code) = coin_named(text) {
        return Some(code.to_owned());
    }
    let (base, quote) = split_pair(text).or_else(|| split_joined(text))?;
    let (base, quote) = if is_reversed(base, quote) { (quote, base) } else { (base, quote) };
    let code = |code| coin_named(code).or_else(|| old_code(code)).unwrap_or(code).to_owned();
    (is_code(base) && is_code(quote)).then(|| code(base) + "/" + &code(quote))
}

/// The pair that is probably meant by one whose base is the name of a coin: `BTC/USD` by `BITCOIN/USD`. Some of
/// these names are the codes of other coins, which hardly anybody means.
pub(crate) fn probable_base(pair: &str) -> Option<String> {
    let (base, quote) = pair.split_once('/')?;
    Some(format!("{}/{quote}", coin_named(base)?))
}

/// Whether a text looks like the code of a currency or a coin.
pub(crate) fn is_code(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The code that is used here for a code of earlier days, which some exchanges still have.
pub(crate) fn old_code(code: &str) -> Option<&'static str> {
    match code {
        "XBT" => Some("BTC"),
        "XDG" => Some("DOGE"),
        _ => None,
    }
}

/// Removes the `$` that is before a code in chats and news.
fn strip_cashtag(text: &mut String) {
    if let [b'$', next, ..] = text.as_bytes()
        && next.is_ascii_alphanumeric()
    {
        text.remove(0);
    }
}

/// Both parts of a pair that is written with another separator than `/`.
fn split_pair(text: &str) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| matches!(byte, b'-' | b'_' | b':'))?;
    Some((&text[..at], &text[at + 1..]))
}

/// Both parts of a pair that is written without a separator. Only a coin that is much traded counts as base, as
/// there are coins such as `WBTC` and `FDUSD`.
fn split_joined(text: &str) -> Option<(&str, &str)> {
    let split = |quote_len| text.split_at_checked(text.len().checked_sub(quote_len)?);
    [3, 4]
        .into_iter()
        .filter_map(split)
        .find(|(base, quote)| MUCH_TRADED.contains(base) && is_quote(quote) && base != quote)
}

/// Whether the quote comes first, as some exchanges write it: `USDT_BTC`, `KRW-BTC`.
fn is_reversed(base: &str, quote: &str) -> bool {
    COIN_QUOTES.contains(&quote) && (MONEY.contains(&base) || matches!(base, "BTC" | "XBT"))
}

fn is_quote(code: &str) -> bool {
    MONEY.contains(&code) || COIN_QUOTES.contains(&code)
}

/// The code of a coin by its name.
fn coin_named(name: &str) -> Option<&'static str> {
    Some(match name {
        "BITCOIN" => "BTC",
        "ETHEREUM" => "ETH",
        "TETHER" => "USDT",
        "RIPPLE" => "XRP",
        "SOLANA" => "SOL",
        "USDCOIN" | "USD-COIN" => "USDC",
        "DOGECOIN" => "DOGE",
        "TRON" => "TRX",
        "CARDANO" => "ADA",
        "CHAINLINK" => "LINK",
        "AVALANCHE" => "AVAX",
        "STELLAR" => "XLM",
        "BITCOINCASH" | "BITCOIN-CASH" => "BCH",
        "HEDERA" => "HBAR",
        "LITECOIN" => "LTC",
        "SHIBA-INU" => "SHIB",
        "TONCOIN" => "TON",
        "POLKADOT" => "DOT",
        "MONERO" => "XMR",
        "UNISWAP" => "UNI",
        "ETHEREUM-CLASSIC" => "ETC",
        "FILECOIN" => "FIL",
        "ALGORAND" => "ALGO",
        "TEZOS" => "XTZ",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(text: &str) -> String {
        let mut text = text.to_owned();
        assert_eq!(canonicalize_pair(&mut text), text.contains('/'), "{text}");
        text
    }

    fn share(text: &str) -> String {
        let mut text = text.to_owned();
        canonicalize_share(&mut text);
        text
    }

    #[test]
    fn a_pair_is_understood_in_any_spelling() {
        for text in ["BTC/USD", "btc/usd", "BTC-USD", "btc_usd", "BTC:USD", "$BTC-USD", "XBT/USD", "xbt-usd"] {
            assert_eq!(pair(text), "BTC/USD", "{text}");
        }
        for (text, canonical) in [
            ("btc", "BTC"),
            ("XBT", "BTC"),
            ("$xdg", "DOGE"),
            ("XDG/XBT", "DOGE/BTC"),
            ("ETH-BTC", "ETH/BTC"),
            ("BNB-BTC", "BNB/BTC"),
            ("EUR-USD", "EUR/USD"),
            ("1INCH-USDT", "1INCH/USDT"),
        ] {
            assert_eq!(pair(text), canonical, "{text}");
        }
    }

    #[test]
    fn a_probable_pair_is_suggested() {
        for (text, probable) in [
            ("BTCUSDT", "BTC/USDT"),
            ("btcusd", "BTC/USD"),
            ("XBTUSD", "BTC/USD"),
            ("ETHXBT", "ETH/BTC"),
            ("USDCUSDT", "USDC/USDT"),
            ("DOGEEUR", "DOGE/EUR"),
            ("bitcoin", "BTC"),
            ("Bitcoin-Cash", "BCH"),
            ("bitcoin-usd", "BTC/USD"),
            ("BTC-XYZ", "BTC/XYZ"),
            ("FOO_BAR", "FOO/BAR"),
            ("USDT_BTC", "BTC/USDT"),
            ("KRW-XBT", "BTC/KRW"),
            ("BTC-ETH", "ETH/BTC"),
        ] {
            assert_eq!(probable_pair(&pair(text)).as_deref(), Some(probable), "{text}");
        }
    }

    #[test]
    fn the_name_of_a_coin_in_a_pair_is_understood() {
        assert_eq!(probable_base("BITCOIN/USD").as_deref(), Some("BTC/USD"));
        assert_eq!(probable_base("BTC/USD"), None);
    }

    #[test]
    fn a_code_is_no_probable_pair() {
        for text in [
            "FOOBAR", "WBTC", "CBBTC", "TBTC", "UNIBTC", "SOLVBTC", "STETH", "CBETH", "FDUSD", "PYUSD", "RLUSD",
            "CRVUSD", "USDUSDT", "1INCH", "ETH", "USDT", "EURC", "ETH2.S", "BTC.D", "A-B-C", "-USDX", "BTC-", "-",
            "é-ü", "",
        ] {
            assert_eq!(probable_pair(&pair(text)), None, "{text}");
        }
        assert_eq!(probable_pair(&"A-".repeat(100)), None);
    }

    #[test]
    fn a_share_is_understood_in_any_spelling() {
        for text in ["BRK.B", "brk.b", "BRK-B", "BRK/B", "$BRK-B"] {
            assert_eq!(share(text), "BRK.B", "{text}");
        }
        for (text, canonical) in [("$aapl", "AAPL"), ("RCI-B.TO", "RCI.B.TO"), ("VOLV-B.ST", "VOLV.B.ST")] {
            assert_eq!(share(text), canonical, "{text}");
        }
        for text in
            ["BTC-USD", "EUR/USD", "VOD.L", "REI-UN.TO", "JPM-PC", "BRK-", "-B", "A-B-C", "^GSPC", "ES=F", "$", "$^X"]
        {
            assert_eq!(share(text), text);
        }
    }

    #[test]
    fn a_canonical_spelling_stays_and_has_few_changes() {
        arbtest::arbtest(|u| {
            const BYTES: &[u8] = b"$XBTDGUSCE-_:/.,a \xc3";
            let bytes =
                (0..u.int_in_range(0..=12)?).map(|_| u.choose(BYTES).copied()).collect::<Result<Vec<u8>, _>>()?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            assert_eq!(pair(&pair(&text)), pair(&text), "{text}");
            assert_eq!(share(&share(&text)), share(&text), "{text}");
            // Letters and digits without a separator are a code, and stay one.
            let code = text.to_ascii_uppercase();
            if code.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                assert_eq!(pair(&text), old_code(&code).unwrap_or(&code));
                assert_eq!(share(&text), code);
            }
            let _ = probable_pair(&pair(&text));
            Ok(())
        });
    }
}
