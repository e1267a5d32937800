//! HTTPS on loopback, with the certificates that a test wants.

use super::listener::Listener;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    sync::{Arc, Mutex},
};

/// What a server shows of itself.
pub(crate) struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

/// Who signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    /// A new one, whom nobody trusts yet.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority of the tests");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").der().clone();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// The file to trust, for `SSL_CERT_FILE`.
    pub(crate) fn pem(&self) -> String {
        pem(&self.certificate)
    }

    /// A certificate for this name, which `change` may spoil.
    pub(crate) fn sign(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Certificate {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        Certificate { chain: vec![signed.der().clone()], key }
    }
}

impl Certificate {
    /// One that signs itself.
    pub(crate) fn own(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let signed = params.self_signed(&key).expect("a certificate");
        Self { chain: vec![signed.der().clone()], key }
    }

    /// The file to trust, for `SSL_CERT_FILE`.
    pub(crate) fn pem(&self) -> String {
        pem(&self.chain[0])
    }
}

fn pem(certificate: &[u8]) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64_STANDARD.encode(certificate))
}

/// Listens on loopback until dropped, and answers every request with the same body.
pub(crate) struct Tls {
    listener: Listener,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tls {
    /// A server that shows this certificate; `host` is an IP address.
    pub(crate) fn start(host: &str, certificate: &Certificate, body: impl Into<Vec<u8>>) -> Self {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certificate.key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(certificate.chain.clone(), key)
            .expect("a certificate with its key");
        let (config, body) = (Arc::new(config), body.into());
        let asked = Arc::new(Mutex::default());
        let seen = Arc::clone(&asked);
        // A client that does not trust us goes away in the middle, which is its right.
        let listener = Listener::start(host, move |stream, _| drop(answer(stream, &config, &body, &seen)));
        Self { listener, asked }
    }

    /// The port it listens at.
    pub(crate) fn port(&self) -> u16 {
        self.listener.address().port()
    }

    /// The heads of all requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        super::lock(&self.asked).clone()
    }
}

fn answer(stream: TcpStream, config: &Arc<ServerConfig>, body: &[u8], asked: &Mutex<Vec<String>>) -> io::Result<()> {
    let connection = ServerConnection::new(Arc::clone(config)).expect("a connection");
    let mut stream = StreamOwned::new(connection, stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    super::lock(asked).push(String::from_utf8_lossy(&head).into_owned());
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    stream.write_all(body)?;
    stream.conn.send_close_notify();
    stream.flush()
}
