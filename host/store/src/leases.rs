//! Which address of a network belongs to whom.

use std::net::IpAddr;

use rusqlite::OptionalExtension;

use crate::database::Durability;
use crate::error::StoreError;
use crate::store::Store;

/// An address given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The network's name or id.
    pub network: String,
    /// The address.
    pub address: IpAddr,
    /// The container (or endpoint) that has it.
    pub owner: String,
}

impl Store {
    /// Gives an address to an owner. The owner's own lease is renewed.
    ///
    /// # Errors
    /// [`StoreError::AddressInUse`] when someone else has it.
    pub fn lease(&self, lease: &Lease, durability: Durability) -> Result<(), StoreError> {
        let step = "lease an address";
        let explain = self.database.explain(step);
        self.database.write(step, durability, |db| {
            let address = lease.address.to_string();
            let owner: Option<String> = db
                .prepare_cached("SELECT owner FROM leases WHERE network = ?1 AND address = ?2")
                .and_then(|mut s| {
                    s.query_row((&lease.network, &address), |r| r.get(0))
                        .optional()
                })
                .map_err(&explain)?;
            match owner {
                Some(owner) if owner != lease.owner => Err(StoreError::AddressInUse {
                    network: lease.network.clone(),
                    address,
                    owner,
                }),
                Some(_) => Ok(()),
                None => db
                    .prepare_cached(
                        "INSERT INTO leases (network, address, owner) VALUES (?1, ?2, ?3)",
                    )
                    .and_then(|mut s| s.execute((&lease.network, &address, &lease.owner)))
                    .map(drop)
                    .map_err(&explain),
            }
        })
    }

    /// Takes back everything an owner has.
    pub fn release(&self, owner: &str, durability: Durability) -> Result<(), StoreError> {
        let step = "release addresses";
        self.database.write(step, durability, |db| {
            db.prepare_cached("DELETE FROM leases WHERE owner = ?1")
                .and_then(|mut s| s.execute([owner]))
                .map(drop)
                .map_err(self.database.explain(step))
        })
    }

    /// The leases of a network.
    pub fn leases(&self, network: &str) -> Result<Vec<Lease>, StoreError> {
        let rows: Vec<(String, String)> = self.database.read("list leases", |db| {
            db.prepare_cached(
                "SELECT address, owner FROM leases WHERE network = ?1 ORDER BY address",
            )?
            .query_map([network], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
        })?;
        rows.into_iter()
            .map(|(address, owner)| lease_of(network, &address, owner))
            .collect()
    }
}

fn lease_of(network: &str, address: &str, owner: String) -> Result<Lease, StoreError> {
    let address = address.parse().map_err(|_| StoreError::Record {
        what: "lease",
        name: address.to_owned(),
        detail: "not an IP address".to_owned(),
    })?;
    Ok(Lease {
        network: network.to_owned(),
        address,
        owner,
    })
}
