//! The settings of `[graphite]`: where points go, and what is common to all of them.

use super::sources::{Sources, checked, read_secret};
use crate::cli::Options;
use crate::config::{ConfigError, ConfigValue, Origin, Section};
use crate::delivery::graphite::{Destination, suggested_url};
use crate::http::url::{Credentials, Url};
use crate::metrics::MetricsConfig;
use crate::metrics::names::{NameTemplate, check_literal};
use crate::util::suggest::did_you_mean;
use std::path::Path;

/// Where points go, and what they have in common.
pub(super) struct Graphite {
    pub(super) destination: Option<Destination>,
    pub(super) metrics: MetricsConfig,
}

impl Graphite {
    /// Reads the section. `warnings` takes what is wrong without being an error.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub(super) fn read(
        options: &Options,
        sources: Sources<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Self, ConfigError> {
        let section = sources.file.section("graphite")?;
        let url = sources.first(Some(("--graphite-url", &options.graphite_url)), "GRAPHITE_URL", section.get("url"))?;
        let url = sources.optional("graphite.url", url);
        let credentials = credentials(&section, sources, warnings)?;
        let allowed = section.get("allow_plaintext_credentials");
        let allowed = sources.setting("graphite.allow_plaintext_credentials", allowed, "false").boolean()?;
        let destination = url.map(|value| destination(&value, credentials, allowed)).transpose()?;
        let prefix = sources.first(Some(("--prefix", &options.prefix)), "DATAMETRICS_PREFIX", section.get("prefix"))?;
        let interval =
            sources.first(Some(("--interval", &options.interval)), "DATAMETRICS_INTERVAL", section.get("interval"))?;
        let interval = sources.setting("graphite.interval", interval, "60").integer(1, 86_400)?;
        let names = sources.setting("graphite.names", section.get("names"), NameTemplate::DEFAULT);
        let metrics = MetricsConfig {
            prefix: read_prefix(&sources.setting("graphite.prefix", prefix, ""))?,
            interval: u32::try_from(interval).unwrap_or(u32::MAX),
            names: read_names(&names)?,
            tags: tags(&section, sources)?,
        };
        section.deny_unknown_keys()?;
        Ok(Self { destination, metrics })
    }
}

/// The error that no destination is set.
pub(crate) fn missing() -> ConfigError {
    let problem = "is not set, so the points have nowhere to go: set it to https://HOST/graphite/metrics or \
                   tcp://HOST:2003, or print them with --dry-run";
    ConfigError::missing("GRAPHITE_URL", problem)
}

/// Reads a template of names.
///
/// # Errors
/// With its place, when it is none.
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

fn credentials(
    section: &Section<'_>,
    sources: Sources<'_>,
    warnings: &mut Vec<String>,
) -> Result<Option<Credentials>, ConfigError> {
    let user = sources.optional("graphite.user", sources.first(None, "GRAPHITE_USER", section.get("user"))?);
    let (own, file) =
        (section.get("password"), sources.optional("graphite.password_file", section.get("password_file")));
    sources.hidden("graphite.password", own.as_ref().map(ConfigValue::origin));
    let password = match (sources.secret("GRAPHITE_PASSWORD")?, file, own) {
        (Some(password), ..) => Some(password),
        (None, Some(_), Some(own)) => return Err(own.invalid("is set, and password_file too: remove one")),
        (None, Some(file), None) => Some(read_secret(Path::new(file.text()?), file.origin())?),
        (None, None, Some(own)) => {
            warnings.extend(readable_by_all(&own.origin()));
            Some(checked(own.text()?, own.origin())?)
        }
        (None, None, None) => None,
    };
    match (user, password) {
        (Some(user), Some(password)) => Ok(Some(Credentials { user: user.text()?.to_owned(), password })),
        (Some(user), None) => {
            Err(user.invalid("is set, but no password: set GRAPHITE_PASSWORD or GRAPHITE_PASSWORD_FILE"))
        }
        (None, Some(_)) => {
            Err(ConfigError::missing("GRAPHITE_USER", "is not set, but a password is: set both or neither"))
        }
        (None, None) => Ok(None),
    }
}

/// A warning where a config that holds a password can be read by everybody.
fn readable_by_all(origin: &Origin) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let Origin::Line { file, .. } = origin else { return None };
    let mode = std::fs::metadata(file).ok()?.permissions().mode();
    let said = format!("{file} holds a password and others can read it: chmod 600 {file}, or use password_file");
    (mode & 0o077 != 0).then_some(said)
}

fn destination(
    value: &ConfigValue<'_>,
    credentials: Option<Credentials>,
    allowed: bool,
) -> Result<Destination, ConfigError> {
    let url = Url::parse(value.text()?).map_err(|problem| value.invalid(problem))?;
    let carbon = |port: u16| {
        if !url.path.is_empty() {
            return Err(value.invalid("has a path, but Carbon has none: write tcp://HOST:2003 or pickle://HOST:2004"));
        }
        Ok((url.host.clone(), url.port.unwrap_or(port)))
    };
    match url.scheme.as_str() {
        "tcp" => carbon(2003).map(|(host, port)| Destination::Plaintext { host, port }),
        "pickle" => carbon(2004).map(|(host, port)| Destination::Pickle { host, port }),
        "https" | "http" => ingest(value, url, credentials, allowed),
        scheme => {
            let suggestion = did_you_mean(scheme, ["https", "http", "tcp", "pickle"]);
            Err(value.invalid(format!("scheme {scheme:?} is not known{suggestion}")))
        }
    }
}

fn ingest(
    value: &ConfigValue<'_>,
    mut url: Url,
    credentials: Option<Credentials>,
    allowed: bool,
) -> Result<Destination, ConfigError> {
    if !url.path.trim_end_matches('/').ends_with("/metrics") {
        return Err(value.invalid(format!("must end in /metrics: try {}", suggested_url(&url))));
    }
    let credentials = credentials.or_else(|| url.credentials.take());
    url.credentials = None;
    if credentials.is_none() && url.host.ends_with(".grafana.net") {
        let problem = "needs a user and a password: set GRAPHITE_USER (the number of the Graphite instance) and \
                       GRAPHITE_PASSWORD (a token with metrics:write)";
        return Err(value.invalid(problem));
    }
    if credentials.is_some() && url.is_cleartext() && !allowed {
        let problem = "would send the password in the clear: use https, or set allow_plaintext_credentials = true in \
                       [graphite]";
        return Err(value.invalid(problem));
    }
    Ok(Destination::Ingest { url, credentials })
}

/// Graphite's rules (<https://graphite.readthedocs.io/en/latest/tags.html>), and no white space, which
/// ends the name in a line for Carbon.
fn tags(section: &Section<'_>, sources: Sources<'_>) -> Result<Vec<String>, ConfigError> {
    sources.optional("graphite.tags", section.get("tags"));
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
