//! JSON Pointers (<https://www.rfc-editor.org/rfc/rfc6901>) with placeholders.

use super::spelling::{Spelling, SymbolPart};
use super::template::{Template, TemplateKind};
use crate::market::symbol::Symbol;

/// A JSON Pointer whose steps may have placeholders. Each step (RFC 6901 says reference token) is the
/// name of a member or the index of an element. The default has no steps: it points at the whole value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pointer {
    text: String,
    steps: Vec<Template>,
}

impl Pointer {
    /// Reads a pointer: an empty text, or steps that each begin with `/`.
    ///
    /// # Errors
    /// A text that says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut steps = text.split('/');
        if steps.next() != Some("") {
            return Err(format!("{text:?} is no JSON Pointer: it must be empty or begin with \"/\""));
        }
        let step = |step: &str| {
            // Nearly no step has an escape.
            if !step.contains('~') {
                return Template::parse(step, TemplateKind::Pointer);
            }
            if step.split('~').skip(1).any(|rest| !rest.starts_with(['0', '1'])) {
                return Err(format!("{text:?} is no JSON Pointer: \"~\" is written \"~0\""));
            }
            Template::parse(&step.replace("~1", "/").replace("~0", "~"), TemplateKind::Pointer)
        };
        Ok(Self { text: text.to_owned(), steps: steps.map(step).collect::<Result<_, _>>()? })
    }

    /// The pointer as it is written in the definition.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pointer has no placeholders.
    pub(crate) fn is_literal(&self) -> bool {
        self.steps.iter().all(Template::is_literal)
    }

    /// The steps of a pointer without placeholders.
    pub(crate) fn literal_steps(&self) -> Vec<String> {
        self.steps.iter().map(Template::literal_text).collect()
    }

    /// Whether a step has this part of a symbol.
    pub(crate) fn has(&self, part: SymbolPart) -> bool {
        self.steps.iter().any(|step| step.has(part))
    }

    /// The steps for `symbol`. `None` if a step has `{quote}` and the symbol has no quote.
    pub(crate) fn steps(&self, spelling: &Spelling, symbol: &Symbol) -> Option<Vec<String>> {
        self.steps.iter().map(|step| Some(step.spell(spelling, symbol)?.into_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(text: &str) -> Vec<String> {
        Pointer::parse(text).unwrap().steps(&Spelling::default(), &Symbol::new("BTC/USD").unwrap()).unwrap()
    }

    #[test]
    fn a_pointer_is_split_into_unescaped_steps() {
        assert!(steps("").is_empty());
        assert_eq!(Pointer::parse(""), Ok(Pointer::default()));
        assert_eq!(steps("/"), [""]);
        assert_eq!(steps("/a~1b/~0/0"), ["a/b", "~", "0"]);
        assert_eq!(steps("/volume/{base:lower}"), ["volume", "btc"]);
    }

    #[test]
    fn a_text_that_is_no_pointer_is_refused() {
        for text in ["a", "a/b", "/a~2", "/{symbols}", "/{x"] {
            assert!(Pointer::parse(text).is_err(), "{text}");
        }
    }
}
