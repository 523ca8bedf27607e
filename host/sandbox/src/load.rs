//! Brings authenticated native code into the engine.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use bulkhead_wire::World;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Engine, Error, Result};

use crate::call::CallState;
use crate::v0_1::bindings::{network, registry, registry_browse, registry_push, storage, volume};
use crate::v0_1::registry::Components;

/// The largest native code of a component.
const MAX_CODE: u64 = 256 << 20;

/// A component with its imports linked, ready to be instantiated.
#[derive(Clone)]
pub enum Loaded {
    /// World `storage`.
    Storage(storage::StoragePre<CallState>),
    /// World `network`.
    Network(network::NetworkPre<CallState>),
    /// World `registry`.
    Registry(Components),
    /// World `volume`.
    Volume(volume::VolumePre<CallState>),
}

/// Loads what the broker has put into a sealed memfd.
pub fn load(engine: &Engine, world: World, code: OwnedFd, len: u64) -> Result<Loaded> {
    let code = read(code, len)?;
    let component = deserialize(engine, &code)?;
    // Makes the memfd of each memory's first content now: later there is no
    // memfd_create.
    component.initialize_copy_on_write_image()?;
    let mut linker = Linker::<CallState>::new(engine);
    Ok(match world {
        World::Storage => {
            storage::Storage::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
            Loaded::Storage(storage::StoragePre::new(
                linker.instantiate_pre(&component)?,
            )?)
        }
        World::Network => {
            network::Network::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
            Loaded::Network(network::NetworkPre::new(
                linker.instantiate_pre(&component)?,
            )?)
        }
        World::Registry => {
            registry::Registry::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
            let linked = linker.instantiate_pre(&component)?;
            // What a component may leave out: it has the export or has not.
            Loaded::Registry(Components {
                push: registry_push::RegistryPushPre::new(linked.clone()).ok(),
                browse: registry_browse::RegistryBrowsePre::new(linked.clone()).ok(),
                source: registry::RegistryPre::new(linked)?,
            })
        }
        World::Volume => {
            volume::Volume::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
            Loaded::Volume(volume::VolumePre::new(linker.instantiate_pre(&component)?)?)
        }
    })
}

fn read(code: OwnedFd, len: u64) -> Result<Vec<u8>> {
    if len > MAX_CODE {
        return Err(Error::msg("the native code is too large"));
    }
    let mut bytes = vec![0; len as usize];
    File::from(code).read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

#[allow(unsafe_code)]
fn deserialize(engine: &Engine, code: &[u8]) -> Result<Component> {
    // SAFETY: wasmtime wants bytes its own compiler made. The broker has
    // checked their HMAC-SHA256, whose key only root can read, and only the
    // compiler's output is ever signed; the memfd is sealed, and `code` is our
    // own copy. No guest has run in this process yet.
    unsafe { Component::deserialize(engine, code) }
}
