use std::ptr;

use bytes::Bytes;
use napi::{Result, bindgen_prelude::ToNapiValue, check_status, sys};
use napi_derive::napi;

use crate::{connection::Connection, endpoint::Endpoint, problem::Problem, stream::Stream};

/// How a connection ended.
#[napi(object)]
#[derive(Clone)]
pub struct End {
    /// `local`, `peer` or `lost`.
    pub kind: String,
    pub code: f64,
    /// The peer's own words with `peer`.
    pub reason: String,
}

/// Which way a connection's bytes go.
#[napi(object)]
pub struct Path {
    /// `direct`, `relay` or `unknown`.
    pub kind: String,
    pub address: String,
    pub rtt_ms: f64,
}

/// What a call can come to.
pub enum Value {
    Nothing,
    Bytes(Pieces),
    Stream(Stream),
    Connection(Connection),
    Endpoint(Endpoint),
    End(End),
    Path(Path),
}

/// Bytes as they came.
pub struct Pieces(pub Vec<Bytes>);

/// A call that has come to something, or news.
pub struct Done {
    pub id: u32,
    pub result: std::result::Result<Value, Problem>,
    pub call: bool,
}

/// What JavaScript hears at once: number, whether it went well, value or problem; and so on.
pub struct Batch(pub Vec<Done>);

impl ToNapiValue for Value {
    unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> Result<sys::napi_value> {
        unsafe {
            match value {
                Self::Nothing => <()>::to_napi_value(env, ()),
                Self::Bytes(it) => Pieces::to_napi_value(env, it),
                Self::Stream(it) => Stream::to_napi_value(env, it),
                Self::Connection(it) => Connection::to_napi_value(env, it),
                Self::Endpoint(it) => Endpoint::to_napi_value(env, it),
                Self::End(it) => End::to_napi_value(env, it),
                Self::Path(it) => Path::to_napi_value(env, it),
            }
        }
    }
}

impl ToNapiValue for Batch {
    unsafe fn to_napi_value(env: sys::napi_env, Batch(all): Self) -> Result<sys::napi_value> {
        let mut array = ptr::null_mut();
        check_status!(unsafe { sys::napi_create_array_with_length(env, all.len() * 3, &mut array) })?;
        let mut at = 0;
        for Done { id, result, .. } in all {
            let good = result.is_ok();
            let value = unsafe {
                match result {
                    Ok(value) => Value::to_napi_value(env, value)?,
                    Err(problem) => Problem::to_napi_value(env, problem)?,
                }
            };
            let entry = unsafe { [u32::to_napi_value(env, id)?, bool::to_napi_value(env, good)?, value] };
            for element in entry {
                check_status!(unsafe { sys::napi_set_element(env, array, at, element) })?;
                at += 1;
            }
        }
        Ok(array)
    }
}

impl ToNapiValue for Pieces {
    unsafe fn to_napi_value(env: sys::napi_env, Self(pieces): Self) -> Result<sys::napi_value> {
        buffer(env, &pieces)
    }
}

/// The pieces in one buffer of Node's own, so that its memory is counted and collected there.
fn buffer(env: sys::napi_env, pieces: &[Bytes]) -> Result<sys::napi_value> {
    let length = pieces.iter().map(Bytes::len).sum();
    let mut data = ptr::null_mut();
    let mut value = ptr::null_mut();
    check_status!(unsafe { sys::napi_create_buffer(env, length, &mut data, &mut value) })?;
    let mut at = data.cast::<u8>();
    for piece in pieces {
        // SAFETY: the buffer is as long as all pieces together.
        unsafe {
            ptr::copy_nonoverlapping(piece.as_ptr(), at, piece.len());
            at = at.add(piece.len());
        }
    }
    Ok(value)
}
