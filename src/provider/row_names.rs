//! Which symbol a row of a reply belongs to.

use super::json::string_or_number;
use super::pointer_trie::KeyFilter;
use super::request::{Plan, Query};
use rustc_hash::FxHashMap;
use std::borrow::Cow;

/// The names that rows may have. Each name belongs to one symbol, which is given by its position in the
/// query.
#[derive(Default)]
pub(super) struct RowNames<'a> {
    positions: FxHashMap<Cow<'a, str>, usize>,
    ignore_case: bool,
}

impl<'a> RowNames<'a> {
    /// The spellings in the request, and those of the endpoint's `keys`, except plain codes that the API has for another
    /// symbol. If a spelling in the request is the same as another symbol's spelling of `keys`, it belongs to the symbol
    /// in the request. If two symbols share a spelling of `keys`, it belongs to neither.
    pub(super) fn new(plan: &Plan<'_>, query: &'a Query<'_>) -> Self {
        let ignore_case = query.endpoint.ignore_case;
        let normalize = |name: Cow<'a, str>| if ignore_case { name.to_lowercase().into() } else { name };
        let spelling = &plan.definition.spelling;
        let mut unique = FxHashMap::default();
        for template in &query.endpoint.keys {
            for (position, index) in query.symbols.iter().enumerate() {
                let symbol = &plan.symbols[*index];
                if template.names_another(spelling, symbol) {
                    continue;
                }
                if let Some(name) = template.spell(spelling, symbol) {
                    unique
                        .entry(normalize(Cow::Owned(name.into_owned())))
                        .and_modify(|known: &mut Option<usize>| *known = known.filter(|known| *known == position))
                        .or_insert(Some(position));
                }
            }
        }
        let mut positions: FxHashMap<_, _> =
            unique.into_iter().filter_map(|(name, position)| Some((name, position?))).collect();
        positions.reserve(query.spelled.len());
        let requested = query.spelled.iter().enumerate();
        positions.extend(requested.map(|(position, name)| (normalize(Cow::Borrowed(name)), position)));
        Self { positions, ignore_case }
    }

    /// The position of the symbol with this name.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        if self.ignore_case {
            self.positions.get(name.to_lowercase().as_str()).copied()
        } else {
            self.positions.get(name).copied()
        }
    }
}

/// Looks up the key of a row while the row is read, so that the rest of a row of another symbol is
/// skipped.
pub(super) struct RowKey<'r, 'a> {
    names: &'r RowNames<'a>,
    slot: usize,
    /// The position of the symbol, once the key has been looked up.
    pub(super) position: Option<usize>,
    /// Whether the key has been looked up.
    pub(super) is_looked_up: bool,
}

impl<'r, 'a> RowKey<'r, 'a> {
    /// `slot` is the slot of the key.
    pub(super) fn new(names: &'r RowNames<'a>, slot: usize) -> Self {
        Self { names, slot, position: None, is_looked_up: false }
    }
}

impl KeyFilter for RowKey<'_, '_> {
    fn slot(&self) -> usize {
        self.slot
    }

    fn admits(&mut self, key: &str) -> bool {
        self.is_looked_up = true;
        self.position = string_or_number(key).and_then(|name| self.names.position(&name));
        self.position.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::testing::{definition, symbols};
    use std::collections::BTreeMap;

    fn positions(keys: &str, watched: &[&str], names: &[&str]) -> Vec<Option<usize>> {
        let definition = definition(&format!(
            "symbol = '{{base}}{{quote}}'\nrename = {{ BTC = 'XBT' }}\n\
            [[quote]]\npath = '/?s={{symbols}}'\n{keys}\nfields = {{ last = '/l' }}\n"
        ));
        let (symbols, secrets) = (symbols(watched), BTreeMap::new());
        let fields = definition.fields();
        let plan = Plan::new(&definition, &symbols, &fields, &[true], &secrets, 0);
        let indexes: Vec<usize> = (0..symbols.len()).collect();
        let queries = plan.queries(&indexes);
        let row_names = RowNames::new(&plan, &queries[0]);
        names.iter().map(|name| row_names.position(name)).collect()
    }

    #[test]
    fn a_row_may_be_named_as_in_the_request_or_as_in_keys() {
        let keys = "keys = ['X{base}Z{quote}', '{base:plain}/{quote:plain}']";
        let names = ["ETHUSD", "XBTUSD", "XXBTZUSD", "BTC/USD", "BTCUSD", "ethusd"];
        let expected = [Some(0), Some(1), Some(1), Some(1), None, None];
        assert_eq!(positions(keys, &["ETH/USD", "BTC/USD"], &names), expected);
    }

    #[test]
    fn a_name_of_keys_that_two_symbols_share_belongs_to_neither() {
        let names = ["A", "AUSD", "AEUR", "B"];
        let expected = [None, Some(0), Some(1), Some(2)];
        assert_eq!(positions("keys = ['{base}']", &["A/USD", "A/EUR", "B/USD"], &names), expected);
    }

    #[test]
    fn a_plain_code_of_another_symbol_is_no_name() {
        let text = "symbol = '{base}{quote}'\nrename = { LUNA = 'LUNA2', LUNC = 'LUNA' }\n[[quote]]\n\
                    path = '/?s={symbols}'\nkeys = ['{base}/{quote}', '{base:plain}/{quote:plain}']\n\
                    fields = { last = '/l' }\n";
        let (definition, secrets) = (definition(text), BTreeMap::new());
        let position = |watched: &[&str], name: &str| {
            let symbols = symbols(watched);
            let plan = Plan::new(&definition, &symbols, &definition.fields(), &[true], &secrets, 0);
            let queries = plan.queries(&(0..symbols.len()).collect::<Vec<_>>());
            RowNames::new(&plan, &queries[0]).position(name)
        };
        assert_eq!(position(&["LUNA/USD"], "LUNA/USD"), None);
        assert_eq!(position(&["LUNA/USD"], "LUNA2/USD"), Some(0));
        assert_eq!(position(&["LUNA/USD", "LUNC/USD"], "LUNA/USD"), Some(1));
    }

    #[test]
    fn a_spelling_in_the_request_wins_over_keys() {
        // "AB" is the request's spelling of A/B and, by `keys`, a name of AB/C.
        assert_eq!(positions("keys = ['{base}']", &["AB/C", "A/B"], &["AB", "ABC", "A"]), [Some(1), Some(0), Some(1)]);
    }

    #[test]
    fn names_are_compared_without_case_if_the_endpoint_says_so() {
        let keys = "keys = ['{base}-{quote}']\nignore_case = true";
        assert_eq!(
            positions(keys, &["Eth/USD"], &["ethusd", "ETHUSD", "eTh-usd", "eth"]),
            [Some(0), Some(0), Some(0), None]
        );
    }
}
