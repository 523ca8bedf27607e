//! bulkhead-engine
