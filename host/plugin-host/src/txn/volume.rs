//! A volume driver's transaction: every word of a mount is one the user gave.

use bulkhead_model::volume::{VolumeLayout, VolumeMount, VolumeRequest};
use bulkhead_wire::volume::Order;

use super::fault::Refusal;
use super::storage::Judged;
use crate::grant::{Grant, Grants};

/// The transaction of one call.
pub struct VolumeTxn<'a> {
    grants: &'a Grants,
    request: &'a VolumeRequest,
    layout: VolumeLayout,
    denied: Option<Grant>,
}

impl<'a> VolumeTxn<'a> {
    /// An empty transaction for `request`.
    pub fn new(grants: &'a Grants, request: &'a VolumeRequest) -> Self {
        Self {
            grants,
            request,
            layout: VolumeLayout::default(),
            denied: None,
        }
    }

    /// The first grant that was missing.
    pub fn denied(&self) -> Option<Grant> {
        self.denied
    }

    /// What was ordered; only when the export returned ok.
    pub fn into_layout(self) -> VolumeLayout {
        self.layout
    }

    /// Takes an order into the layout, or says why not.
    pub fn order(&mut self, order: Order) -> Judged<Grant> {
        match order {
            Order::Mount(fstype, source, options) => {
                self.granted(Grant::MountFilesystem)?;
                self.value("filesystem type", &fstype)?;
                self.value("source", &source)?;
                self.parts(&options)?;
                self.mount(VolumeMount::Filesystem {
                    fstype,
                    source,
                    options,
                })?;
                Ok(Grant::MountFilesystem)
            }
            Order::Bind(source, options) => {
                self.granted(Grant::BindHost)?;
                self.value("source", &source)?;
                self.parts(&options)?;
                if !source.starts_with('/') {
                    return Err(Refusal::invalid(format!(
                        "{} is not an absolute path",
                        shown(&source)
                    )));
                }
                self.mount(VolumeMount::Bind { source, options })?;
                Ok(Grant::BindHost)
            }
            Order::Limit(bytes) => {
                self.granted(Grant::Limit)?;
                if !self.request.quota {
                    return Err(Refusal::Failed {
                        code: "unsupported",
                        message: "the host cannot hold a directory to a size here".to_owned(),
                    });
                }
                self.layout.limit = Some(bytes);
                Ok(Grant::Limit)
            }
        }
    }

    fn granted(&mut self, grant: Grant) -> Judged {
        if self.grants.has(grant) {
            return Ok(());
        }
        self.denied.get_or_insert(grant);
        Err(Refusal::NotGranted(grant))
    }

    fn mount(&mut self, mount: VolumeMount) -> Judged {
        if self.layout.mount.is_some() {
            return Err(Refusal::invalid("a volume has one mount"));
        }
        self.layout.mount = Some(mount);
        Ok(())
    }

    fn value(&self, what: &str, word: &str) -> Judged {
        let given = self.request.options.values().any(|value| value == word);
        if given && !word.is_empty() && !word.contains('\0') {
            return Ok(());
        }
        Err(Refusal::out_of_reach(format!(
            "the user did not give the {what} {}",
            shown(word)
        )))
    }

    fn parts(&self, options: &[String]) -> Judged {
        let given = |word: &String| {
            let mut values = self.request.options.values();
            values.any(|value| value.split(',').any(|part| part == word))
        };
        match options.iter().find(|o| !given(o) || o.contains('\0')) {
            None => Ok(()),
            Some(word) => Err(Refusal::out_of_reach(format!(
                "the user did not give the option {}",
                shown(word)
            ))),
        }
    }
}

fn shown(word: &str) -> String {
    format!("{:?}", word.chars().take(80).collect::<String>())
}

#[cfg(test)]
mod tests;
