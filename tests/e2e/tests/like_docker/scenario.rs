//! The calls: a container's life with everything that can be asked about it.

use std::collections::BTreeMap;
use std::path::Path;

use bulkhead_test_support::{Response, call, call_with};
use serde_json::{Value, json};

use crate::kinds::Answer;

pub(crate) const NAME: &str = "like-docker";
/// How long a slow machine may take for a check or a process that ends.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
const CHECKED: &str = "like-docker-checked";

pub(crate) struct Scenario<'a> {
    socket: &'a Path,
    pub(crate) answers: BTreeMap<String, Answer>,
}

/// One filter with one value, as a query has it.
pub(crate) fn filters(name: &str, value: &str) -> String {
    let value = value.replace('=', "%3D");
    format!("%7B%22{name}%22%3A%5B%22{value}%22%5D%7D")
}

/// Makes every call and takes everything away again.
pub(crate) fn run(socket: &Path) -> BTreeMap<String, Answer> {
    let mut scenario = Scenario {
        socket,
        answers: BTreeMap::new(),
    };
    scenario.clean();
    scenario.system();
    scenario.created();
    scenario.running();
    scenario.checked();
    scenario.processes();
    scenario.networks_and_volumes();
    scenario.ended();
    scenario.images();
    scenario.refusals();
    scenario.volumes();
    scenario.clean();
    scenario.answers
}

impl Scenario<'_> {
    pub(crate) fn send(&self, method: &str, target: &str, body: &Value) -> Response {
        call(self.socket, method, &format!("/v1.41{target}"), body).expect("an answer")
    }

    fn note(&mut self, name: &str, method: &str, target: &str, body: Value) -> Value {
        let response = self.send(method, target, &body);
        self.answers.insert(name.to_owned(), Answer::of(&response));
        response.json()
    }

    pub(crate) fn get(&mut self, name: &str, target: &str) -> Value {
        self.note(name, "GET", target, Value::Null)
    }

    pub(crate) fn post(&mut self, name: &str, target: &str, body: Value) -> Value {
        self.note(name, "POST", target, body)
    }

    pub(crate) fn delete(&mut self, name: &str, target: &str) {
        self.note(name, "DELETE", target, Value::Null);
    }

    pub(crate) fn with_body(&mut self, name: &str, target: &str, content_type: &str, body: &[u8]) {
        let target = format!("/v1.41{target}");
        let response =
            call_with(self.socket, "POST", &target, content_type, body).expect("an answer");
        self.answers.insert(name.to_owned(), Answer::of(&response));
    }

    /// Asks until the answer is as wanted.
    fn until(&self, target: &str, wanted: impl Fn(&Value) -> bool) {
        let patience = std::time::Instant::now() + PATIENCE;
        while !wanted(&self.send("GET", target, &Value::Null).json()) {
            assert!(std::time::Instant::now() < patience, "{target}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    fn of_container(&self, action: &str) -> String {
        format!("/containers/{NAME}{action}")
    }

    fn clean(&self) {
        self.send(
            "DELETE",
            &format!("/containers/{NAME}?force=1&v=1"),
            &Value::Null,
        );
        self.send(
            "DELETE",
            &format!("/containers/{CHECKED}?force=1"),
            &Value::Null,
        );
        self.send("DELETE", &format!("/networks/{NAME}"), &Value::Null);
        self.send("DELETE", &format!("/volumes/{NAME}"), &Value::Null);
    }

    fn system(&mut self) {
        self.get("ping", "/_ping");
        self.get("version", "/version");
        self.get("info", "/info");
        self.get("images", "/images/json");
        self.get("image", "/images/busybox/json");
        self.post("build prune", "/build/prune", Value::Null);
        self.get("plugins", "/plugins");
    }

    fn created(&mut self) {
        let labels = json!({"a": "b"});
        let request = json!({
            "Image": "busybox", "Cmd": ["sleep", "1000"], "Labels": labels, "Env": ["A=b"],
            "ExposedPorts": {"80/tcp": {}, "81/udp": {}},
            "HostConfig": {
                "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]},
                "Binds": [format!("{NAME}:/data")],
                "Memory": 64 << 20,
                "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2},
            },
        });
        self.post(
            "create",
            &format!("/containers/create?name={NAME}"),
            request,
        );
        self.get("inspect created", &self.of_container("/json"));
        self.get("inspect with size", &self.of_container("/json?size=1"));
    }

    fn running(&mut self) {
        self.post("start", &self.of_container("/start"), Value::Null);
        self.post("start again", &self.of_container("/start"), Value::Null);
        self.get("inspect running", &self.of_container("/json"));
        self.get("list", "/containers/json?all=1&limit=1");
        self.get("list with size", "/containers/json?limit=1&size=1");
        self.post("pause", &self.of_container("/pause"), Value::Null);
        self.get("inspect paused", &self.of_container("/json"));
        self.post("pause again", &self.of_container("/pause"), Value::Null);
        self.post("unpause", &self.of_container("/unpause"), Value::Null);
        self.post("unpause again", &self.of_container("/unpause"), Value::Null);
        self.post(
            "update",
            &self.of_container("/update"),
            json!({"Memory": 128 << 20, "MemorySwap": 256 << 20}),
        );
        self.post(
            "rename to itself",
            &self.of_container(&format!("/rename?name={NAME}")),
            Value::Null,
        );
        self.get("logs", &self.of_container("/logs?stdout=1"));
        self.get("logs of nothing", &self.of_container("/logs"));
    }

    fn checked(&mut self) {
        let request = json!({
            "Image": "busybox", "Cmd": ["sleep", "1000"],
            "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1_000_000_000},
        });
        let create = format!("/containers/create?name={CHECKED}");
        self.post("create with a health check", &create, request);
        self.post(
            "start with a health check",
            &format!("/containers/{CHECKED}/start"),
            Value::Null,
        );
        let inspect = format!("/containers/{CHECKED}/json");
        self.until(&inspect, |shown| {
            shown["State"]["Health"]["Status"] == "healthy"
        });
        self.get("inspect healthy", &inspect);
        self.get("list healthy", "/containers/json?limit=1");
        self.send(
            "DELETE",
            &format!("/containers/{CHECKED}?force=1"),
            &Value::Null,
        );
    }

    fn processes(&mut self) {
        self.get("top", &self.of_container("/top"));
        self.get(
            "top with arguments",
            &self.of_container("/top?ps_args=-o%20pid,comm"),
        );
        self.get("stats", &self.of_container("/stats?stream=0"));
        let exec = json!({
            "Cmd": ["sh", "-c", "echo hi > /new; rm /etc/hosts; exit 3"], "AttachStdout": true, "Env": ["B=c"],
            "User": "0", "WorkingDir": "/",
        });
        let created = self.post("exec create", &self.of_container("/exec"), exec);
        let id = created["Id"].as_str().unwrap_or("none").to_owned();
        self.get("exec inspect created", &format!("/exec/{id}/json"));
        self.post(
            "exec start",
            &format!("/exec/{id}/start"),
            json!({"Detach": true}),
        );
        let inspect = format!("/exec/{id}/json");
        self.until(&inspect, |shown| shown["ExitCode"].is_number());
        self.get("exec inspect ended", &inspect);
        self.post(
            "exec start again",
            &format!("/exec/{id}/start"),
            json!({"Detach": true}),
        );
        self.get("exec inspect of none", "/exec/0123456789ab/json");
        self.post(
            "exec without a command",
            &self.of_container("/exec"),
            json!({"Cmd": []}),
        );
        self.get("changes", &self.of_container("/changes"));
        self.note(
            "archive head",
            "HEAD",
            &self.of_container("/archive?path=/bin"),
            Value::Null,
        );
        self.get("archive of none", &self.of_container("/archive?path=/none"));
    }

    fn networks_and_volumes(&mut self) {
        self.get("networks", "/networks");
        self.get("network", "/networks/bridge");
        self.post(
            "network create",
            "/networks/create",
            json!({"Name": NAME, "Labels": {"a": "b"}}),
        );
        self.post(
            "network create again",
            "/networks/create",
            json!({"Name": NAME, "CheckDuplicate": true}),
        );
        let container = json!({"Container": NAME});
        self.post(
            "network connect",
            &format!("/networks/{NAME}/connect"),
            container.clone(),
        );
        self.get("network with a container", &format!("/networks/{NAME}"));
        self.get("inspect in two networks", &self.of_container("/json"));
        self.note(
            "network in use",
            "DELETE",
            &format!("/networks/{NAME}"),
            Value::Null,
        );
        self.post(
            "network disconnect",
            &format!("/networks/{NAME}/disconnect"),
            container,
        );
        self.note(
            "network remove",
            "DELETE",
            &format!("/networks/{NAME}"),
            Value::Null,
        );
        self.get("network of none", "/networks/none-such");
        self.get("volumes", "/volumes");
        self.get("volume", &format!("/volumes/{NAME}"));
        self.note(
            "volume in use",
            "DELETE",
            &format!("/volumes/{NAME}"),
            Value::Null,
        );
        self.get("volume of none", "/volumes/none-such");
        self.get("df", "/system/df");
    }

    fn ended(&mut self) {
        self.post("kill", &self.of_container("/kill"), Value::Null);
        self.post("wait", &self.of_container("/wait"), Value::Null);
        self.get("inspect ended", &self.of_container("/json"));
        self.get("list ended", "/containers/json?all=1&limit=1");
        self.get("stats ended", &self.of_container("/stats?stream=0"));
        self.post("kill again", &self.of_container("/kill"), Value::Null);
        self.post("stop again", &self.of_container("/stop"), Value::Null);
        self.get("top ended", &self.of_container("/top"));
        self.post(
            "exec ended",
            &self.of_container("/exec"),
            json!({"Cmd": ["true"]}),
        );
        self.get(
            "events",
            &format!("/events?since=1&until=1&filters={}", "%7B%7D"),
        );
        let until = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let filters = format!(
            "%7B%22container%22%3A%5B%22{NAME}%22%5D%2C%22event%22%3A%5B%22create%22%2C%22start%22%2C%22kill%22%2C%22die%22%5D%7D"
        );
        self.get(
            "events of a container",
            &format!("/events?since=1&until={}&filters={filters}", until + 1),
        );
    }

    fn refusals(&mut self) {
        self.get("no such container", "/containers/none-such/json");
        self.get("no such image", "/images/none-such/json");
        self.get("no such page", "/nowhere");
        self.get("swarm", "/swarm");
        self.get(
            "unknown filter",
            "/containers/json?filters=%7B%22colour%22%3A%5B%22red%22%5D%7D",
        );
        self.post(
            "name in use",
            &format!("/containers/create?name={NAME}"),
            json!({"Image": "busybox"}),
        );
        self.post(
            "bad name",
            "/containers/create?name=-",
            json!({"Image": "busybox"}),
        );
        self.post(
            "create without an image",
            "/containers/create",
            json!({"Image": "none-such"}),
        );
        self.post(
            "signal of none",
            &self.of_container("/kill?signal=NONE"),
            Value::Null,
        );
        self.post("start of none", "/containers/none-such/start", Value::Null);
        self.post(
            "prune",
            "/containers/prune?filters=%7B%22label%22%3A%5B%22none-such%22%5D%7D",
            Value::Null,
        );
        self.post(
            "prune images",
            "/images/prune?filters=%7B%22label%22%3A%5B%22none-such%22%5D%7D",
            Value::Null,
        );
        self.post(
            "prune networks",
            "/networks/prune?filters=%7B%22label%22%3A%5B%22none-such%22%5D%7D",
            Value::Null,
        );
        self.post(
            "prune volumes",
            "/volumes/prune?filters=%7B%22label%22%3A%5B%22none-such%22%5D%7D",
            Value::Null,
        );
        self.note("remove", "DELETE", &self.of_container("?v=1"), Value::Null);
        self.note(
            "remove again",
            "DELETE",
            &self.of_container(""),
            Value::Null,
        );
    }
}
