//! `/networks`.

use std::sync::Arc;

use bulkhead_api::Filters;
use bulkhead_api::filters::InvalidFilter;
use bulkhead_api::network::{
    NetworkConnectRequest, NetworkCreateRequest, NetworkCreated, NetworkDisconnectRequest,
};
use bulkhead_api::query::{FiltersQuery, NetworkInspectQuery};
use bulkhead_api::usage::NetworksPruned;
use bulkhead_engine::Network;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use super::{body, query};
use crate::convert::{self, filters};
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

type Answer = Result<Response<Body>, ApiError>;

/// `GET /networks`
pub async fn list(daemon: &Arc<Daemon>, text: &str) -> Answer {
    let FiltersQuery { filters: chosen } = query(text)?;
    chosen.only(&["dangling", "driver", "id", "label", "name", "scope", "type"])?;
    let dangling = filters::flag(&chosen, "dangling")?;
    let kind = |t: &&str| !["custom", "builtin"].contains(t);
    if let Some(bad) = chosen.values("type").find(kind) {
        return Err(InvalidFilter::Value("type", bad.to_owned()).into());
    }
    let networks = daemon
        .blocking(move |engine| {
            let used = |n: &Network| n.record.predefined || !engine.members(n).is_empty();
            let mut all = engine.networks.all();
            all.retain(|n| matches(n, &chosen) && dangling.is_none_or(|d| d != used(n)));
            Ok(all)
        })
        .await?;
    let rows: Vec<_> = networks
        .iter()
        .map(|n| convert::networks::network(n, &[]))
        .collect();
    Ok(reply::json(StatusCode::OK, &rows))
}

fn matches(network: &Network, chosen: &Filters) -> bool {
    let record = &network.record;
    let kind = if record.predefined {
        "builtin"
    } else {
        "custom"
    };
    chosen.matches("id", |v| record.id.starts_with(v))
        && chosen.matches("name", |v| record.name.contains(v))
        && chosen.matches("driver", |v| convert::networks::driver(record) == v)
        && chosen.matches("scope", |v| v == "local")
        && chosen.matches("type", |v| v == kind)
        && filters::has_labels(&record.labels, chosen)
}

/// `GET /networks/{id}`
pub async fn inspect(daemon: &Arc<Daemon>, name: String, text: &str) -> Answer {
    let NetworkInspectQuery { scope, .. } = query(text)?;
    if !matches!(scope.as_str(), "" | "local") {
        return Err(bulkhead_engine::EngineError::NoSuchNetwork(name).into());
    }
    let (network, members) = daemon
        .blocking(move |engine| {
            let network = engine.networks.find(&name)?;
            let members = engine.members(&network);
            Ok((network, members))
        })
        .await?;
    let shown = convert::networks::network(&network, &members);
    Ok(reply::json(StatusCode::OK, &shown))
}

/// `POST /networks/create`
pub async fn create(daemon: &Arc<Daemon>, request: Request<Incoming>) -> Answer {
    let asked: NetworkCreateRequest = bulkhead_api::json::decode(&body(request).await?)?;
    let spec = convert::networks::spec(asked)?;
    let created = daemon
        .blocking(move |engine| engine.create_network(spec))
        .await?;
    let answer = NetworkCreated {
        id: created.id,
        warning: created.warning,
    };
    Ok(reply::json(StatusCode::CREATED, &answer))
}

/// `POST /networks/{id}/connect`
pub async fn connect(daemon: &Arc<Daemon>, network: String, request: Request<Incoming>) -> Answer {
    let asked: NetworkConnectRequest = bulkhead_api::json::decode(&body(request).await?)?;
    let settings = asked.endpoint_config.unwrap_or_default();
    let endpoint = convert::networks::endpoint(&network, &settings)?;
    daemon
        .blocking(move |engine| engine.connect(&network, &asked.container, &endpoint))
        .await?;
    Ok(reply::empty(StatusCode::OK))
}

/// `POST /networks/{id}/disconnect`
pub async fn disconnect(
    daemon: &Arc<Daemon>,
    network: String,
    request: Request<Incoming>,
) -> Answer {
    let asked: NetworkDisconnectRequest = bulkhead_api::json::decode(&body(request).await?)?;
    daemon
        .blocking(move |engine| engine.disconnect(&network, &asked.container, asked.force))
        .await?;
    Ok(reply::empty(StatusCode::OK))
}

/// `DELETE /networks/{id}`
pub async fn remove(daemon: &Arc<Daemon>, name: String) -> Answer {
    daemon
        .blocking(move |engine| engine.remove_network(&name))
        .await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// `POST /networks/prune`
pub async fn prune(daemon: &Arc<Daemon>, text: &str) -> Answer {
    let FiltersQuery { filters: chosen } = query(text)?;
    chosen.only(&["label", "label!", "until"])?;
    let until = filters::until(&chosen)?;
    let turn = daemon.prunes.of_objects()?;
    let networks_deleted = daemon
        .blocking(move |engine| {
            let _turn = turn;
            engine.prune_networks(|network| {
                let record = &network.record;
                until.is_none_or(|limit| record.created_at < limit)
                    && filters::has_labels(&record.labels, &chosen)
            })
        })
        .await?;
    Ok(reply::json(
        StatusCode::OK,
        &NetworksPruned { networks_deleted },
    ))
}
