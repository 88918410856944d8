//! Writes heads, whose parts are valid already.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

use super::Field;
use crate::handshake::InvalidHead;

/// The buffer to which a head is written: from the start of a slice or, with `alloc`, after the end of
/// a `Vec`.
///
/// Functions that write a head accept `impl Into<HeadBuffer>`: pass `&mut [u8]`, `&mut [u8; N]` or
/// `&mut Vec<u8>`. After an error, the contents of a slice are unspecified, and a `Vec` keeps the part
/// that was already written: truncate it.
///
/// ```
/// use websocket_proto::handshake::{InvalidHead, Rejection};
///
/// let mut buffer = [0; 256];
/// let len = Rejection::NotFound.write(&mut buffer, "")?;
/// assert!(buffer[..len].starts_with(b"HTTP/1.1 404 Not Found\r\n"));
/// let short = Rejection::NotFound.write(&mut buffer[..20], "");
/// assert_eq!(short, Err(InvalidHead::BufferTooSmall));
/// # Ok::<(), InvalidHead>(())
/// ```
#[derive(Debug)]
pub struct HeadBuffer<'a>(Buffer<'a>);

#[derive(Debug)]
enum Buffer<'a> {
    Slice {
        /// The bytes after those that were written.
        rest: &'a mut [u8],
        written: usize,
    },
    #[cfg(feature = "alloc")]
    Vec { bytes: &'a mut Vec<u8>, written: usize },
}

impl<'a> From<&'a mut [u8]> for HeadBuffer<'a> {
    fn from(bytes: &'a mut [u8]) -> Self {
        Self(Buffer::Slice { rest: bytes, written: 0 })
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
    fn push(&mut self, new: &[u8]) -> Result<(), InvalidHead> {
        match &mut self.0 {
            Buffer::Slice { rest, written } => {
                let room = rest.split_off_mut(..new.len()).ok_or(InvalidHead::BufferTooSmall)?;
                room.copy_from_slice(new);
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

/// Writes the head of a request or a response, whose parts must be valid. It allocates only to grow a
/// `Vec`.
#[derive(Debug)]
pub(crate) struct HeadWriter<'a> {
    buffer: HeadBuffer<'a>,
}

impl<'a> HeadWriter<'a> {
    /// Creates a writer to `buffer`.
    pub(crate) fn new(buffer: impl Into<HeadBuffer<'a>>) -> Self {
        Self { buffer: buffer.into() }
    }

    /// Writes a field line.
    pub(crate) fn field(&mut self, field: Field<'_>) -> Result<(), InvalidHead> {
        self.write(&[field.name_bytes(), b": ", field.value(), b"\r\n"])
    }

    /// Writes parts of a line, or several lines.
    // Builds without `alloc` keep one copy of this (code size, benches/size).
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn write(&mut self, parts: &[&[u8]]) -> Result<(), InvalidHead> {
        parts.iter().try_for_each(|part| self.buffer.push(part))
    }

    /// Writes `number` in decimal.
    pub(crate) fn number(&mut self, number: usize) -> Result<(), InvalidHead> {
        let mut divisor = 1;
        while number / divisor >= 10 {
            divisor *= 10;
        }
        while divisor > 0 {
            self.write(&[&[b'0' + (number / divisor % 10) as u8]])?;
            divisor /= 10;
        }
        Ok(())
    }

    /// Ends the head and writes `body` after it. Returns the length of head and body in bytes.
    pub(crate) fn finish(mut self, body: &[u8]) -> Result<usize, InvalidHead> {
        self.write(&[b"\r\n", body])?;
        Ok(self.written())
    }

    /// Returns the number of bytes written.
    pub(crate) fn written(&self) -> usize {
        self.buffer.written()
    }
}
