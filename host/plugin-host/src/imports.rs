//! What a component imports and exports, read from its bytes before anything
//! is compiled.

use bulkhead_wire::World;
use wasmparser::{ComponentExternalKind, Encoding, Parser, Payload};

use crate::error::HostError;
use crate::manifest::Manifest;

/// Interfaces of the contract, version 0.1, that each world offers. The
/// registry world's `types` and every world's `log` come with it.
const PACKAGE: &str = "bulkhead:plugin/";
const VERSION: &str = "0.1.";

fn offers(world: World) -> [&'static str; 3] {
    match world {
        World::Storage => ["types", "log", "storage-host"],
        World::Network => ["types", "log", "network-host"],
        World::Registry => ["types", "log", "registry-host"],
        World::Volume => ["types", "log", "volume-host"],
    }
}

fn wants(world: World) -> &'static str {
    match world {
        World::Storage => "storage-driver",
        World::Network => "network-driver",
        World::Registry => "registry-source",
        World::Volume => "volume-driver",
    }
}

/// Compares the component's import list with its manifest's world.
pub fn check(manifest: &Manifest, component: &[u8]) -> Result<(), HostError> {
    let names = read(component).map_err(|reason| HostError::NotAComponent {
        plugin: manifest.name.clone(),
        reason,
    })?;
    for import in &names.imports {
        let known = interface(import).is_some_and(|name| offers(manifest.world).contains(&name));
        if !known {
            return Err(HostError::Import {
                plugin: manifest.name.clone(),
                import: import.chars().take(200).collect(),
                world: manifest.world.as_str(),
            });
        }
    }
    let export = wants(manifest.world);
    if names
        .exports
        .iter()
        .any(|name| interface(name) == Some(export))
    {
        return Ok(());
    }
    let plugin = manifest.name.clone();
    Err(HostError::Export { plugin, export })
}

/// `storage-host` of `bulkhead:plugin/storage-host@0.1.3`.
fn interface(name: &str) -> Option<&str> {
    let (interface, version) = name.strip_prefix(PACKAGE)?.split_once('@')?;
    version.starts_with(VERSION).then_some(interface)
}

#[derive(Default)]
struct Names {
    imports: Vec<String>,
    exports: Vec<String>,
}

/// The outermost component's names only: what is nested can reach no more
/// than what the outermost imports.
fn read(component: &[u8]) -> Result<Names, String> {
    let mut names = Names::default();
    let mut depth = 0u32;
    let mut encoding = None;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(|e| e.to_string())? {
            Payload::Version { encoding: e, .. } => encoding = encoding.or(Some(e)),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.map_err(|e| e.to_string())?;
                    names.imports.push(import.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.map_err(|e| e.to_string())?;
                    if export.kind == ComponentExternalKind::Instance {
                        names.exports.push(export.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    match encoding {
        Some(Encoding::Component) => Ok(names),
        _ => Err("it is a core module".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_known_by_package_and_version() {
        assert_eq!(interface("bulkhead:plugin/log@0.1.0"), Some("log"));
        for other in [
            "wasi:cli/environment@0.2.0",
            "bulkhead:plugin/log@0.2.0",
            "bulkhead:plugin/log",
            "log",
        ] {
            assert_eq!(interface(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_no_component_is_said_so() {
        assert!(read(b"").is_err());
        assert!(read(b"\0asm\x01\0\0\0").is_err());
        assert!(read(b"#!/bin/sh").is_err());
        // The empty component.
        assert!(read(b"\0asm\x0d\0\x01\0").is_ok());
    }
}
