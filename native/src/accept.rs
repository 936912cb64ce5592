use std::{
    sync::{Arc, Once},
    time::Duration,
};

use iroh::{
    Endpoint,
    endpoint::{ConnectingError, Connection, Incoming, VarInt},
};
use tokio::{
    sync::{
        Mutex, OwnedSemaphorePermit, Semaphore,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        watch,
    },
    time::timeout,
};

use crate::{bind::Limits, guest::Guest, hub::RUNTIME};

/// Handshakes at once; one more peer is refused.
const HANDSHAKES: usize = 64;
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

type Accepted = (Connection, Arc<Guest>);

/// Takes the connections that peers open, from the first time that somebody asks for one. A peer that fails its handshake, or never
/// ends it, holds up nobody.
pub struct Acceptor {
    endpoint: Endpoint,
    limits: Limits,
    started: Once,
    // As many as there are sessions at most.
    ready: UnboundedSender<Accepted>,
    accepted: Mutex<UnboundedReceiver<Accepted>>,
    over: watch::Sender<bool>,
}

impl Acceptor {
    pub fn new(endpoint: Endpoint, limits: Limits) -> Arc<Self> {
        let (ready, accepted) = unbounded_channel();
        let accepted = Mutex::new(accepted);
        Arc::new(Self { endpoint, limits, started: Once::new(), ready, accepted, over: watch::Sender::new(false) })
    }

    /// The next connection, or nothing once it is over.
    pub async fn next(self: Arc<Self>) -> Option<Accepted> {
        self.started.call_once(|| drop(RUNTIME.spawn(self.clone().run())));
        let mut over = self.over.subscribe();
        let taking = async { self.accepted.lock().await.recv().await };
        tokio::select! {
            biased;
            _ = over.wait_for(|over| *over) => None,
            accepted = taking => accepted,
        }
    }

    /// Ends every wait for a connection.
    pub fn end(&self) {
        self.over.send_replace(true);
    }

    async fn run(self: Arc<Self>) {
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
        let places = Arc::new(Semaphore::new(self.limits.sessions));
        while let Some(incoming) = self.endpoint.accept().await {
            let handshake = handshakes.clone().try_acquire_owned();
            match (handshake, places.clone().try_acquire_owned()) {
                (Ok(handshake), Ok(place)) if !*self.over.borrow() => {
                    tokio::spawn(self.clone().welcome(incoming, handshake, place));
                }
                _ => incoming.refuse(),
            }
        }
        self.end();
    }

    async fn welcome(
        self: Arc<Self>,
        incoming: Incoming,
        handshake: OwnedSemaphorePermit,
        place: OwnedSemaphorePermit,
    ) {
        // A handshake that fails is the peer's affair; it hears why from QUIC itself.
        let Ok(Ok(connection)) = timeout(HANDSHAKE_TIME, shake(incoming)).await else { return };
        drop(handshake);
        let guest = Guest::seat(&connection, place, self.limits.stranger_bytes);
        if let Err(unwanted) = self.ready.send((connection, guest)) {
            unwanted.0.0.close(VarInt::from_u32(0), b"");
        }
    }
}

async fn shake(incoming: Incoming) -> Result<Connection, ConnectingError> {
    incoming.accept()?.await
}
