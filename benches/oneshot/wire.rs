//! A wire between two networks on this machine, on which every packet takes its time: a TUN device in each, and
//! between them sockets through which two processes of the benchmark hand packets to each other.
//!
//! This process is at the near end, in a network of its own ([`super::own_network`]). The far end is a child process
//! in another one, with the servers.

use super::hosts::{self, Network};
use super::traffic::Traffic;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, fs, thread};
use tun_tap::{Iface, Mode};

/// The argument of the process at the far end. The next one is the folder of the sockets.
pub(crate) const FAR: &str = "--far-end";
/// How long a packet takes to the other end, in nanoseconds.
const ONE_WAY: u64 = 25_000_000;
/// How long a packet takes there and back.
pub(crate) const ROUND_TRIP: Duration = Duration::from_nanos(2 * ONE_WAY);
pub(crate) const NETWORK: Network = [10, 99, 0];
/// The last byte of the address of the near end.
const NEAR: u8 = 1;
/// A message between the two processes is the time at which a packet is due, and the packet.
const DUE_BYTES: usize = size_of::<u64>();
const MESSAGE_BYTES: usize = DUE_BYTES + 2_048;
/// Where Linux is told how TCP finds out how much it may send at once.
const CONGESTION_CONTROL: &str = "/proc/sys/net/ipv4/tcp_congestion_control";
/// The way with the same slow start as cubic, Linux's default. Any network may use it; cubic only where the machine has it
/// as its default. Others, such as bbr, pace the packets of a reply, so that figures would depend on the machine.
const RENO: &str = "reno";
/// What the far end says when its servers listen.
const READY: &str = "ready";

/// A wire whose near end is in this process. The far end is taken away when this value is dropped.
pub(crate) struct Wire {
    far: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Wire {
    /// Joins this network with another one. The folder gets the sockets, and `roots.pem`.
    ///
    /// # Errors
    /// If there can be no TUN device or no second network.
    pub(crate) fn start(folder: &Path) -> Result<Self, String> {
        open(folder, "near", "far", &[NEAR]).map_err(|error| format!("there is no wire here: {error}"))?;
        let this = env::current_exe().expect("the path of this program");
        let mut command = Command::new("unshare");
        command.arg("-n").arg(this).arg(FAR).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut far = command.spawn().map_err(|error| format!("unshare: {error}"))?;
        let (questions, answers) = (far.stdin.take().expect("a pipe"), far.stdout.take().expect("a pipe"));
        let mut wire = Self { far, questions, answers: BufReader::new(answers) };
        if wire.read() == READY { Ok(wire) } else { Err("the far end of the wire did not start".to_owned()) }
    }

    /// Requests, connections and lookups of the servers since the last call.
    pub(crate) fn traffic(&mut self) -> [u64; 3] {
        writeln!(self.questions).expect("the far end reads");
        let counts: Vec<u64> = self.read().split(' ').map(|count| count.parse().expect("a count")).collect();
        counts.try_into().expect("three counts")
    }

    fn read(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the far end answers");
        line.trim().to_owned()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.far.kill();
        let _ = self.far.wait();
    }
}

/// The process at the far end: starts the servers, and says what they were asked for each line that it reads.
pub(crate) fn serve(folder: &Path) {
    let ends: Vec<u8> = hosts::HOSTS.iter().map(|(_, end)| *end).collect();
    if let Err(error) = open(folder, "far", "near", &ends) {
        println!("{error}");
        return;
    }
    let traffic: Arc<Traffic> = hosts::start(NETWORK, Duration::ZERO, folder);
    println!("{READY}");
    for _ in io::stdin().lines() {
        let [requests, connections, lookups] = traffic.take();
        println!("{requests} {connections} {lookups}");
    }
}

/// Makes the device of this network, with addresses that end in these bytes, and moves packets from it to the
/// socket `to` and from the socket `own` to it.
fn open(folder: &Path, own: &str, to: &str, ends: &[u8]) -> io::Result<()> {
    let device = Arc::new(
        Iface::without_packet_info("wire", Mode::Tun)
            .map_err(|error| io::Error::other(format!("/dev/net/tun: {error}")))?,
    );
    let [a, b, c] = NETWORK;
    for end in ends {
        ip(&format!("address add {a}.{b}.{c}.{end}/24 dev wire"))?;
    }
    // No packet is dropped where many are sent at once.
    ip("link set wire up txqueuelen 10000")?;
    fs::write(CONGESTION_CONTROL, RENO).map_err(|error| io::Error::other(format!("{CONGESTION_CONTROL}: {error}")))?;
    let socket = UnixDatagram::bind(folder.join(own))?;
    let (sender, other) = (socket.try_clone()?, folder.join(to));
    let source = Arc::clone(&device);
    thread::spawn(move || {
        let mut message = [0; MESSAGE_BYTES];
        while let Ok(length) = source.recv(&mut message[DUE_BYTES..]) {
            message[..DUE_BYTES].copy_from_slice(&(now() + ONE_WAY).to_le_bytes());
            // A packet that is lost is sent again by the kernel.
            let _ = sender.send_to(&message[..DUE_BYTES + length], &other);
        }
    });
    let (queue, queued) = mpsc::channel::<Vec<u8>>();
    thread::spawn(move || {
        let mut message = [0; MESSAGE_BYTES];
        while let Ok(length) = socket.recv(&mut message) {
            if queue.send(message[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        for message in queued {
            let (due, packet) = message.split_first_chunk().expect("a packet with its time");
            // The wait comes last, so the time of the steps before it is a part of it and not added to it.
            let left = u64::from_le_bytes(*due).saturating_sub(now());
            thread::sleep(Duration::from_nanos(left.min(ONE_WAY)));
            let _ = device.send(packet);
        }
    });
    Ok(())
}

/// Nanoseconds since 1970. An `Instant` means nothing in another process.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is right");
    u64::try_from(now.as_nanos()).expect("a time before the year 2554")
}

/// Runs `ip` with these words.
fn ip(words: &str) -> io::Result<()> {
    let output = Command::new("ip").args(words.split(' ')).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(io::Error::other(format!("ip {words}: {said}"))) }
}
