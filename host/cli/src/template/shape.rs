//! Which of docker's JSON fields are maps and lists in its own types. JSON
//! does not tell a map from a struct, and `null` may be either or a list.

use super::Data;

/// Maps: a key that is missing has no value, where a struct's is an error.
const MAPS: &[&str] = &[
    "Annotations",
    "AuxiliaryAddresses",
    "Attributes",
    "Containers",
    "Details",
    "DriverOpts",
    "ExposedPorts",
    "IndexConfigs",
    "Labels",
    "Networks",
    "Options",
    "PortBindings",
    "Ports",
    "Runtimes",
    "Status",
    "StorageOpt",
    "Sysctls",
    "Tmpfs",
    "Volumes",
];

/// Pointers and other optional fields: absent from JSON, yet no error.
const OPTIONAL: &[&str] = &[
    "Annotations",
    "ConsoleSize",
    "Descriptor",
    "GraphDriver",
    "Health",
    "Healthcheck",
    "IPAMConfig",
    "ImageManifestDescriptor",
    "Init",
    "Manifests",
    "MemorySwappiness",
    "Mounts",
    "NetworkDisabled",
    "OnBuild",
    "OomKillDisable",
    "PidsLimit",
    "Shell",
    "SizeRootFs",
    "SizeRw",
    "StopSignal",
    "StopTimeout",
    "StorageOpt",
    "Sysctls",
    "Tmpfs",
    "UsageData",
    "Warnings",
];

/// Pointers among the fields that may be `null`.
const POINTERS: &[&str] = &[
    "Health",
    "Healthcheck",
    "IPAMConfig",
    "Init",
    "MemorySwappiness",
    "OomKillDisable",
    "PidsLimit",
    "SizeRootFs",
    "SizeRw",
    "StopTimeout",
    "UsageData",
];

/// Text that JSON leaves out when it is empty.
const TEXTS: &[&str] = &["From", "ID", "Status"];

/// What a field is that JSON may leave out, `None` if it may not.
pub(super) fn left_out(name: &str) -> Option<&'static Data> {
    static EMPTY: Data = Data::Text(String::new());
    if TEXTS.contains(&name) {
        return Some(&EMPTY);
    }
    OPTIONAL.contains(&name).then_some(&Data::Null)
}

impl Data {
    /// Tells maps from structs, and lists and maps from other nothings.
    pub(crate) fn shaped(self) -> Self {
        shape("", self)
    }
}

fn shape(name: &str, data: Data) -> Data {
    // A container's `State` has a `Status` too, but that is text.
    let is_map = MAPS.contains(&name);
    match data {
        Data::Null if is_map => Data::NoMap,
        Data::Null if !name.is_empty() && !POINTERS.contains(&name) => Data::NoList,
        Data::List(items) => Data::List(items.into_iter().map(|item| shape("", item)).collect()),
        Data::Struct(fields) if is_map => {
            // A map's keys are names that users chose.
            let entries = fields.into_iter().map(|(key, value)| match (name, value) {
                ("Ports" | "PortBindings", Data::Null) => (key, Data::NoList),
                (_, value) => (key, shape("", value)),
            });
            Data::Map(entries.collect())
        }
        Data::Struct(fields) => {
            let fields = fields.into_iter().map(|(key, value)| {
                // The configuration of a log driver is a map, that of a container is not.
                let value = match (name, key.as_str(), value) {
                    ("LogConfig", "Config", Data::Struct(entries)) => Data::Map(entries),
                    ("GraphDriver", "Data", Data::Struct(entries)) => Data::Map(entries),
                    (_, key, value) => shape(key, value),
                };
                (key, value)
            });
            Data::Struct(fields.collect())
        }
        other => other,
    }
}
