//! How long one plugin operation takes: broker to runner and back, with a
//! fresh instance and all its orders.
//!
//! ```text
//! op-bench BIN [PLUGINS]     BIN holds bulkhead-sandbox and bulkhead-compiler
//! ```

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bulkhead_model::SnapshotKey;
use bulkhead_model::driver::DriverRoot;
use bulkhead_model::network::{
    AddressPool, Cidr, EndpointRequest, NetworkConfig, PortMapping, Protocol,
};
use bulkhead_model::storage::{DirName, DirPath, Purpose, SnapshotRequest, Usage};
use bulkhead_plugin_host::{Options, PluginHost};

const ROUNDS: usize = 5000;

struct EmptyRoot;

impl DriverRoot for EmptyRoot {
    fn is_dir(&self, _: &DirPath) -> bool {
        false
    }
    fn entries(&self, _: &DirPath, _: Option<&DirName>, _: usize) -> std::io::Result<Vec<String>> {
        Ok(Vec::new())
    }
    fn read_small(&self, _: &DirPath, _: &DirName) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
    fn usage(&self, _: &DirPath) -> std::io::Result<Usage> {
        Ok(Usage::default())
    }

    fn usage_over(&self, _: &DirPath, _: &DirPath) -> std::io::Result<Usage> {
        Ok(Usage::default())
    }
    fn state(&self, _: &str) -> Option<Vec<u8>> {
        None
    }
    fn facts(&self) -> Vec<String> {
        vec!["overlay".into(), "overlay-index".into()]
    }
}

#[derive(Default)]
struct Pool(Mutex<BTreeSet<IpAddr>>);

impl AddressPool for Pool {
    fn allocate(&self, _: &str, _: &Cidr) -> Option<IpAddr> {
        let mut taken = self.0.lock().ok()?;
        let mut free = (2..250).map(|i| IpAddr::from([172, 17, 0, i]));
        let addr = free.find(|addr| !taken.contains(addr))?;
        taken.insert(addr).then_some(addr)
    }
    fn release(&self, _: &str, addr: IpAddr) {
        if let Ok(mut taken) = self.0.lock() {
            taken.remove(&addr);
        }
    }
}

fn main() {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::ERROR)
        .init();
    let mut args = std::env::args().skip(1).map(PathBuf::from);
    let Some(bin) = args.next() else {
        eprintln!("usage: op-bench BIN [PLUGINS]");
        std::process::exit(2);
    };
    let cache = std::env::temp_dir().join(format!("op-bench-{}", std::process::id()));
    let mut options = Options::beside(&bin, cache.clone());
    options.plugin_dirs.extend(args);
    let started = Instant::now();
    let host = PluginHost::open(options).expect("open");
    println!(
        "open with compiling          {:>9.1} ms",
        started.elapsed().as_secs_f64() * 1e3
    );
    for info in host.plugins() {
        println!("  {} {}", info.identity.name, info.identity.digest.short());
    }
    storage(&host);
    network(&host);
    if let Some(pid) = host.runner_pid() {
        println!("runner's keeper is pid {pid}");
    }
    if std::env::var_os("OP_BENCH_WAIT").is_some() {
        std::thread::sleep(Duration::from_secs(30));
    }
    drop(host);
    let _ = std::fs::remove_dir_all(cache);
}

fn storage(host: &PluginHost) {
    let drivers = host.storage_drivers();
    let driver = drivers
        .iter()
        .find(|d| d.driver_name() == "overlay")
        .expect("overlay");
    let key = |text: &str| text.parse::<SnapshotKey>().expect("key");
    let request = SnapshotRequest {
        key: key(&format!("c-{}", "a".repeat(64))),
        parents: vec![key(&"b".repeat(64)), key(&"c".repeat(64))],
        purpose: Purpose::Run,
        size: None,
    };
    let first = Instant::now();
    let plan = driver.prepare(&EmptyRoot, &request).expect("prepare");
    println!(
        "first call, runner starting  {:>9.1} us",
        micros(first.elapsed())
    );
    println!(
        "  {} steps, mount {:?}",
        plan.steps.len(),
        plan.mount.is_some()
    );
    report("storage prepare", || {
        driver.prepare(&EmptyRoot, &request).expect("prepare");
    });
    report("storage remove", || {
        driver.remove(&EmptyRoot, &request.key).expect("remove");
    });
}

fn network(host: &PluginHost) {
    let drivers = host.network_drivers();
    let pool = Pool::default();
    let mut request = EndpointRequest {
        network: NetworkConfig {
            name: "bridge".into(),
            interface: bulkhead_model::network::IfName::new("bh0"),
            gateways: vec!["172.17.0.1/16".parse().unwrap()],
            mtu: 1500,
            options: Vec::new(),
        },
        endpoint: "e".repeat(64),
        mac: None,
        ports: Vec::new(),
    };
    for ports in [0, 1] {
        request.ports = (0..ports)
            .map(|i| PortMapping {
                protocol: Protocol::Tcp,
                host_addr: std::net::Ipv4Addr::UNSPECIFIED.into(),
                host_port: 8080 + i,
                container_port: 80,
                count: 1,
            })
            .collect();
        for name in ["bridge", "none"] {
            let driver = drivers
                .iter()
                .find(|d| d.driver_name() == name)
                .expect(name);
            report(&format!("network attach {name}, {ports} ports"), || {
                let plan = driver.attach(&pool, &request).expect("attach");
                for lease in plan.leases {
                    pool.release("bridge", lease);
                }
            });
        }
    }
}

fn report(what: &str, mut operation: impl FnMut()) {
    let mut times: Vec<Duration> = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        operation();
        times.push(start.elapsed());
    }
    times.sort();
    let at = |share: f64| micros(times[((ROUNDS - 1) as f64 * share) as usize]);
    println!(
        "{what:<28} min {:>6.1}  median {:>6.1}  p99 {:>7.1} us",
        at(0.0),
        at(0.5),
        at(0.99)
    );
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
