//! A double of a name server. The system's resolver asks it at port 53, so it needs a network of its own: see
//! [`super::own_network`].

use super::lock;
use std::{
    net::UdpSocket,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

const TYPE_A: [u8; 2] = [0, 1];
/// The length of the header of a message.
const HEADER: usize = 12;

/// Answers until the process ends: every name has the same addresses.
pub(crate) struct NameServer {
    questions: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    /// Listens at port 53 of this address. Every name has the address 127.0.0.1, and no other.
    pub(crate) fn start(address: &str) -> Self {
        Self::waiting(address, || {})
    }

    /// The same, and it answers so much later.
    pub(crate) fn late(address: &str, delay: Duration) -> Self {
        Self::waiting(address, move || thread::sleep(delay))
    }

    /// The same, and before each answer it does `wait`.
    pub(crate) fn waiting(address: &str, wait: impl Fn() + Send + Sync + 'static) -> Self {
        Self::answering(address, &[[127, 0, 0, 1]], wait)
    }

    /// The same, and every name has these addresses.
    pub(crate) fn answering(
        address: &str,
        answers: &'static [[u8; 4]],
        wait: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let socket = bind(address);
        let questions = Arc::new(Mutex::new(Vec::new()));
        let (asked, wait) = (Arc::clone(&questions), Arc::new(wait));
        thread::spawn(move || {
            let mut message = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut message) {
                let (name, reply) = answer(&message[..length], answers);
                lock(&asked).extend(name);
                let (socket, wait) = (socket.try_clone().expect("a socket"), Arc::clone(&wait));
                thread::spawn(move || {
                    wait();
                    // Who asked may be gone.
                    let _ = socket.send_to(&reply, from);
                });
            }
        });
        Self { questions }
    }

    /// The names whose address was asked for, sorted, as often as that happened.
    pub(crate) fn questions(&self) -> Vec<String> {
        let mut questions = lock(&self.questions).clone();
        questions.sort();
        questions
    }
}

/// A name server that gets questions and does not answer.
pub(crate) fn bind(address: &str) -> UdpSocket {
    UdpSocket::bind((address, 53)).expect("port 53 of a network of its own")
}

/// The reply to a query (RFC 1035, section 4), and the name if it asks for an IPv4 address.
fn answer(query: &[u8], addresses: &[[u8; 4]]) -> (Option<String>, Vec<u8>) {
    let (mut labels, mut at) = (Vec::new(), HEADER);
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..end]).into_owned());
        at = end;
    }
    let question = &query[HEADER..at + 5];
    let is_a = query[at + 1..at + 3] == TYPE_A;
    let addresses = if is_a { addresses } else { &[] };
    let count = u8::try_from(addresses.len()).expect("a few addresses");
    // The identifier of the query; a reply without an error; one question, and the answers.
    let mut reply = [&query[..2], &[0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0], question].concat();
    for address in addresses {
        // The name of the question; a minute; four bytes of address.
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        reply.extend(address);
    }
    (is_a.then(|| labels.join(".")), reply)
}
