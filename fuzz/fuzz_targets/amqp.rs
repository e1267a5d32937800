#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| datametrics_fuzz::check("amqp", data));
