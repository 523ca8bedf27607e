//! bulkhead-xtask
fn main() {}
