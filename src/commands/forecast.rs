//! What runs send in a month, for `datametrics check -v`: one learns of a limit before it is reached.

use crate::fetch::{Feed, FetchConfig};
use crate::market::field::Field;
use crate::market::hours::MarketHours;
use crate::metrics::MetricsConfig;
use crate::provider::{Definition, Plan};

/// A month of thirty days, in seconds.
const MONTH: u64 = 30 * 86_400;

/// The days in a month on which the New York exchange is open, at most.
const TRADING_DAYS: u64 = 22;

/// Active series that a free account of Grafana Cloud may have (<https://grafana.com/pricing/>).
const FREE_SERIES: usize = 10_000;

/// Points of a run about itself, and those about each feed. Each is a point of a series of its own.
const OF_RUN: usize = 5;
const OF_FEED: usize = 2;
const OF_MIRROR: usize = 3;

/// What is sent to each provider and to Graphite, which has so many mirrors, in a month of runs: to whom, and how much.
pub(super) fn month(fetch: &FetchConfig, metrics: &MetricsConfig, mirrors: usize) -> Vec<(String, String)> {
    let FetchConfig { feeds, definitions, .. } = fetch;
    let runs = MONTH / u64::from(feeds.iter().map(|feed| feed.interval).fold(metrics.interval, u32::min).max(1));
    let of_run = OF_RUN + OF_FEED * feeds.len() + OF_MIRROR * mirrors;
    let mut series = of_run + definitions.iter().map(of_provider).sum::<usize>();
    let mut points = runs * of_run as u64;
    let mut requests: Vec<u64> = vec![0; definitions.len()];
    for feed in feeds {
        let due = runs_of(feed, definitions);
        let values = feed.symbols.len() * feed.fields.len();
        (points, series) = (points + due * values as u64, series + values);
        for (provider, count) in requests_of_run(feed, fetch) {
            requests[provider] += due * count;
            points += due * of_provider(&definitions[provider]) as u64;
        }
    }
    let of_providers = definitions.iter().zip(requests).map(|(definition, requests)| {
        let usual = if requests == 0 {
            "none, unless another provider fails".to_owned()
        } else {
            format!("{requests} requests, those of retries not counted")
        };
        let limits = if definition.limits.is_empty() { "not known" } else { &definition.limits };
        (format!("{} in a month", definition.name), format!("{usual}; its limits: {limits}"))
    });
    let graphite = format!(
        "about {points} points of {series} series, those about runs included; a free account of Grafana Cloud has {FREE_SERIES} series"
    );
    of_providers.chain([("graphite in a month".to_owned(), graphite)]).collect()
}

/// Points of a run about a provider that it asked.
fn of_provider(definition: &Definition) -> usize {
    4 + usize::from(definition.remaining.is_some())
}

/// How often a feed is fetched in a month.
fn runs_of(feed: &Feed, definitions: &[Definition]) -> u64 {
    let open = match feed.market_hours {
        MarketHours::Any => MONTH,
        MarketHours::Regular => TRADING_DAYS * 13 * 1_800,
        MarketHours::Extended => TRADING_DAYS * 16 * 3_600,
    };
    open.div_ceil(u64::from(feed.seconds_between_fetches(definitions).max(1)))
}

/// The requests of a run to each provider, if all goes well: a provider is asked for the fields that those before
/// it do not give.
fn requests_of_run(feed: &Feed, fetch: &FetchConfig) -> Vec<(usize, u64)> {
    let symbols: Vec<usize> = (0..feed.symbols.len()).collect();
    let mut missing = vec![true; feed.fields.len()];
    let mut requests = Vec::new();
    for &provider in &feed.providers {
        let definition = &fetch.definitions[provider];
        let gives = |(field, is_missing): (&Field, &bool)| *is_missing && definition.gives(field);
        let wanted: Vec<bool> = feed.fields.iter().zip(&missing).map(gives).collect();
        if wanted.contains(&true) {
            // Whatever the date, there are as many requests.
            let plan = Plan::new(definition, &feed.symbols, &feed.fields, &wanted, &fetch.secrets, 0);
            requests.push((provider, plan.queries(&symbols).len() as u64));
            missing.iter_mut().zip(wanted).for_each(|(is_missing, is_given)| *is_missing &= !is_given);
        }
    }
    requests
}
