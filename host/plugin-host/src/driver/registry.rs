//! A registry plugin behind [`RegistrySource`]. The session judges URLs; the
//! grants for logins, for the directory and for changes are judged here.

mod catalog;
mod sink;

use std::sync::Arc;

use bulkhead_model::plugin::PluginFailure;
use bulkhead_model::registry::{
    BlobDescriptor, BlobLocation, RegistryCatalog, RegistrySession, RegistrySink, RegistrySource,
    ResolvedManifest, SessionError,
};
use bulkhead_model::{Digest, Platform, PluginError, PluginIdentity, Reference};
use bulkhead_wire::call::LogLevel;
use bulkhead_wire::registry::{self, Blob, Function, HostCall, Location};
use bulkhead_wire::{HostReply, Operation, PluginFault, Value};

use super::{Plugin, not_of_this_world, refuse, unexpected, value};
use crate::broker::Handler;
use crate::grant::Grant;
use crate::txn::Refusal;

/// A manifest's bytes, at most (OCI distribution-spec, "Pushing Manifests").
const MAX_MANIFEST: usize = 4 << 20;

/// A registry source that is a plugin.
pub struct RegistryPlugin {
    plugin: Arc<Plugin>,
    hosts: Vec<String>,
}

impl RegistryPlugin {
    pub(crate) fn new(plugin: Arc<Plugin>) -> Self {
        let patterns = plugin.manifest.hosts.iter();
        let hosts = patterns.map(|(pattern, _)| pattern.clone()).collect();
        Self { plugin, hosts }
    }

    fn invoke(
        &self,
        operation: &'static str,
        session: &mut dyn RegistrySession,
        reference: &Reference,
        function: Function,
    ) -> Result<Value, PluginError> {
        let reference = registry::Reference {
            domain: reference.domain.clone(),
            path: reference.path.clone(),
            tag: reference.tag.clone(),
            digest: reference.digest.as_ref().map(ToString::to_string),
        };
        let mut handler = RegistryHandler {
            plugin: &self.plugin,
            operation,
            session,
            denied: None,
        };
        let outcome = self
            .plugin
            .call(Operation::Registry(reference, function), &mut handler);
        let denied = handler.denied;
        let result = outcome.and_then(|outcome| value(outcome, denied, None));
        result.map_err(|cause| self.plugin.error(operation, self.plugin.timed(cause)))
    }

    /// A guest's manifest, checked as far as its form goes.
    fn manifest(
        &self,
        operation: &'static str,
        manifest: registry::Manifest,
    ) -> Result<ResolvedManifest, PluginError> {
        if manifest.bytes.len() > MAX_MANIFEST {
            return Err(self.malformed(operation, "a manifest of more than 4 MiB"));
        }
        Ok(ResolvedManifest {
            digest: self.digest(operation, &manifest.digest)?,
            media_type: super::printable(&manifest.media_type, 255),
            reference_digest: self.digest(operation, &manifest.reference_digest)?,
            bytes: manifest.bytes,
        })
    }

    fn digest(&self, operation: &'static str, text: &str) -> Result<Digest, PluginError> {
        let parsed: Result<Digest, _> = text.parse();
        parsed.map_err(|_| self.malformed(operation, "a malformed digest"))
    }

    fn malformed(&self, operation: &'static str, what: &str) -> PluginError {
        let cause = PluginFailure::Protocol(format!("it returned {what}"));
        self.plugin.error(operation, cause)
    }
}

impl RegistrySource for RegistryPlugin {
    fn identity(&self) -> &PluginIdentity {
        &self.plugin.identity
    }

    fn granted_hosts(&self) -> &[String] {
        &self.hosts
    }

    fn resolve(
        &self,
        session: &mut dyn RegistrySession,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<ResolvedManifest, PluginError> {
        let function = Function::Resolve(platform.to_string());
        let manifest = match self.invoke("resolve", session, reference, function)? {
            Value::Manifest(manifest) => manifest,
            _ => return Err(self.plugin.error("resolve", unexpected())),
        };
        self.manifest("resolve", manifest)
    }

    fn locate(
        &self,
        session: &mut dyn RegistrySession,
        reference: &Reference,
        blob: &BlobDescriptor,
    ) -> Result<BlobLocation, PluginError> {
        let function = Function::Locate(wire_blob(blob));
        match self.invoke("locate", session, reference, function)? {
            Value::Location(Location::Url(url, headers)) => Ok(BlobLocation::Url { url, headers }),
            Value::Location(Location::File(path)) => {
                if !is_inside(&path) {
                    return Err(self.malformed("locate", "a path that is not relative"));
                }
                if self.plugin.manifest.grants.has(Grant::Directory) {
                    return Ok(BlobLocation::File { path });
                }
                let cause = PluginFailure::NotGranted(Grant::Directory.as_str().into());
                Err(self.plugin.error("locate", cause))
            }
            _ => Err(self.plugin.error("locate", unexpected())),
        }
    }

    fn sink(&self) -> Option<&dyn RegistrySink> {
        let granted = self.plugin.manifest.grants.has(Grant::Push);
        granted.then_some(self as &dyn RegistrySink)
    }

    fn catalog(&self) -> Option<&dyn RegistryCatalog> {
        Some(self)
    }
}

fn wire_blob(blob: &BlobDescriptor) -> Blob {
    Blob {
        digest: blob.digest.to_string(),
        size: blob.size,
        media_type: blob.media_type.clone(),
    }
}

struct RegistryHandler<'a> {
    plugin: &'a Plugin,
    operation: &'static str,
    session: &'a mut dyn RegistrySession,
    denied: Option<Grant>,
}

impl RegistryHandler<'_> {
    fn reply(&mut self, call: HostCall) -> HostReply {
        match call {
            HostCall::Request(method, url, headers) => {
                answer(self.session.request(&method, &url, &headers))
            }
            HostCall::Send(method, url, headers, body) => {
                if let Err(refusal) = self.granted(Grant::Push, &url) {
                    return refuse(refusal);
                }
                answer(self.session.send(&method, &url, &headers, &body))
            }
            HostCall::Authenticate(registry, scheme, params) => {
                if let Err(refusal) = self.granted(Grant::Authenticate, &registry) {
                    return refuse(refusal);
                }
                let done = self.session.authenticate(&registry, &scheme, &params);
                done.map_or_else(fault, |()| HostReply::Unit)
            }
            HostCall::ReadFile(path) => self.of_file(&path, |session| {
                Ok(HostReply::Bytes(Some(session.read_file(&path)?)))
            }),
            HostCall::FileSize(path) => self.of_file(&path, |session| {
                Ok(HostReply::Number(Some(session.file_facts(&path)?.size)))
            }),
            HostCall::FileDigest(path) => self.of_file(&path, |session| {
                let digest = session.file_facts(&path)?.digest;
                Ok(HostReply::Text(digest.to_string()))
            }),
            HostCall::FileCompression(path) => self.of_file(&path, |session| {
                let compression = session.file_facts(&path)?.compression;
                Ok(HostReply::Text(compression.to_owned()))
            }),
            HostCall::AllowsHttp(registry) => HostReply::Flag(self.session.allows_http(&registry)),
        }
    }

    /// What a session says of a file, once path and grant are in order.
    fn of_file(
        &mut self,
        path: &str,
        ask: impl FnOnce(&mut dyn RegistrySession) -> Result<HostReply, SessionError>,
    ) -> HostReply {
        if !is_inside(path) {
            return refuse(Refusal::invalid(
                "the path must be relative, without . and ..",
            ));
        }
        if let Err(refusal) = self.granted(Grant::Directory, path) {
            return refuse(refusal);
        }
        ask(self.session).unwrap_or_else(fault)
    }

    fn granted(&mut self, grant: Grant, subject: &str) -> Result<(), Refusal> {
        let subject: String = subject.chars().take(300).collect();
        if self.plugin.manifest.grants.has(grant) {
            self.plugin.audit(self.operation, grant, &subject);
            return Ok(());
        }
        self.denied.get_or_insert(grant);
        let refusal = Refusal::NotGranted(grant);
        self.plugin
            .audit_refusal(self.operation, &subject, &refusal);
        Err(refusal)
    }
}

impl Handler for RegistryHandler<'_> {
    fn answer(&mut self, call: bulkhead_wire::HostCall) -> HostReply {
        match call {
            bulkhead_wire::HostCall::Registry(call) => self.reply(call),
            _ => not_of_this_world(),
        }
    }

    fn log(&mut self, level: LogLevel, line: &str) {
        self.plugin.log(level, line);
    }
}

/// A relative path that cannot leave its directory but by a link, which the
/// session does not follow.
fn is_inside(path: &str) -> bool {
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
    path.len() <= 4096 && path.split('/').all(plain)
}

fn answer(response: Result<bulkhead_model::registry::Response, SessionError>) -> HostReply {
    response.map_or_else(fault, |response| {
        HostReply::Response(registry::Response {
            status: response.status,
            headers: response.headers,
            body: response.body,
        })
    })
}

fn fault(error: SessionError) -> HostReply {
    HostReply::Fault(PluginFault {
        code: error.code.to_owned(),
        message: error.message,
        retryable: error.retryable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_paths_are_inside() {
        assert!(is_inside("blobs/sha256/0a"));
        for bad in [
            "",
            "/etc/shadow",
            "..",
            "a/../../b",
            "./a",
            "a//b",
            "a/",
            "a\0b",
        ] {
            assert!(!is_inside(bad), "{bad:?}");
        }
    }
}
