//! What a run is to do: flags over variables over the config file over defaults, checked once and
//! whole before anybody is asked anything.

mod alerts;
mod feeds;
mod graphite;
mod monitor;
mod network;
mod origins;
mod providers;
mod sources;

pub use alerts::Alert;
pub use feeds::Feed;
pub use graphite::{Graphite, missing as missing_graphite};
pub use monitor::{Monitor, monitor};
pub use origins::Setting;
pub use providers::{Key, Listed};
pub use sources::Env;

use crate::cli::{Cli, Command, Options, Wanted};
use crate::given::{ConfigError, Document, Given, Origin, Section};
use crate::graphite::Destination;
use crate::network::Network;
use crate::provider::Definition;
use crate::secret::Secret;
use crate::shard::Shard;
use crate::state;
use origins::Ledger;
use providers::Providers;
use sources::{Sources, path_variable};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything a run goes by.
#[derive(Debug)]
pub struct Settings {
    /// The name of the run in its health points: `all`, or its feeds joined by `-`; then `-` and the
    /// number of the shard, if there are shards.
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
    /// Of `datametrics check`: every setting there is, in the order in which they were read.
    pub origins: Vec<Setting>,
    /// Of `datametrics check`: why some of the providers cannot be asked, by their names.
    pub unready: BTreeMap<String, ConfigError>,
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
    /// Reads the settings of one run, or of a check, which can do without some of them.
    ///
    /// # Errors
    /// With the place of the first thing that is wrong.
    pub fn read(cli: &Cli, env: Env<'_>, stdin: impl Read) -> Result<Self, ConfigError> {
        let (document, place) = config_file(&cli.options, env)?;
        Self::of(cli, env, (&document, place), stdin)
    }

    /// The same with a config that was read already.
    ///
    /// # Errors
    /// With the place of the first thing that is wrong.
    pub fn from_config(cli: &Cli, env: Env<'_>, config: &Document, stdin: impl Read) -> Result<Self, ConfigError> {
        Self::of(cli, env, (config, None), stdin)
    }

    fn of(
        cli: &Cli,
        env: Env<'_>,
        (document, place): (&Document, Option<Given<'static>>),
        stdin: impl Read,
    ) -> Result<Self, ConfigError> {
        let is_check = matches!(cli.command, Some(Command::Check));
        if is_check && cli.options.dry_run {
            return Err(ConfigError::invalid(
                Origin::Flag("--dry-run"),
                "is no part of a check, which pushes nothing: leave it out",
            ));
        }
        let ledger = Ledger::default();
        let table = document.parse()?;
        let file = Section::root(document, &table);
        let sources = Sources { env, file: &file, ledger: is_check.then_some(&ledger) };
        sources.optional("--config", place);
        let mut warnings = Vec::new();
        let graphite = Graphite::read(&cli.options, sources, &mut warnings)?;
        let mut providers = Providers::new(sources)?;
        let drafts = feeds::drafts(sources)?;
        let mut piped = String::new();
        let symbols = symbols(cli, sources, stdin, &mut piped)?;
        let wanted = cli.wanted();
        let is_for_grafana = matches!(cli.command, Some(Command::Grafana { .. }));
        let (mut feeds, shard) =
            feeds::running(drafts, &wanted, &cli.options, symbols, sources, &mut providers, &graphite)?;
        // What is drawn and watched in Grafana is what all machines push.
        if let Some(shard) = shard.filter(|_| !is_for_grafana) {
            feeds::keep(shard, &mut feeds, &graphite.prefix);
        }
        warnings.extend(directories(&graphite, &feeds));
        let options = &cli.options;
        let (timeout, retries) = patience(options, sources)?;
        if graphite.destination.is_none() && !options.dry_run && !is_check && !is_for_grafana {
            return Err(missing_graphite());
        }
        let Providers { definitions, secrets, unready, .. } = providers;
        let alerts = alerts::read(sources)?;
        let journal = journal(options, sources, graphite.destination.as_ref())?;
        let state_dir = if options.dry_run { None } else { state_dir(sources) };
        monitor::note(options, sources)?;
        let ingest = match &graphite.destination {
            Some(Destination::Ingest { url, .. }) => Some(url),
            _ => None,
        };
        let network = network::read(sources, definitions.iter().map(|definition| &definition.base).chain(ingest))?;
        file.finish()?;
        Ok(Self {
            run: run_name(&wanted, &feeds, shard),
            feeds,
            definitions,
            secrets,
            graphite,
            network,
            timeout,
            retries,
            dry_run: options.dry_run,
            state_dir,
            journal,
            alerts,
            warnings,
            origins: ledger.settings(),
            unready,
        })
    }
}

/// The providers there are, or the one of this name, as config and variables have them.
///
/// # Errors
/// When there is none of that name, or something of the config is wrong.
pub fn providers(options: &Options, env: Env<'_>, only: Option<&str>) -> Result<Vec<Listed>, ConfigError> {
    let (document, _) = config_file(options, env)?;
    let table = document.parse()?;
    let file = Section::root(&document, &table);
    Providers::new(Sources { env, file: &file, ledger: None })?.list(only)
}

/// How long the run has, and how often a failed request is tried again.
fn patience(options: &Options, sources: Sources<'_>) -> Result<(Duration, u32), ConfigError> {
    let timeout = sources.first(Some(("--timeout", &options.timeout)), "DATAMETRICS_TIMEOUT", None)?;
    let retries = sources.first(Some(("--retries", &options.retries)), "DATAMETRICS_RETRIES", None)?;
    let timeout = sources.setting("--timeout", timeout, "30").seconds()?;
    let retries = sources.setting("--retries", retries, "2").integer(0, 100)?;
    Ok((timeout, u32::try_from(retries).unwrap_or(u32::MAX)))
}

/// The bounds of the journal, if there is to be one. The cloud refuses samples older than an hour
/// (<https://grafana.com/docs/grafana-cloud/send-data/metrics/metrics-graphite/faq/>); Carbon takes
/// whatever its retention holds.
fn journal(
    options: &Options,
    sources: Sources<'_>,
    destination: Option<&Destination>,
) -> Result<Option<JournalLimits>, ConfigError> {
    let section = sources.file.section("journal")?;
    let setting = |name, given, default: u32| sources.setting(name, given, default.to_string()).integer(1, i64::MAX);
    let max_bytes = setting("journal.max_bytes", section.get("max_bytes"), 64 << 20)?;
    let max_age = if is_carbon(destination) { 7 * 86_400 } else { 3_600 };
    let max_age = setting("journal.max_age", section.get("max_age"), max_age)?;
    section.finish()?;
    let no_journal = options.no_journal.then(|| Given::typed("true", Origin::Flag("--no-journal")));
    sources.setting("--no-journal", no_journal, "false");
    let limits =
        JournalLimits { max_bytes: max_bytes.unsigned_abs(), max_age: Duration::from_secs(max_age.unsigned_abs()) };
    Ok((!options.dry_run && !options.no_journal).then_some(limits))
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

fn run_name(wanted: &Wanted, feeds: &[Feed], shard: Option<Shard>) -> String {
    let name = match wanted {
        Wanted::All => "all".to_owned(),
        Wanted::Named(_) => feeds.iter().map(|feed| feed.name.as_str()).collect::<Vec<_>>().join("-"),
    };
    shard.map_or(name.clone(), |shard| format!("{name}-{}", shard.index))
}

/// Where state and journal go; a check is told which variable says so.
fn state_dir(sources: Sources<'_>) -> Option<PathBuf> {
    if sources.ledger.is_some() {
        let of = |only: &'static str| {
            let path = state::state_dir(|name| (sources.env)(name).filter(|_| name == only))?;
            Some(Given::typed(path.display().to_string(), Origin::Variable(only.to_owned())))
        };
        sources.optional("DATAMETRICS_STATE_DIR", state::VARIABLES.into_iter().find_map(of));
    }
    state::state_dir(sources.env)
}

/// The config file: the one that is named, else the user's, else the machine's, else an empty one.
/// And its path, with what named it.
fn config_file(options: &Options, env: Env<'_>) -> Result<(Document, Option<Given<'static>>), ConfigError> {
    let flag = options.config.as_ref().map(|path| (PathBuf::from(path), Origin::Flag("--config")));
    let variable = || {
        let path = path_variable(env, "DATAMETRICS_CONFIG")?;
        Some((path, Origin::Variable("DATAMETRICS_CONFIG".to_owned())))
    };
    let read = |path: &Path, named_by: Origin, origin| {
        Document::read(path, named_by)
            .map(|document| (document, Some(Given::typed(path.display().to_string(), origin))))
    };
    if let Some((path, origin)) = flag.or_else(variable) {
        return read(&path, origin.clone(), origin);
    }
    let user = path_variable(env, "XDG_CONFIG_HOME").or_else(|| Some(path_variable(env, "HOME")?.join(".config")));
    let directories = user.into_iter().chain([PathBuf::from("/etc")]);
    for path in directories.map(|directory| directory.join("datametrics/config.toml")) {
        match read(&path, Origin::Default("config file".into()), Origin::Default("--config".into())) {
            Err(ConfigError::Unreadable { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {}
            read => return read,
        }
    }
    Ok((Document::new("", ""), None))
}

/// The symbols that replace the configured ones. Those of standard input stay in `piped`.
fn symbols<'a>(
    cli: &'a Cli,
    sources: Sources<'_>,
    stdin: impl Read,
    piped: &'a mut String,
) -> Result<feeds::Override<'a>, ConfigError> {
    let flag = Some(("--symbols", &cli.options.symbols));
    let (origin, texts) = if cli.symbols().is_empty() {
        let given = sources.optional("--symbols", sources.first(flag, "DATAMETRICS_SYMBOLS", None)?);
        let Some(given) = given else { return Ok(None) };
        let texts = given.list()?.iter().map(|one| Ok(one.text()?.to_owned().into())).collect::<Result<_, _>>()?;
        (given.origin(), texts)
    } else if cli.options.symbols.is_some() {
        return Err(ConfigError::invalid(
            Origin::Flag("--symbols"),
            "is given, and SYMBOL arguments too: use one form",
        ));
    } else {
        (Origin::Flag("SYMBOL"), cli.symbols().iter().map(Cow::from).collect::<Vec<Cow<'a, str>>>())
    };
    if !texts.iter().any(|text| text == "-") {
        return Ok(Some((origin, texts)));
    }
    read_all(stdin, piped)?;
    let mut all = Vec::new();
    for text in texts {
        if text == "-" {
            all.extend(bare_lines(piped).map(Cow::from));
        } else {
            all.push(text);
        }
    }
    Ok(Some((Origin::Default("standard input".into()), all)))
}

fn read_all(mut stdin: impl Read, text: &mut String) -> Result<(), ConfigError> {
    let origin = Origin::Default("standard input".into());
    let unreadable = |cause| ConfigError::Unreadable { origin, what: "symbols".to_owned(), cause };
    stdin.read_to_string(text).map(drop).map_err(unreadable)
}

/// The lines of a text without comments and blanks.
fn bare_lines(text: &str) -> impl Iterator<Item = &str> {
    // Lines are short, so that to go through them byte by byte takes less than any search.
    let cut = |text: &'_ str, at: u8| text.bytes().position(|b| b == at).unwrap_or(text.len());
    let mut rest = text;
    let lines = std::iter::from_fn(move || {
        let (line, after) = rest.split_at(cut(rest, b'\n'));
        let is_last = rest.is_empty();
        rest = after.strip_prefix('\n').unwrap_or_default();
        (!is_last).then_some(line)
    });
    lines.map(move |line| line[..cut(line, b'#')].trim()).filter(|line| !line.is_empty())
}
