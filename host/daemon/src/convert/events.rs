//! `GET /events`: one event as a line, and which ones a client wants.

use bulkhead_api::event::{EventActor, EventMessage};
use bulkhead_api::{ApiVersion, Filters};
use bulkhead_engine::events::{Event, Subject};

/// From here on an event no longer repeats its actor.
const WITHOUT_REPEATS: ApiVersion = ApiVersion {
    major: 1,
    minor: 52,
};

/// One event as `version` has it.
pub fn message(event: &Event, version: ApiVersion) -> EventMessage {
    let mut message = EventMessage {
        kind: event.subject.as_str().to_owned(),
        action: event.action.clone(),
        actor: EventActor {
            id: event.id.clone(),
            attributes: event.attributes.clone(),
        },
        scope: "local".to_owned(),
        time: i64::try_from(event.time / 1_000_000_000).unwrap_or(i64::MAX),
        time_nano: i64::try_from(event.time).unwrap_or(i64::MAX),
        ..EventMessage::default()
    };
    let repeats = matches!(event.subject, Subject::Container | Subject::Image);
    if repeats && version < WITHOUT_REPEATS {
        message.status = event.action.clone();
        message.id = event.id.clone();
        if event.subject == Subject::Container {
            message.from = event.attributes.get("image").cloned().unwrap_or_default();
        }
    }
    message
}

/// Whether a client that gave `filters` wants this event. Names that are no
/// filter are ignored, as in Docker.
pub fn wanted(event: &Event, filters: &Filters) -> bool {
    let name = event.attributes.get("name").map_or("", String::as_str);
    let begins = |wanted: &str| event.id.starts_with(wanted) || name.starts_with(wanted);
    let objects = ["container", "daemon", "network", "plugin", "volume"];
    filters.matches("event", |wanted| is_action(&event.action, wanted))
        && filters.matches("type", |wanted| event.subject.as_str() == wanted)
        && filters.matches("scope", |wanted| wanted == "local")
        && objects.iter().all(|object| filters.matches(object, begins))
        && filters.matches("image", |wanted| is_image(event, wanted))
        && filters.values("label").all(|label| has_label(event, label))
}

/// `exec_start` also means `exec_start: sh -c …`.
fn is_action(action: &str, wanted: &str) -> bool {
    action == wanted
        || (matches!(wanted, "health_status" | "exec_create" | "exec_start")
            && action.starts_with(wanted))
}

fn is_image(event: &Event, wanted: &str) -> bool {
    let named = match event.subject {
        Subject::Image => event.attributes.get("name"),
        _ => event.attributes.get("image"),
    };
    let named = named.map_or("", String::as_str);
    [event.id.as_str(), named]
        .into_iter()
        .any(|image| image == wanted || without_tag(image) == wanted)
}

/// `busybox:1` without `:1`; a colon before a slash is a registry's port.
fn without_tag(image: &str) -> &str {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    }
}

fn has_label(event: &Event, label: &str) -> bool {
    match label.split_once('=') {
        Some((key, value)) => event.attributes.get(key).is_some_and(|v| v == value),
        None => event.attributes.contains_key(label),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(subject: Subject, action: &str, id: &str, attributes: &[(&str, &str)]) -> Event {
        let owned = |(k, v): &(&str, &str)| (k.to_string(), v.to_string());
        Event {
            subject,
            action: action.to_owned(),
            id: id.to_owned(),
            attributes: attributes.iter().map(owned).collect(),
            time: 1_500_000_000,
        }
    }

    #[test]
    fn filters_choose_as_dockers_do() {
        let start = event(
            Subject::Container,
            "exec_start: sh",
            "abc123",
            &[("image", "r:5000/busybox:1"), ("name", "web"), ("k", "v")],
        );
        for (filters, chosen) in [
            (r#"{"event":["exec_start"]}"#, true),
            (r#"{"event":["exec"]}"#, false),
            (r#"{"type":["container"]}"#, true),
            (r#"{"type":["image"]}"#, false),
            (r#"{"container":["abc"]}"#, true),
            (r#"{"container":["web"]}"#, true),
            (r#"{"container":["other","we"]}"#, true),
            (r#"{"container":["x"]}"#, false),
            (r#"{"network":["bridge"]}"#, false),
            (r#"{"image":["r:5000/busybox"]}"#, true),
            (r#"{"image":["r:5000/busybox:1"]}"#, true),
            (r#"{"image":["busybox"]}"#, false),
            (r#"{"label":["k=v","k"]}"#, true),
            (r#"{"label":["k=v","other"]}"#, false),
            (r#"{"colour":["red"]}"#, true),
        ] {
            let parsed = Filters::parse(filters).unwrap();
            assert_eq!(wanted(&start, &parsed), chosen, "{filters}");
        }
    }

    #[test]
    fn old_clients_see_the_actor_repeated() {
        let start = event(Subject::Container, "start", "c", &[("image", "i")]);
        let old = message(&start, "1.41".parse().unwrap());
        assert_eq!((old.status.as_str(), old.from.as_str()), ("start", "i"));
        assert_eq!((old.time, old.time_nano), (1, 1_500_000_000));
        let new = message(&start, "1.52".parse().unwrap());
        assert_eq!((new.status.as_str(), new.id.as_str()), ("", ""));
        let volume = event(Subject::Volume, "create", "v", &[]);
        assert_eq!(message(&volume, "1.41".parse().unwrap()).status, "");
    }
}
