//! The requests to one provider for one feed.

use super::error::FetchError;
use super::report::{MissingReason, ProviderReport};
use super::requester::Requester;
use crate::http::stats::RequestStats;
use crate::market::table::Table;
use crate::provider::{FoundRows, Plan, Query, Reply};
use crate::state::unknown_symbols::{SymbolFindings, UnknownSymbols};
use crate::system::threads::{lock, parallel_map};
use crate::util::group_by::group_by;
use crate::util::sanitize::{excerpt, without_word};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::atomic::{AtomicBool, Ordering};

/// The requests to one provider for one feed.
pub(super) struct ProviderFetch<'p, 'a> {
    pub(super) requester: Requester<'p, 'a>,
    /// The symbols that the provider did not know in earlier runs.
    pub(super) unknown: UnknownSymbols,
    /// Whether it has given any value.
    pub(super) has_answer: AtomicBool,
}

/// What came of the requests so far.
#[derive(Default)]
pub(super) struct Collected {
    /// For each reply its symbols, and a row for each of them.
    tables: Vec<(Vec<usize>, Table)>,
    /// What the API said of symbols, as the end of a sentence.
    reasons: FxHashMap<usize, String>,
    /// What is wrong with the rows of symbols, as the end of a sentence.
    valueless: FxHashMap<usize, String>,
    /// The symbols that the API does not know.
    unknown: FxHashMap<usize, Rejection>,
    /// The symbols that were not requested, as the API did not know them.
    resting: FxHashSet<usize>,
    found: FoundRows,
    pub(super) failures: Vec<(FetchError, Vec<usize>)>,
    pub(super) stats: RequestStats,
}

/// Why a symbol counts as unknown.
struct Rejection {
    /// The API's text.
    said: String,
    /// Whether others were rejected with it, so that it stood out among them.
    stood_out: bool,
}

impl<'a> ProviderFetch<'_, 'a> {
    pub(super) fn plan(&self) -> &Plan<'a> {
        self.requester.plan
    }

    /// Asks for these symbols. Returns a row for each symbol of the feed, in the columns of the plan,
    /// and a report on what is missing.
    pub(super) fn run(self, symbols: &[usize]) -> (Table, ProviderReport<'a>) {
        let plan = self.requester.plan;
        let mut collected = Collected::default();
        let queries = self.queries(symbols, &mut collected);
        let width = plan.definition.max_concurrency;
        for answer in parallel_map(self.requester.context.threads, width, &queries, |query| self.fetch_whole(query)) {
            collected.add(answer);
        }
        let mut table = join_tables(std::mem::take(&mut collected.tables), plan);
        for &symbol in symbols {
            plan.complete(&plan.symbols[symbol], table.row_mut(symbol));
        }
        // A symbol that only has values which serve to compute others has none of its own.
        let table = table.first_columns(plan.field_count);
        let findings = self.findings(symbols, &table, &collected);
        let reasons = self.reasons(symbols, &table, &mut collected);
        let failures = merge_failures(collected.failures);
        let is_given = |column: &usize| table.iter().any(|row| row[*column].is_some());
        let given = (0..plan.field_count).filter(is_given).collect();
        let (definition, stats) = (plan.definition, collected.stats);
        // Only the advice about a failure needs them.
        let keys = if failures.is_empty() { Vec::new() } else { plan.keys_sent() };
        let cool_down = lock(&self.requester.cool_down).take();
        (table, ProviderReport { definition, keys, reasons, given, failures, findings, stats, cool_down })
    }

    /// The requests for these symbols, each with whether its symbols were unknown the last time. Those of
    /// which this is known for less than a day are not requested.
    fn queries(&self, symbols: &[usize], collected: &mut Collected) -> Vec<(Query<'a>, bool)> {
        let (plan, requester) = (self.plan(), &self.requester);
        if self.unknown.is_empty() {
            return requester.queries(symbols).into_iter().map(|query| (query, false)).collect();
        }
        let (mut known, mut due) = (Vec::with_capacity(symbols.len()), Vec::new());
        let now = requester.context.unix_seconds();
        for &symbol in symbols {
            match self.unknown.get(plan.symbols[symbol].as_str()).filter(|unknown| unknown.is_certain()) {
                None => known.push(symbol),
                Some(unknown) if unknown.is_due(now) => due.push(symbol),
                Some(unknown) => {
                    collected.resting.insert(symbol);
                    let said = without_word(&unknown.said, &plan.spell(symbol).unwrap_or_default());
                    collected.reasons.insert(symbol, format!("said \"{said}\", and is asked for it once a day"));
                }
            }
        }
        let known = requester.queries(&known).into_iter().map(|query| (query, false));
        known.chain(requester.queries(&due).into_iter().map(|query| (query, true))).collect()
    }

    /// Adds what was read from a reply.
    pub(super) fn add_reply(&self, query: &Query<'a>, reply: Reply, collected: &mut Collected) {
        for (symbol, said) in reply.row_errors {
            collected.add_reason(symbol, self.says(symbol, &said));
        }
        if let Some(error) = &reply.error {
            let missing = (0..query.symbols.len()).filter(|position| !reply.values.has(*position));
            let missing: Vec<usize> = missing.map(|position| query.symbols[position]).collect();
            if self.plan().definition.limit.matches(error.to_search()) {
                let error = self.requester.note_limit(query, error, missing.len(), &mut collected.stats);
                collected.failures.push((error, missing));
            } else {
                for symbol in missing {
                    collected.add_reason(symbol, self.says(symbol, error.shown()));
                }
            }
        }
        collected.valueless.extend(reply.valueless);
        if reply.values.filled() > 0 {
            self.has_answer.store(true, Ordering::Relaxed);
        }
        collected.found.add(reply.found);
        collected.tables.push((query.symbols.clone(), reply.values));
    }

    /// Why symbols have no quote, or no value of the first field of the feed though the provider gives it.
    fn reasons(&self, symbols: &[usize], table: &Table, collected: &mut Collected) -> Vec<MissingReason> {
        let (plan, definition) = (self.plan(), self.plan().definition);
        let gives_first = definition.gives(&plan.columns[0]);
        let failed: FxHashSet<usize> = collected.failures.iter().flat_map(|(_, symbols)| symbols).copied().collect();
        let covers = definition.covers.as_str();
        let covers = if covers.is_empty() { String::new() } else { format!("; it covers {covers}") };
        let mut reasons = Vec::new();
        for &symbol in symbols {
            let lacks_first = gives_first && table.row(symbol)[0].is_none();
            if failed.contains(&symbol) || (table.has(symbol) && !lacks_first) {
                continue;
            }
            let is_no_pair = plan.symbols[symbol].quote().is_none() && definition.needs_pairs();
            let (text, is_unknown) = if let Some(rejection) = collected.unknown.get(&symbol) {
                (self.says(symbol, &rejection.said) + &covers, true)
            } else if let Some(reason) = collected.reasons.remove(&symbol) {
                (reason, false)
            } else if let Some(reason) = collected.valueless.remove(&symbol) {
                (if table.has(symbol) { reason } else { reason + &covers }, false)
            } else if !definition.base_url.has(plan.symbols[symbol].as_str()) {
                ("has no URL for it in base_url".to_owned(), false)
            } else if is_no_pair {
                ("takes pairs only, BASE/QUOTE".to_owned(), false)
            } else if !plan.has_request_for(symbol) {
                ("has no request for such a symbol".to_owned(), false)
            } else {
                (format!("has {}{covers}", collected.found.describe(plan.rows_pointer())), true)
            };
            reasons.push(MissingReason { symbol, text, is_unknown });
        }
        reasons
    }

    /// What the API says of a symbol, as the end of a sentence. Without its name, so that one line tells of
    /// all such symbols.
    fn says(&self, symbol: usize, said: &str) -> String {
        let spelled = self.plan().spell(symbol).unwrap_or_default();
        format!("says \"{}\"", excerpt(&without_word(said, &spelled)))
    }

    /// What the next run is to know of symbols. Where the provider was asked for the whole feed and gave
    /// nothing, something else is wrong than the symbols.
    fn findings(&self, symbols: &[usize], table: &Table, collected: &Collected) -> SymbolFindings {
        let (plan, has_answer) = (self.plan(), self.has_answer.load(Ordering::Relaxed));
        let is_whole_feed = symbols.len() == plan.symbols.len();
        let mut findings = SymbolFindings::default();
        if (collected.unknown.is_empty() && self.unknown.is_empty()) || (is_whole_feed && !has_answer) {
            return findings;
        }
        let failed: FxHashSet<usize> = collected.failures.iter().flat_map(|(_, symbols)| symbols).copied().collect();
        for &symbol in symbols {
            let name = plan.symbols[symbol].as_str();
            match collected.unknown.get(&symbol).filter(|_| !table.has(symbol)) {
                Some(Rejection { said, stood_out }) => {
                    findings.reject(name.to_owned(), said.clone(), *stood_out && has_answer);
                }
                None if collected.resting.contains(&symbol) || failed.contains(&symbol) => {}
                // It was requested and not rejected, so the API knows it.
                None if self.unknown.get(name).is_some() => findings.know(name.to_owned()),
                None => {}
            }
        }
        findings
    }
}

impl Collected {
    fn add(&mut self, mut other: Self) {
        self.tables.append(&mut other.tables);
        for (symbol, reason) in other.reasons {
            self.add_reason(symbol, reason);
        }
        self.valueless.extend(other.valueless);
        self.unknown.extend(other.unknown);
        self.resting.extend(other.resting);
        self.found.add(other.found);
        self.failures.append(&mut other.failures);
        self.stats.add(&other.stats);
    }

    /// If there are several reasons for one symbol, the first one counts.
    fn add_reason(&mut self, symbol: usize, reason: String) {
        self.reasons.entry(symbol).or_insert(reason);
    }

    /// Adds a symbol that the API rejected with this text. `stood_out` if others were rejected with it.
    pub(super) fn add_unknown(&mut self, symbol: usize, said: &str, stood_out: bool) {
        self.unknown.entry(symbol).or_insert_with(|| Rejection { said: excerpt(said), stood_out });
    }
}

/// What all replies brought: a row for each symbol of the feed.
fn join_tables(mut tables: Vec<(Vec<usize>, Table)>, plan: &Plan<'_>) -> Table {
    let len = plan.symbols.len();
    // Where there are many symbols, mostly one reply brings them all. Its table is taken as it is.
    let is_complete = |(symbols, _): &mut (Vec<usize>, Table)| symbols.iter().copied().eq(0..len);
    if tables.len() == 1
        && let Some((_, table)) = tables.pop_if(is_complete)
    {
        return table;
    }
    let mut joined = Table::new(len, plan.columns.len());
    for (symbols, table) in tables {
        for (symbol, row) in symbols.iter().zip(table.iter()) {
            joined.fill(*symbol, row);
        }
    }
    joined
}

/// Failures of one kind together, each with its symbols in the order of the feed.
fn merge_failures(failures: Vec<(FetchError, Vec<usize>)>) -> Vec<(FetchError, Vec<usize>)> {
    let merge = |(error, lists): (FetchError, Vec<Vec<usize>>)| {
        let mut symbols = lists.concat();
        symbols.sort_unstable();
        symbols.dedup();
        (error, symbols)
    };
    let mut merged: Vec<_> = group_by(failures).into_iter().map(merge).collect();
    merged.sort_by_key(|(_, symbols)| symbols.first().copied());
    merged
}
