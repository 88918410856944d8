//! The header fields that matter to the handshake, and the lists in their values.

#[cfg(feature = "http")]
use alloc::vec::Vec;
use core::num::NonZeroU32;
use core::str;

use super::extensions::is_extension_list;
use super::http1::characters::Class;
use super::http1::{FieldLine, slice, trim, trim_end, trim_start};
use super::{Field, Fields, HandshakeError, HeadWriter, InvalidHead};

/// Returns the first subprotocol in `supported` that is also in `offered`, or `None` if there is none.
///
/// The server's order of preference decides (RFC 6455, section 4.2.2, item 4).
///
/// ```
/// use websocket_proto::handshake::choose_subprotocol;
///
/// let offered = ["soap", "wamp"].into_iter();
/// assert_eq!(choose_subprotocol(offered.clone(), &["wamp", "soap"]), Some("wamp"));
/// assert_eq!(choose_subprotocol(offered, &["chat"]), None);
/// ```
pub fn choose_subprotocol<'a, 's>(
    offered: impl Iterator<Item = &'a str> + Clone,
    supported: &[&'s str],
) -> Option<&'s str> {
    let is_offered = |supported: &&&str| offered.clone().any(|offered| offered == **supported);
    supported.iter().find(is_offered).copied()
}

/// The name of the field that lists extensions, in lowercase as in HTTP/2.
pub(super) const EXTENSIONS: &str = "sec-websocket-extensions";
/// The name of the field that lists subprotocols, in lowercase as in HTTP/2.
pub(super) const SUBPROTOCOLS: &str = "sec-websocket-protocol";

/// The name of a header field that matters to the handshake.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldName {
    Host,
    Origin,
    Upgrade,
    Connection,
    ContentLength,
    TransferEncoding,
    Key,
    Accept,
    Version,
    Subprotocols,
    Extensions,
}

impl FieldName {
    /// Returns the name that equals `name`, ignoring case.
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        let (field_name, lowercase) = (*BY_LENGTH.get(name.len())?)?;
        if eq_lowercase(name, lowercase) {
            return Some(field_name);
        }
        // `sec-websocket-key` is as long as `transfer-encoding`.
        eq_lowercase(name, b"sec-websocket-key").then_some(Self::Key)
    }

    /// Returns the bit of this name in a set of names.
    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// The names in lowercase, indexed by their length. `sec-websocket-key` is missing, because it is as
/// long as `transfer-encoding`.
const BY_LENGTH: [Option<(FieldName, &[u8])>; 25] = {
    let mut names: [Option<(FieldName, &[u8])>; 25] = [None; 25];
    names[4] = Some((FieldName::Host, b"host"));
    names[6] = Some((FieldName::Origin, b"origin"));
    names[7] = Some((FieldName::Upgrade, b"upgrade"));
    names[10] = Some((FieldName::Connection, b"connection"));
    names[14] = Some((FieldName::ContentLength, b"content-length"));
    names[17] = Some((FieldName::TransferEncoding, b"transfer-encoding"));
    names[20] = Some((FieldName::Accept, b"sec-websocket-accept"));
    names[21] = Some((FieldName::Version, b"sec-websocket-version"));
    names[22] = Some((FieldName::Subprotocols, SUBPROTOCOLS.as_bytes()));
    names[24] = Some((FieldName::Extensions, EXTENSIONS.as_bytes()));
    names
};

/// The fields of a head that matter to the handshake (RFC 6455, sections 4.1 and 4.2.1).
///
/// `V` represents a value: its bytes or, while the head is read into a buffer that may move, its
/// [`Span`].
#[derive(Clone, Copy, Debug)]
pub(super) struct HandshakeFields<V> {
    /// The first value of each field, indexed by [`FieldName`].
    values: [Option<V>; FieldName::Extensions as usize + 1],
    /// The set of fields that occur more than once, as bits ([`FieldName::bit`]).
    repeated: u16,
    /// Whether `Upgrade` lists `websocket`.
    pub(super) lists_websocket: bool,
    /// Whether `Connection` lists `upgrade`.
    pub(super) lists_upgrade: bool,
    /// Whether a `Sec-WebSocket-Protocol` is not a list of tokens.
    pub(super) has_malformed_subprotocols: bool,
    /// Whether a `Sec-WebSocket-Extensions` breaks its grammar.
    pub(super) has_malformed_extensions: bool,
}

/// The range of a value in a head, whose length fits in 32 bits. `start <= end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// Not zero, because the start line precedes all fields.
    start: NonZeroU32,
    end: u32,
}

impl Span {
    /// Returns the bytes of `head` in this range.
    pub(super) fn of(self, head: &[u8]) -> &[u8] {
        slice(head, self.start.get() as usize..self.end as usize)
    }
}

impl<V: Copy> HandshakeFields<V> {
    pub(super) const fn new() -> Self {
        Self {
            values: [None; _],
            repeated: 0,
            lists_websocket: false,
            lists_upgrade: false,
            has_malformed_subprotocols: false,
            has_malformed_extensions: false,
        }
    }

    /// Returns the value of a field, or `None` if it is missing. Returns the error `repeated` if the
    /// field occurs more than once.
    pub(super) fn once(
        &self,
        name: FieldName,
        repeated: HandshakeError,
    ) -> Result<Option<V>, HandshakeError> {
        if self.repeated & name.bit() == 0 { Ok(self.first(name)) } else { Err(repeated) }
    }

    /// Returns the value of the first field of this name.
    pub(super) fn first(&self, name: FieldName) -> Option<V> {
        self.values.get(name as usize).copied().flatten()
    }

    /// Adds a field whose value is `value`, represented by `kept`.
    // Builds without `alloc` keep one copy of this (code size, benches/size).
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    fn add(&mut self, name: FieldName, value: &[u8], kept: V) {
        match self.values.get_mut(name as usize) {
            Some(first @ None) => *first = Some(kept),
            Some(Some(_)) | None => self.repeated |= name.bit(),
        }
        match name {
            FieldName::Upgrade => self.lists_websocket |= list_contains(value, b"websocket"),
            FieldName::Connection => self.lists_upgrade |= list_contains(value, b"upgrade"),
            FieldName::Subprotocols => self.has_malformed_subprotocols |= !is_token_list(value),
            FieldName::Extensions => self.has_malformed_extensions |= !is_extension_list(value),
            FieldName::Host | FieldName::Origin | FieldName::ContentLength => {}
            FieldName::TransferEncoding | FieldName::Key => {}
            FieldName::Accept | FieldName::Version => {}
        }
    }
}

impl<'a> HandshakeFields<&'a [u8]> {
    pub(super) fn collect(fields: impl Iterator<Item = Field<'a>>) -> Self {
        let mut collected = Self::new();
        for field in fields {
            if let Some(name) = FieldName::of(field.name_bytes()) {
                collected.add(name, field.value(), field.value());
            }
        }
        collected
    }
}

impl HandshakeFields<Span> {
    /// Adds the complete field line `line` of `head`, if its field matters.
    pub(super) fn record(&mut self, head: &[u8], line: FieldLine) {
        let (Some(name), Some(value)) =
            (head.get(line.start..line.colon), head.get(line.colon + 1..line.end))
        else {
            debug_assert!(false, "the scanner read this part of the head");
            return self.fail_all_checks();
        };
        let Some(name) = FieldName::of(name) else { return };
        let value = trim_start(value);
        let start = line.end - value.len();
        let value = trim_end(value);
        let end = start + value.len();
        let Some(start) = NonZeroU32::new(start as u32) else {
            debug_assert!(false, "a start line precedes all fields");
            return self.fail_all_checks();
        };
        self.add(name, value, Span { start, end: end as u32 });
    }

    /// Marks every field as repeated, because a field was not recorded: a missing `Origin` would pass every
    /// policy.
    const fn fail_all_checks(&mut self) {
        self.repeated = u16::MAX;
    }

    /// Returns the fields with their values in `head`.
    pub(super) fn resolve<'a>(&self, head: &'a [u8]) -> HandshakeFields<&'a [u8]> {
        let mut values = [None; _];
        for (value, span) in values.iter_mut().zip(&self.values) {
            if let Some(span) = span {
                *value = Some(span.of(head));
            }
        }
        HandshakeFields {
            values,
            repeated: self.repeated,
            lists_websocket: self.lists_websocket,
            lists_upgrade: self.lists_upgrade,
            has_malformed_subprotocols: self.has_malformed_subprotocols,
            has_malformed_extensions: self.has_malformed_extensions,
        }
    }
}

/// The fields of a head, in either kind of storage.
#[derive(Clone, Debug)]
pub(super) enum FieldList<'a> {
    Borrowed(Fields<'a>),
    /// Collected from another stack's map of fields.
    #[cfg(feature = "http")]
    Collected(Vec<Field<'a>>),
}

impl<'a> FieldList<'a> {
    pub(super) fn iter(&self) -> Fields<'_> {
        match self {
            Self::Borrowed(fields) => fields.clone(),
            #[cfg(feature = "http")]
            Self::Collected(fields) => Fields::of_list(fields),
        }
    }

    pub(super) fn handshake_fields(&self) -> HandshakeFields<&'a [u8]> {
        match self {
            Self::Borrowed(fields) => HandshakeFields::collect(fields.clone()),
            #[cfg(feature = "http")]
            Self::Collected(fields) => HandshakeFields::collect(fields.iter().copied()),
        }
    }
}

impl Field<'_> {
    /// Returns whether a request or a response that accepts has this field from the handshake itself.
    pub(super) fn is_reserved(&self) -> bool {
        const PREFIX: &[u8] = b"sec-websocket-";
        let name = self.name_bytes();
        match FieldName::of(name) {
            Some(name) => name != FieldName::Origin,
            None => name.get(..PREFIX.len()).is_some_and(|start| eq_lowercase(start, PREFIX)),
        }
    }

    /// Returns whether a response that does not accept has this field from the handshake itself: the
    /// fields that close the connection and delimit the body.
    pub(super) fn is_reserved_in_response(&self) -> bool {
        matches!(
            FieldName::of(self.name_bytes()),
            Some(FieldName::Connection | FieldName::ContentLength | FieldName::TransferEncoding)
        )
    }

    /// Checks a field that the caller adds to a request or to a response that accepts.
    pub(super) fn check_extra(&self) -> Result<(), InvalidHead> {
        self.check(Self::is_reserved)
    }

    /// Checks a field that the caller adds to a head: CR, LF and NUL are errors, and so is every other
    /// byte that a recipient would interpret differently.
    #[inline]
    pub(super) fn check(&self, is_reserved: impl Fn(&Self) -> bool) -> Result<(), InvalidHead> {
        if !Class::Token.is_all(self.name_bytes()) {
            return Err(InvalidHead::FieldName);
        }
        if is_reserved(self) {
            return Err(InvalidHead::ReservedField);
        }
        if !self.has_valid_value() {
            return Err(InvalidHead::FieldValue);
        }
        Ok(())
    }
}

impl HeadWriter<'_> {
    /// Writes the caller's fields in their order and case.
    #[inline]
    pub(super) fn extra_fields(&mut self, fields: &[Field<'_>]) -> Result<(), InvalidHead> {
        for field in fields {
            field.check_extra()?;
            self.field(*field)?;
        }
        Ok(())
    }
}

/// Returns the elements of a list without quoted strings. They are trimmed, and empty ones are
/// omitted.
// RFC 9110, section 5.6.1.2: a recipient must parse and ignore a reasonable number of empty elements.
pub(super) const fn elements(list: &[u8]) -> Elements<'_> {
    Elements(list)
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.0.is_empty() {
            let len = self.0.iter().position(|&byte| byte == b',').unwrap_or(self.0.len());
            let (element, rest) = self.0.split_at_checked(len)?;
            self.0 = rest.strip_prefix(b",").unwrap_or(rest);
            if !trim(element).is_empty() {
                return Some(trim(element));
            }
        }
        None
    }
}

/// Returns those elements of several lists that are tokens.
pub(super) fn tokens<'a>(
    lists: impl Iterator<Item = &'a [u8]> + Clone,
) -> impl Iterator<Item = &'a str> + Clone {
    lists
        .flat_map(elements)
        .filter(|element| Class::Token.is_all(element))
        .filter_map(|token| str::from_utf8(token).ok())
}

/// Returns whether `list` has the element `lowercase`, ignoring case.
fn list_contains(list: &[u8], lowercase: &[u8]) -> bool {
    // Most lists have one element.
    eq_lowercase(list, lowercase) || elements(list).any(|element| eq_lowercase(element, lowercase))
}

/// Returns whether `list` is `1#token`, a list with at least one token (RFC 9110, section 5.6.1).
fn is_token_list(list: &[u8]) -> bool {
    elements(list).next().is_some() && elements(list).all(|element| Class::Token.is_all(element))
}

/// Returns whether `text` equals `lowercase`, ignoring case. `lowercase` must consist of lowercase
/// letters and hyphens.
///
/// The comparison sets bit 5 of each byte. Only letters then equal a letter, and only the hyphen and CR
/// equal a hyphen: `text` must have no CR, unless the caller accepts that it equals a hyphen.
pub(super) fn eq_lowercase(text: &[u8], lowercase: &[u8]) -> bool {
    let (words, bytes) = text.as_chunks();
    let (lowercase_words, lowercase_bytes) = lowercase.as_chunks();
    let is_word = |(a, b): (&[u8; 4], &[u8; 4])| {
        u32::from_le_bytes(*a) | 0x2020_2020 == u32::from_le_bytes(*b)
    };
    text.len() == lowercase.len()
        && words.iter().zip(lowercase_words).all(is_word)
        && bytes.iter().zip(lowercase_bytes).all(|(a, b)| a | 0x20 == *b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_contains_whole_elements_ignoring_case() {
        for list in ["upgrade", "Upgrade", "keep-alive, Upgrade", ",,\tUPGRADE ,", "a,upgrade,b"] {
            assert!(list_contains(list.as_bytes(), b"upgrade"), "{list}");
        }
        for list in ["", ",", "upgraded", "keep-alive Upgrade", "\"upgrade\"", "upgrade;q=1"] {
            assert!(!list_contains(list.as_bytes(), b"upgrade"), "{list}");
        }
    }

    #[test]
    fn eq_lowercase_agrees_with_a_bytewise_comparison() {
        for byte in 0..=u8::MAX {
            let token = [b'h', byte];
            let same = token.eq_ignore_ascii_case(b"ht");
            assert_eq!(eq_lowercase(&token, b"ht"), same, "{byte:#x}");
            let same = token.eq_ignore_ascii_case(b"h-");
            assert!(eq_lowercase(&token, b"h-") == same || !Class::Token.has(byte), "{byte:#x}");
        }
        assert!(!eq_lowercase(b"host", b"hosts") && !eq_lowercase(b"hosts", b"host"));
    }

    #[test]
    fn recognizes_every_field_name() {
        for (name, expected) in [
            ("Host", FieldName::Host),
            ("ORIGIN", FieldName::Origin),
            ("upgrade", FieldName::Upgrade),
            ("Connection", FieldName::Connection),
            ("Content-Length", FieldName::ContentLength),
            ("Transfer-Encoding", FieldName::TransferEncoding),
            ("Sec-WebSocket-Key", FieldName::Key),
            ("Sec-WebSocket-Accept", FieldName::Accept),
            ("Sec-WebSocket-Version", FieldName::Version),
            ("Sec-WebSocket-Protocol", FieldName::Subprotocols),
            ("sec-websocket-extensions", FieldName::Extensions),
        ] {
            assert!(FieldName::of(name.as_bytes()) == Some(expected), "{name}");
            let other = [&name[..name.len() - 1], "_"].concat();
            assert!(FieldName::of(other.as_bytes()).is_none(), "{other}");
        }
        assert!(FieldName::of(b"").is_none());
    }

    #[test]
    fn token_list_has_at_least_one_token() {
        for list in ["chat", "chat, superchat", "v1.chat ,,\t soap"] {
            assert!(is_token_list(list.as_bytes()), "{list}");
        }
        for list in ["", ",", " , ,", "a b", "a;b", "chat, \u{fc}", "\"chat\"", "a/b"] {
            assert!(!is_token_list(list.as_bytes()), "{list}");
        }
    }
}
