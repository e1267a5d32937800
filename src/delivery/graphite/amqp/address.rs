//! The URL of an exchange: `amqp://user:password@host:port/vhost?exchange=NAME&names=body`, or `amqps:` in TLS.

use crate::delivery::graphite::destination_id::DestinationId;
use crate::http::url::Url;
use crate::secret::URL_VALUE;
use crate::util::suggest::did_you_mean;
use percent_encoding::{percent_decode_str, utf8_percent_encode};

/// The scheme of such URLs, without and with TLS.
const SCHEMES: [&str; 2] = ["amqp", "amqps"];

/// The ports of RabbitMQ, without and with TLS.
const DEFAULT_PORTS: [u16; 2] = [5672, 5671];

/// Carbon's default of AMQP_EXCHANGE.
const DEFAULT_EXCHANGE: &str = "graphite";

/// Longest name that AMQP has room for, in bytes.
pub(super) const MAX_NAME: usize = 255;

/// An exchange of a broker.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AmqpAddress {
    /// A name or an address.
    pub(crate) host: String,
    /// 5672 by default, 5671 with TLS.
    pub(crate) port: u16,
    /// Whether it is reached in TLS.
    pub(crate) is_tls: bool,
    /// The part of the broker in which the exchange is: `/` by default.
    pub(crate) vhost: String,
    /// Where Carbon's queue is bound to: `graphite` by default.
    pub(crate) exchange: String,
    /// Whether the name of a metric is in the body of its message, as AMQP_METRIC_NAME_IN_BODY of Carbon says. If
    /// not, it is the routing key.
    pub(crate) names_in_body: bool,
    is_loopback: bool,
}

impl AmqpAddress {
    /// Reads a URL. The user in it is left alone.
    ///
    /// # Errors
    /// What is wrong with path or query, as a clause that follows the name of the setting.
    pub(crate) fn of(url: &Url) -> Result<Self, String> {
        let (path, query) = url.path.split_once('?').unwrap_or((&url.path, ""));
        let path = path.strip_prefix('/').unwrap_or(path);
        if path.contains('/') {
            return Err("has a path of several parts, but a vhost is one: write a / in its name as %2f".to_owned());
        }
        let vhost = if path.is_empty() { "/".to_owned() } else { name("vhost", path)? };
        let (mut exchange, mut names_in_body) = (DEFAULT_EXCHANGE.to_owned(), false);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("exchange", value) => exchange = name("exchange", value)?,
                ("names", "body") => names_in_body = true,
                ("names", _) => {
                    let problem = "has `names` with another value than body, which is for \
                                   AMQP_METRIC_NAME_IN_BODY = True of Carbon: leave it out for False";
                    return Err(problem.to_owned());
                }
                (key, _) => {
                    // A key that is no word may be a secret.
                    let suggestion = did_you_mean(key, ["exchange", "names"]);
                    return Err(format!("has a query with something else than exchange and names{suggestion}"));
                }
            }
        }
        let is_tls = url.scheme == SCHEMES[1];
        let (host, port) = (url.host.clone(), url.port.unwrap_or(DEFAULT_PORTS[usize::from(is_tls)]));
        Ok(Self { host, port, is_tls, vhost, exchange, names_in_body, is_loopback: url.is_loopback() })
    }

    /// Whether it is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    /// Its identity.
    pub(crate) fn id(&self) -> DestinationId {
        let encoded = |text| utf8_percent_encode(text, URL_VALUE);
        let names = if self.names_in_body { "&names=body" } else { "" };
        let path = format!("/{}?exchange={}{names}", encoded(&self.vhost), encoded(&self.exchange));
        DestinationId::new(SCHEMES[usize::from(self.is_tls)], &self.host, self.port, &path)
    }
}

/// A name in percent-encoding. `of` is what it names.
fn name(of: &str, text: &str) -> Result<String, String> {
    let name = percent_decode_str(text).decode_utf8().unwrap_or_default().into_owned();
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(format!("has no name of 1 to {MAX_NAME} bytes for the {of}"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<AmqpAddress, String> {
        AmqpAddress::of(&Url::parse(url).unwrap())
    }

    #[test]
    fn an_amqp_url_has_defaults_for_all_but_the_host() {
        let plain = read("amqp://rabbit").unwrap();
        let expected = AmqpAddress {
            host: "rabbit".to_owned(),
            port: 5672,
            is_tls: false,
            vhost: "/".to_owned(),
            exchange: "graphite".to_owned(),
            names_in_body: false,
            is_loopback: false,
        };
        assert_eq!(plain, expected);
        for same in
            ["amqp://rabbit/", "amqp://me:pw@rabbit:5672/%2f?exchange=graphite", "amqp://rabbit?", "amqp://rabbit/%2F"]
        {
            assert_eq!(read(same).unwrap(), expected, "{same}");
            assert_eq!(read(same).unwrap().id(), expected.id(), "{same}");
        }
        let other = read("amqp://[::1]:5/my%20host?names=body&exchange=a%26b").unwrap();
        assert_eq!((other.host.as_str(), other.port, other.vhost.as_str()), ("[::1]", 5, "my host"));
        assert_eq!((other.exchange.as_str(), other.names_in_body), ("a&b", true));
    }

    #[test]
    fn amqp_urls_of_other_exchanges_vhosts_and_forms_are_other_destinations() {
        let urls = ["", "/a", "?exchange=b", "?names=body", "/a?exchange=b", ":5671"];
        let ids: Vec<_> = urls.iter().map(|url| read(&format!("amqp://h{url}")).unwrap().id()).collect();
        for (index, id) in ids.iter().enumerate() {
            assert!(ids[..index].iter().all(|other| other != id), "{}", urls[index]);
        }
        assert!(ids[4].to_string().ends_with(" amqp://h:5672"), "{}", ids[4]);
    }
}
