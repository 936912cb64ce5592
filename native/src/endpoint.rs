use std::{net::SocketAddr, str::FromStr, sync::Arc};

use iroh::{
    EndpointAddr, EndpointId, RelayUrl, TransportAddr,
    endpoint::{ConnectOptions, Connection as Iroh},
};
use napi::Env;
use napi_derive::napi;

use crate::{
    accept::Acceptor,
    bind::{BindOptions, Limits, bind},
    connection::Connection,
    guest::Guest,
    hub::{Hub, Shared},
    problem::Problem,
    value::Value,
};

/// One end of the network.
#[napi]
pub struct Endpoint {
    shared: Arc<Shared>,
    number: u32,
    endpoint: iroh::Endpoint,
    limits: Limits,
    acceptor: Arc<Acceptor>,
}

#[napi]
impl Hub {
    /// Comes to an endpoint.
    #[napi]
    pub fn bind(&self, env: Env, id: u32, options: BindOptions) {
        let shared = self.shared.clone();
        self.shared.run(&env, id, async move {
            let limits = Limits::of(&options);
            let endpoint = bind(&options, &limits).await?;
            shared.add_endpoint(id, endpoint.clone());
            let acceptor = Acceptor::new(endpoint.clone(), limits.clone());
            Ok(Value::Endpoint(Endpoint { shared, number: id, endpoint, limits, acceptor }))
        });
    }
}

#[napi]
impl Endpoint {
    /// 64 hex digits.
    #[napi]
    pub fn id(&self) -> String {
        self.endpoint.id().to_string()
    }

    #[napi]
    pub fn bound(&self) -> Vec<String> {
        self.endpoint.bound_sockets().iter().map(SocketAddr::to_string).collect()
    }

    /// `ADDR:PORT` texts at which it can be reached now.
    #[napi]
    pub fn direct(&self) -> Vec<String> {
        self.endpoint.addr().ip_addrs().map(SocketAddr::to_string).collect()
    }

    #[napi]
    pub fn relay(&self) -> Option<String> {
        self.endpoint.addr().relay_urls().next().map(RelayUrl::to_string)
    }

    /// Comes to a connection; can be aborted.
    #[napi]
    pub fn connect(&self, env: Env, id: u32, peer: String, relays: Vec<String>, addresses: Vec<String>, alpn: String) {
        let (endpoint, shared, limits) = (self.endpoint.clone(), self.shared.clone(), self.limits.clone());
        self.shared.run_abortable(&env, id, async move {
            let address = address_of(&peer, &relays, &addresses).ok_or_else(|| Problem::of("bad-address"))?;
            let options = ConnectOptions::new().with_transport_config(limits.of_known());
            let connecting = endpoint.connect_with_opts(address, alpn.as_bytes(), options).await?;
            let connection: Iroh = connecting.await?;
            Ok(Value::Connection(Connection::of(shared, connection, Guest::host())))
        });
    }

    /// Comes to the next connection that a peer opened, or to nothing once this is closing.
    #[napi]
    pub fn accept(&self, env: Env, id: u32) {
        let (acceptor, shared) = (self.acceptor.clone(), self.shared.clone());
        self.shared.run(&env, id, async move {
            let accepted = acceptor.next().await;
            Ok(accepted.map_or(Value::Nothing, |(connection, guest)| {
                Value::Connection(Connection::of(shared, connection, guest))
            }))
        });
    }

    /// Ends every wait for a connection.
    #[napi]
    pub fn end_accepts(&self) {
        self.acceptor.end();
    }

    /// Comes to nothing once all connections and sockets are closed.
    #[napi]
    pub fn close(&self, env: Env, id: u32) {
        let (endpoint, shared, number) = (self.endpoint.clone(), self.shared.clone(), self.number);
        self.acceptor.end();
        self.shared.run(&env, id, async move {
            endpoint.close().await;
            shared.drop_endpoint(number);
            Ok(Value::Nothing)
        });
    }
}

fn address_of(peer: &str, relays: &[String], addresses: &[String]) -> Option<EndpointAddr> {
    let mut all = Vec::new();
    for relay in relays {
        all.push(TransportAddr::Relay(relay.parse().ok()?));
    }
    for address in addresses {
        all.push(TransportAddr::Ip(address.parse().ok()?));
    }
    Some(EndpointAddr::from_parts(EndpointId::from_str(peer).ok()?, all))
}
