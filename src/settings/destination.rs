//! The settings of one destination: those of `[graphite]` that say where points go and how, and all of
//! `[mirrors.NAME]`.

use super::headers::{Headers, read_headers};
use super::identity::{self, Identity};
use super::mistaken_secret;
use super::other_endpoints;
use super::sources::{Sources, check_secret};
use crate::config::{ConfigError, ConfigValue, Origin, Section, key_path};
use crate::delivery::DestinationName;
use crate::delivery::graphite::{
    AmqpAddress, AmqpTarget, CarbonTarget, Destination, DestinationId, IngestTarget, Protocol, SettingNames,
};
use crate::http::url::{Credentials, Url};
use crate::system::tls::TlsSettings;
use crate::util::suggest::did_you_mean;
use std::sync::Arc;
use std::time::Duration;

/// The settings of one destination.
pub(super) struct DestinationConfig {
    /// Its name.
    pub(super) name: DestinationName,
    /// Where points go. `None` if no URL is set.
    pub(super) destination: Option<Destination>,
    /// Destinations whose waiting points go there now.
    pub(super) formerly: Vec<DestinationId>,
    /// Where these are set.
    pub(super) origins: Origins,
}

/// Where settings of a destination are set that may not go together with others.
pub(super) struct Origins {
    pub(super) url: Origin,
    pub(super) linger: Origin,
    pub(super) formerly: Origin,
}

/// Who we are at a destination.
#[derive(Default)]
struct Access {
    credentials: Option<Credentials>,
    headers: Headers,
    identity: Option<Identity>,
}

/// The names of the settings of a destination, for messages.
pub(super) struct Names {
    /// The destination.
    pub(super) of: DestinationName,
    /// The setting of the URL.
    pub(super) url: String,
    /// The setting of the user.
    pub(super) user: String,
    /// The variable of the password.
    pub(super) password: String,
}

impl Names {
    /// The full name of a key.
    pub(super) fn key(&self, key: &str) -> String {
        key_path(&self.of.section(), key)
    }
}

/// Reads one destination.
pub(super) struct DestinationReader<'r, 'a> {
    /// The section that has its keys.
    pub(super) section: &'r Section<'a>,
    /// What its settings are called.
    pub(super) names: Names,
    /// The sources of settings.
    pub(super) sources: Sources<'a>,
    /// Whether something is to be sent. If not, user, password and the secrets of headers are left alone.
    pub(super) needs_secrets: bool,
}

impl<'a> DestinationReader<'_, 'a> {
    /// Reads the settings of the destination, of which `url` and `user` are already found, and adds warnings about
    /// them to `warnings`.
    ///
    /// # Errors
    /// The first error in the settings, with its origin.
    pub(super) fn read(
        &self,
        url: Option<ConfigValue<'a>>,
        user: Option<ConfigValue<'a>>,
        warnings: &mut Vec<String>,
    ) -> Result<DestinationConfig, ConfigError> {
        let url = self.sources.optional_setting(&self.names.key("url"), url);
        let user_origin = user.as_ref().map(ConfigValue::origin);
        let access = if self.needs_secrets {
            Access {
                credentials: self.read_credentials(user, is_cloud(url.as_ref()), warnings)?,
                headers: read_headers(self, warnings)?,
                identity: identity::read(self)?,
            }
        } else {
            // Keys that nobody asks for would be unknown.
            for key in ["user", "password", "password_file", "client_cert", "client_key"] {
                let _ = self.section.get(key);
            }
            Access { headers: read_headers(self, warnings)?, ..Access::default() }
        };
        let allow_cleartext = self.section.get("allow_plaintext_credentials");
        let name = self.names.key("allow_plaintext_credentials");
        let allow_cleartext = self.sources.setting_or_default(&name, allow_cleartext, "false").boolean()?;
        let linger_value = self.section.get("linger");
        let linger = self.read_linger(linger_value.clone())?;
        let formerly_value = self.section.get("formerly");
        let origin_of = |value: Option<&ConfigValue<'_>>, key: &str| {
            value.map_or_else(|| Origin::Default(self.names.key(key).into()), ConfigValue::origin)
        };
        let origins = Origins {
            url: origin_of(url.as_ref(), "url"),
            linger: origin_of(linger_value.as_ref(), "linger"),
            formerly: origin_of(formerly_value.as_ref(), "formerly"),
        };
        let destination = match url {
            None => None,
            Some(url) => {
                let destination = self.destination(&url, &access, linger)?;
                warnings.extend(self.port_warning(&destination));
                warnings.extend(unused_warning(
                    &destination,
                    user_origin,
                    linger_value.map(|_| origins.linger.clone()),
                ));
                if !allow_cleartext {
                    warnings.extend(self.check_cleartext(&url, &destination, &access.headers)?);
                }
                Some(destination)
            }
        };
        let formerly = self.read_formerly(formerly_value)?;
        Ok(DestinationConfig { name: self.names.of.clone(), destination, formerly, origins })
    }

    fn read_credentials(
        &self,
        user: Option<ConfigValue<'a>>,
        is_cloud: bool,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Credentials>, ConfigError> {
        let (sources, names) = (self.sources, &self.names);
        let user = sources.optional_setting(&names.key("user"), user);
        let value = self.section.get("password");
        let file = sources.path_setting(&names.key("password_file"), self.section.get("password_file"));
        sources.hidden_setting(&names.key("password"), value.as_ref().map(ConfigValue::origin));
        let variable = &names.password;
        let secret = sources.secret_and_origin(variable)?;
        sources.hidden_setting(variable, secret.as_ref().map(|(_, origin)| origin.clone()));
        // With the place of the text, and with the setting that leads there.
        let password = match (secret, file, value) {
            (Some((password, origin)), ..) => Some((password, origin.clone(), origin)),
            (None, Some(_), Some(value)) => return Err(value.invalid("is set, and password_file too: remove one")),
            (None, Some(file), None) => {
                let path = sources.path(&file)?;
                Some((sources.secret_in(&path, file.origin())?, Origin::File(path), file.origin()))
            }
            (None, None, Some(value)) => {
                warnings.extend(permission_warning(&value.origin(), "a password", "use password_file"));
                Some((check_secret(value.text()?, value.origin())?, value.origin(), value.origin()))
            }
            (None, None, None) => None,
        };
        let section = names.of.section();
        match (user, password) {
            (Some(user), Some((password, place, _))) => {
                let name = user.text()?;
                if let Some(problem) = mistaken_secret::of_any(name, false) {
                    return Err(user.invalid(problem));
                }
                match mistaken_secret::of_password(name, &password, is_cloud) {
                    Some(problem) => Err(ConfigError::setting(place, problem)),
                    None => Ok(Some(Credentials { user: name.to_owned(), password })),
                }
            }
            (Some(user), None) => {
                let advice = sources.secret_advice(variable);
                Err(user.invalid(format!(
                    "is set, but no password: set {variable} or {variable}_FILE, or password_file in [{section}]{advice}"
                )))
            }
            (None, Some((_, _, setting))) => {
                let variable = if names.user.contains('.') { String::new() } else { format!("{}, or ", names.user) };
                let problem = format!("is set, but no user: set {variable}user in [{section}], or remove it");
                Err(ConfigError::setting(setting, problem))
            }
            (None, None) => Ok(None),
        }
    }

    fn destination(
        &self,
        value: &ConfigValue<'_>,
        access: &Access,
        linger: Duration,
    ) -> Result<Destination, ConfigError> {
        let url = parse_url(value)?;
        if !matches!(url.scheme.as_str(), "https" | "tls" | "amqps") {
            Identity::deny(access.identity.as_ref())?;
        }
        let carbon = |protocol: Protocol, tls: Option<TlsSettings>| {
            let (scheme, port) = (&url.scheme, protocol.port());
            if url.credentials.is_some() {
                let problem = format!("has a user, but Carbon asks for none: write {scheme}://HOST:{port}");
                return Err(value.invalid(problem));
            }
            if !url.path.is_empty() {
                return Err(value.invalid(format!("has a path, but Carbon has none: write {scheme}://HOST:{port}")));
            }
            deny_headers(&access.headers)?;
            let (host, port) = (url.host.clone(), url.port.unwrap_or(port));
            let url_setting = self.names.url.clone();
            Ok(Destination::Carbon(CarbonTarget { protocol, host, port, linger, tls, url_setting }))
        };
        let tls = || identity::tls_settings(self, access.identity.as_ref());
        match url.scheme.as_str() {
            "tcp" => carbon(Protocol::Plaintext, None),
            "tls" => carbon(Protocol::Plaintext, Some(tls()?)),
            "pickle" => carbon(Protocol::Pickle, None),
            "amqp" => self.amqp(value, url, access, None),
            "amqps" => self.amqp(value, url, access, Some(tls()?)),
            "https" | "http" => self.ingest(value, url, access),
            scheme => Err(unknown_scheme(value, scheme)),
        }
    }

    /// A warning if the port is that of another protocol of Carbon.
    fn port_warning(&self, destination: &Destination) -> Option<String> {
        let Destination::Carbon(CarbonTarget { protocol, port, .. }) = destination else { return None };
        let (other, way) = match protocol {
            Protocol::Plaintext => (Protocol::Pickle, "pickle://"),
            Protocol::Pickle => (Protocol::Plaintext, "tcp://"),
        };
        let url = &self.names.url;
        let warning = || {
            format!(
                "{url}: on port {port} Carbon usually reads another protocol, and drops what it cannot read: is it {way}?"
            )
        };
        (*port == other.port()).then(warning)
    }

    fn ingest(&self, value: &ConfigValue<'_>, mut url: Url, access: &Access) -> Result<Destination, ConfigError> {
        let headers = &access.headers;
        if other_endpoints::is_other(&url) {
            return Err(value.invalid(other_endpoints::describe(&url)));
        }
        let credentials = access.credentials.clone().or_else(|| url.credentials.take());
        url.credentials = None;
        let Names { of, user, password, .. } = &self.names;
        if let (Some(origin), Some(_)) = (&headers.authorization, &credentials) {
            let problem = "stands in the place of user and password, and these are set too: remove one of both";
            return Err(ConfigError::setting(origin.clone(), problem));
        }
        let is_authorized = credentials.is_some() || headers.authorization.is_some();
        if self.needs_secrets && !is_authorized && url.host.ends_with(".grafana.net") {
            let problem = format!(
                "needs a user and a password: set {user} (the number of the Graphite instance) and {password} (a token \
                 with metrics:write)"
            );
            return Err(value.invalid(problem));
        }
        let credentials_question = match headers.authorization {
            Some(_) => format!("is the header Authorization of [{}] that", of.section()),
            None => format!("are {user} and {password} those"),
        };
        let settings = SettingNames { url: self.names.url.clone(), credentials_question };
        let identity = access.identity.as_ref().map(|identity| Arc::clone(&identity.client));
        let target = IngestTarget { url, credentials, headers: headers.extra.clone(), identity, settings };
        Ok(Destination::Ingest(Box::new(target)))
    }

    /// Without credentials those of the guest are used, whom RabbitMQ knows from the beginning. They are no secret.
    fn amqp(
        &self,
        value: &ConfigValue<'_>,
        mut url: Url,
        access: &Access,
        tls: Option<TlsSettings>,
    ) -> Result<Destination, ConfigError> {
        deny_headers(&access.headers)?;
        let address = AmqpAddress::of(&url).map_err(|problem| value.invalid(problem))?;
        let Names { url: name, user, password, .. } = &self.names;
        let (credentials, credentials_question) = match (access.credentials.clone(), url.credentials.take()) {
            (Some(known), _) => (Some(known), format!("are {user} and {password} those")),
            (None, Some(known)) => (Some(known), format!("are user and password in {name} those")),
            (None, None) => (None, format!("as {user} is not set, guest was used: are these the credentials")),
        };
        let settings = SettingNames { url: name.clone(), credentials_question };
        Ok(Destination::Amqp(Box::new(AmqpTarget { address, tls, credentials, settings })))
    }

    /// Refuses to send a secret without TLS. Returns warnings about headers that may hold one.
    fn check_cleartext(
        &self,
        value: &ConfigValue<'_>,
        destination: &Destination,
        headers: &Headers,
    ) -> Result<Vec<String>, ConfigError> {
        let section = self.names.of.section();
        let refuse_unless = |what: &str, way: &str| {
            value.invalid(format!(
                "would send {what} in the clear: {way}, or set allow_plaintext_credentials = true in [{section}]"
            ))
        };
        let refuse = |what| refuse_unless(what, "use https");
        let target = match destination {
            Destination::Ingest(target) => target,
            Destination::Amqp(target) if target.is_cleartext() => {
                return Err(refuse_unless("the password", "use amqps"));
            }
            Destination::Amqp(_) | Destination::Carbon(_) => return Ok(Vec::new()),
        };
        match (target.url.is_cleartext(), &target.credentials) {
            (false, _) => Ok(Vec::new()),
            (true, Some(_)) => Err(refuse("the password")),
            (true, None) if headers.has_secret => Err(refuse("a secret of the headers")),
            (true, None) => {
                let warning = |name| format!("{section}: the header {name} goes in the clear: use https");
                Ok(headers.literal_keys.iter().map(warning).collect())
            }
        }
    }

    /// Reads how long a connection to Carbon stays open after the last point.
    fn read_linger(&self, value: Option<ConfigValue<'a>>) -> Result<Duration, ConfigError> {
        let value = self.sources.setting_or_default(&self.names.key("linger"), value, "0");
        Ok(Duration::from_secs(value.integer(0, 60)?.unsigned_abs()))
    }

    /// Reads the URLs of destinations whose waiting points go to this one now.
    fn read_formerly(&self, value: Option<ConfigValue<'a>>) -> Result<Vec<DestinationId>, ConfigError> {
        let value = self.sources.optional_setting(&self.names.key("formerly"), value);
        let id = |value: &ConfigValue<'_>| {
            let url = parse_url(value)?;
            match url.scheme.as_str() {
                "amqp" | "amqps" => Ok(AmqpAddress::of(&url).map_err(|problem| value.invalid(problem))?.id()),
                scheme if SCHEMES.contains(&scheme) => Ok(DestinationId::of(&url)),
                scheme => Err(unknown_scheme(value, scheme)),
            }
        };
        value.map_or(Ok(Vec::new()), |value| value.list()?.iter().map(id).collect())
    }
}

/// Whether points go to Grafana Cloud, whose passwords are tokens.
fn is_cloud(url: Option<&ConfigValue<'_>>) -> bool {
    url.is_some_and(|url| url.text().is_ok_and(|url| url.contains(".grafana.net/")))
}

/// The schemes of destinations.
const SCHEMES: [&str; 7] = ["https", "http", "tcp", "tls", "pickle", "amqp", "amqps"];

fn deny_headers(headers: &Headers) -> Result<(), ConfigError> {
    headers.origin.as_ref().map_or(Ok(()), |origin| {
        let problem = "cannot be sent, as only https:// and http:// have headers: remove it";
        Err(ConfigError::setting(origin.clone(), problem))
    })
}

/// A warning about a user where nobody asks for one, or about a wait where nothing is waited for. Somebody may send to
/// another destination for a day only, so it is no error.
fn unused_warning(destination: &Destination, user: Option<Origin>, linger: Option<Origin>) -> Option<String> {
    let (origin, problem) = match destination {
        Destination::Carbon { .. } => {
            (user?, "is not used, as Carbon asks for no user: only http, https, amqp and amqps do")
        }
        Destination::Ingest(_) | Destination::Amqp(_) => {
            (linger?, "is not used, as points are acknowledged there: it is for tcp, tls and pickle")
        }
    };
    Some(ConfigError::setting(origin, problem).to_string())
}

fn parse_url(value: &ConfigValue<'_>) -> Result<Url, ConfigError> {
    let text = value.text()?;
    Url::parse(text).map_err(|error| value.invalid(format!("{error}{}", other_endpoints::missing_scheme(text))))
}

fn unknown_scheme(value: &ConfigValue<'_>, scheme: &str) -> ConfigError {
    value.invalid(format!("scheme {scheme:?} is not known{}", did_you_mean(scheme, SCHEMES)))
}

/// A warning if other users can read the config file that holds a secret.
pub(super) fn permission_warning(origin: &Origin, secret: &str, advice: &str) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let Origin::Line { file, .. } = origin else { return None };
    let mode = std::fs::metadata(file).ok()?.permissions().mode();
    let warning = || format!("{file} holds {secret} and others can read it: chmod 600 {file}, or {advice}");
    (mode & 0o077 != 0).then(warning)
}
