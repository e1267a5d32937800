//! The properties of the library that the fuzz targets check, and one of all of them: memory.

use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Memory that a check may take for each byte of its input. A byte may be a whole value or a key, which takes some
/// hundred bytes in the tree of a JSON or TOML text, and the property itself keeps copies to compare.
const PER_BYTE: usize = 500;

/// Memory that a check may take whatever its input is: buffers for a connection or a file, and the definitions of all
/// built-in providers, which are 0.4 MB.
const CONSTANT: usize = 1 << 20;

/// Checks the property of a fuzz target, and that it takes no more memory than the input is worth.
///
/// # Panics
/// When the property does not hold, or took too much memory.
pub fn check(target: &str, input: &[u8]) {
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();
    datametrics::properties::check(target, input);
    let peak = HEAP.peak_usage().saturating_sub(before);
    let limit = CONSTANT + PER_BYTE * input.len();
    assert!(peak <= limit, "{} bytes of input took {peak} bytes of memory, and {limit} are allowed", input.len());
}
