//! The brackets around an IPv6 address in a URL.

/// A host without the brackets that an IPv6 address has in a URL.
pub(crate) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}
