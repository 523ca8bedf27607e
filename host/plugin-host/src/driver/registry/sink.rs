//! `registry-sink`: where a blob goes is the plugin's, what goes is the host's.

use bulkhead_model::registry::{
    BlobDescriptor, BlobUpload, RegistrySession, RegistrySink, ResolvedManifest,
};
use bulkhead_model::{PluginError, Reference};
use bulkhead_wire::Value;
use bulkhead_wire::registry::{Function, Manifest, Upload};

use super::{RegistryPlugin, wire_blob};
use crate::driver::{printable, unexpected};

impl RegistrySink for RegistryPlugin {
    fn begin_upload(
        &self,
        session: &mut dyn RegistrySession,
        reference: &Reference,
        blob: &BlobDescriptor,
        mount_candidates: &[String],
    ) -> Result<BlobUpload, PluginError> {
        let operation = "begin-upload";
        let function = Function::BeginUpload(wire_blob(blob), mount_candidates.to_vec());
        match self.invoke(operation, session, reference, function)? {
            Value::Upload(Upload::Present) => Ok(BlobUpload::Present),
            Value::Upload(Upload::Mounted(from)) => Ok(BlobUpload::Mounted(printable(&from, 255))),
            Value::Upload(Upload::Session(url, headers)) => {
                Ok(BlobUpload::Session { url, headers })
            }
            _ => Err(self.plugin.error(operation, unexpected())),
        }
    }

    fn put_manifest(
        &self,
        session: &mut dyn RegistrySession,
        reference: &Reference,
        manifest: &ResolvedManifest,
    ) -> Result<(), PluginError> {
        let operation = "put-manifest";
        let function = Function::PutManifest(Manifest {
            digest: manifest.digest.to_string(),
            media_type: manifest.media_type.clone(),
            bytes: manifest.bytes.clone(),
            reference_digest: manifest.reference_digest.to_string(),
        });
        match self.invoke(operation, session, reference, function)? {
            Value::Text(stored) if stored == manifest.digest.as_str() => Ok(()),
            Value::Text(_) => Err(self.malformed(operation, "another manifest's digest")),
            _ => Err(self.plugin.error(operation, unexpected())),
        }
    }
}
