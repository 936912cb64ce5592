use std::sync::Arc;

use iroh::endpoint::{Connection as Iroh, VarInt};
use n0_future::StreamExt;
use napi::{Env, bindgen_prelude::Uint8Array};
use napi_derive::napi;

use crate::{
    bind::window,
    guest::Guest,
    hub::{RUNTIME, Shared, lock},
    problem::end_of,
    stream::Stream,
    value::{Path, Value},
};

/// A connection to one peer.
#[napi]
pub struct Connection {
    shared: Arc<Shared>,
    connection: Iroh,
    guest: Arc<Guest>,
}

#[napi]
impl Connection {
    pub(crate) fn of(shared: Arc<Shared>, connection: Iroh, guest: Arc<Guest>) -> Self {
        Self { shared, connection, guest }
    }

    /// The peer's id as 64 hex digits.
    #[napi]
    pub fn remote(&self) -> String {
        self.connection.remote_id().to_string()
    }

    #[napi]
    pub fn alpn(&self) -> String {
        String::from_utf8_lossy(self.connection.alpn()).into_owned()
    }

    /// Comes to a new stream.
    #[napi]
    pub fn open(&self, env: Env, id: u32, one_way: bool) {
        let (connection, shared) = (self.connection.clone(), self.shared.clone());
        self.shared.run(&env, id, async move {
            let (send, recv) = if one_way {
                (connection.open_uni().await?, None)
            } else {
                let (send, recv) = connection.open_bi().await?;
                (send, Some(recv))
            };
            Ok(Value::Stream(Stream::of(shared, Some(send), recv)))
        });
    }

    /// Comes to the next stream that the peer opened.
    #[napi]
    pub fn accept(&self, env: Env, id: u32, one_way: bool) {
        let (connection, shared) = (self.connection.clone(), self.shared.clone());
        self.shared.run(&env, id, async move {
            let (send, recv) = if one_way {
                (None, connection.accept_uni().await?)
            } else {
                let (send, recv) = connection.accept_bi().await?;
                (Some(send), recv)
            };
            Ok(Value::Stream(Stream::of(shared, send, Some(recv))))
        });
    }

    /// Comes to how the connection has ended.
    #[napi]
    pub fn closed(&self, env: Env, id: u32) {
        let (connection, guest) = (self.connection.clone(), self.guest.clone());
        self.shared.run(&env, id, async move {
            let end = end_of(connection.closed().await);
            Ok(Value::End(lock(&guest.cut).take().unwrap_or(end)))
        });
    }

    #[napi]
    pub fn close(&self, code: f64, reason: Uint8Array) {
        self.guest.leave();
        self.connection.close(VarInt::from_u64(code as u64).unwrap_or(VarInt::MAX), &reason);
    }

    /// The peer has said who it is: what held it as a stranger is lifted.
    #[napi]
    pub fn admit(&self) {
        self.guest.leave();
        if self.guest.admit() {
            self.connection.set_receive_window(window());
        }
    }

    #[napi]
    pub fn path(&self) -> Path {
        path_of(&self.connection)
    }

    /// Tells of the path now and whenever it changes, until the connection ends.
    #[napi]
    pub fn watch_path(&self, id: u32) {
        let (connection, shared) = (self.connection.weak_handle(), self.shared.clone());
        let mut events = self.connection.path_events();
        RUNTIME.spawn(async move {
            while events.next().await.is_some() {
                let Some(connection) = connection.upgrade() else { return };
                shared.tell(id, Value::Path(path_of(&connection)));
            }
        });
    }

    /// Bytes sent and received in UDP datagrams, and packets lost.
    #[napi]
    pub fn statistics(&self) -> Vec<f64> {
        let stats = self.connection.stats();
        [stats.udp_tx.bytes, stats.udp_rx.bytes, stats.lost_packets].map(|number| number as f64).to_vec()
    }
}

fn path_of(connection: &Iroh) -> Path {
    let paths = connection.paths();
    let Some(path) = paths.iter().find(|path| path.is_selected()).or_else(|| paths.iter().next()) else {
        return Path { kind: "unknown".into(), address: String::new(), rtt_ms: 0.0 };
    };
    let kind = if path.is_relay() {
        "relay"
    } else if path.is_ip() {
        "direct"
    } else {
        "unknown"
    };
    let address = match path.remote_addr() {
        iroh::TransportAddr::Ip(address) => address.to_string(),
        iroh::TransportAddr::Relay(url) => url.to_string(),
        other => format!("{other:?}"),
    };
    Path { kind: kind.into(), address, rtt_ms: path.rtt().as_secs_f64() * 1000.0 }
}
