//! A double of Carbon: a socket that reads and never replies.

use super::{TIMEOUT, graphite::Point, latch::Latch, listener::Listener, lock, pickle};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{Arc, Mutex},
};

/// What a listener does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Reads to the end, records it, then closes: a healthy Carbon.
    ReadToEnd,
    /// Closes the connection when something came.
    CloseEarly,
    /// Closes the connection some time after the first bytes came: a balancer that finds no Carbon.
    CloseLate,
    /// Waits for the first byte, then replies as an HTTP server.
    Answer,
    /// Waits for the first byte, then resets.
    Reset,
    /// Reads a few bytes at a time, to the end.
    ReadSlowly,
    /// Reads to the end if that comes within so many bytes, and then as a healthy Carbon. Else it does nothing more, as
    /// one that has not read the rest in time.
    ReadUpTo(u64),
    /// Accepts the connection and does nothing more.
    NeverRead,
}

/// Listens on loopback until dropped.
pub(crate) struct Carbon {
    listener: Listener,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
    stopping: Latch,
}

impl Carbon {
    /// A healthy Carbon.
    pub(crate) fn start() -> Self {
        Self::with(&[Behaviour::ReadToEnd])
    }

    /// A Carbon with these behaviours, one for each connection; the last one is for all further connections.
    pub(crate) fn with(behaviours: &[Behaviour]) -> Self {
        Self::listen("127.0.0.1", behaviours)
    }

    /// A healthy Carbon on IPv6's loopback.
    pub(crate) fn start_v6() -> Self {
        Self::listen("::1", &[Behaviour::ReadToEnd])
    }

    fn listen(host: &str, behaviours: &[Behaviour]) -> Self {
        let received = Arc::new(Mutex::default());
        let stopping = Latch::new();
        let behaviours = behaviours.to_vec();
        let listener = {
            let (received, stopping) = (Arc::clone(&received), stopping.clone());
            Listener::start(host, move |stream, number| {
                let behaviour = behaviours.get(number - 1).or(behaviours.last());
                behaviour.expect("a behaviour").follow(stream, &received, &stopping);
            })
        };
        Self { listener, received, stopping }
    }

    /// `tcp://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> String {
        format!("tcp://{}", self.authority())
    }

    /// `pickle://127.0.0.1:PORT`
    pub(crate) fn pickle_url(&self) -> String {
        format!("pickle://{}", self.authority())
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn authority(&self) -> String {
        self.listener.address().to_string()
    }

    /// The bytes of each connection that was read to its end, in the order of the ends.
    pub(crate) fn connections(&self) -> Vec<Vec<u8>> {
        lock(&self.received).clone()
    }

    /// The plaintext lines of all connections.
    ///
    /// # Panics
    /// When a connection ended without a newline: Carbon loses such a line.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for sent in self.connections() {
            let text = String::from_utf8(sent).expect("lines in UTF-8");
            assert!(text.is_empty() || text.ends_with('\n'), "no newline after the last line of {text:?}");
            lines.extend(text.lines().map(str::to_owned));
        }
        lines
    }

    /// The plaintext lines as points, with an interval of 0.
    ///
    /// # Panics
    /// When a line is not `name value time`.
    pub(crate) fn points(&self) -> Vec<Point> {
        self.lines().iter().map(|line| point(line)).collect()
    }

    /// The pickled frames of all connections.
    ///
    /// # Panics
    /// When Carbon would refuse one.
    pub(crate) fn frames(&self) -> Vec<Vec<u8>> {
        self.connections().iter().flat_map(|sent| pickle::frames(sent).expect("whole frames")).collect()
    }

    /// The points of all frames.
    ///
    /// # Panics
    /// When a frame is not in the form that Carbon reads.
    pub(crate) fn pickled(&self) -> Vec<pickle::Pickled> {
        self.frames().iter().flat_map(|frame| pickle::points(frame).expect("a list of points")).collect()
    }
}

impl Drop for Carbon {
    fn drop(&mut self) {
        self.stopping.release();
        self.listener.stop();
    }
}

impl Behaviour {
    fn read(self, stream: &mut TcpStream, sent: &mut Vec<u8>) -> std::io::Result<()> {
        const FEW: u64 = 100;
        while self == Behaviour::ReadSlowly && stream.take(FEW).read_to_end(sent)? > 0 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        stream.read_to_end(sent).map(drop)
    }

    fn follow(self, mut stream: TcpStream, received: &Mutex<Vec<Vec<u8>>>, stopping: &Latch) {
        match self {
            Behaviour::ReadToEnd | Behaviour::ReadSlowly => {
                let mut sent = Vec::new();
                // Recorded before the close, which the client takes as success.
                if self.read(&mut stream, &mut sent).is_ok() && !stopping.wait_for(std::time::Duration::ZERO) {
                    lock(received).push(sent);
                }
            }
            Behaviour::ReadUpTo(bytes) => {
                let mut sent = Vec::new();
                match (&stream).take(bytes).read_to_end(&mut sent) {
                    Ok(_) if stream.peek(&mut [0]).is_ok_and(|more| more == 0) => lock(received).push(sent),
                    _ => drop(stopping.wait_for(TIMEOUT)),
                }
            }
            Behaviour::CloseEarly => {
                let _ = stream.read(&mut [0; 1 << 12]);
            }
            Behaviour::CloseLate => {
                let _ = stream.read(&mut [0; 1 << 12]);
                stopping.wait_for(std::time::Duration::from_millis(300));
            }
            Behaviour::Answer => {
                let _ = stream.peek(&mut [0]);
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n\x1b[2J");
                stopping.wait_for(TIMEOUT);
            }
            Behaviour::Reset => {
                // The kernel sends a reset when a socket closes with this byte unread.
                let _ = stream.peek(&mut [0]);
            }
            Behaviour::NeverRead => {
                stopping.wait_for(TIMEOUT);
            }
        }
    }
}

pub(super) fn point(line: &str) -> Point {
    let [path, value, time] = line.split(' ').collect::<Vec<_>>()[..] else {
        panic!("not `name value time`: {line:?}");
    };
    let mut nodes = path.split(';');
    let finite = value.parse().is_ok_and(f64::is_finite);
    assert!(finite, "not a finite value: {line:?}");
    Point {
        name: nodes.next().unwrap_or_default().to_owned(),
        value: value.to_owned(),
        time: time.parse().expect("a time in whole seconds"),
        interval: 0,
        tags: nodes.map(str::to_owned).collect(),
    }
}
