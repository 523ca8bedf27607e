//! What kind each failure is, area by area.

use bulkhead_model::error::{ErrorKind, Kind};

use super::EngineError;
use EngineError as E;

impl Kind for EngineError {
    fn kind(&self) -> ErrorKind {
        let areas = [carried, of_containers, of_images, of_networks, of_storage];
        let known = areas.iter().find_map(|area| area(self));
        // The rest is what a client asked for and nobody can mean.
        known.unwrap_or(ErrorKind::InvalidArgument)
    }
}

/// The kind of the failure inside.
fn carried(error: &E) -> Option<ErrorKind> {
    Some(match error {
        E::Shared { kind, .. } => *kind,
        E::VolumeMount { source, .. } | E::VolumeLimit { source, .. } => source.kind,
        E::NewName(e) => e.kind(),
        E::CannotUpdate { source, .. } => source.kind(),
        E::Manifest(e) => e.kind(),
        E::ImageArchive(e) => e.kind(),
        E::Root(e) => e.kind(),
        E::Pack(e) => e.kind(),
        E::Changes(e) => e.kind(),
        E::Unpack(e) => e.kind(),
        E::Plugin(e) | E::Registry(e) => e.kind(),
        E::Runtime(e) | E::CannotExec(e) => e.kind(),
        E::Store(e) => e.kind(),
        _ => return None,
    })
}

fn of_containers(error: &E) -> Option<ErrorKind> {
    Some(match error {
        E::NoSuchContainer(_) | E::NoSuchExec(_) | E::NoSuchFile { .. } | E::NoSuchPlugin(_) => {
            ErrorKind::NotFound
        }
        E::NameInUse { .. }
        | E::NotRunning { .. }
        | E::JoinStopped { .. }
        | E::NotKilled { .. }
        | E::NotAtRest { .. }
        | E::StartPaused
        | E::ExecPaused(_)
        | E::AlreadyPaused(_)
        | E::Restarting(_)
        | E::MarkedForRemoval
        | E::AlreadyRemoving(_)
        | E::ExecHasRun(_)
        | E::ExecRuns(_)
        | E::ExecNotStarted
        | E::Update(_)
        | E::CommitGoing { .. } => ErrorKind::Conflict,
        E::LogsNotKept => ErrorKind::Unsupported,
        E::WouldNotDie(_) => ErrorKind::Timeout,
        E::NotPaused(_) | E::Record { .. } | E::Top(_) | E::Check(_) | E::ReadLog { .. } => {
            ErrorKind::Internal
        }
        _ => return None,
    })
}

fn of_images(error: &E) -> Option<ErrorKind> {
    Some(match error {
        E::NoSuchImage(_) | E::NothingToPush(_) | E::NoSuchTag(_) | E::NoTags(_) => {
            ErrorKind::NotFound
        }
        E::ImageNamedByContainer { .. } | E::ImageInUse { .. } => ErrorKind::Conflict,
        // As when the registry broke off: the next attempt goes on.
        E::NobodyWaits => ErrorKind::Unavailable,
        E::Unsigned { .. } => ErrorKind::Forbidden,
        E::NoRegistrySource(_) | E::NoPush { .. } | E::NoCatalog { .. } | E::ForeignSystem(_) => {
            ErrorKind::Unsupported
        }
        E::Compress { .. }
        | E::StoredManifest(_)
        | E::DiffId { .. }
        | E::ReferenceDigest { .. }
        | E::TooMuchHistory
        | E::WorkerPanicked => ErrorKind::Internal,
        _ => return None,
    })
}

fn of_networks(error: &E) -> Option<ErrorKind> {
    Some(match error {
        E::NoSuchNetwork(_) | E::NoSuchEndpoint(_) => ErrorKind::NotFound,
        E::PredefinedNetwork(_)
        | E::RemovePredefined(_)
        | E::SingleNetwork(_)
        | E::NetworkInUse { .. }
        | E::PoolOverlaps
        | E::MultipleSubnets
        | E::InterfaceInUse { .. }
        | E::AddressInUse
        | E::AlreadyConnected { .. } => ErrorKind::Forbidden,
        E::NetworkNameInUse(_) => ErrorKind::Conflict,
        E::NoNetworkDriver(_) => ErrorKind::Unsupported,
        E::LinkedNotRunning { .. } | E::LinkedElsewhere(_) => ErrorKind::Internal,
        _ => return None,
    })
}

/// Storage drivers and volumes.
fn of_storage(error: &E) -> Option<ErrorKind> {
    Some(match error {
        E::NoSuchVolume(_) | E::NoSuchVolumeDriver { .. } => ErrorKind::NotFound,
        E::OtherVolumeDriver { .. }
        | E::VolumeRestored(_)
        | E::VolumeRuns { .. }
        | E::VolumeInUse { .. } => ErrorKind::Conflict,
        E::NoMount(_) | E::AnotherPool(_) => ErrorKind::Internal,
        _ => return None,
    })
}
