//! What a Close frame says.

use core::fmt;

use crate::{ProtocolError, Text};

/// A close code (RFC 6455, section 7.4).
///
/// Any number can be named; which ones may stand in a Close frame is
/// [`is_sendable`](Self::is_sendable).
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
    /// 1001: the endpoint goes away, as a server that stops or a page that is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: a protocol error.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a type of data that the endpoint can't accept.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1005: the peer's Close frame had no code. Never on the wire.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: the connection ended without the peer's Close frame. Never on the wire.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: data that does not fit the message's type, as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: a message that violates a policy.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message too big to process.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: a client expected an extension that the server did not negotiate.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: a condition that keeps the endpoint from fulfilling the request.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the service is overloaded, try again later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got an invalid response from upstream.
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015: the TLS handshake failed. Never on the wire.
    pub const TLS_HANDSHAKE: Self = Self(1015);
    /// 3000: the endpoint must be authorized. Registered, as those that follow.
    pub const UNAUTHORIZED: Self = Self(3000);
    /// 3003: the endpoint is authorized, but not for this.
    pub const FORBIDDEN: Self = Self(3003);
    /// 3008: the endpoint took too long.
    pub const TIMEOUT: Self = Self(3008);

    /// Whether the code may stand in a Close frame: 1000 to 1003, 1007 to 1014 and 3000 to 4999.
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

/// A code and a reason, as a Close frame carries them (RFC 6455, section 5.5.1).
///
/// Legal by construction: the code may be sent, the reason is UTF-8 of at most 123 bytes. The
/// reason is for developers and logs; it need not be fit for people to read.
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
    reason: Text<'a>,
}

impl<'a> CloseFrame<'a> {
    /// A frame with this code and reason (at most 123 bytes, may be empty).
    pub fn new(code: CloseCode, reason: impl Into<Text<'a>>) -> Result<Self, CloseFrameError> {
        let reason = reason.into();
        if !code.is_sendable() {
            return Err(CloseFrameError::Code(code));
        }
        if reason.len() > 123 {
            return Err(CloseFrameError::ReasonTooLong(reason.len()));
        }
        Ok(Self { code, reason })
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> CloseCode {
        self.code
    }

    /// The reason, often empty.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Reads the payload of a Close frame, `None` if it is empty.
    pub(crate) fn decode(payload: &'a [u8]) -> Result<Option<Self>, ProtocolError> {
        check_payload(payload)?;
        let Some((code, reason)) = payload.split_first_chunk() else {
            return Ok(None);
        };
        let reason = str::from_utf8(reason).map_err(|_| ProtocolError::InvalidCloseReason)?;
        Ok(Some(Self { code: CloseCode(u16::from_be_bytes(*code)), reason: reason.into() }))
    }

    /// The same with a reason of its own.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn into_owned(self) -> CloseFrame<'static> {
        CloseFrame { code: self.code, reason: self.reason.into_owned() }
    }
}

/// Checks the first bytes of a Close frame's payload, as far as they go: what can't become a
/// legal payload any more is refused before the rest is there.
pub(crate) fn check_payload(start: &[u8]) -> Result<(), ProtocolError> {
    let Some((code, reason)) = start.split_first_chunk() else {
        return Ok(());
    };
    // RFC 6455, section 7.4: reserved codes never stand in a Close frame.
    let code = u16::from_be_bytes(*code);
    if !CloseCode(code).is_sendable() {
        return Err(ProtocolError::InvalidCloseCode(code));
    }
    // RFC 6455, section 5.5.1: the reason is UTF-8.
    match str::from_utf8(reason) {
        Err(error) if error.error_len().is_some() => Err(ProtocolError::InvalidCloseReason),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Why a [`CloseFrame`] can't be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseFrameError {
    /// The code may not stand in a Close frame (section 7.4).
    Code(CloseCode),
    /// The reason is this long: more than 123 bytes.
    ReasonTooLong(usize),
}

impl fmt::Display for CloseFrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "close code {code} may not be sent"),
            Self::ReasonTooLong(len) => write!(f, "a close reason of {len} bytes exceeds 123"),
        }
    }
}

impl core::error::Error for CloseFrameError {}
