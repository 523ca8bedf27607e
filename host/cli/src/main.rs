//! bulkhead-cli
fn main() {}
