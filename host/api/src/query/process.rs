use super::{Params, Query, QueryError};

/// `GET /containers/{id}/top`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopQuery {
    /// Arguments for ps(1); empty for `-ef`.
    pub ps_args: String,
}

impl Params for TopQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            ps_args: query.text("ps_args"),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push("ps_args", &self.ps_args);
    }
}

/// `GET /containers/{id}/stats`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatsQuery {
    /// One a second until the container is gone. Unless said otherwise.
    pub stream: bool,
    /// With `stream` off: do not wait a second for the CPU time before.
    pub one_shot: bool,
}

impl Default for StatsQuery {
    fn default() -> Self {
        Self {
            stream: true,
            one_shot: false,
        }
    }
}

impl Params for StatsQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            stream: query.flag_or("stream", true),
            one_shot: query.flag("one-shot"),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push("stream", u8::from(self.stream));
        query.push_flag("one-shot", self.one_shot);
    }
}

/// `POST /containers/{id}/rename`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenameQuery {
    /// The new name.
    pub name: String,
}

impl Params for RenameQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            name: query.text("name"),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push("name", &self.name);
    }
}

/// `HEAD|GET /containers/{id}/archive`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArchiveQuery {
    /// The path inside; required.
    pub path: String,
}

impl Params for ArchiveQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            path: query.text("path"),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push("path", &self.path);
    }
}

/// `PUT /containers/{id}/archive`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArchivePutQuery {
    /// The directory inside to unpack into; required.
    pub path: String,
    /// A directory never replaces another kind of file, nor the reverse.
    pub no_overwrite_dir_non_dir: bool,
    /// Owners come from the archive.
    pub copy_uid_gid: bool,
}

impl Params for ArchivePutQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            path: query.text("path"),
            no_overwrite_dir_non_dir: query.flag("noOverwriteDirNonDir"),
            copy_uid_gid: query.flag("copyUIDGID"),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push_flag("noOverwriteDirNonDir", self.no_overwrite_dir_non_dir);
        query.push_flag("copyUIDGID", self.copy_uid_gid);
        query.push("path", &self.path);
    }
}
