//! What a container runs: the request's entrypoint, command and environment
//! over the image's, by Docker's rules.

use bulkhead_model::image::ImageConfig;

use crate::spec::ContainerSpec;

/// Docker's default when the image sets none.
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The command line; empty when neither says one. An entrypoint in the
/// request drops the image's command.
pub fn args(spec: &ContainerSpec, image: &ImageConfig) -> Vec<String> {
    let entrypoint = spec.entrypoint.as_ref().or(image.entrypoint.as_ref());
    let image_cmd = if spec.entrypoint.is_some() {
        None
    } else {
        image.cmd.as_ref()
    };
    let cmd = spec.cmd.as_ref().filter(|c| !c.is_empty()).or(image_cmd);
    // `--entrypoint ""` arrives as one empty word and clears the image's.
    let entrypoint = entrypoint.filter(|e| e.as_slice() != [String::new()]);
    entrypoint
        .into_iter()
        .chain(cmd)
        .flatten()
        .cloned()
        .collect()
}

/// The environment in Docker's order: PATH, HOSTNAME, TERM, the image's and
/// the request's; HOME is the runtime's to add.
pub fn env(spec: &ContainerSpec, image: &ImageConfig, hostname: &str) -> Vec<String> {
    let mut env = vec![DEFAULT_PATH.to_owned(), format!("HOSTNAME={hostname}")];
    if spec.tty {
        env.push("TERM=xterm".to_owned());
    }
    for entry in image.env.iter().chain(&spec.env) {
        set(&mut env, entry);
    }
    env
}

/// Replaces or appends `NAME=value`; a bare `NAME` removes.
fn set(env: &mut Vec<String>, entry: &str) {
    let name = entry.split('=').next().unwrap_or_default();
    let at = env.iter().position(|e| e.split('=').next() == Some(name));
    match (at, entry.contains('=')) {
        (Some(at), true) => env[at] = entry.to_owned(),
        (Some(at), false) => drop(env.remove(at)),
        (None, true) => env.push(entry.to_owned()),
        (None, false) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    fn image() -> ImageConfig {
        ImageConfig {
            entrypoint: Some(own(&["/ep"])),
            cmd: Some(own(&["a"])),
            env: own(&["A=1", "B=2"]),
            ..Default::default()
        }
    }

    #[test]
    fn the_requests_command_replaces_the_images_and_its_entrypoint_drops_it() {
        let mut spec = ContainerSpec::default();
        assert_eq!(args(&spec, &image()), own(&["/ep", "a"]));
        spec.cmd = Some(own(&["b"]));
        assert_eq!(args(&spec, &image()), own(&["/ep", "b"]));
        spec.entrypoint = Some(own(&["/x"]));
        assert_eq!(args(&spec, &image()), own(&["/x", "b"]));
        spec.cmd = None;
        assert_eq!(args(&spec, &image()), own(&["/x"]));
        spec.entrypoint = Some(own(&[""]));
        assert!(args(&spec, &image()).is_empty());
    }

    #[test]
    fn the_environment_is_merged_by_name() {
        let spec = ContainerSpec {
            env: own(&["B=3", "A", "PATH=/x", "C=4"]),
            tty: true,
            ..Default::default()
        };
        assert_eq!(
            env(&spec, &image(), "h"),
            own(&["PATH=/x", "HOSTNAME=h", "TERM=xterm", "B=3", "C=4"])
        );
    }
}
