//! Names into addresses.

use super::threads::lock;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Why a name has no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// The resolver's own words.
    Failed(String),
    /// The resolver did not answer in time.
    TimedOut,
}

/// The addresses of a host that no resolver is asked for: an address, or `localhost`, which always means
/// this machine (RFC 6761, section 6.3). An IPv6 address may have brackets.
fn own_addresses(host: &str, port: u16) -> Option<Vec<SocketAddr>> {
    if host.eq_ignore_ascii_case("localhost") {
        let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        return Some(loopback.map(|address| SocketAddr::new(address, port)).to_vec());
    }
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Some(vec![SocketAddr::new(bare.parse().ok()?, port)])
}

/// Asks the resolver of this machine.
fn ask_system(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    (host, port).to_socket_addrs().map(Vec::from_iter)
}

/// Looks up each name and port once in its life. Lookups that are going on are shared, and one that has
/// failed is repeated when somebody asks again.
#[derive(Debug)]
pub(crate) struct Resolver {
    lookups: Mutex<HashMap<(String, u16), Arc<Lookup>>>,
    ask: fn(&str, u16) -> io::Result<Vec<SocketAddr>>,
}

/// One lookup, which may be going on.
#[derive(Debug, Default)]
struct Lookup {
    result: Mutex<Option<Result<Vec<SocketAddr>, String>>>,
    done: Condvar,
}

impl Lookup {
    fn finish(&self, result: io::Result<Vec<SocketAddr>>) {
        *lock(&self.result) = Some(result.map_err(|cause| cause.to_string()));
        self.done.notify_all();
    }

    fn wait(&self, timeout: Duration) -> Result<Vec<SocketAddr>, ResolveError> {
        let is_going_on = |result: &mut Option<_>| result.is_none();
        let (result, _) = self
            .done
            .wait_timeout_while(lock(&self.result), timeout, is_going_on)
            .unwrap_or_else(PoisonError::into_inner);
        match &*result {
            Some(result) => result.clone().map_err(ResolveError::Failed),
            None => Err(ResolveError::TimedOut),
        }
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self { lookups: Mutex::default(), ask: ask_system }
    }
}

impl Resolver {
    /// The addresses of a host, which is a name or an address.
    ///
    /// # Errors
    /// When the name has no address, or the resolver does not answer within `timeout`.
    pub(crate) fn resolve(&self, host: &str, port: u16, timeout: Duration) -> Result<Vec<SocketAddr>, ResolveError> {
        if let Some(addresses) = own_addresses(host, port) {
            return Ok(addresses);
        }
        let key = (host.to_owned(), port);
        let mut is_new = false;
        let lookup = Arc::clone(lock(&self.lookups).entry(key.clone()).or_insert_with(|| {
            is_new = true;
            Arc::default()
        }));
        if is_new {
            self.start(host, port, &lookup);
        }
        let result = lookup.wait(timeout);
        if let Err(ResolveError::Failed(_)) = &result {
            lock(&self.lookups).remove(&key);
        }
        result
    }

    /// Starts a lookup. The system's resolver knows no deadline, so it runs on a thread of its own,
    /// which is left behind when it is late. If the machine gives no thread, the lookup runs here.
    fn start(&self, host: &str, port: u16, lookup: &Arc<Lookup>) {
        let (ask, thread_host, thread_lookup) = (self.ask, host.to_owned(), Arc::clone(lookup));
        let work = move || thread_lookup.finish(ask(&thread_host, port));
        if thread::Builder::new().name("resolve".to_owned()).spawn(work).is_err() {
            lookup.finish((self.ask)(host, port));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const TIMEOUT: Duration = Duration::from_secs(60);

    fn resolver(ask: fn(&str, u16) -> io::Result<Vec<SocketAddr>>) -> Resolver {
        Resolver { lookups: Mutex::default(), ask }
    }

    #[test]
    fn addresses_and_localhost_need_no_lookup() {
        let resolver = resolver(|host, _| panic!("{host} was looked up"));
        let resolve = |host, port| resolver.resolve(host, port, TIMEOUT).unwrap();
        assert_eq!(resolve("[::1]", 2003), ["[::1]:2003".parse().unwrap()]);
        assert_eq!(resolve("::1", 2003), ["[::1]:2003".parse().unwrap()]);
        assert_eq!(resolve("10.0.0.1", 1), ["10.0.0.1:1".parse().unwrap()]);
        assert_eq!(resolve("LocalHost", 7), ["127.0.0.1:7".parse().unwrap(), "[::1]:7".parse().unwrap()]);
    }

    #[test]
    fn a_name_is_looked_up_once() {
        static LOOKUPS: AtomicUsize = AtomicUsize::new(0);
        let resolver = resolver(|_, port| {
            LOOKUPS.fetch_add(1, Ordering::SeqCst);
            Ok(vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)])
        });
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| resolver.resolve("example.com", 443, TIMEOUT).unwrap());
            }
        });
        assert_eq!(resolver.resolve("example.com", 443, TIMEOUT).unwrap(), ["127.0.0.1:443".parse().unwrap()]);
        assert_eq!(LOOKUPS.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_lookup_that_has_failed_is_repeated() {
        static LOOKUPS: AtomicUsize = AtomicUsize::new(0);
        let resolver = resolver(|_, port| match LOOKUPS.fetch_add(1, Ordering::SeqCst) {
            0 => Err(io::Error::other("try again")),
            _ => Ok(vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)]),
        });
        let error = resolver.resolve("example.com", 80, TIMEOUT).unwrap_err();
        assert_eq!(error, ResolveError::Failed("try again".to_owned()));
        assert!(resolver.resolve("example.com", 80, TIMEOUT).is_ok());
    }

    #[test]
    fn a_late_lookup_goes_on_and_its_answer_is_used() {
        static IS_RELEASED: Mutex<bool> = Mutex::new(false);
        let resolver = resolver(|_, port| {
            while !*lock(&IS_RELEASED) {
                thread::yield_now();
            }
            Ok(vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)])
        });
        assert_eq!(resolver.resolve("example.com", 80, Duration::ZERO), Err(ResolveError::TimedOut));
        *lock(&IS_RELEASED) = true;
        assert!(resolver.resolve("example.com", 80, TIMEOUT).is_ok());
    }

    #[test]
    fn a_name_without_an_address_fails_with_the_words_of_the_system() {
        assert!(matches!(Resolver::default().resolve("a b", 1, TIMEOUT), Err(ResolveError::Failed(_))));
    }
}
