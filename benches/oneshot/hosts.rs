//! The servers of the scenes: each has an address and a name.

use super::server::{Answers, Server, Tls};
use super::{names, traffic::Traffic};
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, thread};

/// The first three bytes of the addresses.
pub(crate) type Network = [u8; 3];

/// The names of the servers, and the last byte of their addresses.
pub(crate) const HOSTS: [(&str, u8); 3] = [("provider.test", 2), ("other.test", 3), ("graphite.test", 4)];

/// The addresses of the servers.
pub(crate) fn addresses([a, b, c]: Network) -> impl Iterator<Item = (&'static str, Ipv4Addr)> {
    HOSTS.into_iter().map(move |(name, d)| (name, Ipv4Addr::new(a, b, c, d)))
}

/// Starts all of them; they run until the program ends. Every host answers HTTPS at port 443, as
/// [`Server::listen`] says, and takes points of Carbon at port 2003. The first one answers for names. Every
/// answer of HTTPS and about a name takes so long. The file `roots.pem` of the folder gets the certificate.
pub(crate) fn start(network: Network, after: Duration, folder: &Path) -> Arc<Traffic> {
    let traffic = Arc::default();
    let names = addresses(network).flat_map(|(name, address)| [name.to_owned(), address.to_string()]).collect();
    let tls = Tls::new(names);
    for (_, address) in addresses(network) {
        Server::listen((address, 443), Answers { rows: 1, after }, Some(&tls), Arc::clone(&traffic));
        start_carbon(address, Arc::clone(&traffic));
    }
    let all: Vec<_> = addresses(network).collect();
    names::start(all[0].1, all, after, Arc::clone(&traffic));
    write(folder, "roots.pem", &tls.certificate);
    traffic
}

/// Reads what comes and never answers, as Carbon does.
fn start_carbon(address: Ipv4Addr, traffic: Arc<Traffic>) {
    let listener = TcpListener::bind((address, 2003)).expect("a free port");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            traffic.count_connection();
            thread::spawn(move || stream.read_to_end(&mut Vec::new()));
        }
    });
}

/// What a pod of Kubernetes has in resolv.conf: every name is looked for in three domains first
/// (<https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/>).
pub(crate) const POD: &str = "search default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n";

/// Writes the files of the resolver that ask the first of the hosts. `options` are more lines of resolv.conf.
pub(crate) fn write_resolver(network: Network, folder: &Path, options: &str) {
    let (_, first) = addresses(network).next().expect("a host");
    write(folder, "resolv.conf", &format!("nameserver {first}\n{options}"));
    write(folder, "nsswitch.conf", "hosts: dns\n");
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("the file can be written");
}
