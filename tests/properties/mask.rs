//! Secrets in words of a server: however each character of a secret is encoded and wherever the text is cut, the mask
//! takes exactly the place of the secret.
//!
//! Input: the first line is the secret. Each byte that follows chooses how the next character of it is written; the
//! byte 255 cuts the text there. Then come the words around it.

use crate::secret::{Secret, mask};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
use std::fmt::Write;

/// Parts of a secret that are shorter may be left where a text is cut.
const SHORTEST_PART: usize = 4;

/// Text that is no part of an escape, of base64 or of a secret that is tried here.
const AROUND: &str = "¿ §";

pub(super) fn check(data: &[u8]) {
    let (secret, choices) = super::split_first_line(data);
    check_any_text(&secret, choices);
    // What is not ASCII stands around.
    let secret: String = secret.chars().filter(char::is_ascii_graphic).take(100).collect();
    if secret.len() < SHORTEST_PART {
        return;
    }
    let secrets = [Secret::new(secret.clone()), Secret::new(secret[..secret.len() / 2].to_owned())];
    let is_masked = |text: &str, expected: &str| {
        let masked = mask(text, &secrets);
        assert_eq!(masked, expected, "{secret:?} in {text:?}");
    };
    let mut written = String::new();
    for (index, c) in secret.chars().enumerate() {
        match choices.get(index).copied().unwrap_or_default() {
            // Of a secret that holds an escape itself, such as `&amp;`, a part may be read in two ways.
            255 if index >= SHORTEST_PART && !secret.contains(['\\', '%', '&']) => {
                return is_masked(&format!("{AROUND}{written}"), &format!("{AROUND}***"));
            }
            choice => write_char(&mut written, c, choice),
        }
    }
    is_masked(&format!("{AROUND}{written}{AROUND}"), &format!("{AROUND}***{AROUND}"));
    let basic = format!("{}{secret}", &"user:"[choices.len() % 3..]);
    for encoded in [BASE64_STANDARD.encode(&basic), BASE64_URL_SAFE_NO_PAD.encode(&basic)] {
        let encoded = encoded.trim_end_matches('=');
        is_masked(&format!("{AROUND}{encoded}{AROUND}"), &format!("{AROUND}***{AROUND}"));
    }
}

/// Any text is masked without a panic, and the secret is not left in it as it is.
fn check_any_text(secret: &str, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let masked = mask(&text, &[Secret::new(secret)]);
    if secret.chars().count() >= SHORTEST_PART && !secret.contains('*') {
        assert!(!masked.contains(secret), "{secret:?} is in {masked:?}");
    }
}

/// Writes a character in one of the encodings that servers use.
fn write_char(out: &mut String, c: char, choice: u8) {
    let code = u32::from(c);
    // Writing into a string does not fail.
    let _ = match choice % 10 {
        0 => write!(out, "{c}"),
        1 => write!(out, "%{code:02x}"),
        2 => write!(out, "%{code:02X}"),
        3 => write!(out, "\\u{code:04x}"),
        4 => write!(out, "&#{code};"),
        5 => write!(out, "&#x{code:X};"),
        6 => write!(out, "%25{code:02X}"),
        7 => write!(out, "\\u0026#{code};"),
        8 if c.is_ascii_punctuation() => write!(out, "\\{c}"),
        9 if c == '&' => write!(out, "&amp;"),
        _ => write!(out, "\\x{code:02x}"),
    };
}
