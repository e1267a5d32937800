//! What a scripted server answers, and how it misbehaves while doing so.

use super::{latch::Latch, request::Wire};
use std::{
    io::{self, Write as _},
    net::Shutdown,
    time::Duration,
};

/// An answer, or what is done instead of one.
#[derive(Debug)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    manner: Manner,
    latch: Option<Latch>,
    complaint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
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
    /// This status and nothing else.
    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), manner: Manner::Whole, latch: None, complaint: None }
    }

    /// 200 with a JSON body.
    pub(crate) fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200).header("Content-Type", "application/json").body(body)
    }

    /// Any status with a text.
    pub(crate) fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::status(status).header("Content-Type", "text/plain; charset=utf-8").body(body)
    }

    /// Exactly these bytes, status line and all, then an orderly end.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::fault(Manner::Raw).body(bytes)
    }

    /// No answer: the connection ends in good order.
    pub(crate) fn close() -> Self {
        Self::fault(Manner::Close)
    }

    /// No answer: the connection is reset.
    pub(crate) fn reset() -> Self {
        Self::fault(Manner::Reset)
    }

    /// No answer, until the client goes away.
    pub(crate) fn hang() -> Self {
        Self::fault(Manner::Hang)
    }

    /// What a request gets that should not have been made: 599, and the test fails with this
    /// text when the server is dropped.
    pub(crate) fn unexpected(why: impl Into<String>) -> Self {
        let why = why.into();
        Self { complaint: Some(why.clone()), ..Self::text(599, why) }
    }

    /// Adds a header. `Content-Length` is added by itself unless it is given here.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends the body in chunks and without its length.
    pub(crate) fn chunked(self) -> Self {
        self.manner(Manner::Chunked).header("Transfer-Encoding", "chunked")
    }

    /// Announces the whole body, sends so many bytes of it and ends the connection.
    pub(crate) fn cut_after(self, after: usize) -> Self {
        self.manner(Manner::Cut { after })
    }

    /// Sends the body one byte at a time, as long as the client stays.
    pub(crate) fn drip(self, every: Duration) -> Self {
        self.manner(Manner::Drip { every })
    }

    /// Sends the body so many times, as long as the client stays. Without a length of the test's own
    /// the end of the connection is that of the reply.
    pub(crate) fn over(self, times: usize) -> Self {
        self.manner(Manner::Over { times })
    }

    /// Does nothing before the test opens this latch.
    pub(crate) fn after(mut self, latch: &Latch) -> Self {
        self.latch = Some(latch.clone());
        self
    }

    fn fault(manner: Manner) -> Self {
        Self::status(0).manner(manner)
    }

    fn manner(mut self, manner: Manner) -> Self {
        self.manner = manner;
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

    /// Sends it, and says whether the connection can carry another request. `stopping` ends a
    /// drip that nobody wants any more.
    pub(super) fn send(&self, wire: &mut Wire, stopping: &Latch) -> io::Result<bool> {
        if self.manner == Manner::Reset {
            return Ok(false);
        }
        wire.settle()?;
        let stream = wire.stream();
        match self.manner {
            Manner::Reset | Manner::Close => Ok(false),
            Manner::Hang => io::copy(stream, &mut io::sink()).map(|_| false),
            Manner::Raw => finish(stream, &self.body),
            Manner::Cut { after } => {
                let sent = &self.body[..after.min(self.body.len())];
                finish(stream, &[&self.head(), sent].concat())
            }
            Manner::Drip { every } => {
                stream.write_all(&self.head())?;
                for byte in &self.body {
                    if stopping.wait_for(every) {
                        return Ok(false);
                    }
                    stream.write_all(&[*byte])?;
                }
                Ok(self.keeps_alive())
            }
            Manner::Over { times } => {
                stream.write_all(&self.head())?;
                for _ in 0..times {
                    stream.write_all(&self.body)?;
                }
                finish(stream, &[])
            }
            Manner::Whole | Manner::Chunked => {
                stream.write_all(&[self.head(), self.coded_body()].concat())?;
                Ok(self.keeps_alive())
            }
        }
    }

    fn head(&self) -> Vec<u8> {
        let mut lines = vec![format!("HTTP/1.1 {} {}", self.status, reason(self.status))];
        let headers = self.headers.iter();
        lines.extend(headers.map(|(name, value)| format!("{name}: {value}")));
        // Neither may have a body, so a length would be wrong or misleading.
        let bodiless = matches!(self.status, 204 | 304);
        let framed = self.has("Content-Length") || self.has("Transfer-Encoding");
        let ends_with_it = matches!(self.manner, Manner::Over { .. });
        if !bodiless && !framed && !ends_with_it {
            lines.push(format!("Content-Length: {}", self.body.len()));
        }
        (lines.join("\r\n") + "\r\n\r\n").into_bytes()
    }

    fn coded_body(&self) -> Vec<u8> {
        if self.manner != Manner::Chunked {
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
        // A length of the test's own may be a lie, which only the end of the connection brings to light.
        !self.has("Content-Length") && !self.headers.iter().any(closing)
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name))
    }
}

/// The last bytes of a connection.
fn finish(stream: &mut std::net::TcpStream, bytes: &[u8]) -> io::Result<bool> {
    stream.write_all(bytes)?;
    stream.shutdown(Shutdown::Write)?;
    Ok(false)
}

/// A server has to say something here; no client may care what.
fn reason(status: u16) -> &'static str {
    match status {
        200..=299 => "OK",
        300..=399 => "Elsewhere",
        _ => "Trouble",
    }
}
