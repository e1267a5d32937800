//! Searches for secrets in output and files.

use super::{Datametrics, Output};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
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
    let each = |escape: fn(char) -> String| secret.chars().map(escape).collect::<String>();
    let mut forms = vec![
        secret.to_owned(),
        // As Go and .NET write JSON, and as it can be written.
        each(|c| if c.is_ascii_alphanumeric() { c.into() } else { format!("\\u{:04x}", u32::from(c)) }),
        each(|c| format!("\\u{:04X}", u32::from(c))),
        // HTML.
        secret.replace('&', "&amp;").replace('"', "&quot;"),
        each(|c| if c.is_ascii_alphanumeric() { c.into() } else { format!("&#{};", u32::from(c)) }),
        each(|c| format!("&#x{:x};", u32::from(c))),
        // Some or all characters in percent-encoding, in lower case, twice, and as in a form.
        each(|c| format!("%{:02x}", u32::from(c))),
        each(|c| if matches!(c, '&' | '/' | 's') { format!("%{:02X}", u32::from(c)) } else { c.into() }),
        each(|c| if c.is_ascii_alphanumeric() { c.into() } else { format!("%25{:02X}", u32::from(c)) }),
        each(|c| match c {
            ' ' => "+".into(),
            c if c.is_ascii_alphanumeric() => c.into(),
            c => format!("%{:02X}", u32::from(c)),
        }),
    ];
    forms.extend([URL_VALUE, NON_ALPHANUMERIC].map(|set| utf8_percent_encode(secret, set).to_string()));
    for before in ["", "x", "xy"] {
        forms.push(BASE64_STANDARD.encode(format!("{before}{secret}")));
        forms.push(BASE64_URL_SAFE_NO_PAD.encode(format!("{before}{secret} after")));
    }
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
    for decoded in decodings(text) {
        assert!(!decoded.contains(PART), "a part of a secret is in {source}: {decoded}\n{text}");
    }
}

/// A text with its escapes undone, once and twice, and what its words are in base64.
fn decodings(text: &str) -> Vec<String> {
    let once = unescape(text);
    let twice = unescape(&once);
    let mut decodings = vec![text.to_owned(), once, twice];
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_');
    for word in text.split(|c| !is_base64(c)).filter(|word| word.len() >= 8) {
        let word = word.replace('+', "-").replace('/', "_");
        for offset in 0..4 {
            let part = &word[offset..];
            let whole = &part[..part.len() / 4 * 4];
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(whole).expect("base64");
            decodings.push(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    decodings
}

/// A text with `%2F`, `\\u002f`, `&#47;` and `&#x2f;` undone.
fn unescape(text: &str) -> String {
    let code = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    let escape = |rest: &str| {
        let hex = |begin: &str, length: usize| {
            let digits = rest.strip_prefix(begin)?.get(..length)?;
            Some((code(digits, 16)?, begin.len() + length))
        };
        let reference = |begin: &str, radix| {
            let digits = rest.strip_prefix(begin)?.split_once(';')?.0;
            Some((code(digits, radix)?, begin.len() + digits.len() + 1))
        };
        hex("%", 2).or_else(|| hex("\\u", 4)).or_else(|| reference("&#x", 16)).or_else(|| reference("&#", 10))
    };
    let (mut out, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        let (c, length) = escape(rest).unwrap_or((c, c.len_utf8()));
        out.push(c);
        rest = &rest[length..];
    }
    out
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
