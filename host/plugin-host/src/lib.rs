//! bulkhead-plugin-host
