//! Errors that no test can bring about. They are written here by hand, as their types are not public. Unit
//! tests beside these types (`src/market/hours.rs`, `src/http/transport.rs`, `src/delivery/graphite/carbon/connection.rs`,
//! `src/delivery/journal/error.rs`, `src/state/mod.rs`, `src/logging.rs`) make the real errors and look for them on the page. What is said after
//! a defect is one literal, so the search for the texts of the source finds a change of it.

use super::scene::Scene;
use Scene::Rendered;

/// The error of a run whose clock begins in 1970, as `tests/clock.rs` sees it.
pub(crate) const WRONG_CLOCK: &str = "the clock of this machine says 1970-01-01, and this datametrics is of 2026-11-24: set \
                                      the clock (timedatectl says whether it is kept right); nothing was fetched, kept or pushed";

/// The error of `init` where a new config would take the place of that of the machine.
pub(crate) const CONFIG_OF_MACHINE: &str = "/etc/datametrics/config.toml: is there already, and a new file would take its \
                                            place: edit it, or name another file with --config";

/// A secret that only the service of systemd has.
pub(crate) const PASSWORD_OF_SERVICE: &str = "/etc/datametrics/config.toml:3: graphite.user: is set, but no password: set \
    GRAPHITE_PASSWORD or GRAPHITE_PASSWORD_FILE, or password_file in [graphite]; /etc/datametrics/graphite_password is for datametrics.service: to check as \
    it runs, `sudo systemd-run --pipe --wait --collect -p DynamicUser=yes -p User=datametrics -p StateDirectory=datametrics -p \
    LoadCredential=graphite_password:/etc/datametrics/graphite_password datametrics check`";

/// A state directory that is not that of the service of systemd.
pub(crate) const DIRECTORY_OF_SERVICE: &str = "state directory: <home>/.local/state/datametrics can be written; 0 points in the \
    journal; datametrics.service has its own, /var/lib/datametrics: to check as it runs, `sudo systemd-run --pipe --wait --collect -p DynamicUser=yes \
    -p User=datametrics -p StateDirectory=datametrics datametrics check`";

pub(crate) const SCENES: &[Scene] = &[
    Rendered("the clock is wrong", 75, WRONG_CLOCK),
    Rendered("`init` where the machine has a config, as `tests/init.rs` sees it", 78, CONFIG_OF_MACHINE),
    Rendered(
        "the service of systemd has the password, as `tests/deployment/service.rs` sees it",
        78,
        PASSWORD_OF_SERVICE,
    ),
    Rendered("the service of systemd has another state directory, in `check`", 0, DIRECTORY_OF_SERVICE),
    Rendered(
        "the file system has no locks",
        0,
        "journal: cannot lock STATE/lock: Function not implemented (os error 38); this file system knows no locks; points are sent without it, some of them twice",
    ),
    Rendered(
        "a file of the journal belongs to root",
        75,
        "journal: cannot read STATE/journal/FILE.points: Permission denied (os error 13); give it to this user (chown); until then points wait that no run can send",
    ),
    Rendered("the market opens later, with `-v`", 0, "stocks: closed (it opens at 09:30 in New York)"),
    Rendered("the market has closed, with `-v`", 0, "stocks: closed (since 16:00 in New York)"),
    Rendered("the network takes too long", 69, "no whole answer from HOST in time (the network)"),
    Rendered("the resolver takes too long", 69, "no whole answer from HOST in time (resolving its name)"),
    Rendered(
        "the time is over before it is asked",
        69,
        "no whole answer from HOST in time (the time of the run is over)",
    ),
    Rendered(
        "no connection, for a reason that nobody says",
        69,
        "no connection to HOST: it failed; is it up, and may this machine reach it?",
    ),
    Rendered(
        "a proxy whose URL the library does not take",
        69,
        "no connection to HOST: the proxy's URL is wrong; is it up, and may this machine reach it?",
    ),
    Rendered(
        "a long reply of another symbol is still there",
        69,
        "no memory for a long reply of HOST: a long reply of its own was not read in time; ask for less at once (batch, max_concurrency)",
    ),
    Rendered(
        "too many long replies",
        69,
        "no memory for a long reply of HOST: the replies of this run take all the memory there is for them; ask for less at once (batch, max_concurrency)",
    ),
    Rendered(
        "a header that cannot be sent",
        69,
        "invalid HTTP reply from HOST: a header or the path cannot be sent; is the URL right?",
    ),
    Rendered(
        "an error that the library has not had yet",
        69,
        "invalid HTTP reply from HOST: an error of an unknown kind; is the URL right?",
    ),
    Rendered("TLS fails in another way", 69, "TLS error with HOST: TLS failed (its words)"),
    Rendered(
        "the name of Carbon's host takes too long",
        75,
        "Carbon at HOST:2003: the host was not looked up in time; is this machine's name server reachable?",
    ),
    Rendered(
        "the time is over before Carbon's second address is tried",
        75,
        "Carbon at HOST:2003: no connection (ADDRESS: connection timed out, no time was left); is Carbon running, and are host and port of GRAPHITE_URL right?",
    ),
    Rendered(
        "the name of Carbon's host has no address",
        75,
        "Carbon at HOST:2003: no connection (the host has no address); is Carbon running, and are host and port of GRAPHITE_URL right?",
    ),
    Rendered(
        "Carbon closes before everything was sent",
        75,
        "Carbon at HOST:2003: it closed the connection before the end; Carbon's log may say why, or a proxy has no Carbon behind it",
    ),
    Rendered(
        "a destination wants a certificate of ours",
        75,
        "Carbon at HOST:2003: TLS error: it wants a certificate of its clients; for a Graphite set client_cert and client_key",
    ),
    Rendered(
        "a destination refuses our certificate",
        75,
        "Carbon at HOST:2003: TLS error: it does not take our certificate, which is that of client_cert for a Graphite (received fatal alert: UnknownCA)",
    ),
    Rendered(
        "no more files may be open, and Carbon is to be connected to",
        75,
        "Carbon at HOST:2003: no connection: the limit of open files is reached; raise it (ulimit -n, LimitNOFILE of systemd)",
    ),
    Rendered("Carbon takes too long", 75, "Carbon at HOST:2003: it took 1 of 2 bytes in time; it may be overloaded"),
    Rendered(
        "the whole machine may open no more files",
        75,
        "no connection to HOST: the limit of open files of the whole machine is reached (sysctl fs.file-max)",
    ),
    Rendered(
        "the operating system has no memory for a connection",
        75,
        "no connection to HOST: the machine gives no more memory",
    ),
    Rendered(
        "a defect",
        70,
        "a defect in datametrics at PLACE; please report it: https://github.com/mateuszklimek/datametrics",
    ),
    Rendered(
        "a defect in fetching a feed",
        70,
        "crypto: no quote of BTC/USD: no provider was asked, for the defect above",
    ),
    Rendered("a defect in asking a provider, in a check", 70, "a defect in datametrics, see above"),
    Rendered("a provider whose name is no name of a file", 0, "\"../x\" cannot be the name of a file"),
];
