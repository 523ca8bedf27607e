//! What runs: exec, stats, top, changes, update.

use bollard_stubs::models;
use bulkhead_api::container::*;
use bulkhead_api::exec::*;
use bulkhead_api::stats::Stats;
use serde_json::{Value, json};

use crate::check;

#[test]
fn exec_is_spelt_as_docker_spells_it() {
    let config = json!({
        "User": "u", "Privileged": true, "Tty": true, "ConsoleSize": [24, 80], "AttachStdin": true,
        "AttachStderr": true, "AttachStdout": true, "Detach": true, "DetachKeys": "ctrl-a", "Env": ["A=b"],
        "WorkingDir": "/w", "Cmd": ["sh"],
    });
    // Docker's Go client sends it; the description never had it.
    check::<ExecConfig, models::ExecConfig>(config, &["Detach"]);
    let start = json!({"Detach": true, "Tty": true, "ConsoleSize": [24, 80]});
    check::<ExecStartConfig, models::ExecStartConfig>(start, &[]);
    let inspect = json!({
        "ID": "i", "Running": true, "ExitCode": 1, "OpenStdin": true, "OpenStderr": true, "OpenStdout": true,
        "CanRemove": true, "ContainerID": "c", "DetachKeys": "", "Pid": 3,
        "ProcessConfig": {
            "tty": true, "entrypoint": "sh", "arguments": ["-c"], "privileged": true, "user": "u",
        },
    });
    check::<ExecInspect, models::ExecInspectResponse>(inspect, &[]);
    // The stubs spell it `ID`; Docker sends `Id`.
    check::<ExecCreated, models::IdResponse>(json!({"Id": "i"}), &["Id"]);
}

fn cpu() -> Value {
    json!({
        "cpu_usage": {
            "total_usage": 4, "percpu_usage": [1, 2], "usage_in_kernelmode": 1, "usage_in_usermode": 3,
        },
        "system_cpu_usage": 9, "online_cpus": 2,
        "throttling_data": {"periods": 1, "throttled_periods": 2, "throttled_time": 3},
    })
}

#[test]
fn stats_are_spelt_as_docker_spells_them() {
    let entries = json!([{"major": 8, "minor": 1, "op": "Read", "value": 5}]);
    let stats = json!({
        "read": "2026-11-21T23:57:36.634065124Z", "preread": "2026-11-21T23:57:35.634065124Z",
        "pids_stats": {"current": 1, "limit": 2}, "num_procs": 0, "storage_stats": {}, "cpu_stats": cpu(),
        "precpu_stats": cpu(), "name": "/n", "id": "i",
        "blkio_stats": {
            "io_service_bytes_recursive": entries, "io_serviced_recursive": entries, "io_queue_recursive": entries,
            "io_service_time_recursive": entries, "io_wait_time_recursive": entries, "io_merged_recursive": entries,
            "io_time_recursive": entries, "sectors_recursive": entries,
        },
        "memory_stats": {"usage": 1, "max_usage": 2, "stats": {"cache": 1}, "failcnt": 1, "limit": 3},
        "networks": {"eth0": {
            "rx_bytes": 1, "rx_packets": 2, "rx_errors": 3, "rx_dropped": 4, "tx_bytes": 5, "tx_packets": 6,
            "tx_errors": 7, "tx_dropped": 8,
        }},
    });
    check::<Stats, models::ContainerStatsResponse>(stats, &[]);
}

#[test]
fn top_changes_and_update_are_spelt_as_docker_spells_them() {
    let top = json!({"Processes": [["1"]], "Titles": ["PID"]});
    check::<TopResponse, models::ContainerTopResponse>(top, &[]);
    check::<Change, models::FilesystemChange>(json!({"Path": "/p", "Kind": 2}), &[]);
    let update = json!({
        "CpuShares": 1, "Memory": 2, "NanoCpus": 3, "BlkioWeight": 10, "CpuPeriod": 4, "CpuQuota": 5,
        "BlkioWeightDevice": [{"Path": "/dev/a", "Weight": 10}],
        "BlkioDeviceReadBps": [{"Path": "/dev/a", "Rate": 1}], "BlkioDeviceWriteBps": [{"Path": "/dev/a", "Rate": 1}],
        "BlkioDeviceReadIOps": [{"Path": "/dev/a", "Rate": 1}], "BlkioDeviceWriteIOps": [{"Path": "/dev/a", "Rate": 1}],
        "CpuRealtimePeriod": 6, "CpuRealtimeRuntime": 7, "CpusetCpus": "0", "CpusetMems": "0",
        "MemoryReservation": 8, "MemorySwap": -1, "MemorySwappiness": 60, "OomKillDisable": true, "PidsLimit": 9,
        "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0},
    });
    check::<UpdateRequest, models::ContainerUpdateBody>(update, &[]);
    check::<UpdateResponse, models::ContainerUpdateResponse>(json!({"Warnings": ["w"]}), &[]);
}
