use super::{Params, Query, QueryError};
use crate::Filters;

/// `GET /images/json`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageListQuery {
    /// Intermediate images, too.
    pub all: bool,
    /// Which ones.
    pub filters: Filters,
}

impl Params for ImageListQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            all: query.flag("all"),
            filters: Filters::read(query)?,
        })
    }

    fn write(&self, query: &mut Query) {
        query.push_flag("all", self.all);
        self.filters.write(query);
    }
}

/// `POST /images/create`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullQuery {
    /// The image's name, with or without a tag.
    pub from_image: String,
    /// A tag or a digest; empty with a name that has none: every tag.
    pub tag: String,
    /// `os/arch[/variant]`, or empty for this machine's.
    pub platform: String,
    /// Import instead of pull: where from.
    pub from_src: String,
}

impl Params for PullQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            from_image: query.text("fromImage"),
            tag: query.text("tag"),
            platform: query.text("platform"),
            from_src: query.text("fromSrc"),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push("fromImage", &self.from_image);
        query.push("tag", &self.tag);
        query.push("platform", &self.platform);
        query.push("fromSrc", &self.from_src);
    }
}

/// `GET /images/{name}/json`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageInspectQuery {
    /// The platform's variant of a multi-platform image, as JSON; or empty.
    pub platform: String,
}

impl Params for ImageInspectQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            platform: query.text("platform"),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push("platform", &self.platform);
    }
}

/// `DELETE /images/{name}`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageRemoveQuery {
    /// Even if stopped containers use it or it has several names.
    pub force: bool,
    /// Keep untagged parents.
    pub no_prune: bool,
}

impl Params for ImageRemoveQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            force: query.flag("force"),
            no_prune: query.flag("noprune"),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push_flag("force", self.force);
        query.push_flag("noprune", self.no_prune);
    }
}
