//! The program: reads the command line, sets the log up, runs the job, and exits with what it came
//! to.

use clap::{CommandFactory, Parser};
use datametrics::cli::Cli;
use datametrics::given::{ConfigError, Origin};
use datametrics::http::Http;
use datametrics::retry::Random;
use datametrics::world::{World, unix_time};
use datametrics::{Outcome, Settings};
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

mod logging;

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(&cli.options);
    if cli.is_mixed() {
        let message = "a subcommand and --crypto, --stocks or --feed: use one form";
        Cli::command().error(clap::error::ErrorKind::ArgumentConflict, message).exit();
    }
    // The panic hook has said what happened.
    catch_unwind(AssertUnwindSafe(|| run(&cli))).unwrap_or(Outcome::Defect).into()
}

fn run(cli: &Cli) -> Outcome {
    let settings = match Settings::read(cli, &|name| std::env::var_os(name), std::io::stdin()) {
        Ok(settings) => settings,
        Err(error) => {
            log::error!("{error}");
            return match error {
                ConfigError::Unreadable { .. } => Outcome::Io,
                ConfigError::Invalid { origin: Origin::Flag(_), .. } => Outcome::Usage,
                ConfigError::Invalid { .. } => Outcome::Misconfigured,
            };
        }
    };
    let random = Random::seeded(RandomState::new().hash_one(()));
    let http = Http::new(&settings.network);
    let world = World { transport: &http, clock: &unix_time, random: &random };
    datametrics::run(&settings, world, &mut std::io::stdout())
}
