//! One connection to a broker, over which messages are published.
//!
//! Messages go out without a wait for the confirm of each, and confirms are read in between. Bytes without a confirm
//! are bounded, so that what the broker has to say fits into the buffers between it and us.

use super::confirms::{Confirms, Fate};
use super::error::AmqpErrorKind;
use super::method::{
    Incoming, Message, OkMethod, put_channel_close_ok, put_close, put_close_ok, put_open, put_publish, put_start_ok,
    put_tune_ok,
};
use super::wire::{Frame, MIN_FRAME, Malformed, PROTOCOL_HEADER};
use crate::http::url::Credentials;
use crate::secret::{Secret, mask};
use crate::system::deadline::Deadline;
use crate::system::dialer::{Connection, is_interrupted};
use crate::util::sanitize::excerpt;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// The longest frame that we take, as RabbitMQ proposes.
const MAX_FRAME: u32 = 131_072;

/// Bytes of messages that wait for their confirm at most, but for one message more.
const MAX_IN_FLIGHT: usize = 64 << 10;

/// Messages are written in pieces of this many bytes.
const WRITE_SIZE: usize = 16 << 10;

/// How long a write waits before it is looked whether the broker has something to say.
const WRITE_PATIENCE: Duration = Duration::from_millis(200);

/// How long a broker has to say goodbye when all is done or broken.
const GOODBYE: Duration = Duration::from_secs(1);

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The broker has said nothing.
    Greeting,
    /// It was sent user and password.
    Login,
    /// It was asked for vhost and exchange.
    Opening,
    /// Messages are sent.
    Publishing,
}

/// What is expected of a message that comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Returning {
    Nothing,
    Header,
    /// So many bytes of its body.
    Body(u64),
}

/// An open connection.
pub(super) struct Session<'a> {
    connection: Box<dyn Connection>,
    deadline: Deadline<'a>,
    /// What is hidden in the words of the broker.
    secrets: &'a [Secret],
    /// What to ask whoever gave wrong credentials.
    credentials_question: &'a str,
    stage: Stage,
    received: Vec<u8>,
    /// How many bytes of `received` were read.
    read: usize,
    frame_max: u32,
    returning: Returning,
    /// Why the broker takes no messages.
    blocked: Option<String>,
    confirms: Confirms,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        connection: Box<dyn Connection>,
        secrets: &'a [Secret],
        credentials_question: &'a str,
        deadline: Deadline<'a>,
    ) -> Self {
        Self {
            connection,
            deadline,
            secrets,
            credentials_question,
            stage: Stage::Greeting,
            received: Vec::new(),
            read: 0,
            frame_max: MAX_FRAME,
            returning: Returning::Nothing,
            blocked: None,
            confirms: Confirms::default(),
        }
    }

    /// What became of each message that was sent. Those behind the last one were not sent.
    pub(super) fn fates(&self) -> impl Iterator<Item = Fate> {
        self.confirms.fates()
    }

    /// Logs in, and opens the vhost and the exchange.
    ///
    /// # Errors
    /// When the broker does not agree to something.
    pub(super) fn open(&mut self, credentials: &Credentials, vhost: &str, exchange: &str) -> Result<(), AmqpErrorKind> {
        self.write(PROTOCOL_HEADER)?;
        let Incoming::Start { mechanisms } = self.next()? else { return Err(unexpected()) };
        if !mechanisms.split(' ').any(|mechanism| mechanism == "PLAIN") {
            return Err(AmqpErrorKind::NoPlainLogin(self.words(&mechanisms)));
        }
        let mut out = Vec::new();
        put_start_ok(&mut out, credentials);
        self.stage = Stage::Login;
        self.write(&out)?;
        let Incoming::Tune { frame_max } = self.next()? else { return Err(unexpected()) };
        self.frame_max = match frame_max {
            0 => MAX_FRAME,
            1..MIN_FRAME => return Err(AmqpErrorKind::SmallFrames(frame_max)),
            frame_max => frame_max.min(MAX_FRAME),
        };
        out.clear();
        put_tune_ok(&mut out, self.frame_max);
        put_open(&mut out, vhost, exchange);
        self.stage = Stage::Opening;
        self.write(&out)?;
        for reply in [OkMethod::Open, OkMethod::ChannelOpen, OkMethod::Declare, OkMethod::Select] {
            if self.next()? != Incoming::Ok(reply) {
                return Err(unexpected());
            }
        }
        self.stage = Stage::Publishing;
        Ok(())
    }

    /// Publishes messages and waits until all are confirmed.
    ///
    /// # Errors
    /// When the broker did not confirm all, or could not take some; [`Self::fates`] tells which.
    pub(super) fn publish<'m>(
        &mut self,
        exchange: &str,
        messages: impl ExactSizeIterator<Item = &'m Message<'m>>,
    ) -> Result<(), AmqpErrorKind> {
        let (mut out, sent) = (Vec::new(), messages.len());
        for message in messages {
            let begin = out.len();
            let id = self.confirms.next_tag().to_string();
            put_publish(&mut out, exchange, message, &id, self.frame_max());
            self.confirms.add(out.len() - begin);
            if out.len() >= WRITE_SIZE {
                self.write(&out)?;
                out.clear();
                self.wait_for_confirms(MAX_IN_FLIGHT)?;
            }
        }
        self.write(&out)?;
        self.wait_for_confirms(0)?;
        let [returned, refused] = [Fate::Returned, Fate::Refused].map(|fate| self.confirms.count(fate));
        match (returned, refused) {
            (0, 0) => Ok(()),
            (0, refused) => Err(AmqpErrorKind::Refused { refused, sent }),
            (returned, _) => Err(AmqpErrorKind::Returned { returned, sent, exchange: excerpt(exchange) }),
        }
    }

    /// Says goodbye. All is confirmed, so it does not matter what comes of that.
    pub(super) fn close(mut self) {
        self.deadline = self.deadline.within(GOODBYE);
        let mut out = Vec::new();
        put_close(&mut out);
        if self.write(&out).is_ok() {
            while self.next().is_ok_and(|incoming| incoming != Incoming::Ok(OkMethod::Close)) {}
        }
    }

    fn frame_max(&self) -> usize {
        self.frame_max as usize
    }

    /// Reads until at most `most` bytes of messages wait for their confirm.
    fn wait_for_confirms(&mut self, most: usize) -> Result<(), AmqpErrorKind> {
        while self.confirms.in_flight() > most {
            if self.receive(self.deadline)?.is_some() {
                return Err(unexpected());
            }
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), AmqpErrorKind> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let left = self.deadline.remaining();
            if left.is_zero() {
                return Err(self.timed_out());
            }
            let written =
                self.connection.set_write_timeout(left.min(WRITE_PATIENCE)).and_then(|()| self.connection.write(rest));
            match written {
                Ok(0) => return Err(self.broken_at_writing(&ErrorKind::WriteZero.into())),
                Ok(count) => rest = &rest[count..],
                Err(cause) if is_interrupted(&cause) => self.listen()?,
                Err(cause) => return Err(self.broken_at_writing(&cause)),
            }
        }
        Ok(())
    }

    /// Reads what the broker has to say while it takes nothing: that it is blocked, or confirms.
    fn listen(&mut self) -> Result<(), AmqpErrorKind> {
        let now = self.deadline.within(Duration::from_millis(1));
        while self.has_frame()? || self.fill(now)? {
            if self.has_frame()? && self.receive(self.deadline)?.is_some() {
                return Err(unexpected());
            }
        }
        Ok(())
    }

    /// Why nothing can be written: what the broker said before it closed tells more than the operating system.
    fn broken_at_writing(&mut self, cause: &io::Error) -> AmqpErrorKind {
        let until = self.deadline.within(GOODBYE);
        loop {
            match self.receive(until) {
                Ok(_) if until.is_past() => break,
                Ok(_) => {}
                Err(AmqpErrorKind::Broken(_) | AmqpErrorKind::NotConfirmed { .. } | AmqpErrorKind::Silent) => break,
                Err(AmqpErrorKind::Closed) if self.stage == Stage::Publishing => break,
                Err(error) => return error,
            }
        }
        AmqpErrorKind::Broken(cause.to_string())
    }

    /// The next thing that the broker says and that is not dealt with by itself.
    fn next(&mut self) -> Result<Incoming, AmqpErrorKind> {
        loop {
            if let Some(incoming) = self.receive(self.deadline)? {
                return Ok(incoming);
            }
        }
    }

    /// Reads one frame, and deals with it if it may come at any time.
    fn receive(&mut self, until: Deadline<'_>) -> Result<Option<Incoming>, AmqpErrorKind> {
        while !self.has_frame()? {
            if !self.fill(until)? {
                return Err(self.timed_out());
            }
        }
        let (incoming, len) = {
            let frame = Frame::first(&self.received[self.read..], MAX_FRAME as usize);
            let Some((frame, len)) = frame.map_err(garbled)? else { return Ok(None) };
            (Incoming::read(&frame).map_err(garbled)?, len)
        };
        self.read += len;
        self.deal_with(incoming)
    }

    fn deal_with(&mut self, incoming: Incoming) -> Result<Option<Incoming>, AmqpErrorKind> {
        match incoming {
            Incoming::Heartbeat => {}
            Incoming::Blocked { reason } => self.blocked = Some(self.words(&reason)),
            Incoming::Unblocked => self.blocked = None,
            Incoming::Confirm { tag, multiple, is_taken } => {
                self.confirms.note_confirm(tag, multiple, is_taken).map_err(garbled)?;
            }
            Incoming::Return | Incoming::Header { .. } | Incoming::Body { .. } => {
                self.returning = self.returning(&incoming)?;
            }
            Incoming::Close { code, text } => {
                self.answer(put_close_ok);
                return Err(self.ended(code, &text));
            }
            Incoming::ChannelClose { code, text } => {
                self.answer(|out| {
                    put_channel_close_ok(out);
                    put_close(out);
                });
                return Err(self.ended(code, &text));
            }
            incoming => return Ok(Some(incoming)),
        }
        Ok(None)
    }

    /// What of a message that comes back follows after this part.
    fn returning(&mut self, part: &Incoming) -> Result<Returning, AmqpErrorKind> {
        let left = match (self.returning, part) {
            (Returning::Nothing, Incoming::Return) => return Ok(Returning::Header),
            (Returning::Header, Incoming::Header { len, id }) => {
                self.confirms.note_return(id).map_err(garbled)?;
                *len
            }
            (Returning::Body(left), Incoming::Body { len }) if *len <= left => left - len,
            _ => return Err(garbled(Malformed("the parts of a message in a wrong order"))),
        };
        Ok(if left == 0 { Returning::Nothing } else { Returning::Body(left) })
    }

    /// Answers to an end. The connection may be gone by now, and its end is an error anyway.
    fn answer(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        let mut out = Vec::new();
        put(&mut out);
        let left = self.deadline.within(GOODBYE).remaining();
        if !left.is_zero() && self.connection.set_write_timeout(left).is_ok() {
            let _ = self.connection.write(&out);
        }
    }

    /// Whether a whole frame was received.
    fn has_frame(&mut self) -> Result<bool, AmqpErrorKind> {
        let rest = &self.received[self.read..];
        if self.stage == Stage::Greeting
            && let Some(first) = rest.first().filter(|first| **first != 1)
        {
            // A broker that speaks another version answers with the header of its own, and closes.
            return match rest {
                [b'A', b'M', b'Q', b'P', id, major, minor, revision, ..] => {
                    Err(AmqpErrorKind::OtherVersion(format!("{id}-{major}-{minor}-{revision}")))
                }
                _ if *first == b'A' && rest.len() < PROTOCOL_HEADER.len() => Ok(false),
                _ => Err(AmqpErrorKind::NotAmqp(self.words(&String::from_utf8_lossy(rest)))),
            };
        }
        Frame::first(rest, MAX_FRAME as usize).map(|frame| frame.is_some()).map_err(garbled)
    }

    /// Receives more bytes. Returns false if there are none before the deadline.
    fn fill(&mut self, until: Deadline<'_>) -> Result<bool, AmqpErrorKind> {
        let mut chunk = [0; 16 << 10];
        loop {
            let left = until.remaining();
            if left.is_zero() {
                return Ok(false);
            }
            let count = self.connection.set_read_timeout(left).and_then(|()| self.connection.read(&mut chunk));
            match count {
                Ok(0) => return Err(self.closed()),
                Ok(count) => {
                    self.received.drain(..self.read);
                    self.read = 0;
                    self.received.extend(&chunk[..count]);
                    return Ok(true);
                }
                Err(cause) if is_interrupted(&cause) => {}
                Err(cause) => return Err(AmqpErrorKind::Broken(cause.to_string())),
            }
        }
    }

    fn timed_out(&self) -> AmqpErrorKind {
        match (&self.blocked, self.stage) {
            (Some(reason), _) => AmqpErrorKind::Blocked(reason.clone()),
            (None, Stage::Publishing) => {
                let (confirmed, sent) = (self.confirms.count(Fate::Taken), self.fates().count());
                AmqpErrorKind::NotConfirmed { confirmed, sent }
            }
            (None, _) => AmqpErrorKind::Silent,
        }
    }

    /// A broker that does not know our capabilities closes without a word when it refuses a login.
    fn closed(&self) -> AmqpErrorKind {
        match self.stage {
            Stage::Login => self.refused("it closed the connection at the login".to_owned()),
            _ => AmqpErrorKind::Closed,
        }
    }

    fn refused(&self, said: String) -> AmqpErrorKind {
        AmqpErrorKind::Login { said, question: self.credentials_question.to_owned() }
    }

    fn ended(&self, code: u16, text: &str) -> AmqpErrorKind {
        let said = self.words(&format!("{code} {text}"));
        match code {
            403 => self.refused(said),
            404 => AmqpErrorKind::NoExchange(said),
            530 if self.stage == Stage::Opening => AmqpErrorKind::Vhost(said),
            _ => AmqpErrorKind::Ended(said),
        }
    }

    /// Words of the broker, fit for a message.
    fn words(&self, text: &str) -> String {
        excerpt(&mask(text, self.secrets))
    }
}

fn garbled(Malformed(what): Malformed) -> AmqpErrorKind {
    AmqpErrorKind::Garbled(what.to_owned())
}

fn unexpected() -> AmqpErrorKind {
    garbled(Malformed("a method that makes no sense here"))
}
