//! The two encodings in which Carbon takes points, without what it cannot take.

use crate::metrics::batch::Batch;
use std::io::Write;

/// Longest line that Carbon reads, in bytes (`MAX_LENGTH` of Twisted's `LineOnlyReceiver`).
const MAX_LINE: usize = 16_384;

/// Most points in a frame, as Carbon's own relay sends (`MAX_DATAPOINTS_PER_MESSAGE` of
/// <https://github.com/graphite-project/carbon/blob/master/lib/carbon/conf.py>).
const MAX_FRAME_POINTS: usize = 500;

/// Longest frame that Carbon reads, in bytes (`PICKLE_RECEIVER_MAX_LENGTH` there); longer ones end
/// the connection.
const MAX_FRAME: usize = 1 << 20;

/// Encoded points.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Encoded {
    /// The bytes to send.
    pub(crate) bytes: Vec<u8>,
    /// How many points are in them.
    pub(crate) points: usize,
    /// The points that are not in them.
    pub(crate) left_out: Vec<LeftOut>,
}

/// A point that Carbon cannot take.
#[derive(Debug, PartialEq)]
pub(crate) struct LeftOut {
    /// The index in the batch.
    pub(crate) index: usize,
    /// Why, as a clause that follows the name.
    pub(crate) reason: &'static str,
}

impl Encoded {
    fn leave_out(&mut self, index: usize, reason: &'static str) {
        self.left_out.push(LeftOut { index, reason });
    }
}

/// The points of a batch, one a line: `name[;key=value...] value time`. The last line ends in a newline
/// too: Carbon drops a line without one.
pub(crate) fn plaintext(batch: &Batch) -> Encoded {
    let tags = tags(batch);
    let bad_tags = has_space(&tags);
    let mut out = Encoded::default();
    for (index, point) in batch.iter().enumerate() {
        if point.name.is_empty() || bad_tags || has_space(point.name) {
            out.leave_out(
                index,
                "has white space in its name or tags, or no name, which a line for Carbon cannot hold",
            );
            continue;
        }
        let begin = out.bytes.len();
        // Writing into memory does not fail.
        let _ = writeln!(out.bytes, "{}{tags} {} {}", point.name, point.value, point.time);
        if out.bytes.len() - begin > MAX_LINE {
            out.bytes.truncate(begin);
            out.leave_out(index, "makes a line above 16384 bytes, the most that Carbon reads");
        } else {
            out.points += 1;
        }
    }
    out
}

/// The tags, as they follow a name.
fn tags(batch: &Batch) -> String {
    batch.tags.iter().flat_map(|tag| [";", tag]).collect()
}

/// Whether Carbon would see more than one word. It splits at any white space of Unicode.
fn has_space(text: &str) -> bool {
    !text.bytes().all(|b| b.is_ascii_graphic()) && text.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// The points of a batch in frames, one after the other: the length in four bytes, then
/// `[(path, (time, value)), ...]` in Python's pickle protocol 2.
/// <https://github.com/python/cpython/blob/main/Lib/pickletools.py> describes the opcodes.
pub(crate) fn pickle(batch: &Batch) -> Encoded {
    /// Opcodes, numbers and lengths of a point take less than this.
    const POINT_OVERHEAD: usize = 32;
    let tags = tags(batch);
    let mut out = Encoded::default();
    let mut frame = PickleFrame::default();
    for (index, point) in batch.iter().enumerate() {
        let len = point.name.len() + tags.len() + POINT_OVERHEAD;
        if len > MAX_FRAME - PickleFrame::OVERHEAD {
            out.leave_out(index, "is longer than a frame for Carbon may be");
            continue;
        }
        if frame.points == MAX_FRAME_POINTS || frame.body.len() + len > MAX_FRAME - PickleFrame::OVERHEAD {
            frame.flush(&mut out.bytes);
        }
        frame.push([point.name, &tags], point.time, point.value.to_f64());
        out.points += 1;
    }
    frame.flush(&mut out.bytes);
    out
}

/// The points of one frame, pickled.
#[derive(Default)]
struct PickleFrame {
    body: Vec<u8>,
    points: usize,
}

impl PickleFrame {
    /// Bytes before and after the points: the length, `PROTO 2`, `EMPTY_LIST`, `MARK`; `APPENDS`, `STOP`.
    const OVERHEAD: usize = 4 + 4 + 2;

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

    /// Appends the frame to `out`, unless it is empty, and starts the next one.
    fn flush(&mut self, out: &mut Vec<u8>) {
        if self.points > 0 {
            let len = u32::try_from(self.body.len() + Self::OVERHEAD - 4).unwrap_or(u32::MAX); // 1 MiB at most
            out.extend(len.to_be_bytes());
            out.extend(b"\x80\x02](");
            out.append(&mut self.body);
            out.extend(b"e.");
        }
        self.points = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::number::Number;
    use arbtest::arbitrary::{self, Unstructured};

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
    fn a_carbon_line_holds_name_tags_value_and_time() {
        let tags = ["env=home", "a=b"];
        let lines = plaintext(&batch(&tags, &[("crypto.BTC-USD.last", "0E-7", 1_785_182_401)]));
        assert_eq!(String::from_utf8(lines.bytes).unwrap(), "crypto.BTC-USD.last;env=home;a=b 0E-7 1785182401\n");
        assert_eq!((lines.points, lines.left_out), (1, vec![]));
        assert_eq!(plaintext(&batch(&tags, &[])), Encoded::default());
    }

    #[test]
    fn a_point_that_would_break_the_connection_to_carbon_is_left_out() {
        let long = "x".repeat(MAX_LINE - "; 1 5\n".len());
        let points = [(long.as_str(), "1", 5), ("a b", "1", 5), ("a\u{a0}b", "1", 5), ("", "1", 5), ("ok", "1", 5)];
        let lines = plaintext(&batch(&[], &points));
        assert_eq!((lines.points, lines.left_out.len()), (2, 3), "{:?}", lines.left_out);
        let lines = plaintext(&batch(&["k=v"], &points[..1]));
        assert_eq!((lines.bytes.len(), lines.left_out[0].index), (0, 0));
        assert_eq!(plaintext(&batch(&["env=my home"], &points[4..])).left_out.len(), 1);
    }

    #[test]
    fn carbon_lines_split_back_into_the_points() {
        arbtest::arbtest(|u| {
            let batch = any_batch(u)?;
            let lines = plaintext(&batch);
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
    fn pickle_frames_hold_the_points() {
        arbtest::arbtest(|u| {
            let batch = any_batch(u)?;
            let pickled = pickle(&batch);
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
    fn a_point_larger_than_a_pickle_frame_is_left_out() {
        let long = "x".repeat(MAX_FRAME);
        let pickled = pickle(&batch(&[], &[("a", "1", 5), (&long, "1", 5), ("b", "2", 1 << 40)]));
        assert_eq!(frames(&pickled.bytes), [[("a".to_owned(), 5, 1.0), ("b".to_owned(), 1 << 40, 2.0)]]);
        assert_eq!((pickled.points, pickled.left_out.len()), (2, 1));
    }
}
