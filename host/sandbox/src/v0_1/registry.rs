//! The `registry` world. A response stays here, so that a guest copies only
//! the parts it looks at.

use bulkhead_wire::registry::{self, Function, HostCall, Response};
use bulkhead_wire::{HostReply, Outcome, Value, call};
use wasmtime::component::Resource;
use wasmtime::{Result, Store};

use super::bindings::registry::bulkhead::plugin::registry_host::{self, HostResponse, HostSession};
use super::bindings::registry::exports::bulkhead::plugin::registry_source as guest;
use super::bindings::registry::{Registry, RegistryPre};
use super::bindings::storage::bulkhead::plugin::types::Error;
use super::{error, fault};
use crate::call::{CallState, unexpected};

/// The one session of a call.
#[derive(Debug)]
pub struct Session;

/// Runs one function in a fresh instance.
pub fn run(
    component: &RegistryPre<CallState>,
    store: &mut Store<CallState>,
    reference: registry::Reference,
    function: Function,
) -> Result<Outcome> {
    let instance: Registry = component.instantiate(&mut *store)?;
    let source = instance.bulkhead_plugin_registry_source();
    let session = store.data_mut().push(Session)?;
    let reference = guest::Reference {
        domain: reference.domain,
        path: reference.path,
        tag: reference.tag,
        digest: reference.digest,
    };
    let result = match function {
        Function::Resolve(platform) => source
            .call_resolve(store, session, &reference, &platform)?
            .map(manifest),
        Function::Locate(blob) => {
            let blob = guest::Blob {
                digest: blob.digest,
                size: blob.size,
                media_type: blob.media_type,
            };
            source
                .call_locate(store, session, &reference, &blob)?
                .map(location)
        }
    };
    Ok(match result {
        Ok(value) => Outcome::Ok(value),
        Err(e) => Outcome::Fault(fault(e)),
    })
}

/// Asks what the plugin declares.
pub fn features(
    component: &RegistryPre<CallState>,
    store: &mut Store<CallState>,
) -> Result<Outcome> {
    let instance: Registry = component.instantiate(&mut *store)?;
    let features = instance
        .bulkhead_plugin_registry_source()
        .call_features(store)?;
    Ok(Outcome::Ok(Value::Strings(features)))
}

fn manifest(manifest: guest::Manifest) -> Value {
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
