//! Real proxies, balancers and relays between a run and its servers: what they do when all is well, and when what is
//! behind them is gone.

pub(crate) mod haproxy;
mod relay;
mod tinyproxy;
