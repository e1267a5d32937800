//! The program: reads the command line, sets the log up, runs the job, and exits with what it came
//! to.

use clap::{CommandFactory, Parser};
use datametrics::cli::{Cli, Command, Grafana};
use datametrics::given::{ConfigError, Origin};
use datametrics::http::Http;
use datametrics::retry::Random;
use datametrics::world::{World, unix_time};
use datametrics::{Outcome, Settings, grafana, listing, settings};
use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

mod logging;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return tell(&error),
    };
    logging::start(&cli.options);
    if cli.is_mixed() {
        let message = "a subcommand and --crypto, --stocks or --feed: use one form";
        Cli::command().error(clap::error::ErrorKind::ArgumentConflict, message).exit();
    }
    // The panic hook has said what happened.
    catch_unwind(AssertUnwindSafe(|| run(&cli))).unwrap_or(Outcome::Defect).into()
}

/// Help and version are data and go to standard output, mistakes to standard error.
fn tell(error: &clap::Error) -> ExitCode {
    match error.print() {
        Err(cause) if !error.use_stderr() && cause.kind() != ErrorKind::BrokenPipe => {
            eprintln!("error: cannot write to standard output: {cause}");
            Outcome::Io
        }
        _ if error.use_stderr() => Outcome::Usage,
        _ => Outcome::Success,
    }
    .into()
}

fn run(cli: &Cli) -> Outcome {
    let outcome = match &cli.command {
        Some(Command::Providers { name }) => list(cli, name.as_deref()),
        Some(Command::Grafana { what }) => show(cli, what),
        _ => fetch(cli),
    };
    outcome.unwrap_or_else(|error| {
        log::error!("{error}");
        match error {
            ConfigError::Unreadable { .. } => Outcome::Io,
            ConfigError::Invalid { origin: Origin::Flag(_), .. } => Outcome::Usage,
            ConfigError::Invalid { .. } => Outcome::Misconfigured,
        }
    })
}

fn list(cli: &Cli, name: Option<&str>) -> Result<Outcome, ConfigError> {
    let listed = settings::providers(&cli.options, &environment, name)?;
    let text = match (name, &listed[..]) {
        (Some(_), [one]) => one.text.clone(),
        _ => listing::table(&listed),
    };
    Ok(datametrics::print(&mut std::io::stdout(), &text))
}

fn show(cli: &Cli, what: &Grafana) -> Result<Outcome, ConfigError> {
    let settings = Settings::read(cli, &environment, std::io::stdin())?;
    let text = match what {
        Grafana::Dashboard => grafana::dashboard(&settings),
        Grafana::Alerts { datasource, format } => grafana::alerts(&settings, datasource, *format)?,
    };
    Ok(datametrics::print(&mut std::io::stdout(), &text))
}

fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn fetch(cli: &Cli) -> Result<Outcome, ConfigError> {
    let settings = Settings::read(cli, &environment, std::io::stdin())?;
    let random = Random::seeded(RandomState::new().hash_one(()));
    let http = Http::new(&settings.network);
    let world = World { transport: &http, clock: &unix_time, random: &random };
    Ok(datametrics::run(&settings, world, &mut std::io::stdout()))
}
