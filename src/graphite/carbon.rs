//! Carbon, Graphite's own receiver: the two forms in which it takes points, and the way there.
//!
//! Carbon never answers, whatever it thinks of what it got. So the forms leave out what it would
//! choke on (a line that is too long ends the connection, and the rest with it), and
//! [`deliver`] takes every sign there is that it went away before it had everything.
//! <https://graphite.readthedocs.io/en/latest/feeding-carbon.html>

use crate::deadline::Deadline;
use crate::point::Batch;
use crate::request::excerpt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::ops::Range;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Longest line that Carbon reads, in bytes (`MAX_LENGTH` of Twisted's `LineOnlyReceiver`).
const MAX_LINE: usize = 16_384;

/// Most points in a frame, as Carbon's own relay sends (`MAX_DATAPOINTS_PER_MESSAGE`).
const MAX_FRAME_POINTS: usize = 500;

/// Longest frame that Carbon reads, in bytes (`PICKLE_RECEIVER_MAX_LENGTH`); longer ones end the
/// connection.
const MAX_FRAME: usize = 1 << 20;

/// How long Carbon may show that it goes away before it is told that everything was sent. A proxy
/// with no Carbon behind it takes everything and closes: once writing is shut down, that looks
/// like success.
const EARLY_CLOSE: Duration = Duration::from_millis(10);

/// Points as they go over the wire.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Encoded {
    /// What is sent.
    pub bytes: Vec<u8>,
    /// How many points are in it.
    pub points: usize,
    /// The points that are not in it.
    pub left_out: Vec<LeftOut>,
}

/// A point that Carbon cannot take.
#[derive(Debug, PartialEq)]
pub(super) struct LeftOut {
    /// The metric's name.
    pub name: String,
    /// Why, as a clause that follows the name.
    pub reason: &'static str,
}

impl Encoded {
    fn leave_out(&mut self, name: &str, reason: &'static str) {
        self.left_out.push(LeftOut { name: name.to_owned(), reason });
    }
}

/// The points of a range, a line each: `name[;key=value...] value time`. The last one ends in a
/// newline too, without which Carbon would drop it.
///
/// # Panics
/// When the range is not within the batch.
pub(super) fn plaintext(batch: &Batch, range: Range<usize>) -> Encoded {
    let tags = tags(batch);
    let bad_tags = has_space(&tags);
    let mut out = Encoded::default();
    for point in batch.range(range) {
        if point.name.is_empty() || bad_tags || has_space(point.name) {
            out.leave_out(
                point.name,
                "has white space in its name or tags, or no name, which a line for Carbon cannot hold",
            );
            continue;
        }
        let begin = out.bytes.len();
        // Writing into memory does not fail.
        let _ = writeln!(out.bytes, "{}{tags} {} {}", point.name, point.value, point.time);
        if out.bytes.len() - begin > MAX_LINE {
            out.bytes.truncate(begin);
            out.leave_out(point.name, "makes a line above 16384 bytes, the most that Carbon reads");
        } else {
            out.points += 1;
        }
    }
    out
}

/// The tags as they follow a name.
fn tags(batch: &Batch) -> String {
    batch.tags.iter().flat_map(|tag| [";", tag]).collect()
}

/// Whether Carbon would see more than one word: it splits at any white space of Unicode.
fn has_space(text: &str) -> bool {
    !text.bytes().all(|b| b.is_ascii_graphic()) && text.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// The points of a range in frames, one after the other: the length in four bytes, then
/// `[(path, (time, value)), ...]` in Python's pickle protocol 2.
/// <https://github.com/python/cpython/blob/main/Lib/pickletools.py> describes the opcodes.
///
/// # Panics
/// When the range is not within the batch.
pub(super) fn pickle(batch: &Batch, range: Range<usize>) -> Encoded {
    /// Opcodes, numbers and lengths of a point take less than this.
    const AROUND_POINT: usize = 32;
    let tags = tags(batch);
    let mut out = Encoded::default();
    let mut frame = Frame::default();
    for point in batch.range(range) {
        let room = point.name.len() + tags.len() + AROUND_POINT;
        if room > MAX_FRAME - Frame::AROUND {
            out.leave_out(point.name, "is longer than a frame for Carbon may be");
            continue;
        }
        if frame.points == MAX_FRAME_POINTS || frame.body.len() + room > MAX_FRAME - Frame::AROUND {
            frame.finish(&mut out.bytes);
        }
        frame.push([point.name, &tags], point.time, point.value.to_f64());
        out.points += 1;
    }
    frame.finish(&mut out.bytes);
    out
}

/// The points of one frame, pickled.
#[derive(Default)]
struct Frame {
    body: Vec<u8>,
    points: usize,
}

impl Frame {
    /// Bytes before and after the points: the length, `PROTO 2`, `EMPTY_LIST`, `MARK`; `APPENDS`, `STOP`.
    const AROUND: usize = 4 + 4 + 2;

    fn push(&mut self, path: [&str; 2], time: i64, value: f64) {
        let body = &mut self.body;
        body.push(b'X'); // BINUNICODE
        let len = u32::try_from(path[0].len() + path[1].len()).unwrap_or(u32::MAX); // a frame is shorter
        body.extend(len.to_le_bytes());
        body.extend(path.iter().flat_map(|text| text.as_bytes()));
        if let Ok(time) = i32::try_from(time) {
            body.push(b'J'); // BININT
            body.extend(time.to_le_bytes());
        } else {
            body.extend([0x8a, 8]); // LONG1 of 8 bytes
            body.extend(time.to_le_bytes());
        }
        body.push(b'G'); // BINFLOAT
        body.extend(value.to_be_bytes());
        body.extend([0x86, 0x86]); // TUPLE2: (time, value), then (path, (time, value))
        self.points += 1;
    }

    /// Appends the frame, unless it is empty, and begins the next one.
    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.points > 0 {
            let len = u32::try_from(self.body.len() + Self::AROUND - 4).unwrap_or(u32::MAX); // 1 MiB at most
            out.extend(len.to_be_bytes());
            out.extend(b"\x80\x02](");
            out.append(&mut self.body);
            out.extend(b"e.");
        }
        self.points = 0;
    }
}

/// Why Carbon does not have the points, as far as can be known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Carbon at {server}: {trouble}")]
pub struct CarbonError {
    /// Host and port.
    pub server: String,
    /// What happened.
    pub trouble: Trouble,
}

/// What kept points from Carbon.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// There is no such host, or nobody to ask.
    #[error("the host cannot be looked up: {0}; see that it is right in the Graphite URL")]
    Lookup(String),
    /// The resolver did not answer before the deadline.
    #[error("the host was not looked up in time; is this machine's name server reachable?")]
    LookupLate,
    /// No address took a connection.
    #[error("no connection ({0}); is Carbon running, and are host and port of the Graphite URL right?")]
    Connect(String),
    /// The connection ended while there was still something to send or to wait for.
    #[error("the connection broke after {sent} of {len} bytes ({reason}); Carbon's log may say why")]
    Broken {
        /// Bytes that were handed to the operating system.
        sent: usize,
        /// Bytes that there were.
        len: usize,
        /// What the operating system said.
        reason: String,
    },
    /// It closed though it had not been told that everything was sent.
    #[error("it closed the connection before the end; Carbon's log may say why, or a proxy has no Carbon behind it")]
    Closed,
    /// It said something.
    #[error("it answered \"{0}\", which Carbon never does; is the port right (usually 2003, for pickle 2004)?")]
    Answered(String),
    /// The deadline passed while sending.
    #[error("it took {sent} of {len} bytes in time; it may be overloaded")]
    Late {
        /// Bytes that were handed to the operating system.
        sent: usize,
        /// Bytes that there were.
        len: usize,
    },
    /// The deadline passed while waiting for the close, which is all that Carbon acknowledges with.
    #[error("it did not close the connection in time, so it may not have read the points; it may be overloaded")]
    NotClosed,
}

/// Sends `payload` and waits until Carbon closes the connection.
///
/// `host` is a name or an address, IPv6 with or without brackets. All addresses of a name are tried.
///
/// # Errors
/// When something shows that Carbon did not get everything, or when the deadline passed. That it
/// is kept cannot be known.
pub(super) fn deliver(host: &str, port: u16, payload: &[u8], deadline: Deadline) -> Result<(), CarbonError> {
    let attempt = || {
        let addresses = resolve(host, port, deadline)?;
        let stream = connect(&addresses, deadline)?;
        Connection { stream, sent: 0, len: payload.len(), deadline }.deliver(payload)
    };
    attempt().map_err(|trouble| CarbonError { server: format!("{host}:{port}"), trouble })
}

/// The addresses of a host. The system's resolver knows no deadline, so it runs on a thread that is
/// left behind when it is late.
fn resolve(host: &str, port: u16, deadline: Deadline) -> Result<Vec<SocketAddr>, Trouble> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (sender, receiver) = mpsc::channel();
    let host = host.to_owned();
    let lookup = move || {
        let found = (host.as_str(), port).to_socket_addrs().map(Vec::from_iter);
        let _ = sender.send(found); // nobody listens any more if this is late
    };
    let failed = |cause: io::Error| Trouble::Lookup(cause.to_string());
    thread::Builder::new().name("lookup".to_owned()).spawn(lookup).map_err(failed)?;
    receiver.recv_timeout(deadline.remaining()).map_err(|_| Trouble::LookupLate)?.map_err(failed)
}

/// Connects to the first address that lets it. None may use up the time of those after it, nor
/// that for sending.
fn connect(addresses: &[SocketAddr], deadline: Deadline) -> Result<TcpStream, Trouble> {
    let mut tried = Vec::new();
    for (index, address) in addresses.iter().enumerate() {
        let parts = u32::try_from(addresses.len() - index + 1).unwrap_or(u32::MAX);
        let patience = deadline.remaining() / parts;
        if patience.is_zero() {
            tried.push("no time was left".to_owned());
            break;
        }
        match TcpStream::connect_timeout(address, patience) {
            Ok(stream) => return Ok(stream),
            Err(cause) => tried.push(format!("{address}: {cause}")),
        }
    }
    Err(Trouble::Connect(if tried.is_empty() { "the host has no address".to_owned() } else { tried.join(", ") }))
}

struct Connection {
    stream: TcpStream,
    sent: usize,
    len: usize,
    deadline: Deadline,
}

impl Connection {
    fn deliver(mut self, payload: &[u8]) -> Result<(), Trouble> {
        // The last segment leaves at once, so that whoever refuses it can do so in time to be seen.
        self.stream.set_nodelay(true).map_err(|cause| self.broken(&cause))?;
        self.write(payload)?;
        if self.sees_close(self.deadline.within(EARLY_CLOSE))? {
            return Err(Trouble::Closed);
        }
        self.stream.shutdown(Shutdown::Write).map_err(|cause| self.broken(&cause))?;
        if !self.sees_close(self.deadline)? {
            return Err(Trouble::NotClosed);
        }
        // A close that crossed our last bytes is followed by a reset. Reading shows the close alone.
        match self.stream.take_error() {
            Ok(None) => Ok(()),
            Ok(Some(cause)) | Err(cause) => Err(self.broken(&cause)),
        }
    }

    fn write(&mut self, payload: &[u8]) -> Result<(), Trouble> {
        while let Some(rest) = payload.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let left = self.deadline.remaining();
            if left.is_zero() {
                return Err(Trouble::Late { sent: self.sent, len: self.len });
            }
            self.stream.set_write_timeout(Some(left)).map_err(|cause| self.broken(&cause))?;
            match self.stream.write(rest) {
                Ok(0) => return Err(self.broken(&ErrorKind::WriteZero.into())),
                Ok(count) => self.sent += count,
                Err(cause) if is_passing(&cause) => {}
                Err(cause) => return Err(self.broken(&cause)),
            }
        }
        Ok(())
    }

    /// Whether the other side closes until then.
    fn sees_close(&mut self, until: Deadline) -> Result<bool, Trouble> {
        let mut heard = [0; 512];
        loop {
            let left = until.remaining();
            if left.is_zero() {
                return Ok(false);
            }
            self.stream.set_read_timeout(Some(left)).map_err(|cause| self.broken(&cause))?;
            match self.stream.read(&mut heard) {
                Ok(0) => return Ok(true),
                Ok(count) => return Err(Trouble::Answered(excerpt(&String::from_utf8_lossy(&heard[..count])))),
                Err(cause) if is_passing(&cause) => {}
                Err(cause) => return Err(self.broken(&cause)),
            }
        }
    }

    fn broken(&self, cause: &io::Error) -> Trouble {
        Trouble::Broken { sent: self.sent, len: self.len, reason: cause.to_string() }
    }
}

/// Whether a call came back only because its time was over, or a signal came.
fn is_passing(cause: &io::Error) -> bool {
    matches!(cause.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::Number;
    use arbtest::arbitrary::{self, Unstructured};
    use std::net::TcpListener;

    const SOON: Duration = Duration::from_secs(10);

    fn batch(tags: &[&str], points: &[(&str, &str, i64)]) -> Batch {
        let mut batch = Batch::new(60, tags.iter().map(|&tag| tag.to_owned()).collect());
        for &(name, value, time) in points {
            batch.push(|out| out.push_str(name), Number::parse(value).unwrap(), time);
        }
        batch
    }

    fn any_batch(u: &mut Unstructured<'_>) -> arbitrary::Result<Batch> {
        let tags = ["env=home", "a=b"];
        let mut batch = batch(&tags[..u.int_in_range(0..=2)?], &[]);
        for _ in 0..u.int_in_range(0..=1200)? {
            let len = if u.ratio(1, 50)? { 20_000 } else { u.int_in_range(1..=40)? };
            let name: String = std::iter::repeat_n(char::from(u.int_in_range(b'!'..=b'~')?), len).collect();
            let value = Number::from_f64(u.arbitrary()?).or(Number::parse("0E-7")).unwrap();
            batch.push(|out| out.push_str(&name), value, u.arbitrary()?);
        }
        Ok(batch)
    }

    #[test]
    fn a_line_holds_name_tags_value_and_time() {
        let batch = batch(&["env=home", "a=b"], &[("x.y", "1", 5), ("crypto.BTC-USD.last", "0E-7", 1_785_182_401)]);
        let lines = plaintext(&batch, 1..2);
        assert_eq!(String::from_utf8(lines.bytes).unwrap(), "crypto.BTC-USD.last;env=home;a=b 0E-7 1785182401\n");
        assert_eq!((lines.points, lines.left_out), (1, vec![]));
        assert_eq!(plaintext(&batch, 0..0), Encoded::default());
    }

    #[test]
    fn a_point_that_would_break_the_connection_is_left_out() {
        let long = "x".repeat(MAX_LINE - "; 1 5\n".len());
        let points = [(long.as_str(), "1", 5), ("a b", "1", 5), ("a\u{a0}b", "1", 5), ("", "1", 5), ("ok", "1", 5)];
        let lines = plaintext(&batch(&[], &points), 0..5);
        assert_eq!((lines.points, lines.left_out.len()), (2, 3), "{:?}", lines.left_out);
        let lines = plaintext(&batch(&["k=v"], &points), 0..1);
        assert_eq!((lines.bytes.len(), lines.left_out[0].name.as_str()), (0, long.as_str()));
        assert_eq!(plaintext(&batch(&["env=my home"], &points), 4..5).left_out.len(), 1);
    }

    #[test]
    fn lines_split_back_into_the_points() {
        arbtest::arbtest(|u| {
            let batch = any_batch(u)?;
            let lines = plaintext(&batch, 0..batch.len());
            let text = String::from_utf8(lines.bytes).unwrap();
            assert!(text.is_empty() || text.ends_with('\n'));
            let suffix = tags(&batch);
            let mut expected = batch.iter().filter(|point| point.name.len() < 20_000);
            for line in text.lines() {
                let [path, value, time] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
                let point = expected.next().unwrap();
                assert_eq!(path.strip_suffix(&suffix), Some(point.name));
                assert_eq!((value, time), (point.value.as_str(), point.time.to_string().as_str()));
            }
            assert!(expected.next().is_none());
            assert_eq!(lines.points + lines.left_out.len(), batch.len());
            Ok(())
        });
    }

    /// Reads what [`pickle`] writes, as a machine with a stack, like Python's.
    fn unpickle(frame: &[u8]) -> Vec<(String, i64, f64)> {
        let mut rest = frame.strip_prefix(b"\x80\x02](").unwrap();
        let mut take = |count: usize| {
            let (taken, after) = rest.split_at(count);
            rest = after;
            taken
        };
        let mut points = Vec::new();
        loop {
            match take(1)[0] {
                b'X' => {}
                b'e' => break,
                other => panic!("opcode {other:#x}"),
            }
            let len = u32::from_le_bytes(take(4).try_into().unwrap());
            let path = String::from_utf8(take(usize::try_from(len).unwrap()).to_vec()).unwrap();
            let time = match take(1)[0] {
                b'J' => i32::from_le_bytes(take(4).try_into().unwrap()).into(),
                0x8a => {
                    assert_eq!(take(1), [8]);
                    i64::from_le_bytes(take(8).try_into().unwrap())
                }
                other => panic!("opcode {other:#x}"),
            };
            assert_eq!(take(1), b"G");
            let value = f64::from_be_bytes(take(8).try_into().unwrap());
            assert_eq!(take(2), [0x86, 0x86]);
            points.push((path, time, value));
        }
        assert_eq!(rest, b".");
        points
    }

    fn frames(mut bytes: &[u8]) -> Vec<Vec<(String, i64, f64)>> {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            let (len, rest) = bytes.split_at(4);
            let len = usize::try_from(u32::from_be_bytes(len.try_into().unwrap())).unwrap();
            assert!(len + 4 <= MAX_FRAME);
            frames.push(unpickle(&rest[..len]));
            bytes = &rest[len..];
        }
        frames
    }

    #[test]
    fn frames_hold_the_points() {
        arbtest::arbtest(|u| {
            let batch = any_batch(u)?;
            let pickled = pickle(&batch, 0..batch.len());
            let frames = frames(&pickled.bytes);
            assert!(frames.iter().all(|frame| (1..=MAX_FRAME_POINTS).contains(&frame.len())));
            let suffix = tags(&batch);
            let points = frames.into_iter().flatten().map(|(path, time, value)| (path, time, value.to_bits()));
            let expected = batch.iter().map(|p| (format!("{}{suffix}", p.name), p.time, p.value.to_f64().to_bits()));
            assert!(points.eq(expected));
            assert_eq!((pickled.points, pickled.left_out.len()), (batch.len(), 0));
            Ok(())
        });
    }

    #[test]
    fn a_point_beyond_a_frame_is_left_out() {
        let long = "x".repeat(MAX_FRAME);
        let pickled = pickle(&batch(&[], &[("a", "1", 5), (&long, "1", 5), ("b", "2", 1 << 40)]), 0..3);
        assert_eq!(frames(&pickled.bytes), [[("a".to_owned(), 5, 1.0), ("b".to_owned(), 1 << 40, 2.0)]]);
        assert_eq!((pickled.points, pickled.left_out.len()), (2, 1));
    }

    /// Runs `serve` on the one connection that `deliver` makes.
    fn with_server<T: Send>(
        payload: &[u8],
        patience: Duration,
        serve: impl FnOnce(TcpStream) -> T + Send,
    ) -> (Result<(), Trouble>, T) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::scope(|scope| {
            let server = scope.spawn(move || serve(listener.accept().unwrap().0));
            let result = deliver("127.0.0.1", port, payload, Deadline::after(patience));
            (result.map_err(|error| error.trouble), server.join().unwrap())
        })
    }

    fn read_all(mut stream: TcpStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn everything_arrives() {
        let payload = vec![b'x'; 3_000_000];
        let (result, received) = with_server(&payload, SOON, read_all);
        result.unwrap();
        assert!(received == payload);
    }

    #[test]
    fn a_server_that_goes_away_is_a_failure() {
        let payload = vec![b'x'; 30_000_000];
        let close_after = |count: usize| move |mut stream: TcpStream| stream.read_exact(&mut vec![0; count]).unwrap();
        for count in [0, 5, 100_000] {
            let (result, ()) = with_server(&payload, SOON, close_after(count));
            assert!(matches!(result, Err(Trouble::Broken { .. } | Trouble::Closed)), "{result:?}");
        }
        let (result, ()) = with_server(b"a 1 5\n", SOON, close_after(0));
        assert!(matches!(result, Err(Trouble::Broken { .. } | Trouble::Closed)), "{result:?}");
    }

    #[test]
    fn a_close_before_the_end_is_a_failure_though_all_was_written() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        drop(listener.accept().unwrap());
        let connection = Connection { stream, sent: 0, len: 6, deadline: Deadline::after(SOON) };
        let result = connection.deliver(b"a 1 5\n");
        assert!(matches!(result, Err(Trouble::Broken { .. } | Trouble::Closed)), "{result:?}");
    }

    #[test]
    fn a_server_that_talks_is_not_carbon() {
        let talk = |mut stream: TcpStream| {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
            read_all(stream)
        };
        let (result, _) = with_server(b"a 1 5\n", SOON, talk);
        assert_eq!(result, Err(Trouble::Answered("HTTP/1.1 400 Bad Request".to_owned())));
    }

    #[test]
    fn the_deadline_bounds_sending_and_waiting() {
        // The connection stays open until the client gave up, and nobody reads from it.
        let keep_open = |stream: TcpStream| stream;
        let patience = Duration::from_millis(200);
        let (result, _) = with_server(b"a 1 5\n", patience, keep_open);
        assert_eq!(result, Err(Trouble::NotClosed));
        let (result, _) = with_server(&vec![b'x'; 30_000_000], patience, keep_open);
        assert!(matches!(result, Err(Trouble::Late { .. })), "{result:?}");
    }

    /// A listener that takes no more connections: its queue is full.
    fn black_hole() -> (TcpListener, Vec<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            queued.push(stream);
        }
        (listener, queued)
    }

    #[test]
    fn a_dead_address_leaves_time_for_the_next() {
        let (hole, _queued) = black_hole();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let addresses = [refusing, hole.local_addr().unwrap(), free.local_addr().unwrap()];
        let stream = connect(&addresses, Deadline::after(Duration::from_millis(900))).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addresses[2]);
        let error = connect(&addresses[..2], Deadline::after(Duration::from_millis(100))).unwrap_err().to_string();
        assert!(error.contains(&refusing.to_string()) && error.contains("timed out"), "{error}");
        assert!(connect(&[], Deadline::after(SOON)).unwrap_err().to_string().contains("no address"));
    }

    #[test]
    fn hosts_are_looked_up() {
        let deadline = Deadline::after(SOON);
        assert_eq!(resolve("[::1]", 2003, deadline).unwrap(), ["[::1]:2003".parse().unwrap()]);
        assert_eq!(resolve("10.0.0.1", 1, deadline).unwrap(), ["10.0.0.1:1".parse().unwrap()]);
        assert!(resolve("localhost", 2003, deadline).unwrap().iter().all(|address| address.ip().is_loopback()));
        assert!(matches!(resolve("a b", 1, deadline), Err(Trouble::Lookup(_))));
        let message = deliver("nosuch host", 1, b"", deadline).unwrap_err().to_string();
        assert!(message.starts_with("Carbon at nosuch host:1: the host cannot be looked up: "), "{message}");
    }
}
