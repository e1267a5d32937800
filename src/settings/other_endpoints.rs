//! URLs that are no ingest of Graphite but look like one: those that stand beside it on the pages of Grafana Cloud.

use crate::delivery::graphite::suggested_url;
use crate::http::url::Url;

/// Where Grafana Cloud shows the right URL.
const CLOUD: &str = "the Graphite details of your stack in Grafana Cloud show the right one, \
                     https://graphite-REGION.grafana.net/graphite/metrics";

/// What to write before a text that is a URL but for its scheme. It is not quoted, as it may hold a key.
pub(super) fn missing_scheme(text: &str) -> &'static str {
    match Url::parse(&format!("https://{text}")) {
        Ok(Url { credentials: Some(_), .. }) | Err(_) => "",
        _ if text.contains("://") => "",
        Ok(Url { port: Some(2003), .. }) => "; write tcp:// before this one",
        Ok(Url { host, port, .. }) if port.is_some() || host.contains('.') => "; write https:// before this one",
        Ok(_) => "",
    }
}

/// Whether the URL is no ingest's: its path does not end in `/metrics`, or its host has no ingest.
pub(super) fn is_other(url: &Url) -> bool {
    !url.path_without_query().ends_with("/metrics") || is_elsewhere(url)
}

/// Whether the host is one of Grafana Cloud at which there is no ingest of Graphite.
fn is_elsewhere(url: &Url) -> bool {
    is_cloud(url) && !url.host.starts_with("graphite") && !url.host.contains("hosted-metrics")
}

fn is_cloud(url: &Url) -> bool {
    url.host.ends_with(".grafana.net") || url.host == "grafana.com" || url.host.ends_with(".grafana.com")
}

/// What is wrong with a URL that [`is_other`], and the right one if it can be told.
pub(super) fn describe(url: &Url) -> String {
    let path = url.path_without_query();
    let is_cloud = is_cloud(url);
    let begins = |prefix: &str| is_cloud && url.host.starts_with(prefix);
    let has = |part: &str| path.contains(part);
    let here = format!("points go to {}", suggested_url(url));
    let right = if begins("graphite") {
        here.as_str()
    } else if is_cloud {
        CLOUD
    } else {
        "that of Graphite ends in /metrics, and that of a Carbon is tcp://HOST:2003"
    };
    if has("influx") || begins("influx-") {
        return format!("looks like a URL to push to in Influx's form: {right}");
    }
    if has("/loki") || begins("logs-") {
        return format!("looks like a URL for logs (Loki): {right}");
    }
    if has("/otlp") || begins("otlp-") {
        return format!("looks like a URL of OTLP: {right}");
    }
    if has("/api/prom") || path.ends_with("/api/v1/push") || path.ends_with("/api/v1/write") || begins("prometheus-") {
        return format!("looks like a URL of Prometheus, not Graphite: {right}");
    }
    if is_elsewhere(url) {
        return format!("looks like the page of a stack: {CLOUD}");
    }
    if path.ends_with("/graphite") || ["/render", "/find", "/tags"].iter().any(|end| path.ends_with(end)) {
        return format!("looks like the URL at which Graphite is queried: {here}");
    }
    format!("must end in /metrics: try {}", suggested_url(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_ingest_ends_in_metrics_whatever_the_query_is() {
        for (url, expected) in [
            ("https://relay.example/metrics", false),
            ("https://relay.example/metrics/", false),
            ("https://relay.example/metrics?token=k", false),
            ("https://relay.example/metrics/?token=k/", false),
            ("https://graphite-prod-01.grafana.net/graphite/metrics?a=b", false),
            ("https://me.grafana.net/graphite/metrics?a=b", true),
            ("https://relay.example/x?y=/metrics", true),
            ("https://relay.example/?/metrics", true),
            ("https://relay.example?/metrics/", true),
            ("https://relay.example/xmetrics", true),
        ] {
            assert_eq!(is_other(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
