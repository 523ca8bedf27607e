//! bulkhead-sandbox
