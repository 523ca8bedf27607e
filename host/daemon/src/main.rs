//! bulkheadd
fn main() {}
