use std::{future::Future, result::Result, sync::Arc};

use crate::{
    hub::{RUNTIME, Shared},
    problem::Problem,
    value::{Done, Value},
};

/// One call under way: it is answered also where its task is given up or panics.
pub struct Call {
    shared: Arc<Shared>,
    id: u32,
    result: Option<Result<Value, Problem>>,
}

impl Call {
    pub fn new(shared: Arc<Shared>, id: u32) -> Self {
        Self { shared, id, result: None }
    }

    pub fn answer(mut self, result: Result<Value, Problem>) {
        self.result = Some(result);
    }

    pub async fn finish<F>(self, call: F)
    where
        F: Future<Output = Result<Value, Problem>>,
    {
        let result = call.await;
        self.answer(result);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let result = self.result.take().unwrap_or_else(|| Err(Problem::of("cancelled")));
        self.shared.push(Done { id: self.id, result, call: true });
    }
}

/// Does something that is no call; where it panics, `lost` says so to whoever waits for it.
pub fn work(task: impl Future<Output = ()> + Send + 'static, lost: impl FnOnce() + Send + 'static) {
    let mut guard = Guard(Some(lost));
    RUNTIME.spawn(async move {
        task.await;
        guard.disarm();
    });
}

struct Guard<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Guard<F> {
    fn disarm(&mut self) {
        self.0 = None;
    }
}

impl<F: FnOnce()> Drop for Guard<F> {
    fn drop(&mut self) {
        if let Some(lost) = self.0.take() {
            lost();
        }
    }
}
