-- The image that another was made from on this machine, and when somebody
-- last named it here, seconds since the epoch.
ALTER TABLE images ADD COLUMN parent TEXT;
ALTER TABLE images ADD COLUMN tagged_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX images_of_parent ON images (parent);
CREATE INDEX images_of_manifest ON images (manifest);

-- Which images need a blob or a chain.
CREATE TABLE image_layers (
    image    TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    digest   TEXT NOT NULL,
    chain_id TEXT NOT NULL,
    PRIMARY KEY (image, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_layers_of_digest ON image_layers (digest);
CREATE INDEX image_layers_of_chain ON image_layers (chain_id);
INSERT INTO image_layers (image, position, digest, chain_id)
SELECT images.id, layer.key, json_extract(layer.value, '$.digest'), json_extract(layer.value, '$.chain_id')
FROM images, json_each(images.record, '$.layers') AS layer;
