//! bulkhead-hello
