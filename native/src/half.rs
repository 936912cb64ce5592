use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use iroh::endpoint::VarInt;

use crate::hub::lock;

/// One half of a stream. The lock is held while it is polled and never while it waits.
pub struct Half<T> {
    state: Mutex<HalfState<T>>,
}

struct HalfState<T> {
    stream: T,
    /// This side has given it up.
    ended: bool,
    waiting: Option<Waker>,
}

impl<T> Half<T> {
    pub fn new(stream: T) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(HalfState { stream, ended: false, waiting: None }) })
    }

    /// Polls under the lock, or answers `given_up` as soon as this side has given up.
    pub async fn drive<R>(
        &self,
        given_up: impl Fn() -> R,
        mut poll: impl FnMut(&mut T, &mut Context<'_>) -> Poll<R>,
    ) -> R {
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

    /// Polls once without waiting; nothing where this side has given up.
    pub fn now<R>(&self, poll: impl FnOnce(&mut T, &mut Context<'_>) -> Poll<R>) -> Option<Poll<R>> {
        let mut state = lock(&self.state);
        (!state.ended).then(|| poll(&mut state.stream, &mut Context::from_waker(Waker::noop())))
    }

    /// Looks at the stream.
    pub fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&lock(&self.state).stream)
    }

    /// Ends the half by `how`, once, and whoever waits for it.
    pub fn end(&self, how: impl FnOnce(&mut T)) {
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

pub fn poll_once<F: Future>(future: F, context: &mut Context<'_>) -> Poll<F::Output> {
    pin!(future).poll(context)
}

pub fn code_of(code: f64) -> VarInt {
    VarInt::from_u64(code as u64).unwrap_or(VarInt::MAX)
}
