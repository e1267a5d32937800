//! The bytes of AMQP 0-9-1: frames, and the fields in them
//! (<https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf>, chapter 4.2).

/// What a client says first.
pub(super) const PROTOCOL_HEADER: &[u8; 8] = b"AMQP\0\0\x09\x01";

/// Bytes of a frame beside its payload: kind, channel and length before it, and a mark after it.
pub(super) const FRAME_OVERHEAD: usize = 8;

/// The shortest limit of frames that AMQP allows.
pub(super) const MIN_FRAME: u32 = 4_096;

const FRAME_HEAD: usize = 7;
const FRAME_END: u8 = 0xce;

/// Bytes that are no AMQP, with what is wrong in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// The kinds of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// A method with its arguments.
    Method = 1,
    /// Size and properties of a message.
    Header = 2,
    /// A part of the body of a message.
    Body = 3,
    /// A sign of life.
    Heartbeat = 8,
}

/// A frame that was received.
#[derive(Debug, PartialEq)]
pub(super) struct Frame<'a> {
    pub(super) kind: FrameKind,
    pub(super) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The first frame of `received`, and its length. `None` if it is not complete yet.
    ///
    /// # Errors
    /// When it is no frame, or longer than `max`.
    pub(super) fn first(received: &'a [u8], max: usize) -> Result<Option<(Self, usize)>, Malformed> {
        let kind = match received.first() {
            None => return Ok(None),
            Some(1) => FrameKind::Method,
            Some(2) => FrameKind::Header,
            Some(3) => FrameKind::Body,
            Some(8) => FrameKind::Heartbeat,
            Some(_) => return Err(Malformed("a frame of an unknown kind")),
        };
        let Some(head) = received.get(..FRAME_HEAD) else { return Ok(None) };
        let len = usize::try_from(Fields(&head[3..]).u32()?).unwrap_or(usize::MAX);
        if len > max - FRAME_OVERHEAD {
            return Err(Malformed("a frame that is longer than was agreed"));
        }
        match received.get(FRAME_HEAD..=FRAME_HEAD + len).and_then(<[u8]>::split_last) {
            None => Ok(None),
            Some((&FRAME_END, payload)) => Ok(Some((Self { kind, payload }, len + FRAME_OVERHEAD))),
            Some(_) => Err(Malformed("a frame without its mark at the end")),
        }
    }
}

/// Fields that are read one after the other.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed("a field that is cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed("a field that is cut off"))
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    /// A text of at most 255 bytes.
    pub(super) fn short_text(&mut self) -> Result<String, Malformed> {
        let len = self.u8()?;
        self.take(len.into()).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// A long text or a table.
    pub(super) fn long(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.u32()?;
        self.take(usize::try_from(len).unwrap_or(usize::MAX))
    }
}

/// Appends a frame, whose payload `put` appends.
pub(super) fn put_frame(out: &mut Vec<u8>, kind: FrameKind, channel: u16, put: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind as u8);
    out.extend(channel.to_be_bytes());
    put_sized(out, put);
    out.push(FRAME_END);
}

/// Appends what `put` appends, with its length before it: a long text, a table, or a payload.
pub(super) fn put_sized(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend([0; 4]);
    put(out);
    // Nothing here comes near 4 GiB.
    let len = u32::try_from(out.len() - at - 4).unwrap_or(u32::MAX);
    out[at..at + 4].copy_from_slice(&len.to_be_bytes());
}

/// Appends a text of at most 255 bytes. The caller sees to that; what is longer is cut.
pub(super) fn put_short_text(out: &mut Vec<u8>, text: &str) {
    let len = u8::try_from(text.len()).unwrap_or(u8::MAX);
    out.push(len);
    out.extend(&text.as_bytes()[..len.into()]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amqp_frame_is_read_as_soon_as_it_is_whole() {
        let mut bytes = Vec::new();
        put_frame(&mut bytes, FrameKind::Body, 1, |out| out.extend(b"1.5 7"));
        assert_eq!(bytes, b"\x03\0\x01\0\0\0\x051.5 7\xce");
        for end in 0..bytes.len() {
            assert_eq!(Frame::first(&bytes[..end], 100), Ok(None), "{end}");
        }
        bytes.push(8);
        let frame = Frame { kind: FrameKind::Body, payload: b"1.5 7" };
        assert_eq!(Frame::first(&bytes, 13), Ok(Some((frame, 13))));
    }

    #[test]
    fn an_amqp_frame_that_is_too_long_or_broken_is_an_error() {
        let too_long = Err(Malformed("a frame that is longer than was agreed"));
        assert_eq!(Frame::first(b"\x03\0\x01\0\0\0\x051.5 7\xce", 12), too_long);
        assert_eq!(Frame::first(b"\x01\0\0\xff\xff\xff\xff", 131_072), too_long);
        let no_mark = Err(Malformed("a frame without its mark at the end"));
        assert_eq!(Frame::first(b"\x03\0\x01\0\0\0\x011\0", 100), no_mark);
        assert_eq!(Frame::first(b"HTTP", 100), Err(Malformed("a frame of an unknown kind")));
    }

    #[test]
    fn amqp_fields_are_read_as_they_were_written() {
        let mut bytes = Vec::new();
        put_short_text(&mut bytes, "graphite");
        put_sized(&mut bytes, |out| out.extend(b"\0a\0b"));
        bytes.extend([1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4]);
        let mut fields = Fields(&bytes);
        assert_eq!(fields.short_text().unwrap(), "graphite");
        assert_eq!(fields.long().unwrap(), b"\0a\0b");
        assert_eq!((fields.u8(), fields.u16(), fields.u32(), fields.u64()), (Ok(1), Ok(2), Ok(3), Ok(4)));
        assert_eq!(fields.u8(), Err(Malformed("a field that is cut off")));
    }

    #[test]
    fn a_short_text_of_amqp_is_never_longer_than_its_length_says() {
        let mut bytes = Vec::new();
        put_short_text(&mut bytes, &"x".repeat(300));
        assert_eq!((bytes.len(), bytes[0]), (256, 255));
    }
}
