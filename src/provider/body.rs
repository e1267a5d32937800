//! The JSON body of a request.

use super::request_values::RequestValues;
use super::template::Template;
use serde_json::{Map, Value};

/// A JSON value in which texts may be placeholders. A value that replaces one is a JSON string or an array of
/// them, so it cannot change the rest of the body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BodyTemplate {
    /// A number, `true` or `false`.
    Literal(Value),
    /// A text, which is a placeholder as a whole or has none.
    Text(Template),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl BodyTemplate {
    /// The body with these values.
    pub(super) fn fill(&self, values: &RequestValues<'_>) -> Value {
        match self {
            Self::Literal(value) => value.clone(),
            Self::Text(template) => values.json(template),
            Self::Array(elements) => elements.iter().map(|element| element.fill(values)).collect(),
            Self::Object(members) => {
                let mut filled = Map::new();
                filled.extend(members.iter().map(|(name, member)| (name.clone(), member.fill(values))));
                Value::Object(filled)
            }
        }
    }

    /// All its texts.
    pub(crate) fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Literal(_) => Vec::new(),
            Self::Text(template) => vec![template],
            Self::Array(elements) => elements.iter().flat_map(Self::templates).collect(),
            Self::Object(members) => members.iter().flat_map(|(_, member)| member.templates()).collect(),
        }
    }
}
