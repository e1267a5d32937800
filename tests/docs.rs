//! Paths and links in the documents lead somewhere; names in docs/ARCHITECTURE.md are names of the source.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

/// What is meant to be no name of the source.
const OTHERS: &[&str] = &["process::exit", "cargo bench -- --check"];

/// What looks like a path and stands for something else: files that a reader makes.
const PLACEHOLDERS: &[&str] = &[
    "src/provider/builtin/NAME.toml",
    "src/provider/builtin/example.toml",
    "tests/providers/NAME/CASE/",
    "tests/providers/example/several/case.toml",
    "providers/PROVIDER/CASE/",
    "case.toml",
    "1.http",
    "2.http",
    "fuzz/corpus/reply",
    "target/dist",
    "target/x86_64-unknown-linux-musl/release/datametrics",
    "Europe/Oslo",
    "damaged/",
    "BRK/B",
    "pudgy-penguins/usd",
    "inputs.http",
    "datametrics/config.toml",
    "10.0.0.0/8",
];

/// How the name of a file ends.
const ENDINGS: [&str; 7] = [".rs", ".md", ".toml", ".txt", ".http", ".yml", "/"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("UTF-8")
}

/// The code of all sources of the library, without comments, as a name in a comment may be gone from the code.
fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let code = |path: PathBuf| match path.extension().and_then(|extension| extension.to_str()) {
        _ if path.is_dir() => sources(&path),
        Some("rs") => read(&path).lines().map(without_comment).fold(String::new(), |text, line| text + line + "\n"),
        _ => read(&path),
    };
    entries.map(code).collect()
}

/// A line without its comment. The `//` of a URL begins none.
fn without_comment(line: &str) -> &str {
    let begins = |(at, _): &(usize, &str)| !line[..*at].ends_with(':');
    line.match_indices("//").find(begins).map_or(line, |(at, _)| &line[..at])
}

/// What a text has between backticks outside its code blocks.
fn code_spans(text: &str) -> Vec<String> {
    let prose: Vec<&str> = text.split("```").step_by(2).collect();
    prose.iter().flat_map(|prose| prose.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// Whether it is the name of a file or a folder. A pointer in quotation marks, a URL and a command are none.
fn is_path(span: &str) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    span.chars().all(is_plain) && (span.contains('/') || ENDINGS.iter().any(|end| span.ends_with(end)))
}

fn path_exists(span: &str) -> bool {
    ["", "src", "tests"].iter().any(|folder| root().join(folder).join(span).exists())
}

#[test]
fn names_in_the_architecture_are_names_of_the_source() {
    let source = sources(&root().join("src"));
    let words: HashSet<&str> = source.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let text = read(&root().join("docs/ARCHITECTURE.md"));
    let exists = |span: &str| {
        let names = || span.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty());
        is_path(span) || names().all(|name| words.contains(name))
    };
    let missing: Vec<String> = code_spans(&text).into_iter().filter(|span| !exists(span)).collect();
    let missing: Vec<&String> = missing.iter().filter(|span| !OTHERS.contains(&span.as_str())).collect();
    assert!(missing.is_empty(), "docs/ARCHITECTURE.md has names that the source has not: {missing:?}");
}

#[test]
fn paths_in_the_documents_exist() {
    let docs = fs::read_dir(root().join("docs")).expect("a folder").map(|entry| entry.expect("an entry").path());
    let others = ["tests/README.md", "src/provider/README.md"].map(|path| root().join(path));
    let mut missing = Vec::new();
    for document in docs.chain(others) {
        let spans = code_spans(&read(&document));
        let gone = spans.into_iter().filter(|span| is_path(span) && !path_exists(span));
        // What begins with a slash is a path of the machine, or of a URL.
        let gone = gone.filter(|span| !span.starts_with('/') && !PLACEHOLDERS.contains(&span.as_str()));
        missing.extend(gone.map(|span| format!("{}: {span}", document.display())));
    }
    assert!(missing.is_empty(), "these paths do not exist:\n{}", missing.join("\n"));
}

/// A document without its code blocks.
fn prose(document: &Path) -> String {
    read(document).split("```").step_by(2).collect()
}

/// The targets of a document's links that are no URLs: each path, and the anchor there, which may be empty.
fn links(document: &Path) -> Vec<(PathBuf, String)> {
    let prose = prose(document);
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let targets = targets.filter(|target| !target.contains("://"));
    let parts = targets.map(|target| target.split_once('#').unwrap_or((target, "")));
    let path = |path: &str| if path.is_empty() { document.to_owned() } else { document.with_file_name(path) };
    parts.map(|(target, anchor)| (path(target), anchor.to_owned())).collect()
}

/// Whether the document has a heading that GitHub gives this anchor.
fn has_anchor(document: &Path, anchor: &str) -> bool {
    let prose = prose(document);
    let headings = prose.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let is_kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
    let slug = |heading: &str| heading.to_lowercase().chars().filter(is_kept).collect::<String>().replace(' ', "-");
    headings.map(slug).any(|slug| slug == anchor)
}

/// The README is read before anything else, so it stays short; each other page says who needs to read it.
#[test]
fn the_readme_is_short_and_every_page_says_for_whom_it_is() {
    let words = read(&root().join("README.md")).split_whitespace().count();
    assert!(words <= 1_500, "README.md has {words} words");
    for page in fs::read_dir(root().join("docs")).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let text = read(&page);
        let first = text.lines().nth(2).unwrap_or_default();
        assert!(first.starts_with("This page is for whoever "), "{}: {first:?}", page.display());
    }
}

#[test]
fn links_in_the_documents_lead_somewhere() {
    let docs = fs::read_dir(root().join("docs")).expect("a folder").map(|entry| entry.expect("an entry").path());
    let others =
        ["README.md", "CHANGELOG.md", "tests/README.md", "src/provider/README.md", "examples/grafana/README.md"];
    let documents: Vec<PathBuf> = docs.chain(others.map(|path| root().join(path))).collect();
    let links: Vec<(PathBuf, String)> = documents.iter().flat_map(|document| links(document)).collect();
    assert!(links.len() > 50 && links.iter().filter(|(_, anchor)| !anchor.is_empty()).count() > 10, "{links:?}");
    let is_there = |path: &Path, anchor: &str| path.exists() && (anchor.is_empty() || has_anchor(path, anchor));
    let missing: Vec<_> = links.iter().filter(|(path, anchor)| !is_there(path, anchor)).collect();
    assert!(missing.is_empty(), "links lead to {missing:?}");
    // The picture is no text that another test would read.
    let (picture, _) = links.iter().find(|(path, _)| path.ends_with("queries.png")).expect("a picture");
    assert!(fs::read(picture).expect("a file").starts_with(b"\x89PNG"), "{}", picture.display());
}

/// Every alert links to the README as the repository's page shows it.
#[test]
fn links_in_the_alerts_lead_to_a_heading_of_the_readme() {
    let alerts = include_str!("../examples/grafana/alerts.json");
    let urls = alerts.split("\"runbook_url\": \"").skip(1).filter_map(|rest| rest.split('"').next());
    let anchors: HashSet<&str> = urls.filter_map(|url| Some(url.split_once('#')?.1)).collect();
    assert_eq!(anchors.len(), 1, "{anchors:?}");
    assert!(anchors.iter().all(|anchor| has_anchor(&root().join("README.md"), anchor)), "{anchors:?}");
}

/// The first line of the table of what providers allow in a minute.
const LIMITS: &str = "| provider | symbols in a request | requests a second |";

/// What the definitions say, for a million symbols.
#[test]
fn limits_in_the_benchmarks_are_those_of_the_definitions() {
    let text = read(&root().join("docs/BENCHMARKS.md"));
    let table = &text[text.find(LIMITS).expect("the table")..];
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 5, "{rows:?}");
    for row in rows {
        let cells: Vec<String> = row.split('|').map(|cell| cell.trim().replace(',', "")).collect();
        let definition = read(&root().join(format!("src/provider/builtin/{}.toml", cells[1])));
        let value = |key: &str| {
            let line = definition.lines().find_map(|line| line.strip_prefix(&format!("{key} = ")));
            line.map(|value| value.split('#').next().unwrap_or_default().trim())
        };
        let default = if value("path").is_some_and(|path| path.contains("{symbol}")) { "1" } else { "100" };
        let batch: u32 = value("batch").unwrap_or(default).parse().expect("a number");
        let per_second: f64 = value("per_second").expect("a limit").parse().expect("a number");
        let addresses = 1e6 / (60.0 * per_second * f64::from(batch));
        let expected =
            [batch.to_string(), per_second.to_string(), (1_000_000 / batch).to_string(), addresses.ceil().to_string()];
        assert_eq!([2, 3, 4, 6].map(|column: usize| cells[column].clone()), expected, "{row}");
    }
}
