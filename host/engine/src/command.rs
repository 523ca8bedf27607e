//! What a container runs: the request's entrypoint, command and environment
//! over the image's, by Docker's rules.

use bulkhead_model::image::ImageConfig;

use crate::container::Container;
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

/// What `inspect` shows: the request's variables, then the image's others. A
/// bare `NAME` stays, it removes one at each start.
pub fn env(spec: &ContainerSpec, image: &ImageConfig) -> Vec<String> {
    let asked = |entry: &&String| spec.env.iter().any(|own| name(own) == name(entry));
    let others = image.env.iter().filter(|entry| !asked(entry));
    spec.env.iter().chain(others).cloned().collect()
}

/// What a process of a container has, in Docker's order: PATH, HOSTNAME, TERM
/// for a terminal, what it is told of `linked` containers, then its own; HOME is the runtime's to add.
pub fn process_env(container: &Container, linked: &[String], terminal: bool) -> Vec<String> {
    let hostname = format!("HOSTNAME={}", container.hostname);
    let mut env = vec![DEFAULT_PATH.to_owned(), hostname];
    if terminal {
        env.push("TERM=xterm".to_owned());
    }
    env.extend_from_slice(linked);
    for entry in &container.env {
        set(&mut env, entry);
    }
    env
}

fn name(entry: &str) -> &str {
    entry.split('=').next().unwrap_or_default()
}

/// Replaces or appends `NAME=value`; a bare `NAME` removes.
pub fn set(env: &mut Vec<String>, entry: &str) {
    let at = env.iter().position(|e| name(e) == name(entry));
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
    fn the_requests_variables_come_before_the_images_others() {
        let spec = ContainerSpec {
            env: own(&["C=4", "B=3", "A"]),
            ..Default::default()
        };
        let mut image = image();
        image.env.push("D=5".into());
        assert_eq!(env(&spec, &image), own(&["C=4", "B=3", "A", "D=5"]));
    }

    #[test]
    fn what_is_set_by_name_is_replaced_appended_or_removed() {
        let mut env = own(&["PATH=/bin", "HOSTNAME=h", "A=1"]);
        for entry in own(&["PATH=/x", "A", "B=2", "C"]) {
            set(&mut env, &entry);
        }
        assert_eq!(env, own(&["PATH=/x", "HOSTNAME=h", "B=2"]));
    }
}
