-- What a layer that is kept as a tar became on its way to a registry. The
-- compressed bytes themselves are not kept.
CREATE TABLE compressed_layers (
    layer       TEXT NOT NULL,
    compression TEXT NOT NULL,
    digest      TEXT NOT NULL,
    size        INTEGER NOT NULL,
    PRIMARY KEY (layer, compression)
) STRICT, WITHOUT ROWID;
CREATE INDEX compressed_layers_of_digest ON compressed_layers (digest);
