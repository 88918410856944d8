//! The events of the opening handshake.

use super::{BodyEnd, HandshakeError};

/// The events of [`ServerHandshake`](super::ServerHandshake).
///
/// ```
/// use websocket_proto::Connection;
/// use websocket_proto::handshake::{
///     Acceptance, Rejection, ServerEvent, ServerHandshake,
/// };
///
/// /// Returns a rejected handshake, which the driver continues until `transport()` is `Close`.
/// fn decide(
///     mut handshake: ServerHandshake,
///     event: ServerEvent,
/// ) -> Result<Connection, ServerHandshake> {
///     let Some(request) = handshake.request() else { return Err(handshake) }; // after a failure
///     let responded = match (event, request.method(), request.path()) {
///         (ServerEvent::Upgrade, _, "/chat") => {
///             return handshake.accept(&Acceptance::new()).map_err(|error| error.handshake);
///         }
///         (ServerEvent::Upgrade, ..) => handshake.reject(Rejection::NotFound),
///         (ServerEvent::Http, "GET" | "HEAD", _) => handshake.respond(200, &[], b"Hello"),
///         (ServerEvent::Http, ..) => handshake.reject(Rejection::MethodNotAllowed),
///         (ServerEvent::Failed(_), ..) => Ok(()),
///     };
///     responded.expect("the response is valid");
///     Err(handshake)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// The client requests an upgrade to WebSocket. The request is valid and its origin is allowed.
    /// Respond with [`accept`](super::ServerHandshake::accept),
    /// [`reject`](super::ServerHandshake::reject) or [`respond`](super::ServerHandshake::respond). The
    /// handshake reads nothing until then.
    Upgrade,
    /// The client sent a valid HTTP request that is not an upgrade to WebSocket. Respond with
    /// [`respond`](super::ServerHandshake::respond) or [`reject`](super::ServerHandshake::reject), or
    /// pass the request to another HTTP stack with
    /// [`into_request`](super::ServerHandshake::into_request).
    Http,
    /// The request is malformed, breaks a rule, or did not arrive completely, or the transport broke
    /// ([`HandshakeError`]). The response, if the error has one, is queued. Continue to drive the
    /// handshake until [`transport()`](super::Handshake::transport) ends it.
    Failed(HandshakeError),
}

/// The events of [`ClientHandshake`](super::ClientHandshake).
///
/// ```
/// use websocket_proto::handshake::{BodyEnd, ClientEvent};
///
/// fn describe(event: ClientEvent) -> String {
///     match event {
///         ClientEvent::Accepted => "call `establish`".into(),
///         ClientEvent::Rejected { status } => format!("{status}: read `response`, continue"),
///         ClientEvent::BodyEnded(BodyEnd::Complete) => "`body` is complete".into(),
///         ClientEvent::BodyEnded(BodyEnd::Truncated) => "`body` is incomplete".into(),
///         ClientEvent::Failed(error) => error.to_string(),
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The server accepts the upgrade: call [`establish`](super::ClientHandshake::establish). Or the
    /// proxy opens the [tunnel](super::ClientHandshake::tunnel): the transport now leads to the server.
    Accepted,
    /// The peer responds with a status code other than 101 or, to a request for a tunnel, other than
    /// 2xx: a redirect, a request for credentials, an error.
    /// [`response()`](super::ClientHandshake::response) returns the head of the response; its body
    /// follows. To follow a redirect, resolve its `Location` with
    /// [`Uri::resolve`](super::Uri::resolve) and open another transport.
    Rejected {
        /// The status code.
        status: u16,
    },
    /// The body of a rejection has ended. [`body()`](super::ClientHandshake::body) returns it.
    BodyEnded(BodyEnd),
    /// The response is malformed, breaks a rule, or did not arrive completely, or the transport or the
    /// source of entropy failed ([`HandshakeError`]).
    Failed(HandshakeError),
}
