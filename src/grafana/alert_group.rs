//! All alert rules together, as the text that Grafana reads.

use super::alert_rules::AlertRules;
use super::dashboard::{dashboard_uid, panels};
use super::json::pretty;
use super::mirror_rules::mirror_rules;
use super::rule_json::{Links, Rule, group_json};
use super::threshold_rules::threshold_rules;
use crate::cli::AlertFormat;
use crate::config::ConfigError;

impl<'a> AlertRules<'a> {
    /// The rules as JSON, which is YAML too. `datasource` is the uid of the Graphite data source.
    ///
    /// # Errors
    /// When an `[[alert]]` is about a symbol or a field that no feed fetches.
    pub(crate) fn render(&self, datasource: &str, format: AlertFormat) -> Result<String, ConfigError> {
        let links = Links { dashboard: dashboard_uid(self.queries), panels: panels(self.feeds, self.queries) };
        Ok(pretty(&group_json(&self.rules()?, datasource, format, &links)))
    }

    fn rules(&self) -> Result<Vec<Rule<'a>>, ConfigError> {
        let mut rules: Vec<Rule<'a>> = self.feeds.iter().flat_map(|feed| self.feed_rules(feed)).collect();
        rules.extend(threshold_rules(self)?);
        rules.extend(self.provider_rules());
        rules.extend([self.push_fails(), self.journal_grows()]);
        if self.queries.has_mirrors {
            rules.extend(mirror_rules(self));
        }
        Ok(rules)
    }
}
