//! The commands: reads the command line, sets up the log, and runs the command.

pub(crate) mod check;
mod providers;
mod table;

use crate::cli::{Cli, Command, Grafana};
use crate::config::ConfigError;
use crate::context::Context;
use crate::delivery::graphite::Destination;
use crate::fetch::FetchConfig;
use crate::grafana::{AlertRules, Queries, dashboard};
use crate::http::client::HttpClient;
use crate::http::transport::Transport;
use crate::outcome::Outcome;
use crate::ping::Ping;
use crate::progress::CountingTransport;
use crate::settings::{self, Settings};
use crate::system::random::Random;
use crate::{logging, progress};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};
use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the command of a command line. The first of `args` is the name of the program.
pub fn command_line(args: impl IntoIterator<Item = OsString>) -> Outcome {
    let cli = match parse(args) {
        Ok(cli) => cli,
        Err(error) => return print_clap(&error),
    };
    logging::start(&cli.options);
    let random = Random::seeded(RandomState::new().hash_one(()));
    // The panic hook has logged the panic.
    let work = || catch_unwind(AssertUnwindSafe(|| dispatch(&cli, &random))).unwrap_or(Outcome::Defect);
    if pushes(&cli) { with_monitor(&cli, &random, work) } else { work() }
}

fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let args: Vec<OsString> = args.into_iter().collect();
    // Leaked on purpose: freeing it would be 10 % of what `--version` costs.
    let command = Box::leak(Box::new(Cli::command()));
    let mut matches = command.try_get_matches_from_mut(&args).map_err(|error| with_feed_tip(error, &args))?;
    let cli = Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(command))?;
    match cli.conflict() {
        Some((kind, message)) => Err(command.error(kind, message)),
        None => Ok(cli),
    }
}

/// Adds a tip to the error about an unknown subcommand. The word may be the name of a feed in the
/// config, which is not read yet.
fn with_feed_tip(mut error: clap::Error, args: &[OsString]) -> clap::Error {
    let has_suggestion = error.get(ContextKind::SuggestedSubcommand).is_some();
    let is_top_level = matches!(
        error.get(ContextKind::InvalidSubcommand),
        Some(ContextValue::String(word)) if is_subcommand(word, args)
    );
    if error.kind() == ErrorKind::InvalidSubcommand && is_top_level && !has_suggestion {
        let tip = "a feed of your own is named with '--feed <NAME>'";
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// Whether `word` stands where the program expects a subcommand, and not after `help` or `grafana`.
/// Clap's error does not say so. That is why the arguments are parsed again with a parser that
/// takes any word as a subcommand.
fn is_subcommand(word: &str, args: &[OsString]) -> bool {
    let parser = Cli::command().disable_help_subcommand(true).allow_external_subcommands(true);
    parser.try_get_matches_from(args).is_ok_and(|matches| matches.subcommand_name() == Some(word))
}

/// Prints help and version to standard output, and errors to standard error.
fn print_clap(error: &clap::Error) -> Outcome {
    match error.print() {
        Err(cause) if !error.use_stderr() && cause.kind() != io::ErrorKind::BrokenPipe => {
            // If standard error cannot be written either, the exit code alone tells of it.
            let _ = writeln!(io::stderr(), "error: cannot write to standard output: {cause}");
            Outcome::Io
        }
        _ if error.use_stderr() => Outcome::Usage,
        _ => Outcome::Success,
    }
}

/// Whether the command pushes points. Only then a monitor is told about it.
fn pushes(cli: &Cli) -> bool {
    let is_run = matches!(cli.command, None | Some(Command::All | Command::Crypto { .. } | Command::Stocks { .. }));
    is_run && !cli.options.dry_run
}

/// Runs `work`. If there is a monitor, tells it when the work begins and how it ends.
fn with_monitor(cli: &Cli, random: &Random, work: impl FnOnce() -> Outcome) -> Outcome {
    match settings::monitor(&cli.options, &environment) {
        Ok(None) => work(),
        Ok(Some(monitor)) => {
            let client = HttpClient::new(&monitor.network);
            Ping { url: &monitor.url, transport: &client, random }.around(logging::last_lines, work)
        }
        Err(error) => fail(&error),
    }
}

fn dispatch(cli: &Cli, random: &Random) -> Outcome {
    let outcome = match &cli.command {
        Some(Command::Providers { name }) => list_providers(cli, name.as_deref()),
        Some(Command::Check) => with_context(cli, random, check::check),
        Some(Command::Grafana { what }) => print_grafana(cli, what),
        None | Some(Command::All | Command::Crypto { .. } | Command::Stocks { .. }) => {
            with_context(cli, random, crate::run)
        }
    };
    outcome.unwrap_or_else(|error| fail(&error))
}

fn fail(error: &ConfigError) -> Outcome {
    log::error!("{error}");
    error.outcome()
}

fn list_providers(cli: &Cli, name: Option<&str>) -> Result<Outcome, ConfigError> {
    let listed = settings::providers(&cli.options, &environment, name)?;
    let text = match (name, &listed[..]) {
        (Some(_), [provider]) => provider.text.clone(),
        _ => providers::table(&listed),
    };
    Ok(crate::print(&mut io::stdout(), &text))
}

fn print_grafana(cli: &Cli, what: &Grafana) -> Result<Outcome, ConfigError> {
    let Settings { fetch: FetchConfig { feeds, definitions, .. }, metrics, destination, alerts, .. } =
        &Settings::read(cli, &environment, io::stdin())?;
    let queries = Queries { metrics, is_carbon: destination.as_ref().is_some_and(Destination::is_carbon) };
    let text = match what {
        Grafana::Dashboard => dashboard(feeds, queries),
        Grafana::Alerts { datasource, format } => {
            AlertRules { feeds, definitions, thresholds: alerts, queries }.print(datasource, *format)?
        }
    };
    Ok(crate::print(&mut io::stdout(), &text))
}

/// Reads the settings and runs `work` with the network, clock and disk of this machine.
fn with_context(
    cli: &Cli,
    random: &Random,
    work: fn(&Settings, Context<'_>, &mut dyn Write) -> Outcome,
) -> Result<Outcome, ConfigError> {
    // Leaked on purpose: the process is about to end, which frees them faster.
    let settings: &'static Settings = Box::leak(Box::new(Settings::read(cli, &environment, io::stdin())?));
    let client = HttpClient::new(settings.network());
    let counting = CountingTransport::new(&client);
    let transport: &dyn Transport = if logging::is_interactive(&cli.options) { &counting } else { &client };
    let outcome = work(settings, Context::system(transport, random), &mut io::stdout());
    progress::clear();
    Ok(outcome)
}

fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(line: &str) -> String {
        parse(line.split(' ').map(OsString::from)).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_subcommand_gets_a_tip_about_feeds() {
        for line in ["datametrics fx", "datametrics --dry-run fx", "datametrics --config help fx"] {
            assert!(message(line).contains("a feed of your own is named with '--feed <NAME>'"), "{line}");
        }
    }

    #[test]
    fn no_tip_about_feeds_follows_help_or_grafana_or_a_similar_subcommand() {
        for line in
            ["datametrics stoks", "datametrics help fx", "datametrics grafana fx", "datametrics help grafana fx"]
        {
            assert!(!message(line).contains("--feed <NAME>'"), "{line}");
        }
    }
}
