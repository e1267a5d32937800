//! Searches for secrets in output and files.

use super::{Datametrics, Output};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A part that all secrets of these tests have, so that a fragment of a secret is found too.
pub(crate) const PART: &str = "s3same";

/// A user, if there is one, and the secret.
pub(crate) type Secret<'a> = (&'a str, &'a str);

/// A secret in every encoding in which it could be recognised.
pub(crate) fn forms((user, secret): Secret) -> Vec<String> {
    const URL_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    let mut forms = vec![secret.to_owned(), BASE64_STANDARD.encode(secret)];
    forms.extend([URL_VALUE, NON_ALPHANUMERIC].map(|set| utf8_percent_encode(secret, set).to_string()));
    if !user.is_empty() {
        forms.push(BASE64_STANDARD.encode(format!("{user}:{secret}")));
    }
    forms
}

/// A text as a JSON string, with both spellings of a slash.
pub(crate) fn quoted(text: &str) -> [String; 2] {
    let json = serde_json::Value::from(text).to_string();
    [json.replace('/', "\\/"), json]
}

/// Checks that no secret is in the output or in a file of the run. Returns the output.
#[track_caller]
pub(crate) fn assert_none_in_run(secrets: &[Secret], run: &Datametrics, output: &Output) -> String {
    let printed = format!("{}{}", output.stdout, output.stderr);
    assert_none_in(secrets, "the output", &printed);
    for file in files(&run.home().join(".local")) {
        let text = String::from_utf8_lossy(&fs::read(&file).expect("a file")).into_owned();
        assert_none_in(secrets, &file.display().to_string(), &text);
    }
    printed
}

/// Checks that no secret is in a text; `source` names the text.
#[track_caller]
pub(crate) fn assert_none_in(secrets: &[Secret], source: &str, text: &str) {
    for secret in secrets {
        for form in forms(*secret).iter().flat_map(|form| [quoted(form).to_vec(), vec![form.clone()]].concat()) {
            let form = form.trim_matches(['"', '=']);
            assert!(!text.contains(form), "{form} is in {source}: {text}");
        }
    }
    assert!(!text.contains(PART), "a part of a secret is in {source}: {text}");
}

/// All files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
