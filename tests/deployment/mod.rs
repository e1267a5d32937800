//! The files under `examples/` with which the program is put into production.

mod coverage;
mod docker;
mod github;
mod heroku;
mod kubernetes;
mod service;
mod systemd;
