//! Secrets that are plainly wrong. It is said before anything is sent, as a server says only that it refuses them. No
//! message quotes them.

use crate::secret::{Secret, looks_like_key};

/// What is wrong with any text that is to be a secret.
pub(super) fn of_any(text: &str, is_file: bool) -> Option<&'static str> {
    let is_quoted = |mark: char| text.len() > 1 && text.starts_with(mark) && text.ends_with(mark);
    if text.is_empty() {
        Some(if is_file { "is empty: write the key, token or password into it" } else { "is empty" })
    } else if is_quoted('"') || is_quoted('\'') {
        Some("stands between quotation marks: remove them, as they would be sent too")
    } else if text.starts_with(' ') || text.ends_with(' ') {
        Some("begins or ends with white space: remove it")
    } else {
        None
    }
}

/// What is wrong with a key or token, which is one word.
pub(super) fn of_key(key: &Secret) -> Option<&'static str> {
    if begins_with_scheme(key.expose()) {
        Some("begins with a word such as Bearer: leave only the key there")
    } else if key.expose().contains(char::is_whitespace) {
        Some("holds white space inside, which no key has: is it the key alone?")
    } else {
        None
    }
}

/// What is wrong with the password of a user. Where `is_token` says so, it is a token.
pub(super) fn of_password(user: &str, password: &Secret, is_token: bool) -> Option<&'static str> {
    let text = password.expose();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if is_grafana_token(user) || (is_token && is_number(text) && looks_like_key(user)) {
        Some("is the user, and the user is a token: exchange them")
    } else if text.strip_prefix(user).is_some_and(|rest| rest.starts_with(':')) {
        Some("begins with the user and a colon: leave only the token there")
    } else if is_token || is_grafana_token(text) || begins_with_scheme(text) {
        of_key(password)
    } else {
        None
    }
}

/// What is wrong with the value of a header in which a secret was put.
pub(super) fn of_header(value: &Secret) -> Option<&'static str> {
    let (first, rest) = value.expose().split_once(' ')?;
    let is_twice = begins_with_scheme(&format!("{first} ")) && begins_with_scheme(rest);
    is_twice.then_some("has a word such as Bearer twice: leave only the key in the secret")
}

/// Tokens of Grafana Cloud and of service accounts
/// (<https://grafana.com/docs/grafana-cloud/security-and-account-management/authentication-and-permissions/>).
pub(super) fn is_grafana_token(text: &str) -> bool {
    text.starts_with("glc_") || text.starts_with("glsa_")
}

/// Whether it begins with a word that stands before a key in a header.
fn begins_with_scheme(text: &str) -> bool {
    let first = text.split_once(' ').map_or("", |(first, _)| first);
    ["bearer", "basic", "token"].iter().any(|scheme| first.eq_ignore_ascii_case(scheme))
}
