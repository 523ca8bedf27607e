-- Blobs known to be whole and on the disk.
CREATE TABLE blobs (
    digest TEXT PRIMARY KEY,
    size   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `record` is the image as JSON (store::images::Record).
CREATE TABLE images (
    id       TEXT PRIMARY KEY,
    manifest TEXT NOT NULL,
    stored_at INTEGER NOT NULL,
    record   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tags (
    name  TEXT PRIMARY KEY,
    image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_of_image ON tags (image);

-- repository@digest as the user or the registry named it.
CREATE TABLE repo_digests (
    name   TEXT NOT NULL,
    digest TEXT NOT NULL,
    image  TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    PRIMARY KEY (name, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX repo_digests_of_image ON repo_digests (image);

-- Layer chains laid out in a storage driver's directory.
CREATE TABLE layers (
    driver   TEXT NOT NULL,
    chain_id TEXT NOT NULL,
    bytes    INTEGER NOT NULL,
    inodes   INTEGER NOT NULL,
    PRIMARY KEY (driver, chain_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE containers (
    id     TEXT PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,
    image  TEXT,
    state  TEXT NOT NULL,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX containers_of_image ON containers (image);

CREATE TABLE volumes (
    name       TEXT PRIMARY KEY,
    driver     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    record     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE plugin_state (
    plugin TEXT NOT NULL,
    key    TEXT NOT NULL,
    value  BLOB NOT NULL,
    PRIMARY KEY (plugin, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE leases (
    network TEXT NOT NULL,
    address TEXT NOT NULL,
    owner   TEXT NOT NULL,
    PRIMARY KEY (network, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX leases_of_owner ON leases (owner);
