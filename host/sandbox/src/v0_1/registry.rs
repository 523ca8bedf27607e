//! The `registry` world. A response stays here, so that a guest copies only
//! the parts it looks at.

use bulkhead_wire::registry::{self, Function, HostCall, Response};
use bulkhead_wire::{HostReply, Outcome, Value, call};
use wasmtime::component::Resource;
use wasmtime::{Result, Store};

use super::bindings::registry::bulkhead::plugin::registry_host::{self, HostResponse, HostSession};
use super::bindings::registry::exports::bulkhead::plugin::registry_source as guest;
use super::bindings::registry::{Registry, RegistryPre};
use super::bindings::registry_browse::exports::bulkhead::plugin::registry_catalog as catalog;
use super::bindings::registry_browse::{RegistryBrowse, RegistryBrowsePre};
use super::bindings::registry_push::exports::bulkhead::plugin::registry_sink as sink;
use super::bindings::registry_push::{RegistryPush, RegistryPushPre};
use super::bindings::storage::bulkhead::plugin::types::Error;
use super::{error, fault};
use crate::call::{CallState, unexpected};

/// The one session of a call.
#[derive(Debug)]
pub struct Session;

/// A registry plugin: what every one exports, and what it may export beside.
#[derive(Clone)]
pub struct Components {
    /// `registry-source`
    pub source: RegistryPre<CallState>,
    /// `registry-sink`
    pub push: Option<RegistryPushPre<CallState>>,
    /// `registry-catalog`
    pub browse: Option<RegistryBrowsePre<CallState>>,
}

/// Runs one function in a fresh instance.
pub fn run(
    components: &Components,
    store: &mut Store<CallState>,
    reference: registry::Reference,
    function: Function,
) -> Result<Outcome> {
    let reference = registry_host::Reference {
        domain: reference.domain,
        path: reference.path,
        tag: reference.tag,
        digest: reference.digest,
    };
    let result = match function {
        Function::Resolve(_) | Function::Locate(_) => {
            let instance = components.source.instantiate(&mut *store)?;
            source(&instance, store, &reference, function)?
        }
        Function::BeginUpload(..) | Function::PutManifest(_) => match &components.push {
            Some(push) => {
                let instance = push.instantiate(&mut *store)?;
                upload(&instance, store, &reference, function)?
            }
            None => return Ok(missing("registry-sink")),
        },
        _ => match &components.browse {
            Some(browse) => {
                let instance = browse.instantiate(&mut *store)?;
                look(&instance, store, &reference, function)?
            }
            None => return Ok(missing("registry-catalog")),
        },
    };
    Ok(match result {
        Ok(value) => Outcome::Ok(value),
        Err(e) => Outcome::Fault(fault(e)),
    })
}

type Answer = Result<std::result::Result<Value, Error>>;

fn source(
    instance: &Registry,
    store: &mut Store<CallState>,
    reference: &registry_host::Reference,
    function: Function,
) -> Answer {
    let session = store.data_mut().push(Session)?;
    let source = instance.bulkhead_plugin_registry_source();
    Ok(match function {
        Function::Resolve(platform) => source
            .call_resolve(store, session, reference, &platform)?
            .map(manifest),
        Function::Locate(blob) => source
            .call_locate(store, session, reference, &guest_blob(blob))?
            .map(location),
        _ => return Err(unexpected()),
    })
}

fn upload(
    instance: &RegistryPush,
    store: &mut Store<CallState>,
    reference: &registry_host::Reference,
    function: Function,
) -> Answer {
    let session = store.data_mut().push(Session)?;
    let sink = instance.bulkhead_plugin_registry_sink();
    Ok(match function {
        Function::BeginUpload(blob, candidates) => sink
            .call_begin_upload(store, session, reference, &guest_blob(blob), &candidates)?
            .map(begun),
        Function::PutManifest(manifest) => {
            let manifest = registry_host::Manifest {
                digest: manifest.digest,
                media_type: manifest.media_type,
                bytes: manifest.bytes,
                reference_digest: manifest.reference_digest,
            };
            sink.call_put_manifest(store, session, reference, &manifest)?
                .map(Value::Text)
        }
        _ => return Err(unexpected()),
    })
}

fn look(
    instance: &RegistryBrowse,
    store: &mut Store<CallState>,
    reference: &registry_host::Reference,
    function: Function,
) -> Answer {
    let session = store.data_mut().push(Session)?;
    let catalog = instance.bulkhead_plugin_registry_catalog();
    Ok(match function {
        Function::Document => catalog
            .call_document(store, session, reference)?
            .map(manifest),
        Function::Tags => catalog
            .call_tags(store, session, reference)?
            .map(Value::Strings),
        Function::Referrers => catalog
            .call_referrers(store, session, reference)?
            .map(|all| Value::Referrers(all.into_iter().map(referrer).collect())),
        Function::Search(term, limit) => catalog
            .call_search(store, session, &reference.domain, &term, limit)?
            .map(|all| Value::Found(all.into_iter().map(found).collect())),
        _ => return Err(unexpected()),
    })
}

fn missing(interface: &str) -> Outcome {
    Outcome::Fault(bulkhead_wire::PluginFault {
        code: "unsupported".into(),
        message: format!("the plugin does not export {interface}"),
        retryable: false,
    })
}

/// Asks what the plugin declares.
pub fn features(components: &Components, store: &mut Store<CallState>) -> Result<Outcome> {
    let instance: Registry = components.source.instantiate(&mut *store)?;
    let features = instance
        .bulkhead_plugin_registry_source()
        .call_features(store)?;
    Ok(Outcome::Ok(Value::Strings(features)))
}

fn guest_blob(blob: registry::Blob) -> registry_host::Blob {
    registry_host::Blob {
        digest: blob.digest,
        size: blob.size,
        media_type: blob.media_type,
    }
}

fn begun(upload: sink::Upload) -> Value {
    Value::Upload(match upload {
        sink::Upload::Present => registry::Upload::Present,
        sink::Upload::Mounted(from) => registry::Upload::Mounted(from),
        sink::Upload::Session((url, headers)) => registry::Upload::Session(url, headers),
    })
}

fn referrer(referrer: catalog::Referrer) -> registry::Referrer {
    registry::Referrer {
        digest: referrer.digest,
        size: referrer.size,
        media_type: referrer.media_type,
        artifact_type: referrer.artifact_type,
        annotations: referrer.annotations,
    }
}

fn found(found: catalog::Found) -> registry::Found {
    registry::Found {
        name: found.name,
        description: found.description,
        stars: found.stars,
        is_official: found.is_official,
        is_automated: found.is_automated,
    }
}

fn manifest(manifest: registry_host::Manifest) -> Value {
    Value::Manifest(registry::Manifest {
        digest: manifest.digest,
        media_type: manifest.media_type,
        bytes: manifest.bytes,
        reference_digest: manifest.reference_digest,
    })
}

fn location(location: guest::Location) -> Value {
    Value::Location(match location {
        guest::Location::Url((url, headers)) => registry::Location::Url(url, headers),
        guest::Location::File(path) => registry::Location::File(path),
    })
}

impl CallState {
    fn ask_registry(&mut self, question: HostCall) -> Result<HostReply> {
        self.ask(call::HostCall::Registry(question))
    }

    fn ask_text(&mut self, question: HostCall) -> Result<std::result::Result<String, Error>> {
        match self.ask_registry(question)? {
            HostReply::Text(text) => Ok(Ok(text)),
            HostReply::Fault(f) => Ok(Err(error(f))),
            _ => Err(unexpected()),
        }
    }
}

impl registry_host::Host for CallState {}

impl HostResponse for CallState {
    fn status(&mut self, response: Resource<Response>) -> Result<u16> {
        Ok(self.table.get(&response)?.status)
    }

    fn header(&mut self, response: Resource<Response>, name: String) -> Result<Option<String>> {
        let headers = &self.table.get(&response)?.headers;
        let found = headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(&name));
        Ok(found.map(|(_, value)| value.clone()))
    }

    fn body(&mut self, response: Resource<Response>) -> Result<Vec<u8>> {
        Ok(self.table.get(&response)?.body.clone())
    }

    fn drop(&mut self, response: Resource<Response>) -> Result<()> {
        self.table.delete(response)?;
        Ok(())
    }
}

impl HostSession for CallState {
    fn request(
        &mut self,
        _session: Resource<Session>,
        method: String,
        url: String,
        headers: Vec<(String, String)>,
    ) -> Result<std::result::Result<Resource<Response>, Error>> {
        match self.ask_registry(HostCall::Request(method, url, headers))? {
            HostReply::Response(response) => self.push(response).map(Ok),
            HostReply::Fault(f) => Ok(Err(error(f))),
            _ => Err(unexpected()),
        }
    }

    fn send(
        &mut self,
        _session: Resource<Session>,
        method: String,
        url: String,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    ) -> Result<std::result::Result<Resource<Response>, Error>> {
        match self.ask_registry(HostCall::Send(method, url, headers, body))? {
            HostReply::Response(response) => self.push(response).map(Ok),
            HostReply::Fault(f) => Ok(Err(error(f))),
            _ => Err(unexpected()),
        }
    }

    fn authenticate(
        &mut self,
        _session: Resource<Session>,
        registry: String,
        scheme: String,
        params: Vec<(String, String)>,
    ) -> Result<std::result::Result<(), Error>> {
        let question = HostCall::Authenticate(registry, scheme, params);
        Ok(self
            .order(call::HostCall::Registry(question))?
            .map_err(error))
    }

    fn read_file(
        &mut self,
        _session: Resource<Session>,
        path: String,
    ) -> Result<std::result::Result<Vec<u8>, Error>> {
        match self.ask_registry(HostCall::ReadFile(path))? {
            HostReply::Bytes(Some(bytes)) => Ok(Ok(bytes)),
            HostReply::Fault(f) => Ok(Err(error(f))),
            _ => Err(unexpected()),
        }
    }

    fn file_size(
        &mut self,
        _session: Resource<Session>,
        path: String,
    ) -> Result<std::result::Result<u64, Error>> {
        match self.ask_registry(HostCall::FileSize(path))? {
            HostReply::Number(Some(size)) => Ok(Ok(size)),
            HostReply::Fault(f) => Ok(Err(error(f))),
            _ => Err(unexpected()),
        }
    }

    fn file_digest(
        &mut self,
        _session: Resource<Session>,
        path: String,
    ) -> Result<std::result::Result<String, Error>> {
        self.ask_text(HostCall::FileDigest(path))
    }

    fn file_compression(
        &mut self,
        _session: Resource<Session>,
        path: String,
    ) -> Result<std::result::Result<String, Error>> {
        self.ask_text(HostCall::FileCompression(path))
    }

    fn allows_http(&mut self, _session: Resource<Session>, registry: String) -> Result<bool> {
        match self.ask_registry(HostCall::AllowsHttp(registry))? {
            HostReply::Flag(allowed) => Ok(allowed),
            _ => Err(unexpected()),
        }
    }

    fn drop(&mut self, session: Resource<Session>) -> Result<()> {
        self.table.delete(session)?;
        Ok(())
    }
}
