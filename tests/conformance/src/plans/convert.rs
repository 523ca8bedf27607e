//! Plans as the host has them, in the words of the plugin kit.

use bulkhead_model::storage::{self as model, DirPath, RootMount, StoragePlan, StorageStep};
use bulkhead_plugin_api::storage::{
    Access, Filesystem, OverlayOption, Pool, Purpose, Usage, VolumeOption,
};
use bulkhead_plugin_api::testing::StorageOrder;

pub(super) fn purpose(purpose: Purpose) -> model::Purpose {
    match purpose {
        Purpose::Run => model::Purpose::Run,
        Purpose::View => model::Purpose::View,
        Purpose::Extract => model::Purpose::Extract,
    }
}

pub(super) fn usage_back(usage: model::Usage) -> Usage {
    Usage {
        bytes: usage.bytes,
        inodes: usage.inodes,
    }
}

pub(super) fn orders(plan: StoragePlan) -> Vec<StorageOrder> {
    let steps = plan.steps.into_iter().map(step);
    steps.chain(plan.mount.map(mount)).collect()
}

pub(super) fn pool(pool: &model::Pool) -> StorageOrder {
    StorageOrder::Pool(Pool {
        filesystem: match pool.kind {
            model::PoolKind::Filesystem(filesystem) => filesystem.as_str().to_owned(),
            model::PoolKind::Thin => "thin".to_owned(),
        },
        size: pool.size,
        options: Vec::new(),
    })
}

fn text(dir: &DirPath) -> String {
    dir.to_string()
}

fn step(step: StorageStep) -> StorageOrder {
    match step {
        StorageStep::CreateDir { dir, mode } => StorageOrder::CreateDir {
            dir: text(&dir),
            mode,
        },
        StorageStep::CloneTree { source, dest } => StorageOrder::CloneTree {
            source: text(&source),
            dest: text(&dest),
        },
        StorageStep::Rename { from, to } => StorageOrder::Rename {
            source: text(&from),
            dest: text(&to),
        },
        StorageStep::RemoveTree { dir } => StorageOrder::RemoveTree { victim: text(&dir) },
        StorageStep::PutState { key, value } => StorageOrder::PutState { key, value },
        StorageStep::CreateVolume {
            dir,
            size,
            filesystem,
        } => StorageOrder::CreateVolume {
            dir: text(&dir),
            size,
            filesystem: match filesystem {
                model::Filesystem::Ext4 => Filesystem::Ext4,
                model::Filesystem::Xfs => Filesystem::Xfs,
            },
        },
        StorageStep::SnapshotVolume { source, dest } => StorageOrder::SnapshotVolume {
            source: text(&source),
            dest: text(&dest),
        },
        StorageStep::CreateSubvolume { dir, mode } => StorageOrder::CreateSubvolume {
            dir: text(&dir),
            mode,
        },
        StorageStep::SnapshotSubvolume {
            source,
            dest,
            read_only,
        } => StorageOrder::SnapshotSubvolume {
            source: text(&source),
            dest: text(&dest),
            access: access(read_only),
        },
        StorageStep::SealSubvolume { dir } => StorageOrder::SealSubvolume { dir: text(&dir) },
        StorageStep::LimitDir { dir, bytes } => StorageOrder::LimitDir {
            dir: text(&dir),
            bytes,
        },
        StorageStep::LimitSubvolume { dir, bytes } => StorageOrder::LimitSubvolume {
            dir: text(&dir),
            bytes,
        },
        StorageStep::GrowVolume { dir, size } => StorageOrder::GrowVolume {
            dir: text(&dir),
            size,
        },
    }
}

fn access(read_only: bool) -> Access {
    match read_only {
        true => Access::ReadOnly,
        false => Access::ReadWrite,
    }
}

fn mount(mount: RootMount) -> StorageOrder {
    match mount {
        RootMount::Overlay {
            lower,
            upper,
            options,
        } => StorageOrder::MountOverlay {
            lower: lower.iter().map(text).collect(),
            upper: upper.map(|(upper, work)| (text(&upper), text(&work))),
            options: options.into_iter().map(overlay_option).collect(),
        },
        RootMount::Bind { source, read_only } => StorageOrder::MountBind {
            source: text(&source),
            access: access(read_only),
        },
        RootMount::Volume {
            source,
            read_only,
            options,
        } => StorageOrder::MountVolume {
            source: text(&source),
            access: access(read_only),
            options: options.into_iter().map(volume_option).collect(),
        },
    }
}

fn overlay_option(option: model::OverlayOption) -> OverlayOption {
    match option {
        model::OverlayOption::Metacopy => OverlayOption::Metacopy,
        model::OverlayOption::RedirectDir => OverlayOption::RedirectDir,
        model::OverlayOption::Volatile => OverlayOption::Volatile,
        model::OverlayOption::UserXattr => OverlayOption::UserXattr,
        model::OverlayOption::NoIndex => OverlayOption::NoIndex,
    }
}

fn volume_option(option: model::VolumeOption) -> VolumeOption {
    match option {
        model::VolumeOption::Discard => VolumeOption::Discard,
        model::VolumeOption::NoAtime => VolumeOption::NoAtime,
    }
}
