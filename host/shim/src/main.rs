//! bulkhead-shim
fn main() {}
