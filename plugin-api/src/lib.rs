//! bulkhead-plugin-api
