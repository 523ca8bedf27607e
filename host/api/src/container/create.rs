use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ContainerConfig, HostConfig};
use crate::json::{self, DecodeError};
use crate::network::EndpointSettings;

/// The body of `POST /containers/create`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateRequest {
    #[serde(flatten)]
    pub config: ContainerConfig,
    pub host_config: HostConfig,
    pub networking_config: NetworkingConfig,
}

/// The networks a container joins, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NetworkingConfig {
    pub endpoints_config: BTreeMap<String, EndpointSettings>,
}

/// The answer of `POST /containers/create`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CreateResponse {
    pub id: String,
    pub warnings: Vec<String>,
}

impl CreateRequest {
    /// Decodes a body. It is done in three parts, because serde's `flatten`
    /// would lose the path of a bad field.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut value = json::parse(body)?;
        let mut take = |key: &str| {
            let part = value.as_object_mut().and_then(|map| map.remove(key));
            part.unwrap_or_else(|| Value::Object(Default::default()))
        };
        let (host_config, networking_config) = (take("HostConfig"), take("NetworkingConfig"));
        Ok(Self {
            config: json::decode_object(value, "")?,
            host_config: json::decode_object(host_config, "HostConfig")?,
            networking_config: json::decode_object(networking_config, "NetworkingConfig")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As docker 28.2.2 sent it for `run -d -p 18080:80 -v /tmp:/x -e A=b -m 64m --cpus 1.5`.
    const DOCKER_28: &str = include_str!("create_docker28.json");

    #[test]
    fn a_request_of_the_docker_client_is_understood() {
        let request = CreateRequest::decode(DOCKER_28.as_bytes()).unwrap();
        assert_eq!(request.config.env, ["A=b"]);
        assert_eq!(request.config.cmd.unwrap()[0], "sh");
        assert_eq!(request.config.entrypoint, None);
        assert_eq!(request.host_config.memory, 64 << 20);
        assert_eq!(request.host_config.nano_cpus, 1_500_000_000);
        assert_eq!(request.host_config.memory_swappiness, Some(-1));
        assert_eq!(
            request.host_config.port_bindings["80/tcp"]
                .as_ref()
                .unwrap()[0]
                .host_port,
            "18080"
        );
        assert!(
            request
                .networking_config
                .endpoints_config
                .contains_key("default")
        );
    }

    #[test]
    fn a_request_survives_being_written_and_read() {
        let request = CreateRequest::decode(DOCKER_28.as_bytes()).unwrap();
        let again = CreateRequest::decode(&serde_json::to_vec(&request).unwrap()).unwrap();
        assert_eq!(request, again);
    }

    #[test]
    fn a_command_may_be_one_string() {
        let request = CreateRequest::decode(br#"{"Cmd":"ls -l","Entrypoint":[]}"#).unwrap();
        assert_eq!(request.config.cmd, Some(vec!["ls -l".to_owned()]));
        assert_eq!(request.config.entrypoint, Some(vec![]));
    }

    #[test]
    fn bad_fields_are_named_in_each_part() {
        for (body, path) in [
            (r#"{"Tty":"yes"}"#, "Tty"),
            (r#"{"Cmd":[1]}"#, "Cmd[0]"),
            (r#"{"HostConfig":7}"#, "HostConfig"),
            (r#"{"HostConfig":[]}"#, "HostConfig"),
            ("[]", "."),
            (
                r#"{"HostConfig":{"PidsLimit":"x"}}"#,
                "HostConfig.PidsLimit",
            ),
            (
                r#"{"NetworkingConfig":{"EndpointsConfig":{"n":3}}}"#,
                "NetworkingConfig.EndpointsConfig.n",
            ),
        ] {
            let error = CreateRequest::decode(body.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with(&format!("invalid field {path}: ")),
                "{error}"
            );
        }
    }
}
