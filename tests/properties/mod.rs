//! Properties: what must hold for every input from outside. The fuzz targets in `fuzz/` search for an
//! input that violates a property. The unit tests check the seeds of those targets.
//!
//! An input is a sequence of bytes, and mostly text, so that a seed can be written by hand. The
//! documentation of each file here describes its input.
//!
//! These files are part of the library when it is tested or fuzzed, so that they can check parts of it
//! that are not public.

mod amqp;
mod carbon;
mod config;
mod definition;
mod journal;
mod mask;
mod names;
mod push;
mod reply;

#[cfg(not(test))]
use ::arbitrary;
#[cfg(test)]
use arbtest::arbitrary;

/// Checks a property for an input. It panics if the property does not hold.
type Property = fn(&[u8]);

/// All properties, with the names of their fuzz targets.
const PROPERTIES: [(&str, Property); 9] = [
    ("amqp", amqp::check),
    ("carbon", carbon::check),
    ("config", config::check),
    ("definition", definition::check),
    ("journal", journal::check),
    ("mask", mask::check),
    ("names", names::check),
    ("push", push::check),
    ("reply", reply::check),
];

/// Checks the property of a fuzz target.
///
/// # Panics
/// When the property does not hold for the input.
pub fn check(target: &str, input: &[u8]) {
    if let Some((_, property)) = PROPERTIES.iter().find(|(name, _)| *name == target) {
        property(input);
    }
}

/// A key that must never be shown.
const SECRET: &str = "s3ntinel/K+y";
/// The same key in percent-encoding, JSON and base64.
const ENCODED_SECRETS: [&str; 3] = ["s3ntinel%2FK%2By", "s3ntinel\\/K+y", "czNudGluZWwvSyt5"];

/// Checks that a message has neither the secret nor a character that controls a terminal.
fn assert_safe_to_print(message: &str) {
    let control = message.chars().find(|c| c.is_control());
    assert!(control.is_none(), "{control:?} in {message:?}");
    assert_no_secret(message);
}

/// Checks that the secret is not in a text.
fn assert_no_secret(text: &str) {
    assert!(!has_secret(text), "the secret is in {text:?}");
}

/// Whether the secret is in a text.
fn has_secret(text: &str) -> bool {
    [SECRET].iter().chain(&ENCODED_SECRETS).any(|secret| text.contains(secret))
}

/// The first line of an input, and everything after it. Bytes of the line that are no UTF-8 are
/// replaced.
fn split_first_line(data: &[u8]) -> (String, &[u8]) {
    let end = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    (String::from_utf8_lossy(&data[..end]).into_owned(), data.get(end + 1..).unwrap_or_default())
}

/// A text as a basic string of TOML, in quotation marks.
fn toml_string(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::arbitrary::{self, Unstructured};
    use std::fs;
    use std::path::Path;

    #[test]
    fn properties_hold_for_the_fuzz_seeds_and_for_mutations_of_them() {
        // Cargo never packs a folder that has a Cargo.toml, so the published crate has no seeds.
        if !Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").exists() {
            eprintln!("skipped: the seeds are in the repository only");
            return;
        }
        for (name, property) in super::PROPERTIES {
            let seeds = seeds(name);
            assert!(!seeds.is_empty(), "no seed in fuzz/seeds/{name}");
            for (file, seed) in &seeds {
                eprintln!("fuzz/seeds/{name}/{file}");
                property(seed);
            }
            eprintln!("mutated seeds of {name}");
            arbtest::arbtest(|u| {
                let (_, seed) = u.choose(&seeds)?;
                property(&mutate(u, seed.clone())?);
                Ok(())
            })
            .budget_ms(200);
        }
    }

    /// The seeds of a fuzz target with the names of their files, sorted by name.
    fn seeds(name: &str) -> Vec<(String, Vec<u8>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
        let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let read = |file: std::io::Result<fs::DirEntry>| {
            let path = file.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())
        };
        let mut seeds: Vec<_> = files.map(read).collect();
        seeds.sort_unstable();
        seeds
    }

    /// Changes, inserts or removes up to four bytes, or cuts the seed off at some point.
    fn mutate(u: &mut Unstructured<'_>, mut seed: Vec<u8>) -> arbitrary::Result<Vec<u8>> {
        for _ in 0..u.int_in_range(0..=4)? {
            let index = u.int_in_range(0..=seed.len())?;
            match u.int_in_range(0..=3)? {
                0 if index < seed.len() => seed[index] = u.arbitrary()?,
                1 => seed.insert(index, u.arbitrary()?),
                2 if index < seed.len() => drop(seed.remove(index)),
                3 if u.ratio(1, 8)? => seed.truncate(index),
                _ => {}
            }
        }
        Ok(seed)
    }
}
