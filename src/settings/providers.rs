//! The providers: their definitions, from the config file and the built-in ones, and their secrets.

use super::config_file::{self, ConfigFile};
use super::mistaken_secret;
use super::places::{deny_singular_tables, is_name};
use super::sources::{Env, Roots, Sources};
use crate::cli::Options;
use crate::config::{ConfigError, ConfigValue, Document, Origin, Section};
use crate::provider::to_toml::{base_url_literal, nest, serialize, with_base_url};
use crate::provider::{Definition, Market, base_url, built_in, built_in_names, may_hold_key};
use crate::secret::Secret;
use crate::system::deadline::Deadline;
use crate::util::suggest::did_you_mean;
use std::collections::BTreeMap;

/// A provider as `datametrics providers` lists it.
#[derive(Debug)]
pub(crate) struct ProviderListing {
    /// Its effective definition.
    pub(crate) definition: Definition,
    /// The keys that it can use.
    pub(crate) keys: Vec<ProviderKey>,
    /// Its effective definition as TOML for a config file.
    pub(crate) toml: String,
}

/// A key of a provider.
#[derive(Debug)]
pub(crate) struct ProviderKey {
    /// The variable that holds the key.
    pub(crate) variable: String,
    /// Whether the provider works without the key.
    pub(crate) is_optional: bool,
    /// Whether the key is set.
    pub(crate) is_set: bool,
}

/// Which secrets of the definitions in use are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// None.
    Nothing,
    /// Those in requests for quotes.
    Quotes,
    /// Those in requests for lists of symbols.
    Lists,
}

/// The providers. A definition is read when it is first needed.
pub(super) struct Providers<'a> {
    sources: Sources<'a>,
    needs: Needs,
    /// `[providers]` of the config file.
    config: Section<'a>,
    /// The names of the providers in the config file.
    config_names: Vec<String>,
    /// The definitions in use, in the order in which they were first needed.
    pub(super) definitions: Vec<Definition>,
    /// The secrets of the definitions in use, by their variables.
    pub(super) secrets: BTreeMap<String, Secret>,
    /// For `datametrics check`: why some of the definitions in use cannot be asked, by their names. In a
    /// run, the first of these errors ends it.
    pub(super) not_ready: BTreeMap<String, ConfigError>,
}

impl<'a> Providers<'a> {
    /// Finds out which providers there are. No definition is read yet.
    ///
    /// # Errors
    /// When the config file overrides parts of a definition that does not exist.
    pub(super) fn new(sources: Sources<'a>, needs: Needs) -> Result<Self, ConfigError> {
        let config = sources.file.section("providers")?;
        let config_names: Vec<String> = config.entries().into_iter().map(|(name, _)| name).collect();
        for (name, section) in config.sections()? {
            let is_whole = section.get("quote").is_some();
            if !is_whole && built_in(&name).is_none() {
                let suggestion = did_you_mean(&name, built_in_names());
                let problem = format!("has no [[quote]], and is no built-in provider{suggestion}");
                return Err(ConfigError::invalid(section.origin(), problem));
            }
        }
        let (definitions, secrets, not_ready) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Ok(Self { sources, needs, config, config_names, definitions, secrets, not_ready })
    }

    /// The index of a provider's definition among those in use. `name` is the setting that names the
    /// provider.
    ///
    /// # Errors
    /// When the provider is unknown, its definition is wrong, or a secret that it needs is missing.
    pub(super) fn index_of(&mut self, name: &ConfigValue<'_>) -> Result<usize, ConfigError> {
        let text = name.text()?;
        if let Some(index) = self.definitions.iter().position(|definition| definition.name == text) {
            return Ok(index);
        }
        let definition = self.definition(name)?;
        match if self.needs == Needs::Nothing { Ok(()) } else { self.read_secrets(&definition) } {
            Err(error) if self.sources.recorder.is_some() => {
                self.not_ready.insert(definition.name.clone(), error);
            }
            result => result?,
        }
        self.definitions.push(definition);
        Ok(self.definitions.len() - 1)
    }

    /// The market of a provider. To ask for it does not put the provider in use. `name` is the setting that
    /// names the provider.
    ///
    /// # Errors
    /// When the provider is unknown, or its definition is wrong.
    pub(super) fn market(&self, name: &ConfigValue<'_>) -> Result<Market, ConfigError> {
        Ok(self.definition(name)?.market)
    }

    /// All providers, or only the one called `only`, sorted by name.
    ///
    /// # Errors
    /// When `only` is unknown, or a definition is wrong.
    pub(super) fn list(&self, only: Option<&str>) -> Result<Vec<ProviderListing>, ConfigError> {
        let mut names = self.sorted_names();
        if let Some(only) = only {
            if !names.contains(&only) {
                let problem = format!("provider {only:?} is not known{}", did_you_mean(only, names));
                return Err(ConfigError::invalid(Origin::Flag("NAME"), problem));
            }
            names = vec![only];
        }
        names.into_iter().map(|name| self.listing(name)).collect()
    }

    fn listing(&self, name: &str) -> Result<ProviderListing, ConfigError> {
        let path = format!("providers.{name}");
        self.with_section(name, |section| {
            let definition = self.read_definition(name, section)?;
            // The effective base URL, without the user and password that it may hold.
            let base_url = base_url_literal(&definition.base_url);
            let toml = match built_in(name).filter(|_| !self.is_in_config(name)) {
                Some(text) => nest(text, &path),
                None => serialize(section, &path, &base_url)?,
            };
            let toml = with_base_url(&toml, &base_url);
            let key = |(variable, is_optional): (&str, bool)| {
                let is_set = self.sources.secret(variable)?.is_some();
                Ok(ProviderKey { variable: variable.to_owned(), is_optional, is_set })
            };
            let keys = definition.all_secrets().into_iter().map(key).collect::<Result<_, ConfigError>>()?;
            Ok(ProviderListing { definition, keys, toml })
        })
    }

    /// The definition of the provider of this name. `None` if there is none.
    ///
    /// # Errors
    /// When the name or the definition is wrong.
    pub(super) fn find(&self, name: &str) -> Result<Option<Definition>, ConfigError> {
        if self.names().any(|known| known == name) {
            return self.with_section(name, |section| self.read_definition(name, section)).map(Some);
        }
        check_name(name, || Origin::Flag("NAME"))?;
        Ok(None)
    }

    /// The definition of a provider. To read it does not put the provider in use.
    ///
    /// # Errors
    /// When the provider is unknown, or its definition is wrong.
    pub(super) fn definition(&self, name: &ConfigValue<'_>) -> Result<Definition, ConfigError> {
        let text = name.text()?;
        if built_in(text).is_none() && !self.is_in_config(text) {
            let suggestion = did_you_mean(text, self.names());
            return Err(name.invalid(format!("provider {text:?} is not known{suggestion}")));
        }
        self.with_section(text, |section| self.read_definition(text, section))
    }

    /// The names of all providers, sorted.
    pub(super) fn sorted_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.names().collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        built_in_names().chain(self.config_names.iter().map(String::as_str))
    }

    fn is_in_config(&self, name: &str) -> bool {
        self.config_names.iter().any(|config_name| config_name == name)
    }

    /// Calls `read` with the section of a provider: that of the config file, with the built-in definition
    /// as its fallback.
    fn with_section<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Section<'_>) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        let document = Document::new(format!("built-in {name}.toml"), built_in(name).unwrap_or_default());
        let table = document.parse()?;
        let built_in = Section::root(&document, &table);
        if self.is_in_config(name) {
            return read(&self.config.subsection(name)?.with_fallback(built_in));
        }
        read(&built_in)
    }

    fn read_definition(&self, name: &str, section: &Section<'_>) -> Result<Definition, ConfigError> {
        check_name(name, || section.origin())?;
        let mut definition = Definition::read(name, section)?;
        let value = self.sources.variable(&base_url_variable(name))?;
        if let Some(value) = &value {
            definition.base_url = definition.base_url.replaced(&base_url(value)?);
        }
        let value = value.or(section.get("base_url"));
        self.sources.optional_setting(&format!("providers.{name}.base_url"), value);
        if self.sources.recorder.is_some() && self.is_in_config(name) {
            // Headers may hold a key, and so may an option that stands in one. Quotes are long.
            let is_listed = |key: &str| !matches!(key, "base_url" | "headers" | "options" | "quote" | "symbols");
            for (key, value) in self.config.subsection(name)?.entries().into_iter().filter(|(key, _)| is_listed(key)) {
                self.sources.optional_setting(&format!("providers.{name}.{key}"), Some(value));
            }
        }
        Ok(definition)
    }

    fn read_secrets(&mut self, definition: &Definition) -> Result<(), ConfigError> {
        let urls = definition.base_url.urls();
        let mut has_secret = urls.iter().any(|url| url.credentials.is_some());
        let names = if self.needs == Needs::Lists { definition.secrets_of_list() } else { definition.secrets() };
        let secrets = self.sources.secrets_for(&definition.name, names)?;
        has_secret |= !secrets.is_empty();
        // In a definition of one's own a secret may be any text.
        let is_built_in = built_in(&definition.name).is_some() && !self.is_in_config(&definition.name);
        let problem = |(name, key): (&String, &Secret)| Some((name.clone(), mistaken_secret::of_key(key)?));
        if let Some((name, problem)) = secrets.iter().filter(|_| is_built_in).find_map(problem) {
            return Err(ConfigError::about(name, problem));
        }
        self.secrets.extend(secrets);
        if has_secret && !definition.allow_plaintext_credentials && urls.iter().any(|url| url.is_cleartext()) {
            let name = format!("providers.{}.base_url", definition.name);
            let problem = "would send a key in the clear: use https, or set allow_plaintext_credentials = true there";
            return Err(ConfigError::about(name, problem));
        }
        Ok(())
    }
}

/// Reads the config file alone, and of the providers what `read` wants of them.
///
/// # Errors
/// When the config file has an error, and those of `read`.
pub(super) fn with_providers<T>(
    options: &Options,
    env: Env<'_>,
    deadline: Deadline<'_>,
    needs: Needs,
    read: impl FnOnce(Sources<'_>, Providers<'_>) -> Result<T, ConfigError>,
) -> Result<T, ConfigError> {
    let ConfigFile { document, .. } = config_file::read(options, env, deadline)?;
    let table = document.parse()?;
    let file = Section::root(&document, &table);
    deny_singular_tables(&file)?;
    let roots = Roots::new();
    let sources = Sources::new(env, &file, deadline, &roots);
    read(sources, Providers::new(sources, needs)?)
}

/// Warnings about headers that may hold a key, are written into a definition as they are, and go by http. One with
/// `{secret:NAME}` is an error.
pub(super) fn cleartext_warnings(definitions: &[Definition]) -> Vec<String> {
    let is_cleartext = |definition: &&Definition| {
        !definition.allow_plaintext_credentials && definition.base_url.urls().iter().any(|url| url.is_cleartext())
    };
    let in_the_clear = definitions.iter().filter(is_cleartext);
    let headers = in_the_clear.flat_map(|definition| definition.headers.iter().map(move |header| (definition, header)));
    let held = headers.filter(|(_, (name, value))| may_hold_key(name) && value.secrets().next().is_none());
    let warning = |(definition, (name, _)): (&Definition, &(String, _))| {
        format!("providers.{}: the header {name} goes in the clear: use https", definition.name)
    };
    held.map(warning).collect()
}

/// Checks the name of a provider, whose definition is at `origin`. That is asked for an error only, as it takes a search of
/// the whole text to find the line.
fn check_name(name: &str, origin: impl FnOnce() -> Origin) -> Result<(), ConfigError> {
    let invalid = |problem: &str| Err(ConfigError::invalid(origin(), problem));
    if !is_name(name) {
        return invalid("a provider's name has letters, digits, _ and - only");
    }
    if matches!(name, "graphite" | "feed" | "mirror") {
        return invalid("is taken: the run's own health has points of that name; choose another");
    }
    Ok(())
}

fn base_url_variable(name: &str) -> String {
    format!("DATAMETRICS_{}_BASE_URL", name.to_uppercase().replace('-', "_"))
}
