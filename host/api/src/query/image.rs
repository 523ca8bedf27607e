use super::{Params, Query, QueryError};
use crate::Filters;

/// `GET /images/json`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageListQuery {
    /// Intermediate images, too.
    pub all: bool,
    /// Count the bytes that each shares with others.
    pub shared_size: bool,
    /// Tell of each platform's variant; with it the containers are counted.
    pub manifests: bool,
    /// Which ones.
    pub filters: Filters,
}

impl Params for ImageListQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            all: query.flag("all"),
            shared_size: query.flag("shared-size"),
            manifests: query.flag("manifests"),
            filters: Filters::read(query)?,
        })
    }

    fn write(&self, query: &mut Query) {
        query.push_flag("all", self.all);
        query.push_flag("shared-size", self.shared_size);
        query.push_flag("manifests", self.manifests);
        self.filters.write(query);
    }
}

/// `POST /images/create`: a pull when `from_image` is given, an import when
/// `from_src` is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageCreateQuery {
    /// The image's name, with or without a tag.
    pub from_image: String,
    /// A tag or a digest; empty with a name that has none: every tag.
    pub tag: String,
    /// `os/arch[/variant]`, or empty for this machine's.
    pub platform: String,
    /// Where an import comes from: `-` for the body, or a URL.
    pub from_src: String,
    /// The repository that an imported image is named by; empty for none.
    pub repo: String,
    /// An imported image's comment.
    pub message: String,
    /// Dockerfile instructions for an imported image's configuration.
    pub changes: Vec<String>,
}

impl Params for ImageCreateQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            from_image: query.text("fromImage"),
            tag: query.text("tag"),
            platform: query.text("platform"),
            from_src: query.text("fromSrc"),
            repo: query.text("repo"),
            message: query.text("message"),
            changes: query.all("changes").map(str::to_owned).collect(),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push("fromImage", &self.from_image);
        query.push("tag", &self.tag);
        query.push("platform", &self.platform);
        query.push("fromSrc", &self.from_src);
        query.push("repo", &self.repo);
        query.push("message", &self.message);
        self.changes
            .iter()
            .for_each(|change| query.push("changes", change));
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

/// `POST /commit`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitQuery {
    /// The container, by name or id.
    pub container: String,
    /// The repository that the image is named by; empty for none.
    pub repo: String,
    /// The tag; empty: `latest`.
    pub tag: String,
    /// Who made it.
    pub author: String,
    /// What it is.
    pub comment: String,
    /// Pause the container meanwhile; so without this parameter, too.
    pub pause: bool,
    /// Dockerfile instructions, applied to the configuration in turn.
    pub changes: Vec<String>,
}

impl Default for CommitQuery {
    fn default() -> Self {
        Self {
            container: String::new(),
            repo: String::new(),
            tag: String::new(),
            author: String::new(),
            comment: String::new(),
            pause: true,
            changes: Vec::new(),
        }
    }
}

impl Params for CommitQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            container: query.text("container"),
            repo: query.text("repo"),
            tag: query.text("tag"),
            author: query.text("author"),
            comment: query.text("comment"),
            // Docker takes an empty value for none.
            pause: query.get("pause").is_none() || query.flag("pause"),
            changes: query.all("changes").map(str::to_owned).collect(),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push("container", &self.container);
        query.push("repo", &self.repo);
        query.push("tag", &self.tag);
        query.push("author", &self.author);
        query.push("comment", &self.comment);
        if !self.pause {
            query.push("pause", "0");
        }
        self.changes
            .iter()
            .for_each(|change| query.push("changes", change));
    }
}

/// `POST /images/{name}/tag`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageTagQuery {
    /// The repository.
    pub repo: String,
    /// The tag; empty: `latest`.
    pub tag: String,
}

impl Params for ImageTagQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            repo: query.text("repo"),
            tag: query.text("tag"),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push("repo", &self.repo);
        query.push("tag", &self.tag);
    }
}

/// `POST /images/{name}/push`; the name is a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImagePushQuery {
    /// The tag; empty: every tag of the repository.
    pub tag: String,
    /// The platform's variant of a multi-platform image, as JSON; or empty.
    pub platform: String,
    /// Ours: `gzip` or `zstd` for layers that are kept uncompressed; or empty.
    pub compression: String,
    /// Ours: `docker` or `oci` for the manifest of an image made here; or empty.
    pub format: String,
}

impl Params for ImagePushQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            tag: query.text("tag"),
            platform: query.text("platform"),
            compression: query.text("compression"),
            format: query.text("format"),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push("tag", &self.tag);
        query.push("platform", &self.platform);
        query.push("compression", &self.compression);
        query.push("format", &self.format);
    }
}

/// `GET /images/get` and `GET /images/{name}/get`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSaveQuery {
    /// The images; none where the path names one.
    pub names: Vec<String>,
    /// The platform's variant of a multi-platform image, as JSON; or empty.
    pub platform: String,
}

impl Params for ImageSaveQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            names: query.all("names").map(str::to_owned).collect(),
            platform: query.text("platform"),
        })
    }

    fn write(&self, query: &mut Query) {
        self.names.iter().for_each(|name| query.push("names", name));
        query.push("platform", &self.platform);
    }
}

/// `POST /images/load`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageLoadQuery {
    /// No progress.
    pub quiet: bool,
    /// The platform's variant of a multi-platform image, as JSON; or empty.
    pub platform: String,
}

impl Params for ImageLoadQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            quiet: query.flag("quiet"),
            platform: query.text("platform"),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push_flag("quiet", self.quiet);
        query.push("platform", &self.platform);
    }
}

/// `GET /images/search`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSearchQuery {
    /// What is looked for.
    pub term: String,
    /// The most results; `None`: as many as the registry gives.
    pub limit: Option<u32>,
    /// Which ones: `is-automated`, `is-official`, `stars`.
    pub filters: Filters,
}

impl Params for ImageSearchQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            term: query.text("term"),
            limit: query.parsed("limit", "a number of results")?,
            filters: Filters::read(query)?,
        })
    }

    fn write(&self, query: &mut Query) {
        query.push("term", &self.term);
        if let Some(limit) = self.limit {
            query.push("limit", limit);
        }
        self.filters.write(query);
    }
}
