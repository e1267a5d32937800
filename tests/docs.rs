//! The documents for those who change the program: every name in them is one of the source.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

/// What is meant to be no name of the source.
const OTHERS: &[&str] = &["process::exit", "cargo bench -- --check"];

/// The texts of all sources of the library.
fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let read = |path: PathBuf| if path.is_dir() { sources(&path) } else { fs::read_to_string(path).expect("UTF-8") };
    entries.map(read).collect()
}

/// What a text has between backticks outside its code blocks.
fn code_spans(text: &str) -> Vec<String> {
    let prose: Vec<&str> = text.split("```").step_by(2).collect();
    prose.iter().flat_map(|prose| prose.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

#[test]
fn names_in_the_architecture_are_names_of_the_source() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = sources(&root.join("src"));
    let words: HashSet<&str> = source.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let text = fs::read_to_string(root.join("docs/ARCHITECTURE.md")).expect("a document");
    let is_path = |span: &str| [".rs", ".md", "/"].iter().any(|end| span.ends_with(end));
    let exists = |span: &str| {
        if is_path(span) {
            return root.join("src").join(span).exists() || root.join(span).exists();
        }
        let names = || span.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty());
        names().all(|name| words.contains(name))
    };
    let missing: Vec<String> = code_spans(&text).into_iter().filter(|span| !exists(span)).collect();
    let missing: Vec<&String> = missing.iter().filter(|span| !OTHERS.contains(&span.as_str())).collect();
    assert!(missing.is_empty(), "docs/ARCHITECTURE.md has names that the source has not: {missing:?}");
}
