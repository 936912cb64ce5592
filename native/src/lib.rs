//! Iroh for Node with byte buffers in and out. `src/iroh/native/` is the other half: it gives this the shape that the house knows.
//!
//! A call that takes time gets a number and returns at once; what it came to goes back over one queue (`hub`). Nothing here holds a
//! lock while it waits, so that giving up (`stop`, `reset`, `close`) never waits either.

mod accept;
mod bind;
mod call;
mod connection;
mod endpoint;
mod guest;
mod half;
mod hub;
mod problem;
mod receiving;
mod sending;
mod stream;
mod value;

use napi_derive::napi;

/// Changes whenever what JavaScript and this library say to each other does; the loader takes no other.
#[napi]
pub const ABI: u32 = 3;

/// The version of the `iroh` crate in here.
#[napi]
pub const IROH: &str = "1.0.2";
