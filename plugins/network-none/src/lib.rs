//! Network driver `none`: the loopback interface and nothing else.

mod driver;

use driver::Nothing;

bulkhead_plugin_api::export_network!(Nothing);
