//! Masks secrets in texts of servers, which may quote them in any encoding and cut them anywhere.

use super::base64::{Base64Reader, Base64Run, decode};
use super::fragments::Fragments;
use super::{MASK, Secret};
use crate::util::sanitize::sanitize;
use std::fmt;
use std::sync::OnceLock;

/// So many bytes of a text are looked at for each character that is shown: many more than one, as a mask is shorter
/// than the secret that it replaces.
const BYTES_PER_CHAR: usize = 16;

/// Most bytes of a text that are looked at for a message.
const MAX_SHOWN_BYTES: usize = 1 << 16;

/// Secrets that no text may show. What finds them is made for the first text, as most replies have none to show, and
/// kept for the others, as some have one for each of 100,000 symbols.
#[derive(Clone, Default)]
pub struct Secrets {
    all: Vec<Secret>,
    fragments: OnceLock<Fragments>,
}

impl Secrets {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.all.iter()
    }

    /// The beginning of a text, at most `max_chars` characters of it, fit for a message: the secrets are masked, before
    /// it is cut, and it is sanitized. Whoever searches the text for anything does it before.
    pub(crate) fn sanitize(&self, text: &str, max_chars: usize) -> String {
        let text = text.trim_start();
        let limit = max_chars.saturating_mul(BYTES_PER_CHAR).min(MAX_SHOWN_BYTES).min(text.len());
        let end = (0..=limit).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        let fragments = self.fragments.get_or_init(|| Fragments::new(&self.all));
        sanitize(&mask_fragments(&text[..end], fragments), max_chars)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.all.fmt(f)
    }
}

impl FromIterator<Secret> for Secrets {
    fn from_iter<I: IntoIterator<Item = Secret>>(secrets: I) -> Self {
        Self { all: secrets.into_iter().collect(), fragments: OnceLock::new() }
    }
}

impl Extend<Secret> for Secrets {
    fn extend<I: IntoIterator<Item = Secret>>(&mut self, secrets: I) {
        self.all.extend(secrets);
        self.fragments = OnceLock::new();
    }
}

/// Masks in `text` the secrets, and parts of them, however they are encoded. Where they overlap, all of it is one
/// mask.
pub(crate) fn mask(text: &str, secrets: &[Secret]) -> String {
    mask_fragments(text, &Fragments::new(secrets))
}

fn mask_fragments(text: &str, fragments: &Fragments) -> String {
    if fragments.is_empty() {
        return text.to_owned();
    }
    let mut base64 = Base64Reader::default();
    let mut found = fragments.find(text, |readings| base64.see(readings));
    found.extend(base64.runs().into_iter().filter(|run| is_secret_in(run, fragments)).map(|run| run.range));
    found.sort_unstable_by_key(|range| range.start);
    let (mut masked, mut copied) = (String::with_capacity(text.len()), 0);
    for range in found {
        // A range that touches the one before belongs to the same mask.
        if range.start > copied || copied == 0 {
            masked.push_str(&text[copied..range.start]);
            masked.push_str(MASK);
        }
        copied = copied.max(range.end);
    }
    masked + &text[copied..]
}

/// Whether a secret is in what a run of base64 stands for. The run may begin within another word, so that each of four
/// places may be its beginning.
fn is_secret_in(run: &Base64Run, fragments: &Fragments) -> bool {
    (0..4.min(run.sextets.len())).any(|offset| {
        let bytes = decode(&run.sextets[offset..]);
        !fragments.find(&String::from_utf8_lossy(&bytes), |_| ()).is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask_all(text: &str, secrets: &[&str]) -> String {
        mask(text, &secrets.iter().map(|secret| Secret::new(*secret)).collect::<Vec<_>>())
    }

    #[test]
    fn a_secret_is_masked_in_every_encoding() {
        for text in [
            "a&b/c=\"d",
            "a\\u0026b\\/c\\u003d\\\"d",
            "a\\u0026b/c=\\u0022d",
            "a&amp;b/c=&quot;d",
            "a&#38;b&#x2F;c&#61;&#34;d",
            "a%26b%2Fc%3D%22d",
            "a%26b/c%3d%22d",
            "%61%26%62%2f%63%3D%22%64",
            "a%2526b%252Fc%253D%2522d",
            "a\\u0026amp;b/c=\\u0026quot;d",
            "YSZiL2M9ImQ",
        ] {
            assert_eq!(mask_all(&format!("key {text}, said"), &["a&b/c=\"d"]), "key ***, said", "{text}");
        }
    }

    #[test]
    fn a_space_may_be_a_plus() {
        assert_eq!(mask_all("q=two+words+x", &["two words"]), "q=***+x");
        assert_eq!(mask_all("q=two%20words+x", &["two words"]), "q=***+x");
    }

    #[test]
    fn a_secret_is_masked_in_base64_at_any_offset_and_in_both_alphabets() {
        use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
        for before in ["", "u", "us", "use", "user:"] {
            let text = format!("{before}pass>?>word!");
            for encoded in [BASE64_STANDARD.encode(&text), BASE64_URL_SAFE_NO_PAD.encode(&text)] {
                for spelled in
                    [encoded.clone(), encoded.replace('/', "\\/").replace('+', "%2B"), encoded.replace('A', "A\r\n")]
                {
                    for said in [format!("Basic {spelled}"), format!("x{spelled}"), format!("xy{spelled}")] {
                        let masked = mask_all(&said, &["pass>?>word"]);
                        assert_eq!(masked.trim_end_matches('=').trim_start_matches("Basic "), "***", "{said}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_encoded_secret_is_masked_in_base64() {
        use base64::prelude::{BASE64_STANDARD, Engine};
        for text in ["/q?key=pa%2Fss%26word", "{\"key\":\"pa\\/ss\\u0026word\"}"] {
            assert_eq!(mask_all(&BASE64_STANDARD.encode(text), &["pa/ss&word"]).trim_end_matches('='), "***");
        }
    }

    #[test]
    fn a_secret_that_is_cut_is_masked() {
        let secret = "glc_abcdefgh&ijkl";
        for (text, masked) in [
            ("token glc_", "token ***"),
            ("token glc", "token glc"),
            ("token glc_abcdefgh%2", "token ***"),
            ("token glc_abcdefgh\\u00", "token ***"),
            ("ijkl is bad", "*** is bad"),
            ("jkl is bad", "jkl is bad"),
            ("the glc_ is bad", "the glc_ is bad"),
            ("token glc_abcd... is bad", "token ***... is bad"),
            ("token glc_abc... is bad", "token glc_abc... is bad"),
            ("token ...cdefgh%26ij is bad", "token ...*** is bad"),
        ] {
            assert_eq!(mask_all(text, &[secret]), masked);
        }
    }

    #[test]
    fn a_secret_within_another_leaves_no_rest() {
        let secrets = ["abcd", "xyabcdzw", "zwabcdefgh"];
        assert_eq!(mask_all("1 xyabcdzw 2 abcd 3 xyabcdzwabcdefgh 4", &secrets), "1 *** 2 *** 3 *** 4");
        assert_eq!(mask_all("abcdabcd, abcd", &secrets), "***, ***");
    }

    #[test]
    fn a_very_short_secret_is_not_masked() {
        assert_eq!(mask_all("b is a bad abc", &["", "b", "abc"]), "b is a bad abc");
    }

    #[test]
    fn other_text_stays_as_it_is() {
        let text = "100% é \\ & &amp; %zz %41 \\u0041 😀 Basic dXNlcjp4 + ";
        assert_eq!(mask_all(text, &["other-secret", "kéy-😀-x"]), text);
        assert_eq!(mask_all("k%C3%A9y-\\ud83d\\ude00-x", &["kéy-😀-x"]), "***");
    }

    /// The worst text: every place may be the beginning of everything.
    #[test]
    fn a_long_text_takes_little_time() {
        let secrets = ["a".repeat(60), "%25".repeat(20), "\\".repeat(40), "&amp;".repeat(12)];
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        let begun = std::time::Instant::now();
        for unit in ["a", "%25", "\\", "&amp;", "%2525", "\\\\u0026amp;"] {
            mask_all(&unit.repeat((1 << 13) / unit.len()), &secrets);
        }
        mask_all(&"a".repeat(1 << 14), &["a".repeat(8_000).as_str()]);
        assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    }
}
