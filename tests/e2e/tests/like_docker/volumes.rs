//! The calls about volumes that no container uses.

use serde_json::{Value, json};

use crate::scenario::{NAME, Scenario, filters};

/// A volume of its own beside the container's.
const OTHER: &str = "like-docker-other";

impl Scenario<'_> {
    /// All calls, and everything they made is taken away.
    pub(crate) fn volumes(&mut self) {
        self.delete("volume remove of none", &format!("/volumes/{OTHER}"));
        self.delete(
            "volume remove of none by force",
            &format!("/volumes/{OTHER}?force=1"),
        );
        let create = "/volumes/create";
        let asked = json!({"Name": OTHER, "Labels": {"a": "b"}});
        self.post("volume create", create, asked.clone());
        self.post("volume create again", create, asked);
        let other = json!({"Name": OTHER, "Driver": "none-such"});
        self.post("volume create by no driver", create, other);
        self.post(
            "volume create with a bad name",
            create,
            json!({"Name": "-"}),
        );
        let options = json!({"Name": "like-docker-bad", "DriverOpts": {"colour": "red"}});
        self.post("volume create with a bad option", create, options);
        let tmpfs = json!({"Name": NAME, "DriverOpts": {"type": "tmpfs", "device": "tmpfs"}});
        self.post("volume create of a tmpfs", create, tmpfs);
        self.get("volume of a tmpfs", &format!("/volumes/{NAME}"));
        self.delete("volume remove", &format!("/volumes/{NAME}"));
        let anonymous = self.post("volume create without a name", create, json!({}));
        let name = anonymous["Name"].as_str().unwrap_or_default();
        self.delete(
            "volume remove by force",
            &format!("/volumes/{name}?force=1"),
        );
        self.volume_lists();
        self.delete("volume remove at the end", &format!("/volumes/{OTHER}"));
    }

    fn volume_lists(&mut self) {
        let list = |name: &str, value: &str| format!("/volumes?filters={}", filters(name, value));
        self.get("volumes by name", &list("name", OTHER));
        self.get("volumes by label", &list("label", "a=b"));
        self.get("volumes by no driver", &list("driver", "none-such"));
        self.get("volumes by an unknown filter", &list("colour", "red"));
        self.get("volumes dangling or not", &list("dangling", "perhaps"));
        self.get("volume labelled", &format!("/volumes/{OTHER}"));
        let prune =
            |name: &str, value: &str| format!("/volumes/prune?filters={}", filters(name, value));
        self.post(
            "prune volumes by an unknown filter",
            &prune("colour", "red"),
            Value::Null,
        );
        let labelled = json!({"Name": NAME, "Labels": {"like-docker": "pruned"}});
        self.send("POST", "/volumes/create", &labelled);
        let pruned = prune("label", "like-docker=pruned");
        self.post("prune volumes by label", &pruned, Value::Null);
        self.send("DELETE", &format!("/volumes/{NAME}"), &Value::Null);
    }
}
