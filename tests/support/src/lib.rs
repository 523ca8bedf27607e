//! bulkhead-test-support
