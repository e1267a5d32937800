//! The requests to one provider for one feed.

use super::error::FetchError;
use super::exchange::{Answer, Requester};
use super::report::ProviderReport;
use crate::http::stats::RequestStats;
use crate::market::table::Table;
use crate::provider::{FoundRows, Plan, Query, Reply};
use crate::state::history::RunHistory;
use crate::state::unknown_symbols::{SymbolFindings, UnknownSymbols};
use crate::system::threads::{lock, parallel_map};
use crate::util::group_by::group_by;
use crate::util::sanitize::{excerpt, without_word};
use rustc_hash::{FxHashMap, FxHashSet};

/// After so many symbols of a batch were rejected one by one, and none was answered, the definition is
/// wrong rather than all of them.
const MAX_REJECTED_ALONE: u32 = 16;

/// The requests to one provider for one feed.
pub(super) struct ProviderFetch<'p, 'a> {
    pub(super) requester: Requester<'p, 'a>,
    pub(super) history: &'p RunHistory<'a>,
    /// The name of the feed.
    pub(super) feed: &'p str,
    /// The symbols that the provider did not know in earlier runs.
    pub(super) unknown: UnknownSymbols,
}

/// What came of the requests so far.
#[derive(Default)]
struct Answers {
    /// For each reply its symbols, and a row for each of them.
    tables: Vec<(Vec<usize>, Table)>,
    /// What the API said of symbols, as the end of a sentence.
    reasons: FxHashMap<usize, String>,
    /// What is wrong with the rows of symbols, as the end of a sentence.
    valueless: FxHashMap<usize, String>,
    /// The symbols that the API does not know, with its texts.
    unknown: FxHashMap<usize, String>,
    found: FoundRows,
    failures: Vec<(FetchError, Vec<usize>)>,
    stats: RequestStats,
}

/// How the search for the unknown symbols of a batch goes.
#[derive(Default)]
struct Search {
    has_answer: bool,
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
    fn plan(&self) -> &Plan<'a> {
        self.requester.plan
    }

    /// Asks for these symbols. Returns a row for each symbol of the feed, in the columns of the plan,
    /// and a report on what is missing.
    pub(super) fn run(self, symbols: &[usize]) -> (Table, ProviderReport<'a>) {
        let plan = self.requester.plan;
        let mut answers = Answers::default();
        let queries = self.queries(symbols, &mut answers);
        let width = plan.definition.max_concurrency;
        for answer in parallel_map(self.requester.context.threads, width, &queries, |query| self.fetch_whole(query)) {
            answers.add(answer);
        }
        let mut table = join_tables(std::mem::take(&mut answers.tables), plan);
        for &symbol in symbols {
            plan.complete(&plan.symbols[symbol], table.row_mut(symbol));
        }
        // A symbol that only has values which serve to compute others has none of its own.
        let table = table.first_columns(plan.field_count);
        let findings = self.findings(symbols, &table, &answers.unknown);
        let reasons = self.reasons(symbols, &table, &mut answers);
        let failures = merge_failures(answers.failures);
        let is_given = |column: &usize| table.iter().any(|row| row[*column].is_some());
        let given = (0..plan.field_count).filter(is_given).collect();
        let (definition, stats) = (plan.definition, answers.stats);
        let keys = plan.keys_sent();
        let cool_down = lock(&self.requester.cool_down).take();
        (table, ProviderReport { definition, keys, reasons, given, failures, findings, stats, cool_down })
    }

    /// The requests for these symbols, each with whether its symbols were unknown the last time. Those of
    /// which this is known for less than a day are not requested.
    fn queries(&self, symbols: &[usize], answers: &mut Answers) -> Vec<(Query<'a>, bool)> {
        let plan = self.plan();
        if self.unknown.is_empty() {
            return plan.queries(symbols).into_iter().map(|query| (query, false)).collect();
        }
        let (mut known, mut due) = (Vec::with_capacity(symbols.len()), Vec::new());
        let now = self.requester.context.unix_seconds();
        for &symbol in symbols {
            match plan.spell(symbol).and_then(|spelled| self.unknown.get(&spelled)) {
                None => known.push(symbol),
                Some(unknown) if unknown.is_due(now) => due.push(symbol),
                Some(unknown) => {
                    let said = without_word(&unknown.said, &plan.spell(symbol).unwrap_or_default());
                    answers.reasons.insert(symbol, format!("said \"{said}\", and is asked for it once a day"));
                }
            }
        }
        let known = plan.queries(&known).into_iter().map(|query| (query, false));
        known.chain(plan.queries(&due).into_iter().map(|query| (query, true))).collect()
    }

    fn fetch_whole(&self, (query, was_unknown): &(Query<'a>, bool)) -> Answers {
        let (mut answers, mut search) = (Answers::default(), Search::default());
        if !was_unknown || !self.fetch_all(query, None, &mut answers) {
            self.fetch_batch(query, &mut search, &mut answers);
        }
        answers
    }

    /// Asks for a batch, and for the rest of it if it is rejected for unknown symbols.
    fn fetch_batch(&self, query: &Query<'a>, search: &mut Search, answers: &mut Answers) -> BatchOutcome {
        let (mut rest, mut outcome) = (None, BatchOutcome::Answered);
        loop {
            let query = rest.as_ref().unwrap_or(query);
            match self.requester.request(query, false, &mut answers.stats) {
                Answer::Read(reply) => {
                    search.has_answer = true;
                    self.add_reply(query, reply, answers);
                    return outcome;
                }
                Answer::Failed(error) => {
                    answers.failures.push((error, query.symbols.clone()));
                    return BatchOutcome::Failed;
                }
                Answer::BadSymbol(said) => {
                    outcome = BatchOutcome::HasBadSymbol;
                    let Some(known) = self.without_named(query, &said, answers) else {
                        self.find_unknown(query, &said, search, answers);
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
    fn without_named(&self, query: &Query<'a>, said: &str, answers: &mut Answers) -> Option<Query<'a>> {
        let named = self.plan().definition.bad_symbol.named.as_ref()?;
        let unknown: FxHashSet<usize> =
            named.find(said, &query.spelled.iter().map(AsRef::as_ref)).into_iter().collect();
        if unknown.is_empty() {
            return None;
        }
        let (mut known, symbols) = (Vec::new(), query.symbols.iter().enumerate());
        for (position, &symbol) in symbols {
            if unknown.contains(&position) {
                answers.add_unknown(symbol, said);
            } else {
                known.push(symbol);
            }
        }
        Some(self.plan().part(query, &known))
    }

    /// Finds the unknown symbols of a batch that has at least one, and asks for the others.
    fn find_unknown(&self, query: &Query<'a>, said: &str, search: &mut Search, answers: &mut Answers) {
        let is_alone = query.symbols.len() == 1;
        if is_alone || search.is_all_useless || !self.fetch_all(query, Some(said), answers) {
            search.is_all_useless = true;
            self.split(query, said, search, answers);
        }
    }

    /// Asks for everything instead of a batch, if the API has a path for that. Symbols of the batch that are
    /// not there are unknown; `said` is the API's text, if it has just said it. Returns whether it worked.
    fn fetch_all(&self, query: &Query<'a>, said: Option<&str>, answers: &mut Answers) -> bool {
        let Some(all) = self.plan().all(query) else { return false };
        let Answer::Read(reply) = self.requester.request(&all, true, &mut answers.stats) else { return false };
        let has_row: FxHashSet<usize> = reply.valueless.iter().map(|(symbol, _)| *symbol).collect();
        for (position, &symbol) in all.symbols.iter().enumerate() {
            if !reply.values.has(position) && !has_row.contains(&symbol) {
                let before = || self.unknown.get(&all.spelled[position]).map(|unknown| unknown.said.as_str());
                answers.add_unknown(symbol, said.or_else(before).unwrap_or_default());
            }
        }
        self.add_reply(&all, reply, answers);
        true
    }

    /// Asks for the two halves of a batch that has an unknown symbol, and for their halves, until each
    /// unknown symbol is found.
    fn split(&self, query: &Query<'a>, said: &str, search: &mut Search, answers: &mut Answers) {
        if let [symbol] = query.symbols[..] {
            search.rejected_alone += 1;
            return answers.add_unknown(symbol, said);
        }
        // Unknown symbols are often beside each other, so each half has every second symbol.
        let half = |offset| query.symbols.iter().copied().skip(offset).step_by(2).collect::<Vec<_>>();
        let [even, odd] = [half(0), half(1)].map(|symbols| self.plan().part(query, &symbols));
        match self.fetch_part(&even, said, search, answers) {
            // This half is good, so the unknown symbol is in the other one: no need to ask for that as a
            // whole.
            BatchOutcome::Answered => self.split(&odd, said, search, answers),
            BatchOutcome::HasBadSymbol | BatchOutcome::Failed => {
                self.fetch_part(&odd, said, search, answers);
            }
        }
    }

    /// Asks for a part of a rejected batch, unless the API seems to reject everything.
    fn fetch_part(&self, part: &Query<'a>, said: &str, search: &mut Search, answers: &mut Answers) -> BatchOutcome {
        if !search.has_answer && search.rejected_alone >= MAX_REJECTED_ALONE {
            answers.failures.push((FetchError::AllBad(said.to_owned()), part.symbols.clone()));
            return BatchOutcome::Failed;
        }
        self.fetch_batch(part, search, answers)
    }

    fn add_reply(&self, query: &Query<'a>, reply: Reply, answers: &mut Answers) {
        for (symbol, said) in reply.row_errors {
            answers.add_reason(symbol, self.says(symbol, &said));
        }
        if let Some(error) = &reply.error {
            let missing = (0..query.symbols.len()).filter(|position| !reply.values.has(*position));
            let missing: Vec<usize> = missing.map(|position| query.symbols[position]).collect();
            if self.plan().definition.limit.matches(error) {
                let error = self.requester.note_limit(error, missing.len(), &mut answers.stats);
                answers.failures.push((error, missing));
            } else {
                for symbol in missing {
                    answers.add_reason(symbol, self.says(symbol, error));
                }
            }
        }
        answers.valueless.extend(reply.valueless);
        answers.found.add(reply.found);
        answers.tables.push((query.symbols.clone(), reply.values));
    }

    /// Why symbols have no quote, or no value of the first field of the feed though the provider gives it.
    fn reasons(&self, symbols: &[usize], table: &Table, answers: &mut Answers) -> Vec<(usize, String)> {
        let (plan, definition) = (self.plan(), self.plan().definition);
        let gives_first = definition.gives(&plan.columns[0]);
        let failed: FxHashSet<usize> = answers.failures.iter().flat_map(|(_, symbols)| symbols).copied().collect();
        let covers = definition.covers.as_str();
        let covers = if covers.is_empty() { String::new() } else { format!("; it covers {covers}") };
        let mut reasons = Vec::new();
        for &symbol in symbols {
            let lacks_first = gives_first && table.row(symbol)[0].is_none();
            if failed.contains(&symbol) || (table.has(symbol) && !lacks_first) {
                continue;
            }
            let is_no_pair = plan.symbols[symbol].quote().is_none() && definition.needs_pairs();
            let reason = if let Some(said) = answers.unknown.get(&symbol) {
                self.says(symbol, said) + &covers
            } else if let Some(reason) = answers.reasons.remove(&symbol) {
                reason
            } else if let Some(reason) = answers.valueless.remove(&symbol) {
                if table.has(symbol) { reason } else { reason + &covers }
            } else if is_no_pair {
                "takes pairs only, BASE/QUOTE".to_owned()
            } else {
                format!("has {}{covers}", answers.found.describe(plan.rows_pointer()))
            };
            reasons.push((symbol, reason));
        }
        reasons
    }

    /// What the API says of a symbol, as the end of a sentence. Without its name, so that one line tells of
    /// all such symbols.
    fn says(&self, symbol: usize, said: &str) -> String {
        let spelled = self.plan().spell(symbol).unwrap_or_default();
        format!("says \"{}\"", excerpt(&without_word(said, &spelled)))
    }

    /// What the next run is to know of symbols. Where nothing was answered, something else may be wrong than
    /// the symbols.
    fn findings(&self, symbols: &[usize], table: &Table, unknown: &FxHashMap<usize, String>) -> SymbolFindings {
        if (unknown.is_empty() && self.unknown.is_empty()) || table.filled() == 0 {
            return SymbolFindings::default();
        }
        let plan = self.plan();
        // A symbol that costs no other one may be missing for a moment only.
        let is_certain =
            |symbol: usize| !plan.is_single() || self.history.was_missing(self.feed, plan.symbols[symbol].as_str());
        let mut findings = SymbolFindings::default();
        for &symbol in symbols {
            let Some(spelled) = plan.spell(symbol) else { continue };
            match unknown.get(&symbol) {
                Some(said) if is_certain(symbol) => findings.unknown.push((spelled.into_owned(), said.clone())),
                None if table.has(symbol) && self.unknown.get(&spelled).is_some() => {
                    findings.known.push(spelled.into_owned());
                }
                _ => {}
            }
        }
        findings
    }
}

impl Answers {
    fn add(&mut self, mut other: Self) {
        self.tables.append(&mut other.tables);
        for (symbol, reason) in other.reasons {
            self.add_reason(symbol, reason);
        }
        self.valueless.extend(other.valueless);
        self.unknown.extend(other.unknown);
        self.found.add(other.found);
        self.failures.append(&mut other.failures);
        self.stats.add(&other.stats);
    }

    /// If there are several reasons for one symbol, the first one counts.
    fn add_reason(&mut self, symbol: usize, reason: String) {
        self.reasons.entry(symbol).or_insert(reason);
    }

    fn add_unknown(&mut self, symbol: usize, said: &str) {
        self.unknown.entry(symbol).or_insert_with(|| excerpt(said));
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
