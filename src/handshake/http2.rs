//! The rules for fields in HTTP/2 and HTTP/3 (RFC 9113, section 8; RFC 9114, section 4).

use super::http1::characters::Class;
use super::{Field, Fields, HandshakeError, InvalidHead};

/// The pseudo-header fields of a request and of a response (RFC 9113, section 8.3; RFC 8441, section
/// 4).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PseudoFields<'a> {
    pub(super) method: Option<&'a [u8]>,
    pub(super) protocol: Option<&'a [u8]>,
    pub(super) scheme: Option<&'a [u8]>,
    pub(super) path: Option<&'a [u8]>,
    pub(super) authority: Option<&'a [u8]>,
    pub(super) status: Option<&'a [u8]>,
}

impl<'a> PseudoFields<'a> {
    /// Reads the pseudo-header fields at the start of `list`, and returns the fields after them.
    // RFC 9113, section 8.3: pseudo-header fields precede all others; each is a defined one and occurs
    // once.
    pub(super) fn split_from(
        &mut self,
        mut list: &'a [Field<'a>],
    ) -> Result<&'a [Field<'a>], HandshakeError> {
        while let [field, rest @ ..] = list
            && field.name_bytes().starts_with(b":")
        {
            let value = match field.name_bytes() {
                b":method" => &mut self.method,
                b":protocol" => &mut self.protocol,
                b":scheme" => &mut self.scheme,
                b":path" => &mut self.path,
                b":authority" => &mut self.authority,
                b":status" => &mut self.status,
                _ => return Err(HandshakeError::MalformedFields),
            };
            if value.replace(field.value()).is_some() || !field.has_valid_value() {
                return Err(HandshakeError::MalformedFields);
            }
            list = rest;
        }
        Ok(list)
    }
}

/// Checks the peer's fields after the pseudo-header fields.
pub(super) fn check_regular(fields: Fields<'_>) -> Result<(), HandshakeError> {
    for field in fields {
        // RFC 9113, section 8.2.1: names are lowercase; values have no whitespace at their start or
        // end. RFC 9110, section 5.5: values have no control characters. The colon of a pseudo-header
        // field is not a character of a token.
        if !is_lowercase_token(field.name_bytes())
            || is_connection_specific(&field)
            || !field.has_valid_value()
        {
            return Err(HandshakeError::MalformedFields);
        }
    }
    Ok(())
}

/// Checks the caller's fields.
pub(super) fn check_extra(fields: &[Field<'_>]) -> Result<(), InvalidHead> {
    for field in fields {
        field.check_extra()?;
        if !is_lowercase_token(field.name_bytes()) {
            return Err(InvalidHead::FieldName);
        }
        if is_connection_specific(field) {
            return Err(InvalidHead::ReservedField);
        }
    }
    Ok(())
}

fn is_lowercase_token(name: &[u8]) -> bool {
    Class::Token.is_all(name) && !name.iter().any(u8::is_ascii_uppercase)
}

// RFC 9113, section 8.2.2: a message with connection-specific fields is malformed.
fn is_connection_specific(field: &Field<'_>) -> bool {
    let names = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
    names.iter().any(|name| field.has_name(name))
        || (field.has_name("te") && field.value() != b"trailers")
}
