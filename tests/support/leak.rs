//! Looking for secrets where none may be.

use super::{Datametrics, Output};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A part that the secrets of these tests have in common, so that a piece of one is found too.
pub(crate) const PART: &str = "s3same";

/// A user, if there is one, and what only he knows.
pub(crate) type Secret<'a> = (&'a str, &'a str);

/// A secret in all the forms in which it could be recognised.
pub(crate) fn forms((user, secret): Secret) -> Vec<String> {
    const URL_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    let mut forms = vec![secret.to_owned(), BASE64_STANDARD.encode(secret)];
    forms.extend([URL_VALUE, NON_ALPHANUMERIC].map(|set| utf8_percent_encode(secret, set).to_string()));
    if !user.is_empty() {
        forms.push(BASE64_STANDARD.encode(format!("{user}:{secret}")));
    }
    forms
}

/// A text as it stands in JSON, with one of its two spellings of a slash.
pub(crate) fn quoted(text: &str) -> [String; 2] {
    let json = serde_json::Value::from(text).to_string();
    [json.replace('/', "\\/"), json]
}

/// No secret is in the output or in a file that the run left. Gives the output.
#[track_caller]
pub(crate) fn look(secrets: &[Secret], run: &Datametrics, output: &Output) -> String {
    let printed = format!("{}{}", output.stdout, output.stderr);
    search(secrets, "the output", &printed);
    for file in files(&run.home().join(".local")) {
        let text = String::from_utf8_lossy(&fs::read(&file).expect("a file")).into_owned();
        search(secrets, &file.display().to_string(), &text);
    }
    printed
}

/// No secret is in a text; `place` is where it stands.
#[track_caller]
pub(crate) fn search(secrets: &[Secret], place: &str, text: &str) {
    for secret in secrets {
        for form in forms(*secret).iter().flat_map(|form| [quoted(form).to_vec(), vec![form.clone()]].concat()) {
            let form = form.trim_matches(['"', '=']);
            assert!(!text.contains(form), "{form} is in {place}: {text}");
        }
    }
    assert!(!text.contains(PART), "a part of a secret is in {place}: {text}");
}

/// All files of a folder, also of those in it.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
