//! The definitions that the feeds of a run use, and the secrets they need.

use super::sources::Sources;
use crate::config::{ConfigError, ConfigValue, Document, Origin, Section};
use crate::provider::to_toml::{nest, serialize, with_base_url};
use crate::provider::{Definition, Market, base_url, built_in, built_in_names};
use crate::secret::Secret;
use crate::util::suggest::did_you_mean;
use std::collections::BTreeMap;

/// A provider as `datametrics providers` shows it.
#[derive(Debug)]
pub(crate) struct Listed {
    /// Its effective definition.
    pub(crate) definition: Definition,
    /// The keys it knows.
    pub(crate) keys: Vec<Key>,
    /// Its effective definition as TOML, fit for a config.
    pub(crate) text: String,
}

/// A key of a provider.
#[derive(Debug)]
pub(crate) struct Key {
    /// The variable it is read from.
    pub(crate) name: String,
    /// Whether the provider can do without.
    pub(crate) is_optional: bool,
    /// Whether somebody set it.
    pub(crate) is_set: bool,
}

fn base_url_variable(name: &str) -> String {
    format!("DATAMETRICS_{}_BASE_URL", name.to_uppercase().replace('-', "_"))
}

/// The definitions in use, each read once, when it is first needed.
pub(super) struct Providers<'a> {
    sources: Sources<'a>,
    own: Section<'a>,
    names: Vec<String>,
    /// The definitions that were read, in that order.
    pub(crate) definitions: Vec<Definition>,
    /// The values of their secrets.
    pub(crate) secrets: BTreeMap<String, Secret>,
    /// Why some of them cannot be asked, by their names. That ends a run before it begins, but not
    /// `datametrics check`.
    pub(crate) not_ready: BTreeMap<String, ConfigError>,
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
                let suggestion = did_you_mean(&name, built_in_names());
                return Err(ConfigError::invalid(
                    section.origin(),
                    format!("has no [[quote]], and is no built-in provider{suggestion}"),
                ));
            }
        }
        let (secrets, not_ready) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { sources, own, names, definitions: Vec::new(), secrets, not_ready })
    }

    /// The index of a definition among those in use.
    ///
    /// # Errors
    /// When nobody defines it, its definition is wrong, or a secret it needs is missing.
    pub(super) fn find(&mut self, value: &ConfigValue<'_>) -> Result<usize, ConfigError> {
        let name = value.text()?;
        if let Some(at) = self.definitions.iter().position(|definition| definition.name == name) {
            return Ok(at);
        }
        let definition = self.definition(value)?;
        match self.take_secrets(&definition) {
            Err(error) if self.sources.recorder.is_some() => {
                self.not_ready.insert(definition.name.clone(), error);
            }
            taken => taken?,
        }
        self.definitions.push(definition);
        Ok(self.definitions.len() - 1)
    }

    /// The market of a provider, which need not be in use for that.
    ///
    /// # Errors
    /// When nobody defines it, or its definition is wrong.
    pub(super) fn market(&self, value: &ConfigValue<'_>) -> Result<Market, ConfigError> {
        Ok(self.definition(value)?.market)
    }

    fn definition(&self, value: &ConfigValue<'_>) -> Result<Definition, ConfigError> {
        let name = value.text()?;
        let known = || built_in_names().chain(self.names.iter().map(String::as_str));
        let unknown = || value.invalid(format!("provider {name:?} is not known{}", did_you_mean(name, known())));
        self.read(name)?.ok_or_else(unknown)
    }

    /// Every provider there is, or the one of this name.
    ///
    /// # Errors
    /// When nobody defines it, or a definition is wrong.
    pub(super) fn list(&self, only: Option<&str>) -> Result<Vec<Listed>, ConfigError> {
        let mut names: Vec<&str> = built_in_names().chain(self.names.iter().map(String::as_str)).collect();
        names.sort_unstable();
        names.dedup();
        if let Some(only) = only {
            let problem = format!("provider {only:?} is not known{}", did_you_mean(only, names.iter().copied()));
            names.retain(|name| *name == only);
            if names.is_empty() {
                return Err(ConfigError::invalid(Origin::Flag("NAME"), problem));
            }
        }
        names.into_iter().map(|name| self.listed(name)).collect()
    }

    fn listed(&self, name: &str) -> Result<Listed, ConfigError> {
        let path = format!("providers.{name}");
        self.with_section(name, |section| {
            let definition = self.check(name, section)?;
            let is_own = self.names.iter().any(|own| own == name);
            let mut text = match built_in(name).filter(|_| !is_own) {
                Some(text) => nest(text, &path),
                None => serialize(section, &path)?,
            };
            // As it is in effect, and without the user and password that it may hold.
            text = with_base_url(&text, &format!("{}{}", definition.base_url, definition.base_url.path));
            let key = |(key, is_optional): (&str, bool)| {
                Ok(Key { name: key.to_owned(), is_optional, is_set: self.sources.secret(key)?.is_some() })
            };
            let keys = definition.secrets().into_iter().map(key).collect::<Result<_, ConfigError>>()?;
            Ok(Listed { definition, keys, text })
        })
    }

    fn read(&self, name: &str) -> Result<Option<Definition>, ConfigError> {
        if built_in(name).is_none() && !self.names.iter().any(|own| own == name) {
            return Ok(None);
        }
        self.with_section(name, |section| self.check(name, section)).map(Some)
    }

    /// Does something with the definition of a provider: what the config says, upon the built-in one.
    fn with_section<T>(
        &self,
        name: &str,
        work: impl FnOnce(&Section<'_>) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        let document = Document::new(format!("built-in {name}.toml"), built_in(name).unwrap_or_default());
        let table = document.parse()?;
        let built_in = Section::root(&document, &table);
        if self.names.iter().any(|own| own == name) {
            return work(&self.own.subsection(name)?.with_fallback(built_in));
        }
        work(&built_in)
    }

    fn check(&self, name: &str, section: &Section<'_>) -> Result<Definition, ConfigError> {
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            return Err(ConfigError::invalid(section.origin(), "a provider's name has letters, digits, _ and - only"));
        }
        if matches!(name, "graphite" | "feed") {
            return Err(ConfigError::invalid(
                section.origin(),
                "is taken: the run's own health has points of that name; choose another",
            ));
        }
        let mut definition = Definition::read(name, section)?;
        let value = self.sources.variable(&base_url_variable(name))?;
        if let Some(value) = &value {
            definition.base_url = base_url(value)?;
        }
        self.sources.optional(&format!("providers.{name}.base_url"), value.or(section.get("base_url")));
        Ok(definition)
    }

    fn take_secrets(&mut self, definition: &Definition) -> Result<(), ConfigError> {
        let mut any = definition.base_url.credentials.is_some();
        for (name, optional) in definition.secrets() {
            match self.sources.secret(name)? {
                Some(secret) => {
                    any = true;
                    self.secrets.insert(name.to_owned(), secret);
                }
                None if optional => {}
                None => {
                    let problem = format!("is not set, and {} needs it (or {name}_FILE)", definition.name);
                    return Err(ConfigError::missing(name.to_owned(), problem));
                }
            }
        }
        if any && definition.base_url.is_cleartext() {
            let name = format!("providers.{}.base_url", definition.name);
            return Err(ConfigError::missing(name, "would send a key in the clear: use https"));
        }
        Ok(())
    }
}
