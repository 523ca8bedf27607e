//! `bulkhead images --tree`

use bulkhead_api::image::ImageSummary;

use crate::error::Result;
use crate::output::{decimal_size, print, short_id};

const TITLES: [&str; 5] = ["IMAGE", "ID", "DISK USAGE", "CONTENT SIZE", "EXTRA"];
const UNTAGGED: &str = "<untagged>";

/// One image of the tree: its names beneath each other, the rest beside the last.
struct Branch {
    names: Vec<String>,
    cells: [String; 4],
}

/// Shows each image once, with all its names; nameless ones only with `all`.
pub(super) fn show(mut images: Vec<ImageSummary>, all: bool) -> Result<()> {
    images.sort_by_key(|image| std::cmp::Reverse(image.created));
    let named = |image: &ImageSummary| {
        let tags = image.repo_tags.iter();
        tags.filter(|tag| *tag != "<none>:<none>")
            .cloned()
            .collect()
    };
    let branch = |image: &ImageSummary| {
        let mut names: Vec<String> = named(image);
        if names.is_empty() {
            names.push(UNTAGGED.to_owned());
        }
        Branch {
            names,
            cells: [
                short_id(&image.id),
                decimal_size(image.size, 3),
                // What a manifest's blobs take; this kind of store counts none.
                decimal_size(0, 3),
                if image.containers > 0 { "U" } else { "" }.to_owned(),
            ],
        }
    };
    let shown = images
        .iter()
        .filter(|image| all || !named(image).is_empty());
    let branches: Vec<Branch> = shown.map(branch).collect();
    print(text(&branches))
}

fn text(branches: &[Branch]) -> String {
    let length = |text: &str| text.chars().count();
    let names = branches.iter().flat_map(|branch| &branch.names);
    let first = names.map(|name| length(name)).max().unwrap_or(0);
    let first = first.max(length(TITLES[0]));
    let mut widths = [12, length(TITLES[2]), length(TITLES[3]), length(TITLES[4])];
    for branch in branches {
        for (width, cell) in widths.iter_mut().zip(&branch.cells) {
            *width = (*width).max(length(cell));
        }
    }
    let legend = "Info ->  U In Use";
    let whole: usize = first + widths.iter().map(|width| width + 3).sum::<usize>();
    let mut out = format!("{legend:>whole$}\n\n{:<first$}", TITLES[0]);
    for (title, width) in TITLES[1..].iter().zip(widths) {
        out.push_str(&format!("   {title:<width$}"));
    }
    out.push('\n');
    for branch in branches {
        let (last, above) = branch.names.split_last().expect("a branch has a name");
        for name in above {
            out.push_str(name);
            out.push('\n');
        }
        let [id, usage, content, extra] = &branch.cells;
        let [a, b, c, d] = widths;
        let line = format!("{last:<first$}   {id:<a$}   {usage:>b$}   {content:>c$}   {extra:<d$}");
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_shown_once_with_its_names_beneath_each_other() {
        let cells = ["0123456789ab", "1.98MB", "0B", "U"].map(str::to_owned);
        let branch = |names: &[&str]| Branch {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            cells: cells.clone(),
        };
        let expected = "
                                                Info ->  U In Use

IMAGE   ID             DISK USAGE   CONTENT SIZE   EXTRA
two:1
a:22    0123456789ab       1.98MB             0B   U
";
        let shown = text(&[branch(&["two:1", "a:22"])]);
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed(&shown), squeezed(expected));
        assert!(shown.ends_with(expected.split_once("\n\n").unwrap().1));
    }
}
