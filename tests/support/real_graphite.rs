//! A real Graphite on loopback, from Debian's packages graphite-carbon and graphite-web: carbon-cache, which
//! stores points, and graphite-web, which returns them.

use super::{TIMEOUT, port, skip};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Debian's Python, which has Graphite's modules; PATH may find another Python first.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// Of storage-aggregation.conf: one value is enough for a coarser archive.
const NO_ROLLUP_IS_EMPTY: &str = "[everything]\npattern = .*\nxFilesFactor = 0\naggregationMethod = last\n";

/// Whether a real Graphite can be started here. If not, the test is to be skipped; under `CI=true` this
/// panics instead.
pub(crate) fn available() -> bool {
    let can = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if can("carbon-cache", &["--help"]) && can(PYTHON, &["-c", "import graphite, django, whisper"]) {
        return true;
    }
    skip("no real Graphite: install the Debian packages graphite-carbon and graphite-web")
}

/// A Graphite that stores one point a minute, and ends when this is dropped.
pub(crate) struct RealGraphite {
    /// Port of the plaintext protocol.
    pub(crate) plaintext: u16,
    /// Port of the pickle protocol.
    pub(crate) pickle: u16,
    web: u16,
    query: u16,
    /// The broker from which Carbon reads.
    broker: Option<Broker>,
    folder: TempDir,
    carbon: Option<Process>,
    web_server: Option<Process>,
}

/// A broker from which Carbon reads.
struct Broker {
    port: u16,
    names_in_body: bool,
}

/// A series that graphite-web returned.
#[derive(Debug, PartialEq)]
pub(crate) struct Series {
    /// Its name, or the result of a function.
    pub(crate) target: String,
    /// Its tags as JSON, which are the labels of an alert.
    pub(crate) tags: String,
    /// Unix seconds and values, without gaps.
    pub(crate) points: Vec<(i64, f64)>,
}

impl RealGraphite {
    /// Starts it and waits until it accepts connections.
    pub(crate) fn start() -> Self {
        Self::with_retention("60s:2d")
    }

    /// Like [`RealGraphite::start`], with a Carbon that reads from the broker at this port too.
    pub(crate) fn behind_broker(port: u16) -> Self {
        let schemas = "[everything]\npattern = .*\nretentions = 60s:2d\n";
        Self::launch(schemas, NO_ROLLUP_IS_EMPTY, Some(Broker { port, names_in_body: false }))
    }

    /// Like [`RealGraphite::start`], with other retentions than one point a minute for two days.
    pub(crate) fn with_retention(retentions: &str) -> Self {
        let schemas = format!("[everything]\npattern = .*\nretentions = {retentions}\n");
        Self::with_conf(&schemas, NO_ROLLUP_IS_EMPTY)
    }

    /// With these texts of storage-schemas.conf and storage-aggregation.conf.
    pub(crate) fn with_conf(schemas: &str, aggregation: &str) -> Self {
        Self::launch(schemas, aggregation, None)
    }

    fn launch(schemas: &str, aggregation: &str, broker: Option<Broker>) -> Self {
        let [plaintext, pickle, query, web] = [(); 4].map(|()| port::unused());
        let folder = tempfile::tempdir().unwrap();
        let mut graphite = Self { plaintext, pickle, web, query, broker, folder, carbon: None, web_server: None };
        graphite.configure(schemas, aggregation);
        graphite.start_carbon();
        graphite.web_server = Some(graphite.start_web());
        graphite.wait_for("an open port", || connect(web));
        graphite
    }

    /// Kills Carbon. What it has not written to files is lost.
    pub(crate) fn stop_carbon(&mut self) {
        self.carbon = None;
    }

    /// Starts Carbon and waits until it takes points. It reads from its broker some time after that.
    pub(crate) fn start_carbon(&mut self) {
        let mut command = Command::new("carbon-cache");
        command.arg("--config").arg(self.folder.path().join("conf/carbon.conf"));
        command.args(["--instance=a", "--nodaemon", "start"]);
        self.carbon = Some(self.start_process("carbon", command));
        for port in [self.plaintext, self.pickle, self.query] {
            self.wait_for("an open port", || connect(port));
        }
    }

    /// From its next start on, Carbon looks for the names of metrics in the bodies of messages.
    pub(crate) fn read_names_from_bodies(&mut self) {
        self.broker.as_mut().expect("a broker").names_in_body = true;
        fs::write(self.folder.path().join("conf/carbon.conf"), self.carbon_conf()).unwrap();
    }

    /// The series of `target` since `from`, such as `-10min`.
    pub(crate) fn render(&self, target: &str, from: &str) -> Vec<Series> {
        self.render_json(target, &[("from", from)]).as_array().unwrap().iter().map(Series::from_json).collect()
    }

    /// The reply for `target`, with more parameters such as `from`, `until` and `maxDataPoints`.
    pub(crate) fn render_json(&self, target: &str, parameters: &[(&str, &str)]) -> Value {
        // In the body, as Grafana does: a target may be longer than a URL allows.
        let mut form = format!("format=json&target={}", percent_encoded(target));
        for (name, value) in parameters {
            write!(form, "&{name}={}", percent_encoded(value)).unwrap();
        }
        let reply = self.exchange(&format!(
            "POST /render HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{form}",
            form.len()
        ));
        serde_json::from_str(&reply).unwrap_or_else(|error| panic!("{target}: {error}: {reply}"))
    }

    /// Renders until a series has a point: Carbon accepts points before it returns them.
    pub(crate) fn wait_for_points(&self, target: &str, from: &str) -> Vec<Series> {
        let has_points = |series: &Vec<Series>| series.iter().any(|series| !series.points.is_empty());
        self.wait_for(target, || Some(self.render(target, from)).filter(has_points))
    }

    /// Polls until there is a result, with growing pauses. The panic of a timeout shows the logs.
    pub(crate) fn wait_for<T>(&self, what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        let mut pause = Duration::from_millis(5);
        loop {
            if let Some(answer) = poll() {
                return answer;
            }
            assert!(start.elapsed() < TIMEOUT, "no {what} after {TIMEOUT:?}; Graphite says:\n{}", self.logs());
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    }

    /// What the file of a metric gives for the seconds after `from` up to `until`, when it is `now`: how many
    /// values there are, and how many of them are known.
    pub(crate) fn stored(&self, metric: &str, [from, until, now]: [i64; 3]) -> (usize, usize) {
        let path = self.folder.path().join("whisper").join(metric.replace('.', "/")).with_extension("wsp");
        let code = "import sys, whisper\n\
                    path, times = sys.argv[1], map(int, sys.argv[2:])\n\
                    values = whisper.fetch(path, *times)[1]\n\
                    print(len(values), sum(value is not None for value in values))";
        let times = [from, until, now].map(|time| time.to_string());
        let output = Command::new(PYTHON).args(["-c", code]).arg(path).args(times).output().expect("Python");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let mut counts = text.split_whitespace().map(|count| count.parse().expect("a count"));
        let mut next = || counts.next().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        (next(), next())
    }

    /// How many metrics have a file.
    pub(crate) fn files(&self) -> usize {
        count_files(&self.folder.path().join("whisper"))
    }

    fn configure(&self, schemas: &str, aggregation: &str) {
        let root = self.folder.path();
        for folder in ["conf", "whisper", "log", "run", "python"] {
            fs::create_dir(root.join(folder)).unwrap();
        }
        let write = |name: &str, text: String| fs::write(root.join(name), text).unwrap();
        write("conf/carbon.conf", self.carbon_conf());
        write("conf/storage-schemas.conf", schemas.to_owned());
        write("conf/storage-aggregation.conf", aggregation.to_owned());
        write("python/real_settings.py", self.web_settings());
    }

    fn carbon_conf(&self) -> String {
        let (root, plaintext, pickle, web) = (self.folder.path().display(), self.plaintext, self.pickle, self.web);
        let query = self.query;
        let amqp = self.broker.as_ref().map_or(String::new(), |Broker { port, names_in_body }| {
            format!(
                "ENABLE_AMQP = True\n\
                 AMQP_HOST = 127.0.0.1\n\
                 AMQP_PORT = {port}\n\
                 AMQP_VHOST = /\n\
                 AMQP_USER = guest\n\
                 AMQP_PASSWORD = guest\n\
                 AMQP_EXCHANGE = graphite\n\
                 AMQP_METRIC_NAME_IN_BODY = {}\n",
                if *names_in_body { "True" } else { "False" }
            )
        });
        format!(
            "[cache]\n\
             STORAGE_DIR = {root}\n\
             CONF_DIR = {root}/conf\n\
             LOCAL_DATA_DIR = {root}/whisper\n\
             LOG_DIR = {root}/log\n\
             PID_DIR = {root}/run\n\
             USER =\n\
             DATABASE = whisper\n\
             MAX_CACHE_SIZE = inf\n\
             MAX_UPDATES_PER_SECOND = inf\n\
             MAX_CREATES_PER_MINUTE = inf\n\
             LINE_RECEIVER_INTERFACE = 127.0.0.1\n\
             LINE_RECEIVER_PORT = {plaintext}\n\
             ENABLE_UDP_LISTENER = False\n\
             PICKLE_RECEIVER_INTERFACE = 127.0.0.1\n\
             PICKLE_RECEIVER_PORT = {pickle}\n\
             CACHE_QUERY_INTERFACE = 127.0.0.1\n\
             CACHE_QUERY_PORT = {query}\n\
             CARBON_METRIC_INTERVAL = 0\n\
             ENABLE_TAGS = True\n\
             GRAPHITE_URL = http://127.0.0.1:{web}\n\
             {amqp}"
        )
    }

    /// The finders read files, and through Carbon's query port the points that are not in files yet.
    ///
    /// Nothing of the database is made to reach the disk, as a slow disk takes too long: Carbon waits five seconds at most
    /// until tags are written (<https://github.com/graphite-project/carbon/blob/1.1.7/lib/carbon/http.py>), and does
    /// not send them again while a series has no more than a few points.
    fn web_settings(&self) -> String {
        let query = self.query;
        let root = self.folder.path().display();
        format!(
            "from django.db.backends.signals import connection_created\n\
             from graphite.settings import *\n\
             def leave_writes_to_the_kernel(connection, **_):\n\
             \x20   connection.cursor().execute('PRAGMA synchronous = OFF')\n\
             connection_created.connect(leave_writes_to_the_kernel)\n\
             SECRET_KEY = 'loopback'\n\
             TIME_ZONE = 'UTC'\n\
             ALLOWED_HOSTS = ['*']\n\
             STORAGE_DIR = '{root}/'\n\
             CONF_DIR = '{root}/conf/'\n\
             LOG_DIR = '{root}/log/'\n\
             INDEX_FILE = '{root}/index'\n\
             WHISPER_DIR = '{root}/whisper/'\n\
             STANDARD_DIRS = ['{root}/whisper/']\n\
             FIND_TIMEOUT = 60\n\
             FETCH_TIMEOUT = 60\n\
             CARBONLINK_TIMEOUT = 60\n\
             STORAGE_FINDERS = ['graphite.finders.standard.StandardFinder', 'graphite.finders.remote.RemoteFinder']\n\
             CARBONLINK_HOSTS = ['127.0.0.1:{query}:a']\n\
             TAGDB = 'graphite.tags.localdatabase.LocalDatabaseTagDB'\n\
             DATABASES = {{'default': {{'ENGINE': 'django.db.backends.sqlite3', 'NAME': '{root}/graphite.db'}}}}\n"
        )
    }

    fn start_web(&self) -> Process {
        let mut tables = self.django(&["migrate", "--run-syncdb", "--verbosity", "0"]);
        let log = self.log("migrate");
        let status = tables.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).status();
        assert!(status.is_ok_and(|status| status.success()), "no database for tags:\n{}", self.logs());
        let serve = self.django(&["runserver", "--noreload", &format!("127.0.0.1:{}", self.web)]);
        self.start_process("web", serve)
    }

    fn django(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PYTHON);
        command.args(["-W", "ignore", "-m", "django"]).args(arguments);
        command.env("PYTHONPATH", self.folder.path().join("python"));
        command.env("DJANGO_SETTINGS_MODULE", "real_settings");
        command
    }

    fn start_process(&self, name: &str, mut command: Command) -> Process {
        let log = self.log(name);
        command.current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Process(command.spawn().unwrap())
    }

    fn log(&self, name: &str) -> File {
        File::create(self.folder.path().join("log").join(name).with_extension("out")).unwrap()
    }

    /// The output of all processes.
    fn logs(&self) -> String {
        let mut all = String::new();
        collect_logs(&self.folder.path().join("log"), &mut all);
        all
    }

    /// The reply of `path` with these parameters, as JSON.
    pub(crate) fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let pairs: Vec<String> =
            parameters.iter().map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect();
        let request = format!("GET {path}?{} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", pairs.join("&"));
        let reply = self.exchange(&request);
        serde_json::from_str(&reply).unwrap_or_else(|error| panic!("{path}: {error}: {reply}"))
    }

    /// The body of a successful reply. Graphite answers 500 while Carbon creates a file that the request
    /// needs, or writes tags into the database: such a request is sent again.
    fn exchange(&self, request: &str) -> String {
        let start = Instant::now();
        loop {
            match self.try_exchange(request) {
                Ok(body) => return body,
                Err(reply) => assert!(start.elapsed() < TIMEOUT, "{request}: {reply}\n{}", self.logs()),
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The body of a successful reply, or all of another one. HTTP/1.0 has no chunks; the reply ends with the
    /// connection.
    fn try_exchange(&self, request: &str) -> Result<String, String> {
        let mut stream = connect(self.web).unwrap_or_else(|| panic!("graphite-web is gone:\n{}", self.logs()));
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap_or((&reply, ""));
        if head.split(' ').nth(1) == Some("200") { Ok(body.to_owned()) } else { Err(reply) }
    }
}

impl Series {
    fn from_json(json: &Value) -> Self {
        let point = |point: &Value| Some((point[1].as_i64()?, point[0].as_f64()?));
        Self {
            target: json["target"].as_str().unwrap().to_owned(),
            tags: json["tags"].to_string(),
            points: json["datapoints"].as_array().unwrap().iter().filter_map(point).collect(),
        }
    }
}

/// A process that is killed when this is dropped.
pub(super) struct Process(pub(super) Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn connect(port: u16) -> Option<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()
}

fn percent_encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            _ => write!(out, "%{byte:02X}").unwrap(),
        }
    }
    out
}

fn collect_logs(folder: &Path, out: &mut String) {
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path()) {
        if path.is_dir() {
            collect_logs(&path, out);
        } else {
            let text = fs::read(&path).unwrap_or_default();
            let _ = writeln!(out, "--- {}\n{}", path.display(), String::from_utf8_lossy(&text));
        }
    }
}

fn count_files(folder: &Path) -> usize {
    let paths = fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
    paths.map(|path| if path.is_dir() { count_files(&path) } else { 1 }).sum()
}
