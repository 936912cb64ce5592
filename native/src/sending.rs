use std::{
    future::poll_fn,
    mem,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use iroh::endpoint::SendStream;

use crate::{
    call::work,
    half::{Half, code_of, poll_once},
    hub::lock,
    problem::Problem,
};

/// Bytes that may wait for Iroh before whoever writes has to wait.
const WAITING: usize = 256 * 1024;

/// The sending half of a stream. What is written goes into a queue, from which a task hands it to Iroh: Iroh's own lock is held while
/// packets are made, and the thread of Node must not wait for that.
pub struct Sending {
    half: Arc<Half<SendStream>>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    pieces: Vec<Bytes>,
    /// Of all that Iroh has not taken.
    bytes: usize,
    /// A task is at work.
    emptying: bool,
    end: Option<End>,
    problem: Option<Problem>,
    writer: Option<Waker>,
}

/// What this side has said last.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Finished,
    Reset,
}

impl Queue {
    fn fail(&mut self, problem: Problem) {
        self.emptying = false;
        self.problem = Some(problem);
        self.empty();
    }

    fn empty(&mut self) {
        self.pieces.clear();
        self.bytes = 0;
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

impl Sending {
    pub fn new(stream: SendStream) -> Arc<Self> {
        Arc::new(Self { half: Half::new(stream), queue: Mutex::default() })
    }

    /// Takes the bytes; true where more may come at once. Else [`Self::room`] says when, or what is wrong.
    pub fn write(self: &Arc<Self>, bytes: Bytes) -> bool {
        let mut queue = lock(&self.queue);
        if queue.end.is_some() || queue.problem.is_some() {
            return false;
        }
        queue.bytes += bytes.len();
        queue.pieces.push(bytes);
        if !mem::replace(&mut queue.emptying, true) {
            let (task, lost) = (self.clone(), self.clone());
            work(async move { task.hand_over().await }, move || lock(&lost.queue).fail(Problem::of("lost")));
        }
        queue.bytes <= WAITING
    }

    /// Waits until more may be written.
    pub async fn room(&self) -> Result<(), Problem> {
        poll_fn(|context| self.poll_room(context)).await
    }

    fn poll_room(&self, context: &Context<'_>) -> Poll<Result<(), Problem>> {
        let mut queue = lock(&self.queue);
        if let Some(problem) = &queue.problem {
            return Poll::Ready(Err(problem.clone()));
        }
        if queue.end.is_some() {
            return Poll::Ready(Err(Problem::of("closed")));
        }
        if queue.bytes <= WAITING {
            return Poll::Ready(Ok(()));
        }
        queue.writer = Some(context.waker().clone());
        Poll::Pending
    }

    /// Hands over what waits, until nothing does.
    async fn hand_over(&self) {
        while let Some(mut pieces) = self.next() {
            let mut left = &mut pieces[..];
            while !left.is_empty() {
                let step = self.half.drive(
                    || Err(Problem::of("closed")),
                    |stream, context| poll_once(stream.write_many_chunks(&mut left), context).map_err(Problem::from),
                );
                match step.await {
                    Ok(count) => self.handed(count),
                    Err(problem) => return lock(&self.queue).fail(problem),
                }
            }
        }
    }

    /// What waits; nothing where the task is done.
    fn next(&self) -> Option<Vec<Bytes>> {
        let mut queue = lock(&self.queue);
        if queue.pieces.is_empty() {
            queue.emptying = false;
            if queue.end == Some(End::Finished) {
                drop(queue);
                self.half.end(|stream| drop(stream.finish()));
            }
            return None;
        }
        Some(mem::take(&mut queue.pieces))
    }

    fn handed(&self, count: usize) {
        let mut queue = lock(&self.queue);
        queue.bytes = queue.bytes.saturating_sub(count);
        if queue.bytes <= WAITING {
            queue.wake();
        }
    }

    /// Ends the bytes cleanly after those written, those that wait too. False where the stream has ended already.
    pub fn finish(&self) -> bool {
        let mut queue = lock(&self.queue);
        if queue.end.is_some() {
            return false;
        }
        queue.end = Some(End::Finished);
        if queue.emptying && queue.problem.is_none() {
            return true;
        }
        drop(queue);
        let mut finished = false;
        self.half.end(|stream| finished = stream.finish().is_ok());
        finished
    }

    /// Settles once the peer's machine has all that was finished, or can never have it.
    pub async fn delivered(&self) {
        let stopped = self.half.look(SendStream::stopped);
        // How it ended is heard elsewhere.
        let _ = stopped.await;
    }

    /// Gives up sending and tells the peer so; what was finished is no longer taken back.
    pub fn reset(&self, code: f64) {
        let mut queue = lock(&self.queue);
        if queue.end.is_some() {
            return;
        }
        queue.end = Some(End::Reset);
        queue.empty();
        drop(queue);
        self.half.end(|stream| drop(stream.reset(code_of(code))));
    }
}
