//! The driver's read buffer: what was read and not yet consumed, and the end of the stream after it.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::fmt;

/// Bytes from the transport, on their way to [`Connection::receive`](crate::Connection::receive) or
/// a handshake.
///
/// A driver makes one for each connection, outside its loop. It remembers the bytes that were not
/// consumed and the end of the stream after them, so that a loop may stop receiving at any point and
/// lose nothing.
///
/// An `Input` borrows its storage ([`new`](Self::new)), owns it ([`owned`](Self::owned)), or wraps
/// bytes that were read elsewhere ([`with_bytes`](Self::with_bytes)).
///
/// ```
/// use websocket_proto::Input;
///
/// let mut storage = [0; 4096];
/// let mut input = Input::new(&mut storage);
/// let mut socket = &b"\x81\x05Hello"[..];
/// # #[cfg(feature = "std")]
/// input.read_from(&mut socket)?;
/// # #[cfg(feature = "std")]
/// assert_eq!(input.unread(), b"\x81\x05Hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Input<'b> {
    storage: Storage<'b>,
    position: Position,
}

/// How far an [`Input`] is filled and consumed.
pub(crate) struct Position {
    /// `start <= end <= storage.len()`. The bytes `storage[start..end]` are unread.
    start: usize,
    end: usize,
    /// The stream ends after the unread bytes.
    eof: bool,
    /// The number of unread bytes that their consumer left; 0 if none did since they were read.
    left: usize,
    /// `space` handed out the storage and `filled` was not called since.
    lent: bool,
}

enum Storage<'b> {
    Borrowed(&'b mut [u8]),
    #[cfg(feature = "alloc")]
    Owned(Vec<u8>),
}

impl Storage<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            #[cfg(feature = "alloc")]
            Self::Owned(bytes) => bytes,
        }
    }

    #[inline(always)]
    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            #[cfg(feature = "alloc")]
            Self::Owned(bytes) => bytes,
        }
    }
}

/// What [`Input::read_from`] achieved.
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// Bytes are unread, or the stream ended.
    Ready,
    /// The socket had no bytes: it does not block
    /// ([`WouldBlock`](std::io::ErrorKind::WouldBlock)), or its read timeout passed
    /// ([`TimedOut`](std::io::ErrorKind::TimedOut)).
    Blocked,
}

/// # Construction
impl<'b> Input<'b> {
    /// An empty input that reads into `storage`.
    #[must_use]
    pub const fn new(storage: &'b mut [u8]) -> Self {
        Self::over(Storage::Borrowed(storage), 0)
    }

    /// An input whose unread bytes are `bytes`, which were read elsewhere: by a TLS library, by a
    /// completion queue, into a buffer that many connections share.
    ///
    /// Bytes that stay unread must reach the connection before newer ones:
    /// [`into_owned`](Self::into_owned) keeps them.
    #[must_use]
    pub const fn with_bytes(bytes: &'b mut [u8]) -> Self {
        let end = bytes.len();
        Self::over(Storage::Borrowed(bytes), end)
    }

    /// An empty input that reads into the first `storage.len()` bytes of an owned buffer.
    ///
    /// An empty `Vec` makes an input without storage: see [`put_storage`](Self::put_storage).
    #[cfg(feature = "alloc")]
    #[must_use]
    pub const fn owned(storage: Vec<u8>) -> Self {
        Self::over(Storage::Owned(storage), 0)
    }

    const fn over(storage: Storage<'b>, end: usize) -> Self {
        Self { storage, position: Position::filled(end) }
    }
}

/// # Filling it
impl Input<'_> {
    /// Reads once from `socket`, unless unread bytes are left or the stream has ended. A read of 0
    /// bytes is remembered as the end of the stream; an interrupted read is repeated.
    ///
    /// # Errors
    ///
    /// Those of `socket`, but for `Interrupted`, `WouldBlock` and `TimedOut`, and
    /// [`InvalidInput`](std::io::ErrorKind::InvalidInput) where there is no storage to read into.
    #[cfg(feature = "std")]
    pub fn read_from(
        &mut self,
        socket: &mut (impl std::io::Read + ?Sized),
    ) -> std::io::Result<Filled> {
        use std::io::ErrorKind::{Interrupted, InvalidInput, TimedOut, WouldBlock};

        if self.has_unread() || self.position.eof {
            return Ok(Filled::Ready);
        }
        let space = self.space();
        if space.is_empty() {
            return Err(InvalidInput.into());
        }
        let len = loop {
            match socket.read(space) {
                Ok(len) => break len,
                Err(error) if error.kind() == Interrupted => {}
                // A read timeout is reported as either, depending on the system.
                Err(error) if matches!(error.kind(), WouldBlock | TimedOut) => {
                    return Ok(Filled::Blocked);
                }
                Err(error) => return Err(error),
            }
        };
        self.filled(len);
        Ok(Filled::Ready)
    }

    /// The storage to read into; empty while unread bytes are left, after the end of the stream, and
    /// where there is no storage. Report the bytes that were read with [`filled`](Self::filled).
    #[must_use]
    pub fn space(&mut self) -> &mut [u8] {
        if self.has_unread() || self.position.eof || self.storage.bytes().is_empty() {
            return &mut [];
        }
        self.position.start = 0;
        self.position.end = 0;
        self.position.lent = true;
        self.storage.bytes_mut()
    }

    /// Reports that the first `len` bytes of [`space`](Self::space) were read; 0 bytes mean the end
    /// of the stream. A report without a `space` before it, or about an empty one, is ignored.
    ///
    /// # Panics
    ///
    /// If `len` exceeds the length of that space.
    #[track_caller]
    pub fn filled(&mut self, len: usize) {
        if core::mem::take(&mut self.position.lent) {
            assert!(
                len <= self.storage.bytes().len(),
                "more bytes reported than there was space for"
            );
            self.position.end = len;
            self.position.left = 0;
            self.position.eof = len == 0;
        }
    }

    /// Marks the end of the stream, after the bytes that are unread.
    pub const fn finish(&mut self) {
        self.position.eof = true;
        self.position.lent = false;
    }
}

/// # Questions
impl Input<'_> {
    /// The bytes that were read and not consumed.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        let unread = self.storage.bytes().get(self.position.start..self.position.end);
        debug_assert!(unread.is_some(), "start <= end <= storage.len()");
        unread.unwrap_or_default()
    }

    /// Whether bytes are unread.
    #[must_use]
    pub const fn has_unread(&self) -> bool {
        self.position.start < self.position.end
    }

    /// Whether the stream ends after the unread bytes.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.position.eof
    }
}

/// # Moving it
#[cfg(feature = "alloc")]
impl Input<'_> {
    /// Copies the unread bytes, unless the storage is owned already: to keep them when a shared
    /// buffer is needed for another connection.
    #[must_use]
    pub fn into_owned(self) -> Input<'static> {
        let Self { storage, position } = self;
        let Position { start, end, eof, left, lent: _ } = position;
        let (storage, start, end) = match storage {
            Storage::Owned(storage) => (storage, start, end),
            Storage::Borrowed(bytes) => {
                let unread = bytes.get(start..end).unwrap_or_default();
                (unread.to_vec(), 0, unread.len())
            }
        };
        let position = Position { start, end, eof, left, lent: false };
        Input { storage: Storage::Owned(storage), position }
    }

    /// The unread bytes and the end of the stream, for whoever reads the stream from here on.
    #[must_use]
    pub fn into_rest(self) -> Rest {
        let eof = self.position.eof;
        Rest { bytes: self.unread().to_vec(), eof }
    }

    /// Takes the owned storage out, `None` if unread bytes are in it or it is borrowed.
    ///
    /// A driver that lets one pool of buffers serve many idle connections takes the storage out
    /// before it waits, and puts one back before it reads.
    pub fn take_storage(&mut self) -> Option<Vec<u8>> {
        match &mut self.storage {
            Storage::Owned(storage)
                if self.position.start == self.position.end && !storage.is_empty() =>
            {
                self.position.lent = false;
                (self.position.start, self.position.end) = (0, 0);
                Some(core::mem::take(storage))
            }
            Storage::Owned(_) | Storage::Borrowed(_) => None,
        }
    }

    /// Puts storage in, to read into its first `storage.len()` bytes.
    ///
    /// # Errors
    ///
    /// Gives the storage back if unread bytes are in the one that is there.
    pub fn put_storage(&mut self, storage: Vec<u8>) -> Result<(), Vec<u8>> {
        if self.has_unread() {
            return Err(storage);
        }
        self.position.lent = false;
        (self.position.start, self.position.end) = (0, 0);
        self.storage = Storage::Owned(storage);
        Ok(())
    }
}

impl Input<'_> {
    /// The unread bytes, and the position in which the caller records how many of them it left unread.
    #[inline(always)]
    pub(crate) fn consume(&mut self) -> (&mut [u8], &mut Position) {
        let position = &mut self.position;
        let unread = match self.storage.bytes_mut().get_mut(position.start..position.end) {
            Some(unread) => unread,
            None => no_unread(),
        };
        (unread, position)
    }

    /// The number of unread bytes that their consumer left; 0 if none did since they were read.
    #[cfg(feature = "alloc")]
    pub(crate) const fn left_unread(&self) -> usize {
        self.position.left
    }
}

#[cold]
fn no_unread() -> &'static mut [u8] {
    debug_assert!(false, "start <= end <= storage.len()");
    &mut []
}

impl Position {
    /// The first `end` bytes are unread.
    const fn filled(end: usize) -> Self {
        Self { start: 0, end, eof: false, left: 0, lent: false }
    }

    /// Whether the stream ends after the unread bytes.
    pub(crate) const fn is_finished(&self) -> bool {
        self.eof
    }

    /// Records that the last `len` bytes were left unread.
    #[inline]
    pub(crate) const fn leave_unread(&mut self, len: usize) {
        debug_assert!(len <= self.end - self.start);
        self.start = self.end - len;
        self.left = len;
    }
}

/// What [`Input::into_rest`] gives back.
#[cfg(feature = "alloc")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rest {
    /// The bytes that were read and not consumed.
    pub bytes: Vec<u8>,
    /// Whether the stream ends after them.
    pub eof: bool,
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("unread", &self.unread().len())
            .field("finished", &self.position.eof)
            .finish_non_exhaustive()
    }
}
