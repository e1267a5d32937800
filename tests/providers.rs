//! Every folder `tests/providers/PROVIDER/CASE` tests a built-in definition; `support::case` describes its
//! files.

use crate::support::{case::Case, in_parallel, panic_text};
use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

/// Runs all cases before it reports failures. `CASE=kraken` or `CASE=kraken/usual` selects cases.
#[test]
fn provider_cases_give_the_recorded_output() {
    let selected = std::env::var("CASE").unwrap_or_default();
    let cases = cases_below(&folder());
    let selected: Vec<_> = cases.iter().filter(|(name, _)| name.starts_with(&selected)).collect();
    let results = in_parallel(&selected, |(name, folder)| {
        run(name, folder).map_err(|why| format!("tests/providers/{name}: {why}"))
    });
    let texts: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert!(texts.is_empty(), "{} of {} cases failed\n\n{}", texts.len(), cases.len(), texts.join("\n\n"));
}

/// Every definition needs a case, and every case needs a definition.
#[test]
fn every_built_in_definition_has_a_case() {
    let cases = cases_below(&folder());
    let tested: BTreeSet<_> = cases.iter().map(|(name, _)| provider(name)).collect();
    let builtin = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/provider/builtin");
    let defined: BTreeSet<_> = entries(&builtin)
        .iter()
        .filter_map(|file| file.file_name()?.to_str()?.strip_suffix(".toml"))
        .map(str::to_owned)
        .collect();
    let tested: BTreeSet<_> = tested.into_iter().map(str::to_owned).collect();
    let untested: Vec<_> = defined.difference(&tested).collect();
    let undefined: Vec<_> = tested.difference(&defined).collect();
    assert!(untested.is_empty(), "no folder in tests/providers for {untested:?}");
    assert!(undefined.is_empty(), "no definition in src/provider/builtin for {undefined:?}");
}

/// What every API can answer has a case of the same name.
#[test]
fn every_provider_has_the_usual_cases() {
    let cases: BTreeSet<String> = cases_below(&folder()).into_iter().map(|(name, _)| name).collect();
    let providers: BTreeSet<&str> = cases.iter().map(|name| provider(name)).collect();
    for name in providers {
        let has = |case: &str| cases.contains(&format!("{name}/{case}"));
        for case in ["one", "several", "bad-symbol", "bad-symbols", "rate-limit", "cool-down"] {
            assert!(has(case), "no case {name}/{case}");
        }
        assert!(has("plan") || has("restricted"), "no case of {name} for a refusal by plan or place");
    }
}

/// What is said of a list of symbols has a case too.
#[test]
fn every_provider_with_a_list_of_symbols_has_a_case_of_it() {
    let builtin = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/provider/builtin");
    for file in entries(&builtin) {
        let text = fs::read_to_string(&file).expect("a definition");
        let (_, list) = text.split_once("\n[symbols]\n").unwrap_or_default();
        let case = folder().join(file.file_stem().expect("a name")).join("symbols");
        assert_eq!(list.contains("\npath = "), case.exists(), "{}", case.display());
    }
}

/// `datametrics providers NAME` prints a complete definition, which gives the same under another name.
#[test]
fn printed_definition_works_under_another_name() {
    let is_printed = |name: &str| name.ends_with("/several") || name.ends_with("/symbols");
    for (name, folder) in cases_below(&folder()).iter().filter(|(name, _)| is_printed(name)) {
        let case = Case::read(provider(name), folder).expect("a case").pasted();
        case.run().unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/providers")
}

/// A panic counts as the failure of one case.
fn run(name: &str, folder: &Path) -> Result<(), String> {
    let case = Case::read(provider(name), folder)?;
    catch_unwind(AssertUnwindSafe(|| case.run())).unwrap_or_else(|panic| Err(panic_text(panic.as_ref()).to_owned()))
}

fn provider(case: &str) -> &str {
    case.split('/').next().unwrap_or_default()
}

/// Name (`PROVIDER/CASE`) and folder of every case.
fn cases_below(folder: &Path) -> Vec<(String, PathBuf)> {
    let providers = entries(folder).into_iter().filter(|entry| entry.is_dir());
    let cases = providers.flat_map(|provider| entries(&provider));
    cases
        .map(|case| {
            let name = case.strip_prefix(folder).expect("below it");
            (name.to_str().expect("a name in UTF-8").to_owned(), case.clone())
        })
        .collect()
}

/// The entries of a folder, sorted.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entry = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").path();
    let mut entries: Vec<_> =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())).map(entry).collect();
    entries.sort();
    entries
}
