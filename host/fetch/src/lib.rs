//! bulkhead-fetch
