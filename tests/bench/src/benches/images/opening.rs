//! Opening a store, in this process.

use std::path::Path;

use anyhow::Result;
use bulkhead_model::image::{Image, ImageConfig, Layer};
use bulkhead_model::{Digest, Platform, Reference};
use bulkhead_store::{LaidOut, NewImage, Store, manifest};

use crate::measure::{Contender, in_turn};
use crate::table;

const IMAGES: usize = 1000;
const LAYERS: usize = 5;

pub(super) fn run(runs: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (full, empty) = (folder.path().join("full"), folder.path().join("empty"));
    fill(&full)?;
    drop(Store::open(&empty)?);
    let open = |data_root: &Path| {
        let store = Store::open(data_root)?;
        store.images()?;
        Ok(())
    };
    let contenders = vec![
        Contender::new("store of 1,000 images, opened", || open(&full)),
        Contender::new("store of none, opened", || open(&empty)),
    ];
    table::print(&in_turn(contenders, runs)?);
    Ok(())
}

/// Images with their blobs and names, as pulls leave them.
fn fill(data_root: &Path) -> Result<()> {
    let store = Store::open(data_root)?;
    for number in 0..IMAGES {
        let put = |part: &str| {
            let bytes = format!("{number} {part}");
            let digest = manifest::digest_of(bytes.as_bytes());
            store
                .blobs()
                .put(&digest, bytes.as_bytes())
                .map(|()| digest)
        };
        let layers = (0..LAYERS).map(|at| put(&format!("layer {at}")).map(layer));
        let image = Image {
            id: put("configuration")?,
            manifest: put("manifest")?,
            layers: layers.collect::<Result<_, _>>()?,
            config: ImageConfig::default(),
            platform: Platform::host(),
            created: None,
            size: 1,
        };
        let laid_out: Vec<_> = image.layers.iter().map(laid_out).collect();
        let name: Reference = format!("image{number}:1").parse()?;
        store.put_image(&NewImage {
            image: &image,
            references: &[name],
            layers: &laid_out,
            parent: None,
        })?;
    }
    Ok(())
}

fn layer(digest: Digest) -> Layer {
    Layer {
        size: 1,
        media_type: "application/vnd.oci.image.layer.v1.tar+gzip".to_owned(),
        diff_id: digest.clone(),
        chain_id: digest.clone(),
        digest,
    }
}

fn laid_out(layer: &Layer) -> LaidOut {
    LaidOut {
        driver: "overlay".to_owned(),
        chain_id: layer.chain_id.clone(),
        bytes: 1,
        inodes: 1,
    }
}
