//! The commands: reads the command line, sets up the log, and runs the command.

pub(crate) mod check;
mod forecast;
mod init;
mod providers;
mod reply;
mod schemas;
mod symbols;
mod table;

use crate::cli::{AlertFormat, Cli, Command, GrafanaExport, GraphiteExport};
use crate::config::ConfigError;
use crate::context::Context;
use crate::delivery::graphite::Destination;
use crate::fetch::FetchConfig;
use crate::grafana::{AlertRules, Queries, dashboard};
use crate::http::client::HttpClient;
use crate::http::proxy::NetworkConfig;
use crate::http::transport::Transport;
use crate::outcome::Outcome;
use crate::output::print;
use crate::ping::Ping;
use crate::progress::LiveTransport;
use crate::settings::{self, Settings};
use crate::system::dialer::SystemDialer;
use crate::system::limit::Limit;
use crate::system::random::Random;
use crate::system::signals::survive_file_size_limit;
use crate::system::terminal::Terminal;
use crate::{logging, progress};
use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the command of a command line. The first of `args` is the name of the program. It is for one call in a process:
/// some memory is never freed.
pub fn command_line(args: impl IntoIterator<Item = OsString>) -> Outcome {
    survive_file_size_limit();
    // A process reads its command line once. To free the description would be 10 % of what `--version` costs.
    let cli = match Cli::from_args_and(args, mem::forget) {
        Ok(cli) => cli,
        Err(error) => return print_clap(&error),
    };
    // What a reply is read for is what `-vv` says.
    let explains = matches!(cli.command, Some(Command::Providers { reply: Some(_), .. })) && !cli.options.quiet;
    logging::start(&cli.options, if explains { 2 } else { cli.options.verbose });
    let outside = Outside { random: Random::seeded(RandomState::new().hash_one(())), dialer: SystemDialer::default() };
    let work = || or_defect(|| dispatch(&cli, &outside));
    if pushes(&cli) { or_defect(|| with_monitor(&cli, &outside, work)) } else { work() }
}

/// What the run and its monitor share.
struct Outside {
    random: Random,
    dialer: SystemDialer,
}

/// Does some work. A panic is a defect, and the panic hook has logged it.
fn or_defect(work: impl FnOnce() -> Outcome) -> Outcome {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Outcome::Defect)
}

/// Prints help and version to standard output, and errors to standard error.
fn print_clap(error: &clap::Error) -> Outcome {
    match error.print() {
        Err(cause) if !error.use_stderr() && cause.kind() != io::ErrorKind::BrokenPipe => {
            // If standard error cannot be written either, the exit code alone tells of it.
            let _ = writeln!(io::stderr(), "error: cannot write to standard output: {}", Limit::name_in(cause));
            Outcome::Io
        }
        _ if error.use_stderr() => Outcome::Usage,
        _ => Outcome::Success,
    }
}

/// Whether the command pushes points. Only then a monitor is told about it.
fn pushes(cli: &Cli) -> bool {
    cli.is_run() && !cli.options.dry_run
}

/// Runs `work`. If there is a monitor, tells it when the work begins and how it ends.
fn with_monitor(cli: &Cli, outside: &Outside, work: impl FnOnce() -> Outcome) -> Outcome {
    match settings::monitor(&cli.options, &environment) {
        Ok(None) => work(),
        Ok(Some(monitor)) => {
            let client = HttpClient::new(&monitor.network, &outside.dialer);
            Ping { url: &monitor.url, transport: &client, random: &outside.random }.run(logging::last_lines, work)
        }
        Err(error) => fail(&error),
    }
}

fn dispatch(cli: &Cli, outside: &Outside) -> Outcome {
    let outcome = match &cli.command {
        Some(Command::Providers { name: Some(name), symbols, reply: Some(file) }) => {
            reply::read(&cli.options, &environment, name, symbols, file, &mut io::stdout())
        }
        Some(Command::Providers { name, .. }) => list_providers(cli, name.as_deref()),
        Some(Command::Symbols { texts }) => find_symbols(cli, outside, texts),
        Some(Command::Init { user }) => Ok(init::init(&cli.options, &environment, user.as_deref(), &mut io::stdout())),
        Some(Command::Check { .. }) => with_context(cli, outside, check::check),
        Some(Command::Grafana { export }) => print_grafana(cli, export),
        Some(Command::Graphite { export: GraphiteExport::Schemas }) => print_schemas(cli),
        None | Some(Command::All | Command::Crypto { .. } | Command::Stocks { .. }) => {
            with_context(cli, outside, crate::run)
        }
    };
    outcome.unwrap_or_else(|error| fail(&error))
}

fn fail(error: &ConfigError) -> Outcome {
    log::error!("{error}");
    error.others().iter().for_each(|other| log::error!("{other}"));
    error.outcome()
}

fn list_providers(cli: &Cli, name: Option<&str>) -> Result<Outcome, ConfigError> {
    let listings = settings::providers(&cli.options, &environment, name)?;
    let text = match (name, &listings[..]) {
        (Some(_), [listing]) => listing.toml.clone(),
        _ => providers::table(&listings),
    };
    Ok(print(&mut io::stdout(), &text))
}

fn print_grafana(cli: &Cli, export: &GrafanaExport) -> Result<Outcome, ConfigError> {
    let settings = Settings::read(cli, &environment, io::stdin())?;
    let Settings { fetch: FetchConfig { feeds, definitions, .. }, metrics, destinations, alerts, .. } = &settings;
    let queries = Queries {
        metrics,
        is_carbon: settings.first_destination().is_some_and(Destination::is_carbon),
        has_mirrors: destinations.iter().any(|to| to.name.mirror().is_some()),
    };
    let text = match export {
        GrafanaExport::Dashboard => dashboard(feeds, queries),
        GrafanaExport::Alerts { datasource, format } => {
            let format = AlertFormat::named(format).unwrap_or(AlertFormat::File);
            AlertRules { feeds, definitions, thresholds: alerts, queries }.render(datasource, format)?
        }
    };
    Ok(print(&mut io::stdout(), &text))
}

fn print_schemas(cli: &Cli) -> Result<Outcome, ConfigError> {
    let settings = Settings::read(cli, &environment, io::stdin())?;
    Ok(print(&mut io::stdout(), &schemas::schemas(&settings.fetch.feeds, &settings.metrics)))
}

/// Reads the settings and runs `work` with the network, clock and disk of this machine.
fn with_context(
    cli: &Cli,
    outside: &Outside,
    work: fn(&Settings, Context<'_>, &mut dyn Write) -> Outcome,
) -> Result<Outcome, ConfigError> {
    // Leaked on purpose: the process is about to end, which frees them faster.
    let settings = Settings::read(cli, &environment, io::stdin())?.at_terminal(Terminal::of_stdout());
    let settings: &'static Settings = Box::leak(Box::new(settings));
    Ok(on_network(cli, outside, settings.network(), |context| work(settings, context, &mut io::stdout())))
}

fn find_symbols(cli: &Cli, outside: &Outside, texts: &[String]) -> Result<Outcome, ConfigError> {
    let search = settings::symbol_search(&cli.options, &environment, texts)?;
    let terminal = Terminal::of_stdout();
    let find = |context: Context<'_>| symbols::find(&search, texts, context, terminal, &mut io::stdout());
    Ok(on_network(cli, outside, &search.network, find))
}

/// Runs `work` with a client for this network, which shows at a terminal how far it is.
fn on_network(
    cli: &Cli,
    outside: &Outside,
    network: &NetworkConfig,
    work: impl FnOnce(Context<'_>) -> Outcome,
) -> Outcome {
    let client = HttpClient::new(network, &outside.dialer);
    let live = LiveTransport::new(&client);
    let transport: &dyn Transport = if logging::is_interactive(&cli.options) { &live } else { &client };
    let outcome = work(Context::system(transport, &outside.dialer, &outside.random));
    progress::clear();
    outcome
}

fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
