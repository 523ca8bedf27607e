//! bulkhead-runtime
