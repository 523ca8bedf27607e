use serde::{Deserialize, Serialize};

/// The answer of `GET /containers/{id}/top`: the columns of ps(1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TopResponse {
    /// A row a process, a text a column.
    pub processes: Vec<Vec<String>>,
    /// The columns' heads.
    pub titles: Vec<String>,
}
