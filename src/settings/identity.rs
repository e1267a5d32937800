//! The certificate by which a destination knows us: `client_cert` and `client_key`.

use super::destination_reader::DestinationReader;
use super::network::{self, MAX_CERTIFICATE_BYTES};
use crate::config::{ConfigError, ConfigValue, Origin};
use crate::system::input;
use crate::system::tls::{ClientIdentity, IdentityError, TlsSettings};
use std::sync::Arc;

/// Whom we say we are in TLS.
pub(super) struct Identity {
    /// Certificate and key.
    pub(super) client: Arc<ClientIdentity>,
    /// Where the certificate is set.
    origin: Origin,
}

impl Identity {
    /// Refuses an identity that would never be shown.
    ///
    /// # Errors
    /// If there is one.
    pub(super) fn deny(identity: Option<&Self>) -> Result<(), ConfigError> {
        let problem = "is shown to nobody, as only https://, tls:// and amqps:// are TLS: remove it, or change the URL";
        identity.map_or(Ok(()), |identity| Err(ConfigError::setting(identity.origin.clone(), problem)))
    }
}

/// Reads the certificate and the key.
///
/// # Errors
/// When only one of them is set, or a file cannot be read, or they do not fit together.
pub(super) fn read(reader: &DestinationReader<'_, '_>) -> Result<Option<Identity>, ConfigError> {
    let sources = reader.sources;
    let (certificate, key) = match (reader.path_setting("client_cert"), reader.path_setting("client_key")) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) => return Ok(None),
        (Some(alone), None) => return Err(alone.invalid("is set, but no client_key: set both or neither")),
        (None, Some(alone)) => return Err(alone.invalid("is set, but no client_cert: set both or neither")),
    };
    let bytes = |value: &ConfigValue<'_>| {
        let path = sources.path(value)?;
        input::read_file(&path, MAX_CERTIFICATE_BYTES, sources.deadline)
            .map_err(ConfigError::unreadable(value.origin(), &path))
    };
    let client = ClientIdentity { certificates: bytes(&certificate)?, key: bytes(&key)? };
    TlsSettings::new(None, Some(&client)).map_err(|error| match error {
        IdentityError::NoCertificate => certificate.invalid(error.to_string()),
        IdentityError::NoKey | IdentityError::Unfit(_) => key.invalid(error.to_string()),
    })?;
    Ok(Some(Identity { client: Arc::new(client), origin: certificate.origin() }))
}

/// How a connection to a server that speaks no HTTP is secured.
///
/// # Errors
/// When the file of trusted certificates cannot be read.
pub(super) fn tls_settings(
    reader: &DestinationReader<'_, '_>,
    identity: Option<&Identity>,
) -> Result<TlsSettings, ConfigError> {
    // Without secrets nothing is sent, so nobody is to be trusted.
    let roots = if reader.needs_secrets { network::read_roots(reader.sources)? } else { None };
    let client = identity.map(|identity| identity.client.as_ref());
    // `read` has tried the identity.
    TlsSettings::new(roots.as_deref(), client).map_err(|error| ConfigError::about("client_cert", error.to_string()))
}
