//! A command line and a config. Settings that are read are complete and show no secret, and errors are
//! safe to print.
//!
//! Input: a line with the arguments, separated by spaces; then the config. The environment has the keys
//! of the providers and the password, all of them the secret. The password `PASSWORD` in the config is
//! replaced by the secret, too; then the environment has none.

use super::{SECRET, assert_no_secret, assert_safe_to_print, split_first_line};
use crate::cli::Cli;
use crate::config::Document;
use crate::settings::Settings;
use std::ffi::OsString;

pub(super) fn check(data: &[u8]) {
    let (line, text) = split_first_line(data);
    let Ok(text) = std::str::from_utf8(text) else { return };
    // The config must not make this property read a file of this machine.
    if text.contains("password_file") {
        return;
    }
    let Ok(cli) = Cli::from_args(["datametrics"].into_iter().chain(line.split(' '))) else { return };
    let has_password = text.contains("\npassword = \"PASSWORD\"\n");
    let text = text.replace("\npassword = \"PASSWORD\"\n", &format!("\npassword = \"{SECRET}\"\n"));
    let env = |name: &str| {
        let is_secret = name.ends_with("_API_KEY") || name.starts_with("APCA_") || name == "GRAPHITE_PASSWORD";
        (is_secret && !(has_password && name == "GRAPHITE_PASSWORD")).then(|| OsString::from(SECRET))
    };
    let document = Document::new("config.toml", text);
    match Settings::from_config(&cli, &env, &document, &b"BTC\n# ETH\n"[..]) {
        Ok(settings) => check_settings(&settings),
        Err(error) => assert_safe_to_print(&error.to_string()),
    }
}

fn check_settings(settings: &Settings) {
    assert_no_secret(&format!("{settings:?}"));
    settings.warnings.iter().for_each(|warning| assert_safe_to_print(warning));
    assert!(!settings.fetch.feeds.is_empty() && !settings.run.is_empty());
    assert!(settings.first_destination().is_some() || settings.dry_run);
    for feed in &settings.fetch.feeds {
        assert!(!feed.symbols.is_empty() && !feed.fields.is_empty() && !feed.providers.is_empty());
        assert!(feed.providers.iter().all(|index| *index < settings.fetch.definitions.len()));
    }
    for definition in &settings.fetch.definitions {
        let has_key = definition.secrets().keys().any(|name| settings.fetch.secrets.contains_key(*name));
        let may_be_seen = definition.base_url.urls().iter().any(|url| url.is_cleartext());
        assert!(!has_key || !may_be_seen || definition.allow_plaintext_credentials, "a key of {}", definition.name);
    }
}
