//! Go's `net/rpc` on one stream: requests and replies with numbers, in gob.
//!
//! A request is a [`RequestHeader`] and the argument, a reply a [`ResponseHeader`] and the value
//! (an empty struct if the header names an error). Calls run side by side, replies come in the
//! order of completion.

mod client;
mod incoming;
mod server;

pub use client::Client;
pub use incoming::Incoming;
pub use server::{Call, Capacity, Refusal, Service, serve};

use crate::gob_struct;

/// Most calls under way at once. Argo's controller has 30 workers that call; a peer that wants
/// more than eight times as many is broken.
pub const MAX_CALLS: usize = 256;

/// Most memory that the arguments of all calls under way may need, in bytes. Objects are at most
/// 1.5 MiB in etcd; 30 calls of twice that, decoded, stay below.
pub const MAX_ARGUMENT_BYTES: usize = 128 << 20;

/// Longest error text that is sent to a peer, in bytes.
pub const MAX_ERROR_BYTES: usize = 8 << 10;

/// `net/rpc, Request`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestHeader {
    /// `Service.Method`.
    pub method: String,
    /// Chosen by the client, repeated in the reply.
    pub seq: u64,
}

gob_struct!(RequestHeader as "Request" { method: "ServiceMethod", seq: "Seq" });

/// `net/rpc, Response`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseHeader {
    /// The request's method.
    pub method: String,
    /// The request's number.
    pub seq: u64,
    /// Empty, or why the call failed.
    pub error: String,
}

gob_struct!(ResponseHeader as "Response" { method: "ServiceMethod", seq: "Seq", error: "Error" });
