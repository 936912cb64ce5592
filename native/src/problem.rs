use std::{error::Error, io};

use iroh::endpoint::{
    BindError, ClosedStream, ConnectError, ConnectWithOptsError, ConnectingError, ConnectionError, ReadError,
    TransportErrorCode, WriteError,
};
use napi_derive::napi;

use crate::value::End;

/// Why a call failed: words that programs compare, never the peer's.
#[napi(object)]
#[derive(Clone)]
pub struct Problem {
    pub kind: String,
    /// The peer's code of a reset or a stop, the system's of a failed bind, else 0.
    pub code: f64,
}

impl Problem {
    pub fn of(kind: &str) -> Self {
        Self::with(kind, 0)
    }

    fn with(kind: &str, code: u64) -> Self {
        Self { kind: kind.into(), code: code as f64 }
    }
}

impl From<ConnectionError> for Problem {
    fn from(error: ConnectionError) -> Self {
        Self::of(match error {
            ConnectionError::LocallyClosed => "closed",
            ConnectionError::ApplicationClosed(_) => "closed-by-peer",
            _ => "lost",
        })
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Reset(code) => Self::with("reset", code.into()),
            ReadError::ConnectionLost(error) => error.into(),
            ReadError::ClosedStream => Self::of("closed"),
            _ => Self::of("lost"),
        }
    }
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Stopped(code) => Self::with("stopped", code.into()),
            WriteError::ConnectionLost(error) => error.into(),
            WriteError::ClosedStream => Self::of("closed"),
            _ => Self::of("lost"),
        }
    }
}

impl From<ClosedStream> for Problem {
    fn from(_: ClosedStream) -> Self {
        Self::of("closed")
    }
}

/// TLS's alerts as QUIC carries them.
const UNKNOWN_AUTHORITY: u8 = 48;
const NO_COMMON_PROTOCOL: u8 = 120;

fn of_handshake(error: &ConnectionError) -> Problem {
    let code = match error {
        ConnectionError::TransportError(error) => Some(error.code),
        ConnectionError::ConnectionClosed(close) => Some(close.error_code),
        _ => None,
    };
    Problem::of(match code {
        Some(code) if code == TransportErrorCode::crypto(NO_COMMON_PROTOCOL) => "no-common-protocol",
        Some(code) if code == TransportErrorCode::crypto(UNKNOWN_AUTHORITY) => "wrong-endpoint",
        _ => "no-answer",
    })
}

impl From<ConnectWithOptsError> for Problem {
    fn from(error: ConnectWithOptsError) -> Self {
        Self::of(match error {
            ConnectWithOptsError::SelfConnect { .. } => "own-id",
            ConnectWithOptsError::NoAddress { .. } => "no-address",
            ConnectWithOptsError::EndpointClosed { .. } => "closed",
            _ => "no-answer",
        })
    }
}

impl From<ConnectingError> for Problem {
    fn from(error: ConnectingError) -> Self {
        match error {
            ConnectingError::ConnectionError { source, .. } => of_handshake(&source),
            ConnectingError::HandshakeFailure { .. } => Self::of("wrong-endpoint"),
            _ => Self::of("no-answer"),
        }
    }
}

impl From<ConnectError> for Problem {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Connect { source, .. } => source.into(),
            ConnectError::Connecting { source, .. } => source.into(),
            ConnectError::Connection { source, .. } => of_handshake(&source),
            _ => Self::of("no-answer"),
        }
    }
}

impl From<BindError> for Problem {
    fn from(error: BindError) -> Self {
        let BindError::Sockets { source, .. } = &error else {
            return Self::of("bind");
        };
        Self::with("bind", errno(source).unwrap_or(0) as u64)
    }
}

/// The system's own number, which may stand some causes below.
fn errno(error: &io::Error) -> Option<i32> {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = next {
        if let Some(number) = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return Some(number);
        }
        next = cause.source().or_else(|| inner(cause));
    }
    None
}

/// What an `io::Error` of our own making wraps is not its source but its content.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let content: &'a (dyn Error + Send + Sync + 'static) = error.downcast_ref::<io::Error>()?.get_ref()?;
    Some(content)
}

/// How a connection ended, as the house knows it.
pub fn end_of(error: ConnectionError) -> End {
    let (kind, code, reason) = match error {
        ConnectionError::LocallyClosed => ("local", 0, String::new()),
        ConnectionError::ApplicationClosed(close) => {
            ("peer", close.error_code.into(), String::from_utf8_lossy(&close.reason).into_owned())
        }
        ConnectionError::TimedOut => ("lost", 0, "nothing was heard from the peer any more".into()),
        ConnectionError::Reset => ("lost", 0, "the peer has forgotten the session: it was restarted".into()),
        ConnectionError::ConnectionClosed(close) => {
            ("lost", 0, format!("the peer broke off, QUIC's code {}", u64::from(close.error_code)))
        }
        ConnectionError::TransportError(error) => {
            ("lost", 0, format!("the peer broke QUIC's rules, code {}", u64::from(error.code)))
        }
        _ => ("lost", 0, "QUIC gave up".into()),
    };
    End { kind: kind.into(), code: code as f64, reason }
}
