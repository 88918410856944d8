//! Failed opening handshakes after which a client may connect again (RFC 6455, section 7.2.3).

use super::HandshakeError;

impl HandshakeError {
    /// Returns whether a client may connect again later: the stream ended, the transport broke, or the
    /// time expired before the response was complete. After any other error a new attempt would fail in
    /// the same way.
    ///
    /// [`CloseCode::is_temporary`](crate::CloseCode::is_temporary) has the delays.
    ///
    /// ```
    /// use websocket_proto::handshake::HandshakeError;
    ///
    /// assert!(HandshakeError::UnexpectedEof.is_temporary());
    /// assert!(!HandshakeError::WrongAccept.is_temporary());
    /// ```
    #[must_use]
    pub const fn is_temporary(self) -> bool {
        matches!(self, Self::UnexpectedEof | Self::Aborted | Self::Timeout)
    }
}

/// Returns whether a server or a proxy that rejects a request with this status code may accept it later:
/// 408, 429, 500, or 502 to 504 (RFC 9110, section 15; RFC 6585, section 4). The server or the path to it
/// failed or is overloaded; nobody refused.
///
/// A `Retry-After` among the fields of the response says when (RFC 9110, section 10.2.3).
/// [`CloseCode::is_temporary`](crate::CloseCode::is_temporary) has the delays otherwise.
///
/// ```
/// use websocket_proto::handshake::is_temporary_status;
///
/// assert!(is_temporary_status(503));
/// assert!(!is_temporary_status(403));
/// ```
#[must_use]
pub const fn is_temporary_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502..=504)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn temporary_status_codes_are_those_of_overload_and_failure() {
        let temporary: Vec<u16> = (0..1000).filter(|status| is_temporary_status(*status)).collect();
        assert_eq!(temporary, [408, 429, 500, 502, 503, 504]);
    }

    #[test]
    fn handshake_errors_are_temporary_if_the_path_failed() {
        for error in
            [HandshakeError::UnexpectedEof, HandshakeError::Aborted, HandshakeError::Timeout]
        {
            assert!(error.is_temporary(), "{error:?}");
        }
        for error in [
            HandshakeError::Entropy,
            HandshakeError::WrongAccept,
            HandshakeError::InvalidStatusLine,
            HandshakeError::HeadTooLong,
        ] {
            assert!(!error.is_temporary(), "{error:?}");
        }
    }
}
