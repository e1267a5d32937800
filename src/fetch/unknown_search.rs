//! Finds the symbols of a rejected batch that the API does not know, and asks for the others.

use super::error::FetchError;
use super::provider_fetch::{Collected, ProviderFetch};
use super::requester::Answer;
use crate::provider::{ErrorText, Query};
use crate::util::sanitize::without_word;
use rustc_hash::FxHashSet;
use std::sync::atomic::Ordering;

/// After so many symbols of a batch were rejected one by one, and none was answered, the definition is
/// wrong rather than all of them.
const MAX_REJECTED_ALONE: u32 = 16;

/// At least so many batches are halved in the search for an unknown symbol.
const MIN_HALVINGS: usize = 6;

/// How the search for the unknown symbols of a batch goes.
#[derive(Default)]
struct UnknownSearch {
    /// Whether there were several symbols at first.
    is_of_batch: bool,
    /// Whether it is about symbols that were unknown before.
    expects_unknown: bool,
    /// So many more batches are halved. After that it is cheaper to ask for each symbol alone.
    halvings_left: usize,
    /// Whether to ask for everything does not work.
    is_all_useless: bool,
    rejected_alone: u32,
}

/// How a batch went.
enum BatchOutcome {
    /// A reply came for all of it.
    Answered,
    /// It was rejected, and asked again in parts.
    HasBadSymbol,
    Failed,
}

impl<'a> ProviderFetch<'_, 'a> {
    /// Asks for a batch of symbols that were, or were not, unknown the last time.
    pub(super) fn fetch_whole(&self, (query, was_unknown): &(Query<'a>, bool)) -> Collected {
        let mut collected = Collected::default();
        let halvings_left = MIN_HALVINGS + query.symbols.len() / 8;
        let is_of_batch = query.symbols.len() > 1;
        let mut search =
            UnknownSearch { is_of_batch, expects_unknown: *was_unknown, halvings_left, ..UnknownSearch::default() };
        if !was_unknown || !self.fetch_all(query, None, &mut collected) {
            self.fetch_batch(query, &mut search, &mut collected);
        }
        collected
    }

    /// Asks for a batch, and for the rest of it if it is rejected for unknown symbols.
    fn fetch_batch(&self, query: &Query<'a>, search: &mut UnknownSearch, collected: &mut Collected) -> BatchOutcome {
        let (mut rest, mut outcome) = (None, BatchOutcome::Answered);
        loop {
            let query = rest.as_ref().unwrap_or(query);
            match self.requester.request(query, false, &mut collected.stats) {
                Answer::Read(reply) => {
                    self.add_reply(query, reply, collected);
                    return outcome;
                }
                Answer::Failed(error) => {
                    collected.failures.push((error, query.symbols.clone()));
                    return BatchOutcome::Failed;
                }
                Answer::BadSymbol(said) => {
                    outcome = BatchOutcome::HasBadSymbol;
                    let Some(known) = self.without_named(query, &said, collected) else {
                        self.find_unknown(query, said.shown(), search, collected);
                        return outcome;
                    };
                    if known.symbols.is_empty() {
                        return outcome;
                    }
                    rest = Some(known);
                }
            }
        }
    }

    /// A rejected batch without the symbols that the API names. `None` if it names none.
    fn without_named(&self, query: &Query<'a>, said: &ErrorText, collected: &mut Collected) -> Option<Query<'a>> {
        let named = self.plan().definition.bad_symbol.named.as_ref()?;
        let unknown: FxHashSet<usize> =
            named.find(said.to_search(), &query.spelled.iter().map(AsRef::as_ref)).into_iter().collect();
        if unknown.is_empty() {
            return None;
        }
        let names = unknown.iter().map(|position| &query.spelled[*position]);
        let said = names.fold(said.shown().to_owned(), |said, name| without_word(&said, name));
        let (mut known, symbols) = (Vec::new(), query.symbols.iter().enumerate());
        for (position, &symbol) in symbols {
            if unknown.contains(&position) {
                collected.add_unknown(symbol, &said, true);
            } else {
                known.push(symbol);
            }
        }
        Some(self.requester.part(query, &known))
    }

    /// Finds the unknown symbols of a batch that has at least one, and asks for the others.
    fn find_unknown(&self, query: &Query<'a>, said: &str, search: &mut UnknownSearch, collected: &mut Collected) {
        let is_alone = query.symbols.len() == 1;
        if is_alone || search.is_all_useless || !self.fetch_all(query, Some(said), collected) {
            search.is_all_useless = true;
            if query.endpoint.has_one_url(query.symbols.len()) {
                // Its parts would be the same request.
                return query.symbols.iter().for_each(|symbol| collected.add_unknown(*symbol, said, false));
            }
            self.split(query, said, search, collected);
        }
    }

    /// Asks for everything instead of a batch, if the API has a path for that. Symbols of the batch that are
    /// not there are unknown; `said` is the API's text, if it has just said it. Returns whether it worked.
    fn fetch_all(&self, query: &Query<'a>, said: Option<&str>, collected: &mut Collected) -> bool {
        let Some(all) = self.requester.all(query) else { return false };
        let Answer::Read(reply) = self.requester.request(&all, true, &mut collected.stats) else { return false };
        for (position, &symbol) in all.symbols.iter().enumerate() {
            if reply.error.is_none() && !reply.has_row[position] {
                let before = || self.unknown.get(self.plan().symbols[symbol].as_str()).map(|known| known.said.as_str());
                collected.add_unknown(symbol, said.or_else(before).unwrap_or_default(), true);
            }
        }
        self.add_reply(&all, reply, collected);
        true
    }

    /// Asks for the two halves of a batch that has an unknown symbol, and for their halves, until each
    /// unknown symbol is found; or for each symbol alone, if there are many.
    fn split(&self, query: &Query<'a>, said: &str, search: &mut UnknownSearch, collected: &mut Collected) {
        if let [symbol] = query.symbols[..] {
            search.rejected_alone += 1;
            return collected.add_unknown(symbol, said, search.is_of_batch);
        }
        if search.halvings_left == 0 {
            for symbol in &query.symbols {
                self.fetch_part(&self.requester.part(query, &[*symbol]), said, search, collected);
            }
            return;
        }
        search.halvings_left -= 1;
        // Unknown symbols are often beside each other, so each half has every second symbol.
        let half = |offset| query.symbols.iter().copied().skip(offset).step_by(2).collect::<Vec<_>>();
        let [even, odd] = [half(0), half(1)].map(|symbols| self.requester.part(query, &symbols));
        match self.fetch_part(&even, said, search, collected) {
            // This half is good, so the unknown symbol is in the other one: no need to ask for that as a
            // whole. A symbol alone is asked for in any case, as an API may say other things a moment later.
            BatchOutcome::Answered if odd.symbols.len() > 1 => self.split(&odd, said, search, collected),
            BatchOutcome::Answered => drop(self.fetch_part(&odd, said, search, collected)),
            BatchOutcome::HasBadSymbol | BatchOutcome::Failed => {
                self.fetch_part(&odd, said, search, collected);
            }
        }
    }

    /// Asks for a part of a rejected batch, unless the API seems to reject everything.
    fn fetch_part(
        &self,
        part: &Query<'a>,
        said: &str,
        search: &mut UnknownSearch,
        collected: &mut Collected,
    ) -> BatchOutcome {
        let expects_answer = !search.expects_unknown && !self.has_answer.load(Ordering::Relaxed);
        if expects_answer && search.rejected_alone >= MAX_REJECTED_ALONE {
            collected.failures.push((FetchError::AllBad(said.to_owned()), part.symbols.clone()));
            return BatchOutcome::Failed;
        }
        self.fetch_batch(part, search, collected)
    }
}
