use std::{net::SocketAddr, time::Duration};

use iroh::{
    Endpoint, RelayMode, RelayUrl, SecretKey,
    endpoint::{Builder, IdleTimeout, QuicTransportConfig, VarInt, default_relay_mode, presets},
};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

use crate::problem::Problem;

/// Bytes of one stream that the peer may send before somebody reads them: what a link of 100 ms holds at 120 MB/s.
const STREAM_WINDOW: u32 = 12 * 1024 * 1024;
/// The same for all streams of a connection together: all that a peer can make this end hold, however many streams it opens. Several
/// streams that nobody reads must not hold up the others, so it is that of more than five.
const CONNECTION_WINDOW: u32 = 64 * 1024 * 1024;
/// Bytes of a connection that are written and not yet acknowledged.
const SEND_WINDOW: u64 = 32 * 1024 * 1024;
/// One-way streams of the peer at once: a connection has one for control.
const ONE_WAY: u32 = 16;
/// The side that opened a connection says so often that it lives. The other says so by its answers, and by itself only where that does not come.
/// One that is lost is sent again within a few round trips, so that several go out before the peer counts as vanished.
const KEEP_ALIVE: Duration = Duration::from_secs(3);
const KEEP_ALIVE_OF_HOST: Duration = Duration::from_secs(4);
/// A peer from which nothing was heard for so long has vanished.
const IDLE_MS: u32 = 5000;

/// What an endpoint is made of; all texts were checked before.
#[napi(object)]
pub struct BindOptions {
    pub secret_key: Option<Uint8Array>,
    pub alpns: Vec<String>,
    /// Those of the public network where there is no list, none at all where it is empty.
    pub relays: Option<Vec<String>>,
    pub bind: Vec<String>,
    pub external_addresses: Vec<String>,
    pub discovery: bool,
    pub sessions: u32,
    pub streams: u32,
    pub stranger_bytes: Option<f64>,
}

/// What an endpoint takes from others.
#[derive(Clone)]
pub struct Limits {
    pub sessions: usize,
    pub streams: u32,
    pub stranger_bytes: Option<u64>,
}

impl Limits {
    pub fn of(options: &BindOptions) -> Self {
        Self {
            sessions: options.sessions as usize,
            streams: options.streams,
            stranger_bytes: options.stranger_bytes.map(|bytes| bytes as u64),
        }
    }

    /// Of connections that peers open: a stranger's window is no larger than what a stranger may send.
    fn of_strangers(&self) -> QuicTransportConfig {
        let window = self.stranger_bytes.map_or(CONNECTION_WINDOW, |bytes| bytes.min(CONNECTION_WINDOW.into()) as u32);
        self.transport(window, KEEP_ALIVE_OF_HOST)
    }

    /// Of connections that this endpoint opens.
    pub fn of_known(&self) -> QuicTransportConfig {
        self.transport(CONNECTION_WINDOW, KEEP_ALIVE)
    }

    fn transport(&self, window: u32, keep_alive: Duration) -> QuicTransportConfig {
        QuicTransportConfig::builder()
            .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
            .receive_window(VarInt::from_u32(window))
            .send_window(SEND_WINDOW)
            .max_concurrent_bidi_streams(VarInt::from_u32(self.streams))
            .max_concurrent_uni_streams(VarInt::from_u32(ONE_WAY))
            .keep_alive_interval(keep_alive)
            .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_MS))))
            .build()
    }
}

/// The window of a connection whose peer has said who it is.
pub fn window() -> VarInt {
    VarInt::from_u32(CONNECTION_WINDOW)
}

/// Binds the sockets. It waits for no relay.
pub async fn bind(options: &BindOptions, limits: &Limits) -> Result<Endpoint, Problem> {
    let mut builder =
        if options.discovery { Endpoint::builder(presets::N0) } else { Endpoint::builder(presets::Minimal) };
    builder = builder
        .relay_mode(relay_mode(options)?)
        .alpns(options.alpns.iter().map(|alpn| alpn.clone().into_bytes()).collect())
        .transport_config(limits.of_strangers());
    if let Some(key) = &options.secret_key {
        let key: [u8; 32] = key.as_ref().try_into().map_err(|_| Problem::of("bind"))?;
        builder = builder.secret_key(SecretKey::from_bytes(&key));
    }
    for text in &options.bind {
        builder = builder.bind_addr(address(text)?).map_err(|_| Problem::of("bind"))?;
    }
    add_external(builder, options)?.bind().await.map_err(Problem::from)
}

fn add_external(builder: Builder, options: &BindOptions) -> Result<Builder, Problem> {
    options.external_addresses.iter().try_fold(builder, |builder, text| Ok(builder.external_addr(address(text)?)))
}

fn address(text: &str) -> Result<SocketAddr, Problem> {
    text.parse().map_err(|_| Problem::of("bind"))
}

fn relay_mode(options: &BindOptions) -> Result<RelayMode, Problem> {
    Ok(match &options.relays {
        None => default_relay_mode(),
        Some(urls) if urls.is_empty() => RelayMode::Disabled,
        Some(urls) => {
            let urls: Result<Vec<RelayUrl>, _> = urls.iter().map(|url| url.parse()).collect();
            RelayMode::custom(urls.map_err(|_| Problem::of("bind"))?)
        }
    })
}
