//! Carbon in the simulation. It never answers, and says with a close or a reset what there is to say.

use super::{
    network::{DESTINATIONS, Mood},
    promises::Promise,
    world::Machine,
};
use datametrics::{Connection, Deadline, Dialer, ResolveError};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::SocketAddr,
    time::Duration,
};

/// Where Carbon stands among the destinations.
const CARBON: usize = DESTINATIONS.len() - 1;

impl Dialer for Machine {
    fn resolve(&self, host: &str, port: u16, deadline: Deadline<'_>) -> Result<Vec<SocketAddr>, ResolveError> {
        assert_eq!(host, DESTINATIONS[CARBON]);
        let is_lost = self.world.mood(CARBON) == Mood::Fails(408, false);
        let cost = if is_lost { deadline.remaining() } else { Duration::from_millis(2) };
        self.call(cost, format_args!("resolves {host}"), |_| ((), (!is_lost).to_string()));
        let address = || vec![SocketAddr::from(([192, 0, 2, 1], port))];
        if is_lost { Err(ResolveError::TimedOut) } else { Ok(address()) }
    }

    fn dial(&self, _: SocketAddr, timeout: Duration) -> io::Result<Box<dyn Connection>> {
        let mood = self.world.mood(CARBON);
        let latency = Duration::from_millis(self.world.inner().network.graphites[CARBON].latency);
        self.call(latency.min(timeout), format_args!("dials Carbon, {mood:?}"), |inner| {
            inner.counts.bad_answers += u64::from(mood != Mood::Well);
            ((), String::new())
        });
        if latency >= timeout {
            return Err(ErrorKind::TimedOut.into());
        }
        if mood == Mood::RefusesConnection {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        // A balancer takes everything and has no Carbon behind it.
        let is_dead = !self.world.leaves(Promise::DeadCarbon) && self.world.baton.one_in(4);
        let (received, timeout) = (Vec::new(), Duration::ZERO);
        Ok(Box::new(Line { machine: self.clone(), mood, is_dead, received, timeout, is_shut: false }))
    }
}

/// A connection.
struct Line {
    machine: Machine,
    mood: Mood,
    is_dead: bool,
    received: Vec<u8>,
    /// How long a read may take.
    timeout: Duration,
    is_shut: bool,
}

impl Line {
    /// Carbon reads the whole lines that it has, if they get to it.
    fn store(&mut self, stores: bool) {
        let text = String::from_utf8(std::mem::take(&mut self.received)).expect("a text");
        let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        let point = |line: &str| {
            let mut words = line.split(' ');
            let (name, value, time) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            Some(((name.to_owned(), time), value))
        };
        let points: Vec<((String, i64), f64)> = lines.map(|line| point(line).expect("a point")).collect();
        let process = self.machine.process;
        self.machine.call(Duration::from_millis(1), format_args!("Carbon gets {} lines", points.len()), |inner| {
            inner.arrive(process, CARBON, points.iter().map(|(key, value)| (key, *value)), true);
            inner.check_times(&self.machine, points.iter().map(|(key, _)| key));
            for (key, _) in points.iter().filter(|_| stores) {
                inner.ledger.take(CARBON, key);
            }
            ((), stores.to_string())
        });
    }

    fn fail(&self, kind: ErrorKind) -> io::Error {
        self.machine.world.inner().processes[self.machine.process].saw_failure = true;
        kind.into()
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The system takes what fits into its buffer.
        let len = bytes.len().min(4_096);
        self.received.extend_from_slice(&bytes[..len]);
        self.machine.call(Duration::from_millis(1), format_args!("sends {len} bytes"), |_| ((), String::new()));
        if let Mood::Cuts(stores) = self.mood {
            self.store(stores);
            return Err(self.fail(ErrorKind::ConnectionReset));
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let is_slow = matches!(self.mood, Mood::IsSilent(_)) || !(self.is_shut || matches!(self.mood, Mood::Fails(..)));
        if is_slow && !matches!(self.mood, Mood::TalksNonsense(_)) {
            if let Mood::IsSilent(stores) = self.mood {
                self.store(stores);
            }
            self.machine.call(self.timeout, "waits for Carbon", |_| ((), "in vain".to_owned()));
            return Err(self.fail(ErrorKind::WouldBlock));
        }
        match self.mood {
            Mood::TalksNonsense(stores) => {
                self.store(stores);
                buffer[..8].copy_from_slice(b"HTTP/1.1");
                return Ok(8);
            }
            Mood::Fails(_, stores) => self.store(stores),
            _ => self.store(!self.is_dead),
        }
        Ok(0)
    }
}

impl Connection for Line {
    fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.timeout = timeout;
        Ok(())
    }

    fn set_write_timeout(&mut self, _: Duration) -> io::Result<()> {
        Ok(())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.is_shut = true;
        Ok(())
    }

    fn is_open(&mut self) -> bool {
        true
    }

    fn take_error(&mut self) -> io::Result<Option<io::Error>> {
        let is_reset = matches!(self.mood, Mood::Forbids(_));
        self.machine.world.inner().processes[self.machine.process].saw_success[CARBON] |= !is_reset;
        Ok(is_reset.then(|| self.fail(ErrorKind::ConnectionReset)))
    }
}
