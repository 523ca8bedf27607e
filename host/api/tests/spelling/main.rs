//! Every key of ours against Docker's API description: a value of ours with
//! all fields filled must come through the description's own type unchanged.
//! A misspelt key would be dropped, a wrong kind would be refused.

#![recursion_limit = "512"]

mod objects;
mod processes;

use std::collections::BTreeSet;

use bollard_stubs::models;
use bulkhead_api::container::*;
use bulkhead_api::image::*;
use bulkhead_api::progress::*;
use bulkhead_api::system::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Fills our type from `sample`, where every key of ours must appear, and
/// compares what the description's type keeps of it. `ours` are the keys that
/// the description lacks: removed from it lately, or added by us.
fn check<Ours: DeserializeOwned + Serialize, Theirs: DeserializeOwned + Serialize>(
    sample: Value,
    ours: &[&str],
) {
    let name = std::any::type_name::<Ours>();
    let filled: Ours =
        serde_json::from_value(sample.clone()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let written = serde_json::to_value(&filled).unwrap();
    let theirs: Theirs =
        serde_json::from_value(written.clone()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let kept = serde_json::to_value(&theirs).unwrap();
    let mut lost = BTreeSet::new();
    lost_keys(&written, &kept, "", &mut lost);
    let expected = ours.iter().map(|key| key.to_string()).collect();
    assert_eq!(
        lost, expected,
        "keys of {name} that Docker's description lacks"
    );
    let mut unsampled = BTreeSet::new();
    lost_keys(&sample, &written, "", &mut unsampled);
    assert!(unsampled.is_empty(), "{name} does not keep {unsampled:?}");
}

fn lost_keys(before: &Value, after: &Value, path: &str, lost: &mut BTreeSet<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, value) in before.iter().filter(|(_, value)| !value.is_null()) {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                match after.get(key) {
                    Some(kept) => lost_keys(value, kept, &path, lost),
                    None => drop(lost.insert(path)),
                }
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            before
                .iter()
                .zip(after)
                .for_each(|(b, a)| lost_keys(b, a, path, lost));
        }
        // The description has sets (`{"80/tcp":{}}`) as lists and writes them back as sets.
        (before, after) => assert_eq!(before, after, "{path}"),
    }
}

fn endpoint() -> Value {
    json!({
        "IPAMConfig": {"IPv4Address": "10.0.0.2", "IPv6Address": "fd::2", "LinkLocalIPs": ["169.254.1.1"]},
        "Links": ["a:b"], "Aliases": ["db"], "MacAddress": "02:42:ac:11:00:02", "DriverOpts": {"a": "b"},
        "GwPriority": 1, "NetworkID": "n", "EndpointID": "e", "Gateway": "172.17.0.1", "IPAddress": "172.17.0.2",
        "IPPrefixLen": 16, "IPv6Gateway": "fd::1", "GlobalIPv6Address": "fd::2", "GlobalIPv6PrefixLen": 64,
        "DNSNames": ["db"],
    })
}

fn mount_point() -> Value {
    json!({
        "Type": "volume", "Name": "v", "Source": "/s", "Destination": "/d", "Driver": "local", "Mode": "z", "RW": true,
        "Propagation": "rprivate",
    })
}

fn config() -> Value {
    json!({
        "Hostname": "h", "Domainname": "d", "User": "u", "AttachStdin": true, "AttachStdout": true,
        "AttachStderr": true, "ExposedPorts": {"80/tcp": {}}, "Tty": true, "OpenStdin": true, "StdinOnce": true,
        "Env": ["A=b"], "Cmd": ["sh"], "ArgsEscaped": true, "Image": "i", "Volumes": {"/v": {}}, "WorkingDir": "/w",
        "Entrypoint": ["e"], "NetworkDisabled": true, "OnBuild": ["RUN x"], "Labels": {"l": "v"},
        "StopSignal": "SIGINT", "StopTimeout": 3, "Shell": ["sh"],
        "Healthcheck": {
            "Test": ["CMD", "x"], "Interval": 1, "Timeout": 2, "StartPeriod": 3, "StartInterval": 4, "Retries": 5,
        },
    })
}

fn host_config() -> Value {
    json!({
        "Binds": ["/a:/b"], "ContainerIDFile": "f", "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
        "NetworkMode": "bridge", "PortBindings": {"80/tcp": [{"HostIp": "::", "HostPort": "80"}]},
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}, "AutoRemove": true, "VolumeDriver": "local",
        "VolumesFrom": ["c"], "ConsoleSize": [24, 80], "Annotations": {"a": "b"}, "CapAdd": ["X"], "CapDrop": ["Y"],
        "CgroupnsMode": "private", "Dns": ["1.1.1.1"], "DnsOptions": ["o"], "DnsSearch": ["s"], "ExtraHosts": ["h:1"],
        "GroupAdd": ["g"], "IpcMode": "private", "Cgroup": "c", "Links": ["l"], "OomScoreAdj": 5, "PidMode": "host",
        "Privileged": true, "PublishAllPorts": true, "ReadonlyRootfs": true, "SecurityOpt": ["no-new-privileges"],
        "StorageOpt": {"size": "1G"}, "Tmpfs": {"/t": "size=1m"}, "UTSMode": "host", "UsernsMode": "host",
        "ShmSize": 1, "Sysctls": {"net.x": "1"}, "Runtime": "r", "Isolation": "default", "CpuShares": 2, "Memory": 3,
        "NanoCpus": 4, "CgroupParent": "/p", "BlkioWeight": 10, "BlkioWeightDevice": [{"Path": "/dev/a", "Weight": 10}],
        "BlkioDeviceReadBps": [{"Path": "/dev/a", "Rate": 1}], "BlkioDeviceWriteBps": [{"Path": "/dev/a", "Rate": 1}],
        "BlkioDeviceReadIOps": [{"Path": "/dev/a", "Rate": 1}], "BlkioDeviceWriteIOps": [{"Path": "/dev/a", "Rate": 1}],
        "CpuPeriod": 1, "CpuQuota": 1, "CpuRealtimePeriod": 1, "CpuRealtimeRuntime": 1, "CpusetCpus": "0",
        "CpusetMems": "0", "Devices": [{"PathOnHost": "/a", "PathInContainer": "/b", "CgroupPermissions": "rwm"}],
        "DeviceCgroupRules": ["c 1:1 r"],
        "DeviceRequests": [
            {"Driver": "d", "Count": 1, "DeviceIDs": ["0"], "Capabilities": [["gpu"]], "Options": {"a": "b"}},
        ],
        "MemoryReservation": 1, "MemorySwap": -1, "MemorySwappiness": 60, "OomKillDisable": true, "Init": true,
        "PidsLimit": 9, "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}], "CpuCount": 1, "CpuPercent": 1,
        "IOMaximumIOps": 1, "IOMaximumBandwidth": 1, "MaskedPaths": ["/m"], "ReadonlyPaths": ["/r"],
        "StorageDriver": "vfs",
        "Mounts": [{
            "Type": "bind", "Source": "/s", "Target": "/t", "ReadOnly": true, "Consistency": "default",
            "BindOptions": {
                "Propagation": "rprivate", "NonRecursive": true, "CreateMountpoint": true,
                "ReadOnlyNonRecursive": true, "ReadOnlyForceRecursive": true,
            },
            "VolumeOptions": {
                "NoCopy": true, "Labels": {"a": "b"}, "Subpath": "x",
                "DriverConfig": {"Name": "d", "Options": {"a": "b"}},
            },
            "TmpfsOptions": {"SizeBytes": 1, "Mode": 511},
        }],
    })
}

#[test]
fn create_is_spelt_as_docker_spells_it() {
    check::<ContainerConfig, models::ContainerConfig>(config(), &[]);
    check::<HostConfig, models::HostConfig>(host_config(), &["StorageDriver"]);
    let networking = json!({"EndpointsConfig": {"bridge": endpoint()}});
    check::<NetworkingConfig, models::NetworkingConfig>(networking, &[]);
    check::<CreateResponse, models::ContainerCreateResponse>(
        json!({"Id": "i", "Warnings": ["w"]}),
        &[],
    );
}

#[test]
fn lists_are_spelt_as_docker_spells_them() {
    let container = json!({
        "Id": "i", "Names": ["/n"], "Image": "im", "ImageID": "sha256:0", "Command": "sh", "Created": 1,
        "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}], "SizeRw": 1,
        "SizeRootFs": 2, "Labels": {"a": "b"}, "State": "running", "Status": "Up", "HostConfig": {"NetworkMode": "x"},
        "NetworkSettings": {"Networks": {"bridge": endpoint()}}, "Mounts": [mount_point()],
    });
    check::<ContainerSummary, models::ContainerSummary>(container, &[]);
    let image = json!({
        "Id": "i", "ParentId": "p", "RepoTags": ["a:b"], "RepoDigests": ["a@sha256:0"], "Created": 1, "Size": 2,
        "SharedSize": -1, "Labels": {"a": "b"}, "Containers": -1,
    });
    check::<ImageSummary, models::ImageSummary>(image, &[]);
}

#[test]
fn a_container_is_spelt_as_docker_spells_it() {
    let state = json!({
        "Status": "exited", "Running": true, "Paused": true, "Restarting": true, "OOMKilled": true, "Dead": true,
        "Pid": 1, "ExitCode": 2, "Error": "e", "StartedAt": "s", "FinishedAt": "f",
        "Health": {
            "Status": "healthy", "FailingStreak": 1,
            "Log": [{"Start": "2020-01-04T10:44:24Z", "End": "2020-01-04T10:45:21Z", "ExitCode": 0, "Output": "o"}],
        },
    });
    let network = json!({
        "Bridge": "b", "SandboxID": "s", "SandboxKey": "k", "Ports": {"80/tcp": [{"HostIp": "::", "HostPort": "1"}]},
        "HairpinMode": true, "LinkLocalIPv6Address": "fe80::", "LinkLocalIPv6PrefixLen": 64,
        "SecondaryIPAddresses": [{"Addr": "10.0.0.9", "PrefixLen": 24}],
        "SecondaryIPv6Addresses": [{"Addr": "fd::9", "PrefixLen": 64}], "EndpointID": "e", "Gateway": "g",
        "GlobalIPv6Address": "fd::", "GlobalIPv6PrefixLen": 64, "IPAddress": "10.0.0.2", "IPPrefixLen": 24,
        "IPv6Gateway": "fd::1", "MacAddress": "m", "Networks": {"bridge": endpoint()},
    });
    let inspect = json!({
        "Id": "i", "Created": "2026-11-21T23:57:36.634065124Z", "Path": "sh", "Args": ["-c"], "State": state,
        "Image": "sha256:0", "ResolvConfPath": "r", "HostnamePath": "h", "HostsPath": "o", "LogPath": "l",
        "Name": "/n", "RestartCount": 1, "Driver": "overlay", "Platform": "linux", "MountLabel": "m",
        "ProcessLabel": "p", "AppArmorProfile": "a", "ExecIDs": ["x"], "HostConfig": host_config(),
        "GraphDriver": {"Name": "n", "Data": {"a": "b"}}, "SizeRw": 1, "SizeRootFs": 2, "Mounts": [mount_point()],
        "Config": config(), "NetworkSettings": network,
    });
    // Gone from the newest description; docker 28 answers with them.
    let legacy = [
        "Bridge",
        "EndpointID",
        "Gateway",
        "GlobalIPv6Address",
        "GlobalIPv6PrefixLen",
        "HairpinMode",
        "IPAddress",
        "IPPrefixLen",
        "IPv6Gateway",
        "LinkLocalIPv6Address",
        "LinkLocalIPv6PrefixLen",
        "MacAddress",
        "SecondaryIPAddresses",
        "SecondaryIPv6Addresses",
    ];
    let mut lost: Vec<String> = legacy
        .iter()
        .map(|key| format!("NetworkSettings.{key}"))
        .collect();
    lost.push("HostConfig.StorageDriver".into());
    let lost: Vec<&str> = lost.iter().map(String::as_str).collect();
    check::<ContainerInspect, models::ContainerInspectResponse>(inspect, &lost);
    let wait = json!({"StatusCode": 1, "Error": {"Message": "m"}});
    check::<WaitResponse, models::ContainerWaitResponse>(wait, &[]);
}

#[test]
fn an_image_is_spelt_as_docker_spells_it() {
    let inspect = json!({
        "Id": "i", "RepoTags": ["a:b"], "RepoDigests": ["a@sha256:0"], "Parent": "p", "Comment": "c",
        "Created": "2026-11-21T23:57:36.634065124Z", "DockerVersion": "d", "Author": "a", "Config": config(),
        "Architecture": "amd64", "Variant": "v8", "Os": "linux", "OsVersion": "1", "Size": 1,
        "GraphDriver": {"Name": "n", "Data": {"a": "b"}}, "RootFS": {"Type": "layers", "Layers": ["sha256:0"]},
        "Metadata": {"LastTagTime": "2026-11-21T23:57:36.635887476Z"},
    });
    // An image's configuration is a container's, of which the newest description shows less.
    let lost = [
        "Config.AttachStderr",
        "Config.AttachStdin",
        "Config.AttachStdout",
        "Config.Domainname",
        "Config.Hostname",
        "Config.Image",
        "Config.NetworkDisabled",
        "Config.OpenStdin",
        "Config.StdinOnce",
        "Config.StopTimeout",
        "Config.Tty",
        "DockerVersion",
        "Parent",
    ];
    check::<ImageInspect, models::ImageInspect>(inspect, &lost);
    let deleted = json!({"Untagged": "a:b", "Deleted": "sha256:0"});
    check::<ImageDeleted, models::ImageDeleteResponseItem>(deleted, &[]);
    let progress = json!({
        "status": "s", "progressDetail": {"current": 1, "total": 2}, "id": "i", "progress": "[=>]",
        "errorDetail": {"code": 1, "message": "m"}, "error": "m",
    });
    check::<Progress, models::CreateImageInfo>(progress, &["error", "progress"]);
}

#[test]
fn the_system_is_spelt_as_docker_spells_it() {
    let version = json!({
        "Platform": {"Name": "p"}, "Components": [{"Name": "Engine", "Version": "1", "Details": {"a": "b"}}],
        "Version": "1", "ApiVersion": "1.50", "MinAPIVersion": "1.24", "GitCommit": "g", "GoVersion": "go",
        "Os": "linux", "Arch": "amd64", "KernelVersion": "6", "Experimental": true, "BuildTime": "b",
    });
    check::<Version, models::SystemVersion>(version, &[]);
    let info = json!({
        "ID": "i", "Containers": 1, "ContainersRunning": 1, "ContainersPaused": 1, "ContainersStopped": 1,
        "Images": 1, "Driver": "d", "DriverStatus": [["a", "b"]], "MemoryLimit": true, "SwapLimit": true,
        "Plugins": {"Volume": ["v"], "Network": ["n"], "Authorization": ["a"], "Log": ["l"]}, "CpuCfsPeriod": true,
        "CpuCfsQuota": true, "CPUShares": true, "CPUSet": true, "PidsLimit": true, "IPv4Forwarding": true,
        "Debug": true, "NFd": 1, "OomKillDisable": true, "NGoroutines": 1, "SystemTime": "t", "LoggingDriver": "l",
        "CgroupDriver": "cgroupfs", "CgroupVersion": "2", "NEventsListener": 1, "KernelVersion": "k",
        "OperatingSystem": "o", "OSVersion": "1", "OSType": "linux", "Architecture": "x86_64",
        "IndexServerAddress": "i", "NCPU": 1, "MemTotal": 1, "DockerRootDir": "d",
        "RegistryConfig": {
            "InsecureRegistryCIDRs": ["127.0.0.0/8"], "Mirrors": ["m"],
            "IndexConfigs": {"x": {"Name": "x", "Mirrors": ["m"], "Secure": true, "Official": true}},
        },
        "HttpProxy": "h", "HttpsProxy": "h", "NoProxy": "n", "Name": "n", "Labels": ["l"], "ExperimentalBuild": true,
        "ServerVersion": "1", "Runtimes": {"runc": {"path": "runc"}}, "DefaultRuntime": "runc",
        "Swarm": {
            "NodeID": "n", "NodeAddr": "a", "LocalNodeState": "inactive", "ControlAvailable": true, "Error": "e",
            "RemoteManagers": [{"NodeID": "n", "Addr": "a"}],
        },
        "LiveRestoreEnabled": true, "Isolation": "default", "InitBinary": "i", "ContainerdCommit": {"ID": "c"},
        "RuncCommit": {"ID": "c"}, "InitCommit": {"ID": "c"}, "SecurityOptions": ["s"], "Warnings": ["w"],
    });
    check::<Info, models::SystemInfo>(info, &[]);
    let newer = json!({
        "CDISpecDirs": ["/etc/cdi"], "FirewallBackend": {"Driver": "nftables"}, "DiscoveredDevices": [],
    });
    check::<Info, models::SystemInfo>(newer, &[]);
}
