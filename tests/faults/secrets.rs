//! Servers that quote a secret of the request, in every form.

use super::{
    fetch::Row,
    target::{KEY, USERINFO},
};
use crate::support::{Received, Reply};
use base64::{Engine as _, prelude::BASE64_STANDARD};

pub(crate) const HEAD: &str = "\
## Secrets

The provider quotes the key or the password that it was sent. The mask takes the place of the secret and of nothing else.

| fault | message | exit, alone | exit, beside another feed | requests | status | quotes |
| --- | --- | --- | --- | --- | --- | --- |
";

/// A reply that says so.
fn says(key: &str) -> Reply {
    Reply::text(400, format!("the key {key} is too old"))
}

/// The key, with each character written like this.
fn spelled(write: fn(char) -> String) -> String {
    KEY.chars().map(write).collect()
}

fn each(write: fn(char) -> String) -> Reply {
    says(&spelled(write))
}

/// The same in words of JSON about a request that is well.
fn in_json(_: &Received) -> Reply {
    let escaped = spelled(|c| format!("\\u{:04X}", u32::from(c)));
    Reply::json(format!(r#"{{"rows":{{}},"error":"the key {escaped} is too old"}}"#))
}

pub(crate) const ROWS: &[Row] = &[
    Row::answer("as it is", |_| says(KEY)),
    Row::answer("in percent-encoding", |_| {
        each(|c| if c.is_ascii_alphanumeric() { c.into() } else { format!("%{:02x}", u32::from(c)) })
    }),
    Row::answer("in percent-encoding of all, twice", |_| each(|c| format!("%25{:02X}", u32::from(c)))),
    Row::answer("in escapes of JSON that are read", in_json),
    Row::answer("in escapes of JSON that are not read", |_| each(|c| format!("\\u{:04x}", u32::from(c)))),
    Row::answer("in references of HTML", |_| each(|c| format!("&#{};", u32::from(c)))),
    Row::answer("in base64", |_| says(&BASE64_STANDARD.encode(KEY))),
    Row::answer("in base64, with other words before it", |_| says(&BASE64_STANDARD.encode(format!("is {KEY}")))),
    Row::answer("as the credentials of HTTP", |request| says(request.header("Authorization").unwrap_or_default())),
    Row::answer("cut at its end", |_| Reply::text(400, format!("the key {}", &KEY[..6]))),
    Row::answer("cut at its beginning", |_| Reply::text(400, format!("{} is too old", &KEY[6..]))),
    Row::answer("a piece of it", |_| says(&KEY[3..13])),
    Row::answer("two of them side by side", |_| says(&format!("{KEY}{USERINFO}"))),
    Row::answer("where the message is cut", |_| Reply::text(400, format!("{}{KEY}", "too old ".repeat(23)))),
];
