//! The lines of a head: the start line and the field lines.

use core::fmt;
use core::ops::Range;
use core::str;

use super::characters::Class;
use super::syntax::Part;

/// A header field: a name in the case in which it was sent, and a value without the whitespace
/// around it (RFC 9110, section 5).
///
/// The peer's fields and the caller's fields have this type. The caller's fields are validated when
/// they are written.
///
/// ```
/// use websocket_proto::handshake::Field;
///
/// let field = Field::new("X-Request-Id", "42");
/// assert!(field.has_name("x-request-id"));
/// assert_eq!(field.value(), b"42");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    name: &'a [u8],
    value: &'a [u8],
}

impl<'a> Field<'a> {
    /// Creates a field to write.
    #[must_use]
    pub fn new(name: &'a str, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { name: name.as_bytes(), value: value.as_ref() }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        text(self.name)
    }

    /// Returns the value. Bytes above 0x7f have no defined encoding (RFC 9110, section 5.5).
    #[must_use]
    pub const fn value(&self) -> &'a [u8] {
        self.value
    }

    /// Returns the value as text, or `None` if it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        str::from_utf8(self.value).ok()
    }

    /// Returns whether `name` is the field's name, ignoring case.
    #[must_use]
    pub fn has_name(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    pub(crate) const fn name_bytes(&self) -> &'a [u8] {
        self.name
    }

    /// Returns whether a recipient reads the value exactly as it is written.
    pub(crate) fn has_valid_value(&self) -> bool {
        // RFC 9110, section 5.5: a value has no control characters. A recipient removes whitespace at
        // its start and end.
        Class::FieldValue.prefix_len(self.value) == self.value.len()
            && trim(self.value).len() == self.value.len()
    }
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name.escape_ascii(), self.value.escape_ascii())
    }
}

/// The fields of a head: an iterator in the order in which they were sent, and lookups by name.
///
/// ```
/// use websocket_proto::handshake::{HeadLimits, RequestParser};
///
/// let head = b"GET / HTTP/1.1\r\nHost: example.com\r\nX-Trace: 1\r\n\r\n";
/// let request = RequestParser::new(HeadLimits::DEFAULT).parse(head)?.unwrap();
/// assert_eq!(request.fields().text("host"), Some("example.com"));
/// let names: Vec<&str> = request.fields().map(|field| field.name()).collect();
/// assert_eq!(names, ["Host", "X-Trace"]);
/// # Ok::<(), websocket_proto::handshake::HandshakeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fields<'a>(Source<'a>);

#[derive(Clone, Debug)]
enum Source<'a> {
    /// Valid field lines, up to and including the empty line that ends them.
    Lines(&'a [u8]),
    List(core::slice::Iter<'a, Field<'a>>),
}

impl<'a> Fields<'a> {
    pub(crate) const fn of_lines(lines: &'a [u8]) -> Self {
        Self(Source::Lines(lines))
    }

    pub(crate) fn of_list(list: &'a [Field<'a>]) -> Self {
        Self(Source::List(list.iter()))
    }

    /// Returns the value of the first field called `name`, ignoring case.
    #[must_use]
    pub fn value(self, name: &str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    /// Returns the value of the first field called `name` as text, or `None` if there is no such field
    /// or its value is not UTF-8.
    #[must_use]
    pub fn text(self, name: &str) -> Option<&'a str> {
        str::from_utf8(self.value(name)?).ok()
    }

    /// Returns the values of all fields called `name`, ignoring case.
    pub fn values(self, name: &str) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.filter(move |field| field.has_name(name)).map(|field| field.value)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        match &mut self.0 {
            Source::List(list) => list.next().copied(),
            Source::Lines(lines) => {
                let Some((field, rest)) = split_field(lines) else {
                    debug_assert_eq!(lines, b"\r\n", "the scanner checked the lines");
                    return None;
                };
                *lines = rest;
                Some(field)
            }
        }
    }
}

/// Splits the first field line off. Returns `None` at the empty line.
#[inline]
fn split_field(lines: &[u8]) -> Option<(Field<'_>, &[u8])> {
    let (name, rest) = lines.split_at_checked(Class::Token.prefix_len(lines))?;
    let rest = rest.strip_prefix(b":")?;
    let (value, rest) = rest.split_at_checked(Class::FieldValue.prefix_len(rest))?;
    Some((Field { name, value: trim(value) }, rest.strip_prefix(b"\r\n")?))
}

/// Removes optional whitespace at the start and the end of `value` (RFC 9110, section 5.6.3).
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    trim_end(trim_start(value))
}

// Builds without `alloc` keep one copy of this (code size, benches/size).
#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(crate) fn trim_start(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    value
}

// Builds without `alloc` keep one copy of this (code size, benches/size).
#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(crate) fn trim_end(mut value: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// The start line, as far as it was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartLine {
    /// The offset of each [`Part`] of the start line; 0 if the part starts the head or is missing.
    pub(super) starts: [u32; Part::EmptyLineLf as usize + 1],
    /// The digits of the line as one decimal number: the minor version of a request, such as 1; the
    /// minor version and the status code of a response, such as 1101 for `HTTP/1.1 101`.
    pub(super) digits: u16,
}

impl StartLine {
    pub(super) const EMPTY: Self = Self { starts: [0; _], digits: 0 };

    /// Returns the minor version of HTTP/1.
    pub(crate) const fn minor_version(&self) -> u8 {
        // A status code has three digits, and is at least 100.
        (if self.digits < 100 { self.digits } else { self.digits / 1000 }) as u8
    }

    /// Returns the status code of a response.
    pub(crate) const fn status(&self) -> u16 {
        self.digits % 1000
    }

    pub(crate) fn method<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        let [method, target, ..] = self.starts;
        // A space ends the method and the target.
        slice(head, method as usize..target as usize - 1)
    }

    pub(crate) fn target<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        let [_, target, version, ..] = self.starts;
        slice(head, target as usize..version as usize - 1)
    }

    pub(crate) fn reason<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        match self.starts {
            // The status code ends the line.
            [_, _, _, 0, ..] => b"",
            // CRLF ends the reason phrase.
            [_, _, _, reason, lf, ..] => slice(head, reason as usize..lf as usize - 1),
        }
    }

    /// Returns the field lines and the empty line after them.
    pub(crate) fn field_lines<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        let [_, _, _, _, lf, ..] = self.starts;
        slice(head, lf as usize + 1..head.len())
    }
}

/// Returns the bytes in `range`, which must be within `bytes`: it was recorded while the same bytes were
/// scanned.
pub(crate) fn slice(bytes: &[u8], range: Range<usize>) -> &[u8] {
    let slice = bytes.get(range);
    debug_assert!(slice.is_some(), "the range is within the bytes");
    slice.unwrap_or_default()
}

/// Converts bytes that were checked to be ASCII, or come from a `str`.
pub(crate) fn text(bytes: &[u8]) -> &str {
    let text = str::from_utf8(bytes);
    debug_assert!(text.is_ok(), "the bytes are UTF-8");
    text.unwrap_or_default()
}

/// The offsets of a complete field line in its head: `start < colon < end`.
#[derive(Clone, Copy)]
pub(crate) struct FieldLine {
    pub(crate) start: usize,
    pub(crate) colon: usize,
    /// The offset of the CRLF.
    pub(crate) end: usize,
}
