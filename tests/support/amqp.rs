//! A double of an AMQP broker: the server's side of AMQP 0-9-1, with a Carbon behind it that takes every message. It
//! fails on everything that RabbitMQ would refuse.

use super::{TIMEOUT, carbon, graphite::Point, latch::Latch, listener::Listener, lock};
use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    sync::{Arc, Mutex},
    time::Duration,
};

/// What a broker does with a connection. Numbers are of messages.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Conduct {
    /// Takes and confirms every message.
    Take,
    /// Confirms many messages at once.
    TakeInBulk,
    /// Takes frames of the least length that AMQP allows, and confirms every message.
    TakeSmallFrames,
    /// Says that it is blocked, and some time later that it is not; then it takes every message.
    TakeAfterBlock,
    /// Accepts the connection and says nothing.
    Silent,
    /// Closes the connection when the client has said hello.
    CloseEarly,
    /// Resets the connection when the client has said hello.
    Reset,
    /// Says these bytes first, and then nothing more.
    Say(&'static [u8]),
    /// Says a byte of its greeting every 100 ms.
    Drip,
    /// Offers these ways to log in.
    Offer(&'static str),
    /// Takes frames of so many bytes only.
    Tune(u32),
    /// Closes the connection at the login, as a broker does that knows no capabilities.
    CloseAtLogin,
    /// Ends the connection at the login.
    EndAtLogin(u16, &'static str),
    /// Ends the connection when the vhost is opened.
    EndAtOpen(u16, &'static str),
    /// Ends the channel when the exchange is asked for.
    EndAtDeclare(u16, &'static str),
    /// Takes so many, then ends the connection.
    EndAfter(usize, u16, &'static str),
    /// Takes so many, then closes the connection without a word.
    CloseAfter(usize),
    /// Takes so many, and gives the others back, as no queue takes them.
    ReturnAfter(usize),
    /// Takes so many, and refuses the others.
    RefuseAfter(usize),
    /// Takes so many, and confirms no others.
    IgnoreAfter(usize),
    /// Says that it is blocked, and confirms nothing.
    Block,
    /// Stores the first and says these bytes instead of its confirm.
    SayAtMessage(&'static [u8]),
}

/// Listens on loopback until dropped.
pub(crate) struct Broker {
    listener: Listener,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// The lines `name value time` of the messages that were confirmed.
    stored: Mutex<Vec<String>>,
    /// User, password and vhost of every connection.
    logins: Mutex<Vec<[String; 3]>>,
    /// How many bytes came over all connections.
    received: Mutex<usize>,
    stopping: Latch,
}

/// The longest frame that RabbitMQ proposes, and the shortest that AMQP allows.
const FRAME_MAX: u32 = 131_072;
const SMALL_FRAME_MAX: u32 = 4_096;

impl Broker {
    /// A broker that takes everything.
    pub(crate) fn start() -> Self {
        Self::with(&[Conduct::Take])
    }

    /// A broker with this conduct, one for each connection; the last one is for all further connections.
    pub(crate) fn with(conducts: &[Conduct]) -> Self {
        let state = Arc::new(State::default());
        let conducts = conducts.to_vec();
        let listener = {
            let state = Arc::clone(&state);
            Listener::start("127.0.0.1", move |stream, number| {
                let conduct = *conducts.get(number - 1).or(conducts.last()).expect("a conduct");
                let peer = Peer { stream, conduct, state: &state, frame_max: FRAME_MAX };
                // The client may end the connection at any time.
                let _ = peer.serve();
            })
        };
        Self { listener, state }
    }

    /// The URL of the exchange with all its parts, without a user.
    pub(crate) fn url(&self) -> String {
        format!("amqp://{}/%2F?exchange=graphite", self.authority())
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn authority(&self) -> String {
        self.listener.address().to_string()
    }

    /// The points of the messages that were taken.
    ///
    /// # Panics
    /// When Carbon could not read one.
    pub(crate) fn points(&self) -> Vec<Point> {
        lock(&self.state.stored).iter().map(|line| carbon::point(line)).collect()
    }

    /// User, password and vhost of every connection that came so far.
    pub(crate) fn logins(&self) -> Vec<[String; 3]> {
        lock(&self.state.logins).clone()
    }

    /// How many bytes came over all connections.
    pub(crate) fn received(&self) -> usize {
        *lock(&self.state.received)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.state.stopping.release();
        self.listener.stop();
    }
}

/// A client, as the broker sees it.
struct Peer<'a> {
    stream: TcpStream,
    conduct: Conduct,
    state: &'a State,
    frame_max: u32,
}

/// A frame: kind, channel and payload.
type Frame = (u8, u16, Vec<u8>);

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;

impl Peer<'_> {
    fn serve(mut self) -> io::Result<()> {
        match self.conduct {
            Conduct::Silent => return self.wait(),
            // The kernel sends a reset when a socket closes with these bytes unread.
            Conduct::Reset => return self.stream.peek(&mut [0]).map(drop),
            Conduct::Say(bytes) => {
                self.stream.peek(&mut [0])?;
                self.stream.write_all(bytes)?;
                return self.wait();
            }
            _ => {}
        }
        let mut header = [0; 8];
        self.stream.read_exact(&mut header)?;
        assert_eq!(&header, b"AMQP\0\0\x09\x01", "the header of a client");
        if matches!(self.conduct, Conduct::CloseEarly) {
            return Ok(());
        }
        if self.log_in()? && self.open()? { self.take_messages() } else { Ok(()) }
    }

    /// Keeps the connection until the test ends, or the client.
    fn wait(&mut self) -> io::Result<()> {
        self.stream.set_read_timeout(Some(Duration::from_millis(50)))?;
        while !self.state.stopping.wait_for(Duration::ZERO) {
            match self.stream.read(&mut [0; 512]) {
                Ok(0) => break,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => break,
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether the client may go on.
    fn log_in(&mut self) -> io::Result<bool> {
        let mechanisms = if let Conduct::Offer(mechanisms) = self.conduct { mechanisms } else { "AMQPLAIN PLAIN" };
        let start = [b"\0\x09\0\0\0\0".as_slice(), &long(mechanisms), &long("en_US")].concat();
        if matches!(self.conduct, Conduct::Drip) {
            for byte in frame(METHOD, 0, &method(10, 10, &start)) {
                self.stream.write_all(&[byte])?;
                if self.state.stopping.wait_for(Duration::from_millis(100)) {
                    return Ok(false);
                }
            }
        } else {
            self.send(0, (10, 10), &start)?;
        }
        let fields = self.expect(0, (10, 11))?;
        let (properties, fields) = split_long(&fields);
        for capability in ["authentication_failure_close", "connection.blocked"] {
            let is_there = properties.windows(capability.len()).any(|window| window == capability.as_bytes());
            assert!(is_there, "no {capability} among the capabilities");
        }
        let (mechanism, fields) = split_short(fields);
        assert_eq!(mechanism, "PLAIN");
        let (response, _) = split_long(fields);
        let response = String::from_utf8(response.to_vec()).expect("UTF-8");
        let [_, user, password] = response.split('\0').collect::<Vec<_>>()[..] else { panic!("{response:?}") };
        let (user, password) = (user.to_owned(), password.to_owned());
        match self.conduct {
            Conduct::CloseAtLogin => return Ok(false),
            Conduct::EndAtLogin(code, text) => return self.end(code, text),
            Conduct::TakeSmallFrames => self.frame_max = SMALL_FRAME_MAX,
            Conduct::Tune(frame_max) => self.frame_max = frame_max,
            _ => {}
        }
        self.send(0, (10, 30), &[b"\x07\xff".as_slice(), &self.frame_max.to_be_bytes(), b"\0\x3c"].concat())?;
        let fields = self.expect(0, (10, 31))?;
        let agreed = u32::from_be_bytes(fields[2..6].try_into().expect("four bytes"));
        assert!((SMALL_FRAME_MAX..=self.frame_max).contains(&agreed), "frames of {agreed} bytes");
        assert_eq!((&fields[..2], &fields[6..]), ([0, 1].as_slice(), [0, 0].as_slice()), "one channel, no heartbeats");
        let fields = self.expect(0, (10, 40))?;
        lock(&self.state.logins).push([user, password, split_short(&fields).0]);
        Ok(true)
    }

    fn open(&mut self) -> io::Result<bool> {
        if let Conduct::EndAtOpen(code, text) = self.conduct {
            return self.end(code, text);
        }
        self.send(0, (10, 41), b"\0")?;
        self.expect(1, (20, 10))?;
        self.send(1, (20, 11), &[0; 4])?;
        let fields = self.expect(1, (40, 10))?;
        let (exchange, fields) = split_short(&fields[2..]);
        let (_, fields) = split_short(fields);
        assert_eq!((exchange.as_str(), fields), ("graphite", [1, 0, 0, 0, 0].as_slice()), "declared passively");
        if let Conduct::EndAtDeclare(code, text) = self.conduct {
            self.send(1, (20, 40), &[&code.to_be_bytes(), short(text).as_slice(), &[0, 40, 0, 10]].concat())?;
            self.skip_to((20, 41))?;
            self.skip_to((10, 50))?;
            self.send(0, (10, 51), &[])?;
            return Ok(false);
        }
        self.send(1, (40, 11), &[])?;
        self.expect(1, (85, 10))?;
        self.send(1, (85, 11), &[])?;
        Ok(true)
    }

    fn take_messages(&mut self) -> io::Result<()> {
        if matches!(self.conduct, Conduct::Block | Conduct::TakeAfterBlock) {
            self.send(0, (10, 60), &short("low on memory"))?;
        }
        if matches!(self.conduct, Conduct::TakeAfterBlock) {
            self.state.stopping.wait_for(Duration::from_millis(300));
            self.send(0, (10, 61), &[])?;
        }
        let mut number = 0;
        let mut unconfirmed = false;
        loop {
            if unconfirmed && self.is_quiet()? {
                self.confirm(number, true, true)?;
                unconfirmed = false;
            }
            let (kind, channel, payload) = self.frame()?;
            match (kind, channel, &payload[..4]) {
                (METHOD, 1, [0, 60, 0, 40]) => number += 1,
                (METHOD, 0, [0, 10, 0, 50]) => return self.send(0, (10, 51), &[]),
                other => panic!("{other:?} among the messages"),
            }
            let (line, returned) = self.message(&payload)?;
            let store = || lock(&self.state.stored).push(line);
            match self.conduct {
                Conduct::ReturnAfter(count) if number > count => {
                    self.stream.write_all(&returned)?;
                    self.confirm(number, false, true)?;
                }
                Conduct::RefuseAfter(count) if number > count => self.confirm(number, false, false)?,
                Conduct::IgnoreAfter(count) if number > count => {}
                Conduct::Block => {}
                Conduct::EndAfter(count, code, text) if number > count => return self.end(code, text).map(drop),
                Conduct::CloseAfter(count) if number > count => return Ok(()),
                Conduct::SayAtMessage(bytes) => {
                    store();
                    self.stream.write_all(bytes)?;
                    return self.wait();
                }
                Conduct::TakeInBulk => {
                    store();
                    unconfirmed = true;
                }
                _ => {
                    store();
                    self.confirm(number, false, true)?;
                }
            }
        }
    }

    /// Reads the rest of a message. Returns its line for Carbon, and the bytes by which it is given back.
    fn message(&mut self, publish: &[u8]) -> io::Result<(String, Vec<u8>)> {
        let (exchange, fields) = split_short(&publish[6..]);
        let (key, fields) = split_short(fields);
        assert_eq!((exchange.as_str(), fields), ("graphite", [1].as_slice()), "the exchange, and mandatory");
        let (kind, _, header) = self.frame()?;
        assert_eq!((kind, &header[..4]), (HEADER, [0, 60, 0, 0].as_slice()));
        assert_eq!(header[12..15], [0x10, 0x80, 2], "persistent, and with an id: {header:?}");
        let len =
            usize::try_from(u64::from_be_bytes(header[4..12].try_into().expect("eight bytes"))).expect("a length");
        let text = [&312_u16.to_be_bytes(), short("NO_ROUTE").as_slice(), &short("graphite"), &short(&key)].concat();
        let mut returned = frame(METHOD, 1, &method(60, 50, &text));
        returned.extend(frame(HEADER, 1, &header));
        let mut body = Vec::new();
        while body.len() < len {
            let (kind, channel, part) = self.frame()?;
            assert_eq!((kind, channel), (BODY, 1));
            returned.extend(frame(BODY, 1, &part));
            body.extend(part);
        }
        let body = String::from_utf8(body).expect("UTF-8");
        let line = if body.split(' ').count() == 3 { body } else { format!("{key} {body}") };
        Ok((line, returned))
    }

    fn confirm(&mut self, tag: usize, multiple: bool, is_taken: bool) -> io::Result<()> {
        let fields = [(tag as u64).to_be_bytes().as_slice(), &[u8::from(multiple)]].concat();
        self.send(1, (60, if is_taken { 80 } else { 120 }), &fields)
    }

    /// Ends the connection. Returns false, as the client may not go on.
    fn end(&mut self, code: u16, text: &str) -> io::Result<bool> {
        self.send(0, (10, 50), &[&code.to_be_bytes(), short(text).as_slice(), &[0; 4]].concat())?;
        let answer = self.skip_to((10, 51));
        let is_missing = answer.is_err_and(|error| error.kind() == io::ErrorKind::UnexpectedEof);
        assert!(!is_missing, "the client did not answer to the end");
        Ok(false)
    }

    /// Reads over everything before this method.
    fn skip_to(&mut self, (class, number): (u16, u16)) -> io::Result<()> {
        let start = method(class, number, &[]);
        while {
            let (kind, _, payload) = self.frame()?;
            kind != METHOD || !payload.starts_with(&start)
        } {}
        Ok(())
    }

    /// The fields of the method that must come next.
    fn expect(&mut self, channel: u16, (class, number): (u16, u16)) -> io::Result<Vec<u8>> {
        let (kind, on, payload) = self.frame()?;
        let fields = payload.strip_prefix(method(class, number, &[]).as_slice());
        let fields = fields.filter(|_| (kind, on) == (METHOD, channel));
        Ok(fields.unwrap_or_else(|| panic!("not {class}.{number} but {payload:?}")).to_vec())
    }

    fn send(&mut self, channel: u16, (class, number): (u16, u16), fields: &[u8]) -> io::Result<()> {
        self.stream.write_all(&frame(METHOD, channel, &method(class, number, fields)))
    }

    /// Whether nothing comes for a moment.
    fn is_quiet(&mut self) -> io::Result<bool> {
        self.stream.set_read_timeout(Some(Duration::from_millis(20)))?;
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(Some(TIMEOUT))?;
        match peeked {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            other => other.map(|_| false),
        }
    }

    fn frame(&mut self) -> io::Result<Frame> {
        let mut head = [0; 7];
        self.stream.read_exact(&mut head)?;
        let len = u32::from_be_bytes(head[3..].try_into().expect("four bytes"));
        assert!(len <= self.frame_max - 8, "a frame of {len} bytes, and {} are agreed", self.frame_max);
        let mut payload = vec![0; usize::try_from(len).expect("a length") + 1];
        self.stream.read_exact(&mut payload)?;
        *lock(&self.state.received) += head.len() + payload.len();
        assert_eq!(payload.pop(), Some(0xce), "the mark at the end of a frame");
        Ok((head[0], u16::from_be_bytes([head[1], head[2]]), payload))
    }
}

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("a length").to_be_bytes();
    [&[kind], channel.to_be_bytes().as_slice(), &len, payload, &[0xce]].concat()
}

fn method(class: u16, number: u16, fields: &[u8]) -> Vec<u8> {
    [class.to_be_bytes().as_slice(), &number.to_be_bytes(), fields].concat()
}

fn short(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).expect("a short text")], text.as_bytes()].concat()
}

fn long(text: &str) -> Vec<u8> {
    [u32::try_from(text.len()).expect("a length").to_be_bytes().as_slice(), text.as_bytes()].concat()
}

fn split_short(fields: &[u8]) -> (String, &[u8]) {
    let (text, rest) = fields[1..].split_at(fields[0].into());
    (String::from_utf8(text.to_vec()).expect("UTF-8"), rest)
}

fn split_long(fields: &[u8]) -> (&[u8], &[u8]) {
    let len = u32::from_be_bytes(fields[..4].try_into().expect("four bytes"));
    fields[4..].split_at(usize::try_from(len).expect("a length"))
}
