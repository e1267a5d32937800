//! What a run is to do: flags over variables over the config file over defaults, checked once and
//! whole before anybody is asked anything.

mod alerts;
mod feeds;
mod graphite;
mod network;
mod providers;
mod sources;

pub use alerts::Alert;
pub use feeds::Feed;
pub use graphite::Graphite;
pub use providers::{Key, Listed};
pub use sources::Env;

use crate::cli::{Cli, Command, Options, Wanted};
use crate::given::{ConfigError, Document, Origin, Section};
use crate::graphite::Destination;
use crate::network::Network;
use crate::provider::Definition;
use crate::secret::Secret;
use crate::state::state_dir;
use providers::Providers;
use sources::{Sources, path_variable};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

/// Everything a run goes by.
#[derive(Debug)]
pub struct Settings {
    /// The name of the run in its health points: `all`, or its feeds joined by `-`.
    pub run: String,
    /// What is watched.
    pub feeds: Vec<Feed>,
    /// The providers in use.
    pub definitions: Vec<Definition>,
    /// The secrets of those providers, by the names of their variables.
    pub secrets: BTreeMap<String, Secret>,
    /// Where points go.
    pub graphite: Graphite,
    /// How the network is reached.
    pub network: Network,
    /// The time the whole run has.
    pub timeout: Duration,
    /// How often a failed request is tried again.
    pub retries: u32,
    /// Whether to print instead of to push.
    pub dry_run: bool,
    /// Where state and journal are; nowhere in a dry run, or where no variable says it.
    pub state_dir: Option<PathBuf>,
    /// The journal, if there is to be one.
    pub journal: Option<JournalLimits>,
    /// The thresholds somebody wants to be told of.
    pub alerts: Vec<Alert>,
    /// What is wrong without being an error.
    pub warnings: Vec<String>,
}

/// The bounds of the journal.
#[derive(Clone, Copy, Debug)]
pub struct JournalLimits {
    /// Bytes at most.
    pub max_bytes: u64,
    /// What is older than this is dropped.
    pub max_age: Duration,
}

impl Settings {
    /// Reads the settings of one run.
    ///
    /// # Errors
    /// With the place of the first thing that is wrong.
    pub fn read(cli: &Cli, env: Env<'_>, stdin: impl Read) -> Result<Self, ConfigError> {
        let document = config_file(&cli.options, env)?;
        let table = document.parse()?;
        let file = Section::root(&document, &table);
        let sources = Sources { env, file: &file };
        let mut warnings = Vec::new();
        let graphite = Graphite::read(&cli.options, sources, &mut warnings)?;
        let mut providers = Providers::new(sources)?;
        let drafts = feeds::drafts(sources)?;
        let symbols = symbols(cli, sources, stdin)?;
        let wanted = cli.wanted();
        let feeds = feeds::running(drafts, &wanted, &cli.options, symbols, sources, &mut providers, &graphite.names)?;
        warnings.extend(directories(&graphite, &feeds));
        let timeout = sources.first(Some(("--timeout", &cli.options.timeout)), "DATAMETRICS_TIMEOUT", None)?;
        let retries = sources.first(Some(("--retries", &cli.options.retries)), "DATAMETRICS_RETRIES", None)?;
        let retries = retries.map_or(Ok(2), |given| given.integer(0, 100))?;
        let is_for_grafana = matches!(cli.command, Some(Command::Grafana { .. }));
        if graphite.destination.is_none() && !cli.options.dry_run && !is_for_grafana {
            let problem = "is not set: where should the points go? (--dry-run prints them instead)";
            return Err(ConfigError::invalid(Origin::Default("GRAPHITE_URL".into()), problem));
        }
        let Providers { definitions, secrets, .. } = providers;
        let alerts = alerts::read(&file)?;
        let limits = journal_limits(&file, graphite.destination.as_ref())?;
        let options = &cli.options;
        let network = network::read(sources, &definitions, graphite.destination.as_ref())?;
        file.finish()?;
        Ok(Self {
            run: run_name(&wanted, &feeds),
            feeds,
            definitions,
            secrets,
            graphite,
            network,
            timeout: timeout.map_or(Ok(Duration::from_secs(30)), |given| given.seconds())?,
            retries: u32::try_from(retries).unwrap_or(u32::MAX),
            dry_run: options.dry_run,
            state_dir: if options.dry_run { None } else { state_dir(env) },
            journal: (!options.dry_run && !options.no_journal).then_some(limits),
            alerts,
            warnings,
        })
    }
}

/// The providers there are, or the one of this name, as config and variables have them.
///
/// # Errors
/// When there is none of that name, or something of the config is wrong.
pub fn providers(options: &Options, env: Env<'_>, only: Option<&str>) -> Result<Vec<Listed>, ConfigError> {
    let document = config_file(options, env)?;
    let table = document.parse()?;
    let file = Section::root(&document, &table);
    Providers::new(Sources { env, file: &file })?.list(only)
}

/// The cloud refuses samples older than an hour; Carbon takes whatever its retention holds.
fn journal_limits(file: &Section<'_>, destination: Option<&Destination>) -> Result<JournalLimits, ConfigError> {
    let section = file.section("journal")?;
    let max_bytes = section.get("max_bytes").map_or(Ok(64 << 20), |given| given.integer(1, i64::MAX))?;
    let max_age = if is_carbon(destination) { 7 * 86_400 } else { 3_600 };
    let max_age = section.get("max_age").map_or(Ok(max_age), |given| given.integer(1, i64::MAX))?;
    section.finish()?;
    Ok(JournalLimits { max_bytes: max_bytes.unsigned_abs(), max_age: Duration::from_secs(max_age.unsigned_abs()) })
}

/// A warning where names have a `/` and go to Carbon.
fn directories(graphite: &Graphite, feeds: &[Feed]) -> Option<String> {
    let has_slash = graphite.prefix.contains('/') || feeds.iter().any(|feed| feed.names.has_slash());
    let said = "a / in metric names (names, prefix) makes a directory at Carbon: use . or - instead";
    (is_carbon(graphite.destination.as_ref()) && has_slash).then(|| said.to_owned())
}

/// Whether points go to Carbon, to which a `/` in a name is what a dot is.
pub fn is_carbon(destination: Option<&Destination>) -> bool {
    matches!(destination, Some(Destination::Plaintext { .. } | Destination::Pickle { .. }))
}

fn run_name(wanted: &Wanted, feeds: &[Feed]) -> String {
    match wanted {
        Wanted::All => "all".to_owned(),
        Wanted::Named(_) => feeds.iter().map(|feed| feed.name.as_str()).collect::<Vec<_>>().join("-"),
    }
}

/// The config file: the one that is named, else the user's, else the machine's, else an empty one.
fn config_file(options: &Options, env: Env<'_>) -> Result<Document, ConfigError> {
    let named = options.config.as_ref().map(PathBuf::from);
    if let Some(path) = named.or_else(|| path_variable(env, "DATAMETRICS_CONFIG")) {
        return Document::read(&path);
    }
    let user = path_variable(env, "XDG_CONFIG_HOME").or_else(|| Some(path_variable(env, "HOME")?.join(".config")));
    let directories = user.into_iter().chain([PathBuf::from("/etc")]);
    for path in directories.map(|directory| directory.join("datametrics/config.toml")) {
        match Document::read(&path) {
            Err(ConfigError::Unreadable { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {}
            read => return read,
        }
    }
    Ok(Document::new("", ""))
}

/// The symbols that replace the configured ones.
fn symbols(cli: &Cli, sources: Sources<'_>, stdin: impl Read) -> Result<feeds::Override, ConfigError> {
    let flag = Some(("--symbols", &cli.options.symbols));
    let (origin, texts) = if cli.symbols().is_empty() {
        let Some(given) = sources.first(flag, "DATAMETRICS_SYMBOLS", None)? else { return Ok(None) };
        (given.origin(), given.list()?.iter().map(|one| one.text().map(str::to_owned)).collect::<Result<_, _>>()?)
    } else if cli.options.symbols.is_some() {
        return Err(ConfigError::invalid(Origin::Flag("--symbols"), "is given, and SYMBOL arguments too"));
    } else {
        (Origin::Flag("SYMBOL"), cli.symbols().to_vec())
    };
    if !texts.iter().any(|text| text == "-") {
        return Ok(Some((origin, texts)));
    }
    let lines = lines(stdin)?;
    let texts: Vec<String> =
        texts.into_iter().flat_map(|text| if text == "-" { lines.clone() } else { vec![text] }).collect();
    Ok(Some((Origin::Default("standard input".into()), texts)))
}

/// The lines of standard input without comments and blanks.
fn lines(mut stdin: impl Read) -> Result<Vec<String>, ConfigError> {
    let mut text = String::new();
    let unreadable = |cause| ConfigError::Unreadable { what: "symbols from", path: "standard input".into(), cause };
    stdin.read_to_string(&mut text).map_err(unreadable)?;
    let bare = |line: &str| line.split('#').next().unwrap_or_default().trim().to_owned();
    Ok(text.lines().map(bare).filter(|line| !line.is_empty()).collect())
}
