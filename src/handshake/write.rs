//! Building a head. What a caller supplies is checked here, in every place where it can stand.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

use super::class::Class;
use super::field::trim;
use super::known::Known;
use super::list::is;
use super::{Field, HeadError};

/// Where a head is written: a slice, from its beginning, or with `alloc` a `Vec`, at its end.
/// Made by `into()`.
#[derive(Debug)]
pub struct HeadBuffer<'a>(Buffer<'a>);

#[derive(Debug)]
enum Buffer<'a> {
    Slice {
        bytes: &'a mut [u8],
        written: usize,
    },
    #[cfg(feature = "alloc")]
    Vec {
        bytes: &'a mut Vec<u8>,
        written: usize,
    },
}

impl<'a> From<&'a mut [u8]> for HeadBuffer<'a> {
    fn from(bytes: &'a mut [u8]) -> Self {
        Self(Buffer::Slice { bytes, written: 0 })
    }
}

impl<'a, const N: usize> From<&'a mut [u8; N]> for HeadBuffer<'a> {
    fn from(bytes: &'a mut [u8; N]) -> Self {
        Self::from(&mut bytes[..])
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<&'a mut Vec<u8>> for HeadBuffer<'a> {
    fn from(bytes: &'a mut Vec<u8>) -> Self {
        Self(Buffer::Vec { bytes, written: 0 })
    }
}

impl HeadBuffer<'_> {
    fn push(&mut self, new: &[u8]) -> Result<(), HeadError> {
        match &mut self.0 {
            Buffer::Slice { bytes, written } => {
                let room = bytes.get_mut(*written..).unwrap_or_default();
                room.get_mut(..new.len()).ok_or(HeadError::BufferFull)?.copy_from_slice(new);
                *written += new.len();
            }
            #[cfg(feature = "alloc")]
            Buffer::Vec { bytes, written } => {
                bytes.extend_from_slice(new);
                *written += new.len();
            }
        }
        Ok(())
    }

    fn written(&self) -> usize {
        match &self.0 {
            Buffer::Slice { written, .. } => *written,
            #[cfg(feature = "alloc")]
            Buffer::Vec { written, .. } => *written,
        }
    }
}

/// Writes the head of a request or a response, without an allocation of its own.
///
/// Everything it is given is checked: a CR, LF or NUL that is meant to stand in a head is an
/// error, and so is whatever else would be read back as something different. After an error, what
/// has been written is worth nothing.
///
/// ```
/// use websocket_proto::handshake::{Field, HeadError, HeadWriter};
///
/// let mut buffer = [0; 256];
/// let mut head = HeadWriter::response(&mut buffer, 404, "Not Found")?;
/// head.field(Field::new("Connection", "close"))?;
/// let length = head.finish()?;
/// assert_eq!(&buffer[..length], b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
///
/// let mut head = HeadWriter::request(&mut buffer, "GET", "/")?;
/// assert_eq!(head.field(Field::new("Cookie", "a\r\nHost: b")), Err(HeadError::FieldValue));
/// # Ok::<(), HeadError>(())
/// ```
#[derive(Debug)]
pub struct HeadWriter<'a> {
    buffer: HeadBuffer<'a>,
}

impl<'a> HeadWriter<'a> {
    /// For a head of which nothing is written.
    pub(super) fn new(buffer: impl Into<HeadBuffer<'a>>) -> Self {
        Self { buffer: buffer.into() }
    }

    /// The length in bytes of what is written.
    pub(super) fn written(&self) -> usize {
        self.buffer.written()
    }

    /// Begins a request of HTTP/1.1.
    ///
    /// # Errors
    ///
    /// [`HeadError::Method`], [`HeadError::Target`], [`HeadError::BufferFull`].
    pub fn request(
        buffer: impl Into<HeadBuffer<'a>>,
        method: &str,
        target: &str,
    ) -> Result<Self, HeadError> {
        Self::request_in_parts(buffer.into(), method, &[target])
    }

    pub(super) fn request_in_parts(
        buffer: HeadBuffer<'a>,
        method: &str,
        target: &[&str],
    ) -> Result<Self, HeadError> {
        if !Class::Token.is_all(method.as_bytes()) {
            return Err(HeadError::Method);
        }
        let mut head = Self::new(buffer);
        head.parts(&[method.as_bytes(), b" "])?;
        let target_start = head.buffer.written();
        for part in target {
            if Class::Target.run(part.as_bytes()) < part.len() {
                return Err(HeadError::Target);
            }
            head.parts(&[part.as_bytes()])?;
        }
        if head.buffer.written() == target_start {
            return Err(HeadError::Target);
        }
        head.parts(&[b" HTTP/1.1\r\n"])?;
        Ok(head)
    }

    /// Begins a response of HTTP/1.1.
    ///
    /// # Errors
    ///
    /// [`HeadError::Status`] if that is not from 100 to 999, [`HeadError::Reason`],
    /// [`HeadError::BufferFull`].
    pub fn response(
        buffer: impl Into<HeadBuffer<'a>>,
        status: u16,
        reason: &str,
    ) -> Result<Self, HeadError> {
        if !(100..=999).contains(&status) {
            return Err(HeadError::Status);
        }
        if Class::Value.run(reason.as_bytes()) < reason.len() {
            return Err(HeadError::Reason);
        }
        let mut digits = [0; 20];
        let status = decimal(status.into(), &mut digits);
        let mut head = Self::new(buffer);
        head.parts(&[b"HTTP/1.1 ", status, b" ", reason.as_bytes(), b"\r\n"])?;
        Ok(head)
    }

    /// Writes parts of lines that are known to be right.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(super) fn parts(&mut self, parts: &[&[u8]]) -> Result<(), HeadError> {
        parts.iter().try_for_each(|part| self.buffer.push(part))
    }

    /// Writes a field line.
    ///
    /// # Errors
    ///
    /// [`HeadError::FieldName`], [`HeadError::FieldValue`], [`HeadError::BufferFull`].
    pub fn field(&mut self, field: Field<'_>) -> Result<(), HeadError> {
        if !Class::Token.is_all(field.name_bytes()) {
            return Err(HeadError::FieldName);
        }
        if !field.has_valid_value() {
            return Err(HeadError::FieldValue);
        }
        self.parts(&[field.name_bytes(), b": ", field.value(), b"\r\n"])
    }

    /// Writes fields of the caller, in their order and case, none of which may be one that the
    /// handshake writes itself.
    pub(super) fn extra_fields(&mut self, fields: &[Field<'_>]) -> Result<(), HeadError> {
        for field in fields {
            if field.is_reserved() {
                return Err(HeadError::ReservedField);
            }
            self.field(*field)?;
        }
        Ok(())
    }

    /// Ends the head. Returns its length in bytes.
    ///
    /// # Errors
    ///
    /// [`HeadError::BufferFull`].
    pub fn finish(mut self) -> Result<usize, HeadError> {
        self.parts(&[b"\r\n"])?;
        Ok(self.buffer.written())
    }

    /// Ends the head and writes a body behind it. Returns the length of both.
    pub(super) fn finish_with_body(mut self, body: &[u8]) -> Result<usize, HeadError> {
        self.parts(&[b"\r\n", body])?;
        Ok(self.buffer.written())
    }
}

impl Field<'_> {
    /// Whether the handshake writes this field itself.
    pub(super) fn is_reserved(&self) -> bool {
        const PREFIX: &[u8] = b"sec-websocket-";
        let name = self.name_bytes();
        match Known::of(name) {
            Some(known) => known != Known::Origin,
            None => name.get(..PREFIX.len()).is_some_and(|start| is(start, PREFIX)),
        }
    }

    /// Whether the value is one that is read as it was written.
    pub(super) fn has_valid_value(&self) -> bool {
        let value = self.value();
        // RFC 9110, section 5.5: no control characters, and no white space at the ends, which a
        // recipient would remove.
        Class::Value.run(value) == value.len() && trim(value).len() == value.len()
    }
}

/// `number` in decimal digits, at the end of `out`.
pub(super) fn decimal(mut number: usize, out: &mut [u8; 20]) -> &[u8] {
    let mut start = out.len();
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    out.get(start..).unwrap_or_default()
}
