//! The properties, as the fuzz targets see them.

pub use datametrics::properties::check;
