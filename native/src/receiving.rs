use std::{
    mem,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use iroh::endpoint::RecvStream;
use tokio::task::yield_now;

use crate::{
    call::{Call, work},
    half::{Half, code_of, poll_once},
    hub::lock,
    problem::Problem,
    value::{Pieces, Value},
};

/// Bytes that are taken from Iroh before anybody asks for them, once somebody has read from the stream.
const AHEAD: usize = 128 * 1024;
/// Packets taken at once, some 256 KiB.
const PIECES: usize = 192;
/// How often those that come meanwhile are waited for: Iroh takes some 100 KiB at a time from the socket, and to wake the thread of Node
/// costs as much as many packets.
const TURNS: usize = 2;

/// The receiving half of a stream. A task takes from Iroh what has come and wakes the thread of Node; that need not wake the task for
/// each read, and finds what came meanwhile as one large piece.
pub struct Receiving {
    half: Arc<Half<RecvStream>>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    pieces: Vec<Bytes>,
    bytes: usize,
    /// A task is at work.
    filling: bool,
    /// What there is to say once the pieces are read.
    end: Option<Result<(), Problem>>,
    reader: Option<Call>,
}

/// Who waits, and what for.
type Answer = (Call, Result<Value, Problem>);

impl Queue {
    fn take(&mut self) -> Pieces {
        self.bytes = 0;
        Pieces(mem::take(&mut self.pieces))
    }

    /// Says how it ended, the first time.
    fn finish(&mut self, end: Result<(), Problem>) {
        self.end.get_or_insert(end);
        self.filling = false;
    }

    /// Whoever waits for what is there now: to be answered once the lock is free.
    fn settle(&mut self) -> Option<Answer> {
        let what = match &self.end {
            _ if !self.pieces.is_empty() => None,
            Some(end) => Some(end.clone().map(|()| Value::Nothing)),
            None => return None,
        };
        let reader = self.reader.take()?;
        Some((reader, what.unwrap_or_else(|| Ok(Value::Bytes(self.take())))))
    }
}

impl Receiving {
    pub fn new(stream: RecvStream) -> Arc<Self> {
        Arc::new(Self { half: Half::new(stream), queue: Mutex::default() })
    }

    /// What has come, or nothing: then the call that it begins comes to the next bytes, or to nothing at the end.
    pub fn read(self: &Arc<Self>, begin: impl FnOnce() -> Call) -> Option<Pieces> {
        let mut queue = lock(&self.queue);
        if !queue.pieces.is_empty() {
            let pieces = queue.take();
            self.fill(&mut queue);
            return Some(pieces);
        }
        queue.reader = Some(begin());
        let waiting = queue.settle();
        self.fill(&mut queue);
        drop(queue);
        answer(waiting);
        None
    }

    /// Reads no more and tells the peer so.
    pub fn stop(&self, code: f64) {
        let mut queue = lock(&self.queue);
        queue.take();
        queue.finish(Ok(()));
        let waiting = queue.settle();
        drop(queue);
        answer(waiting);
        // It fails only where the stream has ended already.
        self.half.end(|stream| drop(stream.stop(code_of(code))));
    }

    fn fill(self: &Arc<Self>, queue: &mut Queue) {
        if queue.end.is_some() || mem::replace(&mut queue.filling, true) {
            return;
        }
        let (task, lost) = (self.clone(), self.clone());
        work(async move { task.take_what_comes().await }, move || {
            lost.came(&mut [], Some(Err(Problem::of("lost"))));
        });
    }

    async fn take_what_comes(&self) {
        let mut pieces = vec![Bytes::new(); PIECES];
        loop {
            let (count, end) = self.gather(&mut pieces).await;
            if !self.came(&mut pieces[..count], end) {
                return;
            }
        }
    }

    /// Waits for the first pieces, and takes those that come at once after them. Iroh tells of an end but once.
    async fn gather(&self, pieces: &mut [Bytes]) -> (usize, Option<Result<(), Problem>>) {
        let mut count = match self.half.drive(|| Ok(None), |stream, context| poll_pieces(stream, context, pieces)).await
        {
            Ok(Some(count)) => count,
            Ok(None) => return (0, Some(Ok(()))),
            Err(problem) => return (0, Some(Err(problem))),
        };
        for _ in 0..TURNS {
            if count == pieces.len() {
                break;
            }
            yield_now().await;
            let rest = &mut pieces[count..];
            match self.half.now(|stream, context| poll_pieces(stream, context, rest)) {
                Some(Poll::Ready(Ok(Some(more)))) => count += more,
                Some(Poll::Ready(Ok(None))) => return (count, Some(Ok(()))),
                Some(Poll::Ready(Err(problem))) => return (count, Some(Err(problem))),
                Some(Poll::Pending) | None => break,
            }
        }
        (count, None)
    }

    /// Keeps the pieces, and the end, for whoever reads; false where nothing more is to be taken now.
    fn came(&self, pieces: &mut [Bytes], end: Option<Result<(), Problem>>) -> bool {
        let mut queue = lock(&self.queue);
        if queue.end.is_some() {
            return false;
        }
        queue.bytes += pieces.iter().map(Bytes::len).sum::<usize>();
        queue.pieces.extend(pieces.iter_mut().map(mem::take));
        queue.end = end;
        let waiting = queue.settle();
        let more = queue.end.is_none() && queue.bytes < AHEAD;
        queue.filling = more;
        drop(queue);
        // The thread of Node comes for more as soon as it hears of these, and must not find the lock held.
        answer(waiting);
        more
    }
}

fn answer(waiting: Option<Answer>) {
    if let Some((reader, result)) = waiting {
        reader.answer(result);
    }
}

fn poll_pieces(
    stream: &mut RecvStream,
    context: &mut Context<'_>,
    pieces: &mut [Bytes],
) -> Poll<Result<Option<usize>, Problem>> {
    poll_once(stream.read_many_chunks(pieces), context).map_err(Problem::from)
}
