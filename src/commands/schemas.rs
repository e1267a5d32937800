//! `datametrics graphite schemas`: what Carbon must be told, or else it shows nothing that is older than some hours.
//!
//! Debian's storage-schemas.conf keeps a value a minute for a day and then one for five minutes, and Carbon makes that
//! one only where half of the five are known. A metric that comes each five minutes has one of five, so that its
//! history ends after a day (<https://graphite.readthedocs.io/en/latest/config-carbon.html#storage-aggregation-conf>).

use crate::fetch::Feed;
use crate::market::symbol::push_node;
use crate::metrics::MetricsConfig;
use crate::metrics::names::NamePart;
use std::fmt::Write as _;

/// So many files Carbon creates in a minute by default.
const CREATES_PER_MINUTE: usize = 50;

const MINUTE: u32 = 60;
const HOUR: u32 = 60 * MINUTE;
const DAY: u32 = 24 * HOUR;
const YEAR: u32 = 365 * DAY;

/// The metrics of a feed, or those about runs, in the words of Carbon.
struct Section {
    name: String,
    /// What their names match, without the `^`.
    pattern: String,
    /// Seconds between two points.
    interval: u32,
    /// Whether no other section matches the same names.
    is_own: bool,
}

/// The sections for storage-schemas.conf and storage-aggregation.conf.
pub(super) fn schemas(feeds: &[Feed], metrics: &MetricsConfig) -> String {
    let mut sections: Vec<Section> = feeds.iter().map(|feed| of_feed(feed, metrics)).collect();
    let runs = format!("{}metrics\\.", escape(&metrics.prefix));
    sections.push(Section { name: "datametrics".to_owned(), pattern: runs, interval: metrics.interval, is_own: true });
    // Of two feeds whose names have one form, the section of the shorter interval keeps the values of both.
    sections.sort_by_key(|section| (!section.is_own, section.interval));
    let mut text = "\
# What Carbon needs, by the settings of `datametrics all`. Put each of the two parts at the beginning of the file that it
# names: Carbon takes the first section that matches, and reads both files anew each minute. A metric that has a file
# already keeps its form: whisper-resize gives it another.
"
    .to_owned();
    let values: usize = feeds.iter().map(|feed| feed.symbols.len() * feed.fields.len()).sum();
    if values > CREATES_PER_MINUTE {
        let _ = write!(
            text,
            "# There are {values} values and more: carbon.conf lets Carbon create {CREATES_PER_MINUTE} files a minute\n\
             # (MAX_CREATES_PER_MINUTE), and it drops the points of the others. Set it to inf.\n"
        );
    }
    text.push_str("\n# storage-schemas.conf\n");
    for Section { name, pattern, interval, .. } in &sections {
        let retention = |(step, span): (u32, u32)| format!("{}:{}", span_text(step), span_text(span));
        let retentions: Vec<String> = retentions(*interval).into_iter().map(retention).collect();
        let _ = write!(text, "\n[{name}]\npattern = ^{pattern}\nretentions = {}\n", retentions.join(","));
    }
    let patterns: Vec<&str> = sections.iter().map(|section| section.pattern.as_str()).collect();
    let _ = write!(
        text,
        "\n# storage-aggregation.conf\n\n[datametrics]\npattern = ^({})\nxFilesFactor = 0\naggregationMethod = last\n",
        patterns.join("|")
    );
    text
}

fn of_feed(feed: &Feed, metrics: &MetricsConfig) -> Section {
    let fields: Vec<String> = feed.fields.iter().map(|field| escape(field.as_str())).collect();
    let part = |part: &NamePart| match part {
        NamePart::Text(text) => escape(text),
        NamePart::Feed => {
            let mut node = String::new();
            push_node(&mut node, &feed.name);
            escape(&node)
        }
        NamePart::Symbol | NamePart::Base | NamePart::Quote => "[^.;]+".to_owned(),
        NamePart::Field => format!("({})", fields.join("|")),
    };
    let parts = feed.names.parts();
    // What stands below the node of a feed is its own. Otherwise somebody else's names may begin like its own.
    let is_own = matches!(parts, [NamePart::Feed, NamePart::Text(text), ..] if text.starts_with('.'));
    let names = if is_own { format!("{}\\.", part(&NamePart::Feed)) } else { parts.iter().map(part).collect() };
    // Tags follow the name.
    let end = if is_own { "" } else { "(;|$)" };
    let pattern = format!("{}{names}{end}", escape(&metrics.prefix));
    Section { name: format!("datametrics {}", feed.name), pattern, interval: feed.interval, is_own }
}

/// A text as a regular expression of Python. It stands in a line of a file, so it holds no line break.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if c.is_ascii_punctuation() && !matches!(c, '_' | '-' | '/') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// For how long Carbon keeps values how far apart, in seconds. The first are all values that are pushed. Each step is a
/// multiple of the one before, and is kept for longer, as Carbon wants it
/// (<https://graphite.readthedocs.io/en/latest/whisper.html#archives-retention-and-precision>).
fn retentions(interval: u32) -> Vec<(u32, u32)> {
    let interval = interval.max(1);
    let coarser = |step: u32, at_least: u32| at_least.div_ceil(step) * step;
    let mut archives = vec![(interval, if interval < MINUTE { DAY } else { 7 * DAY })];
    for (at_least, span) in [(5 * MINUTE, 90 * DAY), (HOUR, 5 * YEAR)] {
        let (step, _) = archives[archives.len() - 1];
        match coarser(step, at_least) {
            same if same == step => archives.pop(),
            _ => None,
        };
        archives.push((coarser(step, at_least), span));
    }
    archives
}

/// A number of seconds in the longest unit that fits.
fn span_text(seconds: u32) -> String {
    let units = [(YEAR, 'y'), (DAY, 'd'), (HOUR, 'h'), (MINUTE, 'm'), (1, 's')];
    let unit = units.into_iter().find(|(length, _)| seconds.is_multiple_of(*length));
    unit.map_or_else(String::new, |(length, letter)| format!("{}{letter}", seconds / length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whisper_takes_the_retentions_of_every_interval() {
        for interval in 1..=DAY {
            let archives = retentions(interval);
            assert_eq!(archives[0].0, interval);
            assert_eq!(archives[archives.len() - 1].1, 5 * YEAR, "{interval}");
            for pair in archives.windows(2) {
                let [(step, span), (next_step, next_span)] = [pair[0], pair[1]];
                assert!(next_step > step && next_step.is_multiple_of(step) && next_span > span, "{archives:?}");
                assert!(span / step >= next_step / step, "too few values for one of the next: {archives:?}");
            }
        }
    }

    #[test]
    fn retentions_begin_with_the_interval_and_have_no_step_twice() {
        let text = |interval| {
            let archives = retentions(interval).into_iter();
            archives
                .map(|(step, span)| format!("{}:{}", span_text(step), span_text(span)))
                .collect::<Vec<_>>()
                .join(",")
        };
        assert_eq!(text(10), "10s:1d,5m:90d,1h:5y");
        assert_eq!(text(60), "1m:7d,5m:90d,1h:5y");
        assert_eq!(text(90), "90s:7d,6m:90d,1h:5y");
        assert_eq!(text(300), "5m:90d,1h:5y");
        assert_eq!(text(3_600), "1h:5y");
        assert_eq!(text(86_400), "1d:5y");
    }
}
