//! Undoes the encodings of a body (`Content-Encoding`). ureq can do it too, but knows only the spelling
//! `gzip` and passes every other body on as it is.

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use std::io::{self, Cursor, ErrorKind, Read};

/// The encoding that requests ask for.
pub(super) const ACCEPTED: &str = "gzip";

/// The most encodings of one body. Each one that is undone takes memory.
const MAX_ENCODINGS: usize = 2;

/// How a body is encoded. Servers use these two also if a request does not ask for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Gzip,
    /// zlib, as the standard wants it, or a raw deflate stream, as some servers send it
    /// (<https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1.2>).
    Deflate,
}

/// A body that cannot be decompressed.
#[derive(Debug, thiserror::Error)]
#[error("its {0} cannot be read")]
pub(super) struct Damaged(&'static str);

/// The encodings in the value of a `Content-Encoding` header, in the order in which they were applied.
/// `None` if there is an unknown one, or too many.
pub(super) fn parse(value: &str) -> Option<Vec<Encoding>> {
    let names = value.split(',').map(|name| name.trim().to_ascii_lowercase());
    let encoding = |name: String| match name.strip_prefix("x-").unwrap_or(&name) {
        "gzip" => Some(Encoding::Gzip),
        "deflate" => Some(Encoding::Deflate),
        _ => None,
    };
    let names = names.filter(|name| !matches!(name.as_str(), "" | "identity"));
    let encodings: Vec<Encoding> = names.map(encoding).collect::<Option<_>>()?;
    (encodings.len() <= MAX_ENCODINGS).then_some(encodings)
}

/// The bytes behind these encodings.
///
/// # Errors
/// When the first bytes cannot be read.
pub(super) fn decode(
    encodings: &[Encoding],
    body: impl Read + Send + Sync + 'static,
) -> io::Result<Box<dyn Read + Send + Sync>> {
    let mut decoded: Box<dyn Read + Send + Sync> = Box::new(body);
    for encoding in encodings.iter().rev() {
        decoded = match encoding {
            Encoding::Gzip => Box::new(Decoder(MultiGzDecoder::new(decoded), "gzip")),
            Encoding::Deflate => {
                let mut beginning = Vec::new();
                decoded.by_ref().take(2).read_to_end(&mut beginning)?;
                let is_zlib = is_zlib(&beginning);
                let whole = Cursor::new(beginning).chain(decoded);
                if is_zlib {
                    Box::new(Decoder(ZlibDecoder::new(whole), "deflate"))
                } else {
                    Box::new(Decoder(DeflateDecoder::new(whole), "deflate"))
                }
            }
        };
    }
    Ok(decoded)
}

/// A body that is JSON as it is, whatever its header says: some servers name an encoding that they do not use.
/// `None` if it does not begin like an object or an array.
///
/// # Errors
/// When the first byte cannot be read.
pub(super) fn plain_json(
    mut body: impl Read + Send + Sync + 'static,
) -> io::Result<Option<impl Read + Send + Sync + 'static>> {
    let mut beginning = Vec::new();
    body.by_ref().take(64).read_to_end(&mut beginning)?;
    Ok(begins_like_json(&beginning).then(|| Cursor::new(beginning).chain(body)))
}

/// Whether these bytes begin an object or an array. One byte is not enough: long bodies in Brotli often begin with
/// a `[`.
fn begins_like_json(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).trim_ascii_start();
    match bytes.split_first() {
        Some((b'{', rest)) => matches!(rest.trim_ascii_start().first(), None | Some(b'"' | b'}')),
        Some((b'[', rest)) => {
            let first = rest.trim_ascii_start().first();
            first.is_none_or(|byte| matches!(byte, b'"' | b'{' | b'[' | b']' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n'))
        }
        _ => false,
    }
}

/// Whether a body begins with the header of zlib (<https://www.rfc-editor.org/rfc/rfc1950#section-2.2>). The
/// same bytes would begin a raw stream whose padding is not zero, which no server sends.
fn is_zlib(beginning: &[u8]) -> bool {
    matches!(*beginning, [method, flags] if method & 0x8f == 8 && u16::from_be_bytes([method, flags]) % 31 == 0)
}

/// A decoder of flate2, which reports a damaged stream as [`Damaged`].
struct Decoder<R>(R, &'static str);

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            ErrorKind::InvalidInput | ErrorKind::UnexpectedEof => io::Error::other(Damaged(self.1)),
            // An error of the connection.
            _ => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::read::{DeflateEncoder, GzEncoder, ZlibEncoder};

    const TEXT: &[u8] = b"{\"last\":64210.10}";

    fn all(mut from: impl Read) -> Vec<u8> {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        all(GzEncoder::new(bytes, Compression::best()))
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        all(ZlibEncoder::new(bytes, Compression::best()))
    }

    fn raw(bytes: &[u8]) -> Vec<u8> {
        all(DeflateEncoder::new(bytes, Compression::best()))
    }

    fn decoded(value: &str, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        decode(&parse(value).unwrap(), Cursor::new(bytes))?.read_to_end(&mut text)?;
        Ok(text)
    }

    #[test]
    fn gzip_and_deflate_are_undone_in_any_spelling() {
        for (value, bytes) in [
            ("", TEXT.to_vec()),
            ("identity", TEXT.to_vec()),
            ("gzip", gzip(TEXT)),
            (" GZIP ", gzip(TEXT)),
            ("x-gzip", gzip(TEXT)),
            ("identity, X-Gzip", gzip(TEXT)),
            // Two members one after the other are one body.
            ("gzip", [gzip(&TEXT[..7]), gzip(&TEXT[7..])].concat()),
            ("deflate", zlib(TEXT)),
            ("Deflate", raw(TEXT)),
            ("gzip,gzip", gzip(&gzip(TEXT))),
            // The last one was applied last.
            ("deflate, gzip", gzip(&zlib(TEXT))),
            ("gzip, deflate,", raw(&gzip(TEXT))),
        ] {
            assert_eq!(decoded(value, bytes).unwrap(), TEXT, "{value:?}");
        }
    }

    #[test]
    fn other_encodings_and_long_lists_are_refused() {
        for value in ["br", "zstd", "compress", "gzip, br", "gzip;q=1", "gzip,gzip,gzip", "none"] {
            assert_eq!(parse(value), None, "{value:?}");
        }
    }

    #[test]
    fn each_beginning_of_a_compressed_body_is_damaged() {
        for (value, whole) in [("gzip", gzip(TEXT)), ("deflate", zlib(TEXT)), ("deflate", raw(TEXT))] {
            for len in 0..whole.len() {
                let error = decoded(value, whole[..len].to_vec()).unwrap_err();
                assert_eq!(error.to_string(), format!("its {value} cannot be read"), "{len} of {value}");
            }
        }
        assert!(decoded("gzip", TEXT.to_vec()).is_err());
        assert!(decoded("deflate", TEXT.to_vec()).is_err());
    }

    #[test]
    fn plain_json_is_known_by_its_first_bytes() {
        let plain = |bytes: &'static [u8]| plain_json(bytes).unwrap().map(all);
        assert_eq!(plain(TEXT).as_deref(), Some(TEXT));
        assert!(plain(b"\xef\xbb\xbf\t[ -1]").is_some());
        for bytes in [&b""[..], b"\x1b\x05\0\xf8", b"[\xff\xff\x7f\0", b"{\x05", b"<html>"] {
            assert_eq!(plain(bytes), None);
        }
    }

    #[test]
    fn an_error_of_the_connection_is_passed_on() {
        /// A connection that breaks.
        struct Broken;

        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(ErrorKind::ConnectionReset.into())
            }
        }

        let half = Cursor::new(gzip(TEXT)[..12].to_vec()).chain(Broken);
        let result = decode(&[Encoding::Gzip], half).and_then(|mut body| body.read_to_end(&mut Vec::new()));
        assert_eq!(result.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}
