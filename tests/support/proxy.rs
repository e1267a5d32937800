//! A double of a proxy that knows where every name is: at the same port on loopback. It makes tunnels, and
//! forwards requests that name the whole URL.

use super::{
    listener::Listener,
    lock,
    request::{Received, Wire},
};
use std::{
    fmt::Write as _,
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// Listens on loopback until dropped.
pub(crate) struct Proxy {
    listener: Listener,
    requests: Arc<Mutex<Vec<Received>>>,
}

impl Proxy {
    pub(crate) fn start() -> Self {
        let requests = Arc::new(Mutex::default());
        let received = Arc::clone(&requests);
        // An error shows in the client as well.
        let serve = move |stream, number| drop(serve(stream, number, &received));
        Self { listener: Listener::start("127.0.0.1", serve), requests }
    }

    /// Host and port.
    pub(crate) fn authority(&self) -> String {
        self.listener.address().to_string()
    }

    /// All requests so far, tunnels too.
    pub(crate) fn requests(&self) -> Vec<Received> {
        lock(&self.requests).clone()
    }

    /// The same: method, target, and the credentials for the proxy, if there are some.
    pub(crate) fn request_lines(&self) -> Vec<String> {
        let credentials = |request: &Received| request.header("Proxy-Authorization").map(|value| format!(" {value}"));
        self.requests().iter().map(|request| request.line() + &credentials(request).unwrap_or_default()).collect()
    }
}

fn serve(stream: TcpStream, number: usize, requests: &Mutex<Vec<Received>>) -> io::Result<()> {
    let mut wire = Wire::new(stream);
    while let Ok(Some(request)) = wire.request(number) {
        lock(requests).push(request.clone());
        wire.settle()?;
        if request.method == "CONNECT" {
            return tunnel(wire.stream(), port(&request.target));
        }
        let reply = match request.target.strip_prefix("http://").and_then(|target| target.split_once('/')) {
            Some((authority, path)) => forward(&request, port(authority), path)?,
            None => b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n".to_vec(),
        };
        wire.stream().write_all(&reply)?;
    }
    Ok(())
}

fn port(authority: &str) -> u16 {
    authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(80)
}

/// Copies in both directions.
fn tunnel(client: &mut TcpStream, port: u16) -> io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", port))?;
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let up = thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        to_server.shutdown(Shutdown::Write)
    });
    let _ = io::copy(&mut server, client);
    let _ = client.shutdown(Shutdown::Both);
    up.join().expect("no panic").or(Ok(()))
}

/// Sends a request to its server, and returns the reply. What is for the proxy alone does not go along.
fn forward(request: &Received, port: u16, path: &str) -> io::Result<Vec<u8>> {
    let mut head = format!("{} /{path} HTTP/1.1\r\nConnection: close\r\nVia: 1.1 proxy\r\n", request.method);
    let of_proxy = ["connection", "proxy-connection", "proxy-authorization"];
    for (name, value) in request.headers.iter().filter(|(name, _)| !of_proxy.contains(&&*name.to_lowercase())) {
        write!(head, "{name}: {value}\r\n").expect("memory");
    }
    let mut server = TcpStream::connect(("127.0.0.1", port))?;
    server.write_all(&[head.as_bytes(), b"\r\n", &request.body].concat())?;
    let mut reply = Vec::new();
    server.read_to_end(&mut reply)?;
    let line = reply.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    Ok([&reply[..line], b"Via: 1.1 proxy\r\n", &reply[line..]].concat())
}
