//! Replies of a scripted server, and its ways to misbehave.

use super::{latch::Latch, request::Wire};
use std::{
    io::{self, Write as _},
    net::Shutdown,
    time::Duration,
};

/// A reply, or the misbehaviour instead of one.
#[derive(Debug)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    mode: Mode,
    latch: Option<Latch>,
    complaint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Whole,
    Chunked,
    Raw,
    Cut { after: usize },
    Drip { every: Duration },
    Over { times: usize },
    Hang,
    Close,
    Reset,
}

impl Reply {
    /// A reply with this status and nothing else.
    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), mode: Mode::Whole, latch: None, complaint: None }
    }

    /// A reply 200 with a JSON body.
    pub(crate) fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200).header("Content-Type", "application/json").body(body)
    }

    /// A reply with any status and a text.
    pub(crate) fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::status(status).header("Content-Type", "text/plain; charset=utf-8").body(body)
    }

    /// Exactly these bytes, including the status line, then an orderly end.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::fault(Mode::Raw).body(bytes)
    }

    /// No reply: an orderly end of the connection.
    pub(crate) fn close() -> Self {
        Self::fault(Mode::Close)
    }

    /// No reply: a reset of the connection.
    pub(crate) fn reset() -> Self {
        Self::fault(Mode::Reset)
    }

    /// No reply until the client closes the connection.
    pub(crate) fn hang() -> Self {
        Self::fault(Mode::Hang)
    }

    /// The reply to a request that should not have been made: status 599, and the test fails with this text
    /// when the server is dropped.
    pub(crate) fn unexpected(why: impl Into<String>) -> Self {
        let why = why.into();
        Self { complaint: Some(why.clone()), ..Self::text(599, why) }
    }

    /// Adds a header. `Content-Length` is added automatically, unless the test sets it.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends the body in chunks, without its length.
    pub(crate) fn chunked(self) -> Self {
        self.mode(Mode::Chunked).header("Transfer-Encoding", "chunked")
    }

    /// Announces the whole body, sends so many bytes of it, and ends the connection.
    pub(crate) fn cut_after(self, after: usize) -> Self {
        self.mode(Mode::Cut { after })
    }

    /// Sends the body one byte at a time, as long as the client stays.
    pub(crate) fn drip(self, every: Duration) -> Self {
        self.mode(Mode::Drip { every })
    }

    /// Sends the body so many times, as long as the client stays. Unless the test sets a length, the end of
    /// the connection ends the reply.
    pub(crate) fn over(self, times: usize) -> Self {
        self.mode(Mode::Over { times })
    }

    /// Waits with the reply until the test releases this latch.
    pub(crate) fn after(mut self, latch: &Latch) -> Self {
        self.latch = Some(latch.clone());
        self
    }

    fn fault(mode: Mode) -> Self {
        Self::status(0).mode(mode)
    }

    fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// The latch it waits for.
    pub(super) fn latch(&self) -> Option<&Latch> {
        self.latch.as_ref()
    }

    /// Why the request should not have been made.
    pub(super) fn complaint(&self) -> Option<&str> {
        self.complaint.as_deref()
    }

    /// Sends it. Returns whether the connection can carry another request. `stopping` ends a drip.
    pub(super) fn send(&self, wire: &mut Wire, stopping: &Latch) -> io::Result<bool> {
        if self.mode == Mode::Reset {
            return Ok(false);
        }
        wire.settle()?;
        let stream = wire.stream();
        match self.mode {
            Mode::Reset | Mode::Close => Ok(false),
            Mode::Hang => io::copy(stream, &mut io::sink()).map(|_| false),
            Mode::Raw => send_last(stream, &self.body),
            Mode::Cut { after } => {
                let sent = &self.body[..after.min(self.body.len())];
                send_last(stream, &[&self.head(), sent].concat())
            }
            Mode::Drip { every } => {
                stream.write_all(&self.head())?;
                for byte in &self.body {
                    if stopping.wait_for(every) {
                        return Ok(false);
                    }
                    stream.write_all(&[*byte])?;
                }
                Ok(self.keeps_alive())
            }
            Mode::Over { times } => {
                stream.write_all(&self.head())?;
                for _ in 0..times {
                    stream.write_all(&self.body)?;
                }
                send_last(stream, &[])
            }
            Mode::Whole | Mode::Chunked => {
                stream.write_all(&[self.head(), self.coded_body()].concat())?;
                Ok(self.keeps_alive())
            }
        }
    }

    fn head(&self) -> Vec<u8> {
        let mut lines = vec![format!("HTTP/1.1 {} {}", self.status, reason(self.status))];
        let headers = self.headers.iter();
        lines.extend(headers.map(|(name, value)| format!("{name}: {value}")));
        // Neither may have a body, so a length would be wrong.
        let bodiless = matches!(self.status, 204 | 304);
        let framed = self.has("Content-Length") || self.has("Transfer-Encoding");
        let ends_with_it = matches!(self.mode, Mode::Over { .. });
        if !bodiless && !framed && !ends_with_it {
            lines.push(format!("Content-Length: {}", self.body.len()));
        }
        (lines.join("\r\n") + "\r\n\r\n").into_bytes()
    }

    fn coded_body(&self) -> Vec<u8> {
        if self.mode != Mode::Chunked {
            return self.body.clone();
        }
        let mut coded = Vec::new();
        for chunk in self.body.chunks(1000) {
            coded.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            coded.extend([chunk, b"\r\n"].concat());
        }
        [coded.as_slice(), b"0\r\n\r\n"].concat()
    }

    fn keeps_alive(&self) -> bool {
        let closing = |(name, value): &(String, String)| name.eq_ignore_ascii_case("Connection") && value == "close";
        // A length that the test set may be wrong, and only the end of the connection shows that.
        !self.has("Content-Length") && !self.headers.iter().any(closing)
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(sent_name, _)| sent_name.eq_ignore_ascii_case(name))
    }
}

/// Sends the last bytes of a connection.
fn send_last(stream: &mut std::net::TcpStream, bytes: &[u8]) -> io::Result<bool> {
    stream.write_all(bytes)?;
    stream.shutdown(Shutdown::Write)?;
    Ok(false)
}

/// HTTP requires a reason, and clients ignore it.
fn reason(status: u16) -> &'static str {
    match status {
        200..=299 => "OK",
        300..=399 => "Elsewhere",
        _ => "Error",
    }
}
