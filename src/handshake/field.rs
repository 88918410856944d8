//! One field of a head, and the walk over the fields of a head that was parsed.

use core::fmt;
use core::str;

use super::class::Class;

/// A field: a name, in the case in which it was sent, and a value without the white space around
/// it.
///
/// The same type is read from the peer's head and given to be written into one's own; what is
/// given is checked when it is written.
///
/// ```
/// use websocket_proto::handshake::Field;
///
/// let field = Field::new("X-Request-Id", "42");
/// assert!(field.is("x-request-id"));
/// assert_eq!(field.value(), b"42");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    name: &'a [u8],
    value: &'a [u8],
}

impl<'a> Field<'a> {
    /// A field to be written.
    #[must_use]
    pub fn new(name: &'a str, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { name: name.as_bytes(), value: value.as_ref() }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        str::from_utf8(self.name).unwrap_or_default()
    }

    /// The value. Bytes above 0x7f have no agreed meaning (RFC 9110, section 5.5).
    #[must_use]
    pub const fn value(&self) -> &'a [u8] {
        self.value
    }

    /// The value, if it is UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        str::from_utf8(self.value).ok()
    }

    /// Whether this is the field called `name`, in any case.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    pub(super) const fn name_bytes(&self) -> &'a [u8] {
        self.name
    }
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name.escape_ascii(), self.value.escape_ascii())
    }
}

/// Fields in the order in which they were sent.
#[derive(Clone, Debug)]
pub struct Fields<'a>(Source<'a>);

#[derive(Clone, Debug)]
enum Source<'a> {
    /// Field lines that were parsed, and the empty line that ends them.
    Lines(&'a [u8]),
    /// A list, as HTTP/2 and HTTP/3 have it.
    List(core::slice::Iter<'a, Field<'a>>),
}

impl<'a> Fields<'a> {
    pub(super) const fn of_lines(lines: &'a [u8]) -> Self {
        Self(Source::Lines(lines))
    }

    pub(super) fn of_list(list: &'a [Field<'a>]) -> Self {
        Self(Source::List(list.iter()))
    }

    /// The values of the fields called `name`, in any case.
    pub(super) fn values(self, name: &str) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.filter(move |field| field.is(name)).map(|field| field.value)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        match &mut self.0 {
            Source::List(list) => list.next().copied(),
            Source::Lines(lines) => {
                let (name, rest) = lines.split_at_checked(Class::Token.run(lines))?;
                // The empty line has none.
                let rest = rest.strip_prefix(b":")?;
                let (value, rest) = rest.split_at_checked(Class::Value.run(rest))?;
                *lines = rest.strip_prefix(b"\r\n")?;
                Some(Field { name, value: trim(value) })
            }
        }
    }
}

/// `value` without spaces and tabs at its ends (OWS; RFC 9110, section 5.6.3).
pub(super) fn trim(value: &[u8]) -> &[u8] {
    trim_end(trim_start(value))
}

#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(super) fn trim_start(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    value
}

#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(super) fn trim_end(mut value: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
