//! The client's side of the opening handshake.

use alloc::string::String;
use alloc::vec::Vec;
use core::str;

use bytes::Buf;

use super::list::elements;
use super::offer::is_accepted;
use super::{
    ClientRequest, Established, Extensions, HandshakeError, HeadError, HeadLimits, Negotiated,
    ResponseHead, ResponseParser, accept_key, key_from_nonce,
};
use crate::{Connection, Output, Role, SharedConfig, Transport};

/// What [`ClientHandshake::receive`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The server accepts. Now take the connection from [`ClientHandshake::establish`].
    Accepted,
    /// The server answers something else: a redirect, a demand for credentials, an error. Its
    /// fields and body are in [`ClientHandshake::response`] and [`ClientHandshake::body`].
    Refused {
        /// The status.
        status: u16,
    },
    /// The response breaks a rule, or will never be complete.
    Failed(HandshakeError),
}

/// The client's side of the opening handshake (RFC 6455, section 4.1).
///
/// It is driven as a [`Connection`] is. It takes the response and leaves what follows in the
/// caller's input, for the connection. Interim responses before it are skipped (RFC 9110, section
/// 15.2).
///
/// ```
/// use websocket_proto::handshake::{ClientEvent, ClientHandshake, ClientRequest, Uri};
/// use websocket_proto::{Config, EntropyError};
///
/// # let entropy = |out: &mut [u8]| { out.copy_from_slice(b"the sample nonce"); Ok::<_, EntropyError>(()) };
/// let request = ClientRequest::new(&Uri::parse("ws://example.com/chat")?);
/// let mut handshake = ClientHandshake::new(Config::new().entropy(entropy), &request)?;
/// // Write `handshake.output()`, then read:
/// let mut response = *b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
/// let mut input = &mut response[..];
/// match handshake.receive(&mut input) {
///     None => { /* read on, as `transport()` says */ }
///     Some(ClientEvent::Accepted) => { let connection = handshake.establish(); }
///     Some(ClientEvent::Refused { status }) => println!("{status}"),
///     Some(ClientEvent::Failed(error)) => println!("{error}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ClientHandshake {
    config: SharedConfig,
    parser: ResponseParser,
    /// What has arrived of the response's head.
    head: Vec<u8>,
    body: Vec<u8>,
    offered: Offered,
    output: Output,
    state: State,
    /// Whether the server's direction of the stream has ended.
    eof: bool,
}

/// What the response is checked against.
#[derive(Debug)]
struct Offered {
    accept: [u8; 28],
    /// Separated by commas.
    subprotocols: String,
    extensions: String,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Reading the head, after so many bytes of interim responses.
    Head {
        interim: usize,
    },
    /// Reading at most `left` bytes more of the body of a refusal.
    Body {
        left: usize,
        end: BodyEnd,
    },
    Accepted,
    Refused {
        told: bool,
    },
    Failed {
        error: HandshakeError,
        told: bool,
    },
    /// The connection is in other hands.
    Spent,
}

/// What ends a body (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug)]
enum BodyEnd {
    Length,
    /// The end of the stream, or the last chunk: nothing is decoded here.
    Stream,
}

impl ClientHandshake {
    /// A handshake for a transport that was just connected. The request is queued.
    ///
    /// The nonce is drawn from the configuration's entropy; if that fails, so does the handshake.
    ///
    /// # Errors
    ///
    /// What of `request` cannot be sent.
    pub fn new(
        config: impl Into<SharedConfig>,
        request: &ClientRequest<'_>,
    ) -> Result<Self, HeadError> {
        let config = config.into();
        let mut nonce = [0; 16];
        let drawn = config.fill(&mut nonce);
        let key = key_from_nonce(&nonce);
        let mut head = Vec::with_capacity(512);
        request.write(key, &mut head)?;
        let mut output = Output::default();
        let state = match drawn {
            Ok(()) => {
                output.push(&head);
                State::Head { interim: 0 }
            }
            Err(_) => State::Failed { error: HandshakeError::Entropy, told: false },
        };
        Ok(Self {
            parser: ResponseParser::new(config.head_limits),
            config,
            head: Vec::new(),
            body: Vec::new(),
            offered: Offered {
                accept: accept_key(&key),
                subprotocols: request.subprotocols.join(","),
                extensions: String::from(request.extensions.unwrap_or_default()),
            },
            output,
            state,
            eof: false,
        })
    }
}

/// # Input
impl ClientHandshake {
    /// Takes the response from `input` and nothing behind it. `None` if more has to arrive.
    ///
    /// Of a response that refuses, the body is taken too, as far as
    /// [`HeadLimits::max_body`] allows: up to its `Content-Length`, otherwise to the end of the
    /// stream.
    pub fn receive(&mut self, input: &mut &mut [u8]) -> Option<ClientEvent> {
        loop {
            match &mut self.state {
                State::Head { interim } => {
                    let interim = *interim;
                    match self.read_head(input, interim) {
                        Ok(true) if matches!(self.state, State::Accepted) => {
                            return Some(ClientEvent::Accepted);
                        }
                        Ok(true) => {}
                        Ok(false) => return None,
                        Err(error) => self.fail(error),
                    }
                }
                State::Body { left, .. } => {
                    let part = input.get(..*left).unwrap_or(input);
                    *left -= part.len();
                    let done = *left == 0;
                    self.body.extend_from_slice(part);
                    *input = &mut [];
                    if !done {
                        return None;
                    }
                    self.state = State::Refused { told: false };
                }
                State::Accepted | State::Spent => return None,
                State::Refused { told } => {
                    *input = &mut [];
                    if core::mem::replace(told, true) {
                        return None;
                    }
                    let status = self.response().map_or(0, |response| response.status());
                    return Some(ClientEvent::Refused { status });
                }
                State::Failed { error, told } => {
                    *input = &mut [];
                    let first = !core::mem::replace(told, true);
                    return first.then_some(ClientEvent::Failed(*error));
                }
            }
        }
    }

    /// The server's direction of the stream has ended.
    pub fn receive_eof(&mut self) {
        self.eof = true;
        match self.state {
            State::Head { .. } => self.fail(HandshakeError::UnexpectedEof),
            State::Body { .. } => self.state = State::Refused { told: false },
            State::Accepted | State::Refused { .. } | State::Failed { .. } | State::Spent => {}
        }
    }

    /// The transport broke: nothing can be read or written any more.
    pub fn abort(&mut self) {
        match self.state {
            State::Head { .. } | State::Accepted => self.fail(HandshakeError::Aborted),
            // The server's answer is known, and tells more.
            State::Body { .. } => self.state = State::Refused { told: false },
            State::Refused { .. } | State::Failed { .. } | State::Spent => {}
        }
        self.output = Output::default();
    }
}

/// # The result
impl ClientHandshake {
    /// The connection, once the server has accepted. This handshake is over then and does nothing
    /// any more, but [`response`](Self::response) stays readable.
    pub fn establish(&mut self) -> Option<Established> {
        let (State::Accepted, Some(response)) = (self.state, self.response()) else { return None };
        let mut extensions = String::new();
        for list in response.values("sec-websocket-extensions") {
            if !extensions.is_empty() {
                extensions.push(',');
            }
            extensions.push_str(str::from_utf8(list).unwrap_or_default());
        }
        let negotiated = Negotiated {
            subprotocol: response.subprotocol().map(String::from),
            extensions: (!extensions.is_empty()).then_some(extensions),
        };
        let output = core::mem::take(&mut self.output);
        let config = self.config.clone();
        let mut connection = Connection::with_output(Role::Client, config, &negotiated, output);
        if self.eof {
            connection.receive_eof();
        }
        self.state = State::Spent;
        Some(Established { connection, negotiated })
    }

    /// The response's head, as soon as it is complete.
    #[must_use]
    pub fn response(&self) -> Option<ResponseHead<'_>> {
        self.parser.head(&self.head)
    }

    /// What has arrived of the body of a response that refuses, as sent: with its chunks, if it
    /// has a `Transfer-Encoding`.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// # Output and the transport
impl ClientHandshake {
    /// What waits to be written.
    pub fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// What is to be done with the transport.
    #[must_use]
    pub fn transport(&self) -> Transport {
        match self.state {
            State::Head { .. } | State::Accepted => Transport::Open,
            // The server may wait for us, where only the end of the stream ends its answer.
            State::Body { end: BodyEnd::Stream, .. } if !self.output.has_remaining() => {
                Transport::Drain
            }
            State::Body { .. } => Transport::Open,
            State::Failed { error: HandshakeError::Aborted | HandshakeError::Entropy, .. } => {
                Transport::Abort
            }
            State::Refused { .. } | State::Failed { .. } | State::Spent => Transport::Close,
        }
    }

    /// Whether anything is to be read.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        !self.eof && matches!(self.state, State::Head { .. } | State::Body { .. })
    }

    /// Whether output waits.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.output.has_remaining()
    }
}

impl ClientHandshake {
    /// Takes a head, or all of `input` if that does not complete it; `false` then.
    fn read_head(&mut self, input: &mut &mut [u8], interim: usize) -> Result<bool, HandshakeError> {
        let limits = self.config.head_limits;
        let before = self.head.len();
        let room = limits.max_head.saturating_sub(interim).saturating_sub(before);
        self.head.extend_from_slice(input.get(..room).unwrap_or(input));
        let Some(response) = self.parser.parse(&self.head)? else {
            *input = &mut [];
            return Ok(false);
        };
        let length = response.as_bytes().len();
        let offered = &self.offered;
        let is_offered = |subprotocol: &str| {
            elements(offered.subprotocols.as_bytes()).any(|one| one == subprotocol.as_bytes())
        };
        let extensions = Extensions::of(&offered.extensions);
        self.state = match response.status() {
            // RFC 9110, section 15.2: a client must be able to skip interim responses. All of
            // them together stay below the limit of one head.
            100 | 102..=199 => State::Head { interim: interim + length },
            _ if is_accepted(&response, &offered.accept, is_offered, &extensions)? => {
                State::Accepted
            }
            _ => body_of(&response, limits),
        };
        self.head.truncate(length);
        *input = core::mem::take(input).get_mut(length - before..).unwrap_or_default();
        if let State::Head { interim } = self.state {
            self.head.clear();
            let max_head = limits.max_head.saturating_sub(interim);
            self.parser = ResponseParser::new(HeadLimits { max_head, ..limits });
        }
        Ok(true)
    }

    fn fail(&mut self, error: HandshakeError) {
        self.output = Output::default();
        self.state = State::Failed { error, told: false };
    }
}

/// How the body of a refusal is read (RFC 9112, section 6.3).
fn body_of(response: &ResponseHead<'_>, limits: HeadLimits) -> State {
    let mut lengths = response.values("content-length");
    let chunked = response.field("transfer-encoding").is_some();
    let length = match (lengths.next(), lengths.next()) {
        _ if matches!(response.status(), 204 | 304) => Some(0),
        (Some(length), None) if !chunked => parse_length(length),
        _ => None,
    };
    let left = length.unwrap_or(usize::MAX).min(limits.max_body);
    let end = if length.is_some() { BodyEnd::Length } else { BodyEnd::Stream };
    if left == 0 { State::Refused { told: false } } else { State::Body { left, end } }
}

fn parse_length(digits: &[u8]) -> Option<usize> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(digits).ok()?.parse().ok()
}
