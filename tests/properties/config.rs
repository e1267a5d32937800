//! A whole config: arguments separated by spaces in the first line, then its TOML. The keys and the
//! password are in the environment; where the config has the password `PASSWORD`, it is the secret.

use super::{SECRET, assert_harmless, assert_hidden, first_line};
use crate::cli::Cli;
use crate::config::Document;
use crate::settings::Settings;
use clap::Parser;
use std::ffi::OsString;

pub(super) fn check(data: &[u8]) {
    let (line, text) = first_line(data);
    let Ok(text) = std::str::from_utf8(text) else { return };
    // Files are no part of this.
    if text.contains("password_file") {
        return;
    }
    let Ok(cli) = Cli::try_parse_from(["datametrics"].into_iter().chain(line.split(' '))) else { return };
    let own = text.contains("\npassword = \"PASSWORD\"\n");
    let text = text.replace("\npassword = \"PASSWORD\"\n", &format!("\npassword = \"{SECRET}\"\n"));
    let variable = |name: &str| {
        let is_secret = name.ends_with("_API_KEY") || name.starts_with("APCA_") || name == "GRAPHITE_PASSWORD";
        (is_secret && !(own && name == "GRAPHITE_PASSWORD")).then(|| OsString::from(SECRET))
    };
    let document = Document::new("config.toml", text);
    match Settings::from_config(&cli, &variable, &document, &b"BTC\n# ETH\n"[..]) {
        Ok(settings) => check_settings(&settings),
        Err(error) => assert_harmless(&error.to_string()),
    }
}

fn check_settings(settings: &Settings) {
    assert_hidden(&format!("{settings:?}"));
    settings.warnings.iter().for_each(|warning| assert_harmless(warning));
    assert!(!settings.fetch.feeds.is_empty() && !settings.run.is_empty());
    assert!(settings.destination.is_some() || settings.dry_run);
    for feed in &settings.fetch.feeds {
        assert!(!feed.symbols.is_empty() && !feed.fields.is_empty() && !feed.providers.is_empty());
        assert!(feed.providers.iter().all(|at| *at < settings.fetch.definitions.len()));
    }
    for definition in &settings.fetch.definitions {
        let keys = definition.secrets().keys().any(|name| settings.fetch.secrets.contains_key(*name));
        assert!(!keys || !definition.base_url.is_cleartext(), "a key would go to {}", definition.base_url);
    }
}
