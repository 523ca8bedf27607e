//! Containers whose users are not the host's. The module's name is what the
//! virtual machine leaves out: its scratch space is a tmpfs of Linux 6.1,
//! which cannot be mapped (tmpfs can since 6.3).

#[path = "../support/mod.rs"]
mod support;
mod user_namespace;
