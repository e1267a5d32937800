//! Carbon as its clients see it: a socket that swallows what it is sent and never answers.

use super::{TIMEOUT, graphite::Point, latch::Latch, listener::Listener, lock, pickle};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{Arc, Mutex},
};

/// What a listener does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Reads to the end, keeps what it read, then closes: a healthy Carbon.
    ReadToEnd,
    /// Ends the connection before anything came.
    CloseEarly,
    /// Waits for the first byte, then answers as a server of HTTP does.
    Answer,
    /// Waits for the first byte, then resets.
    Reset,
    /// Reads a few bytes at a time, and to the end.
    ReadSlowly,
    /// Accepts, and that was all.
    NeverRead,
}

/// Listens on loopback until dropped.
pub(crate) struct Carbon {
    listener: Listener,
    kept: Arc<Mutex<Vec<Vec<u8>>>>,
    stopping: Latch,
}

impl Carbon {
    /// A healthy one.
    pub(crate) fn start() -> Self {
        Self::with(&[Behaviour::ReadToEnd])
    }

    /// One that treats its connections in this order, the last behaviour being for all others.
    pub(crate) fn with(behaviours: &[Behaviour]) -> Self {
        Self::listen("127.0.0.1", behaviours)
    }

    /// A healthy one on IPv6's loopback.
    pub(crate) fn start_v6() -> Self {
        Self::listen("::1", &[Behaviour::ReadToEnd])
    }

    fn listen(host: &str, behaviours: &[Behaviour]) -> Self {
        let kept = Arc::new(Mutex::default());
        let stopping = Latch::new();
        let behaviours = behaviours.to_vec();
        let listener = {
            let (kept, stopping) = (Arc::clone(&kept), stopping.clone());
            Listener::start(host, move |stream, number| {
                let behaviour = behaviours.get(number - 1).or(behaviours.last());
                behaviour.expect("a behaviour").follow(stream, &kept, &stopping);
            })
        };
        Self { listener, kept, stopping }
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

    /// What each connection that was read to its end had sent, in the order in which they ended.
    pub(crate) fn connections(&self) -> Vec<Vec<u8>> {
        lock(&self.kept).clone()
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

    /// The plaintext lines as points; those have no interval, so it is 0.
    ///
    /// # Panics
    /// When a line is not `name value time`.
    pub(crate) fn points(&self) -> Vec<Point> {
        self.lines().iter().map(|line| point(line)).collect()
    }

    /// The pickled frames of all connections.
    ///
    /// # Panics
    /// When Carbon would not take one.
    pub(crate) fn frames(&self) -> Vec<Vec<u8>> {
        self.connections().iter().flat_map(|sent| pickle::frames(sent).expect("whole frames")).collect()
    }

    /// The points of all frames.
    ///
    /// # Panics
    /// When one is not as Carbon wants it.
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

    fn follow(self, mut stream: TcpStream, kept: &Mutex<Vec<Vec<u8>>>, stopping: &Latch) {
        match self {
            Behaviour::ReadToEnd | Behaviour::ReadSlowly => {
                let mut sent = Vec::new();
                // Kept before the close, which is what tells the client that all is well.
                if self.read(&mut stream, &mut sent).is_ok() && !stopping.wait_for(std::time::Duration::ZERO) {
                    lock(kept).push(sent);
                }
            }
            Behaviour::CloseEarly => {}
            Behaviour::Answer => {
                let _ = stream.peek(&mut [0]);
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n\x1b[2J");
                stopping.wait_for(TIMEOUT);
            }
            Behaviour::Reset => {
                // Closing with this byte unread is what makes the kernel send a reset.
                let _ = stream.peek(&mut [0]);
            }
            Behaviour::NeverRead => {
                stopping.wait_for(TIMEOUT);
            }
        }
    }
}

fn point(line: &str) -> Point {
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
