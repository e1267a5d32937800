//! The seeds of the fuzz targets, as they are and with a few bytes changed: what `fuzz/` found, or
//! was told to begin with, holds in every run of the tests.

mod properties;

use arbtest::arbitrary::{self, Unstructured};
use std::fs;
use std::path::Path;

#[test]
fn properties_hold_of_the_seeds() {
    for (name, property) in properties::ALL {
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
