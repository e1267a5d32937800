//! The methods of AMQP that a publisher needs, and RabbitMQ's own of them
//! (<https://www.rabbitmq.com/amqp-0-9-1-reference.html>).

use super::wire::{FRAME_OVERHEAD, Fields, Frame, FrameKind, Malformed, put_frame, put_short_text, put_sized};
use crate::http::url::Credentials;

/// What a broker says.
#[derive(Debug, PartialEq)]
pub(super) enum Incoming {
    /// Its ways to log in, separated by spaces.
    Start { mechanisms: String },
    /// The longest frame that it takes; 0 for any.
    Tune { frame_max: u32 },
    /// The reply to a method of ours.
    Ok(OkMethod),
    /// It ends the connection.
    Close { code: u16, text: String },
    /// It ends the channel.
    ChannelClose { code: u16, text: String },
    /// It takes no messages for now.
    Blocked { reason: String },
    /// It takes messages again.
    Unblocked,
    /// It gives a message back. Head and body of the message follow.
    Return,
    /// Size and id of a message.
    Header { len: u64, id: String },
    /// The length of a part of a message.
    Body { len: u64 },
    /// It has dealt with a message, or with all up to it.
    Confirm { tag: u64, multiple: bool, is_taken: bool },
    /// A sign of life.
    Heartbeat,
    /// Anything else: class and method.
    Other { class: u16, method: u16 },
}

/// The replies, such as `open-ok`, to the methods by which a channel is made ready, and to the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OkMethod {
    Open,
    ChannelOpen,
    Declare,
    Select,
    Close,
}

impl Incoming {
    /// Reads a frame.
    ///
    /// # Errors
    /// When its fields are cut off.
    pub(super) fn read(frame: &Frame<'_>) -> Result<Self, Malformed> {
        let mut fields = Fields(frame.payload);
        match frame.kind {
            FrameKind::Method => Self::read_method(&mut fields),
            FrameKind::Header => Self::read_header(&mut fields),
            FrameKind::Body => Ok(Self::Body { len: frame.payload.len() as u64 }),
            FrameKind::Heartbeat => Ok(Self::Heartbeat),
        }
    }

    fn read_method(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        let (class, method) = (fields.u16()?, fields.u16()?);
        Ok(match (class, method) {
            (10, 10) => {
                let (_version, _properties) = (fields.u16()?, fields.long()?);
                Self::Start { mechanisms: String::from_utf8_lossy(fields.long()?).into_owned() }
            }
            (10, 30) => {
                let _channel_max = fields.u16()?;
                Self::Tune { frame_max: fields.u32()? }
            }
            (10, 41) => Self::Ok(OkMethod::Open),
            (10, 50) => Self::Close { code: fields.u16()?, text: fields.short_text()? },
            (10, 51) => Self::Ok(OkMethod::Close),
            (10, 60) => Self::Blocked { reason: fields.short_text()? },
            (10, 61) => Self::Unblocked,
            (20, 11) => Self::Ok(OkMethod::ChannelOpen),
            (20, 40) => Self::ChannelClose { code: fields.u16()?, text: fields.short_text()? },
            (40, 11) => Self::Ok(OkMethod::Declare),
            (60, 50) => Self::Return,
            (60, 80 | 120) => {
                // Of a refusal the second bit says whether the message goes back into a queue.
                let (tag, bits) = (fields.u64()?, fields.u8()?);
                Self::Confirm { tag, multiple: bits & 1 != 0, is_taken: method == 80 }
            }
            (85, 11) => Self::Ok(OkMethod::Select),
            _ => Self::Other { class, method },
        })
    }

    /// The properties before the id are read past: a broker may add some to those that it was sent.
    fn read_header(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        let (_class, _weight, len, flags) = (fields.u16()?, fields.u16()?, fields.u64()?, fields.u16()?);
        let mut id = String::new();
        for bit in (7..16).rev().filter(|bit| flags & (1 << bit) != 0) {
            match bit {
                13 => drop(fields.long()?),
                11 | 12 => drop(fields.u8()?),
                _ => id = fields.short_text()?,
            }
        }
        if flags & MESSAGE_ID == 0 {
            id.clear();
        }
        Ok(Self::Header { len, id })
    }
}

/// The bits of the properties that a message has.
const DELIVERY_MODE: u16 = 1 << 12;
const MESSAGE_ID: u16 = 1 << 7;

/// A broker keeps such messages over a restart, where the queue is kept too.
const PERSISTENT: u8 = 2;

/// The only channel. Channel 0 is the connection itself.
const CHANNEL: u16 = 1;

/// A message for one point.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message<'a> {
    /// What bindings of queues are compared with.
    pub(super) routing_key: &'a str,
    pub(super) body: &'a str,
}

fn put_method(out: &mut Vec<u8>, channel: u16, (class, method): (u16, u16), put: impl FnOnce(&mut Vec<u8>)) {
    put_frame(out, FrameKind::Method, channel, |out| {
        out.extend(class.to_be_bytes());
        out.extend(method.to_be_bytes());
        put(out);
    });
}

/// Logs in, and says who we are and which of RabbitMQ's methods we understand.
pub(super) fn put_start_ok(out: &mut Vec<u8>, Credentials { user, password }: &Credentials) {
    let put_text = |out: &mut Vec<u8>, key: &str, text: &str| {
        put_short_text(out, key);
        out.push(b'S');
        put_sized(out, |out| out.extend(text.bytes()));
    };
    put_method(out, 0, (10, 11), |out| {
        put_sized(out, |out| {
            put_text(out, "product", "datametrics");
            put_text(out, "version", env!("CARGO_PKG_VERSION"));
            put_short_text(out, "capabilities");
            out.push(b'F');
            put_sized(out, |out| {
                // Without the first, wrong credentials are a close without a word.
                for name in ["authentication_failure_close", "connection.blocked", "publisher_confirms", "basic.nack"] {
                    put_short_text(out, name);
                    out.extend(b"t\x01");
                }
            });
        });
        put_short_text(out, "PLAIN");
        put_sized(out, |out| out.extend(format!("\0{user}\0{}", password.expose()).bytes()));
        put_short_text(out, "en_US");
    });
}

/// Agrees on the longest frame, on one channel, and on no heartbeats: a run is over sooner.
pub(super) fn put_tune_ok(out: &mut Vec<u8>, frame_max: u32) {
    put_method(out, 0, (10, 31), |out| {
        out.extend(CHANNEL.to_be_bytes());
        out.extend(frame_max.to_be_bytes());
        out.extend([0, 0]);
    });
}

/// Opens the vhost and the channel, asks for the exchange without making it, and switches confirms on.
pub(super) fn put_open(out: &mut Vec<u8>, vhost: &str, exchange: &str) {
    const PASSIVE: u8 = 1;
    put_method(out, 0, (10, 40), |out| {
        put_short_text(out, vhost);
        out.extend([0, 0]);
    });
    put_method(out, CHANNEL, (20, 10), |out| out.push(0));
    put_method(out, CHANNEL, (40, 10), |out| {
        out.extend([0, 0]);
        put_short_text(out, exchange);
        put_short_text(out, "topic");
        out.push(PASSIVE);
        put_sized(out, |_| {});
    });
    put_method(out, CHANNEL, (85, 10), |out| out.push(0));
}

/// Publishes a message. Where it can be routed to no queue, the broker gives it back with this id.
pub(super) fn put_publish(out: &mut Vec<u8>, exchange: &str, message: &Message<'_>, id: &str, frame_max: usize) {
    const MANDATORY: u8 = 1;
    put_method(out, CHANNEL, (60, 40), |out| {
        out.extend([0, 0]);
        put_short_text(out, exchange);
        put_short_text(out, message.routing_key);
        out.push(MANDATORY);
    });
    put_frame(out, FrameKind::Header, CHANNEL, |out| {
        out.extend([0, 60, 0, 0]);
        out.extend((message.body.len() as u64).to_be_bytes());
        out.extend((DELIVERY_MODE | MESSAGE_ID).to_be_bytes());
        out.push(PERSISTENT);
        put_short_text(out, id);
    });
    for part in message.body.as_bytes().chunks(frame_max - FRAME_OVERHEAD) {
        put_frame(out, FrameKind::Body, CHANNEL, |out| out.extend(part));
    }
}

/// Ends the connection.
pub(super) fn put_close(out: &mut Vec<u8>) {
    put_method(out, 0, (10, 50), |out| {
        out.extend(200_u16.to_be_bytes());
        put_short_text(out, "");
        out.extend([0; 4]);
    });
}

/// Agrees that the connection ends.
pub(super) fn put_close_ok(out: &mut Vec<u8>) {
    put_method(out, 0, (10, 51), |_| {});
}

/// Agrees that the channel ends.
pub(super) fn put_channel_close_ok(out: &mut Vec<u8>) {
    put_method(out, CHANNEL, (20, 41), |_| {});
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn read(bytes: &[u8]) -> Vec<Incoming> {
        let (mut rest, mut read) = (bytes, Vec::new());
        while let Some((frame, len)) = Frame::first(rest, 131_072).unwrap() {
            read.push(Incoming::read(&frame).unwrap());
            rest = &rest[len..];
        }
        assert!(rest.is_empty());
        read
    }

    fn method(class: u16, number: u16, fields: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_method(&mut bytes, 0, (class, number), |out| out.extend(fields));
        bytes
    }

    #[test]
    fn amqp_methods_of_a_broker_are_read() {
        let text = || "no".to_owned();
        for (bytes, expected) in [
            (
                method(10, 10, b"\0\x09\0\0\0\x02xy\0\0\0\x05PLAIN\0\0\0\0"),
                Incoming::Start { mechanisms: "PLAIN".into() },
            ),
            (method(10, 30, b"\x07\xff\0\x02\0\0\0\x3c"), Incoming::Tune { frame_max: 131_072 }),
            (method(10, 41, b"\0"), Incoming::Ok(OkMethod::Open)),
            (method(10, 50, b"\x02\x12\x02no\0\0\0\0"), Incoming::Close { code: 530, text: text() }),
            (method(20, 40, b"\x01\x94\x02no\0\x28\0\x0a"), Incoming::ChannelClose { code: 404, text: text() }),
            (method(10, 60, b"\x02no"), Incoming::Blocked { reason: text() }),
            (method(60, 80, b"\0\0\0\0\0\0\0\x07\x01"), Incoming::Confirm { tag: 7, multiple: true, is_taken: true }),
            (
                method(60, 120, b"\0\0\0\0\0\0\0\x07\x02"),
                Incoming::Confirm { tag: 7, multiple: false, is_taken: false },
            ),
            (method(60, 60, b""), Incoming::Other { class: 60, method: 60 }),
        ] {
            assert_eq!(read(&bytes), [expected]);
        }
        for cut in [method(10, 10, b"\0\x09\0\0\0\x09xy"), method(60, 80, b"\0"), method(10, 50, b"\x02\x12\x09no")] {
            let (frame, _) = Frame::first(&cut, 131_072).unwrap().unwrap();
            assert_eq!(Incoming::read(&frame), Err(Malformed("a field that is cut off")));
        }
    }

    #[test]
    fn the_id_of_a_returned_message_is_found_behind_other_properties() {
        let mut bytes = Vec::new();
        put_frame(&mut bytes, FrameKind::Header, 1, |out| {
            out.extend(b"\0\x3c\0\0\0\0\0\0\0\0\0\x05");
            out.extend(0b1011_0100_1000_0000_u16.to_be_bytes());
            out.extend(b"\x04text\0\0\0\x02xy\x02\x03cor\x0242");
        });
        assert_eq!(read(&bytes), [Incoming::Header { len: 5, id: "42".to_owned() }]);
        let mut bytes = Vec::new();
        put_frame(&mut bytes, FrameKind::Header, 1, |out| {
            out.extend(b"\0\x3c\0\0\0\0\0\0\0\0\0\x05\x80\0\x04text");
        });
        assert_eq!(read(&bytes), [Incoming::Header { len: 5, id: String::new() }]);
    }

    #[test]
    fn an_amqp_message_is_split_into_frames_that_the_broker_takes() {
        let body = "x".repeat(10_000);
        let mut bytes = Vec::new();
        put_publish(&mut bytes, "graphite", &Message { routing_key: "a.b", body: &body }, "1", 4_096);
        let lengths: Vec<_> =
            read(&bytes)[2..].iter().map(|part| matches!(part, Incoming::Body { len } if *len <= 4_088)).collect();
        assert_eq!(lengths, [true; 3]);
        assert_eq!(read(&bytes)[1], Incoming::Header { len: 10_000, id: "1".to_owned() });
    }

    #[test]
    fn the_amqp_login_is_plain() {
        let mut bytes = Vec::new();
        let credentials = Credentials { user: "me".to_owned(), password: Secret::new("pw") };
        put_start_ok(&mut bytes, &credentials);
        let login = b"\x05PLAIN\0\0\0\x06\0me\0pw\x05en_US\xce";
        assert!(bytes.ends_with(login), "{bytes:?}");
    }
}
