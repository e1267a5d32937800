//! Where points go.

use super::amqp::address::AmqpAddress;
use super::destination_id::{DestinationId, INGEST_PATHS};
use crate::http::url::{Credentials, Url};
use crate::secret::Secret;
use crate::system::tls::{ClientIdentity, TlsSettings};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// Where points go.
#[derive(Clone, Debug)]
pub(crate) enum Destination {
    /// Grafana Cloud's ingest: JSON over HTTP.
    Ingest(Box<IngestTarget>),
    /// Graphite's own receiver.
    Carbon(CarbonTarget),
    /// An exchange of an AMQP broker, from which Carbon reads.
    Amqp(Box<AmqpTarget>),
}

/// An ingest, and who we are there.
#[derive(Clone, Debug)]
pub(crate) struct IngestTarget {
    /// Where; the path ends in `/metrics`.
    pub(crate) url: Url,
    /// User and token.
    pub(crate) credentials: Option<Credentials>,
    /// Headers of every request.
    pub(crate) headers: ExtraHeaders,
    /// Whom we say we are in TLS.
    pub(crate) identity: Option<Arc<ClientIdentity>>,
    /// What its settings are called.
    pub(crate) settings: SettingNames,
}

/// A Carbon.
#[derive(Clone, Debug)]
pub(crate) struct CarbonTarget {
    /// The protocol that it reads on this port.
    pub(crate) protocol: Protocol,
    /// A name or an address, IPv6 with or without brackets.
    pub(crate) host: String,
    /// 2003 by default, 2004 for pickle.
    pub(crate) port: u16,
    /// How long the connection stays open after the last point. A balancer that has no Carbon behind it
    /// closes in that time.
    pub(crate) linger: Duration,
    /// How the connection is secured. Carbon itself knows no TLS, but a proxy before it may.
    pub(crate) tls: Option<TlsSettings>,
    /// What the setting of its URL is called.
    pub(crate) url_setting: String,
}

/// An exchange, and who we are there.
#[derive(Clone, Debug)]
pub(crate) struct AmqpTarget {
    /// Where.
    pub(crate) address: AmqpAddress,
    /// How the connection is secured.
    pub(crate) tls: Option<TlsSettings>,
    /// User and password; those of the guest if there are none.
    pub(crate) credentials: Option<Credentials>,
    /// What its settings are called.
    pub(crate) settings: SettingNames,
}

impl AmqpTarget {
    /// Whether a password would cross a network in the clear.
    pub(crate) fn is_cleartext(&self) -> bool {
        self.credentials.is_some() && self.tls.is_none() && !self.address.is_loopback()
    }
}

/// Headers that the user wants in every request.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExtraHeaders {
    /// Names and values.
    pub(crate) values: Vec<(String, Secret)>,
    /// What of them no message may show.
    pub(crate) secrets: Vec<Secret>,
}

/// What the settings of a destination are called, for messages that say which may be wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct SettingNames {
    /// The URL.
    pub(crate) url: String,
    /// The beginning of a question about the credentials: `are USER and PASSWORD those`.
    pub(crate) credentials_question: String,
}

/// The protocols of Carbon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// A line for each point.
    Plaintext,
    /// Frames of Python's pickle.
    Pickle,
}

impl Protocol {
    /// The port on which Carbon reads it by default.
    pub(crate) fn port(self) -> u16 {
        match self {
            Self::Plaintext => 2003,
            Self::Pickle => 2004,
        }
    }

    /// The scheme of its URLs.
    pub(crate) fn scheme(self, is_tls: bool) -> &'static str {
        match self {
            Self::Plaintext if is_tls => "tls",
            Self::Plaintext => "tcp",
            Self::Pickle => "pickle",
        }
    }
}

impl Destination {
    /// Its identity.
    pub(crate) fn id(&self) -> DestinationId {
        match self {
            Self::Ingest(target) => DestinationId::of(&target.url),
            Self::Carbon(CarbonTarget { protocol, host, port, tls, .. }) => {
                DestinationId::new(protocol.scheme(tls.is_some()), host, *port, "")
            }
            Self::Amqp(target) => target.address.id(),
        }
    }

    /// Whether it is a Carbon, which makes a directory of what stands before a `/` in a name.
    pub(crate) fn is_carbon(&self) -> bool {
        matches!(self, Self::Carbon(_) | Self::Amqp(_))
    }

    /// The same without a wait at the end of a push.
    pub(crate) fn without_linger(&self) -> Cow<'_, Self> {
        match self {
            Self::Ingest(_) | Self::Amqp(_) => Cow::Borrowed(self),
            Self::Carbon(target) => Cow::Owned(Self::Carbon(CarbonTarget { linger: Duration::ZERO, ..target.clone() })),
        }
    }

    /// The time that a push waits whatever happens.
    pub(crate) fn linger(&self) -> Duration {
        match self {
            Self::Ingest(_) | Self::Amqp(_) => Duration::ZERO,
            Self::Carbon(target) => target.linger,
        }
    }
}

/// The URL of the ingest on the host of `url`, as Grafana Cloud spells it.
pub(crate) fn suggested_url(url: &Url) -> String {
    format!("{url}{}", INGEST_PATHS[0])
}
