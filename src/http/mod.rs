//! HTTP: requests and replies as plain data, the trait that sends them, and the real client.

pub(crate) mod body;
pub(crate) mod client;
pub(crate) mod proxy;
pub(crate) mod request;
pub(crate) mod retry;
pub(crate) mod transport;
pub(crate) mod url;
