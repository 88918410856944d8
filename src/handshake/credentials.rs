//! Header fields that carry credentials.

#[cfg(feature = "alloc")]
use alloc::string::String;

#[cfg(feature = "alloc")]
use base64::Engine;
#[cfg(feature = "alloc")]
use base64::engine::general_purpose::STANDARD;

use super::Field;
#[cfg(feature = "alloc")]
use super::InvalidHead;

/// The names of the fields that carry credentials.
const CREDENTIAL_FIELDS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "cookie2"];

impl Field<'_> {
    /// Returns whether the field carries credentials: `Authorization`, `Proxy-Authorization`, `Cookie`
    /// or `Cookie2`.
    ///
    /// Do not send these fields when you follow a redirect to another origin
    /// ([`Uri::is_same_origin`](super::Uri::is_same_origin)): its server must not learn them.
    #[must_use]
    pub fn is_credential(&self) -> bool {
        CREDENTIAL_FIELDS.iter().any(|name| self.has_name(name))
    }
}

/// Returns the value of `Authorization` or `Proxy-Authorization` for a user name and a password (RFC
/// 7617).
///
/// # Errors
///
/// [`InvalidHead::FieldValue`] if the user name has a colon, or either has a control character (RFC
/// 7617, section 2).
///
/// ```
/// use websocket_proto::handshake::basic_credentials;
///
/// assert_eq!(basic_credentials("Aladdin", "open sesame")?, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
/// # Ok::<(), websocket_proto::handshake::InvalidHead>(())
/// ```
#[cfg(feature = "alloc")]
pub fn basic_credentials(user: &str, password: &str) -> Result<String, InvalidHead> {
    let is_control = |text: &str| text.chars().any(char::is_control);
    if user.contains(':') || is_control(user) || is_control(password) {
        return Err(InvalidHead::FieldValue);
    }
    Ok(["Basic ", &STANDARD.encode([user, ":", password].concat())].concat())
}

/// Returns the value of `Authorization` for a bearer token (RFC 6750, section 2.1).
///
/// # Errors
///
/// [`InvalidHead::FieldValue`] if the token is empty or has a character that `b64token` does not allow.
#[cfg(feature = "alloc")]
pub fn bearer_credentials(token: &str) -> Result<String, InvalidHead> {
    let characters = token.trim_end_matches('=');
    let is_token = characters.bytes().all(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
    });
    if characters.is_empty() || !is_token {
        return Err(InvalidHead::FieldValue);
    }
    Ok(["Bearer ", token].concat())
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;

    #[test]
    fn rejects_characters_that_the_schemes_forbid() {
        assert_eq!(basic_credentials("a:b", "c"), Err(InvalidHead::FieldValue));
        assert_eq!(basic_credentials("a", "c\r\nd"), Err(InvalidHead::FieldValue));
        assert_eq!(basic_credentials("a\0", "c"), Err(InvalidHead::FieldValue));
        // RFC 7617, section 2.1: UTF-8.
        assert_eq!(basic_credentials("test", "123\u{a3}").unwrap(), "Basic dGVzdDoxMjPCow==");
        assert_eq!(basic_credentials("", "").unwrap(), "Basic Og==");
        assert_eq!(bearer_credentials("mF_9.B5f-4.1JqM").unwrap(), "Bearer mF_9.B5f-4.1JqM");
        assert_eq!(bearer_credentials("YQ==").unwrap(), "Bearer YQ==");
        for token in ["", "=", "a b", "a\r\n", "a=b", "\u{e4}"] {
            assert_eq!(bearer_credentials(token), Err(InvalidHead::FieldValue), "{token:?}");
        }
    }
}
