//! What a user may set of a definition without rewriting it.

use crate::config::{ConfigError, ConfigValue, Section};
use crate::provider::template::{Template, TemplateKind};
use crate::util::suggest::did_you_mean;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// The values for `{option:NAME}` in paths and headers.
pub(super) struct Options<'a> {
    values: Vec<(String, ConfigValue<'a>)>,
    used: RefCell<BTreeSet<String>>,
}

impl<'a> Options<'a> {
    /// Reads the key `options` of a definition.
    pub(super) fn read(section: &Section<'a>) -> Result<Self, ConfigError> {
        let values = section.section("options")?.entries();
        for (_, value) in &values {
            if value.text()?.chars().any(char::is_control) {
                return Err(value.invalid("must not have a line break or another control character"));
            }
        }
        Ok(Self { values, used: RefCell::default() })
    }

    /// A template with the values of its options.
    pub(super) fn template(&self, value: &ConfigValue<'_>, kind: TemplateKind) -> Result<Template, ConfigError> {
        self.fill(value, parse_template(value, kind)?)
    }

    /// A text of a body with the value of its option.
    pub(super) fn body_text(&self, value: &ConfigValue<'_>) -> Result<Template, ConfigError> {
        self.fill(value, Template::parse_body(value.text()?).map_err(|problem| value.invalid(problem))?)
    }

    fn fill(&self, value: &ConfigValue<'_>, mut template: Template) -> Result<Template, ConfigError> {
        for name in template.options() {
            let Some((_, text)) = self.values.iter().find(|(known, _)| *known == name) else {
                let suggestion = did_you_mean(&name, self.values.iter().map(|(known, _)| known.as_str()));
                return Err(value.invalid(format!("option {name:?} has no value in options{suggestion}")));
            };
            template.set_option(&name, text.text()?);
            self.used.borrow_mut().insert(name);
        }
        Ok(template)
    }

    /// Refuses options that no template has.
    pub(super) fn deny_unused(&self) -> Result<(), ConfigError> {
        let used = self.used.borrow();
        match self.values.iter().find(|(name, _)| !used.contains(name)) {
            None => Ok(()),
            Some((name, value)) => {
                let suggestion = did_you_mean(name, used.iter().map(String::as_str));
                Err(value.invalid(format!("no path, header or body has {{option:{name}}}{suggestion}")))
            }
        }
    }
}

pub(super) fn parse_template(value: &ConfigValue<'_>, kind: TemplateKind) -> Result<Template, ConfigError> {
    Template::parse(value.text()?, kind).map_err(|problem| value.invalid(problem))
}
