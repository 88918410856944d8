//! Credentials in fields, and where they may go.

#[cfg(feature = "alloc")]
use alloc::string::String;
#[cfg(feature = "alloc")]
use alloc::vec;

#[cfg(feature = "alloc")]
use base64::Engine;
#[cfg(feature = "alloc")]
use base64::engine::general_purpose::STANDARD;

use super::Field;
#[cfg(feature = "alloc")]
use super::HeadError;
#[cfg(feature = "alloc")]
use super::class::Class;

/// The fields that carry credentials. Whoever follows a redirect to another origin
/// ([`Uri::is_same_origin`](super::Uri::is_same_origin)) leaves them out: the server there is not
/// the one that they were meant for.
pub const CREDENTIAL_FIELDS: [&str; 4] =
    ["authorization", "proxy-authorization", "cookie", "cookie2"];

impl Field<'_> {
    /// Whether this is one of the [`CREDENTIAL_FIELDS`].
    #[must_use]
    pub fn is_credential(&self) -> bool {
        CREDENTIAL_FIELDS.iter().any(|name| self.is(name))
    }
}

/// The value of `Authorization` or `Proxy-Authorization` for a user and a password (RFC 7617).
///
/// # Errors
///
/// [`HeadError::FieldValue`] for a colon in the user's name and for control characters, which the
/// scheme has no place for.
///
/// ```
/// use websocket_proto::handshake::basic_credentials;
///
/// assert_eq!(basic_credentials("Aladdin", "open sesame")?, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
/// # Ok::<(), websocket_proto::handshake::HeadError>(())
/// ```
#[cfg(feature = "alloc")]
pub fn basic_credentials(user: &str, password: &str) -> Result<String, HeadError> {
    let is_control = |text: &str| text.chars().any(char::is_control);
    if user.contains(':') || is_control(user) || is_control(password) {
        return Err(HeadError::FieldValue);
    }
    let plain = [user, ":", password].concat();
    let mut encoded = vec![0; plain.len().div_ceil(3) * 4];
    let length = STANDARD.encode_slice(plain, &mut encoded).map_err(|_| HeadError::FieldValue)?;
    encoded.truncate(length);
    let encoded = String::from_utf8(encoded).map_err(|_| HeadError::FieldValue)?;
    Ok(["Basic ", &encoded].concat())
}

/// The value of `Authorization` for a token (RFC 6750, section 2.1).
///
/// # Errors
///
/// [`HeadError::FieldValue`] if the token has a character that the scheme does not allow.
#[cfg(feature = "alloc")]
pub fn bearer_credentials(token: &str) -> Result<String, HeadError> {
    let letters = token.trim_end_matches('=');
    let is_token = letters
        .bytes()
        .all(|byte| Class::Base64.has(byte) || matches!(byte, b'-' | b'.' | b'_' | b'~'));
    if letters.is_empty() || !is_token {
        return Err(HeadError::FieldValue);
    }
    Ok(["Bearer ", token].concat())
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_place_in_credentials_is_refused() {
        assert_eq!(basic_credentials("a:b", "c"), Err(HeadError::FieldValue));
        assert_eq!(basic_credentials("a", "c\r\nd"), Err(HeadError::FieldValue));
        assert_eq!(basic_credentials("a\0", "c"), Err(HeadError::FieldValue));
        // RFC 7617, section 2.1: UTF-8.
        assert_eq!(basic_credentials("test", "123\u{a3}").unwrap(), "Basic dGVzdDoxMjPCow==");
        assert_eq!(basic_credentials("", "").unwrap(), "Basic Og==");
        assert_eq!(bearer_credentials("mF_9.B5f-4.1JqM").unwrap(), "Bearer mF_9.B5f-4.1JqM");
        assert_eq!(bearer_credentials("YQ==").unwrap(), "Bearer YQ==");
        for token in ["", "=", "a b", "a\r\n", "a=b", "\u{e4}"] {
            assert_eq!(bearer_credentials(token), Err(HeadError::FieldValue), "{token:?}");
        }
    }
}
