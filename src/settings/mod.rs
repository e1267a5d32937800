//! What a run is to do: flags over variables over the config file over defaults. Everything is checked
//! before anybody is asked for anything.

mod alerts;
mod config_file;
mod feeds;
mod graphite;
mod journal;
mod monitor;
mod network;
mod providers;
mod recorder;
mod sources;
mod state_dir;
mod symbols;

pub(crate) use alerts::Alert;
pub(crate) use graphite::missing as missing_graphite;
pub(crate) use monitor::monitor;
pub(crate) use providers::Listed;
pub(crate) use recorder::Setting;
pub use sources::Env;

use crate::cli::{Cli, Command, FeedSelection, Options};
use crate::config::{ConfigError, ConfigValue, Document, Origin, Section};
use crate::delivery::graphite::Destination;
use crate::delivery::journal::JournalLimits;
use crate::fetch::{Feed, FetchConfig};
use crate::http::proxy::NetworkConfig;
use crate::market::shard::Shard;
use crate::metrics::MetricsConfig;
use crate::state::State;
use crate::system::disk::Disk;
use config_file::ConfigFile;
use feeds::FeedReader;
use graphite::Graphite;
use providers::Providers;
use recorder::Recorder;
use sources::Sources;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

/// Everything a run goes by. Each stage of a run gets the part it needs.
#[derive(Debug)]
pub struct Settings {
    /// The name of the run in its health points: `all`, or its feeds joined by `-`; with shards, then
    /// `-` and the number of the shard.
    pub(crate) run: String,
    /// What to fetch.
    pub(crate) fetch: FetchConfig,
    /// What all points have in common.
    pub(crate) metrics: MetricsConfig,
    /// Where points go. A dry run needs no destination.
    pub(crate) destination: Option<Destination>,
    /// The bounds of the journal. `None` if there is to be no journal.
    pub(crate) journal: Option<JournalLimits>,
    /// Where state and journal are. `None` in a dry run, and if no variable says it.
    pub(crate) state_dir: Option<PathBuf>,
    /// How the network is reached.
    pub(crate) network: NetworkConfig,
    /// The time for the whole run.
    pub(crate) timeout: Duration,
    /// Whether to print points instead of pushing them.
    pub(crate) dry_run: bool,
    /// The thresholds of `[[alert]]`.
    pub(crate) alerts: Vec<Alert>,
    /// What is wrong without being an error.
    pub(crate) warnings: Vec<String>,
    /// For `datametrics check`: every setting there is, in the order in which they were read.
    pub(crate) recorded: Vec<Setting>,
    /// For `datametrics check`: why some of the providers cannot be asked, by their names.
    pub(crate) not_ready: BTreeMap<String, ConfigError>,
}

impl Settings {
    /// Reads the settings of a run. `env` looks up environment variables.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn read(cli: &Cli, env: Env<'_>, stdin: impl Read) -> Result<Self, ConfigError> {
        let ConfigFile { document, path } = config_file::read(&cli.options, env)?;
        Self::read_all(cli, env, &document, path, stdin)
    }

    /// The same with a config file that was read already.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn from_config(cli: &Cli, env: Env<'_>, config: &Document, stdin: impl Read) -> Result<Self, ConfigError> {
        Self::read_all(cli, env, config, None, stdin)
    }

    /// How the network is reached: what an [`HttpClient`](crate::HttpClient) is made from.
    pub fn network(&self) -> &NetworkConfig {
        &self.network
    }

    /// The state files of the run; `None` if there is no state directory.
    pub(crate) fn state<'a>(&self, disk: &'a dyn Disk) -> Option<State<'a>> {
        self.state_dir.as_deref().map(|dir| State::new(disk, dir))
    }

    fn read_all(
        cli: &Cli,
        env: Env<'_>,
        document: &Document,
        path: Option<ConfigValue<'_>>,
        stdin: impl Read,
    ) -> Result<Self, ConfigError> {
        let purpose = Purpose::of(cli)?;
        let recorder = Recorder::default();
        let table = document.parse()?;
        let file = Section::root(document, &table);
        let sources = Sources { env, file: &file, recorder: (purpose == Purpose::Check).then_some(&recorder) };
        sources.optional("--config", path);
        let settings = Reader { cli, purpose, sources }.read(stdin)?;
        file.deny_unknown_keys()?;
        Ok(Self { recorded: recorder.settings(), ..settings })
    }
}

/// What the settings are read for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Push,
    DryRun,
    Check,
    Grafana,
}

impl Purpose {
    fn of(cli: &Cli) -> Result<Self, ConfigError> {
        match (&cli.command, cli.options.dry_run) {
            (Some(Command::Check), true) => Err(ConfigError::invalid(
                Origin::Flag("--dry-run"),
                "is no part of a check, which pushes nothing: leave it out",
            )),
            (Some(Command::Check), false) => Ok(Self::Check),
            (Some(Command::Grafana { .. }), _) => Ok(Self::Grafana),
            (_, true) => Ok(Self::DryRun),
            (_, false) => Ok(Self::Push),
        }
    }
}

/// Reads all settings. The order in which they are read is the order in which `datametrics check`
/// lists them.
struct Reader<'a> {
    cli: &'a Cli,
    purpose: Purpose,
    sources: Sources<'a>,
}

impl<'a> Reader<'a> {
    fn read(&self, stdin: impl Read) -> Result<Settings, ConfigError> {
        let (options, sources) = (&self.cli.options, self.sources);
        let mut warnings = Vec::new();
        let Graphite { destination, metrics } = Graphite::read(options, sources, &mut warnings)?;
        let mut providers = Providers::new(sources)?;
        let (run, feeds) = self.feeds(&mut providers, &metrics, stdin)?;
        warnings.extend(slash_warning(destination.as_ref(), &metrics, &feeds));
        let (timeout, retries) = limits_of_run(options, sources)?;
        if destination.is_none() && self.purpose == Purpose::Push {
            return Err(missing_graphite());
        }
        let alerts = alerts::read(sources)?;
        let journal = journal::read(options, sources, destination.as_ref())?;
        let state_dir = if options.dry_run { None } else { state_dir::read(sources) };
        monitor::record(options, sources)?;
        let Providers { definitions, secrets, not_ready, .. } = providers;
        let ingest = match &destination {
            Some(Destination::Ingest { url, .. }) => Some(url),
            _ => None,
        };
        let network = network::read(sources, definitions.iter().map(|definition| &definition.base_url).chain(ingest))?;
        Ok(Settings {
            run,
            fetch: FetchConfig { feeds, definitions, secrets, retries },
            metrics,
            destination,
            journal,
            state_dir,
            network,
            timeout,
            dry_run: options.dry_run,
            alerts,
            warnings,
            recorded: Vec::new(),
            not_ready,
        })
    }

    /// The feeds that run, and the name of the run.
    fn feeds(
        &self,
        providers: &mut Providers<'a>,
        metrics: &MetricsConfig,
        stdin: impl Read,
    ) -> Result<(String, Vec<Feed>), ConfigError> {
        let (options, sources) = (&self.cli.options, self.sources);
        let configs = feeds::configs(sources)?;
        let symbols = symbols::read(self.cli, sources, stdin)?;
        let selection = self.cli.selection();
        let mut reader = FeedReader { options: feeds::FeedOptions::read(options, sources)?, providers, metrics };
        let mut feeds = reader.read(configs, &selection, symbols.as_ref())?;
        let shard = reader.options.shard;
        // Grafana shows and watches what all machines push.
        if let Some(shard) = shard.filter(|_| self.purpose != Purpose::Grafana) {
            feeds::keep_shard(shard, &mut feeds, &metrics.prefix);
        }
        Ok((run_name(&selection, &feeds, shard), feeds))
    }
}

/// The providers there are, or the one of this name, as config and variables have them.
///
/// # Errors
/// When there is none of that name, or something in the config is wrong.
pub(crate) fn providers(options: &Options, env: Env<'_>, only: Option<&str>) -> Result<Vec<Listed>, ConfigError> {
    let ConfigFile { document, .. } = config_file::read(options, env)?;
    let table = document.parse()?;
    let file = Section::root(&document, &table);
    Providers::new(Sources { env, file: &file, recorder: None })?.list(only)
}

/// The time for the whole run, and how often a failed request is repeated.
fn limits_of_run(options: &Options, sources: Sources<'_>) -> Result<(Duration, u32), ConfigError> {
    let timeout = sources.first(Some(("--timeout", &options.timeout)), "DATAMETRICS_TIMEOUT", None)?;
    let retries = sources.first(Some(("--retries", &options.retries)), "DATAMETRICS_RETRIES", None)?;
    let timeout = sources.setting("--timeout", timeout, "30").seconds()?;
    let retries = sources.setting("--retries", retries, "2").integer(0, 100)?;
    Ok((timeout, u32::try_from(retries).unwrap_or(u32::MAX)))
}

/// A warning if names with a `/` go to Carbon.
fn slash_warning(destination: Option<&Destination>, metrics: &MetricsConfig, feeds: &[Feed]) -> Option<String> {
    let is_carbon = destination.is_some_and(Destination::is_carbon);
    let has_slash = metrics.prefix.contains('/') || feeds.iter().any(|feed| feed.names.has_slash());
    let warning = "a / in metric names (names, prefix) makes a directory at Carbon: use . or - instead";
    (is_carbon && has_slash).then(|| warning.to_owned())
}

fn run_name(selection: &FeedSelection, feeds: &[Feed], shard: Option<Shard>) -> String {
    let name = match selection {
        FeedSelection::All => "all".to_owned(),
        FeedSelection::Named(_) => feeds.iter().map(|feed| feed.name.as_str()).collect::<Vec<_>>().join("-"),
    };
    shard.map_or(name.clone(), |shard| format!("{name}-{}", shard.index))
}
