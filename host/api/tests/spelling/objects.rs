//! Networks, volumes, events, disk usage, prune, login.

use bollard_stubs::models;
use bulkhead_api::auth::{AuthConfig, AuthResponse};
use bulkhead_api::event::EventMessage;
use bulkhead_api::network::*;
use bulkhead_api::usage::*;
use bulkhead_api::volume::*;
use serde_json::{Value, json};

use crate::{check, endpoint};

fn ipam() -> Value {
    json!({
        "Driver": "default", "Options": {"a": "b"},
        "Config": [{
            "Subnet": "10.0.0.0/16", "IPRange": "10.0.1.0/24", "Gateway": "10.0.0.1",
            "AuxiliaryAddresses": {"host": "10.0.0.9"},
        }],
    })
}

#[test]
fn networks_are_spelt_as_docker_spells_them() {
    let network = json!({
        "Name": "n", "Id": "i", "Created": "2026-11-21T23:57:36.634065124Z", "Scope": "local", "Driver": "bridge",
        "EnableIPv4": true, "EnableIPv6": true, "IPAM": ipam(), "Internal": true, "Attachable": true, "Ingress": true,
        "ConfigFrom": {"Network": "x"}, "ConfigOnly": true, "Options": {"a": "b"}, "Labels": {"a": "b"},
        "Containers": {"c": {
            "Name": "n", "EndpointID": "e", "MacAddress": "02:42:ac:11:00:02", "IPv4Address": "10.0.0.2/16", "IPv6Address": "fd::2/64",
        }},
    });
    check::<Network, models::NetworkInspect>(network, &[]);
    let create = json!({
        "Name": "n", "CheckDuplicate": true, "Driver": "bridge", "Scope": "local", "EnableIPv4": true,
        "EnableIPv6": true, "IPAM": ipam(), "Internal": true, "Attachable": true, "Ingress": true, "ConfigOnly": true,
        "ConfigFrom": {"Network": "x"}, "Options": {"a": "b"}, "Labels": {"a": "b"},
    });
    check::<NetworkCreateRequest, models::NetworkCreateRequest>(create, &["CheckDuplicate"]);
    let created = json!({"Id": "i", "Warning": "w"});
    check::<NetworkCreated, models::NetworkCreateResponse>(created, &[]);
    let connect = json!({"Container": "c", "EndpointConfig": endpoint()});
    check::<NetworkConnectRequest, models::NetworkConnectRequest>(connect, &[]);
    let disconnect = json!({"Container": "c", "Force": true});
    check::<NetworkDisconnectRequest, models::NetworkDisconnectRequest>(disconnect, &[]);
}

#[test]
fn volumes_are_spelt_as_docker_spells_them() {
    let volume = json!({
        "CreatedAt": "2026-11-22T02:58:38Z", "Driver": "local", "Labels": {"a": "b"}, "Mountpoint": "/m", "Name": "n",
        "Options": {"type": "tmpfs"}, "Scope": "local", "UsageData": {"RefCount": 1, "Size": 2},
    });
    check::<Volume, models::Volume>(volume.clone(), &[]);
    let list = json!({"Volumes": [volume], "Warnings": ["w"]});
    check::<VolumeList, models::VolumeListResponse>(list, &[]);
    let create =
        json!({"Name": "n", "Driver": "local", "DriverOpts": {"a": "b"}, "Labels": {"a": "b"}});
    check::<VolumeCreateRequest, models::VolumeCreateRequest>(create, &[]);
}

#[test]
fn events_are_spelt_as_docker_spells_them() {
    let event = json!({
        "status": "start", "id": "i", "from": "busybox", "Type": "container", "Action": "start",
        "Actor": {"ID": "i", "Attributes": {"name": "n"}}, "scope": "local", "time": 1, "timeNano": 1_000_000_000,
    });
    check::<EventMessage, models::EventMessage>(event, &["from", "id", "status"]);
}

#[test]
fn usage_and_prunes_are_spelt_as_docker_spells_them() {
    let pruned = json!({"ContainersDeleted": ["c"], "SpaceReclaimed": 1});
    check::<ContainersPruned, models::ContainerPruneResponse>(pruned, &[]);
    let pruned = json!({"ImagesDeleted": [{"Untagged": "a:b"}], "SpaceReclaimed": 1});
    check::<ImagesPruned, models::ImagePruneResponse>(pruned, &[]);
    let pruned = json!({"NetworksDeleted": ["n"]});
    check::<NetworksPruned, models::NetworkPruneResponse>(pruned, &[]);
    let pruned = json!({"VolumesDeleted": ["v"], "SpaceReclaimed": 1});
    check::<VolumesPruned, models::VolumePruneResponse>(pruned, &[]);
    let pruned = json!({"CachesDeleted": ["c"], "SpaceReclaimed": 1});
    check::<BuildPruned, models::BuildPruneResponse>(pruned, &[]);
    // The newest description has another shape; docker 28 speaks this one.
    let usage =
        json!({"LayersSize": 1, "Images": [], "Containers": [], "Volumes": [], "BuildCache": []});
    let lost = [
        "LayersSize",
        "Images",
        "Containers",
        "Volumes",
        "BuildCache",
    ];
    check::<DiskUsage, models::SystemDataUsageResponse>(usage, &lost);
    let sums =
        json!({"ActiveCount": 1, "TotalCount": 2, "Reclaimable": 3, "TotalSize": 4, "Items": []});
    let usage = json!({
        "LayersSize": 0, "ImageUsage": sums, "ContainerUsage": sums, "VolumeUsage": sums, "BuildCacheUsage": sums,
    });
    check::<DiskUsage, models::SystemDataUsageResponse>(usage, &["LayersSize"]);
}

#[test]
fn a_login_is_spelt_as_docker_spells_it() {
    let auth = json!({"username": "u", "password": "p", "serveraddress": "s"});
    check::<AuthConfig, models::AuthConfig>(auth, &[]);
    let answer = json!({"Status": "Login Succeeded", "IdentityToken": "t"});
    check::<AuthResponse, models::AuthResponse>(answer, &[]);
}
