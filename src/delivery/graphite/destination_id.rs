//! Which destination the points of a file belong to.

use crate::http::url::Url;
use crate::util::hash::stable_hash;
use std::fmt;

/// The paths of an ingest, which hold no key: Grafana Cloud's, and that of a relay.
pub(crate) const INGEST_PATHS: [&str; 2] = ["/graphite/metrics", "/metrics"];

/// Which destination the points of a file belong to: scheme, host, port, path and query, but not the user.
/// Path and query may hold a key, so they are only hashed, but for the paths that an ingest has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DestinationId {
    hash: u64,
    /// Scheme, host and port, and a path that holds no key. It is understood as a URL of the same destination.
    label: String,
}

impl DestinationId {
    /// The identity of the destination at this address.
    pub(crate) fn new(scheme: &str, host: &str, port: u16, path: &str) -> Self {
        let host = host.to_ascii_lowercase();
        let hash = stable_hash(format!("{scheme}://{host}:{port}{path}").into_bytes());
        let path = if INGEST_PATHS.contains(&path) { path } else { "" };
        let label = match (scheme, port) {
            ("https", 443) | ("http", 80) => format!("{scheme}://{host}{path}"),
            _ => format!("{scheme}://{host}:{port}{path}"),
        };
        Self { hash, label }
    }

    /// The identity of the destination with this URL.
    pub(crate) fn of(url: &Url) -> Self {
        let default_port = match url.scheme.as_str() {
            "http" => 80,
            "tcp" | "tls" => 2003,
            "pickle" => 2004,
            _ => 443,
        };
        let port = url.port.unwrap_or(default_port);
        Self::new(&url.scheme, &url.host, port, url.path.trim_end_matches('/'))
    }

    /// The hash, as it is in the names of files.
    pub(crate) fn hash_text(&self) -> String {
        format!("{:016x}", self.hash)
    }
}

impl fmt::Display for DestinationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.hash_text(), self.label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(url: &str) -> DestinationId {
        DestinationId::of(&Url::parse(url).unwrap())
    }

    /// A message shows the label, and who copies it into `formerly` means this destination.
    #[test]
    fn the_label_of_an_ingest_names_it() {
        for (url, label) in [
            ("https://Graphite.example/graphite/metrics/", "https://graphite.example/graphite/metrics"),
            ("http://h.example:8080/metrics", "http://h.example:8080/metrics"),
            ("tcp://h.example", "tcp://h.example:2003"),
        ] {
            assert_eq!((id(url).label.as_str(), id(label)), (label, id(url)));
        }
        assert_eq!(id("https://h.example/s3cret/metrics").label, "https://h.example");
    }

    #[test]
    fn a_destination_is_scheme_host_port_path_and_query_but_no_user() {
        for (a, b) in [
            ("https://me:secret@h/metrics", "https://h:443/metrics"),
            ("https://H/metrics/", "https://h/metrics"),
            ("http://h/metrics", "http://h:80/metrics"),
            ("tcp://h", "tcp://h:2003"),
            ("tls://h", "tls://h:2003"),
            ("pickle://h", "pickle://h:2004"),
        ] {
            assert_eq!(id(a), id(b));
        }
        let urls = [
            "https://h/metrics",
            "https://h/a/metrics",
            "https://h/metrics?key=1",
            "http://h:443/metrics",
            "tcp://h:443",
        ];
        for (index, url) in urls.iter().enumerate() {
            assert!(urls[..index].iter().all(|other| id(other) != id(url)), "{url}");
        }
        let text = id("https://me:secret@h/hidden/metrics?key=hidden").to_string();
        assert!(text.ends_with(" https://h") && !text.contains("hidden") && !text.contains("secret"), "{text}");
    }
}
