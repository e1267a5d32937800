//! The recipes of `docs/RECIPES.md`, as they are on the page, against replies in the shape of each API. Only the
//! addresses are changed: `https://HOST` to the folder `/HOST` of a server of the test.

use crate::support::{Datametrics, Received, Reply, Server};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use std::{collections::BTreeSet, fs, path::Path};

/// A recipe of the page.
struct Recipe {
    title: String,
    config: String,
    points: BTreeSet<String>,
}

/// What an API replies: the requests, and the body of each reply. In a body, `<s>` and `<ms>` stand for the time
/// in Unix seconds and milliseconds, `<rfc3339>` for the same as text, `<hour-1>` and `<hour+1>` for an hour ago
/// and ahead.
type Exchanges = &'static [(&'static str, &'static str)];

fn page() -> Vec<Recipe> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/RECIPES.md");
    let text = fs::read_to_string(path).expect("the page");
    let recipe = |section: &str| {
        let block = |kind: &str| {
            let (_, rest) = section.split_once(&format!("```{kind}\n")).expect("a block");
            rest.split_once("```").expect("its end").0.to_owned()
        };
        let points = block("text").lines().map(str::to_owned).collect();
        Recipe { title: section.lines().next().expect("a title").to_owned(), config: block("toml"), points }
    };
    text.split("\n## ").skip(1).map(recipe).collect()
}

/// A config whose URLs lead to the server.
fn with_addresses(config: &str, server: &Server) -> String {
    let address = |line: &str| match line.strip_prefix("base_url = ") {
        Some(value) => {
            let value = ["https://", "http://"].iter().fold(value.to_owned(), |value, scheme| {
                value.replace(&format!("\"{scheme}"), &format!("\"{}/", server.url().replace("http", "HTTP")))
            });
            format!("base_url = {}\n", value.replace("HTTP", "http"))
        }
        None => format!("{line}\n"),
    };
    config.lines().map(address).collect()
}

fn with_times(body: &str) -> String {
    let now = Timestamp::now();
    let hour = |hours: i64| (now + SignedDuration::from_hours(hours)).to_string();
    [
        ("<s>", now.as_second().to_string()),
        ("<ms>", now.as_millisecond().to_string()),
        ("<rfc3339>", now.to_string()),
        ("<hour-1>", hour(-1)),
        ("<hour+1>", hour(1)),
    ]
    .iter()
    .fold(body.to_owned(), |body, (word, time)| body.replace(word, time))
}

/// The names of the secrets of a config.
fn secrets(config: &str) -> BTreeSet<&str> {
    let name = |rest: &str| rest.find(['}', ':']).map_or(0, |end| end);
    ["{secret:", "{secret?:"]
        .iter()
        .flat_map(|begin| config.split(begin).skip(1))
        .map(|rest| &rest[..name(rest)])
        .collect()
}

/// Runs a recipe. Returns its points and the requests that it made.
fn run(recipe: &Recipe, exchanges: Exchanges) -> (BTreeSet<String>, Vec<Received>) {
    let server = Server::with(move |request| {
        let norway = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a time zone");
        let today = Timestamp::now().to_zoned_datetime(norway);
        let line = request.line().replace(&today.strftime("%Y/%m-%d").to_string(), "<today>");
        match exchanges.iter().find(|(known, _)| *known == line) {
            Some((_, body)) => Reply::json(with_times(body)),
            None => Reply::unexpected(format!("unexpected: {line}")),
        }
    });
    let config = Datametrics::new().config(&with_addresses(&recipe.config, &server));
    let config =
        secrets(&recipe.config).into_iter().fold(config, |config, name| config.env(name, format!("my:{name}")));
    // The recipe's feed is the only one.
    let feed = recipe.config.split("[feeds.").nth(1).and_then(|rest| rest.split(']').next()).expect("a feed");
    let dry = config.clone().args(["--feed", feed, "--dry-run", "--graphite-url", "tcp://127.0.0.1:9"]);
    let output = dry.run();
    assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)), "{}", recipe.title);
    let own = output.stdout.lines().filter(|line| !line.starts_with("metrics."));
    let points = own.map(|line| line.rsplit_once(' ').expect("a time").0.to_owned()).collect();
    let dashboard = config.args(["grafana", "dashboard"]).run();
    assert_eq!((dashboard.stderr.as_str(), dashboard.code), ("", Some(0)), "{}", recipe.title);
    for unit in recipe.config.split("unit = \"").skip(1).filter_map(|rest| rest.split('"').next()) {
        let is_of_time = ["s", "ms", "rfc3339", "datetime"].contains(&unit);
        let shown = format!("\"unit\": \"{unit}\"");
        assert!(is_of_time || dashboard.stdout.contains(&shown), "{}: no panel in {unit}", recipe.title);
    }
    let title = format!("\"title\": \"{feed}: ");
    assert!(dashboard.stdout.contains(&title), "{}: no panel of {feed}", recipe.title);
    (points, server.requests())
}

#[test]
fn every_recipe_of_the_page_gives_the_points_below_it() {
    let page = page();
    let titles = |recipes: &[Recipe]| recipes.iter().map(|recipe| recipe.title.clone()).collect::<Vec<_>>();
    assert_eq!(titles(&page), APIS.iter().map(|(title, _)| (*title).to_owned()).collect::<Vec<_>>());
    assert_eq!(page.len(), 20);
    for (recipe, (title, exchanges)) in page.iter().zip(APIS) {
        let (points, requests) = run(recipe, exchanges);
        assert_eq!(points, recipe.points, "{title}");
        let lines: Vec<String> = requests.iter().map(Received::line).collect();
        let distinct: BTreeSet<&String> = lines.iter().collect();
        let bodies: BTreeSet<&str> = requests.iter().map(Received::text).collect();
        assert!(distinct.len() == lines.len() || bodies.len() == lines.len(), "{title} asks twice: {lines:?}");
    }
}

#[test]
fn recipes_send_what_their_apis_want() {
    let page = page();
    let requests = |title: &str| {
        let position = page.iter().position(|recipe| recipe.title == title).expect("a recipe");
        run(&page[position], APIS[position].1).1
    };
    let home = &requests("States of Home Assistant")[0];
    assert_eq!(home.header("Authorization"), Some("Bearer my:HOMEASSISTANT_TOKEN"));
    let render = &requests("Graphite's own render")[0];
    assert_eq!(render.header("Authorization"), Some("Basic bXk6T1RIRVJfR1JBUEhJVEU="));
    let graphql = &requests("GraphQL with a bearer token")[0];
    assert!(graphql.text().ends_with(r#""variables":{"name":"grafana","owner":"grafana"}}"#), "{}", graphql.text());
    let gas = &requests("Gas price by JSON-RPC")[0];
    assert_eq!(gas.text(), r#"{"id":1,"jsonrpc":"2.0","method":"eth_gasPrice","params":[]}"#);
    let count = &requests("A count of Elasticsearch")[0];
    let filter = r#"[{"term":{"log.level":"error"}},{"range":{"@timestamp":{"gte":"now-5m"}}}]"#;
    assert_eq!(count.text(), format!(r#"{{"query":{{"bool":{{"filter":{filter}}}}}}}"#));
    let monitors = &requests("Monitors of UptimeRobot")[0];
    assert!(monitors.text().contains(r#""api_key":"my:UPTIMEROBOT_API_KEY""#), "{}", monitors.text());
}

/// The replies have the shape of real ones, with numbers that are made up and most of what no recipe reads left out.
const APIS: &[(&str, Exchanges)] = &[
    (
        "Several places of a weather API",
        &[(
            "GET /api.open-meteo.com/v1/forecast?latitude=52.52,40.71&longitude=13.41,-74.01&current=temperature_2m,wind_speed_10m",
            r#"[{"latitude":52.52,"longitude":13.419998,"generationtime_ms":0.03,"utc_offset_seconds":0,"timezone":"GMT",
            "timezone_abbreviation":"GMT","elevation":38.0,"current_units":{"time":"iso8601","interval":"seconds",
            "temperature_2m":"°C","wind_speed_10m":"km/h"},"current":{"time":"2026-11-26T20:45","interval":900,
            "temperature_2m":2.2,"wind_speed_10m":11.9}},{"latitude":40.71,"longitude":-74.01,"location_id":1,
            "current":{"time":"2026-11-26T20:45","interval":900,"temperature_2m":-1.5,"wind_speed_10m":7}}]"#,
        )],
    ),
    (
        "Exchange rates with a base",
        &[
            (
                "GET /open.er-api.com/v6/latest/USD",
                r#"{"result":"success","provider":"https://www.exchangerate-api.com","time_last_update_unix":1764115351,
                "base_code":"USD","rates":{"USD":1,"EUR":0.8615,"JPY":156.42}}"#,
            ),
            (
                "GET /open.er-api.com/v6/latest/EUR",
                r#"{"result":"success","base_code":"EUR","rates":{"EUR":1,"CHF":0.9329}}"#,
            ),
        ],
    ),
    (
        "Stars of repositories",
        &[
            (
                "GET /api.github.com/repos/graphite-project/graphite-web",
                r#"{"id":1,"full_name":"graphite-project/graphite-web","stargazers_count":6100,"watchers_count":6100,
                "forks_count":1259,"open_issues_count":118,"license":{"key":"apache-2.0"}}"#,
            ),
            (
                "GET /api.github.com/repos/grafana/grafana",
                r#"{"id":2,"stargazers_count":71000,"forks_count":13000,"open_issues_count":3800}"#,
            ),
        ],
    ),
    (
        "Downloads of packages in bulk",
        &[(
            "GET /api.npmjs.org/downloads/point/last-day/express,lodash",
            r#"{"express":{"downloads":5120000,"package":"express","start":"2026-11-25","end":"2026-11-25"},
            "lodash":{"downloads":7300000,"package":"lodash","start":"2026-11-25","end":"2026-11-25"}}"#,
        )],
    ),
    (
        "States of Home Assistant",
        &[(
            "GET /homeassistant.local:8123/api/states",
            r#"[{"entity_id":"sensor.attic_temperature","state":"21.4","attributes":{"unit_of_measurement":"°C"},
            "last_changed":"2026-11-26T20:40:00.123456+00:00","last_updated":"2026-11-26T20:45:00.123456+00:00"},
            {"entity_id":"binary_sensor.front_door","state":"off","attributes":{"device_class":"door"},
            "last_updated":"2026-11-26T12:00:00+00:00"},{"entity_id":"sun.sun","state":"below_horizon"},
            {"entity_id":"person.alice","state":"home","last_updated":"2026-11-26T18:00:00+00:00"}]"#,
        )],
    ),
    (
        "Plugs by host",
        &[
            (
                "GET /192.168.1.20/rpc/Switch.GetStatus?id=0",
                r#"{"id":0,"source":"init","output":true,"apower":8.9,"voltage":237.5,"current":0.08,
                "aenergy":{"total":6.532,"by_minute":[45.199,47.141,88.397],"minute_ts":1626935779},
                "temperature":{"tC":23.5,"tF":74.4}}"#,
            ),
            (
                "GET /192.168.1.21/rpc/Switch.GetStatus?id=0",
                r#"{"id":0,"source":"switch","output":false,"apower":0,"voltage":238.215,"current":0,
                "aenergy":{"total":120.1,"by_minute":[0,0,0],"minute_ts":1632600459},
                "temperature":{"tC":49.5,"tF":121.1}}"#,
            ),
        ],
    ),
    (
        "Power flow of an inverter",
        &[(
            "GET /192.168.1.30/solar_api/v1/GetPowerFlowRealtimeData.fcgi",
            r#"{"Body":{"Data":{"Inverters":{"1":{"Battery_Mode":"startup","DT":1,"E_Day":null,"P":0.0,"SOC":74.1}},
            "Site":{"BackupMode":false,"E_Day":null,"E_Total":239464.4975,"Meter_Location":"grid","Mode":"bidirectional",
            "P_Akku":0.0,"P_Grid":255.90000000000001,"P_Load":-255.90000000000001,"P_PV":null,"rel_Autonomy":0.0},
            "Version":"12"}},"Head":{"RequestArguments":{},"Status":{"Code":0,"Reason":"","UserMessage":""},
            "Timestamp":"2026-11-26T20:18:43+00:00"}}"#,
        )],
    ),
    (
        "State of an EV charger",
        &[(
            "GET /evcc.local:7070/api/state",
            r#"{"siteTitle":"Home","gridPower":554,"pvPower":4186,"loadpoints":[{"title":"Garage","mode":"pv",
            "connected":true,"charging":true,"enabled":true,"chargePower":3680,"chargedEnergy":8340.5,"phasesActive":1,
            "vehicleSoc":54}],"version":"0.210.0"}"#,
        )],
    ),
    (
        "A status page",
        &[(
            "GET /www.githubstatus.com/api/v2/components.json",
            r#"{"page":{"id":"kctbh9vrtdwd","name":"GitHub","url":"https://www.githubstatus.com","time_zone":"Etc/UTC"},
            "components":[{"id":"8l4ygp009s5s","name":"Git Operations","status":"operational",
            "updated_at":"2026-11-20T10:00:00.000Z","description":"Performance of git clones","group":false},
            {"id":"br0l2tvcx85d","name":"Actions","status":"degraded_performance","updated_at":"2026-11-26T20:00:00.000Z"}]}"#,
        )],
    ),
    (
        "GraphQL with a bearer token",
        &[(
            "POST /api.github.com/graphql",
            r#"{"data":{"repository":{"stargazerCount":71000,"issues":{"totalCount":2714}}}}"#,
        )],
    ),
    (
        "Gas price by JSON-RPC",
        &[("POST /ethereum-rpc.publicnode.com/", r#"{"jsonrpc":"2.0","id":1,"result":"0x4a817c800"}"#)],
    ),
    (
        "Fees and hash rate, from several paths",
        &[
            (
                "GET /mempool.space/api/v1/fees/recommended",
                r#"{"fastestFee":3,"halfHourFee":2,"hourFee":2,"economyFee":1,"minimumFee":1}"#,
            ),
            (
                "GET /mempool.space/api/v1/mining/hashrate/3d",
                r#"{"hashrates":[{"timestamp":1764028800,"avgHashrate":1.0965341234567893e21}],"difficulty":[],
                "currentHashrate":1096534123456789000000,"currentDifficulty":155973032196071.88}"#,
            ),
            ("GET /mempool.space/api/blocks/tip/height", "925800"),
        ],
    ),
    (
        "Electricity price of this hour",
        &[
            (
                "GET /www.hvakosterstrommen.no/api/v1/prices/<today>_NO1.json",
                r#"[{"NOK_per_kWh":0.5,"EUR_per_kWh":0.04,"EXR":11.7,"time_start":"<hour-1>","time_end":"<rfc3339>"},
                {"NOK_per_kWh":0.61302,"EUR_per_kWh":0.052,"EXR":11.7,"time_start":"<rfc3339>","time_end":"<hour+1>"},
                {"NOK_per_kWh":0.7,"EUR_per_kWh":0.06,"EXR":11.7,"time_start":"<hour+1>","time_end":"<hour+1>"}]"#,
            ),
            (
                "GET /www.hvakosterstrommen.no/api/v1/prices/<today>_NO5.json",
                r#"[{"NOK_per_kWh":-0.00213,"EUR_per_kWh":-0.0002,"EXR":11.7,"time_start":"<hour-1>","time_end":"<hour+1>"}]"#,
            ),
        ],
    ),
    (
        "Earthquakes",
        &[
            (
                "GET /earthquake.usgs.gov/earthquakes/feed/v1.0/summary/4.5_day.geojson",
                r#"{"type":"FeatureCollection","metadata":{"generated":<ms>,"title":"USGS Magnitude 4.5+ Earthquakes, Past Day",
                "status":200,"api":"1.14.1","count":11},"features":[{"type":"Feature","properties":{"mag":4.7,
                "place":"Kermadec Islands region","time":1764190000000,"tsunami":0},"id":"us7000rds1"}]}"#,
            ),
            (
                "GET /earthquake.usgs.gov/earthquakes/feed/v1.0/summary/2.5_hour.geojson",
                r#"{"type":"FeatureCollection","metadata":{"generated":<ms>,"status":200,"count":0},"features":[]}"#,
            ),
        ],
    ),
    (
        "Air sensors",
        &[(
            "GET /data.sensor.community/airrohr/v1/sensor/12345/",
            r#"[{"id":24680,"sampling_rate":null,"timestamp":"2026-11-26 20:44:10","location":{"id":1,"latitude":"52.5"},
            "sensor":{"id":12345,"pin":"1","sensor_type":{"id":14,"name":"SDS011","manufacturer":"Nova Fitness"}},
            "sensordatavalues":[{"id":1,"value":"12.30","value_type":"P1"},{"id":2,"value":"5.07","value_type":"P2"}]},
            {"id":24679,"timestamp":"2026-11-26 20:41:42","sensordatavalues":[{"value":"11","value_type":"P1"}]}]"#,
        )],
    ),
    (
        "A query of Prometheus",
        &[(
            "GET /prometheus.local:9090/api/v1/query?query=avg%20by%20(instance)%20(rate(node_cpu_seconds_total%7Bmode!='idle'%7D[5m]))",
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"instance":"web1:9100"},
            "value":[1764190000.123,"0.0734"]},{"metric":{"instance":"web2:9100"},"value":[1764190000.123,"0.41"]},
            {"metric":{"instance":"old:9100"},"value":[1764190000.123,"NaN"]}]}}"#,
        )],
    ),
    (
        "A count of Elasticsearch",
        &[
            (
                "POST /elastic.example.com:9200/logs-web-%2A/_count",
                r#"{"count":12,"_shards":{"total":2,"successful":2,"skipped":0,"failed":0}}"#,
            ),
            (
                "POST /elastic.example.com:9200/logs-shop-%2A/_count",
                r#"{"count":0,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0}}"#,
            ),
        ],
    ),
    (
        "Graphite's own render",
        &[
            (
                "GET /graphite.example.com/render?target=servers.web1.load&from=-10min&format=json",
                r#"[{"target":"servers.web1.load","tags":{"name":"servers.web1.load"},"datapoints":[[0.5,<s>],[0.71,<s>],[null,<s>]]}]"#,
            ),
            (
                "GET /graphite.example.com/render?target=servers.web2.load&from=-10min&format=json",
                r#"[{"target":"servers.web2.load","tags":{"name":"servers.web2.load"},"datapoints":[[2,<s>]]}]"#,
            ),
        ],
    ),
    (
        "Monitors of UptimeRobot",
        &[(
            "POST /api.uptimerobot.com/v2/getMonitors",
            r#"{"stat":"ok","pagination":{"offset":0,"limit":50,"total":2},"monitors":[{"id":777,"friendly_name":"My shop",
            "url":"https://shop.example.com","type":1,"interval":300,"status":2,"average_response_time":"190.1",
            "response_times":[{"datetime":1764190000,"value":182}]},{"id":778,"friendly_name":"Blog","type":1,"status":0,
            "response_times":[]}]}"#,
        )],
    ),
    (
        "Players of a game",
        &[
            (
                "GET /api.steampowered.com/ISteamUserStats/GetNumberOfCurrentPlayers/v1/?appid=730",
                r#"{"response":{"player_count":1024311,"result":1}}"#,
            ),
            (
                "GET /api.steampowered.com/ISteamUserStats/GetNumberOfCurrentPlayers/v1/?appid=570",
                r#"{"response":{"player_count":512004,"result":1}}"#,
            ),
        ],
    ),
];
