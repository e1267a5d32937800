//! The settings of one destination: those of `[graphite]` that say where points go and how, and all of
//! `[mirrors.NAME]`.

use super::credentials;
use super::destination_reader::{DestinationReader, Names};
use super::headers::{self, Headers};
use super::identity::{self, Identity};
use super::other_endpoints;
use crate::config::{ConfigError, ConfigValue, Origin};
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
        let access = self.read_access(user, url.as_ref(), warnings)?;
        let name = self.names.key("allow_plaintext_credentials");
        let allow_cleartext = self.section.get("allow_plaintext_credentials");
        let allow_cleartext = self.sources.setting_or_default(&name, allow_cleartext, "false").boolean()?;
        let (linger, formerly) = (self.section.get("linger"), self.section.get("formerly"));
        let linger_origin = linger.as_ref().map(ConfigValue::origin);
        let origins = Origins {
            url: self.origin_of("url", url.as_ref()),
            linger: self.origin_of("linger", linger.as_ref()),
            formerly: self.origin_of("formerly", formerly.as_ref()),
        };
        let linger = self.read_linger(linger)?;
        let destination = url.as_ref().map(|url| self.destination(url, &access, linger)).transpose()?;
        if let (Some(url), Some(destination)) = (&url, &destination) {
            warnings.extend(self.port_warning(destination));
            warnings.extend(unused_warning(destination, user_origin, linger_origin));
            if !allow_cleartext {
                warnings.extend(self.check_cleartext(url, destination, &access.headers)?);
            }
        }
        let formerly = self.read_formerly(formerly)?;
        Ok(DestinationConfig { name: self.names.of.clone(), destination, formerly, origins })
    }

    fn read_access(
        &self,
        user: Option<ConfigValue<'a>>,
        url: Option<&ConfigValue<'_>>,
        warnings: &mut Vec<String>,
    ) -> Result<Access, ConfigError> {
        if !self.needs_secrets {
            // Keys that nobody asks for would be unknown.
            for key in ["user", "password", "password_file", "client_cert", "client_key"] {
                let _ = self.section.get(key);
            }
            return Ok(Access { headers: headers::read(self, warnings)?, ..Access::default() });
        }
        Ok(Access {
            credentials: credentials::read(self, user, url, warnings)?,
            headers: headers::read(self, warnings)?,
            identity: identity::read(self)?,
        })
    }

    /// Where a key is set that has this value, or its name.
    fn origin_of(&self, key: &str, value: Option<&ConfigValue<'_>>) -> Origin {
        value.map_or_else(|| Origin::Default(self.names.key(key).into()), ConfigValue::origin)
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
