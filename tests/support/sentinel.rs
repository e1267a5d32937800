//! Secrets that a test gives to a run, and the look for them wherever they could come out again.

use super::{Datametrics, Output};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A secret in all the forms in which it could be recognised.
pub(crate) fn forms((user, secret): (&str, &str)) -> Vec<String> {
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

/// None of these secrets, each with the user it belongs to, is in the output or in a file that the run
/// left, in any form.
#[track_caller]
pub(crate) fn assert_absent(secrets: &[(&str, &str)], run: &Datametrics, output: &Output) {
    let printed = format!("{}{}", output.stdout, output.stderr);
    let mut places = vec![(PathBuf::from("the output"), printed)];
    for file in files(&run.home().join(".local")) {
        let text = String::from_utf8_lossy(&fs::read(&file).expect("a file")).into_owned();
        places.push((file, text));
    }
    for (place, text) in places {
        assert_absent_from(secrets, &place.display().to_string(), &text);
    }
}

/// None of these secrets is in this text.
#[track_caller]
pub(crate) fn assert_absent_from(secrets: &[(&str, &str)], place: &str, text: &str) {
    for secret in secrets {
        for form in forms(*secret).iter().flat_map(|form| [quoted(form).to_vec(), vec![form.clone()]].concat()) {
            let form = form.trim_matches(['"', '=']);
            assert!(!text.contains(form), "{form} is in {place}: {text}");
        }
    }
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
