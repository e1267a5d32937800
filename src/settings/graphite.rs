//! The settings of `[graphite]`: the destination of the points, and what all points share.

use super::sources::{Sources, check_secret};
use crate::cli::Options;
use crate::config::{ConfigError, ConfigValue, Origin, Section};
use crate::delivery::graphite::{Destination, DestinationId, Protocol, suggested_url};
use crate::http::url::{Credentials, Url};
use crate::metrics::MetricsConfig;
use crate::metrics::names::{NameTemplate, check_literal};
use crate::util::suggest::did_you_mean;
use std::path::Path;
use std::time::Duration;

/// The settings of `[graphite]`.
pub(super) struct Graphite {
    /// The destination of the points.
    pub(super) destination: Option<Destination>,
    /// Destinations whose waiting points go there now.
    pub(super) formerly: Vec<DestinationId>,
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
        let url = sources.optional_setting("graphite.url", url);
        let credentials = if needs_secrets {
            read_credentials(&section, sources, warnings)?
        } else {
            // Keys that nobody asks for would be unknown.
            for key in ["user", "password", "password_file"] {
                let _ = section.get(key);
            }
            None
        };
        let allow_cleartext = section.get("allow_plaintext_credentials");
        let allow_cleartext =
            sources.setting_or_default("graphite.allow_plaintext_credentials", allow_cleartext, "false").boolean()?;
        let linger = read_linger(&section, sources)?;
        let destination =
            url.map(|url| read_destination(&url, credentials, allow_cleartext, linger, needs_secrets)).transpose()?;
        let formerly = read_formerly(&section, sources)?;
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
        section.deny_unknown_keys()?;
        Ok(Self { destination, formerly, metrics })
    }
}

/// The error about a missing destination.
pub(crate) fn missing() -> ConfigError {
    let problem = "is not set, so the points have nowhere to go: set it to https://HOST/graphite/metrics or \
                   tcp://HOST:2003, or print them with --dry-run";
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

fn read_credentials(
    section: &Section<'_>,
    sources: Sources<'_>,
    warnings: &mut Vec<String>,
) -> Result<Option<Credentials>, ConfigError> {
    let user = sources.optional_setting("graphite.user", sources.first_of(None, "GRAPHITE_USER", section.get("user"))?);
    let value = section.get("password");
    let file = sources.path_setting("graphite.password_file", section.get("password_file"));
    sources.hidden_setting("graphite.password", value.as_ref().map(ConfigValue::origin));
    let password = match (sources.secret("GRAPHITE_PASSWORD")?, file, value) {
        (Some(password), ..) => Some(password),
        (None, Some(_), Some(value)) => return Err(value.invalid("is set, and password_file too: remove one")),
        (None, Some(file), None) => Some(sources.secret_in(Path::new(file.text()?), file.origin())?),
        (None, None, Some(value)) => {
            warnings.extend(permission_warning(&value.origin()));
            Some(check_secret(value.text()?, value.origin())?)
        }
        (None, None, None) => None,
    };
    match (user, password) {
        (Some(user), Some(password)) => Ok(Some(Credentials { user: user.text()?.to_owned(), password })),
        (Some(user), None) => {
            Err(user.invalid("is set, but no password: set GRAPHITE_PASSWORD or GRAPHITE_PASSWORD_FILE"))
        }
        (None, Some(_)) => {
            Err(ConfigError::about("GRAPHITE_USER", "is not set, but a password is: set both or neither"))
        }
        (None, None) => Ok(None),
    }
}

/// A warning if other users can read the config file that holds a password.
fn permission_warning(origin: &Origin) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let Origin::Line { file, .. } = origin else { return None };
    let mode = std::fs::metadata(file).ok()?.permissions().mode();
    let warning = || format!("{file} holds a password and others can read it: chmod 600 {file}, or use password_file");
    (mode & 0o077 != 0).then(warning)
}

fn read_destination(
    value: &ConfigValue<'_>,
    credentials: Option<Credentials>,
    allow_cleartext: bool,
    linger: Duration,
    needs_secrets: bool,
) -> Result<Destination, ConfigError> {
    let url = Url::parse(value.text()?).map_err(|error| value.invalid(error.to_string()))?;
    let carbon = |protocol: Protocol, default_port: u16| {
        if !url.path.is_empty() {
            return Err(value.invalid("has a path, but Carbon has none: write tcp://HOST:2003 or pickle://HOST:2004"));
        }
        let (host, port) = (url.host.clone(), url.port.unwrap_or(default_port));
        Ok(Destination::Carbon { protocol, host, port, linger })
    };
    match url.scheme.as_str() {
        "tcp" => carbon(Protocol::Plaintext, 2003),
        "pickle" => carbon(Protocol::Pickle, 2004),
        "https" | "http" => ingest_destination(value, url, credentials, allow_cleartext, needs_secrets),
        scheme => Err(unknown_scheme(value, scheme)),
    }
}

/// Reads how long a connection to Carbon stays open after the last point.
fn read_linger(section: &Section<'_>, sources: Sources<'_>) -> Result<Duration, ConfigError> {
    let value = sources.setting_or_default("graphite.linger", section.get("linger"), "0");
    Ok(Duration::from_secs(value.integer(0, 60)?.unsigned_abs()))
}

/// The schemes of destinations.
const SCHEMES: [&str; 4] = ["https", "http", "tcp", "pickle"];

fn unknown_scheme(value: &ConfigValue<'_>, scheme: &str) -> ConfigError {
    value.invalid(format!("scheme {scheme:?} is not known{}", did_you_mean(scheme, SCHEMES)))
}

/// Reads the URLs of destinations whose waiting points go to this one now.
fn read_formerly(section: &Section<'_>, sources: Sources<'_>) -> Result<Vec<DestinationId>, ConfigError> {
    let Some(value) = sources.optional_setting("graphite.formerly", section.get("formerly")) else {
        return Ok(Vec::new());
    };
    let id = |value: &ConfigValue<'_>| {
        let url = Url::parse(value.text()?).map_err(|error| value.invalid(error.to_string()))?;
        let is_known = SCHEMES.contains(&url.scheme.as_str());
        if is_known { Ok(DestinationId::of(&url)) } else { Err(unknown_scheme(value, &url.scheme)) }
    };
    value.list()?.iter().map(id).collect()
}

fn ingest_destination(
    value: &ConfigValue<'_>,
    mut url: Url,
    credentials: Option<Credentials>,
    allow_cleartext: bool,
    needs_secrets: bool,
) -> Result<Destination, ConfigError> {
    if !url.path.trim_end_matches('/').ends_with("/metrics") {
        return Err(value.invalid(format!("must end in /metrics: try {}", suggested_url(&url))));
    }
    let credentials = credentials.or_else(|| url.credentials.take());
    url.credentials = None;
    if needs_secrets && credentials.is_none() && url.host.ends_with(".grafana.net") {
        let problem = "needs a user and a password: set GRAPHITE_USER (the number of the Graphite instance) and \
                       GRAPHITE_PASSWORD (a token with metrics:write)";
        return Err(value.invalid(problem));
    }
    if credentials.is_some() && url.is_cleartext() && !allow_cleartext {
        let problem = "would send the password in the clear: use https, or set allow_plaintext_credentials = true in \
                       [graphite]";
        return Err(value.invalid(problem));
    }
    Ok(Destination::Ingest { url, credentials })
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
