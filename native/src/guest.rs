use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use iroh::endpoint::{Connection, VarInt};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{MissedTickBehavior, interval},
};

use crate::{hub::lock, value::End};

/// Between two looks. What a stranger can have here unread is bounded by the receive window; this bounds what goes through it.
const LOOK: Duration = Duration::from_millis(10);
/// The house's code for a refusal.
const REFUSED: u32 = 4;
const REASON: &str = "too many bytes before saying who sends them";

/// The other end of a connection: one that came here takes a place of the strangers', until it has said who it is.
pub struct Guest {
    place: Mutex<Option<OwnedSemaphorePermit>>,
    admitted: AtomicBool,
    /// How it was cut off.
    pub cut: Mutex<Option<End>>,
}

impl Guest {
    /// Somebody to whom this end went: nothing need be known.
    pub fn host() -> Arc<Self> {
        Arc::new(Self { place: Mutex::default(), admitted: AtomicBool::new(true), cut: Mutex::default() })
    }

    /// Somebody who came here.
    pub fn seat(connection: &Connection, place: OwnedSemaphorePermit, limit: Option<u64>) -> Arc<Self> {
        let guest = Arc::new(Self {
            place: Mutex::new(Some(place)),
            admitted: AtomicBool::new(limit.is_none()),
            cut: Mutex::default(),
        });
        let (ended, leaving) = (connection.weak_handle().closed(), guest.clone());
        tokio::spawn(async move {
            ended.await;
            leaving.leave();
        });
        if let Some(limit) = limit {
            guest.watch(connection, limit);
        }
        guest
    }

    /// Gives its place to the next.
    pub fn leave(&self) {
        drop(lock(&self.place).take());
    }

    /// True the first time for one who was a stranger until now.
    pub fn admit(&self) -> bool {
        !self.admitted.swap(true, Ordering::SeqCst)
    }

    /// Looks at what a stranger has sent until it is too much, it is admitted, or it has ended.
    fn watch(self: &Arc<Self>, connection: &Connection, limit: u64) {
        let (connection, watched) = (connection.weak_handle(), self.clone());
        tokio::spawn(async move {
            let mut looks = interval(LOOK);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                looks.tick().await;
                let Some(connection) = connection.upgrade() else { return };
                if watched.admitted.load(Ordering::SeqCst) || connection.close_reason().is_some() {
                    return;
                }
                if connection.stats().udp_rx.bytes > limit {
                    *lock(&watched.cut) =
                        Some(End { kind: "local".into(), code: REFUSED.into(), reason: REASON.into() });
                    connection.close(VarInt::from_u32(REFUSED), REASON.as_bytes());
                    return;
                }
            }
        });
    }
}
