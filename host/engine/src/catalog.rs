//! What a registry has: documents, tags, referrers, repositories. Nothing of
//! it is kept here.

use std::ops::ControlFlow;

use bulkhead_model::registry::{
    BlobDescriptor, Credentials, FetchSession, FoundRepository, Referrer, RegistryCatalog,
    RegistrySource, ResolvedManifest, SourceDirectory,
};
use bulkhead_model::{Platform, PluginError, Reference};
use bulkhead_store::manifest;

use crate::Engine;
use crate::error::EngineError;

impl Engine {
    /// The document that a reference names, checked against its digest.
    pub fn registry_document(
        &self,
        reference: &Reference,
        credentials: Option<&Credentials>,
    ) -> Result<ResolvedManifest, EngineError> {
        let found = self.browse(reference, credentials, |catalog, session| {
            catalog.document(session, reference)
        })?;
        manifest::check_digest("manifest", &found.digest, &found.bytes)?;
        match &reference.digest {
            Some(wanted) if *wanted != found.digest => Err(EngineError::ReferenceDigest {
                wanted: wanted.to_string(),
                found: found.digest.to_string(),
            }),
            _ => Ok(found),
        }
    }

    /// A repository's tags, each as a whole reference.
    pub fn registry_tags(
        &self,
        repository: &Reference,
        credentials: Option<&Credentials>,
    ) -> Result<Vec<Reference>, EngineError> {
        let tags = self.browse(repository, credentials, |catalog, session| {
            catalog.tags(session, repository)
        })?;
        let name = repository.familiar_name();
        let named = tags.iter().map(|tag| format!("{name}:{tag}").parse());
        let tags: Result<Vec<Reference>, _> = named.collect();
        match tags {
            Ok(tags) if !tags.is_empty() => Ok(tags),
            Ok(_) => Err(EngineError::NoTags(name)),
            Err(_) => Err(EngineError::MalformedTag(name)),
        }
    }

    /// What refers to an image: by its digest, or by the digest that its tag
    /// has in the registry.
    pub fn registry_referrers(
        &self,
        reference: &Reference,
        credentials: Option<&Credentials>,
    ) -> Result<Vec<Referrer>, EngineError> {
        let digest = match &reference.digest {
            Some(digest) => digest.clone(),
            None => self.registry_document(reference, credentials)?.digest,
        };
        let subject = Reference {
            digest: Some(digest),
            ..reference.clone()
        };
        self.browse(&subject, credentials, |catalog, session| {
            catalog.referrers(session, &subject)
        })
    }

    /// Repositories of `registry` (host or host:port) whose name holds `term`.
    pub fn registry_search(
        &self,
        registry: &str,
        term: &str,
        limit: u32,
        credentials: Option<&Credentials>,
    ) -> Result<Vec<FoundRepository>, EngineError> {
        let whole = Reference {
            domain: registry.to_owned(),
            path: String::new(),
            tag: None,
            digest: None,
        };
        self.browse(&whole, credentials, |catalog, session| {
            catalog.search(session, &whole, term, limit)
        })
    }

    /// The machine that an image in a registry is for: its configuration says.
    pub fn registry_platform(
        &self,
        reference: &Reference,
        config: &BlobDescriptor,
        credentials: Option<&Credentials>,
    ) -> Result<Option<Platform>, EngineError> {
        let source = self.sources.registry.as_ref();
        let source = source.ok_or(EngineError::NoRegistrySource("OCI distribution"))?;
        let nowhere = SourceDirectory::None;
        let mut session = self
            .fetcher
            .session(&**source, reference, &nowhere, credentials)?;
        let blobs = self.store.blobs();
        let held = blobs.hold(&config.digest);
        if !blobs.has(&config.digest)? {
            let location = source
                .locate(&mut *session, reference, config)
                .map_err(EngineError::of_registry)?;
            session.download(&location, config, &mut |_| ControlFlow::Continue(()))?;
        }
        let bytes = blobs.read(&config.digest, manifest::MAX_DOCUMENT as u64)?;
        drop(held);
        blobs.discard(std::slice::from_ref(&config.digest))?;
        Ok(manifest::configuration(&bytes)?.platform)
    }

    fn browse<T>(
        &self,
        reference: &Reference,
        credentials: Option<&Credentials>,
        ask: impl FnOnce(&dyn RegistryCatalog, &mut dyn FetchSession) -> Result<T, PluginError>,
    ) -> Result<T, EngineError> {
        let source = self.sources.registry.as_ref();
        let source = source.ok_or(EngineError::NoRegistrySource("OCI distribution"))?;
        let catalog = catalog_of(&**source)?;
        let nowhere = SourceDirectory::None;
        let mut session = self
            .fetcher
            .session(&**source, reference, &nowhere, credentials)?;
        ask(catalog, &mut *session).map_err(EngineError::of_registry)
    }
}

pub(crate) fn catalog_of(source: &dyn RegistrySource) -> Result<&dyn RegistryCatalog, EngineError> {
    source.catalog().ok_or_else(|| EngineError::NoCatalog {
        plugin: source.identity().name.clone(),
    })
}
