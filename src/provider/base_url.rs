//! The address of an API.

use crate::http::url::Url;

/// Where an API is. A path in a URL is put before the path of each request.
#[derive(Clone, Debug)]
pub(crate) struct BaseUrl {
    /// The only URL, or the first one of those by symbol.
    url: Url,
    /// The URLs of symbols that each have a server of their own, sorted by symbol. Empty if one server has all
    /// symbols.
    by_symbol: Vec<(String, Url)>,
}

impl BaseUrl {
    /// One URL for all symbols.
    pub(crate) fn shared(url: Url) -> Self {
        Self { url, by_symbol: Vec::new() }
    }

    /// A URL for each symbol, sorted by symbol. `None` if there is no symbol.
    pub(crate) fn by_symbol(by_symbol: Vec<(String, Url)>) -> Option<Self> {
        Some(Self { url: by_symbol.first()?.1.clone(), by_symbol })
    }

    /// All its URLs.
    pub(crate) fn urls(&self) -> Vec<&Url> {
        if self.is_by_symbol() { self.by_symbol.iter().map(|(_, url)| url).collect() } else { vec![&self.url] }
    }

    /// The URL for this symbol, which must have one, or for no symbol in particular.
    pub(crate) fn of(&self, symbol: Option<&str>) -> &Url {
        symbol.and_then(|symbol| self.own(symbol)).unwrap_or(&self.url)
    }

    /// Whether there is a URL for this symbol.
    pub(crate) fn has(&self, symbol: &str) -> bool {
        !self.is_by_symbol() || self.own(symbol).is_some()
    }

    fn own(&self, symbol: &str) -> Option<&Url> {
        let at = self.by_symbol.binary_search_by(|(known, _)| known.as_str().cmp(symbol)).ok()?;
        Some(&self.by_symbol[at].1)
    }

    /// Whether each symbol is on a server of its own.
    pub(crate) fn is_by_symbol(&self) -> bool {
        !self.by_symbol.is_empty()
    }

    /// The symbols that have a server of their own.
    pub(crate) fn symbols(&self) -> impl Iterator<Item = &str> {
        self.by_symbol.iter().map(|(symbol, _)| symbol.as_str())
    }

    /// The same with another URL, for all symbols.
    #[must_use]
    pub(crate) fn replaced(&self, url: &Url) -> Self {
        let by_symbol = self.symbols().map(|symbol| (symbol.to_owned(), url.clone())).collect();
        Self { url: url.clone(), by_symbol }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_may_have_addresses_of_their_own() {
        let url = |text: &str| Url::parse(text).unwrap();
        let pairs = [("A", "http://a"), ("B", "http://b")].map(|(symbol, text)| (symbol.to_owned(), url(text)));
        let own = BaseUrl::by_symbol(pairs.into()).unwrap();
        assert_eq!(own.symbols().collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!(own.urls().iter().map(|url| url.host.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(own.has("B") && !own.has("C"));
        assert_eq!(own.of(Some("B")).host, "b");
        let shared = BaseUrl::shared(url("http://h"));
        assert!(shared.has("C") && shared.symbols().next().is_none() && shared.urls().len() == 1);
        assert!(BaseUrl::by_symbol(Vec::new()).is_none());
    }
}
