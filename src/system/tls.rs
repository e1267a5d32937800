//! TLS over a TCP connection, for servers that speak no HTTP; and whom a client is for a server that wants to know.

use super::deadline::Deadline;
use super::dialer::{Connection, is_interrupted};
use crate::util::brackets::without_brackets;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A certificate for the client's side, with its key. Its `Debug` shows neither.
#[derive(Clone)]
pub struct ClientIdentity {
    /// The certificate and those that lead to its authority, in PEM.
    pub(crate) certificates: Vec<u8>,
    /// The key in PEM.
    pub(crate) key: Vec<u8>,
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity").finish_non_exhaustive()
    }
}

/// Why a certificate and its key cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IdentityError {
    /// There is no certificate.
    #[error("names a file without a certificate in PEM")]
    NoCertificate,
    /// There is no key.
    #[error("names a file without a private key in PEM; one with a passphrase cannot be used")]
    NoKey,
    /// The key is of another certificate, or of a kind that is not known.
    #[error("names a key that does not fit the certificate of client_cert ({0})")]
    Unfit(String),
}

/// Whom a connection trusts, and whom it says it is.
#[derive(Clone)]
pub(crate) struct TlsSettings {
    config: Arc<ClientConfig>,
    has_own_roots: bool,
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings").field("has_own_roots", &self.has_own_roots).finish_non_exhaustive()
    }
}

impl TlsSettings {
    /// Trusts the authorities in `roots` (PEM), or the built-in ones.
    ///
    /// # Errors
    /// When the identity cannot be used.
    pub(crate) fn new(roots: Option<&[u8]>, identity: Option<&ClientIdentity>) -> Result<Self, IdentityError> {
        let mut store = RootCertStore::empty();
        match roots {
            None => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(pem) => {
                store.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).filter_map(Result::ok));
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let unfit = |error: rustls::Error| IdentityError::Unfit(error.to_string());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(unfit)?.with_root_certificates(store);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = CertificateDer::pem_slice_iter(&identity.certificates).filter_map(Result::ok);
                let chain: Vec<CertificateDer<'static>> = chain.collect();
                if chain.is_empty() {
                    return Err(IdentityError::NoCertificate);
                }
                let key = PrivateKeyDer::from_pem_slice(&identity.key).map_err(|_| IdentityError::NoKey)?;
                builder.with_client_auth_cert(chain, key).map_err(unfit)?
            }
        };
        Ok(Self { config: Arc::new(config), has_own_roots: roots.is_some() })
    }

    /// Agrees on TLS with `host`, which is a name or an address, on an open connection.
    ///
    /// # Errors
    /// When the other side is not trusted, does not speak TLS, goes away, or is not done by the deadline.
    pub(crate) fn connect(
        &self,
        connection: Box<dyn Connection>,
        host: &str,
        deadline: Deadline<'_>,
    ) -> io::Result<Box<dyn Connection>> {
        let name = ServerName::try_from(without_brackets(host).to_owned());
        let name = name.map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
        let session = ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)?;
        let until = Instant::now() + deadline.remaining();
        let has_own_roots = self.has_own_roots;
        let mut connection =
            TlsConnection { connection, session, read_until: until, write_until: until, has_own_roots };
        connection.shake_hands()?;
        Ok(Box::new(connection))
    }
}

/// A connection in TLS. The end of it is an error unless the other side has said that it is one (`close_notify`).
struct TlsConnection {
    connection: Box<dyn Connection>,
    session: ClientConnection,
    /// When a read is over, however many bytes come that are no plaintext yet.
    read_until: Instant,
    /// When a write is over.
    write_until: Instant,
    has_own_roots: bool,
}

impl TlsConnection {
    fn shake_hands(&mut self) -> io::Result<()> {
        while self.session.is_handshaking() {
            match self.send().and_then(|()| self.receive()) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                // Until the time is over, which `left` finds.
                Err(cause) if is_interrupted(&cause) && left(self.read_until).is_ok() => {}
                Err(cause) if is_interrupted(&cause) => return Err(ErrorKind::TimedOut.into()),
                Err(cause) => return Err(cause),
                Ok(_) => {}
            }
        }
        self.send()
    }

    /// Sends what waits to be sent.
    fn send(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            self.connection.set_write_timeout(left(self.write_until)?)?;
            self.session.write_tls(&mut self.connection)?;
        }
        Ok(())
    }

    /// Receives something. Returns how many bytes came; none at the end.
    fn receive(&mut self) -> io::Result<usize> {
        self.connection.set_read_timeout(left(self.read_until)?)?;
        let count = self.session.read_tls(&mut self.connection)?;
        if let Err(error) = self.session.process_new_packets() {
            // The other side is told why.
            let _ = self.send();
            return Err(io::Error::new(ErrorKind::InvalidData, advice(&error.to_string(), self.has_own_roots)));
        }
        Ok(count)
    }
}

/// The time that is left.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

impl Read for TlsConnection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(buffer) {
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => {}
                result => return result,
            }
            self.send()?;
            self.receive()?;
        }
    }
}

impl Write for TlsConnection {
    /// Takes as much as there is room for, and sends it as far as the time allows. The rest goes with the next call.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send()?;
        let taken = self.session.writer().write(bytes)?;
        match self.send() {
            Err(cause) if !is_interrupted(&cause) => Err(cause),
            _ => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

impl Connection for TlsConnection {
    fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.read_until = Instant::now() + timeout;
        Ok(())
    }

    fn set_write_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.write_until = Instant::now() + timeout;
        Ok(())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.session.send_close_notify();
        self.send()?;
        self.connection.shutdown_write()
    }

    /// A server sends things of its own after the handshake, such as tickets, which are read here.
    fn is_open(&mut self) -> bool {
        self.read_until = Instant::now() + Duration::from_millis(1);
        loop {
            match self.receive() {
                Ok(0) => return false,
                Ok(_) => {}
                Err(cause) => return is_interrupted(&cause),
            }
        }
    }

    fn take_error(&mut self) -> io::Result<Option<io::Error>> {
        self.connection.take_error()
    }
}

/// What an error of TLS means, and what to do about it. `error` is the text of rustls.
pub(crate) fn advice(error: &str, has_own_roots: bool) -> String {
    // A certificate has a bad signature if its issuer only has the name of a trusted authority.
    let is_untrusted = error.contains("UnknownIssuer") || error.contains("BadSignature");
    let advice = if error.contains("CertificateRequired") {
        "it wants a certificate of its clients; for a Graphite set client_cert and client_key"
    } else if error.contains("received fatal alert") && (error.contains("UnknownCA") || error.contains("Certificate")) {
        return format!("it does not take our certificate, which is that of client_cert for a Graphite ({error})");
    } else if is_untrusted && has_own_roots {
        "its certificate is signed by no authority in the file of SSL_CERT_FILE, and only those are trusted: add its authority to that file"
    } else if is_untrusted {
        "its certificate is signed by nobody trusted here; SSL_CERT_FILE names a file of certificates to trust instead"
    } else if error.contains("CaUsedAsEndEntity") {
        "its certificate is one of an authority (CA:TRUE) and cannot be a server's: make one for the server, signed by it"
    } else if error.contains("Expired") || error.contains("certificate expired") {
        "its certificate has expired, or the clock here is wrong"
    } else if error.contains("NotValidForName") || error.contains("not valid for name") {
        "its certificate is for another name: is the URL right?"
    } else if error.contains("InvalidContentType") {
        "it does not speak TLS there: is the URL right?"
    } else {
        return format!("TLS failed ({error})");
    };
    advice.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_tls_says_what_to_do() {
        for (error, words) in [
            ("received fatal alert: CertificateRequired", "for a Graphite set client_cert and client_key"),
            ("received fatal alert: UnknownCA", "does not take our certificate"),
            ("received fatal alert: CertificateUnknown", "does not take our certificate"),
            ("invalid peer certificate: UnknownIssuer", "SSL_CERT_FILE names a file"),
            ("invalid peer certificate: Expired", "has expired, or the clock here is wrong"),
            ("received corrupt message of type InvalidContentType", "does not speak TLS there"),
            ("something new", "TLS failed (something new)"),
        ] {
            assert!(advice(error, false).contains(words), "{error}: {}", advice(error, false));
        }
        assert!(advice("invalid peer certificate: UnknownIssuer", true).contains("add its authority to that file"));
    }

    #[test]
    fn an_identity_without_a_certificate_or_a_key_is_an_error() {
        let new = |certificates: &[u8], key: &[u8]| {
            let identity = ClientIdentity { certificates: certificates.to_vec(), key: key.to_vec() };
            TlsSettings::new(None, Some(&identity)).map(drop)
        };
        assert_eq!(new(b"nothing", b"nothing"), Err(IdentityError::NoCertificate));
        let certificate = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        assert_eq!(new(certificate, b"nothing"), Err(IdentityError::NoKey));
    }
}
