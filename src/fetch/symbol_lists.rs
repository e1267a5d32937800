//! The lists of the symbols that providers know.

use super::FetchConfig;
use super::error::FetchError;
use super::requester::{Answer, ProviderGuard, Requester};
use crate::context::Context;
use crate::http::retry::RetryPolicy;
use crate::http::stats::RequestStats;
use crate::provider::{Definition, ListedSymbol, Plan, ReplyError, SymbolList};
use crate::system::deadline::Deadline;
use crate::system::threads::parallel_map;

/// Most providers that are asked at the same time. Each of them takes a thread, and a user may have many of one's own.
const SIDE_BY_SIDE: usize = 8;

/// What came of the request to one provider.
pub(crate) struct ListReport<'a> {
    /// The provider.
    pub(crate) definition: &'a Definition,
    /// Its symbols that fit, or what is wrong and what to do about it.
    pub(crate) symbols: Result<Vec<ListedSymbol>, String>,
    /// Whether a limit of the machine kept the request from being sent.
    pub(crate) is_limited: bool,
}

/// Asks all providers of the configuration that have a list for the symbols that fit all `texts`, some side by side.
/// No state is read or written, as in a dry run.
pub(crate) fn fetch_symbol_lists<'a>(
    config: &'a FetchConfig,
    texts: &[String],
    context: Context<'a>,
    deadline: Deadline<'a>,
) -> Vec<ListReport<'a>> {
    let with_list = |definition: &'a Definition| Some((definition, definition.symbol_list.as_ref()?));
    let lists: Vec<_> = config.definitions.iter().filter_map(with_list).collect();
    parallel_map(context.threads, SIDE_BY_SIDE, &lists, |(definition, list)| {
        let policy = RetryPolicy::new(config.retries, deadline, context.random);
        let plan = Plan::new(definition, &[], &[], &[], &config.secrets, context.unix_seconds());
        fetch_list(&plan, list, texts, context, policy)
    })
}

fn fetch_list<'a>(
    plan: &Plan<'a>,
    list: &'a SymbolList,
    texts: &[String],
    context: Context<'a>,
    policy: RetryPolicy<'a>,
) -> ListReport<'a> {
    let definition = plan.definition;
    let guard = ProviderGuard::new(definition, context, false);
    let requester = Requester::new(context, plan, &guard, policy);
    let query = requester.with_way(plan.list_query(&list.endpoint, &texts.join(" ")));
    let read = |body: &str| plan.read_symbols(list, &query, body, texts);
    let error = match requester.request_with(&query, false, &mut RequestStats::default(), read) {
        Answer::Read(symbols) => return ListReport { definition, symbols: Ok(symbols), is_limited: false },
        Answer::BadSymbol(said) => FetchError::Reply(ReplyError::ApiError(said)),
        Answer::Failed(error) => error,
    };
    let is_over_soon = error.is_passing() && !error.is_cool_down();
    let problem = if is_over_soon { error.to_string() } else { error.with_advice(definition, &plan.keys_sent()) };
    ListReport { definition, symbols: Err(problem), is_limited: error.is_limit() }
}
