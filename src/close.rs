//! Close codes and the payload of a Close frame.

#[cfg(feature = "alloc")]
use alloc::borrow::Cow;
use core::fmt;

use crate::Violation;

/// A close code (RFC 6455, section 7.4).
///
/// Any number can be represented. [`is_sendable`](Self::is_sendable) returns whether a Close frame
/// may carry it. The codes 1012 to 1014 and from 3000 on come from the IANA registry (section
/// 11.7).
///
/// ```
/// use websocket_proto::CloseCode;
///
/// assert!(CloseCode::NORMAL.is_sendable());
/// assert!(CloseCode(4000).is_sendable());
/// assert!(!CloseCode::ABNORMAL.is_sendable());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the endpoint goes away, because a server stops or the user leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke a rule of the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: the endpoint received a type of data that it cannot accept.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1005: the peer's Close frame had no code. Never sent.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: the connection ended without a Close frame of the peer. Never sent.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: the payload of a message does not fit its type, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: a message violates a policy of the endpoint.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message is too big to process.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: a client needs an extension that the server did not negotiate. Only clients send it.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: an unexpected condition prevents the endpoint from fulfilling the request.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the service is overloaded; the client may try again later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway received an invalid response from the upstream server.
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015: the TLS handshake failed. Never sent.
    pub const TLS_HANDSHAKE: Self = Self(1015);
    /// 3000: the client is not authenticated.
    pub const UNAUTHORIZED: Self = Self(3000);
    /// 3003: the client is authenticated but lacks permission.
    pub const FORBIDDEN: Self = Self(3003);
    /// 3008: a timeout expired. The crate sends it for the idle timeout.
    pub const TIMEOUT: Self = Self(3008);

    /// Returns whether a client may connect again later after a connection that ended with this code:
    /// 1001, 1006, or 1011 to 1014. The server or the path to it failed or is unavailable for a time;
    /// nobody refused.
    ///
    /// After any other code, the connection has served its purpose (1000, 1005), a new one would end in
    /// the same way, or the application defines the code (from 4000 on). After 3008, an idle timeout, a
    /// client connects again when it has something to send.
    ///
    /// The first delay is random, so that not all clients of a server connect at once when it comes
    /// back; later delays grow (RFC 6455, section 7.2.3). The registration of 1012 advises 5 to 30 s,
    /// that of 1013 another address of the server, or the same one only when the user asks for it.
    ///
    /// [`Outcome::code`](crate::Outcome::code) is 1006 if the peer's Close frame did not arrive before the
    /// connection failed or ended. The error of the connection then decides:
    ///
    /// ```
    /// use websocket_proto::{CloseCode, ConnectionError};
    ///
    /// /// Takes `connection.error()` and the code of `connection.outcome()`.
    /// fn may_connect_again(error: Option<ConnectionError>, code: CloseCode) -> bool {
    ///     match error {
    ///         Some(error) if code == CloseCode::ABNORMAL => error.is_temporary(),
    ///         Some(_) | None => code.is_temporary(),
    ///     }
    /// }
    ///
    /// assert!(may_connect_again(None, CloseCode::SERVICE_RESTART));
    /// assert!(may_connect_again(Some(ConnectionError::UnexpectedEof), CloseCode::ABNORMAL));
    /// assert!(!may_connect_again(None, CloseCode::POLICY_VIOLATION));
    /// // The server's Close arrived before it reset the transport.
    /// assert!(!may_connect_again(Some(ConnectionError::Aborted), CloseCode::POLICY_VIOLATION));
    /// ```
    ///
    /// Before the connection is open,
    /// [`HandshakeError::is_temporary`](crate::handshake::HandshakeError::is_temporary) and
    /// [`is_temporary_status`](crate::handshake::is_temporary_status) decide.
    #[must_use]
    pub const fn is_temporary(self) -> bool {
        matches!(self.0, 1001 | 1006 | 1011..=1014)
    }

    /// Returns whether a Close frame may carry this code: 1000 to 1003, 1007 to 1014 or 3000 to
    /// 4999 (RFC 6455, section 7.4).
    #[must_use]
    pub const fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

/// The code and reason of a Close frame (RFC 6455, section 5.5.1).
///
/// Every value is valid: its code may be sent, and its reason has at most 123 bytes. The reason is
/// meant for logs and debugging and need not be human-readable.
///
/// ```
/// use websocket_proto::{CloseCode, CloseFrame, CloseFrameError};
///
/// let frame = CloseFrame::new(CloseCode::GOING_AWAY, "restarting")?;
/// assert_eq!(frame.code(), CloseCode::GOING_AWAY);
/// assert_eq!(frame.reason(), "restarting");
/// assert_eq!(
///     CloseFrame::new(CloseCode::ABNORMAL, ""),
///     Err(CloseFrameError::Code(CloseCode::ABNORMAL))
/// );
/// # Ok::<(), CloseFrameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame<'a> {
    code: CloseCode,
    reason: Reason<'a>,
}

#[cfg(feature = "alloc")]
type Reason<'a> = Cow<'a, str>;
#[cfg(not(feature = "alloc"))]
type Reason<'a> = &'a str;

impl<'a> CloseFrame<'a> {
    /// Creates a Close frame with a code and a reason of at most 123 bytes, which may be empty.
    ///
    /// # Errors
    ///
    /// [`Code`](CloseFrameError::Code) if the code must not be sent,
    /// [`ReasonTooLong`](CloseFrameError::ReasonTooLong) if the reason has more than 123 bytes.
    pub fn new(code: CloseCode, reason: impl Into<Reason<'a>>) -> Result<Self, CloseFrameError> {
        let reason = reason.into();
        if !code.is_sendable() {
            return Err(CloseFrameError::Code(code));
        }
        if reason.len() > MAX_REASON {
            return Err(CloseFrameError::ReasonTooLong(reason.len()));
        }
        Ok(Self { code, reason })
    }

    /// Returns the close code.
    #[must_use]
    pub const fn code(&self) -> CloseCode {
        self.code
    }

    /// Returns the close reason, which is often empty.
    #[must_use]
    pub fn reason(&self) -> &str {
        let Self { reason, .. } = self;
        reason
    }

    /// Decodes the payload of a Close frame. Returns `None` if the payload is empty: the rules for headers
    /// exclude a payload of one byte.
    pub(crate) fn decode(payload: &'a [u8]) -> Result<Option<Self>, Violation> {
        check_payload(payload)?;
        let Some((code, reason)) = payload.split_first_chunk() else {
            return Ok(None);
        };
        debug_assert!(reason.len() <= MAX_REASON, "no control frame is longer");
        let reason = str::from_utf8(reason).map_err(|_| Violation::InvalidCloseReason)?;
        #[allow(clippy::useless_conversion, reason = "with `alloc`, the reason is a `Cow`")]
        let reason = reason.into();
        Ok(Some(Self { code: CloseCode(u16::from_be_bytes(*code)), reason }))
    }

    /// Converts into a frame that owns its reason. Copies only a borrowed reason.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn into_owned(self) -> CloseFrame<'static> {
        CloseFrame { code: self.code, reason: self.reason.into_owned().into() }
    }
}

/// Converts a code into a Close frame without a reason, as in
/// `connection.close(CloseCode::NORMAL)`.
impl TryFrom<CloseCode> for Option<CloseFrame<'_>> {
    type Error = CloseFrameError;

    fn try_from(code: CloseCode) -> Result<Self, CloseFrameError> {
        CloseFrame::new(code, "").map(Some)
    }
}

/// Formats the code, and the reason if there is one: "1001 restarting".
impl fmt::Display for CloseFrame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(f)?;
        if self.reason.is_empty() { Ok(()) } else { write!(f, " {}", self.reason) }
    }
}

/// The length of the longest close reason in bytes: 125 for a control frame, less 2 for the code.
const MAX_REASON: usize = 123;

/// The encoded payload of a Close frame: empty for [`CloseCode::NO_STATUS`].
pub(crate) struct ClosePayload {
    /// `len <= bytes.len()`.
    bytes: [u8; 2 + MAX_REASON],
    len: usize,
}

impl ClosePayload {
    pub(crate) fn new(code: CloseCode, reason: &str) -> Self {
        let mut payload = Self { bytes: [0; 2 + MAX_REASON], len: 0 };
        if code == CloseCode::NO_STATUS {
            return payload;
        }
        let reason = reason.as_bytes();
        if let Some((to_code, remaining)) = payload.bytes.split_first_chunk_mut()
            && let Some(to_reason) = remaining.get_mut(..reason.len())
        {
            *to_code = code.0.to_be_bytes();
            to_reason.copy_from_slice(reason);
            payload.len = to_code.len() + reason.len();
        }
        debug_assert!(payload.len > 0, "a reason has at most {MAX_REASON} bytes");
        payload
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        let bytes = self.bytes.get(..self.len);
        debug_assert!(bytes.is_some(), "len <= bytes.len()");
        bytes.unwrap_or_default()
    }
}

/// Validates a prefix of a Close frame's payload. Fails as soon as no continuation can make it
/// valid.
pub(crate) fn check_payload(prefix: &[u8]) -> Result<(), Violation> {
    let Some((code, reason)) = prefix.split_first_chunk() else {
        return Ok(());
    };
    // RFC 6455, section 7.4: a Close frame never carries a reserved code.
    let code = u16::from_be_bytes(*code);
    if !CloseCode(code).is_sendable() {
        return Err(Violation::InvalidCloseCode(code));
    }
    // RFC 6455, section 5.5.1: the reason is UTF-8.
    match str::from_utf8(reason) {
        Err(error) if error.error_len().is_some() => Err(Violation::InvalidCloseReason),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The reason why a [`CloseFrame`] cannot be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseFrameError {
    /// A Close frame must not carry this code (RFC 6455, section 7.4). Use a code from 1000 to
    /// 1003, 1007 to 1014, or 3000 to 4999.
    Code(CloseCode),
    /// The reason has this number of bytes, and the maximum is 123. Shorten it.
    ReasonTooLong(usize),
}

impl fmt::Display for CloseFrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "the close code {code} must not be sent"),
            Self::ReasonTooLong(len) => {
                write!(f, "the close reason has {len} bytes, more than 123")
            }
        }
    }
}

impl core::error::Error for CloseFrameError {}
