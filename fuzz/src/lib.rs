//! The properties of the library that the fuzz targets check.

pub use datametrics::properties::check;
