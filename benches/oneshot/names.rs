//! A name server.

use super::traffic::Traffic;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const TYPE_A: [u8; 2] = [0, 1];
/// The length of the header of a message.
const HEADER: usize = 12;

/// Answers at port 53 of this address until the program ends. `addresses` has names with their addresses; no other
/// name exists, and none has an IPv6 address. Every answer takes so long.
pub(crate) fn start(at: Ipv4Addr, addresses: Vec<(&'static str, Ipv4Addr)>, after: Duration, traffic: Arc<Traffic>) {
    let socket = UdpSocket::bind((at, 53)).expect("port 53 of a network of its own");
    thread::spawn(move || {
        let mut message = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut message) {
            let reply = answer(&message[..length], &addresses, &traffic);
            let socket = socket.try_clone().expect("a socket");
            thread::spawn(move || {
                thread::sleep(after);
                // Who asked may be gone.
                let _ = socket.send_to(&reply, from);
            });
        }
    });
}

/// The reply to a query (RFC 1035, section 4).
fn answer(query: &[u8], addresses: &[(&str, Ipv4Addr)], traffic: &Traffic) -> Vec<u8> {
    const NO_SUCH_NAME: u8 = 3;
    let (mut labels, mut at) = (Vec::new(), HEADER);
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..end]));
        at = end;
    }
    let question = &query[HEADER..at + 5];
    let is_a = query[at + 1..at + 3] == TYPE_A;
    if is_a {
        traffic.count_lookup();
    }
    let name = labels.join(".");
    let known = addresses.iter().find(|(own, _)| *own == name);
    let address = known.filter(|_| is_a).map(|(_, address)| address.octets());
    let code = if known.is_some() { 0 } else { NO_SUCH_NAME };
    // The identifier of the query; a reply; one question, and one answer or none.
    let mut reply =
        [&query[..2], &[0x81, 0x80 | code, 0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0], question].concat();
    if let Some(address) = address {
        // The name of the question; type and class; a minute; four bytes of address.
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        reply.extend(address);
    }
    reply
}
