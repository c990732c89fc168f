//! HashiCorp go-plugin over net/rpc: the plugin side and the host side.
