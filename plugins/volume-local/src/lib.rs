//! Volume driver `local`: a directory that the host keeps or, with the options
//! `type`, `device` and `o` of `mount(8)`, a filesystem that is mounted while
//! a container uses the volume.

mod driver;

use driver::Local;

bulkhead_plugin_api::export_volume!(Local);
