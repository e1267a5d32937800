//! The integration tests: one binary, so that the shared doubles are compiled and linked once. Each
//! module is a subject; `README.md` says where to add what.

mod support;

mod backlog;
mod carbon;
mod check;
mod cli;
mod clock;
mod defect;
mod docs;
mod examples;
mod faults;
mod feeds;
mod grafana;
mod harness;
mod headers;
mod ingest;
mod injection;
mod inputs;
mod intermediaries;
mod intervals;
mod journal;
mod kept_connections;
mod kill;
mod limits;
mod machine;
mod messages;
mod name_servers;
mod networks;
mod own_apis;
mod ping;
mod power_cut;
mod providers;
mod proxies;
mod recipes;
mod regression;
mod run;
mod saved_reply;
mod secrets;
mod settings;
mod shapes;
mod shard;
mod simulation;
mod spellings;
mod truncation;
mod unknown_symbols;
