use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulkhead_store::manifest::digest_of;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};

use super::*;

type Sign = dyn Fn(&[u8]) -> Vec<u8>;

/// Either half of a key.
struct Pair {
    public: Key,
    sign: Box<Sign>,
}

fn pem(prefix: &[u8], key: &[u8]) -> String {
    let der = STANDARD.encode([prefix, key].concat());
    format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n")
}

fn ed25519() -> Pair {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    let prefix = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
    Pair {
        public: Key::from_pem(&pem(&prefix, pair.public_key().as_ref())).unwrap(),
        sign: Box::new(move |message| pair.sign(message).as_ref().to_vec()),
    }
}

fn p256() -> Pair {
    let (random, kind) = (SystemRandom::new(), &ECDSA_P256_SHA256_ASN1_SIGNING);
    let document = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).unwrap();
    let prefix = [
        0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 3, 1, 7, 3, 0x42, 0,
    ];
    Pair {
        public: Key::from_pem(&pem(&prefix, pair.public_key().as_ref())).unwrap(),
        sign: Box::new(move |message| pair.sign(&random, message).unwrap().as_ref().to_vec()),
    }
}

fn payload(digest: &Digest) -> Vec<u8> {
    let text = format!(
        r#"{{"critical":{{"identity":{{"docker-reference":""}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":null}}"#
    );
    text.into_bytes()
}

fn signed(pair: &Pair, digest: &Digest) -> Signed {
    let payload = payload(digest);
    Signed {
        signature: (pair.sign)(&payload),
        payload,
    }
}

fn rule(keys: &[&Pair]) -> Rule {
    let keys = keys.iter().map(|pair| pair.public.clone()).collect();
    Rule::new("reg.example/team", keys)
}

#[test]
fn either_kind_of_key_and_any_key_of_the_rule_will_do() {
    let image = digest_of(b"image");
    for pair in [ed25519(), p256()] {
        let other = p256();
        assert_eq!(
            judge(&rule(&[&other, &pair]), &image, &[signed(&pair, &image)]),
            Ok(())
        );
        let several = [signed(&other, &image), signed(&pair, &image)];
        assert_eq!(judge(&rule(&[&pair]), &image, &several), Ok(()));
    }
}

#[test]
fn an_image_without_signature_is_refused() {
    let image = digest_of(b"image");
    let refused = judge(&rule(&[&p256()]), &image, &[]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("no signature is attached to {image}")
    );
}

#[test]
fn a_signature_by_another_key_is_refused() {
    let image = digest_of(b"image");
    for (ours, theirs) in [
        (p256(), p256()),
        (ed25519(), ed25519()),
        (p256(), ed25519()),
    ] {
        let refused = judge(&rule(&[&ours]), &image, &[signed(&theirs, &image)]);
        assert!(
            matches!(refused, Err(Unsigned::WrongKey { found: 1, .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn a_payload_that_was_changed_is_refused() {
    let (image, pair) = (digest_of(b"image"), p256());
    let mut tampered = signed(&pair, &digest_of(b"another"));
    tampered.payload = payload(&image);
    let refused = judge(&rule(&[&pair]), &image, &[tampered]);
    assert!(
        matches!(refused, Err(Unsigned::WrongKey { .. })),
        "{refused:?}"
    );
    let mut cut = signed(&pair, &image);
    cut.signature.pop();
    assert!(judge(&rule(&[&pair]), &image, &[cut]).is_err());
}

#[test]
fn a_good_signature_of_another_image_is_refused() {
    let (image, another, pair) = (digest_of(b"image"), digest_of(b"another"), ed25519());
    let refused = judge(&rule(&[&pair]), &image, &[signed(&pair, &another)]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("the signature attached to {image} is for {another}")
    );
    // What is no such payload is for nothing at all.
    let odd = Signed {
        payload: b"{}".to_vec(),
        signature: (pair.sign)(b"{}"),
    };
    assert!(judge(&rule(&[&pair]), &image, &[odd]).is_err());
}

#[test]
fn the_longest_scope_decides() {
    let key = || vec![ed25519().public];
    let policy = Policy::new(vec![
        Rule::new("*", key()),
        Rule::new("reg.example", Vec::new()),
        Rule::new("reg.example/team/", key()),
    ]);
    let scope = |name: &str| {
        let rule = policy.rule_for(&name.parse().unwrap()).unwrap();
        (rule.scope().to_owned(), rule.accepts_unsigned())
    };
    assert_eq!(scope("busybox"), ("*".into(), false));
    assert_eq!(scope("reg.example/other:1"), ("reg.example".into(), true));
    assert_eq!(
        scope("reg.example/team/app"),
        ("reg.example/team".into(), false)
    );
    // A name that only begins alike is another one.
    assert_eq!(scope("reg.example/teamster"), ("reg.example".into(), true));
    assert_eq!(scope("reg.example:5000/x"), ("*".into(), false));
    assert!(
        Policy::default()
            .rule_for(&"busybox".parse().unwrap())
            .is_none()
    );
}

#[test]
fn keys_of_other_kinds_are_refused_when_they_are_read() {
    assert_eq!(Key::from_pem("x").unwrap_err(), InvalidKey::Pem);
    assert_eq!(
        Key::from_pem(&pem(b"", b"rsa")).unwrap_err(),
        InvalidKey::Kind
    );
    let short = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
    assert_eq!(
        Key::from_pem(&pem(&short, b"short")).unwrap_err(),
        InvalidKey::Kind
    );
}
