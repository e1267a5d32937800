//! Every file under `examples/` is in a test, or is a program that a step of `.ci/steps` runs.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn every_example_is_named_by_a_test_or_run_by_a_step() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_source = |path: &PathBuf| path.extension().is_some_and(|end| end == "rs");
    let tests: Vec<PathBuf> = files(&root.join("tests")).into_iter().filter(is_source).collect();
    let tests: String = tests.iter().map(|path| fs::read_to_string(path).expect("a source")).collect();
    let steps = fs::read_to_string(root.join(".ci/steps")).expect("a script");
    let is_tested = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        if let Some(program) = name.strip_suffix(".rs") {
            return steps.contains(&format!("--example {program}"));
        }
        // A name that other folders have too says nothing.
        let path = path.display().to_string();
        let is_named =
            !matches!(name, "README.md" | "config.toml" | "Dockerfile") && tests.contains(&format!("\"{name}\""));
        is_named || tests.contains(&path)
    };
    let all = files(&root.join("examples"));
    assert!(all.len() > 20, "{all:?}");
    let paths = all.iter().map(|path| path.strip_prefix(root).expect("below"));
    let untested: Vec<&Path> = paths.filter(|path| !is_tested(path)).collect();
    assert!(untested.is_empty(), "no test names {untested:?}");
}
