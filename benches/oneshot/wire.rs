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
use std::time::{Duration, Instant};
use std::{env, thread};
use tun_tap::{Iface, Mode};

/// The argument of the process at the far end. The next one is the folder of the sockets.
pub(crate) const FAR: &str = "--far-end";
/// How long a packet takes there and back.
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(50);
pub(crate) const NETWORK: Network = [10, 99, 0];
/// The last byte of the address of the near end.
const NEAR: u8 = 1;
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
    let socket = UnixDatagram::bind(folder.join(own))?;
    let (sender, other) = (socket.try_clone()?, folder.join(to));
    let (queue, queued) = mpsc::channel::<(Instant, Vec<u8>)>();
    let source = Arc::clone(&device);
    thread::spawn(move || {
        let mut packet = [0; 2_048];
        while let Ok(length) = source.recv(&mut packet) {
            let due = Instant::now() + ROUND_TRIP / 2;
            if queue.send((due, packet[..length].to_vec())).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (due, packet) in queued {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            // A packet that is lost is sent again by the kernel.
            let _ = sender.send_to(&packet, &other);
        }
    });
    thread::spawn(move || {
        let mut packet = [0; 2_048];
        while let Ok(length) = socket.recv(&mut packet) {
            let _ = device.send(&packet[..length]);
        }
    });
    Ok(())
}

/// Runs `ip` with these words.
fn ip(words: &str) -> io::Result<()> {
    let output = Command::new("ip").args(words.split(' ')).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(io::Error::other(format!("ip {words}: {said}"))) }
}
