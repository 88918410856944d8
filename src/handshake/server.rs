//! The server's side of the opening handshake.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Buf;

use super::deadline::Deadline;
use super::{
    Acceptance, Established, Field, HandshakeError, HeadError, Negotiated, Rejection, RequestHead,
    RequestParser, write_response,
};
use crate::{Connection, Output, Role, SharedConfig, Transport};

/// What [`ServerHandshake::receive`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// A client asks for a WebSocket, in the right way and from an origin that the configuration
    /// allows. Now [`ServerHandshake::accept`] or
    /// [`ServerHandshake::reject`] it; until then nothing more is read.
    Upgrade,
    /// A client asks for something else, in good HTTP. Now
    /// [`respond`](ServerHandshake::respond), or take the request elsewhere with
    /// [`take_request`](ServerHandshake::take_request).
    Http,
    /// The request breaks a rule and is answered, or will never be complete. The answer is queued;
    /// go on as [`transport`](ServerHandshake::transport) says.
    Failed(HandshakeError),
}

/// The server's side of the opening handshake (RFC 6455, section 4.2).
///
/// It is driven as a [`Connection`] is. It takes the request and leaves what follows in the
/// caller's input, for the connection.
///
/// ```
/// use bytes::Buf;
/// use websocket_proto::handshake::{Acceptance, ServerEvent, ServerHandshake};
/// use websocket_proto::Config;
///
/// static CONFIG: Config = Config::new();
/// let mut handshake = ServerHandshake::new(&CONFIG);
/// let mut request = *b"GET /chat HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
///     Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// let mut input = &mut request[..];
/// assert_eq!(handshake.receive(&mut input), Some(ServerEvent::Upgrade));
/// assert_eq!(handshake.request().unwrap().path(), "/chat");
///
/// let mut connection = handshake.accept(&Acceptance::new())?.connection;
/// assert!(connection.output().chunk().starts_with(b"HTTP/1.1 101 "));
/// # Ok::<(), websocket_proto::handshake::HeadError>(())
/// ```
#[derive(Debug)]
pub struct ServerHandshake {
    config: SharedConfig,
    parser: RequestParser,
    /// What has arrived of the request, and the whole of it while it is decided on. The response
    /// that accepts is written behind it.
    head: Vec<u8>,
    output: Output,
    state: State,
    /// Whether the client's direction of the stream has ended.
    eof: bool,
    deadline: Deadline,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Reading,
    Deciding(Kind),
    /// An answer that closes is queued, or taken; the event of what it answers may wait.
    Answered {
        untold: Option<HandshakeError>,
    },
    /// The stream ended before the request did; the event may wait.
    Ended {
        told: bool,
    },
    Aborted {
        told: bool,
    },
    /// The connection, or the request, is in other hands.
    Spent,
}

/// Room for the response that accepts, unless much is added to it.
const RESPONSE_ROOM: usize = 256;

/// What the request asks for.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Upgrade,
    Http,
}

impl ServerHandshake {
    /// A handshake for a transport that was just accepted.
    #[must_use]
    pub fn new(config: impl Into<SharedConfig>) -> Self {
        let config = config.into();
        Self {
            parser: RequestParser::new(config.head_limits),
            deadline: Deadline::new(config.timeouts.opening),
            config,
            head: Vec::new(),
            output: Output::default(),
            state: State::Reading,
            eof: false,
        }
    }
}

/// # Input
impl ServerHandshake {
    /// Takes the request from `input` and nothing behind it. `None` if nothing is to be told: more
    /// has to arrive, or a decision is due.
    ///
    /// Once an answer is queued that closes, what comes is dropped.
    pub fn receive(&mut self, input: &mut &mut [u8]) -> Option<ServerEvent> {
        match &mut self.state {
            State::Reading => match self.read(input) {
                Ok(event) => event,
                Err(error) => {
                    self.fail(error);
                    *input = &mut [];
                    Some(ServerEvent::Failed(error))
                }
            },
            State::Deciding(_) | State::Spent => None,
            State::Answered { untold } => {
                *input = &mut [];
                untold.take().map(ServerEvent::Failed)
            }
            State::Ended { told } => {
                *input = &mut [];
                let first = !core::mem::replace(told, true);
                first.then_some(ServerEvent::Failed(HandshakeError::UnexpectedEof))
            }
            State::Aborted { told } => {
                *input = &mut [];
                let first = !core::mem::replace(told, true);
                first.then_some(ServerEvent::Failed(HandshakeError::Aborted))
            }
        }
    }

    /// The client's direction of the stream has ended.
    pub fn receive_eof(&mut self) {
        self.eof = true;
        if let State::Reading = self.state {
            self.head = Vec::new();
            self.state = State::Ended { told: false };
        }
    }

    /// The transport broke: nothing can be read or written any more.
    pub fn abort(&mut self) {
        match self.state {
            State::Reading | State::Deciding(_) => self.state = State::Aborted { told: false },
            // The end was told already.
            State::Answered { untold: None } | State::Ended { told: true } => {
                self.state = State::Aborted { told: true };
            }
            State::Answered { untold: Some(_) } => self.state = State::Aborted { told: false },
            State::Ended { told: false } | State::Aborted { .. } | State::Spent => {}
        }
        self.head = Vec::new();
        self.output = Output::default();
    }

    /// Tells the time, as [`Connection::handle_timeout`] has it: once for each wake-up, before
    /// [`receive`](Self::receive).
    ///
    /// A request that takes longer than [`Timeouts::opening`](crate::Timeouts::opening) is
    /// answered with 408. Writing an answer, and waiting for the end of the stream behind it, is
    /// bounded by [`Timeouts::closing`](crate::Timeouts::closing); a decision is not bounded.
    pub fn handle_timeout(&mut self, now: Duration) {
        if !self.deadline.has_passed(now) {
            return;
        }
        match self.state {
            State::Reading => {
                self.fail(HandshakeError::Timeout);
                self.state = State::Answered { untold: Some(HandshakeError::Timeout) };
            }
            State::Answered { .. } if self.output.has_remaining() => self.abort(),
            State::Answered { .. } => self.eof = true,
            State::Deciding(_) | State::Ended { .. } | State::Aborted { .. } | State::Spent => {}
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called at the latest, `None` if time
    /// changes nothing. Before the first call that is at once.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        match (self.state, self.transport()) {
            (State::Reading, _) | (State::Answered { .. }, Transport::Open | Transport::Drain) => {
                self.deadline.poll()
            }
            _ => None,
        }
    }
}

/// # The decision
impl ServerHandshake {
    /// The request, while it is decided on.
    #[must_use]
    pub fn request(&self) -> Option<RequestHead<'_>> {
        match self.state {
            State::Deciding(_) => self.parser.head(&self.head),
            State::Reading
            | State::Answered { .. }
            | State::Ended { .. }
            | State::Aborted { .. }
            | State::Spent => None,
        }
    }

    /// Accepts an upgrade: gives the connection, whose output begins with the response. This
    /// handshake is over then and does nothing any more.
    ///
    /// # Errors
    ///
    /// [`HeadError::NoRequest`] where no upgrade waits, and what
    /// [`Upgrade::accept`](super::Upgrade::accept) refuses. The request still waits then.
    pub fn accept(&mut self, acceptance: &Acceptance<'_>) -> Result<Established, HeadError> {
        let (State::Deciding(Kind::Upgrade), Some(request)) = (self.state, self.request()) else {
            return Err(HeadError::NoRequest);
        };
        acceptance.check(request.fields())?;
        let (accept, length) = (request.accept_key(), self.head.len());
        if let Err(error) = acceptance.write(&accept, &mut self.head) {
            self.head.truncate(length);
            return Err(error);
        }
        let negotiated = Negotiated::from(acceptance);
        let output = Output::holding(core::mem::take(&mut self.head), length);
        let config = self.config.clone();
        let connection = Connection::with_output(Role::Server, config, &negotiated, output);
        let mut established = Established { connection, negotiated };
        if self.eof {
            established.connection.receive_eof();
        }
        self.state = State::Spent;
        Ok(established)
    }

    /// Answers with a ready response, whose body names the status. The connection closes.
    ///
    /// # Errors
    ///
    /// [`HeadError::NoRequest`] where no request waits.
    pub fn reject(&mut self, rejection: Rejection) -> Result<(), HeadError> {
        let request = self.request().ok_or(HeadError::NoRequest)?;
        // RFC 9110, section 9.3.2: no body answers HEAD.
        let body = if request.method() == "HEAD" { "" } else { rejection.reason() };
        self.answer(|response| rejection.write(response, body))
    }

    /// Answers with a response of the caller's: a page, a redirect, 401 and whom it asks for. The
    /// connection closes. [`write_response`] says what of it is written here.
    ///
    /// # Errors
    ///
    /// [`HeadError::NoRequest`] where no request waits, and what [`write_response`] refuses. The
    /// request still waits then.
    pub fn respond(
        &mut self,
        status: u16,
        fields: &[Field<'_>],
        body: &[u8],
    ) -> Result<(), HeadError> {
        let method = self.request().ok_or(HeadError::NoRequest)?.method().to_string();
        self.answer(|response| write_response(response, &method, status, fields, body))
    }

    /// Hands the request over, with all its bytes, to something else that speaks HTTP; what came
    /// behind it is still in the driver's input. This handshake is over then. `None` where no
    /// request waits.
    pub fn take_request(&mut self) -> Option<Vec<u8>> {
        self.request()?;
        self.state = State::Spent;
        Some(core::mem::take(&mut self.head))
    }
}

/// # Output and the transport
impl ServerHandshake {
    /// What waits to be written.
    pub fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// What is to be done with the transport.
    #[must_use]
    pub fn transport(&self) -> Transport {
        match self.state {
            State::Reading | State::Deciding(_) => Transport::Open,
            State::Answered { .. } if self.output.has_remaining() => Transport::Open,
            State::Answered { .. } if !self.eof => Transport::Drain,
            State::Answered { .. } | State::Ended { .. } | State::Spent => Transport::Close,
            State::Aborted { .. } => Transport::Abort,
        }
    }

    /// Whether anything is to be read: not while a decision is due.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        !self.eof && matches!(self.state, State::Reading | State::Answered { .. })
    }

    /// Whether output waits.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.output.has_remaining()
    }
}

impl ServerHandshake {
    /// Takes the request, or all of `input` if that does not complete it.
    fn read(&mut self, input: &mut &mut [u8]) -> Result<Option<ServerEvent>, HandshakeError> {
        let before = self.head.len();
        let request = if before == 0 {
            // Most requests arrive in one piece, and what follows them is not copied.
            self.parser.parse(input)?
        } else {
            let room = self.config.head_limits.max_head.saturating_sub(before);
            self.head.extend_from_slice(input.get(..room).unwrap_or(input));
            self.parser.parse(&self.head)?
        };
        let Some(request) = request else {
            if before == 0 {
                self.head.extend_from_slice(input);
            }
            *input = &mut [];
            return Ok(None);
        };
        let length = request.as_bytes().len();
        let kind = if request.is_upgrade()? { Kind::Upgrade } else { Kind::Http };
        if let Kind::Upgrade = kind
            && !self.config.origin_policy.allows(&request)
        {
            return Err(HandshakeError::ForbiddenOrigin);
        }
        if before == 0 {
            self.head = Vec::with_capacity(length + RESPONSE_ROOM);
            self.head.extend_from_slice(input.get(..length).unwrap_or_default());
        }
        self.head.truncate(length);
        *input = core::mem::take(input).get_mut(length - before..).unwrap_or_default();
        self.state = State::Deciding(kind);
        Ok(Some(match kind {
            Kind::Upgrade => ServerEvent::Upgrade,
            Kind::Http => ServerEvent::Http,
        }))
    }

    fn fail(&mut self, error: HandshakeError) {
        let _ = self.answer(|response| match error.rejection() {
            Some(rejection) => rejection.write(response, error.wording()),
            None => Ok(0),
        });
    }

    /// Queues a response behind which nothing comes.
    fn answer(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<usize, HeadError>,
    ) -> Result<(), HeadError> {
        let mut response = Vec::with_capacity(256);
        write(&mut response)?;
        self.output.push(&response);
        self.head = Vec::new();
        self.state = State::Answered { untold: None };
        self.deadline.restart(self.config.timeouts.closing);
        Ok(())
    }
}
