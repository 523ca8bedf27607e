//! `GET /containers/{id}/trace`, which Docker does not have.

use serde::{Deserialize, Serialize};

/// What a packet of a container meets on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TraceShown {
    /// In the order in which it meets them; the last one ends the way.
    pub steps: Vec<TraceStep>,
}

/// One thing that a packet meets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TraceStep {
    /// What it is: `name`, `route`, `interface`, `neighbour`, `rule`, `port`,
    /// `listener`, `beyond`.
    pub at: String,
    /// `passes`, `stops` or `unknown`.
    pub outcome: String,
    /// Why, a sentence.
    pub detail: String,
}
