use super::*;

fn request(options: &[(&str, &str)]) -> VolumeRequest {
    let pair = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
    VolumeRequest {
        name: "data".into(),
        options: options.iter().map(pair).collect(),
        quota: false,
    }
}

fn grants(all: &[Grant]) -> Grants {
    Grants::new(all.iter().map(|g| (*g, "a test".to_owned())))
}

const EVERY: &[Grant] = &[Grant::MountFilesystem, Grant::BindHost, Grant::Limit];

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(|w| (*w).to_owned()).collect()
}

#[test]
fn what_the_user_described_is_mounted() {
    let request = request(&[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m,ro")]);
    let grants = grants(EVERY);
    let mut txn = VolumeTxn::new(&grants, &request);
    let order = Order::Mount("tmpfs".into(), "tmpfs".into(), words(&["ro", "size=1m"]));
    assert_eq!(txn.order(order), Ok(Grant::MountFilesystem));
    assert!(matches!(
        txn.into_layout().mount,
        Some(VolumeMount::Filesystem { .. })
    ));
}

#[test]
fn no_word_of_a_mount_is_the_plugins_own() {
    let asked = request(&[("type", "ext4"), ("device", "/dev/sdz1"), ("o", "noatime")]);
    let grants = grants(EVERY);
    for order in [
        Order::Mount("ext4".into(), "/dev/sda1".into(), vec![]),
        Order::Mount("proc".into(), "/dev/sdz1".into(), vec![]),
        Order::Mount("ext4".into(), "/dev/sdz1".into(), words(&["suid"])),
        Order::Mount("ext4".into(), "/dev/sdz1".into(), words(&["noatime,suid"])),
        Order::Mount("".into(), "".into(), vec![]),
        Order::Bind("/".into(), vec![]),
        Order::Bind("/dev/sdz1/..".into(), vec![]),
        Order::Bind("/dev/sdz1".into(), words(&["rbind"])),
    ] {
        let mut txn = VolumeTxn::new(&grants, &asked);
        let refused = txn.order(order.clone());
        assert!(matches!(refused, Err(Refusal::OutOfReach(_))), "{order:?}");
        assert_eq!(txn.into_layout(), VolumeLayout::default());
    }
}

#[test]
fn a_bind_needs_an_absolute_path_and_there_is_one_mount() {
    let asked = request(&[("device", "relative"), ("other", "/srv")]);
    let grants = grants(EVERY);
    let mut txn = VolumeTxn::new(&grants, &asked);
    let relative = txn.order(Order::Bind("relative".into(), vec![]));
    assert!(matches!(relative, Err(Refusal::Invalid(_))));
    assert_eq!(
        txn.order(Order::Bind("/srv".into(), vec![])),
        Ok(Grant::BindHost)
    );
    let again = txn.order(Order::Bind("/srv".into(), vec![]));
    assert!(matches!(again, Err(Refusal::Invalid(_))));
}

#[test]
fn each_order_needs_its_grant() {
    let asked = request(&[("type", "tmpfs"), ("device", "/srv")]);
    let orders = [
        Order::Mount("tmpfs".into(), "/srv".into(), vec![]),
        Order::Bind("/srv".into(), vec![]),
        Order::Limit(1),
    ];
    for (order, grant) in orders.into_iter().zip(EVERY) {
        let none = grants(&[]);
        let mut txn = VolumeTxn::new(&none, &asked);
        assert_eq!(txn.order(order), Err(Refusal::NotGranted(*grant)));
        assert_eq!(txn.denied(), Some(*grant));
    }
}

#[test]
fn a_size_needs_a_host_that_can_hold_it() {
    let mut asked = request(&[("size", "1g")]);
    let grants = grants(EVERY);
    let refused = VolumeTxn::new(&grants, &asked).order(Order::Limit(1 << 30));
    assert!(matches!(
        refused,
        Err(Refusal::Failed {
            code: "unsupported",
            ..
        })
    ));
    asked.quota = true;
    let mut txn = VolumeTxn::new(&grants, &asked);
    txn.order(Order::Limit(1 << 30)).unwrap();
    assert_eq!(txn.into_layout().limit, Some(1 << 30));
}
