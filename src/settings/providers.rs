//! The definitions that the feeds of a run use, and the secrets they need.

use super::sources::Sources;
use crate::given::{ConfigError, Document, Given, Origin, Section, did_you_mean};
use crate::provider::{Definition, base_url, built_in, built_in_names};
use crate::secret::Secret;
use std::collections::BTreeMap;

/// The definitions in use, each read once, when it is first needed.
pub(super) struct Providers<'a> {
    sources: Sources<'a>,
    own: Section<'a>,
    names: Vec<String>,
    /// The definitions that were read, in that order.
    pub definitions: Vec<Definition>,
    /// The values of their secrets.
    pub secrets: BTreeMap<String, Secret>,
}

impl<'a> Providers<'a> {
    /// Looks which definitions there are; none is read yet.
    ///
    /// # Errors
    /// When the config overrides a definition that does not exist.
    pub(super) fn new(sources: Sources<'a>) -> Result<Self, ConfigError> {
        let own = sources.file.section("providers")?;
        let names: Vec<String> = own.entries().into_iter().map(|(name, _)| name).collect();
        for (name, section) in own.sections()? {
            let is_whole = section.get("quote").is_some();
            if !is_whole && built_in(&name).is_none() {
                let near = did_you_mean(&name, built_in_names());
                return Err(ConfigError::invalid(
                    section.origin(),
                    format!("has no [[quote]], and is no built-in provider{near}"),
                ));
            }
        }
        Ok(Self { sources, own, names, definitions: Vec::new(), secrets: BTreeMap::new() })
    }

    /// The index of a definition among those in use.
    ///
    /// # Errors
    /// When nobody defines it, its definition is wrong, or a secret it needs is missing.
    pub(super) fn named(&mut self, given: &Given<'_>) -> Result<usize, ConfigError> {
        let name = given.text()?;
        if let Some(at) = self.definitions.iter().position(|definition| definition.name == name) {
            return Ok(at);
        }
        let Some(definition) = self.read(name)? else {
            let known = built_in_names().chain(self.names.iter().map(String::as_str));
            return Err(given.bad(format!("provider {name:?} is not known{}", did_you_mean(name, known))));
        };
        self.take_secrets(&definition)?;
        self.definitions.push(definition);
        Ok(self.definitions.len() - 1)
    }

    fn read(&self, name: &str) -> Result<Option<Definition>, ConfigError> {
        let own = self.names.iter().any(|own| own == name);
        let text = built_in(name);
        if !own && text.is_none() {
            return Ok(None);
        }
        let document = Document::new(format!("built-in {name}.toml"), text.unwrap_or_default());
        let table = document.parse()?;
        let built_in = Section::root(&document, &table);
        let section = match self.own.sections()?.into_iter().find(|(own, _)| own == name) {
            Some((_, own)) => own.upon(built_in),
            None => built_in,
        };
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            return Err(ConfigError::invalid(section.origin(), "a provider's name has letters, digits, _ and - only"));
        }
        let mut definition = Definition::read(name, &section)?;
        let variable = format!("DATAMETRICS_{}_BASE_URL", name.to_uppercase().replace('-', "_"));
        if let Some(given) = self.sources.variable(&variable)? {
            definition.base = base_url(&given)?;
        }
        Ok(Some(definition))
    }

    fn take_secrets(&mut self, definition: &Definition) -> Result<(), ConfigError> {
        let mut any = definition.base.credentials.is_some();
        for (name, optional) in definition.secrets() {
            match self.sources.secret(name)? {
                Some(secret) => {
                    any = true;
                    self.secrets.insert(name.to_owned(), secret);
                }
                None if optional => {}
                None => {
                    let problem = format!("is not set, and {} needs it (or {name}_FILE)", definition.name);
                    return Err(ConfigError::invalid(Origin::Default(name.to_owned()), problem));
                }
            }
        }
        if any && definition.base.is_open() {
            let origin = Origin::Default(format!("{}.base_url", definition.name));
            return Err(ConfigError::invalid(origin, "would send a key in the clear: use https"));
        }
        Ok(())
    }
}
