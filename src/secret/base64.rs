//! Base64 in a text that can be read in several ways.

use super::fragments::MIN_LENGTH;
use super::readings::Reading;
use std::{mem, ops::Range};

/// Characters of base64 that follow each other, with line breaks between them or not.
#[derive(Default)]
pub(super) struct Base64Run {
    /// What they stand for, six bits each.
    pub(super) sextets: Vec<u8>,
    /// Where they are in the text.
    pub(super) range: Range<usize>,
}

/// Reads base64 in a text.
#[derive(Default)]
pub(super) struct Base64Reader {
    /// What each place of the text is, and where the next one begins; from the end of the text to its beginning.
    places: Vec<(Place, usize)>,
}

/// What a place of a text is in base64.
#[derive(Clone, Copy)]
enum Place {
    Sextet(u8),
    LineBreak,
    Other,
}

impl Base64Reader {
    /// Takes all readings of the place before.
    pub(super) fn see(&mut self, readings: &[Reading]) {
        let sextet = readings.iter().find_map(|reading| Some((Place::Sextet(sextet(reading.c)?), reading.end)));
        let line_break = || readings.iter().find(|reading| matches!(reading.c, '\n' | '\r'));
        let place = sextet.or_else(|| line_break().map(|reading| (Place::LineBreak, reading.end)));
        // No place leads to one without a reading: it is within a character.
        let other = || (Place::Other, readings.first().map_or(usize::MAX, |reading| reading.end));
        self.places.push(place.unwrap_or_else(other));
    }

    /// All runs of characters of base64, in either alphabet, that are long enough for a secret.
    pub(super) fn runs(&self) -> Vec<Base64Run> {
        let mut runs = Vec::new();
        let mut run = Base64Run::default();
        let mut at = 0;
        while let Some((place, end)) = self.places.iter().rev().nth(at) {
            match place {
                Place::Sextet(sextet) => {
                    if run.sextets.is_empty() {
                        run.range.start = at;
                    }
                    run.sextets.push(*sextet);
                    run.range.end = *end;
                }
                Place::LineBreak => {}
                Place::Other => runs.push(mem::take(&mut run)),
            }
            at = *end;
        }
        runs.push(run);
        runs.retain(|run| run.sextets.len() * 6 / 8 >= MIN_LENGTH);
        runs
    }
}

/// What a character stands for in base64, or in its alphabet for URLs.
fn sextet(c: char) -> Option<u8> {
    let b = u8::try_from(c).ok()?;
    match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a' + 26),
        b'0'..=b'9' => Some(b - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// The bytes that sextets stand for. Bits at the end that are no whole byte are left out.
pub(super) fn decode(sextets: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(sextets.len() * 6 / 8);
    let (mut bits, mut count) = (0_u32, 0);
    for sextet in sextets {
        bits = bits << 6 | u32::from(*sextet);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    bytes
}
