//! `bulkhead stats`: what containers use, drawn again and again, or once.

mod usage;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bulkhead_api::Filters;
use bulkhead_api::container::ContainerSummary;
use bulkhead_api::event::EventMessage;
use bulkhead_api::query::{EventsQuery, ListQuery, StatsQuery};
use bulkhead_api::route::Route;
use bulkhead_api::stats::Stats;
use clap::Args;

use self::usage::{COLUMNS, HEADINGS};
use crate::client::{Call, Client, Lines};
use crate::error::Result;
use crate::output::{Format, Screen, print, text};
use crate::template::Row;

/// How often the screen is drawn.
const INTERVAL: Duration = Duration::from_millis(500);

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] [CONTAINER...]")]
pub(crate) struct StatsArgs {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    all: bool,
    /// table, json, or text with {{.Name}} and the like
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print one result and stop
    #[arg(long)]
    no_stream: bool,
    /// Do not truncate output
    #[arg(long)]
    no_trunc: bool,
    #[arg(value_name = "CONTAINER", hide = true)]
    containers: Vec<String>,
}

/// What is known of each container, in the order in which they came.
type Board = Arc<Mutex<Vec<Entry>>>;

struct Entry {
    /// As the user named it, else its id.
    name: String,
    id: String,
    stats: Option<Stats>,
    /// Ends the stream of its numbers.
    stream: Option<tokio::task::AbortHandle>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream {
            stream.abort();
        }
    }
}

pub(crate) async fn execute(client: &Client, args: &StatsArgs) -> Result<u8> {
    let form = client
        .config()
        .option("statsFormat", args.format.as_deref())?;
    let format = Format::parse(Some(&form))?;
    let watches = args.containers.is_empty();
    // Before the list, so that no container is missed in between.
    let mut events = match watches && !args.no_stream {
        true => Some(watch(client, args.all).await?),
        false => None,
    };
    let names = match watches {
        true => running(client, args.all).await?,
        false => args.containers.clone(),
    };
    if args.no_stream {
        return once(client, args, &format, &names).await;
    }
    let board = Board::default();
    for name in &names {
        follow(client, &board, name).await?;
    }
    let mut screen = Screen::open()?;
    let mut tick = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            signal = screen.ended() => return Ok(128 + signal),
            event = next(&mut events) => match event? {
                Some(event) => changed(client, &board, &event).await,
                None => return Ok(0),
            },
            _ = tick.tick() => {
                let rows = args.rows(&board);
                // Nothing but the first numbers is worth a first screen.
                if !rows.is_empty() || watches {
                    screen.draw(&text(&rows, &format, HEADINGS, COLUMNS)?)?;
                }
                let board = board.lock().unwrap_or_else(PoisonError::into_inner);
                if !watches && board.iter().all(Entry::has_ended) {
                    return Ok(0);
                }
            }
        }
    }
}

/// The next event, or none ever if nobody listens.
async fn next(events: &mut Option<Lines>) -> Result<Option<EventMessage>> {
    match events {
        None => std::future::pending().await,
        Some(lines) => lines.json().await,
    }
}

async fn once(client: &Client, args: &StatsArgs, format: &Format, names: &[String]) -> Result<u8> {
    let query = StatsQuery {
        stream: false,
        one_shot: false,
    };
    let ask = async |name: &String| -> Result<Stats> {
        let call = Call::new(Route::ContainerStats(name.clone())).params(&query);
        client.json(call).await
    };
    // The daemon takes a second over each, so that all are asked at once.
    let answers = futures_util::future::join_all(names.iter().map(ask)).await;
    let (mut rows, mut code) = (Vec::new(), 0);
    for (name, answer) in names.iter().zip(answers) {
        match answer {
            Ok(stats) => rows.push(usage::row(name, &stats.id, Some(&stats), args.no_trunc)),
            // It ended in between.
            Err(error) if error.is_not_found() && args.containers.is_empty() => {}
            Err(error) => {
                crate::output::complain(&error);
                code = 1;
            }
        }
    }
    if code == 0 || !rows.is_empty() {
        print(text(&rows, format, HEADINGS, COLUMNS)?)?;
    }
    Ok(code)
}

async fn running(client: &Client, all: bool) -> Result<Vec<String>> {
    let query = ListQuery {
        all,
        ..ListQuery::default()
    };
    let call = Call::new(Route::ContainerList).params(&query);
    let containers: Vec<ContainerSummary> = client.json(call).await?;
    Ok(containers
        .into_iter()
        .map(|container| container.id)
        .collect())
}

async fn watch(client: &Client, all: bool) -> Result<Lines> {
    let mut filters = Filters::default();
    filters.add("type", "container");
    let actions: &[&str] = match all {
        true => &["create", "destroy"],
        false => &["start", "die"],
    };
    actions
        .iter()
        .for_each(|action| filters.add("event", *action));
    let query = EventsQuery {
        filters,
        ..EventsQuery::default()
    };
    let call = Call::new(Route::Events).params(&query);
    client.stream(call).await.map(Lines::new)
}

/// A container came or went.
async fn changed(client: &Client, board: &Board, event: &EventMessage) {
    let id = &event.actor.id;
    match event.action.as_str() {
        "create" | "start" => {
            let known = lock(board).iter().any(|entry| entry.id == *id);
            if !known {
                // A container that has ended by now has no numbers to show.
                let _ = follow(client, board, id).await;
            }
        }
        _ => lock(board).retain(|entry| entry.id != *id),
    }
}

fn lock(board: &Board) -> std::sync::MutexGuard<'_, Vec<Entry>> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets a container's numbers come in as long as it lives.
async fn follow(client: &Client, board: &Board, name: &str) -> Result<()> {
    let query = StatsQuery {
        stream: true,
        one_shot: false,
    };
    let call = Call::new(Route::ContainerStats(name.to_owned())).params(&query);
    let mut lines = Lines::new(client.stream(call).await?);
    lock(board).push(Entry {
        name: name.to_owned(),
        id: String::new(),
        stats: None,
        stream: None,
    });
    let (kept, name) = (board.clone(), name.to_owned());
    let owner = name.clone();
    let task = tokio::spawn(async move {
        while let Ok(Some(stats)) = lines.json::<Stats>().await {
            if let Some(entry) = lock(&kept).iter_mut().find(|entry| entry.name == name) {
                entry.id.clone_from(&stats.id);
                entry.stats = Some(stats);
            }
        }
    });
    if let Some(entry) = lock(board).iter_mut().find(|entry| entry.name == owner) {
        entry.stream = Some(task.abort_handle());
        if entry.id.is_empty() {
            entry.id = owner;
        }
    }
    Ok(())
}

impl Entry {
    fn has_ended(&self) -> bool {
        self.stream
            .as_ref()
            .is_none_or(|stream| stream.is_finished())
    }
}

impl StatsArgs {
    fn rows(&self, board: &Board) -> Vec<Row> {
        let row =
            |entry: &Entry| usage::row(&entry.name, &entry.id, entry.stats.as_ref(), self.no_trunc);
        lock(board).iter().map(row).collect()
    }
}
