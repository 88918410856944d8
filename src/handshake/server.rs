//! The server's side of the opening handshake: the state machine.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use super::ending::Ending;
use super::gather::Gathered;
use super::head::Parser;
use super::{
    AcceptError, Acceptance, Field, Handshake, HandshakeError, Rejection, RequestHead, ServerEvent,
    Unaccepted, accept_key, write_response,
};
use crate::clock::StepTimer;
use crate::{Connection, Input, Output, SharedConfig, Transport};

/// The server's side of the opening handshake (RFC 6455, section 4.2).
///
/// The calls of [`Handshake`] drive it; the documentation of that trait has the loop. The handshake
/// reads the request, and leaves bytes after it in the [`Input`] for the connection.
///
/// ```
/// use websocket_proto::handshake::{Acceptance, Handshake, ServerEvent, ServerHandshake};
/// use websocket_proto::{Config, Input};
///
/// static CONFIG: Config = Config::new();
/// let mut handshake = ServerHandshake::new(&CONFIG);
/// let mut request = *b"GET /chat HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
///     Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// let mut input = Input::with_bytes(&mut request);
/// assert_eq!(handshake.receive(&mut input), Some(ServerEvent::Upgrade));
/// assert_eq!(handshake.request().unwrap().path(), "/chat");
///
/// let mut connection = handshake.accept(&Acceptance::new())?;
/// assert!(connection.output().chunk().starts_with(b"HTTP/1.1 101 "));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// After any response except 101, the handshake reads and drops all bytes until the end of the
/// client's stream ([`Transport::Drain`]). Closing a socket with unread bytes would reset the
/// connection and could destroy a response that is still on its way.
/// [`Timeouts::closing`](crate::Timeouts::closing) or a timer of the driver bounds this time.
#[derive(Debug)]
pub struct ServerHandshake {
    config: SharedConfig,
    head: Gathered,
    output: Output,
    state: State,
    /// A failure that was not caused by input and that `receive` has not returned yet.
    unreported: Option<HandshakeError>,
    /// The text that explains why the origin policy does not allow the request.
    explanation: Option<Box<str>>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Reading {
        timer: StepTimer,
    },
    /// The request is complete, and the application must respond to it.
    Deciding(Requested),
    /// The handshake has responded without a connection, or the handshake failed.
    Ending(Ending),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Requested {
    /// An upgrade. `accept` is the `Sec-WebSocket-Accept` that answers its key.
    Upgrade {
        accept: [u8; 28],
    },
    Http,
}

impl ServerHandshake {
    /// Creates a handshake for a transport that was just accepted.
    #[must_use]
    pub fn new(config: impl Into<SharedConfig>) -> Self {
        let config = config.into();
        Self {
            state: State::Reading { timer: StepTimer::new(config.timeouts.opening) },
            head: Gathered::new(Parser::request(config.head_limits)),
            config,
            output: Output::empty(),
            unreported: None,
            explanation: None,
        }
    }
}

/// # The decision
impl ServerHandshake {
    /// Returns the request to which the application must respond. After
    /// [`HandshakeError::ForbiddenOrigin`], which is answered already, returns the request that was
    /// rejected, for the server's log. Returns `None` otherwise.
    #[must_use]
    pub fn request(&self) -> Option<RequestHead<'_>> {
        match self.state {
            State::Deciding(_) => self.head.head().map(RequestHead),
            // The bytes of a request whose origin is not allowed are kept, for the server's log.
            State::Ending(_) if self.explanation.is_some() => self.head.head().map(RequestHead),
            State::Ending(_) | State::Reading { .. } => None,
        }
    }

    /// Returns the text that explains, after [`HandshakeError::ForbiddenOrigin`], why the origin policy
    /// does not allow the request: the values of `Origin` and of the requested host, and the setting to
    /// change. It is for the server's log, and also the body of the response. Returns `None` otherwise.
    ///
    /// ```
    /// use websocket_proto::handshake::{Handshake, ServerHandshake};
    /// use websocket_proto::{Config, Input};
    ///
    /// static CONFIG: Config = Config::new();
    /// let mut handshake = ServerHandshake::new(&CONFIG);
    /// let mut request = *b"GET / HTTP/1.1\r\nHost: 10.0.0.7\r\nConnection: Upgrade\r\n\
    ///     Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    ///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://example.com\r\n\r\n";
    /// handshake.receive(&mut Input::with_bytes(&mut request));
    /// assert!(handshake.explanation().unwrap().starts_with(
    ///     "The page's Origin \"https://example.com\" is not the requested host \"10.0.0.7\"."
    /// ));
    /// assert_eq!(handshake.request().unwrap().path(), "/");
    /// ```
    #[must_use]
    pub fn explanation(&self) -> Option<&str> {
        self.explanation.as_deref()
    }

    /// Replaces the configuration. Call it between the request and the response: one port may have different
    /// limits, delivery, compression and timeouts for each path.
    ///
    /// The request is not checked again. Its [`HeadLimits`](super::HeadLimits), the
    /// [`OriginPolicy`](super::OriginPolicy) and [`Timeouts::opening`](crate::Timeouts::opening) are those of the
    /// configuration before. If a path needs a stricter policy, the application calls
    /// [`RequestHead::upgrade`] with it, and rejects the request if that fails. A call before the request is
    /// complete replaces the origin policy, too. A call after the response has no effect.
    ///
    /// ```
    /// use websocket_proto::handshake::{Acceptance, Handshake, ServerHandshake};
    /// use websocket_proto::{Config, Delivery, Input, Limits};
    ///
    /// static CHAT: Config = Config::new().with_limits(Limits::DEFAULT.with_max_message(64 << 10));
    /// static UPLOAD: Config = Config::new().with_delivery(Delivery::Chunks);
    ///
    /// let mut handshake = ServerHandshake::new(&CHAT);
    /// let mut request = *b"GET /upload HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
    ///     Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    ///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    /// handshake.receive(&mut Input::with_bytes(&mut request));
    /// if handshake.request().is_some_and(|request| request.path() == "/upload") {
    ///     handshake.set_config(&UPLOAD);
    /// }
    /// let connection = handshake.accept(&Acceptance::new())?;
    /// assert_eq!(connection.config().delivery(), Delivery::Chunks);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_config(&mut self, config: impl Into<SharedConfig>) {
        self.config = config.into();
    }

    /// Accepts the upgrade and returns the connection. Its output begins with the response.
    ///
    /// If the configuration enables permessage-deflate (feature `deflate`), the response accepts the
    /// first valid offer of the client, unless `Acceptance::with_deflate_parameters` was called.
    ///
    /// # Errors
    ///
    /// - [`AcceptError::NotReady`] unless [`ServerEvent::Upgrade`] was the last event.
    /// - [`AcceptError::Response`] with the errors of [`Upgrade::accept`](super::Upgrade::accept).
    ///
    /// The error returns the handshake, unchanged: the application can still respond.
    #[expect(clippy::result_large_err, reason = "the error gives the handshake back")]
    pub fn accept(self, acceptance: &Acceptance<'_>) -> Result<Connection, Unaccepted<Self>> {
        #[cfg(feature = "deflate")]
        let acceptance = &match self.request() {
            Some(request) => acceptance.or_configured(&self.config, request.fields()),
            None => *acceptance,
        };
        let output = match self.accepting_output(acceptance) {
            Ok(output) => output,
            Err(error) => return Err(Unaccepted { handshake: self, error }),
        };
        let connection = Connection::server(self.config, &acceptance.into());
        Ok(connection.after_handshake(output, self.head.unread_left))
    }

    /// Rejects the request with a prepared response, whose body is the reason phrase. The transport
    /// closes after the response.
    ///
    /// # Errors
    ///
    /// [`AcceptError::NotReady`] if no request awaits a response.
    pub fn reject(&mut self, rejection: Rejection) -> Result<(), AcceptError> {
        let request = self.undecided().ok_or(AcceptError::NotReady)?;
        let response = Output::with_head(|buffer| {
            rejection.write_for(request.method(), buffer, rejection.reason())
        })?;
        self.state = State::Ending(self.queue_response(response));
        Ok(())
    }

    /// Sends a response of the application: a page, a redirect, a request for credentials. The transport
    /// closes after the response. `Connection: close` is added, and so is `Content-Length`, except to
    /// 204 and 304. In response to HEAD, the body is not sent; the application passes that of GET.
    ///
    /// # Errors
    ///
    /// - [`AcceptError::NotReady`] if no request awaits a response.
    /// - [`AcceptError::Response`] with the errors of [`write_response`]. The application can then still
    ///   respond.
    pub fn respond(
        &mut self,
        status: u16,
        fields: &[Field<'_>],
        body: &[u8],
    ) -> Result<(), AcceptError> {
        let request = self.undecided().ok_or(AcceptError::NotReady)?;
        let response = Output::with_head(|buffer| {
            write_response(buffer, request.method(), status, fields, body)
        })?;
        self.state = State::Ending(self.queue_response(response));
        Ok(())
    }

    /// Returns the bytes of the request, for another HTTP stack to respond to.
    /// [`Input::into_unread`] returns the bytes after them.
    ///
    /// # Errors
    ///
    /// [`AcceptError::NotReady`], with the handshake, if no request awaits a response.
    #[expect(clippy::result_large_err, reason = "the error gives the handshake back")]
    pub fn into_request(self) -> Result<Vec<u8>, Unaccepted<Self>> {
        match self.state {
            State::Deciding(_) => Ok(self.head.bytes),
            State::Reading { .. } | State::Ending(_) => {
                Err(Unaccepted { handshake: self, error: AcceptError::NotReady })
            }
        }
    }
}

impl Handshake for ServerHandshake {
    type Event = ServerEvent;

    fn receive(&mut self, input: &mut Input<'_>) -> Option<ServerEvent> {
        if let Some(error) = self.unreported.take() {
            return Some(ServerEvent::Failed(error));
        }
        match &mut self.state {
            State::Reading { .. } => match self.read(input) {
                Ok(None) => None,
                Ok(Some(Requested::Upgrade { .. })) => Some(ServerEvent::Upgrade),
                Ok(Some(Requested::Http)) => Some(ServerEvent::Http),
                Err(error) => {
                    let mut ending = self.reject_for(error);
                    ending.receive(input);
                    self.state = State::Ending(ending);
                    Some(ServerEvent::Failed(error))
                }
            },
            State::Deciding(_) => None,
            State::Ending(ending) => {
                ending.receive(input);
                None
            }
        }
    }

    fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    fn transport(&self) -> Transport {
        match &self.state {
            State::Reading { .. } | State::Deciding(_) => Transport::Open,
            State::Ending(ending) => ending.transport(&self.output),
        }
    }

    /// Reports the time. A request that takes longer than
    /// [`Timeouts::opening`](crate::Timeouts::opening) is rejected with 408.
    /// After any response except 101, [`Timeouts::closing`](crate::Timeouts::closing) bounds the time
    /// to write each 16 KiB of it, and then the time until the client's stream ends. The application's
    /// decision is not bounded.
    fn handle_timeout(&mut self, now: Duration) {
        match &mut self.state {
            State::Reading { timer } => {
                if timer.handle_timeout(now) {
                    let mut ending = self.reject_for(HandshakeError::Timeout);
                    ending.handle_timeout(now, &mut self.output);
                    self.state = State::Ending(ending);
                    self.unreported = Some(HandshakeError::Timeout);
                }
            }
            State::Deciding(_) => {}
            State::Ending(ending) => ending.handle_timeout(now, &mut self.output),
        }
    }

    fn poll_timeout(&self) -> Option<Duration> {
        match &self.state {
            State::Reading { timer } => timer.poll_timeout(),
            State::Deciding(_) => None,
            State::Ending(ending) => ending.poll_timeout(&self.output),
        }
    }

    fn abort(&mut self) {
        match self.state {
            State::Reading { .. } | State::Deciding(_) => {
                self.unreported = Some(HandshakeError::Aborted);
            }
            // The application has responded, or `receive` has reported the failure or will.
            State::Ending(_) => {}
        }
        self.state = State::Ending(Ending::Aborted);
        self.head.bytes = Vec::new();
        self.output = Output::empty();
    }
}

impl ServerHandshake {
    /// Returns the request to which the application must respond.
    fn undecided(&self) -> Option<RequestHead<'_>> {
        self.request().filter(|_| matches!(self.state, State::Deciding(_)))
    }

    fn read(&mut self, input: &mut Input<'_>) -> Result<Option<Requested>, HandshakeError> {
        self.head.receive(input)?;
        let Some(request) = self.head.head().map(RequestHead) else { return Ok(None) };
        let requested = match request.upgrade(&self.config.origin_policy)? {
            Some(upgrade) => Requested::Upgrade { accept: accept_key(upgrade.key()) },
            None => Requested::Http,
        };
        self.state = State::Deciding(requested);
        Ok(Some(requested))
    }

    /// Queues the response to `error`, if there is one.
    fn reject_for(&mut self, error: HandshakeError) -> Ending {
        let Some(rejection) = error.rejection() else {
            self.head.bytes = Vec::new();
            return Ending::Closed;
        };
        let request = self.head.head().map(RequestHead);
        if error == HandshakeError::ForbiddenOrigin
            && let Some(request) = request
            && let Some(origin) = request.fields().value("origin")
            && let Some(authority) = request.authority()
        {
            let explanation = self.config.origin_policy.explain(origin, authority).to_string();
            self.explanation = Some(explanation.into());
        }
        let body = self.explanation.as_deref().unwrap_or(error.wording());
        let method = request.as_ref().map_or("", RequestHead::method);
        let response = Output::with_head(|buffer| rejection.write_for(method, buffer, body));
        let Ok(response) = response else {
            debug_assert!(false, "a Vec has room for every prepared response");
            return Ending::Closed;
        };
        self.queue_response(response)
    }

    /// Queues `response`, after which the transport closes. Drops the request, unless its origin is
    /// explained.
    fn queue_response(&mut self, response: Output) -> Ending {
        let ending = Ending::responding(response.len(), self.config.timeouts.closing);
        self.output = response;
        if self.explanation.is_none() {
            self.head.bytes = Vec::new();
        }
        ending
    }

    /// Returns the output of a connection, which begins with the response that accepts the request.
    fn accepting_output(&self, acceptance: &Acceptance<'_>) -> Result<Output, AcceptError> {
        let (State::Deciding(Requested::Upgrade { accept }), Some(request)) =
            (self.state, self.undecided())
        else {
            return Err(AcceptError::NotReady);
        };
        acceptance.check(request.fields())?;
        Ok(Output::with_head(|buffer| acceptance.write(&accept, buffer))?)
    }
}
