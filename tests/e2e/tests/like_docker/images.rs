//! The calls about images: what comes from a registry and goes there, what is
//! made of a container or an archive, lists, and refusals.

use bulkhead_test_support::{Image, Registry, Tree};
use serde_json::{Value, json};

use crate::kinds::Answer;
use crate::scenario::{NAME, Scenario, filters};

const TAR: &str = "application/x-tar";

fn image(words: &str) -> Image {
    let layer = |text: &str| Tree::new().file("words", 0o644, text.as_bytes());
    Image::new(Vec::new())
        .layer(layer("lower"))
        .layer(layer(words))
        .config("Cmd", json!(["words"]))
        .config("Labels", json!({"a": "b"}))
}

impl Scenario<'_> {
    /// All calls; the container of the scenario exists.
    pub(crate) fn images(&mut self) {
        let registry = Registry::start();
        let one = registry.push("like/one:1", &image("one"));
        registry.push("like/one:2", &image("two"));
        let repository = one.trim_end_matches(":1").to_owned();
        self.pulls(&repository);
        self.pulls_refused(&registry);
        self.lists(&one);
        self.names(&one, &repository);
        self.pushes(&repository, registry.address());
        self.archives(&one);
        self.commits();
        self.distribution(&one, &repository);
        self.removals(&one, &repository);
    }

    fn pull(&mut self, name: &str, image: &str, tag: &str) {
        let target = format!("/images/create?fromImage={image}&tag={tag}");
        self.post(name, &target, Value::Null);
    }

    fn pulls(&mut self, repository: &str) {
        self.pull("pull", repository, "1");
        self.pull("pull again", repository, "1");
        self.pull("pull all tags", repository, "");
        let image = self.get("image pulled", &format!("/images/{repository}:1/json"));
        let digest = image["RepoDigests"][0].as_str().unwrap_or_default();
        let digest = digest.rsplit('@').next().unwrap_or_default().to_owned();
        self.pull("pull by digest", repository, &digest);
        self.get(
            "image by digest",
            &format!("/images/{repository}@{digest}/json"),
        );
        self.get(
            "image by its id",
            &format!("/images/{}/json", image["Id"].as_str().unwrap_or_default()),
        );
    }

    fn pulls_refused(&mut self, registry: &Registry) {
        let address = registry.address();
        self.pull(
            "pull of no tag",
            &format!("{address}/like/one"),
            "none-such",
        );
        self.pull(
            "pull of no repository",
            &format!("{address}/none/such"),
            "1",
        );
        self.pull("pull from nobody", "127.0.0.1:1/like", "1");
        self.pull("pull of a bad name", "Like", "1");
        self.pull("pull of a bad tag", "like", "-");
        let secret = Registry::with_password();
        self.pull(
            "pull without a password",
            &format!("{}/like/one", secret.address()),
            "1",
        );
    }

    fn lists(&mut self, one: &str) {
        let list =
            |name: &str, value: &str| format!("/images/json?filters={}", filters(name, value));
        self.get("images by reference", &list("reference", one));
        self.get(
            "images with shared size",
            &format!("{}&shared-size=1", list("reference", one)),
        );
        self.get("images all", "/images/json?all=1");
        self.get("images by label", &list("label", "a=b"));
        self.get("images before none", &list("before", "none-such"));
        self.get("images dangling", &list("dangling", "true"));
        self.get("images dangling or not", &list("dangling", "perhaps"));
        self.get("images by an unknown filter", &list("colour", "red"));
        self.get("images by a bad pattern", &list("reference", "["));
        self.get("history", &format!("/images/{one}/history"));
        self.get("history of none", "/images/none-such/history");
        self.get("image of a bad name", "/images/Like/json");
    }

    fn names(&mut self, one: &str, repository: &str) {
        let tag = |image: &str, repo: &str, tag: &str| {
            format!("/images/{image}/tag?repo={repo}&tag={tag}")
        };
        self.post("tag", &tag(one, repository, "3"), Value::Null);
        self.post("tag again", &tag(one, repository, "3"), Value::Null);
        self.post("tag of none", &tag("none-such", "like", "1"), Value::Null);
        self.post("tag with a bad name", &tag(one, "Like", "1"), Value::Null);
        self.post("tag with a bad tag", &tag(one, "like", "-"), Value::Null);
        self.post("tag with a bad name, empty", &tag(one, "", ""), Value::Null);
    }

    fn pushes(&mut self, repository: &str, address: &str) {
        let push = |name: &str, tag: &str| format!("/images/{name}/push?tag={tag}");
        self.post("push", &push(repository, "3"), json!({}));
        self.post("push again", &push(repository, "3"), json!({}));
        self.post("push all tags", &push(repository, ""), json!({}));
        self.post("push of no tag", &push(repository, "none-such"), json!({}));
        let none = format!("{address}/none/such");
        self.post("push of no image", &push(&none, "1"), json!({}));
        self.post("push of a bad name", &push("Like", "1"), json!({}));
    }

    fn archives(&mut self, one: &str) {
        let saved = self.send("GET", &format!("/images/{one}/get"), &Value::Null);
        self.answers.insert("save".into(), Answer::of(&saved));
        self.get("save of none", "/images/none-such/get");
        self.get(
            "save of several with none",
            &format!("/images/get?names={one}&names=none-such"),
        );
        self.with_body("load", "/images/load", TAR, &saved.body);
        self.with_body("load quietly", "/images/load?quiet=1", TAR, &saved.body);
        self.with_body("load of no archive", "/images/load", TAR, &[b'x'; 1024]);
        let tar = Tree::new().file("words", 0o644, b"imported").into_tar();
        let import = format!("/images/create?fromSrc=-&repo={NAME}&tag=imported&message=words");
        self.with_body("import", &import, TAR, &tar);
        self.with_body(
            "import with a change",
            &format!("{import}&changes=CMD%20x"),
            TAR,
            &tar,
        );
        self.with_body(
            "import with a bad change",
            &format!("{import}&changes=NONE%20x"),
            TAR,
            &tar,
        );
        self.with_body("import of no archive", &import, TAR, &[b'x'; 1024]);
        self.get("image imported", &format!("/images/{NAME}:imported/json"));
        self.get(
            "history of an import",
            &format!("/images/{NAME}:imported/history"),
        );
    }

    fn commits(&mut self) {
        let commit =
            |rest: &str| format!("/commit?container={NAME}&repo={NAME}&tag=committed{rest}");
        self.post("commit", &commit("&comment=words&author=me"), Value::Null);
        self.post(
            "commit with changes",
            &commit("&changes=ENV%20A%3Db"),
            json!({"Labels": {"a": "b"}}),
        );
        self.get("image committed", &format!("/images/{NAME}:committed/json"));
        self.get(
            "history of a commit",
            &format!("/images/{NAME}:committed/history"),
        );
        self.post(
            "commit with a bad change",
            &commit("&changes=NONE%20x"),
            Value::Null,
        );
        self.post("commit of none", "/commit?container=none-such", Value::Null);
        self.post(
            "commit with a bad name",
            &format!("/commit?container={NAME}&repo=Like"),
            Value::Null,
        );
    }

    fn distribution(&mut self, one: &str, repository: &str) {
        self.get("distribution", &format!("/distribution/{one}/json"));
        self.get(
            "distribution of none",
            &format!("/distribution/{repository}:none-such/json"),
        );
        self.get("distribution of a bad name", "/distribution/Like/json");
        self.get("search beyond the limit", "/images/search?term=x&limit=101");
        self.get(
            "search by an unknown filter",
            &format!("/images/search?term=x&filters={}", filters("colour", "red")),
        );
    }

    fn id_of(&self, name: &str) -> String {
        let image = self.send("GET", &format!("/images/{name}/json"), &Value::Null);
        image.json()["Id"].as_str().unwrap_or_default().to_owned()
    }

    fn removals(&mut self, one: &str, repository: &str) {
        let prune =
            |name: &str, value: &str| format!("/images/prune?filters={}", filters(name, value));
        self.post(
            "prune images by an unknown filter",
            &prune("colour", "red"),
            Value::Null,
        );
        self.post(
            "prune images until never",
            &prune("until", "never"),
            Value::Null,
        );
        let id = self.id_of("busybox");
        self.delete("image in use", &format!("/images/{id}"));
        self.delete("image untag", &format!("/images/{repository}:3"));
        self.delete("image remove", &format!("/images/{NAME}:imported"));
        self.delete("image remove again", &format!("/images/{NAME}:imported"));
        self.delete("image remove of a bad name", "/images/Like");
        let id = self.id_of(one);
        self.delete("image remove by force", &format!("/images/{id}?force=1"));
        self.post("prune images by label", &prune("label", "a=b"), Value::Null);
        self.send("DELETE", &format!("/images/{repository}:2"), &Value::Null);
        self.send("DELETE", &format!("/images/{NAME}:committed"), &Value::Null);
    }
}
