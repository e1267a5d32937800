//! The settings of a run. A flag overrides a variable, a variable overrides the config file, and that
//! overrides the default. All settings are checked before the first request is sent.

mod alerts;
mod config_file;
mod credentials;
mod destination;
mod destination_reader;
mod destinations;
mod feeds;
mod graphite;
mod headers;
mod identity;
mod journal;
mod mirrors;
mod mistaken_secret;
mod monitor;
mod network;
mod other_endpoints;
mod places;
mod providers;
mod recorder;
mod run_limits;
mod service;
mod sources;
mod state_dir;
mod symbol_search;
mod symbols;

pub(crate) use alerts::Alert;
pub(crate) use config_file::place_of_first;
pub(crate) use feeds::{default_symbols, read_symbols_of};
pub(crate) use graphite::{FirstGraphite, read_first as first_graphite};
pub(crate) use monitor::{PING_PLACEHOLDERS, monitor};
pub(crate) use providers::ProviderListing;
pub(crate) use recorder::RecordedSetting;
pub(crate) use run_limits::read_deadline;
pub use sources::Env;
pub(crate) use symbol_search::{SymbolSearch, symbol_search};

use crate::cli::{Cli, Command, FeedSelection, Options, OutputFormat};
use crate::config::{ConfigError, ConfigValue, Document, Origin, Section};
use crate::context::Context;
use crate::delivery::graphite::Destination;
use crate::delivery::{DestinationName, NamedDestination};
use crate::fetch::{Feed, FetchConfig};
use crate::http::proxy::NetworkConfig;
use crate::market::shard::Shard;
use crate::metrics::MetricsConfig;
use crate::outcome::Outcome;
use crate::provider::Definition;
use crate::state::State;
use crate::system::deadline::Deadline;
use crate::system::terminal::Terminal;
use crate::util::shorten::shorten;
use config_file::ConfigFile;
use destination::DestinationConfig;
use feeds::{FeedReader, read_currency};
use graphite::Graphite;
use places::{deny_singular_tables, place_of};
use providers::{Needs, Providers, cleartext_warnings, with_providers};
use recorder::Recorder;
use sources::{Roots, Sources};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

/// Longest name of a run, in bytes. File systems take 255.
const MAX_RUN_NAME: usize = 200;

/// The warning about a run that wants a journal and has no folder for it.
const NO_JOURNAL: &str = "journal: there is none, as HOME is not set: points that Graphite does not take will be lost; \
                          name a folder in DATAMETRICS_STATE_DIR, or give up the journal with --no-journal";

/// All settings of a run. Each stage of a run gets the part that it needs.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Settings {
    /// The name of the run in its health points: `all`, or the names of its feeds joined by `-`. With
    /// `--shard`, `-` and the index of the shard follow.
    pub(crate) run: String,
    /// The feeds to fetch, and their providers.
    pub(crate) fetch: FetchConfig,
    /// The settings that all points share.
    pub(crate) metrics: MetricsConfig,
    /// The destinations of the points, the first one before its mirrors. Only a dry run and a check need not have a
    /// first one.
    pub(crate) destinations: Vec<NamedDestination>,
    /// Why there is no first destination, if there is none.
    pub(crate) no_destination: Option<ConfigError>,
    /// Whether a journal is kept.
    pub(crate) keeps_journal: bool,
    /// The directory of the state and the journal. `None` in a dry run, and if no variable names it.
    pub(crate) state_dir: Option<PathBuf>,
    /// What a check says of it where the service of systemd has another one; else empty.
    pub(crate) state_dir_advice: String,
    /// Proxies and trusted certificates.
    pub(crate) network: NetworkConfig,
    /// The time limit of the whole run.
    pub(crate) timeout: Duration,
    /// Whether a run of which something is missing ends well.
    pub(crate) accepts_partial: bool,
    /// Whether to print points instead of pushing them.
    pub(crate) dry_run: bool,
    /// What to print, if that was said.
    named_format: Option<OutputFormat>,
    /// The terminal at standard output, if it is one.
    pub(crate) terminal: Option<Terminal>,
    /// The thresholds of `[[alert]]`. None but for `datametrics grafana`.
    pub(crate) alerts: Vec<Alert>,
    /// Warnings about the settings.
    pub(crate) warnings: Vec<String>,
    /// For `datametrics check`: whether it stops before the network.
    pub(crate) is_offline: bool,
    /// For `datametrics check`: all settings, in the order in which they were read.
    pub(crate) recorded: Vec<RecordedSetting>,
    /// For `datametrics check`: why some of the providers cannot be asked, by their names.
    pub(crate) not_ready: BTreeMap<String, ConfigError>,
}

impl Settings {
    /// Reads the settings of a run. Symbols are read from `stdin` if the command line says so.
    ///
    /// # Errors
    /// The first error in the settings, with its origin.
    pub fn read(cli: &Cli, env: Env<'_>, stdin: impl Read + Send + 'static) -> Result<Self, ConfigError> {
        let deadline = read_deadline(&cli.options, env)?;
        let ConfigFile { document, path } = config_file::read(&cli.options, env, deadline)?;
        let settings = Self::read_all(cli, env, &document, path, stdin, deadline)?;
        // What it took to read is time of the run.
        Ok(Self { timeout: settings.timeout.min(deadline.remaining()), ..settings })
    }

    /// Like [`Settings::read`], with a config file that is in memory.
    ///
    /// # Errors
    /// The first error in the settings, with its origin.
    pub fn from_config(
        cli: &Cli,
        env: Env<'_>,
        config: &Document,
        stdin: impl Read + Send + 'static,
    ) -> Result<Self, ConfigError> {
        Self::read_all(cli, env, config, None, stdin, read_deadline(&cli.options, env)?)
    }

    /// Proxies and trusted certificates, for an [`HttpClient`](crate::HttpClient).
    pub fn network(&self) -> &NetworkConfig {
        &self.network
    }

    /// The first destination, that of `[graphite]`.
    pub(crate) fn first_destination(&self) -> Option<&Destination> {
        let first = self.destinations.iter().find(|destination| destination.name == DestinationName::First);
        first.map(|first| &first.destination)
    }

    /// The same for a run whose standard output is this terminal.
    pub(crate) fn at_terminal(self, terminal: Option<Terminal>) -> Self {
        Self { terminal, ..self }
    }

    /// What the run is to print.
    pub(crate) fn format(&self) -> Option<OutputFormat> {
        let of_dry_run = if self.terminal.is_some() { OutputFormat::Table } else { OutputFormat::Wire };
        self.named_format.or_else(|| self.dry_run.then_some(of_dry_run))
    }

    /// Whether what is missing is read below the tables of a dry run, so that the log need not say it too.
    pub(crate) fn shows_problems(&self) -> bool {
        let has_log = self.terminal.is_some_and(|terminal| terminal.has_stderr);
        has_log && self.dry_run && self.format() == Some(OutputFormat::Table)
    }

    /// What a run came to, if that is acceptable.
    pub(crate) fn accept(&self, outcome: Outcome) -> Outcome {
        if self.accepts_partial && outcome == Outcome::Partial { Outcome::Success } else { outcome }
    }

    /// The state files of the run; `None` if there is no state directory.
    pub(crate) fn state<'a>(&self, context: Context<'a>) -> Option<State<'a>> {
        let to = self.first_destination().map(|to| to.id().hash_text() + &self.metrics.prefix).unwrap_or_default();
        self.state_dir.as_deref().map(|dir| State::new(context.disk, context.random, dir).of_runs_to(&to))
    }

    fn read_all(
        cli: &Cli,
        env: Env<'_>,
        document: &Document,
        path: Option<ConfigValue<'_>>,
        stdin: impl Read + Send + 'static,
        deadline: Deadline<'_>,
    ) -> Result<Self, ConfigError> {
        let purpose = Purpose::of(cli)?;
        let recorder = Recorder::default();
        let table = document.parse()?;
        let file = Section::root(document, &table);
        let roots = Roots::new();
        let recorder_of_check = (purpose == Purpose::Check).then_some(&recorder);
        let sources = Sources { recorder: recorder_of_check, ..Sources::new(env, &file, deadline, &roots) };
        let path = sources.optional_setting("--config", path);
        let config = path.as_ref().map(ConfigValue::text).transpose()?;
        deny_singular_tables(&file)?;
        let reader = Reader { cli, purpose, sources, config };
        let settings = reader.read(stdin).map_err(|error| match purpose {
            Purpose::Check => error.with_others(reader.errors()),
            _ => error,
        })?;
        file.deny_misplaced_keys(place_of)?;
        let recorded = recorder.into_settings();
        Ok(Self { state_dir_advice: service::state_dir_advice(&recorded, &file), recorded, ..settings })
    }
}

/// What the settings are used for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Push,
    DryRun,
    Check,
    Export,
}

impl Purpose {
    fn of(cli: &Cli) -> Result<Self, ConfigError> {
        match (&cli.command, cli.options.dry_run) {
            (Some(Command::Check { .. }), true) => Err(ConfigError::invalid(
                Origin::Flag("--dry-run"),
                "is no part of a check, which pushes nothing: leave it out",
            )),
            (Some(Command::Check { .. }), false) => Ok(Self::Check),
            (Some(Command::Grafana { .. } | Command::Graphite { .. }), _) => Ok(Self::Export),
            (_, true) => Ok(Self::DryRun),
            (_, false) => Ok(Self::Push),
        }
    }
}

/// Reads all settings, in the order in which `datametrics check` lists them.
struct Reader<'a> {
    cli: &'a Cli,
    purpose: Purpose,
    sources: Sources<'a>,
    /// The path of the config file, if there is one.
    config: Option<&'a str>,
}

impl<'a> Reader<'a> {
    fn read(&self, stdin: impl Read + Send + 'static) -> Result<Settings, ConfigError> {
        let (options, sources) = (&self.cli.options, self.sources);
        let mut warnings = Vec::new();
        // What is printed for Grafana or Carbon is sent to nobody, and a dry run asks providers alone.
        let sends = matches!(self.purpose, Purpose::Push | Purpose::Check);
        let Graphite { destination, metrics } = Graphite::read(options, sources, sends, &mut warnings)?;
        let mirrors = mirrors::read(sources, sends, &mut warnings)?;
        let needs = if self.purpose == Purpose::Export { Needs::Nothing } else { Needs::Quotes };
        let mut providers = Providers::new(sources, needs)?;
        let (run, feeds) = self.read_feeds(&mut providers, &metrics, stdin)?;
        let (timeout, retries) = run_limits::read(options, sources)?;
        let no_destination = self.no_destination(&destination)?;
        let alerts = alerts::read(sources, self.purpose == Purpose::Export)?;
        let journal = journal::read(options, sources, destination.destination.as_ref())?;
        let destinations = destinations::join(destination, mirrors, &journal, timeout)?;
        warnings.extend(slash_warning(&destinations, &metrics, &feeds));
        let state_dir = if options.dry_run { None } else { state_dir::read(sources) };
        if self.purpose == Purpose::Push && journal.is_kept && state_dir.is_none() {
            warnings.push(NO_JOURNAL.to_owned());
        }
        monitor::record(options, sources)?;
        let accepts_partial = read_accept_partial(options, sources)?;
        let Providers { definitions, secrets, not_ready, .. } = providers;
        warnings.extend(cleartext_warnings(&definitions));
        let network = read_network(sources, &definitions, &destinations)?;
        Ok(Settings {
            run,
            fetch: FetchConfig { feeds, definitions, secrets, retries },
            metrics,
            destinations,
            no_destination,
            keeps_journal: journal.is_kept,
            state_dir,
            state_dir_advice: String::new(),
            network,
            timeout,
            accepts_partial,
            dry_run: options.dry_run,
            named_format: self.cli.output_format(),
            terminal: None,
            alerts,
            warnings,
            is_offline: matches!(self.cli.command, Some(Command::Check { offline: true })),
            recorded: Vec::new(),
            not_ready,
        })
    }

    /// The first error of each section. Secrets are left alone, as a pipe that holds one can be read only once.
    fn errors(&self) -> Vec<ConfigError> {
        let (options, sources, mut warnings) = (&self.cli.options, self.sources, Vec::new());
        let graphite = Graphite::read(options, sources, false, &mut warnings);
        let mut providers = Providers::new(sources, Needs::Nothing);
        let feeds = match (&graphite, &mut providers) {
            (Ok(graphite), Ok(providers)) => self.read_feeds(providers, &graphite.metrics, io::empty()).err(),
            // Without them it is not known what is wrong with a feed.
            _ => None,
        };
        let sections = [
            graphite.err(),
            mirrors::read(sources, false, &mut warnings).err(),
            providers.err(),
            feeds,
            run_limits::read(options, sources).err(),
            alerts::read(sources, false).err(),
            journal::read(options, sources, None).err(),
            read_accept_partial(options, sources).err(),
        ];
        sections.into_iter().flatten().collect()
    }

    /// Why there is no first destination, where a check says so. For a push this is an error.
    fn no_destination(&self, first: &DestinationConfig) -> Result<Option<ConfigError>, ConfigError> {
        match (self.purpose, &first.destination) {
            (Purpose::Push, None) => Err(self.missing_graphite()),
            (Purpose::Check, None) => Ok(Some(self.missing_graphite())),
            _ => Ok(None),
        }
    }

    /// The error about a missing first destination.
    fn missing_graphite(&self) -> ConfigError {
        let stray =
            if self.config.is_none() { config_file::find_stray(self.sources.env, self.sources.deadline) } else { None };
        let place = config_file::of_user(self.sources.env).map(|(place, _)| place);
        graphite::missing(self.config, stray.as_deref(), place.as_deref())
    }

    /// Reads the selected feeds. Returns the name of the run and the feeds.
    fn read_feeds(
        &self,
        providers: &mut Providers<'a>,
        metrics: &MetricsConfig,
        stdin: impl Read + Send + 'static,
    ) -> Result<(String, Vec<Feed>), ConfigError> {
        let (options, sources) = (&self.cli.options, self.sources);
        let mut configs = feeds::read_configs(sources)?;
        feeds::add_default_symbols(&mut configs, providers);
        let symbols = symbols::read(self.cli, sources, stdin)?;
        let selection = self.cli.selection();
        let selected = feeds::select(configs, &selection, symbols.as_ref())?;
        let mut reader = FeedReader { options: feeds::FeedOptions::read(options, sources)?, providers, metrics };
        let shard = reader.options.shard;
        // Grafana shows the metrics of all machines.
        let feeds = reader.read(&selected, symbols.as_ref(), shard.filter(|_| self.purpose != Purpose::Export))?;
        Ok((run_name(&selection, &feeds, shard), feeds))
    }
}

/// Lists all providers, or only the one called `only`. The config file and variables override the
/// built-in definitions.
///
/// # Errors
/// When `only` is unknown, or the config file has an error.
pub(crate) fn providers(
    options: &Options,
    env: Env<'_>,
    only: Option<&str>,
) -> Result<Vec<ProviderListing>, ConfigError> {
    let deadline = read_deadline(options, env)?;
    with_providers(options, env, deadline, Needs::Nothing, |_, providers| providers.list(only))
}

/// The effective definition of a provider, and the currency of the feed `crypto`. `None` if there is no such provider.
///
/// # Errors
/// When the definition or the config file has an error.
pub(crate) fn definition(
    options: &Options,
    env: Env<'_>,
    name: &str,
    deadline: Deadline<'_>,
) -> Result<Option<(Definition, String)>, ConfigError> {
    with_providers(options, env, deadline, Needs::Nothing, |sources, providers| {
        let Some(definition) = providers.find(name)? else { return Ok(None) };
        Ok(Some((definition, read_currency(sources)?)))
    })
}

/// Reads whether a run of which something is missing ends well.
fn read_accept_partial(options: &Options, sources: Sources<'_>) -> Result<bool, ConfigError> {
    let flag = options.accept_partial.then(|| "true".to_owned());
    let value = sources.first_of(Some(("--accept-partial", &flag)), "DATAMETRICS_ACCEPT_PARTIAL", None)?;
    sources.setting_or_default("--accept-partial", value, "false").boolean()
}

/// Reads proxies and trusted certificates, as far as these providers and destinations need them.
fn read_network(
    sources: Sources<'_>,
    definitions: &[Definition],
    destinations: &[NamedDestination],
) -> Result<NetworkConfig, ConfigError> {
    let of_providers = definitions.iter().flat_map(|definition| definition.base_url.urls());
    let of_ingests = destinations.iter().filter_map(|to| match &to.destination {
        Destination::Ingest(target) => Some(&target.url),
        Destination::Carbon(_) | Destination::Amqp(_) => None,
    });
    network::read(sources, of_providers.chain(of_ingests))
}

/// A warning if metric names with a `/` are sent to Carbon.
fn slash_warning(destinations: &[NamedDestination], metrics: &MetricsConfig, feeds: &[Feed]) -> Option<String> {
    let is_carbon = destinations.iter().any(|to| to.destination.is_carbon());
    let has_slash = metrics.prefix.contains('/') || feeds.iter().any(|feed| feed.names.has_slash());
    let warning = "a / in metric names (names, prefix) makes a directory at Carbon: use . or - instead";
    (is_carbon && has_slash).then(|| warning.to_owned())
}

fn run_name(selection: &FeedSelection, feeds: &[Feed], shard: Option<Shard>) -> String {
    let name = match selection {
        FeedSelection::All => "all".to_owned(),
        FeedSelection::Named(_) => feeds.iter().map(|feed| feed.name.as_str()).collect::<Vec<_>>().join("-"),
    };
    let name = shard.map_or(name.clone(), |shard| format!("{name}-{}", shard.index));
    // It is a folder at Carbon, and a file in the state directory.
    shorten(&name, MAX_RUN_NAME).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Standard input that takes its time for one symbol.
    struct Slow(&'static [u8]);

    impl Read for Slow {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            thread::sleep(Duration::from_millis(100));
            self.0.read(bytes)
        }
    }

    #[test]
    fn what_it_takes_to_read_standard_input_is_time_of_the_run() {
        let args = ["datametrics", "stocks", "-", "--dry-run", "--config", "/dev/null", "--timeout", "60"];
        let cli = Cli::from_args(args).unwrap();
        let settings = Settings::read(&cli, &|_| None, Slow(b"AAPL\n")).unwrap();
        assert!(settings.timeout <= Duration::from_millis(59_900), "{:?}", settings.timeout);
    }
}
