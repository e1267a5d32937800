//! The program: reads the command line, sets the log up, runs the job, and exits with what it came
//! to.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};
use datametrics::cli::{Cli, Command, Grafana};
use datametrics::given::ConfigError;
use datametrics::http::{Http, Transport};
use datametrics::ping::Ping;
use datametrics::retry::Random;
use datametrics::world::{World, unix_time};
use datametrics::{Outcome, Settings, grafana, listing, settings};
use progress::Counted;
use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

mod logging;
mod progress;

fn main() -> ExitCode {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => return tell(&error),
    };
    logging::start(&cli.options);
    if let Some((kind, message)) = cli.problem() {
        Cli::command().error(kind, message).exit();
    }
    run(&cli).into()
}

/// As `Cli::try_parse`, but for the description of all options, which the end of the process frees
/// for nothing: it is a tenth of what `--version` costs.
fn parse() -> Result<Cli, clap::Error> {
    let command = Box::leak(Box::new(Cli::command()));
    let mut matches = command.try_get_matches_from_mut(std::env::args_os()).map_err(with_tip)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(command))
}

/// Feeds of the config's own are no subcommands, as it is not read yet: a word that is near to none may
/// be one of them.
fn with_tip(mut error: clap::Error) -> clap::Error {
    // These have words of their own.
    let is_deeper = std::env::args_os().any(|arg| arg == "grafana" || arg == "help");
    let is_near = error.get(ContextKind::SuggestedSubcommand).is_some();
    if error.kind() == ErrorKind::InvalidSubcommand && !is_deeper && !is_near {
        let tip = "a feed of your own is named with '--feed <NAME>'";
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// Help and version are data and go to standard output, mistakes to standard error.
fn tell(error: &clap::Error) -> ExitCode {
    match error.print() {
        Err(cause) if !error.use_stderr() && cause.kind() != io::ErrorKind::BrokenPipe => {
            // Where that cannot be written either, the exit code says it alone.
            let _ = writeln!(io::stderr(), "error: cannot write to standard output: {cause}");
            Outcome::Io
        }
        _ if error.use_stderr() => Outcome::Usage,
        _ => Outcome::Success,
    }
    .into()
}

/// Does what was asked for, and tells the monitor of it if it is a run that counts: one that pushes.
fn run(cli: &Cli) -> Outcome {
    let random = Random::seeded(RandomState::new().hash_one(()));
    // The panic hook has said what happened.
    let work = || catch_unwind(AssertUnwindSafe(|| job(cli, &random))).unwrap_or(Outcome::Defect);
    let is_run = matches!(&cli.command, None | Some(Command::All | Command::Crypto { .. } | Command::Stocks { .. }));
    if !is_run || cli.options.dry_run {
        return work();
    }
    match settings::monitor(&cli.options, &environment) {
        Ok(None) => work(),
        Ok(Some(monitor)) => {
            let http = Http::new(&monitor.network);
            Ping { url: &monitor.url, transport: &http, random: &random }.around(logging::said, work)
        }
        Err(error) => fail(&error),
    }
}

fn fail(error: &ConfigError) -> Outcome {
    log::error!("{error}");
    error.outcome()
}

fn job(cli: &Cli, random: &Random) -> Outcome {
    let outcome = match &cli.command {
        Some(Command::Providers { name }) => list(cli, name.as_deref()),
        Some(Command::Check) => with_settings(cli, random, datametrics::check),
        Some(Command::Grafana { what }) => show(cli, what),
        _ => with_settings(cli, random, datametrics::run),
    };
    outcome.unwrap_or_else(|error| fail(&error))
}

fn list(cli: &Cli, name: Option<&str>) -> Result<Outcome, ConfigError> {
    let listed = settings::providers(&cli.options, &environment, name)?;
    let text = match (name, &listed[..]) {
        (Some(_), [one]) => one.text.clone(),
        _ => listing::table(&listed),
    };
    Ok(datametrics::print(&mut io::stdout(), &text))
}

fn show(cli: &Cli, what: &Grafana) -> Result<Outcome, ConfigError> {
    let settings = Settings::read(cli, &environment, io::stdin())?;
    let text = match what {
        Grafana::Dashboard => grafana::dashboard(&settings),
        Grafana::Alerts { datasource, format } => grafana::alerts(&settings, datasource, *format)?,
    };
    Ok(datametrics::print(&mut io::stdout(), &text))
}

fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn with_settings(
    cli: &Cli,
    random: &Random,
    work: fn(&Settings, World<'_>, &mut dyn Write) -> Outcome,
) -> Result<Outcome, ConfigError> {
    // To take apart what a run knows is work that the end of the process saves.
    let settings: &'static Settings = Box::leak(Box::new(Settings::read(cli, &environment, io::stdin())?));
    let http = Http::new(&settings.network);
    let counted = Counted::new(&http);
    let transport: &dyn Transport = if logging::is_for_a_person(&cli.options) { &counted } else { &http };
    let world = World { transport, clock: &unix_time, random };
    let outcome = work(settings, world, &mut io::stdout());
    progress::clear();
    Ok(outcome)
}
