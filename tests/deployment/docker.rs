//! `examples/docker`: what the build sees.

use std::{fs, path::Path};

/// `COPY . .` brings all that `Dockerfile.dockerignore` does not name. The build needs every target of the manifest.
#[test]
fn image_is_built_without_leftovers_from_all_of_the_source() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ignored = fs::read_to_string(root.join("examples/docker/Dockerfile.dockerignore")).expect("a list");
    let ignored: Vec<&str> = ignored.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    for leftover in ["/target", "/.git"] {
        assert!(ignored.contains(&leftover), "{leftover}: {ignored:?}");
    }
    for needed in ["Cargo.toml", "Cargo.lock", "src", "benches", "examples", "tests"] {
        assert!(root.join(needed).exists(), "{needed}");
        let names = |line: &&&str| line.trim_matches('/').split('/').next() == Some(needed);
        assert_eq!(ignored.iter().find(names), None, "{needed} is needed");
    }
}
