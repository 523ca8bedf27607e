//! `registry-catalog`: what there is.

use bulkhead_model::registry::{
    FoundRepository, Referrer, RegistryCatalog, RegistrySession, ResolvedManifest,
};
use bulkhead_model::{PluginError, Reference};
use bulkhead_wire::Value;
use bulkhead_wire::registry::{self, Function};

use super::RegistryPlugin;
use crate::driver::{printable, unexpected};

/// Characters kept of a description or an annotation.
const MAX_TEXT: usize = 4096;

impl RegistryCatalog for RegistryPlugin {
    fn document(
        &self,
        session: &mut dyn RegistrySession,
        reference: &Reference,
    ) -> Result<ResolvedManifest, PluginError> {
        match self.invoke("document", session, reference, Function::Document)? {
            Value::Manifest(manifest) => self.manifest("document", manifest),
            _ => Err(self.plugin.error("document", unexpected())),
        }
    }

    fn tags(
        &self,
        session: &mut dyn RegistrySession,
        reference: &Reference,
    ) -> Result<Vec<String>, PluginError> {
        match self.invoke("tags", session, reference, Function::Tags)? {
            Value::Strings(tags) => Ok(tags.iter().map(|tag| printable(tag, 128)).collect()),
            _ => Err(self.plugin.error("tags", unexpected())),
        }
    }

    fn referrers(
        &self,
        session: &mut dyn RegistrySession,
        reference: &Reference,
    ) -> Result<Vec<Referrer>, PluginError> {
        match self.invoke("referrers", session, reference, Function::Referrers)? {
            Value::Referrers(all) => all.into_iter().map(|r| self.referrer(r)).collect(),
            _ => Err(self.plugin.error("referrers", unexpected())),
        }
    }

    fn search(
        &self,
        session: &mut dyn RegistrySession,
        reference: &Reference,
        term: &str,
        limit: u32,
    ) -> Result<Vec<FoundRepository>, PluginError> {
        let function = Function::Search(term.to_owned(), limit);
        match self.invoke("search", session, reference, function)? {
            Value::Found(all) => Ok(all.into_iter().map(found).collect()),
            _ => Err(self.plugin.error("search", unexpected())),
        }
    }
}

impl RegistryPlugin {
    fn referrer(&self, referrer: registry::Referrer) -> Result<Referrer, PluginError> {
        let text = |text: &String| printable(text, MAX_TEXT);
        Ok(Referrer {
            digest: self.digest("referrers", &referrer.digest)?,
            size: referrer.size,
            media_type: text(&referrer.media_type),
            artifact_type: text(&referrer.artifact_type),
            annotations: referrer
                .annotations
                .iter()
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
        })
    }
}

fn found(found: registry::Found) -> FoundRepository {
    FoundRepository {
        name: printable(&found.name, 255),
        description: printable(&found.description, MAX_TEXT),
        stars: found.stars,
        is_official: found.is_official,
        is_automated: found.is_automated,
    }
}
