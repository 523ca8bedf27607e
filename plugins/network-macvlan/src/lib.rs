//! Network driver `macvlan`: an interface of the host shared by containers, each
//! with a hardware address of its own.

mod driver;

use driver::Macvlan;

bulkhead_plugin_api::export_network!(Macvlan);
