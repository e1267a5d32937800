//! The settings of `[graphite]`: the destination of the points, and what all points share.

use super::destination::DestinationConfig;
use super::destination_reader::{DestinationReader, Names};
use super::mistaken_secret;
use super::places::place_of;
use super::sources::{Env, Roots, Sources};
use crate::cli::Options;
use crate::config::{ConfigError, ConfigValue, Document, Section};
use crate::delivery::DestinationName;
use crate::delivery::graphite::Destination;
use crate::http::url::Url;
use crate::metrics::MetricsConfig;
use crate::metrics::names::{NameTemplate, check_literal};
use crate::system::deadline::Deadline;
use std::path::Path;

/// The settings of `[graphite]`.
pub(super) struct Graphite {
    /// The destination of the points.
    pub(super) destination: DestinationConfig,
    /// The settings that all points share.
    pub(super) metrics: MetricsConfig,
}

impl Graphite {
    /// Reads the settings, and adds warnings about them to `warnings`. User and password are left alone unless
    /// `needs_secrets` says that something is to be sent.
    ///
    /// # Errors
    /// The first error in the settings, with its origin.
    pub(super) fn read(
        options: &Options,
        sources: Sources<'_>,
        needs_secrets: bool,
        warnings: &mut Vec<String>,
    ) -> Result<Self, ConfigError> {
        let section = sources.file.section("graphite")?;
        let url =
            sources.first_of(Some(("--graphite-url", &options.graphite_url)), "GRAPHITE_URL", section.get("url"))?;
        let user = sources.first_of(None, "GRAPHITE_USER", section.get("user"))?;
        let reader = DestinationReader { section: &section, names: names(), sources, needs_secrets };
        let destination = reader.read(url, user, warnings)?;
        let prefix =
            sources.first_of(Some(("--prefix", &options.prefix)), "DATAMETRICS_PREFIX", section.get("prefix"))?;
        let interval = sources.first_of(
            Some(("--interval", &options.interval)),
            "DATAMETRICS_INTERVAL",
            section.get("interval"),
        )?;
        let interval = read_interval(&sources.setting_or_default("graphite.interval", interval, "60"))?;
        let names = sources.setting_or_default("graphite.names", section.get("names"), NameTemplate::DEFAULT);
        let metrics = MetricsConfig {
            prefix: read_prefix(&sources.setting_or_default("graphite.prefix", prefix, ""))?,
            interval,
            names: read_names(&names)?,
            tags: read_tags(&section, sources)?,
        };
        section.deny_misplaced_keys(place_of)?;
        Ok(Self { destination, metrics })
    }
}

/// Where a first config is to push to.
pub(crate) struct FirstGraphite {
    /// The URL as it was given.
    pub(crate) url: Option<String>,
    /// The user as it was given.
    pub(crate) user: Option<String>,
    /// What the URL means.
    pub(crate) destination: Option<Destination>,
}

/// Reads where a first config is to push to, and checks it as a run will. There is no token yet. `user` is a flag.
///
/// # Errors
/// When URL or user would be an error in a run, or belong somewhere else.
pub(crate) fn read_first(
    options: &Options,
    env: Env<'_>,
    user: Option<&str>,
    deadline: Deadline<'_>,
) -> Result<FirstGraphite, ConfigError> {
    let (empty, roots) = (Section::empty(""), Roots::new());
    let outside = Sources::new(env, &empty, deadline, &roots);
    let url = outside.first_of(Some(("--graphite-url", &options.graphite_url)), "GRAPHITE_URL", None)?;
    let user = outside.first_of(Some(("--user", &user.map(str::to_owned))), "GRAPHITE_USER", None)?;
    let text = |value: &Option<ConfigValue<'_>>| value.as_ref().and_then(|value| value.text().ok()).map(str::to_owned);
    let (url_text, user_text) = (text(&url), text(&user));
    if let Some(url) = url.as_ref().filter(|url| has_credentials(url)) {
        return Err(
            url.invalid("holds a user or a password, and others may read the config: name the user with --user")
        );
    }
    if let Some(user) = user.as_ref().filter(|user| user.text().is_ok_and(mistaken_secret::is_grafana_token)) {
        return Err(
            user.invalid("looks like a token: the user is a number, and the token comes into a file of its own")
        );
    }
    // Something must stand for the token where there is a user.
    let document = Document::new("", if user.is_some() { "password = 'token'" } else { "" });
    let table = document.parse()?;
    let section = Section::root(&document, &table);
    let sources = Sources { env: &|_| None, file: &section, ..outside };
    let reader = DestinationReader { section: &section, names: names(), sources, needs_secrets: user.is_some() };
    let destination = reader.read(url, user.clone(), &mut Vec::new())?.destination;
    match (user, &destination) {
        (Some(user), Some(Destination::Carbon { .. })) => {
            Err(user.invalid("is for nobody, as Carbon knows no users: leave it out"))
        }
        _ => Ok(FirstGraphite { url: url_text, user: user_text, destination }),
    }
}

fn has_credentials(url: &ConfigValue<'_>) -> bool {
    url.text().is_ok_and(|text| Url::parse(text).is_ok_and(|url| url.credentials.is_some()))
}

/// What the settings of the first destination are called.
fn names() -> Names {
    Names {
        of: DestinationName::First,
        url: "GRAPHITE_URL".to_owned(),
        user: "GRAPHITE_USER".to_owned(),
        password: DestinationName::First.password_variable(),
    }
}

/// The error about a missing destination. `config` is the config file that was read, `stray` one that was not, and
/// `place` where it would have been.
pub(super) fn missing(config: Option<&str>, stray: Option<&Path>, place: Option<&Path>) -> ConfigError {
    let way = match (config, stray) {
        (Some(config), _) => {
            format!("set it, or url in [graphite] of {config}, to https://HOST/graphite/metrics or tcp://HOST:2003")
        }
        (None, Some(stray)) => {
            let place = place.map_or_else(String::new, |place| format!("move it to {}, or ", place.display()));
            format!("no config is looked for in {}: {place}name it with --config", stray.display())
        }
        (None, None) => "`datametrics init` writes a first config".to_owned(),
    };
    let problem = format!("is not set, so the points have nowhere to go: {way}; --dry-run prints them instead");
    ConfigError::about("GRAPHITE_URL", problem)
}

/// Reads an interval, in seconds.
///
/// # Errors
/// When it is no whole number up to a day.
pub(super) fn read_interval(value: &ConfigValue<'_>) -> Result<u32, ConfigError> {
    Ok(u32::try_from(value.integer(1, 86_400)?).unwrap_or(u32::MAX))
}

/// Reads a template of metric names.
///
/// # Errors
/// When it is not a template.
pub(super) fn read_names(value: &ConfigValue<'_>) -> Result<NameTemplate, ConfigError> {
    NameTemplate::parse(value.text()?).map_err(|problem| value.invalid(problem))
}

fn read_prefix(value: &ConfigValue<'_>) -> Result<String, ConfigError> {
    let text = value.text()?;
    if text.is_empty() {
        return Ok(String::new());
    }
    check_literal(text).map_err(|problem| value.invalid(problem))?;
    Ok(format!("{text}."))
}

/// Reads the tags, `key=value` each. They must follow the rules of Graphite
/// (<https://graphite.readthedocs.io/en/latest/tags.html>) and contain no white space, which would end the
/// metric name in a line for Carbon.
fn read_tags(section: &Section<'_>, sources: Sources<'_>) -> Result<Vec<String>, ConfigError> {
    sources.optional_setting("graphite.tags", section.get("tags"));
    let tag = |(key, value): (String, ConfigValue<'_>)| {
        let text = value.text()?;
        let ends_name = |c: char| c.is_whitespace() || c.is_control();
        if key.is_empty() || key.contains(|c| matches!(c, ';' | '!' | '^' | '=') || ends_name(c)) {
            return Err(value.invalid("a tag's name must not be empty or hold ; ! ^ = or white space"));
        }
        if matches!(key.as_str(), "name" | "__name__") {
            return Err(value.invalid("is taken: Graphite keeps the metric's name under it; choose another"));
        }
        if text.is_empty() || text.starts_with('~') || text.contains(|c| c == ';' || ends_name(c)) {
            return Err(value.invalid("a tag's value must not be empty, begin with ~, or hold ; or white space"));
        }
        Ok(format!("{key}={text}"))
    };
    section.section("tags")?.entries().into_iter().map(tag).collect()
}
