//! Network driver `ipvlan`: an interface of the host shared by containers, with
//! its hardware address.

mod driver;

use driver::Ipvlan;

bulkhead_plugin_api::export_network!(Ipvlan);
