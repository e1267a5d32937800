//! HTTP: requests and responses as plain data, the trait that sends requests, and the real client.

pub(crate) mod body;
pub(crate) mod client;
mod connect;
mod encoding;
pub(crate) mod no_proxy;
pub(crate) mod proxy;
mod redirect;
pub(crate) mod request;
pub(crate) mod retry;
pub(crate) mod stats;
pub(crate) mod transport;
pub(crate) mod url;
