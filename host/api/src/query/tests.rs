use proptest::prelude::*;

use super::*;

#[test]
fn booleans_are_read_as_docker_reads_them() {
    for yes in ["1", "true", "True", "yes", "x"] {
        assert!(Query::parse(&format!("f={yes}")).flag("f"), "{yes}");
    }
    for no in ["f=0", "f=false", "f=False", "f=no", "f=none", "f=", "f", ""] {
        assert!(!Query::parse(no).flag("f"), "{no}");
    }
}

#[test]
fn a_bad_number_is_refused_by_name() {
    assert_eq!(
        ResizeQuery::parse("h=tall&w=80").unwrap_err().to_string(),
        "invalid value \"tall\" for h: expected a number of rows"
    );
    assert!(StopQuery::parse("t=99999999999999999999").is_err());
    assert!(WaitQuery::parse("condition=bored").is_err());
    assert!(LogsQuery::parse("tail=-3").is_ok_and(|q| q.tail == Tail::All));
    assert!(LogsQuery::parse("since=soon").is_err());
}

#[test]
fn calls_survive_being_written_and_read() {
    fn check<T: Params + PartialEq + std::fmt::Debug>(params: T) {
        let mut query = Query::default();
        params.write(&mut query);
        assert_eq!(T::parse(&query.to_string()).unwrap(), params);
    }
    check(AttachQuery {
        stream: true,
        stdin: true,
        detach_keys: "ctrl-p,ctrl-q".into(),
        ..Default::default()
    });
    check(CreateQuery {
        name: "web".into(),
        platform: "linux/amd64".into(),
    });
    check(LogsQuery {
        follow: true,
        stdout: true,
        tail: Tail::Last(7),
        since: Some(Timestamp {
            seconds: 1,
            nanos: 500,
        }),
        ..Default::default()
    });
    check(CommitQuery {
        container: "web".into(),
        pause: false,
        changes: vec!["CMD [\"a\", \"b\"]".into(), "ENV A=1".into()],
        ..Default::default()
    });
    check(ImageSaveQuery {
        names: vec!["a:1".into(), "b".into()],
        ..Default::default()
    });
    check(ImageSearchQuery {
        term: "nginx".into(),
        limit: Some(3),
        ..Default::default()
    });
    check(ImageCreateQuery {
        from_image: "127.0.0.1:5000/a b".into(),
        tag: "é&=".into(),
        ..Default::default()
    });
    check(StopQuery {
        signal: "INT".into(),
        timeout: Some(-1),
    });
    check(WaitQuery {
        condition: Condition::Removed,
    });
    let mut filters = crate::Filters::default();
    filters.add("status", "running");
    check(ListQuery {
        all: true,
        limit: Some(3),
        size: false,
        filters,
    });
}

#[test]
fn timestamps_have_seconds_and_a_fraction() {
    let read = |text: &str| text.parse::<Timestamp>().ok().map(|t| (t.seconds, t.nanos));
    assert_eq!(read("1136073600.000000001"), Some((1136073600, 1)));
    assert_eq!(read("12.5"), Some((12, 500_000_000)));
    assert_eq!(read("12"), Some((12, 0)));
    for bad in ["", ".", "1.x", "1.0000000001", "1.-5", "x"] {
        assert_eq!(read(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn any_text_survives_encoding(name in "\\PC{1,8}", value in "\\PC{1,20}") {
        let mut query = Query::default();
        query.push(&name, &value);
        prop_assert_eq!(Query::parse(&query.to_string()), query);
    }

    #[test]
    fn any_query_string_can_be_read(text in "\\PC*") {
        Query::parse(&text);
    }
}
