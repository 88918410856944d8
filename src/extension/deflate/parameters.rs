//! The parameters of permessage-deflate (RFC 7692, section 7.1): the agreement of both sides, and its
//! text in `Sec-WebSocket-Extensions`.

use core::fmt;
use core::num::NonZeroU8;
use core::str;

use crate::Role;
use crate::handshake::extensions::ListedExtension;

pub(super) const NAME: &str = "permessage-deflate";
const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
pub(super) const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// The parameters of permessage-deflate on which both sides agreed (RFC 7692, section 7.1).
///
/// `Display` formats the value of `Sec-WebSocket-Extensions` in a response.
///
/// ```
/// use websocket_proto::{DeflateParameters, Role};
///
/// let agreed = DeflateParameters::new().with_server_max_window_bits(10);
/// assert_eq!(agreed.to_string(), "permessage-deflate; server_max_window_bits=10");
/// assert!(agreed.has_context_takeover(Role::Server));
/// assert_eq!(agreed.window_bits(Role::Server), 10);
/// assert_eq!(agreed.client_max_window_bits(), None);
/// assert_eq!(agreed.window_bits(Role::Client), 15);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeflateParameters {
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    /// 8 to 15.
    pub(super) server_max_window_bits: Option<NonZeroU8>,
    /// 8 to 15.
    pub(super) client_max_window_bits: Option<NonZeroU8>,
}

impl DeflateParameters {
    /// Creates the agreement without parameters: windows of 15 bits, and context takeover in both
    /// directions.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: None,
            client_max_window_bits: None,
        }
    }

    /// Forbids the server to refer to its previous messages (section 7.1.1.1).
    #[must_use]
    pub const fn with_server_no_context_takeover(mut self) -> Self {
        self.server_no_context_takeover = true;
        self
    }

    /// Forbids the client to refer to its previous messages (section 7.1.1.2).
    #[must_use]
    pub const fn with_client_no_context_takeover(mut self) -> Self {
        self.client_no_context_takeover = true;
        self
    }

    /// Sets the maximum window of the server's messages (section 7.1.2.1). Values below 8 count as 8,
    /// and values above 15 as 15.
    #[must_use]
    pub const fn with_server_max_window_bits(mut self, bits: u8) -> Self {
        self.server_max_window_bits = NonZeroU8::new(super::clamp(bits, 8, 15));
        self
    }

    /// Sets the maximum window of the client's messages (section 7.1.2.2). Values below 8 count as 8,
    /// and values above 15 as 15.
    #[must_use]
    pub const fn with_client_max_window_bits(mut self, bits: u8) -> Self {
        self.client_max_window_bits = NonZeroU8::new(super::clamp(bits, 8, 15));
        self
    }

    /// Returns whether the server must not refer to its previous messages.
    #[must_use]
    pub const fn server_no_context_takeover(&self) -> bool {
        self.server_no_context_takeover
    }

    /// Returns whether the client must not refer to its previous messages.
    #[must_use]
    pub const fn client_no_context_takeover(&self) -> bool {
        self.client_no_context_takeover
    }

    /// Returns the maximum window of the server's messages in bits, or `None` if the parameter was not
    /// agreed; the maximum is then 15.
    #[must_use]
    pub const fn server_max_window_bits(&self) -> Option<u8> {
        match self.server_max_window_bits {
            Some(bits) => Some(bits.get()),
            None => None,
        }
    }

    /// Returns the maximum window of the client's messages in bits, or `None` if the parameter was not
    /// agreed; the maximum is then 15.
    #[must_use]
    pub const fn client_max_window_bits(&self) -> Option<u8> {
        match self.client_max_window_bits {
            Some(bits) => Some(bits.get()),
            None => None,
        }
    }

    /// Returns the maximum window of the messages that `sender` sends, in bits: 15 if none was agreed.
    #[must_use]
    pub const fn window_bits(&self, sender: Role) -> u8 {
        let agreed = match sender {
            Role::Server => self.server_max_window_bits,
            Role::Client => self.client_max_window_bits,
        };
        match agreed {
            Some(bits) => bits.get(),
            None => 15,
        }
    }

    /// Returns whether `sender` may refer to its previous messages.
    #[must_use]
    pub const fn has_context_takeover(&self, sender: Role) -> bool {
        match sender {
            Role::Server => !self.server_no_context_takeover,
            Role::Client => !self.client_no_context_takeover,
        }
    }
}

impl DeflateParameters {
    /// Parses the parameters of an offer or a response. `without_value` is the meaning of a
    /// `client_max_window_bits` without a value. Returns `None` if a parameter is unknown, repeated or
    /// invalid.
    pub(super) fn parse(
        extension: &ListedExtension<'_>,
        without_value: Option<NonZeroU8>,
    ) -> Option<Self> {
        let mut parsed = Self::new();
        for parameter in extension.parameters() {
            let bits = match parameter.value() {
                Some(value) => Some(window_bits(value)?),
                None => None,
            };
            match (parameter.name(), bits) {
                (SERVER_NO_CONTEXT_TAKEOVER, None) if !parsed.server_no_context_takeover => {
                    parsed.server_no_context_takeover = true;
                }
                (CLIENT_NO_CONTEXT_TAKEOVER, None) if !parsed.client_no_context_takeover => {
                    parsed.client_no_context_takeover = true;
                }
                (SERVER_MAX_WINDOW_BITS, Some(_)) if parsed.server_max_window_bits.is_none() => {
                    parsed.server_max_window_bits = bits;
                }
                (CLIENT_MAX_WINDOW_BITS, _) if parsed.client_max_window_bits.is_none() => {
                    parsed.client_max_window_bits = Some(bits.or(without_value)?);
                }
                _ => return None,
            }
        }
        Some(parsed)
    }
}

/// Parses a number from 8 to 15 without leading zeros.
fn window_bits(mut digits: impl Iterator<Item = u8>) -> Option<NonZeroU8> {
    let bits = match (digits.next()?, digits.next(), digits.next()) {
        (digit @ b'8'..=b'9', None, None) => digit - b'0',
        (b'1', Some(digit @ b'0'..=b'5'), None) => digit - b'0' + 10,
        _ => return None,
    };
    NonZeroU8::new(bits)
}

impl fmt::Display for DeflateParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
        for (is_set, name) in [
            (self.server_no_context_takeover, SERVER_NO_CONTEXT_TAKEOVER),
            (self.client_no_context_takeover, CLIENT_NO_CONTEXT_TAKEOVER),
        ] {
            if is_set {
                write!(f, "; {name}")?;
            }
        }
        for (bits, name) in [
            (self.server_max_window_bits, SERVER_MAX_WINDOW_BITS),
            (self.client_max_window_bits, CLIENT_MAX_WINDOW_BITS),
        ] {
            if let Some(bits) = bits {
                write!(f, "; {name}={bits}")?;
            }
        }
        Ok(())
    }
}

/// The value of a `Sec-WebSocket-Extensions` that this crate writes.
#[derive(Clone, Copy)]
pub(crate) struct ParameterText {
    bytes: [u8; Self::MAX_LEN],
    len: usize,
}

impl ParameterText {
    /// The length of [`NAME`] with all parameters, each window of two digits.
    const MAX_LEN: usize = 128;

    pub(crate) fn new(text: impl fmt::Display) -> Self {
        let mut result = Self { bytes: [0; Self::MAX_LEN], len: 0 };
        let written = fmt::Write::write_fmt(&mut result, format_args!("{text}"));
        debug_assert!(written.is_ok(), "all parameters fit");
        result
    }
}

impl AsRef<str> for ParameterText {
    fn as_ref(&self) -> &str {
        let text = self.bytes.get(..self.len).and_then(|text| str::from_utf8(text).ok());
        debug_assert!(text.is_some(), "whole strings were written");
        text.unwrap_or_default()
    }
}

impl fmt::Write for ParameterText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let free = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        free.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

impl fmt::Debug for ParameterText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_text_fills_the_buffer() {
        let longest = DeflateParameters::new()
            .with_server_no_context_takeover()
            .with_client_no_context_takeover()
            .with_server_max_window_bits(15)
            .with_client_max_window_bits(15);
        let text = ParameterText::new(longest);
        assert_eq!(text.as_ref(), std::string::ToString::to_string(&longest));
        assert_eq!(text.as_ref().len(), ParameterText::MAX_LEN);
    }
}
