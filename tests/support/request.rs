//! Reads HTTP/1.1 requests from a socket, strictly.

use std::{
    io::{self, ErrorKind, Read as _},
    net::TcpStream,
};

/// More than the head of any request of the program.
const MAX_HEAD: usize = 64 << 10;
/// More than the body of any request of the program.
const MAX_BODY: usize = 64 << 20;

/// A request as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// `GET`
    pub(crate) method: String,
    /// Path and query, exactly as sent.
    pub(crate) target: String,
    /// Names and values in the order and spelling sent.
    pub(crate) headers: Vec<(String, String)>,
    /// Without its transfer coding.
    pub(crate) body: Vec<u8>,
    /// The number of the connection, from 1: requests with the same number shared a connection.
    pub(crate) connection: usize,
}

impl Received {
    /// `GET /path?query`
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    /// The first header of this name, in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(sent, _)| sent.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    ///
    /// # Panics
    /// When it is not UTF-8.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body in UTF-8")
    }
}

/// The receiving side of a connection.
///
/// It leaves the last byte that it has read in the socket and only peeks at it. The kernel sends a reset
/// instead of an orderly end when a socket closes with unread data, so up to [`Wire::settle`] the connection
/// can still be reset, whatever the request was.
pub(super) struct Wire {
    stream: TcpStream,
    owing: bool,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, owing: false }
    }

    /// The socket, to write to.
    pub(super) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// The next request, or `None` when the client is gone, also in the middle of a request (as when a test
    /// kills the client).
    ///
    /// # Errors
    /// Says what is wrong if the request is not HTTP/1.1.
    pub(super) fn request(&mut self, connection: usize) -> Result<Option<Received>, String> {
        match self.read_request(connection) {
            Ok(received) => Ok(Some(received)),
            Err(error) if error.kind() == ErrorKind::InvalidData => Err(error.to_string()),
            Err(_) => Ok(None),
        }
    }

    /// Reads the byte that was left.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        if self.owing {
            self.stream.read_exact(&mut [0])?;
            self.owing = false;
        }
        Ok(())
    }

    fn read_request(&mut self, connection: usize) -> io::Result<Received> {
        let head = self.take_until(b"\r\n\r\n", MAX_HEAD)?;
        let head = String::from_utf8(head).map_err(|_| malformed("a head that is not UTF-8"))?;
        let mut lines = head.trim_end_matches("\r\n").split("\r\n");
        let line = lines.next().unwrap_or_default();
        let [method, target, "HTTP/1.1"] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(malformed(&format!("the request line {line:?}")));
        };
        let mut received = Received {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: lines.map(header).collect::<io::Result<_>>()?,
            body: Vec::new(),
            connection,
        };
        received.body = self.body(&received)?;
        Ok(received)
    }

    fn body(&mut self, head: &Received) -> io::Result<Vec<u8>> {
        match (head.header("Transfer-Encoding"), head.header("Content-Length")) {
            (None, None) => Ok(Vec::new()),
            (None, Some(length)) => self.take(size(length, 10)?),
            (Some("chunked"), None) => self.chunks(),
            (coding, length) => Err(malformed(&format!("Transfer-Encoding {coding:?} with Content-Length {length:?}"))),
        }
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.take_until(b"\r\n", MAX_HEAD)?;
            let chunk = size(String::from_utf8_lossy(&line).trim_end(), 16)?;
            body.append(&mut self.take(chunk + 2)?);
            if !body.ends_with(b"\r\n") {
                return Err(malformed("a chunk that is longer than it says"));
            }
            body.truncate(body.len() - 2);
            if chunk == 0 {
                return Ok(body);
            }
            size(&body.len().to_string(), 10)?;
        }
    }

    /// Takes so many bytes, and only peeks at the last one.
    fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let Some(all_but_one) = count.checked_sub(1) else {
            return Ok(Vec::new());
        };
        self.settle()?;
        let mut taken = vec![0; count];
        let (before, last) = taken.split_at_mut(all_but_one);
        self.stream.read_exact(before)?;
        if self.stream.peek(last)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.owing = true;
        Ok(taken)
    }

    /// Takes everything up to and with `end`, and only peeks at the last byte.
    fn take_until(&mut self, end: &[u8], limit: usize) -> io::Result<Vec<u8>> {
        self.settle()?;
        let mut taken = Vec::new();
        while taken.len() <= limit {
            let mut window = [0; 4096];
            let seen = self.stream.peek(&mut window)?;
            if seen == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let before = taken.len();
            taken.extend_from_slice(&window[..seen]);
            // The end may have begun in the window before.
            let from = before.saturating_sub(end.len() - 1);
            if let Some(at) = find(&taken[from..], end) {
                taken.truncate(from + at + end.len());
                let new = taken.len() - before;
                self.stream.read_exact(&mut window[..new - 1])?;
                self.owing = true;
                return Ok(taken);
            }
            self.stream.read_exact(&mut window[..seen])?;
        }
        Err(malformed("more than a head should have"))
    }
}

fn header(line: &str) -> io::Result<(String, String)> {
    let (name, value) = line.split_once(':').ok_or_else(|| malformed(&format!("the header {line:?}")))?;
    Ok((name.to_owned(), value.trim().to_owned()))
}

fn size(digits: &str, radix: u32) -> io::Result<usize> {
    usize::from_str_radix(digits, radix)
        .ok()
        .filter(|size| *size <= MAX_BODY)
        .ok_or_else(|| malformed(&format!("a body of {digits:?} bytes")))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("not HTTP/1.1: {what}"))
}
