//! The properties as the fuzz targets see them.

pub use libfuzzer_sys::arbitrary;

#[path = "../../tests/properties/mod.rs"]
mod properties;

/// Checks one property.
pub fn check(name: &str, data: &[u8]) {
    for (known, property) in properties::ALL {
        if known == name {
            property(data);
        }
    }
}
