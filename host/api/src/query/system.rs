use super::{Params, Query, QueryError};
use crate::Filters;

/// Any call whose only parameter is `filters`: the prune calls, the lists of
/// networks and volumes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FiltersQuery {
    /// Which ones.
    pub filters: Filters,
}

impl Params for FiltersQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            filters: Filters::read(query)?,
        })
    }

    fn write(&self, query: &mut Query) {
        self.filters.write(query);
    }
}

/// `GET /events`. Times are [`crate::time::Moment`]s as text: what they mean
/// depends on now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventsQuery {
    /// From this moment on, past ones too; empty: from now.
    pub since: String,
    /// End at this moment; empty: never.
    pub until: String,
    /// Which ones.
    pub filters: Filters,
}

impl Params for EventsQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            since: query.text("since"),
            until: query.text("until"),
            filters: Filters::read(query)?,
        })
    }

    fn write(&self, query: &mut Query) {
        query.push("since", &self.since);
        query.push("until", &self.until);
        self.filters.write(query);
    }
}

/// `GET /system/df`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskUsageQuery {
    /// `container`, `image`, `volume`, `build-cache`; none for all.
    pub types: Vec<String>,
    /// Each object, too (API 1.52).
    pub verbose: bool,
}

impl Params for DiskUsageQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            types: query.all("type").map(str::to_owned).collect(),
            verbose: query.flag("verbose"),
        })
    }

    fn write(&self, query: &mut Query) {
        self.types.iter().for_each(|kind| query.push("type", kind));
        query.push_flag("verbose", self.verbose);
    }
}

/// `POST /system/check`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SystemCheckQuery {
    /// Make again what can be.
    pub repair: bool,
}

impl Params for SystemCheckQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            repair: query.flag("repair"),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push_flag("repair", self.repair);
    }
}

/// `GET /containers/{id}/trace`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceQuery {
    /// A name or an address, perhaps with `:port` and `/udp`.
    pub target: String,
}

impl Params for TraceQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            target: query.text("target"),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push("target", &self.target);
    }
}

/// `GET /networks/{id}`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkInspectQuery {
    /// Swarm's services, too.
    pub verbose: bool,
    /// `local`, or empty.
    pub scope: String,
}

impl Params for NetworkInspectQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            verbose: query.flag("verbose"),
            scope: query.text("scope"),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push_flag("verbose", self.verbose);
        query.push("scope", &self.scope);
    }
}

/// `DELETE /volumes/{name}`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VolumeRemoveQuery {
    /// It is fine if there is none.
    pub force: bool,
}

impl Params for VolumeRemoveQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            force: query.flag("force"),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push_flag("force", self.force);
    }
}
