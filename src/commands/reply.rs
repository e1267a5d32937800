//! `datametrics providers NAME --reply FILE`: a definition, tried on a saved reply.

use super::table::align_columns;
use crate::cli::Options;
use crate::config::{ConfigError, Origin};
use crate::http::body::Body;
use crate::market::symbol::Symbol;
use crate::market::table::Table;
use crate::outcome::Outcome;
use crate::output::print;
use crate::provider::{Definition, ErrorText, Plan, Query, Reply, ReplyError, sketch};
use crate::settings::{self, Env};
use crate::system::clock::{Clock, SystemClock};
use crate::system::deadline::Deadline;
use crate::system::input;
use crate::util::sanitize::{excerpt, sanitize};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

/// The longest reply that is read.
const MAX_REPLY: u64 = 64 << 20;

/// Reads a saved reply with the definition of a provider, and prints the quotes in it. If there is no provider of
/// this name, prints a definition to start from.
///
/// # Errors
/// When the file cannot be read, or the definition or a symbol is wrong.
pub(super) fn read(
    options: &Options,
    env: Env<'_>,
    name: &str,
    symbols: &[String],
    file: &str,
    out: &mut dyn Write,
) -> Result<Outcome, ConfigError> {
    let deadline = settings::read_deadline(options, env)?;
    let definition = settings::definition(options, env, name, deadline)?;
    let body = read_file(file, deadline)?;
    let Some((definition, currency)) = definition else { return Ok(print_sketch(name, &body, out)) };
    let symbols = symbols_of(&definition, &currency, symbols)?;
    Ok(print_quotes(&definition, &symbols, body, out))
}

fn read_file(path: &str, deadline: Deadline<'_>) -> Result<Body, ConfigError> {
    let read = match path {
        "-" => input::read_stream(io::stdin(), MAX_REPLY, deadline),
        path => input::read_file(Path::new(path), MAX_REPLY, deadline),
    };
    read.map(Body::from).map_err(ConfigError::unreadable(Origin::Flag("--reply"), Path::new(path)))
}

fn print_sketch(name: &str, body: &str, out: &mut dyn Write) -> Outcome {
    match sketch(name, body) {
        Ok(text) => print(out, &text),
        Err(error) => {
            log::error!("the reply is not JSON ({error}): {}", excerpt(body));
            Outcome::NothingFetched
        }
    }
}

fn symbols_of(definition: &Definition, currency: &str, symbols: &[String]) -> Result<Vec<Symbol>, ConfigError> {
    let invalid = |problem: String| ConfigError::invalid(Origin::Flag("SYMBOL"), problem);
    if !symbols.is_empty() {
        let read = settings::read_symbols_of(definition.market, currency, symbols);
        return read.map_err(|problem| invalid(problem.to_string()));
    }
    let defaults: Result<Vec<Symbol>, _> = definition.default_symbols().into_iter().map(Symbol::with_spaces).collect();
    match defaults {
        Ok(defaults) if !defaults.is_empty() => Ok(defaults),
        Ok(_) => Err(invalid(format!("is missing: name what the reply of {} is about", definition.name))),
        Err(problem) => Err(invalid(problem.to_string())),
    }
}

fn print_quotes(definition: &Definition, symbols: &[Symbol], mut body: Body, out: &mut dyn Write) -> Outcome {
    let (fields, secrets, now) = (definition.fields(), BTreeMap::new(), SystemClock.unix_time().as_secs_f64());
    #[allow(clippy::cast_possible_truncation, reason = "seconds of this century")]
    let plan = Plan::new(definition, symbols, &fields, &vec![true; fields.len()], &secrets, now as i64);
    let mut quotes = Table::new(symbols.len(), plan.columns.len());
    let mut problems: Vec<Vec<String>> = vec![Vec::new(); symbols.len()];
    for query in plan.queries(&(0..symbols.len()).collect::<Vec<_>>()) {
        log::info!("as a reply to {}", query.request);
        let reply = read_reply(&plan, &query, &mut body, now);
        for (position, &symbol) in query.symbols.iter().enumerate() {
            match &reply {
                Ok(reply) if reply.values.has(position) => quotes.fill(symbol, reply.values.row(position)),
                Ok(reply) => problems[symbol].push(reason(reply, &query, symbol)),
                Err(error) => problems[symbol].push(error.to_string()),
            }
        }
    }
    let missing: Vec<usize> = (0..symbols.len()).filter(|symbol| !quotes.has(*symbol)).collect();
    for symbol in &missing {
        let problems = match &problems[*symbol][..] {
            [] => "is in no request".to_owned(),
            problems => problems.join("; "),
        };
        log::error!("no quote of {}: {problems}", symbols[*symbol]);
    }
    let printed = print(out, &quotes_table(&plan, symbols, &mut quotes));
    match missing.len() {
        0 => printed,
        count if count == symbols.len() => printed.max(Outcome::NothingFetched),
        _ => printed.max(Outcome::Partial),
    }
}

fn read_reply(plan: &Plan<'_>, query: &Query<'_>, body: &mut Body, now: f64) -> Result<Reply, ReplyError> {
    match plan.read(query, body, now) {
        Err(ReplyError::NotJson { .. }) if body.blank_bare_nan() => plan.read(query, body, now),
        result => result,
    }
}

/// Why a reply has no quote of a symbol.
fn reason(reply: &Reply, query: &Query<'_>, symbol: usize) -> String {
    let of_symbol = |(of, _): &&(usize, String)| *of == symbol;
    let said = reply.row_errors.iter().find(of_symbol).map(|(_, said)| said.as_str());
    let said = said.or_else(|| reply.error.as_ref().map(ErrorText::shown));
    if let Some(said) = said {
        return format!("the reply says \"{}\"", excerpt(said));
    }
    let valueless = reply.valueless.iter().find(of_symbol).map(|(_, reason)| reason.clone());
    valueless.unwrap_or_else(|| format!("has {}", reply.found.describe(query.endpoint.rows.as_str())))
}

/// A line for each value: symbol, field, value.
fn quotes_table(plan: &Plan<'_>, symbols: &[Symbol], quotes: &mut Table) -> String {
    let mut rows = Vec::new();
    for (index, symbol) in symbols.iter().enumerate() {
        plan.complete(symbol, quotes.row_mut(index));
        for (field, value) in plan.columns.iter().zip(quotes.row(index)) {
            rows.extend(
                value.map(|value| [sanitize(symbol.as_str(), usize::MAX), field.to_string(), value.to_string()]),
            );
        }
    }
    align_columns(&rows)
}
