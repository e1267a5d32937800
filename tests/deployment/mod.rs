//! The files under `examples/` with which the program is put into production.

mod heroku;
mod kubernetes;
mod service;
mod systemd;
