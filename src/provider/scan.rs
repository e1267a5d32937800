//! Finds the end of a plain part of JSON text, eight bytes at once.
//!
//! Most of the time of a long reply is spent here. The tricks are those of
//! [Bit Twiddling Hacks](https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord): each byte that is found gets its
//! high bit. A byte may be found by mistake only after one that is rightly found, so the first one is always right.

/// A word whose bytes are all this one.
const fn all(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Finds the next quote, backslash or control character, or the end.
#[inline]
pub(super) fn end_of_plain(bytes: &[u8], at: usize) -> usize {
    find(bytes, at, |word| {
        let control = word.wrapping_sub(all(b' '));
        let quote = (word ^ all(b'"')).wrapping_sub(all(1));
        let backslash = (word ^ all(b'\\')).wrapping_sub(all(1));
        (control | quote | backslash) & !word & all(0x80)
    })
}

/// Finds the next byte that is no digit, or the end.
#[inline]
pub(super) fn end_of_digits(bytes: &[u8], at: usize) -> usize {
    find(bytes, at, |word| {
        let value = word ^ all(b'0');
        (value.wrapping_add(all(0x80 - 10)) | value) & all(0x80)
    })
}

/// Finds the first byte that `marks` marks. It must mark zeros, which stand for what comes after the end.
#[inline]
fn find(bytes: &[u8], mut at: usize, marks: impl Fn(u64) -> u64) -> usize {
    loop {
        let found = marks(word_at(bytes, at));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
}

/// The eight bytes that begin here.
#[inline]
fn word_at(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..at + 8).and_then(<[u8]>::first_chunk) {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => last_word(bytes.get(at..).unwrap_or_default()),
    }
}

/// The last bytes, with zeros after them.
#[cold]
#[inline(never)]
fn last_word(rest: &[u8]) -> u64 {
    rest.iter().rfold(0, |word, byte| word << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte, after none to nine others, and before others that could be marked by mistake.
    #[test]
    fn the_first_byte_is_found_that_a_plain_search_finds() {
        for before in ["", "5", "012345678", "é", "\u{7f}\u{80}"] {
            for byte in 0..=u8::MAX {
                for after in [&b""[..], b"\x00\"", b"!#[]/:", b"0123456789"] {
                    let bytes = [before.as_bytes(), &[byte], after].concat();
                    let first = |is_end: fn(&u8) -> bool| bytes.iter().position(is_end).unwrap_or(bytes.len());
                    let plain = first(|byte| *byte < b' ' || *byte == b'"' || *byte == b'\\');
                    assert_eq!(end_of_plain(&bytes, 0), plain, "{bytes:?}");
                    assert_eq!(end_of_digits(&bytes, 0), first(|byte| !byte.is_ascii_digit()), "{bytes:?}");
                }
            }
        }
        assert_eq!((end_of_plain(b"ab", 2), end_of_digits(b"ab", 2)), (2, 2));
    }
}
