use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use iroh::endpoint::{RecvStream, SendStream, VarInt};
use napi::{Env, bindgen_prelude::Uint8Array};
use napi_derive::napi;

use crate::{
    hub::{Shared, lock},
    problem::Problem,
    value::Value,
};

/// Packets taken in one read: some 256 KiB, for one packet a read would cost far more than its bytes.
const PIECES: usize = 192;

/// Code of a stream that was collected before it ended.
const FORGOTTEN: u32 = 1;

/// One half of a stream. The lock is held while it is polled and never while it waits.
struct Half<T> {
    state: Mutex<HalfState<T>>,
}

struct HalfState<T> {
    stream: T,
    /// This side has given it up.
    ended: bool,
    waiting: Option<Waker>,
}

impl<T> Half<T> {
    fn new(stream: T) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(HalfState { stream, ended: false, waiting: None }) })
    }

    /// Polls under the lock, or answers `given_up` as soon as this side has given up.
    async fn drive<R>(&self, given_up: impl Fn() -> R, mut poll: impl FnMut(&mut T, &mut Context<'_>) -> Poll<R>) -> R {
        poll_fn(|context| {
            let mut state = lock(&self.state);
            if state.ended {
                return Poll::Ready(given_up());
            }
            let polled = poll(&mut state.stream, context);
            state.waiting = polled.is_pending().then(|| context.waker().clone());
            polled
        })
        .await
    }

    /// Polls once without waiting; false where this side has given up.
    fn now(&self, poll: impl FnOnce(&mut T, &mut Context<'_>) -> bool) -> bool {
        let mut state = lock(&self.state);
        !state.ended && poll(&mut state.stream, &mut Context::from_waker(Waker::noop()))
    }

    /// Ends the half by `how`, once, and whoever waits for it.
    fn end(&self, how: impl FnOnce(&mut T)) {
        let mut state = lock(&self.state);
        if state.ended {
            return;
        }
        state.ended = true;
        how(&mut state.stream);
        if let Some(waiting) = state.waiting.take() {
            waiting.wake();
        }
    }
}

fn poll_once<F: Future>(future: F, context: &mut Context<'_>) -> Poll<F::Output> {
    pin!(future).poll(context)
}

async fn write_all(send: Option<Arc<Half<SendStream>>>, mut rest: Vec<Bytes>) -> Result<Value, Problem> {
    let Some(send) = send else { return Err(Problem::of("closed")) };
    let mut left = &mut rest[..];
    while !left.is_empty() {
        send.drive(
            || Err(Problem::of("closed")),
            |stream, context| poll_once(stream.write_many_chunks(&mut left), context).map_err(Problem::from),
        )
        .await?;
    }
    Ok(Value::Nothing)
}

fn code_of(code: f64) -> VarInt {
    VarInt::from_u64(code as u64).unwrap_or(VarInt::MAX)
}

/// A stream, or one half of it.
#[napi]
pub struct Stream {
    shared: Arc<Shared>,
    send: Option<Arc<Half<SendStream>>>,
    recv: Option<Arc<Half<RecvStream>>>,
}

#[napi]
impl Stream {
    pub(crate) fn of(shared: Arc<Shared>, send: Option<SendStream>, recv: Option<RecvStream>) -> Self {
        Self { shared, send: send.map(Half::new), recv: recv.map(Half::new) }
    }

    /// Comes to the next bytes, or to nothing at the end and once it was stopped.
    #[napi]
    pub fn read(&self, env: Env, id: u32) {
        let recv = self.recv.clone();
        self.shared.run(&env, id, async move {
            let Some(recv) = recv else { return Err(Problem::of("closed")) };
            let mut pieces = vec![Bytes::new(); PIECES];
            let count = recv
                .drive(
                    || Ok(None),
                    |stream, context| poll_once(stream.read_many_chunks(&mut pieces), context).map_err(Problem::from),
                )
                .await?;
            let Some(count) = count else { return Ok(Value::Nothing) };
            pieces.truncate(count);
            Ok(Value::Bytes(pieces))
        });
    }

    /// Reads no more and tells the peer so.
    #[napi]
    pub fn stop(&self, code: f64) {
        if let Some(recv) = &self.recv {
            // It fails only where the stream has ended already.
            recv.end(|stream| drop(stream.stop(code_of(code))));
        }
    }

    /// Takes all bytes at once where there is room for them, and answers true: then no call comes back. Else it comes to nothing once all
    /// are taken. They are copied before this returns.
    #[napi]
    pub fn write(&self, env: Env, id: u32, bytes: Uint8Array) -> bool {
        let mut bytes = [Bytes::copy_from_slice(&bytes)];
        let mut left = &mut bytes[..];
        // An error is left to the call that comes back with it.
        if let Some(send) = &self.send
            && send.now(|stream, context| poll_once(stream.write_many_chunks(&mut left), context).is_ready())
            && left.is_empty()
        {
            return true;
        }
        let (send, rest) = (self.send.clone(), left.to_vec());
        self.shared.run(&env, id, async move { write_all(send, rest).await });
        false
    }

    /// Ends the bytes cleanly after those written. False where the stream has ended already.
    #[napi]
    pub fn finish(&self) -> bool {
        let Some(send) = &self.send else { return false };
        let mut finished = false;
        // What waits to be sent stays: giving up no longer can take it back.
        send.end(|stream| finished = stream.finish().is_ok());
        finished
    }

    /// Comes to nothing once the peer's machine has all that was finished, or can never have it.
    #[napi]
    pub fn delivered(&self, env: Env, id: u32) {
        let send = self.send.clone();
        self.shared.run(&env, id, async move {
            let Some(send) = send else { return Ok(Value::Nothing) };
            let stopped = lock(&send.state).stream.stopped();
            // How it ended is heard elsewhere.
            let _ = stopped.await;
            Ok(Value::Nothing)
        });
    }

    /// Gives up sending and tells the peer so.
    #[napi]
    pub fn reset(&self, code: f64) {
        if let Some(send) = &self.send {
            send.end(|stream| drop(stream.reset(code_of(code))));
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
