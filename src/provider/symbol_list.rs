//! From the body of a reply to the symbols that a provider knows.

use super::definition::{CodeSource, Definition, Market, SymbolList};
use super::json::{JsonError, JsonReader, string_or_number};
use super::pointer::Pointer;
use super::pointer_trie::PointerTrie;
use super::reply::ReplyError;
use super::request::{Plan, Query};
use super::spelling::{Format, SymbolPart};
use crate::http::request::Request;
use crate::market::symbol::Symbol;
use crate::util::hash::hash_of;
use crate::util::sanitize::sanitize;
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::ops::Range;

/// Most symbols that are kept of a reply, which may be about anything.
const MAX_SYMBOLS: usize = 50_000;

/// Most characters of a name that are kept.
const MAX_NAME: usize = 100;

/// A symbol that a provider knows. All texts are safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedSymbol {
    /// The canonical spelling, as it is written in a config.
    pub(crate) symbol: String,
    /// The API's own spelling.
    pub(crate) spelled: String,
    /// The name of what it stands for, empty if the API gives none.
    pub(crate) name: String,
}

impl ListedSymbol {
    /// Whether each of these texts, which are in lower case, is in one of its spellings or in its name.
    fn fits(&self, texts: &[String]) -> bool {
        let words = [&self.symbol, &self.spelled, &self.name].map(|word| word.to_lowercase());
        texts.iter().all(|text| words.iter().any(|word| word.contains(text.as_str())))
    }
}

impl Plan<'_> {
    /// Reads the body of a reply to a query for a list of symbols. Of an API that has searched itself all are
    /// kept, of others those that fit all `texts`. Each symbol is there once.
    ///
    /// # Errors
    /// When nothing in it can be used.
    pub(crate) fn read_symbols(
        &self,
        list: &SymbolList,
        query: &Query<'_>,
        body: &str,
        texts: &[String],
    ) -> Result<Vec<ListedSymbol>, ReplyError> {
        query.check_body(body)?;
        let texts = if list.is_search() { Vec::new() } else { texts.iter().map(|text| text.to_lowercase()).collect() };
        let layout = ListLayout::new(list);
        let mut reader = ListReader {
            definition: self.definition,
            list,
            layout: &layout,
            texts,
            symbols: Vec::new(),
            request: &query.request,
            seen: FxHashMap::default(),
            found_rows: false,
            rows: 0,
            understood: 0,
            is_cut: false,
        };
        let not_json = |reason| ReplyError::NotJson { reason, start: query.request.excerpt(body) };
        if let Some(rows) = rows_of(list, body).map_err(not_json)? {
            reader.read(rows).map_err(not_json)?;
        }
        let ListReader { symbols, found_rows, rows, understood, is_cut, .. } = reader;
        if is_cut {
            log::warn!("{}: only the first {MAX_SYMBOLS} symbols are shown: name a TEXT", self.definition.name);
        }
        if understood > 0 {
            return Ok(symbols);
        }
        let pointer = || list.endpoint.rows.as_str().to_owned();
        match self.error_text(query, body) {
            Some(error) => Err(ReplyError::ApiError(error)),
            None if !found_rows => Err(ReplyError::NoRows { pointer: pointer(), start: query.request.excerpt(body) }),
            // A search may find nothing, and things that are no symbols.
            None if rows > 0 && !list.is_search() => {
                Err(ReplyError::NoSymbols { rows, start: query.request.excerpt(body) })
            }
            None => Ok(symbols),
        }
    }
}

/// The value where the rows should be. The whole body is parsed for it.
fn rows_of<'de>(list: &SymbolList, body: &'de str) -> Result<Option<&'de str>, JsonError> {
    let (mut trie, mut slots) = (PointerTrie::default(), [None]);
    trie.insert(&list.endpoint.rows.literal_steps(), 0);
    let mut json = JsonReader::new(body);
    trie.extract(&mut json, &mut slots, None)?;
    json.end()?;
    Ok(slots[0])
}

/// Which value of a row has which slot.
struct ListLayout {
    trie: PointerTrie,
    slots: usize,
    base: Option<usize>,
    quote: Option<usize>,
    name: Range<usize>,
    only: Range<usize>,
}

impl ListLayout {
    /// The slot of the API's spelling.
    const KEY: usize = 0;

    fn new(list: &SymbolList) -> Self {
        let (mut trie, mut slots) = (PointerTrie::default(), 0);
        let mut slots_for = |pointers: &mut dyn Iterator<Item = &Pointer>| {
            let start = slots;
            for pointer in pointers {
                trie.insert(&pointer.literal_steps(), slots);
                slots += 1;
            }
            start..slots
        };
        // Where rows have no key, a row may be the spelling itself.
        slots_for(&mut std::iter::once(list.endpoint.key.as_ref().unwrap_or(&Pointer::default())));
        let mut code = |source: &Option<CodeSource>| match source {
            Some(CodeSource::Pointer(pointer)) => Some(slots_for(&mut std::iter::once(pointer)).start),
            _ => None,
        };
        let (base, quote) = (code(&list.base), code(&list.quote));
        let name = slots_for(&mut list.name.iter());
        let only = slots_for(&mut list.only.iter().map(|(pointer, _)| pointer));
        Self { trie, slots, base, quote, name, only }
    }
}

/// Reads the rows of a list, one after the other.
struct ListReader<'a> {
    definition: &'a Definition,
    list: &'a SymbolList,
    layout: &'a ListLayout,
    /// What a symbol must fit, in lower case.
    texts: Vec<String>,
    /// The request, whose secrets no text may show.
    request: &'a Request,
    symbols: Vec<ListedSymbol>,
    /// By their hashes the indexes of the symbols that are there.
    seen: FxHashMap<u64, usize>,
    found_rows: bool,
    rows: usize,
    /// How many rows have a symbol, or are left out by `only`: a list of nothing but other things is no failure.
    understood: usize,
    /// Whether there are more symbols than are kept.
    is_cut: bool,
}

impl ListReader<'_> {
    /// Reads an array of rows, or an object whose members are rows.
    fn read(&mut self, rows: &str) -> Result<(), JsonError> {
        let mut json = JsonReader::new(rows);
        match json.peek() {
            Some(b'{') => {
                self.found_rows = true;
                json.members(|json, name| self.read_row(json, Some(name)).map(|()| true))
            }
            Some(b'[') => {
                self.found_rows = true;
                json.elements(|json, _| self.read_row(json, None))
            }
            _ => Ok(()),
        }
    }

    fn read_row(&mut self, json: &mut JsonReader<'_>, name: Option<&str>) -> Result<(), JsonError> {
        let mut slots = vec![None; self.layout.slots];
        self.layout.trie.extract(json, &mut slots, None)?;
        self.take(name, &slots);
        Ok(())
    }

    /// Takes a row, which may have a name.
    fn take(&mut self, member: Option<&str>, slots: &[Option<&str>]) {
        self.rows += 1;
        let text = |slot: usize| slots[slot].and_then(string_or_number);
        let member = member.filter(|_| self.list.endpoint.key.is_none()).map(Cow::Borrowed);
        let Some(key) = member.or_else(|| text(ListLayout::KEY)) else { return };
        let is_wanted = |(slot, (_, texts)): (usize, &(Pointer, Vec<String>))| {
            let found = slots[slot].map(|json| string_or_number(json).unwrap_or(Cow::Borrowed(json)));
            found.is_some_and(|found| texts.iter().any(|text| *text == found))
        };
        if !self.layout.only.clone().zip(&self.list.only).all(is_wanted) {
            self.understood += 1;
            return;
        }
        let code = |source: &Option<CodeSource>, slot: Option<usize>| match source {
            Some(CodeSource::Literal(code)) => Some(Cow::Owned(code.clone())),
            _ => slot.and_then(text),
        };
        let base = code(&self.list.base, self.layout.base);
        let quote = code(&self.list.quote, self.layout.quote);
        let Some(symbol) = self.definition.listed(self.list, &key, base.as_deref(), quote.as_deref()) else {
            let shown = || self.request.secrets.sanitize(&key, MAX_NAME);
            log::debug!("{}: {} stands for no symbol here", self.definition.name, shown());
            return;
        };
        self.understood += 1;
        let name = self.layout.name.clone().filter_map(text).find(|name| !name.trim().is_empty()).unwrap_or_default();
        let listed = ListedSymbol { symbol, spelled: key.into_owned(), name: name.into_owned() };
        let has_secret = |text: &str| self.request.secrets.sanitize(text, usize::MAX) != sanitize(text, usize::MAX);
        let parts = [Some(&*listed.spelled), base.as_deref(), quote.as_deref()];
        if listed.fits(&self.texts) && !parts.into_iter().flatten().any(has_secret) {
            self.push(listed);
        }
    }

    /// Keeps a symbol, unless it is there.
    fn push(&mut self, listed: ListedSymbol) {
        let hash = hash_of(&listed.symbol);
        if self.seen.get(&hash).is_some_and(|index| self.symbols[*index].symbol == listed.symbol) {
            return;
        }
        if self.symbols.len() == MAX_SYMBOLS {
            self.is_cut = true;
            return;
        }
        self.seen.insert(hash, self.symbols.len());
        let spelled = sanitize(&listed.spelled, Symbol::MAX_LEN);
        let name = self.request.secrets.sanitize(&listed.name, MAX_NAME);
        self.symbols.push(ListedSymbol { spelled, name, ..listed });
    }
}

impl Definition {
    /// The canonical spelling of a symbol in the list of the API: of `key`, or of a pair with these parts. `None` if
    /// no symbol is spelled so.
    fn listed(&self, list: &SymbolList, key: &str, base: Option<&str>, quote: Option<&str>) -> Option<String> {
        // To find out how a long text would be spelled here takes a time that grows with the square of its length.
        if [Some(key), base, quote].into_iter().flatten().any(|text| text.len() > Symbol::MAX_LEN) {
            return None;
        }
        let (base, quote) = match (list.base.is_some(), list.quote.is_some()) {
            (true, true) => (base?, quote?),
            (true, false) => (base?, key),
            (false, true) => (key, quote?),
            (false, false) if self.needs_pairs() => split_pair(key, &list.quotes)?,
            (false, false) => return self.whole(key),
        };
        let is_literal = |source: &Option<CodeSource>| matches!(source, Some(CodeSource::Literal(_)));
        let base = self.code(base, is_literal(&list.base))?;
        let quote = self.code(quote, is_literal(&list.quote))?;
        // A list of currencies has the base of all its pairs too.
        if base == quote { None } else { checked(format!("{base}/{quote}")) }
    }

    /// What is written here for a symbol of the API. One with a slash is a pair, whose parts it may spell one by one.
    fn whole(&self, written: &str) -> Option<String> {
        let parts = || {
            let (base, quote) = written.split_once('/')?;
            Some(format!("{}/{}", self.code(base, false)?, self.code(quote, false)?))
        };
        let is_spelled_so = |text: &String| {
            let mut spelled = String::new();
            let symbol = Symbol::with_spaces(text).ok()?;
            self.spelling.push_spelled(&mut spelled, &symbol, SymbolPart::Whole, Format::DEFAULT)?;
            let is_same = if self.symbol.changes_case() { str::eq_ignore_ascii_case } else { str::eq };
            is_same(&spelled, written).then_some(())
        };
        let texts = self.code(written, false).into_iter().chain(parts());
        checked(texts.into_iter().find(|text| is_spelled_so(text).is_some())?)
    }

    /// What is written here for a code of the API. One that the definition itself has is written so already.
    fn code(&self, written: &str, is_literal: bool) -> Option<String> {
        if is_literal {
            return Some(written.to_owned());
        }
        let ignores_case = self.symbol.changes_case();
        // Coins and shares are written in capitals. What they are in other markets is not known.
        let capitals = ignores_case && self.market != Market::Other;
        let written = if capitals { Cow::Owned(written.to_uppercase()) } else { Cow::Borrowed(written) };
        self.spelling.unspelled(&written, ignores_case)
    }
}

/// The text, if it is a symbol and safe to show.
fn checked(text: String) -> Option<String> {
    let is_symbol = Symbol::with_spaces(&text).is_ok_and(|symbol| symbol.as_str() == text);
    (is_symbol && sanitize(&text, usize::MAX) == text).then_some(text)
}

/// Base and quote of a pair: at a separator, or else before the longest of these quotes that it ends in.
fn split_pair<'t>(text: &'t str, quotes: &[String]) -> Option<(&'t str, &'t str)> {
    let separated = ['/', ':', '_', '-'].into_iter().find_map(|separator| text.split_once(separator));
    let joined = |quote: &String| {
        let at = text.len().checked_sub(quote.len())?;
        text.split_at_checked(at).filter(|(_, end)| end.eq_ignore_ascii_case(quote))
    };
    let pair = separated.or_else(|| quotes.iter().filter_map(joined).max_by_key(|(_, quote)| quote.len()))?;
    Some(pair).filter(|(base, quote)| !base.is_empty() && !quote.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::testing::definition;
    use std::collections::BTreeMap;

    /// The symbols that a definition with these keys in `symbols` reads in a list, each with spelling and name.
    fn list(head: &str, keys: &str, body: &str, texts: &[&str]) -> Result<Vec<String>, ReplyError> {
        let text =
            format!("{head}\n[[quote]]\npath = '/'\nerror = '/error'\nfields = {{ last = '/l' }}\n[symbols]\n{keys}");
        let (definition, secrets) = (definition(&text), BTreeMap::new());
        let list = definition.symbol_list.as_ref().unwrap();
        let plan = Plan::new(&definition, &[], &[], &[], &secrets, 0);
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        let found = plan.read_symbols(list, &plan.list_query(&list.endpoint, ""), body, &texts)?;
        Ok(found
            .into_iter()
            .map(|row| format!("{} {} {}", row.symbol, row.spelled, row.name).trim().to_owned())
            .collect())
    }

    const PAIR: &str = "symbol = '{base}{quote}'";

    #[test]
    fn a_spelling_is_at_the_key_or_the_name_of_the_row_or_the_row_itself() {
        let expected = ["BTC/USD BTC-USD", "A/B A:B"];
        for (keys, body) in [
            ("path = '/'", r#"["BTC-USD", "A:B"]"#),
            ("path = '/'\nrows = '/0'", r#"[["BTC-USD", "A:B", 1, null, {}]]"#),
            ("path = '/'", r#"{"BTC-USD": {}, "A:B": 1}"#),
            ("path = '/'\nkey = '/id'", r#"{"x": {"id": "BTC-USD"}, "y": {"id": "A:B"}, "z": 1}"#),
            ("path = '/'\nkey = '/1'", r#"[[1, "BTC-USD"], [2, "A:B"], [3]]"#),
        ] {
            assert_eq!(list(PAIR, keys, body, &[]).unwrap(), expected, "{keys}");
        }
    }

    #[test]
    fn a_pair_is_made_of_its_parts() {
        let body = r#"[{"id":"btc","b":"XBT","q":"USD"},{"id":"eth","b":"ETH","q":null},{"id":"sol","b":"SOL","q":7}]"#;
        for (keys, expected) in [
            ("base = '/b'\nquote = '/q'", ["BTC/USD btc", "SOL/7 sol"].as_slice()),
            ("base = '/b'", &["BTC/btc btc", "ETH/eth eth", "SOL/sol sol"]),
            ("base = 'EUR'", &["EUR/btc btc", "EUR/eth eth", "EUR/sol sol"]),
            ("quote = 'USD'", &["btc/USD btc", "eth/USD eth", "sol/USD sol"]),
        ] {
            let keys = format!("path = '/'\nkey = '/id'\n{keys}");
            assert_eq!(list(&format!("{PAIR}\nrename = {{ BTC = 'XBT' }}"), &keys, body, &[]).unwrap(), expected);
        }
    }

    #[test]
    fn a_pair_without_a_separator_ends_in_one_of_the_quotes() {
        let lower = "symbol = '{base:lower}{quote:lower}'";
        let keys = "path = '/'\nquotes = ['USD', 'GUSD', 'BTC']";
        let body = r#"["ethusd","dogegusd","usd","wbtceur","eth-gusd","/usd"]"#;
        assert_eq!(
            list(lower, keys, body, &[]).unwrap(),
            ["ETH/USD ethusd", "DOGE/GUSD dogegusd", "ETH/GUSD eth-gusd"]
        );
    }

    #[test]
    fn rows_that_do_not_count_and_second_rows_are_left_out() {
        let keys = "path = '/'\nkey = '/s'\nname = ['/long', '/short']\nonly = { '/on' = ['true', '1', 'yes'] }";
        let body = r#"[{"s":"A","on":true,"long":" ","short":"Short A"},{"s":"A","on":true},{"s":"B","on":false},{"s":"C"},
            {"s":"D","on":1,"long":"Long\nD"},{"s":"E","on":"yes"},{"s":"a\u202eb","on":true}]"#;
        assert_eq!(list("", keys, body, &[]).unwrap(), ["A A Short A", "D D Long D", "E E"]);
        assert_eq!(list("", keys, body, &["long"]).unwrap(), ["D D Long D"]);
        assert_eq!(list("", keys, r#"[{"s":"B","on":false}]"#, &[]).unwrap(), [""; 0]);
        let longest = "A".repeat(Symbol::MAX_LEN);
        let expected = format!("{longest} {longest}");
        assert_eq!(list("", "path = '/'", &format!("[\"{longest}\",\"{longest}A\"]"), &[]).unwrap(), [expected]);
    }

    #[test]
    fn a_reply_without_a_symbol_is_an_error_and_an_empty_list_is_none() {
        let read = |body: &str| list(PAIR, "path = '/'\nrows = '/data'", body, &[]);
        assert_eq!(read(r#"{"data":[]}"#).unwrap(), [""; 0]);
        let error = |body: &str| read(body).unwrap_err().to_string();
        assert_eq!(error(r#"{"data":[],"error":"busy"}"#), "busy");
        assert_eq!(error(r#"{"data":null}"#), r#"the reply has no rows at "/data": {"data":null}"#);
        assert_eq!(error(r#"{"data":["x",{}]}"#), r#"no symbol was found in 2 rows: {"data":["x",{}]}"#);
        assert!(error(r#"{"data":["#).starts_with("the reply is not JSON"));
        let deep = format!("{{\"data\":{}", "[".repeat(100_000));
        assert!(error(&deep).starts_with("the reply is not JSON"));
        let search = |body: &str| list("", "path = '/?q={text}'\nkey = '/s'", body, &["x"]);
        assert_eq!(search(r#"[{"name":"no symbol"}]"#).unwrap(), [""; 0]);
        assert_eq!(search(r#"[{"s":"FOUND"}]"#).unwrap(), ["FOUND FOUND"], "the API has searched");
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let body =
            serde_json::Value::from((0..MAX_SYMBOLS + 10).map(|n| format!("S{n}")).collect::<Vec<_>>()).to_string();
        assert_eq!(list("", "path = '/'", &body, &[]).unwrap().len(), MAX_SYMBOLS);
    }

    /// Whatever an API lists: what is written here for it is a symbol that it spells in this way.
    #[test]
    fn any_listed_symbol_is_spelled_as_the_list_has_it() {
        arbtest::arbtest(|u| {
            let head = *u.choose(&[
                "replace = { '^' = '_' }\nshare_class = '-'\nrename = { BTC = 'XBT', LUNA = 'LUNA2', LUNC = 'LUNA', AMP = 'amp' }",
                "symbol = '{symbol:lower}'\nrename = { BTC = 'XBT', AMP = 'amp' }\nshare_class = '/'",
            ])?;
            let text = format!("{head}\n[[quote]]\npath = '/'\nfields = {{ last = '/l' }}\n[symbols]\npath = '/'\n");
            let definition = definition(&text);
            let parts = ["XBT", "BTC", "LUNA", "LUNC", "LUNA2", "AMP", "amp", "BRK", "-", "B", ".", "_", "^", "/", "a"];
            let key = (0..u.int_in_range(1..=4)?).map(|_| u.choose(&parts).copied()).collect::<Result<String, _>>()?;
            if let Some(symbol) = definition.listed(definition.symbol_list.as_ref().unwrap(), &key, None, None) {
                let symbol = Symbol::new(&symbol).unwrap();
                let spelled = definition.symbol.spell(&definition.spelling, &symbol).unwrap();
                let is_same = if head.contains(":lower") { spelled.eq_ignore_ascii_case(&key) } else { spelled == key };
                assert!(is_same, "{key} is {symbol} here, and that is {spelled} there");
            }
            Ok(())
        });
    }
}
