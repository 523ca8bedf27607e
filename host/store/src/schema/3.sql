-- Volumes that are being made or removed. `owner` is the container that one is
-- made for, whose record does not exist yet, or empty: then its own record
-- says whether it is to be there.
CREATE TABLE unsettled_volumes (
    name  TEXT NOT NULL,
    owner TEXT NOT NULL,
    PRIMARY KEY (name, owner)
) STRICT, WITHOUT ROWID;
