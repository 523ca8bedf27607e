//! Containers: what create takes, what list, inspect and wait answer.
#![expect(
    missing_docs,
    reason = "the fields are Docker's, described in its API reference"
)]

mod change;
mod config;
mod create;
mod host_config;
mod inspect;
mod list;
mod top;
mod update;
mod wait;

pub use change::{Change, ChangeKind, UnknownChange};
pub use config::{ContainerConfig, EmptyObject, HealthConfig};
pub use create::{CreateRequest, CreateResponse, NetworkingConfig};
pub use host_config::{
    BindOptions, DeviceMapping, DeviceRequest, HostConfig, LogConfig, Mount, MountDriver,
    RestartPolicy, ThrottleDevice, TmpfsOptions, Ulimit, VolumeOptions, WeightDevice,
};
pub use inspect::{
    ContainerInspect, ContainerState, GraphDriver, Health, HealthLog, MountPoint, NetworkSettings,
};
pub use list::{ContainerSummary, SummaryHealth, SummaryHostConfig, SummaryNetworks, SummaryPort};
pub use top::TopResponse;
pub use update::{UpdateRequest, UpdateResponse};
pub use wait::{WaitError, WaitResponse};
