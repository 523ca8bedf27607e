use bulkhead_plugin_api::testing::{FakeVolumeHost, VolumeOrder};

use super::*;

fn orders(options: &[(&str, &str)]) -> Result<Vec<VolumeOrder>> {
    let host = FakeVolumeHost::new("data", options);
    Local::lay_out(&host)?;
    Ok(host.orders())
}

#[test]
fn without_options_it_is_a_directory() {
    assert_eq!(orders(&[]).unwrap(), []);
}

#[test]
fn a_filesystem_is_mounted_as_described() {
    let tmpfs = [
        ("type", "tmpfs"),
        ("device", "tmpfs"),
        ("o", "size=1m,uid=5"),
    ];
    let words = vec!["size=1m".to_owned(), "uid=5".to_owned()];
    assert_eq!(
        orders(&tmpfs).unwrap(),
        [VolumeOrder::Mount("tmpfs".into(), "tmpfs".into(), words)]
    );
    let plain = [("type", "ext4"), ("device", "/dev/vdb")];
    assert_eq!(
        orders(&plain).unwrap(),
        [VolumeOrder::Mount("ext4".into(), "/dev/vdb".into(), vec![])]
    );
}

#[test]
fn a_directory_of_the_host_is_bound() {
    for (word, fstype) in [("bind", "none"), ("rbind,ro", "none"), ("bind", "ext4")] {
        let options = [("type", fstype), ("device", "/srv"), ("o", word)];
        let words = word.split(',').map(str::to_owned).collect();
        assert_eq!(
            orders(&options).unwrap(),
            [VolumeOrder::Bind("/srv".into(), words)]
        );
    }
}

#[test]
fn options_that_do_not_go_together_are_named() {
    for (options, words) in [
        (&[("colour", "red")][..], "invalid option: \"colour\""),
        (&[("type", "tmpfs")], "missing required option: \"device\""),
        (&[("device", "/srv")], "missing required option: \"type\""),
        (&[("o", "bind")], "missing required option: \"device\""),
    ] {
        assert_eq!(orders(options).unwrap_err().message, words);
    }
}

#[test]
fn a_size_is_held_where_the_host_can() {
    let error = orders(&[("size", "10m")]).unwrap_err();
    assert_eq!(error.code, Code::Unsupported);
    let host = FakeVolumeHost::new("data", &[("size", "10m")]).with_quota();
    Local::lay_out(&host).unwrap();
    assert_eq!(host.orders(), [VolumeOrder::Limit(10 << 20)]);
    let host = FakeVolumeHost::new("data", &[("size", "ten")]).with_quota();
    assert_eq!(Local::lay_out(&host).unwrap_err().code, Code::Invalid);
}
