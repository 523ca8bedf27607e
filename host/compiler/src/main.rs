//! bulkhead-compiler
fn main() {}
