//! Names into addresses.

use super::limit::Limit;
use super::threads::{lock, warn_of_no_thread};
use crate::util::brackets::without_brackets;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Beside a quicker lookup nothing is gained by connecting early: a cache on this machine or near it answers in this
/// time.
const QUICK: Duration = Duration::from_millis(3);

/// Why a name has no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// The resolver's own words.
    Failed(String),
    /// The resolver could not be asked, as a limit of the machine is reached.
    Limit(Limit),
    /// The resolver did not answer in time.
    TimedOut,
}

/// The addresses of a host that no resolver is asked for: an address, or `localhost`, which always means
/// this machine (RFC 6761, section 6.3). An IPv6 address may have brackets.
fn own_addresses(host: &str) -> Option<Vec<IpAddr>> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    Some(vec![without_brackets(host).parse().ok()?])
}

/// Asks the resolver of this machine.
fn ask_system(host: &str) -> io::Result<Vec<IpAddr>> {
    (host, 0).to_socket_addrs().map(|addresses| addresses.map(|address| address.ip()).collect())
}

/// Looks up each name once in its life. Lookups that are going on are shared, and one that has
/// failed is repeated when somebody asks again.
#[derive(Debug)]
pub(crate) struct Resolver {
    lookups: Mutex<HashMap<String, Arc<Lookup>>>,
    /// Where hosts were in an earlier run.
    remembered: Mutex<Vec<(String, IpAddr)>>,
    /// What a later run is to know of hosts.
    noted: Mutex<HashMap<String, Option<IpAddr>>>,
    ask: fn(&str) -> io::Result<Vec<IpAddr>>,
}

/// One lookup, which may be going on.
#[derive(Debug, Default)]
struct Lookup {
    result: Mutex<Option<Result<Vec<IpAddr>, ResolveError>>>,
    done: Condvar,
}

impl Lookup {
    fn finish(&self, result: io::Result<Vec<IpAddr>>) {
        let describe = |cause: io::Error| match Limit::of(&cause).map_or_else(Limit::check_open_files, Err) {
            Ok(()) => ResolveError::Failed(cause.to_string()),
            Err(limit) => ResolveError::Limit(limit),
        };
        *lock(&self.result) = Some(result.map_err(describe));
        self.done.notify_all();
    }

    fn wait(&self, timeout: Duration) -> Result<Vec<IpAddr>, ResolveError> {
        let is_going_on = |result: &mut Option<_>| result.is_none();
        let (result, _) = self
            .done
            .wait_timeout_while(lock(&self.result), timeout, is_going_on)
            .unwrap_or_else(PoisonError::into_inner);
        match &*result {
            Some(result) => result.clone(),
            None => Err(ResolveError::TimedOut),
        }
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::asking(ask_system)
    }
}

impl Resolver {
    /// A resolver that finds addresses in this way.
    pub(crate) fn asking(ask: fn(&str) -> io::Result<Vec<IpAddr>>) -> Self {
        Self { lookups: Mutex::default(), remembered: Mutex::default(), noted: Mutex::default(), ask }
    }

    /// Learns where hosts were in an earlier run.
    pub(crate) fn remember(&self, hosts: Vec<(String, IpAddr)>) {
        *lock(&self.remembered) = hosts;
    }

    /// The address of a host in an earlier run, if its name is looked up for longer than a [quick](QUICK) answer takes.
    /// The lookup begins here.
    pub(crate) fn remembered_address(&self, host: &str, timeout: Duration) -> Option<IpAddr> {
        let address = lock(&self.remembered).iter().find(|(name, _)| name == host)?.1;
        let is_going_on = self.begin_lookup(host).wait(QUICK.min(timeout)) == Err(ResolveError::TimedOut);
        is_going_on.then_some(address)
    }

    /// Learns at which address a host has a connection, or that it is not to be remembered. Of a host that has no
    /// address yet, or needs no lookup, nothing is learned.
    pub(crate) fn note_connection(&self, host: &str, address: Option<IpAddr>) {
        let is_found = |lookup: &Arc<Lookup>| matches!(*lock(&lookup.result), Some(Ok(_)));
        if lock(&self.lookups).get(host).is_some_and(is_found) {
            lock(&self.noted).insert(host.to_owned(), address);
        }
    }

    /// What was noted last of each host, for a later run to [remember](Self::remember).
    pub(crate) fn connected(&self) -> Vec<(String, Option<IpAddr>)> {
        lock(&self.noted).clone().into_iter().collect()
    }

    /// The addresses of a host, which is a name or an address.
    ///
    /// # Errors
    /// When the name has no address, or the resolver does not answer within `timeout`.
    pub(crate) fn resolve(&self, host: &str, port: u16, timeout: Duration) -> Result<Vec<SocketAddr>, ResolveError> {
        let addresses = match own_addresses(host) {
            Some(addresses) => addresses,
            None => self.look_up(host, timeout)?,
        };
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    /// The lookup of a name, which begins now unless it has begun.
    fn begin_lookup(&self, host: &str) -> Arc<Lookup> {
        let mut is_new = false;
        let lookup = Arc::clone(lock(&self.lookups).entry(host.to_owned()).or_insert_with(|| {
            is_new = true;
            Arc::default()
        }));
        if is_new {
            self.start(host, &lookup);
        }
        lookup
    }

    fn look_up(&self, host: &str, timeout: Duration) -> Result<Vec<IpAddr>, ResolveError> {
        let lookup = self.begin_lookup(host);
        let result = lookup.wait(timeout);
        if let Err(ResolveError::Failed(_) | ResolveError::Limit(_)) = &result {
            let mut lookups = lock(&self.lookups);
            // Somebody else may have begun the next one.
            if lookups.get(host).is_some_and(|current| Arc::ptr_eq(current, &lookup)) {
                lookups.remove(host);
            }
        }
        result
    }

    /// Starts a lookup. The system's resolver knows no deadline, so it runs on a thread of its own,
    /// which is left behind when it is late. If the machine gives no thread, the lookup runs here.
    fn start(&self, host: &str, lookup: &Arc<Lookup>) {
        let (ask, thread_host, thread_lookup) = (self.ask, host.to_owned(), Arc::clone(lookup));
        let work = move || thread_lookup.finish(ask(&thread_host));
        if let Err(cause) = thread::Builder::new().name("resolve".to_owned()).spawn(work) {
            warn_of_no_thread(&cause);
            lookup.finish((self.ask)(host));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const TIMEOUT: Duration = Duration::from_secs(60);

    #[test]
    fn addresses_and_localhost_need_no_lookup() {
        let resolver = Resolver::asking(|host| panic!("{host} was looked up"));
        let resolve = |host, port| resolver.resolve(host, port, TIMEOUT).unwrap();
        assert_eq!(resolve("[::1]", 2003), ["[::1]:2003".parse().unwrap()]);
        assert_eq!(resolve("::1", 2003), ["[::1]:2003".parse().unwrap()]);
        assert_eq!(resolve("10.0.0.1", 1), ["10.0.0.1:1".parse().unwrap()]);
        assert_eq!(resolve("LocalHost", 7), ["127.0.0.1:7".parse().unwrap(), "[::1]:7".parse().unwrap()]);
    }

    #[test]
    fn a_name_is_looked_up_once() {
        static LOOKUPS: AtomicUsize = AtomicUsize::new(0);
        let resolver = Resolver::asking(|_| {
            LOOKUPS.fetch_add(1, Ordering::SeqCst);
            Ok(vec![Ipv4Addr::LOCALHOST.into()])
        });
        thread::scope(|scope| {
            for port in 1..9 {
                let resolver = &resolver;
                scope.spawn(move || resolver.resolve("example.com", port, TIMEOUT).unwrap());
            }
        });
        assert_eq!(resolver.resolve("example.com", 443, TIMEOUT).unwrap(), ["127.0.0.1:443".parse().unwrap()]);
        assert_eq!(LOOKUPS.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_lookup_that_has_failed_is_repeated() {
        static LOOKUPS: AtomicUsize = AtomicUsize::new(0);
        let resolver = Resolver::asking(|_| match LOOKUPS.fetch_add(1, Ordering::SeqCst) {
            0 => Err(io::Error::other("try again")),
            _ => Ok(vec![Ipv4Addr::LOCALHOST.into()]),
        });
        let error = resolver.resolve("example.com", 80, TIMEOUT).unwrap_err();
        assert_eq!(error, ResolveError::Failed("try again".to_owned()));
        assert!(resolver.resolve("example.com", 80, TIMEOUT).is_ok());
    }

    /// Keeps a lookup going until it is released.
    fn wait_for(is_released: &Mutex<bool>) {
        while !*lock(is_released) {
            thread::yield_now();
        }
    }

    #[test]
    fn a_late_lookup_goes_on_and_its_answer_is_used() {
        static IS_RELEASED: Mutex<bool> = Mutex::new(false);
        let resolver = Resolver::asking(|_| {
            wait_for(&IS_RELEASED);
            Ok(vec![Ipv4Addr::LOCALHOST.into()])
        });
        assert_eq!(resolver.resolve("example.com", 80, Duration::ZERO), Err(ResolveError::TimedOut));
        *lock(&IS_RELEASED) = true;
        assert!(resolver.resolve("example.com", 80, TIMEOUT).is_ok());
    }

    #[test]
    fn an_earlier_address_is_known_while_the_name_is_looked_up() {
        static IS_RELEASED: Mutex<bool> = Mutex::new(false);
        let resolver = Resolver::asking(|_| {
            wait_for(&IS_RELEASED);
            Ok(vec![Ipv4Addr::LOCALHOST.into()])
        });
        resolver.remember(vec![("example.com".to_owned(), [10, 0, 0, 1].into())]);
        assert_eq!(resolver.remembered_address("example.org", TIMEOUT), None);
        for timeout in [Duration::ZERO, TIMEOUT] {
            assert_eq!(resolver.remembered_address("example.com", timeout), Some([10, 0, 0, 1].into()));
        }
        *lock(&IS_RELEASED) = true;
        assert_eq!(resolver.resolve("example.com", 1, TIMEOUT).unwrap(), ["127.0.0.1:1".parse().unwrap()]);
        assert_eq!(resolver.remembered_address("example.com", TIMEOUT), None);
    }

    #[test]
    fn what_was_noted_last_is_known_of_each_host_that_was_looked_up() {
        let resolver = Resolver::asking(|_| Ok(vec![Ipv4Addr::LOCALHOST.into()]));
        resolver.resolve("example.com", 1, TIMEOUT).unwrap();
        assert_eq!(resolver.connected(), []);
        for (host, last) in [("example.com", 1), ("example.com", 2), ("10.0.0.3", 3)] {
            resolver.note_connection(host, Some([10, 0, 0, last].into()));
        }
        assert_eq!(resolver.connected(), [("example.com".to_owned(), Some([10, 0, 0, 2].into()))]);
        resolver.note_connection("example.com", None);
        assert_eq!(resolver.connected(), [("example.com".to_owned(), None)]);
    }

    #[test]
    fn nothing_is_noted_of_a_host_that_has_no_address_yet() {
        static IS_RELEASED: Mutex<bool> = Mutex::new(false);
        let resolver = Resolver::asking(|host| {
            wait_for(&IS_RELEASED);
            if host == "example.com" { Ok(vec![Ipv4Addr::LOCALHOST.into()]) } else { Err(io::Error::other("gone")) }
        });
        for host in ["example.com", "example.org"] {
            assert_eq!(resolver.resolve(host, 1, Duration::ZERO), Err(ResolveError::TimedOut));
            resolver.note_connection(host, None);
        }
        *lock(&IS_RELEASED) = true;
        assert!(resolver.resolve("example.com", 1, TIMEOUT).is_ok());
        assert!(resolver.resolve("example.org", 1, TIMEOUT).is_err());
        resolver.note_connection("example.org", None);
        assert_eq!(resolver.connected(), []);
    }

    #[test]
    fn a_name_without_an_address_fails_with_the_words_of_the_system() {
        assert!(matches!(Resolver::default().resolve("a b", 1, TIMEOUT), Err(ResolveError::Failed(_))));
    }
}
