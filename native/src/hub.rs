use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::available_parallelism,
    time::Duration,
};

use napi::{
    Env, Result, Status, Unknown,
    bindgen_prelude::Function,
    sys,
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};
use napi_derive::napi;
use tokio::{
    runtime::{Builder, Runtime},
    task::AbortHandle,
    time::timeout,
};

use crate::{
    call::Call,
    problem::Problem,
    value::{Batch, Done, Value},
};

/// Threads that live as long as the process: a worker thread of Node that ends takes none of them with it.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(threads())
        .thread_name("iroh")
        .enable_all()
        .build()
        .expect("threads can be started")
});

/// Half the cores, for Node needs some too. With fewer threads fewer wake each other, and one alone carries 500 MB/s.
fn threads() -> usize {
    available_parallelism().map_or(1, |cores| (cores.get() / 2).clamp(1, MOST_THREADS))
}

const MOST_THREADS: usize = 4;

/// How long an ending thread waits for its endpoints to say goodbye.
const GOODBYE: Duration = Duration::from_millis(500);

type Wake = ThreadsafeFunction<(), Unknown<'static>, Batch, Status, false, true>;

/// What calls of one thread of Node came to, on its way back to it.
pub struct Shared {
    done: Mutex<Vec<Done>>,
    wake: OnceLock<Wake>,
    /// Calls under way: while there are any, they keep the thread from ending by itself.
    pending: AtomicUsize,
    /// The thread is ending: nothing may reach it any more.
    over: AtomicBool,
    calls: Mutex<HashMap<u32, AbortHandle>>,
    endpoints: Mutex<HashMap<u32, iroh::Endpoint>>,
}

/// Locks although another thread panicked under the lock: what is kept here stays whole.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Runs a call that JavaScript knows by a number. Only from the thread of Node.
    pub fn run<F>(self: &Arc<Self>, env: &Env, id: u32, call: F)
    where
        F: Future<Output = std::result::Result<Value, Problem>> + Send + 'static,
    {
        RUNTIME.spawn(self.begin(env, id).finish(call));
    }

    /// Begins a call that is answered without a task of its own. Only from the thread of Node.
    pub fn begin(self: &Arc<Self>, env: &Env, id: u32) -> Call {
        if self.pending.fetch_add(1, Ordering::SeqCst) == 0 {
            self.hold(env, true);
        }
        Call::new(self.clone(), id)
    }

    /// The same for a call that may be given up.
    pub fn run_abortable<F>(self: &Arc<Self>, env: &Env, id: u32, call: F)
    where
        F: Future<Output = std::result::Result<Value, Problem>> + Send + 'static,
    {
        let mut calls = lock(&self.calls);
        let inner = RUNTIME.spawn(call);
        calls.insert(id, inner.abort_handle());
        drop(calls);
        let shared = self.clone();
        self.run(env, id, async move {
            let result = inner.await;
            lock(&shared.calls).remove(&id);
            result.unwrap_or_else(|_| Err(Problem::of("cancelled")))
        });
    }

    /// News that no call waits for, such as that a path has changed.
    pub fn tell(&self, id: u32, value: Value) {
        self.push(Done { id, result: Ok(value), call: false });
    }

    pub fn add_endpoint(&self, number: u32, endpoint: iroh::Endpoint) {
        lock(&self.endpoints).insert(number, endpoint);
    }

    pub fn drop_endpoint(&self, number: u32) {
        lock(&self.endpoints).remove(&number);
    }

    /// What a call came to, or news.
    pub fn push(&self, done: Done) {
        if self.over.load(Ordering::SeqCst) {
            return;
        }
        let mut queue = lock(&self.done);
        queue.push(done);
        // Whoever fills an empty queue wakes the thread; the others ride along.
        if queue.len() > 1 {
            return;
        }
        drop(queue);
        if let Some(wake) = self.wake.get() {
            wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// Everything that is done, on the thread of Node.
    fn take(&self, env: &Env) -> Batch {
        let batch = std::mem::take(&mut *lock(&self.done));
        let ended = batch.iter().filter(|done| done.call).count();
        if ended > 0 && self.pending.fetch_sub(ended, Ordering::SeqCst) == ended {
            self.hold(env, false);
        }
        Batch(batch)
    }

    /// Keeps the thread of Node from ending by itself, or lets it.
    fn hold(&self, env: &Env, held: bool) {
        let Some(wake) = self.wake.get() else { return };
        wake.handle.with_read_aborted(|aborted| {
            if aborted {
                return;
            }
            // SAFETY: the function is alive, and this is the thread of its environment.
            unsafe {
                if held {
                    sys::napi_ref_threadsafe_function(env.raw(), wake.raw());
                } else {
                    sys::napi_unref_threadsafe_function(env.raw(), wake.raw());
                }
            }
        });
    }

    /// Says goodbye to every peer, within a bound.
    fn goodbye(&self) {
        let endpoints = std::mem::take(&mut *lock(&self.endpoints));
        if endpoints.is_empty() {
            return;
        }
        let closing: Vec<_> =
            endpoints.into_values().map(|endpoint| RUNTIME.spawn(async move { endpoint.close().await })).collect();
        let all = async {
            for one in closing {
                if one.await.is_err() {
                    return;
                }
            }
        };
        // Late is as good as done: the peers hear nothing more and give up by themselves.
        RUNTIME.block_on(async { timeout(GOODBYE, all).await.unwrap_or(()) });
    }
}

/// One thread of Node, and the function that hears what its calls came to.
#[napi]
pub struct Hub {
    pub(crate) shared: Arc<Shared>,
}

#[napi]
impl Hub {
    /// `hear` is called with arrays of number, whether it went well, and value or problem, one call after the other.
    #[napi(constructor)]
    pub fn new(env: Env, hear: Function<'_, Batch, Unknown<'static>>) -> Result<Self> {
        let shared = Arc::new(Shared {
            done: Mutex::default(),
            wake: OnceLock::new(),
            pending: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            calls: Mutex::default(),
            endpoints: Mutex::default(),
        });
        let queue = Arc::downgrade(&shared);
        let wake = hear.build_threadsafe_function::<()>().weak::<true>().callee_handled::<false>().build_callback(
            move |context| Ok(queue.upgrade().map_or(Batch(Vec::new()), |queue| queue.take(&context.env))),
        )?;
        let _ = shared.wake.set(wake);
        // A thread that is ended from outside (`Worker.terminate`) runs nothing else.
        env.add_env_cleanup_hook(shared.clone(), |shared| {
            shared.over.store(true, Ordering::SeqCst);
            shared.goodbye();
        })?;
        Ok(Self { shared })
    }

    /// Gives up a call that can be given up: it ends as cancelled.
    #[napi]
    pub fn abort(&self, id: u32) {
        if let Some(call) = lock(&self.shared.calls).get(&id) {
            call.abort();
        }
    }

    /// Closes whatever endpoint is open and waits for that, half a second at most: for a process that is about to exit.
    #[napi]
    pub fn goodbye(&self) {
        self.shared.goodbye();
    }
}
