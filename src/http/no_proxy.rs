//! `NO_PROXY`: which hosts are reached without a proxy.

use super::url::Url;
use crate::util::brackets::without_brackets;
use std::net::IpAddr;

/// An entry of `NO_PROXY`. There is no standard; it is read as curl reads it, and may have a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoProxy {
    hosts: Hosts,
    /// The only port, if there is one.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// The addresses that have this many first bits in common with this one.
    Network(IpAddr, u32),
    /// A name and all names below it.
    Domain(String),
}

impl NoProxy {
    /// Reads an entry. What is neither an address nor a network counts as a name, so no text is wrong.
    pub(crate) fn parse(text: &str) -> Self {
        if let Some(hosts) = Hosts::parse_addresses(text) {
            return Self { hosts, port: None };
        }
        let with_port = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let (host, port) = with_port.map_or((text, None), |(host, port)| (host, Some(port)));
        let hosts = Hosts::parse_addresses(host).unwrap_or_else(|| match host {
            "*" => Hosts::All,
            name => Hosts::Domain(bare_name(name.trim_start_matches('*').trim_start_matches('.'))),
        });
        Self { hosts, port }
    }

    /// Whether the server of `url` is reached without a proxy.
    pub(super) fn covers(&self, url: &Url) -> bool {
        self.port.is_none_or(|only| only == url.http_port()) && self.hosts.contain(&url.host)
    }
}

impl Hosts {
    /// An address or a network; an IPv6 address with or without brackets.
    fn parse_addresses(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address = parse_address(address)?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(all), |bits| bits.parse().ok())?;
        (bits <= all).then_some(Self::Network(address, bits))
    }

    fn contain(&self, host: &str) -> bool {
        match self {
            Self::All => true,
            Self::Network(network, bits) => parse_address(host)
                .and_then(|address| common_bits(address, *network))
                .is_some_and(|common| common >= *bits),
            Self::Domain(domain) => {
                let host = bare_name(host);
                let before = host.strip_suffix(domain.as_str());
                !domain.is_empty()
                    && parse_address(&host).is_none()
                    && before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
            }
        }
    }
}

fn parse_address(text: &str) -> Option<IpAddr> {
    without_brackets(text).parse().ok()
}

/// A name in the form in which names are compared: in lower case, and without the dot of the root.
fn bare_name(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// How many first bits two addresses of one kind have in common.
fn common_bits(a: IpAddr, b: IpAddr) -> Option<u32> {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => Some((a.to_bits() ^ b.to_bits()).leading_zeros()),
        (IpAddr::V6(a), IpAddr::V6(b)) => Some((a.to_bits() ^ b.to_bits()).leading_zeros()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(entry: &str, url: &str) -> bool {
        NoProxy::parse(entry).covers(&Url::parse(url).unwrap())
    }

    #[test]
    fn an_entry_of_no_proxy_covers_a_name_and_the_names_below_it() {
        for entry in ["example.com", ".example.com", "*.example.com", "Example.COM.", "*", "api.example.com:443"] {
            assert!(covers(entry, "https://api.example.com"), "{entry}");
            assert!(covers(entry, "https://API.example.com."), "{entry}");
        }
        for entry in ["ample.com", "example.org", "", ".", "example.com:80", "*:80", "10.0.0.0/0", "::/0"] {
            assert!(!covers(entry, "https://api.example.com"), "{entry}");
        }
        assert!(covers("example.com:80", "http://example.com"));
        assert!(covers("example.com:8080", "http://example.com:8080"));
        assert!(covers("*:8080", "http://example.com:8080"));
    }

    #[test]
    fn an_entry_of_no_proxy_covers_an_address_or_a_network() {
        for (entry, inside, outside) in [
            ("10.1.2.3", "http://10.1.2.3", "http://10.1.2.4"),
            ("10.1.2.3:8080", "http://10.1.2.3:8080", "http://10.1.2.3"),
            ("10.0.0.0/8", "https://10.255.0.1", "https://11.0.0.1"),
            ("192.168.4.0/22", "http://192.168.7.255:81", "http://192.168.8.0"),
            ("0.0.0.0/0", "http://8.8.8.8", "http://[2001:db8::1]"),
            ("10.1.2.3/32", "http://10.1.2.3", "http://10.1.2.2"),
            ("2001:db8::1", "http://[2001:db8:0:0::1]:80", "http://[2001:db8::2]"),
            ("[2001:db8::1]", "http://[2001:db8::1]", "http://[2001:db8::2]"),
            ("[2001:db8::1]:8080", "http://[2001:db8::1]:8080", "http://[2001:db8::1]"),
            ("2001:db8::/32", "https://[2001:db8:ffff::1]", "https://[2001:db9::1]"),
            ("fd00::/7", "https://[fc00::1]", "https://[fe80::1]"),
            ("::/0", "https://[fe80::1]", "https://10.0.0.1"),
        ] {
            assert!(covers(entry, inside), "{entry} {inside}");
            assert!(!covers(entry, outside), "{entry} {outside}");
        }
        for entry in ["10.0.0.0/33", "10.0.0/8", "10.0.0.0/x", "0.0.1", "1.10.0.0.1"] {
            assert!(!covers(entry, "http://10.0.0.1"), "{entry}");
        }
    }
}
