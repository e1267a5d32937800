//! The pages in `docs/` name files and types of the source: what they name must be there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The pages for people who change the program.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> =
        ["README.md", "CHANGELOG.md", "src/provider/README.md", "tests/README.md"].map(|name| root().join(name)).into();
    let docs = fs::read_dir(root().join("docs")).expect("the folder docs");
    pages.extend(docs.map(|entry| entry.expect("a page").path()));
    pages
}

/// The targets of the links in a page.
fn links(page: &str) -> impl Iterator<Item = &str> {
    page.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// What a page has between backquotes, without its blocks of code.
fn quoted(page: &str) -> impl Iterator<Item = &str> {
    let prose = page.split("```").step_by(2);
    prose.flat_map(|prose| prose.split('`').skip(1).step_by(2))
}

/// Every word of the Rust source.
fn source_words() -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let text = read(&entry);
                words.extend(text.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned));
            }
        }
    }
    words
}

#[test]
fn links_in_docs_lead_to_files() {
    for page in pages() {
        for link in links(&read(&page)).filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let file = page.parent().expect("a folder").join(link.split('#').next().unwrap_or_default());
            assert!(file.exists(), "{}: {link}", page.display());
        }
    }
}

#[test]
fn architecture_names_what_the_source_has() {
    let page = read(&root().join("docs/ARCHITECTURE.md"));
    let words = source_words();
    let is_path = |word: &str| word.contains('/') || word.ends_with(".rs") || word.ends_with(".toml");
    let is_name = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'));
    let mut names = 0;
    for word in quoted(&page) {
        if is_path(word) {
            assert!([root(), &root().join("src")].iter().any(|folder| folder.join(word).exists()), "no file {word}");
        } else if is_name(word) {
            names += 1;
            assert!(word.split("::").all(|part| words.contains(part)), "no {word} in src");
        }
    }
    assert!(names > 100, "only {names} names were found");
}
