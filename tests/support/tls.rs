//! TLS in front of a server on loopback, with a certificate that is valid, or wrong in one way.

use super::listener::Listener;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

/// The kind of certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certificate {
    /// Signed by an authority of the test.
    Good,
    /// The same, but expired.
    Expired,
    /// The same, but for another host.
    OfAnother,
    /// Signed by itself.
    SelfSigned,
    /// Self-signed and an authority, as `openssl req -x509` makes one.
    Authority,
}

/// How a connection ends that the server has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    CloseNotify,
    Cut,
}

/// Decrypts connections and forwards them to a server, until dropped.
pub(crate) struct Tls {
    listener: Listener,
    roots: String,
}

impl Tls {
    /// In front of this server, on loopback.
    pub(crate) fn before(server: SocketAddr, certificate: Certificate) -> Self {
        Self::on("127.0.0.1", server, certificate)
    }

    /// In front of this server, on another address.
    pub(crate) fn on(host: &str, server: SocketAddr, certificate: Certificate) -> Self {
        Self::start(host, server, certificate, End::CloseNotify)
    }

    /// In front of this server, with a good certificate. It ends connections as if they were cut: without
    /// `close_notify`.
    pub(crate) fn cutting(server: SocketAddr) -> Self {
        Self::start("127.0.0.1", server, Certificate::Good, End::Cut)
    }

    fn start(host: &str, server: SocketAddr, certificate: Certificate, end: End) -> Self {
        let (config, roots) = certificate.make();
        let serve = move |stream, _| {
            // An error shows in the client or in the server.
            let _ = pass(&config, stream, server, end);
        };
        Self { listener: Listener::start(host, serve), roots }
    }

    /// The address where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// The certificate to trust, for `SSL_CERT_FILE`: the authority, or the certificate itself where there is
    /// none.
    pub(crate) fn roots(&self) -> &str {
        &self.roots
    }
}

impl Certificate {
    /// Names and addresses of a valid certificate.
    const NAMES: [&str; 4] = ["127.0.0.1", "::1", "provider.test", "graphite.test"];

    /// The configuration of the server, and the certificate that clients have to trust.
    pub(crate) fn make(self) -> (Arc<ServerConfig>, String) {
        let (certificate, key, roots) = self.sign();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key))
            .expect("a configuration");
        (Arc::new(config), roots)
    }

    /// In PEM, for other programs: the certificate with its key, and the certificate that clients have to
    /// trust.
    pub(crate) fn make_pem(self) -> (String, String) {
        let (certificate, key, roots) = self.sign();
        (certificate.pem() + &key.serialize_pem(), roots)
    }

    /// In PEM: the certificate of a client, its key, and the authority that has signed it.
    pub(crate) fn make_client_pem() -> [String; 3] {
        let (certificate, key, roots) = Self::Good.sign();
        [certificate.pem(), key.serialize_pem(), roots]
    }

    fn sign(self) -> (rcgen::Certificate, KeyPair, String) {
        let key = KeyPair::generate().expect("a key");
        let names: &[&str] = if self == Self::OfAnother { &["another.test"] } else { &Self::NAMES };
        let mut of_server = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>())
            .expect("names and addresses");
        if self == Self::Expired {
            of_server.not_after = date_time_ymd(2020, 1, 1);
        }
        if self == Self::Authority {
            of_server.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        if matches!(self, Self::SelfSigned | Self::Authority) {
            let certificate = of_server.self_signed(&key).expect("a certificate");
            let roots = certificate.pem();
            (certificate, key, roots)
        } else {
            let authority_key = KeyPair::generate().expect("a key");
            let mut authority = CertificateParams::default();
            authority.distinguished_name.push(DnType::CommonName, "an authority of one's own");
            authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let roots = authority.self_signed(&authority_key).expect("a certificate").pem();
            let issuer = Issuer::new(authority, authority_key);
            (of_server.signed_by(&key, &issuer).expect("a certificate"), key, roots)
        }
    }
}

/// Forwards one connection in both directions, until either side ends it.
fn pass(config: &Arc<ServerConfig>, stream: TcpStream, server: SocketAddr, end: End) -> io::Result<()> {
    /// How long one side is read before it is the turn of the other.
    const TURN: Duration = Duration::from_millis(5);
    let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    let mut tls = StreamOwned::new(connection, stream);
    tls.conn.complete_io(&mut tls.sock)?;
    let mut server = TcpStream::connect(server)?;
    tls.sock.set_read_timeout(Some(TURN))?;
    server.set_read_timeout(Some(TURN))?;
    let mut buffer = vec![0; 64 << 10];
    let mut is_sending = true;
    loop {
        match if is_sending { heard(tls.read(&mut buffer))? } else { None } {
            Some(0) => {
                is_sending = false;
                server.shutdown(Shutdown::Write)?;
            }
            Some(length) => server.write_all(&buffer[..length])?,
            None => {}
        }
        match heard(server.read(&mut buffer))? {
            Some(0) => {
                if end == End::CloseNotify {
                    tls.conn.send_close_notify();
                }
                tls.flush()?;
                return tls.sock.shutdown(Shutdown::Write);
            }
            Some(length) => tls.write_all(&buffer[..length])?,
            None => {}
        }
    }
}

/// The number of bytes read; none where nothing has come yet.
fn heard(read: io::Result<usize>) -> io::Result<Option<usize>> {
    match read {
        Ok(length) => Ok(Some(length)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
        Err(error) => Err(error),
    }
}
