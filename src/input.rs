//! The read buffer of a driver: the unread bytes, and the end of the stream after them.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

#[cfg(feature = "std")]
use crate::Io;

/// The read buffer of a driver: bytes from the transport for
/// [`Connection::receive`](crate::Connection::receive) or a handshake.
///
/// A driver creates one for each connection, outside its loop. The input stores the bytes that were
/// not consumed and the end of the stream after them, so a loop can stop receiving at any event
/// without losing bytes.
///
/// An `Input` borrows its storage ([`new`](Self::new)), owns it ([`owned`](Self::owned)), or wraps
/// bytes that were read elsewhere ([`with_bytes`](Self::with_bytes),
/// [`with_unread`](Self::with_unread)).
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

/// The filled and the consumed range of an [`Input`].
pub(crate) struct Position {
    /// `start <= end <= storage.len()`. The bytes `storage[start..end]` are unread.
    start: usize,
    end: usize,
    /// Whether the stream ends after the unread bytes.
    finished: bool,
    /// The number of bytes that the last call of a consumer left unread; 0 after a read.
    /// `Connection` compares it with its own count to detect a foreign `Input`.
    left_by_last_call: usize,
    /// Whether `space` returned the storage and `filled` has not been called since.
    space_given: bool,
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

/// # Construction
impl<'b> Input<'b> {
    /// Creates an empty input that reads into `storage`.
    #[must_use]
    pub const fn new(storage: &'b mut [u8]) -> Self {
        Self::over(Storage::Borrowed(storage), 0)
    }

    /// Creates an input whose unread bytes are `bytes`.
    ///
    /// It suits bytes that a TLS library or a completion queue has read, or that were read into a
    /// buffer shared by many connections. Bytes that remain unread must be passed to the connection
    /// before newer ones: [`into_owned`](Self::into_owned) stores them. A new `Input` that is created
    /// from a copy of them does not continue the old one, and fails the connection with
    /// [`UnreadInput`](crate::ConnectionError::UnreadInput).
    #[must_use]
    pub const fn with_bytes(bytes: &'b mut [u8]) -> Self {
        let end = bytes.len();
        Self::over(Storage::Borrowed(bytes), end)
    }

    /// Creates an input that reads into `storage`, where the bytes `unread` were read already.
    ///
    /// It continues a buffer into which the opening handshake was read: `unread` are the bytes after the
    /// head, often none. With [`with_bytes`](Self::with_bytes), they would be the whole storage. The page
    /// [`session`](crate::session) has a complete program.
    ///
    /// # Panics
    ///
    /// Panics if `unread` is not a range of `storage`.
    ///
    /// ```
    /// use websocket_proto::Input;
    ///
    /// let mut buffer = *b"head\x81\x05Hel...";
    /// let mut input = Input::with_unread(&mut buffer, 4..9);
    /// assert_eq!(input.unread(), b"\x81\x05Hel");
    ///
    /// let mut buffer = [0; 512];
    /// assert_eq!(Input::with_unread(&mut buffer, 100..100).space().len(), 512);
    /// ```
    #[must_use]
    #[track_caller]
    pub const fn with_unread(storage: &'b mut [u8], unread: Range<usize>) -> Self {
        assert!(
            unread.start <= unread.end && unread.end <= storage.len(),
            "no range of the storage"
        );
        let mut input = Self::over(Storage::Borrowed(storage), unread.end);
        input.position.start = unread.start;
        input
    }

    /// Creates an empty input that reads into the first `storage.len()` bytes of an owned buffer.
    ///
    /// The *length* of the buffer counts, not its capacity: `vec![0; 16 * 1024]`. With an empty `Vec`,
    /// the input has no storage until [`replace_storage`](Self::replace_storage).
    #[cfg(feature = "alloc")]
    #[must_use]
    pub const fn owned(storage: Vec<u8>) -> Self {
        Self::over(Storage::Owned(storage), 0)
    }

    const fn over(storage: Storage<'b>, end: usize) -> Self {
        Self { storage, position: Position::filled(end) }
    }
}

/// # Filling
impl Input<'_> {
    /// Reads once from `socket`, unless bytes are unread or the stream has ended.
    /// [`Io::Done`] means that bytes are unread or the stream has ended.
    ///
    /// A read of 0 bytes marks the end of the stream. An interrupted read is repeated.
    ///
    /// # Errors
    ///
    /// Returns each error of `socket` except `Interrupted`, `WouldBlock` and `TimedOut`. Returns
    /// [`InvalidInput`](std::io::ErrorKind::InvalidInput) if the input has no storage.
    #[cfg(feature = "std")]
    pub fn read_from(&mut self, socket: &mut (impl std::io::Read + ?Sized)) -> std::io::Result<Io> {
        use std::io::ErrorKind::{Interrupted, InvalidInput, TimedOut, WouldBlock};

        if self.has_unread() || self.position.finished {
            return Ok(Io::Done);
        }
        let space = self.space();
        if space.is_empty() {
            return Err(InvalidInput.into());
        }
        let len = loop {
            match socket.read(space) {
                Ok(len) => break len,
                Err(error) if error.kind() == Interrupted => {}
                // The system determines which of the two reports a read timeout.
                Err(error) if matches!(error.kind(), WouldBlock | TimedOut) => {
                    return Ok(Io::Blocked);
                }
                Err(error) => return Err(error),
            }
        };
        self.filled(len);
        Ok(Io::Done)
    }

    /// Returns the storage to read into. Call [`filled`](Self::filled) with the number of bytes
    /// read, unless the read failed.
    ///
    /// The result is empty while bytes are unread, after the end of the stream, and if the input
    /// has no storage.
    #[must_use]
    pub fn space(&mut self) -> &mut [u8] {
        if self.has_unread() || self.position.finished || self.storage.bytes().is_empty() {
            return &mut [];
        }
        self.position.start = 0;
        self.position.end = 0;
        self.position.space_given = true;
        self.storage.bytes_mut()
    }

    /// Reports that the first `len` bytes of [`space`](Self::space) were read. A `len` of 0 marks
    /// the end of the stream; after an empty space it is ignored, because a read into an empty slice
    /// is not the end of the stream.
    ///
    /// # Panics
    ///
    /// Panics if `len` exceeds the length of the space that the last call of `space` returned. Each
    /// space counts for one call of `filled`.
    #[track_caller]
    pub fn filled(&mut self, len: usize) {
        let has_space = core::mem::take(&mut self.position.space_given);
        let space_len = if has_space { self.storage.bytes().len() } else { 0 };
        assert!(len <= space_len, "more bytes reported than there was space for");
        if has_space {
            self.position.end = len;
            self.position.left_by_last_call = 0;
            self.position.finished = len == 0;
        }
    }

    /// Marks the end of the stream, after the unread bytes.
    pub const fn finish(&mut self) {
        self.position.finished = true;
        self.position.space_given = false;
    }
}

/// # Questions
impl Input<'_> {
    /// Returns the bytes that were read and not consumed.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        let unread = self.storage.bytes().get(self.position.start..self.position.end);
        debug_assert!(unread.is_some(), "start <= end <= storage.len()");
        unread.unwrap_or_default()
    }

    /// Returns whether bytes are unread.
    #[must_use]
    pub const fn has_unread(&self) -> bool {
        self.position.start < self.position.end
    }

    /// Returns whether the stream ends after the unread bytes.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.position.finished
    }
}

/// # Storage
#[cfg(feature = "alloc")]
impl Input<'_> {
    /// Converts into an input that owns its storage. Copies the unread bytes of a borrowed storage,
    /// so that the storage can be used for another connection.
    #[must_use]
    pub fn into_owned(self) -> Input<'static> {
        let (storage, start) = match self.storage {
            Storage::Owned(storage) => (storage, self.position.start),
            Storage::Borrowed(_) => (self.unread().to_vec(), 0),
        };
        let end = start + (self.position.end - self.position.start);
        let position = Position { start, end, space_given: false, ..self.position };
        Input { storage: Storage::Owned(storage), position }
    }

    /// Returns the unread bytes and whether the stream ends after them, for a consumer other than
    /// this crate.
    #[must_use]
    pub fn into_unread(self) -> Unread {
        Unread { bytes: self.unread().to_vec(), finished: self.position.finished }
    }

    /// Replaces the storage, and returns the owned one before it, or an empty `Vec` if there was none.
    /// The input reads into the first `storage.len()` bytes; with an empty `Vec` it has no storage.
    ///
    /// A driver whose idle connections share a pool of buffers takes the storage out before it waits
    /// (`input.replace_storage(Vec::new())`), and puts storage in before it reads.
    ///
    /// # Errors
    ///
    /// Returns `storage` if bytes are unread in the current storage.
    pub fn replace_storage(&mut self, storage: Vec<u8>) -> Result<Vec<u8>, Vec<u8>> {
        if self.has_unread() {
            return Err(storage);
        }
        self.position.space_given = false;
        (self.position.start, self.position.end) = (0, 0);
        match core::mem::replace(&mut self.storage, Storage::Owned(storage)) {
            Storage::Owned(storage) => Ok(storage),
            Storage::Borrowed(_) => Ok(Vec::new()),
        }
    }
}

impl Input<'_> {
    /// Returns the unread bytes, and the position in which the caller records how many of them
    /// remain unread.
    #[inline(always)]
    pub(crate) fn unread_mut(&mut self) -> (&mut [u8], &mut Position) {
        let position = &mut self.position;
        let unread = match self.storage.bytes_mut().get_mut(position.start..position.end) {
            Some(unread) => unread,
            None => no_unread(),
        };
        (unread, position)
    }

    /// Drops the unread bytes.
    #[cfg(feature = "alloc")]
    pub(crate) const fn discard_unread(&mut self) {
        self.position.discard_unread();
    }

    /// Returns the number of bytes that the last call of a consumer left unread, or 0 after a read.
    #[cfg(feature = "alloc")]
    pub(crate) const fn left_by_last_call(&self) -> usize {
        self.position.left_by_last_call
    }
}

#[cold]
fn no_unread() -> &'static mut [u8] {
    debug_assert!(false, "start <= end <= storage.len()");
    &mut []
}

impl Position {
    /// Creates the position at which the first `end` bytes are unread.
    const fn filled(end: usize) -> Self {
        Self { start: 0, end, finished: false, left_by_last_call: 0, space_given: false }
    }

    /// Returns whether the stream ends after the unread bytes.
    pub(crate) const fn is_finished(&self) -> bool {
        self.finished
    }

    /// Drops the unread bytes.
    pub(crate) const fn discard_unread(&mut self) {
        self.leave_unread(0);
    }

    /// Records that the last `len` bytes remain unread.
    #[inline]
    pub(crate) const fn leave_unread(&mut self, len: usize) {
        debug_assert!(len <= self.end - self.start);
        self.start = self.end - len;
        self.left_by_last_call = len;
    }
}

/// The unread bytes of an [`Input`], as [`Input::into_unread`] returns them.
#[cfg(feature = "alloc")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unread {
    /// The bytes that were read and not consumed.
    pub bytes: Vec<u8>,
    /// Whether the stream ends after them.
    pub finished: bool,
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("unread", &self.unread().len())
            .field("finished", &self.position.finished)
            .finish_non_exhaustive()
    }
}
