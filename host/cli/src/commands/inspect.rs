//! `bulkhead inspect`, and that of containers, images and other objects.

use bulkhead_api::query::{ImageInspectQuery, InspectQuery, NetworkInspectQuery};
use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::error::{Error, Result};
use crate::output::{FormatError, print};
use crate::template::{Data, Labels, Row, Template};

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] NAME|ID [NAME|ID...]")]
pub(crate) struct InspectArgs {
    /// json, or text with {{.State.Status}} and the like
    #[arg(short, long)]
    format: Option<String>,
    /// Display total file sizes of containers
    #[arg(short, long)]
    size: bool,
    /// Only look for this: container, image, network or volume
    #[arg(long = "type", value_name = "TYPE", value_parser = kind)]
    kind: Option<Kind>,
    #[arg(value_name = "NAME|ID", required = true, hide = true)]
    names: Vec<String>,
}

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] CONTAINER [CONTAINER...]")]
pub(crate) struct ContainerInspectArgs {
    /// json, or text with {{.State.Status}} and the like
    #[arg(short, long)]
    format: Option<String>,
    /// Display total file sizes
    #[arg(short, long)]
    size: bool,
    #[arg(value_name = "CONTAINER", required = true, hide = true)]
    names: Vec<String>,
}

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] IMAGE [IMAGE...]")]
pub(crate) struct ImageInspectArgs {
    /// json, or text with {{.Os}} and the like
    #[arg(short, long)]
    format: Option<String>,
    #[arg(value_name = "IMAGE", required = true, hide = true)]
    names: Vec<String>,
}

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Container,
    Image,
    Network,
    /// With what a diagnosis needs.
    NetworkInDetail,
    Volume,
}

impl Kind {
    /// In the order in which a name of no stated kind is looked for.
    const ALL: [Kind; 4] = [Kind::Container, Kind::Image, Kind::Network, Kind::Volume];

    fn name(self) -> &'static str {
        match self {
            Kind::Container => "container",
            Kind::Image => "image",
            Kind::Network | Kind::NetworkInDetail => "network",
            Kind::Volume => "volume",
        }
    }

    fn call(self, name: &str, size: bool) -> Call {
        match self {
            Kind::Container => {
                Call::new(Route::ContainerInspect(name.to_owned())).params(&InspectQuery { size })
            }
            Kind::Image => Call::new(Route::ImageInspect(name.to_owned()))
                .params(&ImageInspectQuery::default()),
            Kind::Network | Kind::NetworkInDetail => {
                let query = NetworkInspectQuery {
                    verbose: self == Kind::NetworkInDetail,
                    ..NetworkInspectQuery::default()
                };
                Call::new(Route::NetworkInspect(name.to_owned())).params(&query)
            }
            Kind::Volume => Call::new(Route::VolumeInspect(name.to_owned())),
        }
    }
}

fn kind(text: &str) -> Result<Kind, String> {
    let found = Kind::ALL.into_iter().find(|kind| kind.name() == text);
    found.ok_or_else(|| format!("{text:?} is not a valid value for --type"))
}

/// What is looked for, and how it is shown.
struct Search<'a> {
    kinds: &'a [Kind],
    size: bool,
    format: Option<&'a str>,
}

pub(crate) async fn execute(client: &Client, args: &InspectArgs) -> Result<u8> {
    let search = Search {
        kinds: args.kind.as_ref().map_or(&Kind::ALL, std::slice::from_ref),
        size: args.size,
        format: args.format.as_deref(),
    };
    search.show(client, &args.names).await
}

/// `bulkhead container inspect`
pub(crate) async fn containers(client: &Client, args: &ContainerInspectArgs) -> Result<u8> {
    let search = Search {
        kinds: &[Kind::Container],
        size: args.size,
        format: args.format.as_deref(),
    };
    search.show(client, &args.names).await
}

/// `bulkhead image inspect`
pub(crate) async fn images(client: &Client, args: &ImageInspectArgs) -> Result<u8> {
    of_kind(client, Kind::Image, args.format.as_deref(), &args.names).await
}

/// Shows objects of one kind.
pub(crate) async fn of_kind(
    client: &Client,
    kind: Kind,
    format: Option<&str>,
    names: &[String],
) -> Result<u8> {
    let search = Search {
        kinds: &[kind],
        size: false,
        format,
    };
    search.show(client, names).await
}

impl Search<'_> {
    async fn show(&self, client: &Client, names: &[String]) -> Result<u8> {
        let (mut found, mut errors) = (Vec::new(), Vec::new());
        // Before any question: a template that cannot be read is an error at once.
        template(self.format)?;
        for name in names {
            match self.find(client, name).await {
                Ok(value) => found.push(value),
                Err(error) => errors.push(error),
            }
        }
        show_found(self.format, found, &errors)
    }

    /// The first object of that name. The answer is shown as it is, so it is
    /// not decoded into types.
    async fn find(&self, client: &Client, name: &str) -> Result<Data> {
        for kind in self.kinds {
            match client.data(kind.call(name, self.size)).await {
                Ok(answer) => return Ok(answer),
                Err(error) if error.is_not_found() && self.kinds.len() > 1 => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Option(format!("Error: No such object: {name}")))
    }
}

fn template(format: Option<&str>) -> Result<Option<Template>, FormatError> {
    let text = format.filter(|text| !text.is_empty() && *text != "json");
    text.map(Template::parse)
        .transpose()
        .map_err(FormatError::Inspect)
}

/// Shows objects in the chosen form, and the errors of those not found.
pub(crate) fn show_found(format: Option<&str>, found: Vec<Data>, errors: &[Error]) -> Result<u8> {
    match (template(format)?, format) {
        (Some(template), _) => {
            for data in found {
                let row = Row {
                    data: data.shaped(),
                    labels: Labels::new(),
                };
                let text = template.render(&row).map_err(FormatError::Inspect)?;
                print(text + "\n")?;
            }
        }
        (None, Some("json")) => print(format_args!("{}\n", Data::List(found).to_json()))?,
        (None, _) => print(format_args!("{}\n", indented(&Data::List(found))))?,
    }
    errors.iter().for_each(crate::output::complain);
    Ok(u8::from(!errors.is_empty()))
}

/// Four spaces a level, as docker has it.
fn indented(value: &Data) -> String {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    serde::Serialize::serialize(value, &mut serializer).expect("a JSON value always serializes");
    String::from_utf8(out).expect("JSON is UTF-8")
}
