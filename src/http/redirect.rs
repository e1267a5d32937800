//! Where a redirect leads.

use super::url::Url;

/// Stands for the target of a redirect that is not a URL.
const UNREADABLE: &str = "an address that cannot be read";

/// Where a redirect leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RedirectTarget {
    /// To this path and query on the same server.
    SameServer(String),
    /// To another server: its scheme, host and port, or a text that says that it cannot be read.
    OtherServer(String),
}

impl RedirectTarget {
    /// Resolves a `Location` header that a server sent in reply to a request for `path`.
    pub(super) fn resolve(server: &Url, path: &str, location: &str) -> Self {
        let before_path = location.split(['/', '?', '#']).next().unwrap_or_default();
        if location.starts_with("//") {
            return Self::of_url(server, &format!("{}:{location}", server.scheme));
        }
        if before_path.ends_with(':') {
            return Self::of_url(server, location);
        }
        if location.starts_with('/') {
            return Self::SameServer(location.to_owned());
        }
        let path = path.split('?').next().unwrap_or_default();
        if location.starts_with('?') {
            return Self::SameServer(format!("{path}{location}"));
        }
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        Self::SameServer(format!("{directory}/{location}"))
    }

    fn of_url(server: &Url, location: &str) -> Self {
        let Ok(url) = Url::parse(location) else { return Self::OtherServer(UNREADABLE.to_owned()) };
        if (&url.scheme, &url.host, url.http_port()) == (&server.scheme, &server.host, server.http_port()) {
            Self::SameServer(url.path)
        } else {
            Self::OtherServer(url.to_string())
        }
    }

    /// The other server, for a message.
    pub(super) fn into_other_server(self) -> String {
        match self {
            Self::OtherServer(server) => server,
            Self::SameServer(_) => UNREADABLE.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_resolved_against_its_server_and_path() {
        let server = Url::parse("https://api.example.com").unwrap();
        let resolve = |location: &str| RedirectTarget::resolve(&server, "/a/b?c=d", location);
        for (location, path) in [
            ("/x?y=z", "/x?y=z"),
            ("x", "/a/x"),
            ("?e=f", "/a/b?e=f"),
            ("/x?u=https://y", "/x?u=https://y"),
            ("https://api.example.com/x", "/x"),
            ("https://api.example.com:443/x", "/x"),
            ("//api.example.com/x", "/x"),
        ] {
            assert_eq!(resolve(location), RedirectTarget::SameServer(path.to_owned()), "{location}");
        }
        for (location, server) in [
            ("http://api.example.com/x", "http://api.example.com"),
            ("https://api.example.com:8443/x", "https://api.example.com:8443"),
            ("//evil.example/x?key=1", "https://evil.example"),
            ("https:///x", UNREADABLE),
        ] {
            assert_eq!(resolve(location), RedirectTarget::OtherServer(server.to_owned()), "{location}");
        }
    }
}
