//! What must hold of every input from outside, whatever is in it. The fuzz targets of `fuzz/` look for
//! an input of which it does not hold. The unit tests try the seeds of those targets.
//!
//! An input is bytes, and text as far as possible, so that a seed can be written by hand. Each property
//! says what its input looks like.
//!
//! These files are part of the library when it is tested or fuzzed, so that they can check its inner
//! parts.

mod carbon;
mod config;
mod definition;
mod journal;
mod names;
mod push;
mod reply;

#[cfg(not(test))]
use ::arbitrary;
#[cfg(test)]
use arbtest::arbitrary;

/// A property. It panics if it does not hold of the input.
type Property = fn(&[u8]);

/// All properties, by the names of their fuzz targets.
const ALL: [(&str, Property); 7] = [
    ("carbon", carbon::check),
    ("config", config::check),
    ("definition", definition::check),
    ("journal", journal::check),
    ("names", names::check),
    ("push", push::check),
    ("reply", reply::check),
];

/// Checks the property of this name.
pub fn check(name: &str, input: &[u8]) {
    if let Some((_, property)) = ALL.iter().find(|(known, _)| *known == name) {
        property(input);
    }
}

/// A key that must never be shown. Percent-encoding, JSON and base64 spell it in other ways.
const SECRET: &str = "s3ntinel/K+y";
/// The other ways.
const SECRET_SPELLED: [&str; 3] = ["s3ntinel%2FK%2By", "s3ntinel\\/K+y", "czNudGluZWwvSyt5"];

/// Checks that a text can be shown to anybody at any terminal.
fn assert_harmless(message: &str) {
    let bad = message.chars().find(|c| c.is_control());
    assert!(bad.is_none(), "{bad:?} in {message:?}");
    assert_hidden(message);
}

/// Checks that the secret is not in a text.
fn assert_hidden(text: &str) {
    let shown = [SECRET].iter().chain(&SECRET_SPELLED).any(|spelling| text.contains(spelling));
    assert!(!shown, "the secret is in {text:?}");
}

/// The first line of an input, and the rest. What is no UTF-8 in the line is replaced.
fn first_line(data: &[u8]) -> (String, &[u8]) {
    let end = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    (String::from_utf8_lossy(&data[..end]).into_owned(), data.get(end + 1..).unwrap_or_default())
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// The seeds, as they are and with a few bytes changed.
#[cfg(test)]
mod seeds {
    use super::arbitrary::{self, Unstructured};
    use std::fs;
    use std::path::Path;

    #[test]
    fn properties_hold_of_the_fuzz_seeds() {
        for (name, property) in super::ALL {
            let seeds = seeds(name);
            assert!(!seeds.is_empty(), "no seed in fuzz/seeds/{name}");
            for (file, seed) in &seeds {
                eprintln!("fuzz/seeds/{name}/{file}");
                property(seed);
            }
            eprintln!("changed seeds of {name}");
            arbtest::arbtest(|u| {
                let (_, seed) = u.choose(&seeds)?;
                property(&changed(u, seed.clone())?);
                Ok(())
            })
            .budget_ms(200);
        }
    }

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

    /// Up to four changes of a byte or two, or of where the text ends.
    fn changed(u: &mut Unstructured<'_>, mut seed: Vec<u8>) -> arbitrary::Result<Vec<u8>> {
        for _ in 0..u.int_in_range(0..=4)? {
            let at = u.int_in_range(0..=seed.len())?;
            match u.int_in_range(0..=3)? {
                0 if at < seed.len() => seed[at] = u.arbitrary()?,
                1 => seed.insert(at, u.arbitrary()?),
                2 if at < seed.len() => drop(seed.remove(at)),
                3 if u.ratio(1, 8)? => seed.truncate(at),
                _ => {}
            }
        }
        Ok(seed)
    }
}
