use std::sync::Arc;

use bytes::Bytes;
use iroh::endpoint::{RecvStream, SendStream};
use napi::{Env, bindgen_prelude::Uint8Array};
use napi_derive::napi;

use crate::{
    hub::Shared,
    problem::Problem,
    receiving::Receiving,
    sending::Sending,
    value::{Pieces, Value},
};

/// Code of a stream that was collected before it ended.
const FORGOTTEN: u32 = 1;

/// A stream, or one half of it.
#[napi]
pub struct Stream {
    shared: Arc<Shared>,
    send: Option<Arc<Sending>>,
    recv: Option<Arc<Receiving>>,
}

#[napi]
impl Stream {
    pub(crate) fn of(shared: Arc<Shared>, send: Option<SendStream>, recv: Option<RecvStream>) -> Self {
        Self { shared, send: send.map(Sending::new), recv: recv.map(Receiving::new) }
    }

    /// The bytes that are there: then no call comes back. Else it comes to the next bytes, or to nothing at the end and once it was stopped.
    #[napi]
    pub fn read(&self, env: Env, id: u32) -> Option<Pieces> {
        let begin = || self.shared.begin(&env, id);
        let Some(recv) = &self.recv else {
            begin().answer(Err(Problem::of("closed")));
            return None;
        };
        recv.read(begin)
    }

    /// Reads no more and tells the peer so.
    #[napi]
    pub fn stop(&self, code: f64) {
        if let Some(recv) = &self.recv {
            recv.stop(code);
        }
    }

    /// Takes all bytes, and answers true where more may be written at once: then no call comes back. Else it comes to nothing once there
    /// is room again. They are copied before this returns.
    #[napi]
    pub fn write(&self, env: Env, id: u32, bytes: Uint8Array) -> bool {
        if let Some(send) = &self.send
            && send.write(Bytes::copy_from_slice(&bytes))
        {
            return true;
        }
        let send = self.send.clone();
        self.shared.run(&env, id, async move {
            match send {
                Some(send) => send.room().await.map(|()| Value::Nothing),
                None => Err(Problem::of("closed")),
            }
        });
        false
    }

    /// Ends the bytes cleanly after those written. False where the stream has ended already.
    #[napi]
    pub fn finish(&self) -> bool {
        self.send.as_ref().is_some_and(|send| send.finish())
    }

    /// Comes to nothing once the peer's machine has all that was finished, or can never have it.
    #[napi]
    pub fn delivered(&self, env: Env, id: u32) {
        let send = self.send.clone();
        self.shared.run(&env, id, async move {
            if let Some(send) = send {
                send.delivered().await;
            }
            Ok(Value::Nothing)
        });
    }

    /// Gives up sending and tells the peer so.
    #[napi]
    pub fn reset(&self, code: f64) {
        if let Some(send) = &self.send {
            send.reset(code);
        }
    }
}

/// A stream that was forgotten must not look to the peer like one that ended well; one that has ended takes no notice.
impl Drop for Stream {
    fn drop(&mut self) {
        self.reset(FORGOTTEN.into());
        self.stop(FORGOTTEN.into());
    }
}
