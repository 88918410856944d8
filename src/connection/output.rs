//! The output: the ordered stream of pending bytes, which are queued and not yet written.
//!
//! Only whole frames are queued, and only at the end. Frames are therefore written in the order in
//! which they were queued, and never interleaved.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
#[cfg(feature = "std")]
use std::io::{self, IoSlice, Write};

use bytes::{Buf, Bytes};

use super::pool;
use super::queue::Queue;
use super::segment::OwnedPayload;
#[cfg(feature = "std")]
use crate::Io;
use crate::frame::FrameHeader;

/// Minimum length in bytes of an owned payload that is queued without a copy. A shorter one is
/// cheaper to copy (benchmark `connection`).
pub(super) const ZERO_COPY_MIN: usize = 2048;

/// Number of slices in one vectored write: with segments of 2 KiB and their headers, 64 KiB.
#[cfg(feature = "std")]
const MAX_SLICES: usize = 64;

/// The bytes to write to the transport, in order.
///
/// [`write_to`](Self::write_to) writes them to a blocking or a non-blocking socket. Other drivers
/// write [`chunk`](Self::chunk) or [`chunks_vectored`](Self::chunks_vectored), and then call
/// [`advance`](Self::advance) with the number of bytes written. `Output` also implements [`Buf`].
///
/// An empty output owns no heap memory. After each write that leaves bytes pending, the buffer of the
/// copied ones has a capacity of at most twice their number plus 4 KiB. A payload that was queued
/// without a copy is held whole until its last byte is written. Before such a write, the buffer may
/// come from a pool of the thread and have a capacity of up to 96 KiB.
///
/// ```
/// use websocket_proto::{Config, Connection, Negotiated};
///
/// static CONFIG: Config = Config::new();
/// let mut connection = Connection::server(&CONFIG, &Negotiated::default());
/// connection.send("Hi")?;
///
/// let output = connection.output();
/// assert_eq!(output.chunk(), b"\x81\x02Hi");
/// output.advance(2);
/// assert_eq!(output.len(), 2);
///
/// let mut socket: Vec<u8> = Vec::new();
/// # #[cfg(feature = "std")]
/// output.write_to(&mut socket)?;
/// # #[cfg(feature = "std")]
/// assert_eq!(socket, b"Hi");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Output {
    /// `Some` exactly while bytes are pending. Exception: if the destructor of a payload panics, an
    /// empty queue may remain.
    queue: Option<Box<Queue>>,
    /// The number of bytes written so far, which is the stream offset of the next byte.
    written: u64,
}

/// # Writing
impl Output {
    /// Returns whether no bytes are pending.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of pending bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.len())
    }

    /// Returns the next pending bytes that are contiguous in memory. The result is empty only if
    /// the output is empty.
    #[inline]
    #[must_use]
    pub fn chunk(&self) -> &[u8] {
        match &self.queue {
            None => &[],
            Some(queue) => queue.chunk(self.written),
        }
    }

    /// Sets the first elements of `slices` to the next pending bytes, for a vectored write. Returns
    /// the number of elements that were set.
    #[cfg(feature = "std")]
    #[must_use]
    pub fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let Some(queue) = &self.queue else { return 0 };
        let set = slices.iter_mut().zip(queue.chunks(self.written));
        set.map(|(slice, chunk)| *slice = IoSlice::new(chunk)).count()
    }

    /// Removes the next `n` bytes from the output after the transport accepted them.
    ///
    /// # Panics
    ///
    /// Panics if `n` exceeds [`len`](Self::len), and if the destructor of a written payload (the owner
    /// of [`Bytes`]) panics: the bytes are then removed, and other written payloads may be leaked.
    #[inline]
    #[track_caller]
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.len(), "cannot advance past the end of the output");
        let Some(queue) = &mut self.queue else { return };
        if queue.clear_if_plain(n) {
            self.written += n as u64;
            self.give_queue_back();
        } else {
            self.advance_slow(n);
        }
    }

    /// Writes to `socket` until the output is empty ([`Io::Done`]) or the socket accepts no more bytes
    /// ([`Io::Blocked`]).
    ///
    /// An interrupted write is repeated. With a blocking socket the call returns when the output is
    /// empty, or when the write timeout of the socket expires.
    ///
    /// # Errors
    ///
    /// Returns each error of `socket` except `Interrupted`, `WouldBlock` and `TimedOut`. Returns
    /// [`WriteZero`](io::ErrorKind::WriteZero) if a write accepts 0 bytes. The bytes that were written
    /// before the error are no longer pending.
    #[cfg(feature = "std")]
    pub fn write_to(&mut self, socket: &mut (impl Write + ?Sized)) -> io::Result<Io> {
        while !self.is_empty() {
            match self.write_once(socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => self.advance(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The system determines which of the two reports a write timeout.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    self.trim();
                    return Ok(Io::Blocked);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Io::Done)
    }

    #[cfg(feature = "std")]
    fn write_once(&self, socket: &mut (impl Write + ?Sized)) -> io::Result<usize> {
        let chunk = self.chunk();
        if chunk.len() == self.len() {
            return socket.write(chunk);
        }
        self.write_slices(socket)
    }

    // Not inlined, so that the common case needs no stack frame for the slices.
    #[cfg(feature = "std")]
    #[inline(never)]
    fn write_slices(&self, socket: &mut (impl Write + ?Sized)) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let set = self.chunks_vectored(&mut slices);
        socket.write_vectored(slices.get(..set).unwrap_or(&slices))
    }
}

impl Buf for Output {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn chunk(&self) -> &[u8] {
        self.chunk()
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.chunks_vectored(slices)
    }

    #[track_caller]
    fn advance(&mut self, n: usize) {
        self.advance(n);
    }
}

/// # Queueing
impl Output {
    /// Creates an output without pending bytes.
    // Not `Default`: with that a driver could take the output of its connection.
    pub(crate) const fn empty() -> Self {
        Self { queue: None, written: 0 }
    }

    /// Creates an output that begins with the head that `write` appends to the buffer. If `write` returns
    /// an error, returns it, and drops a part that was already written.
    pub(crate) fn with_head<T, E>(
        write: impl FnOnce(&mut Vec<u8>) -> Result<T, E>,
    ) -> Result<Self, E> {
        let mut output = Self::empty();
        write(output.queue().head_buffer())?;
        debug_assert!(!output.is_empty(), "a head has a start line");
        Ok(output)
    }

    /// Queues a frame with a copy of its payload, masked if the header has a masking key.
    #[inline]
    pub(crate) fn push_frame(&mut self, header: &FrameHeader, payload: &[u8]) {
        self.queue().push_frame(header, payload);
    }

    /// Queues a frame that is not masked, without a copy of its payload unless the payload is shorter
    /// than [`ZERO_COPY_MIN`].
    #[inline]
    pub(crate) fn push_owned(&mut self, header: &FrameHeader, payload: OwnedPayload) {
        debug_assert!(header.masking_key().is_none(), "a client copies payloads");
        if payload.len() < ZERO_COPY_MIN {
            return self.push_frame(header, &payload);
        }
        let written = self.written;
        let queue = self.queue();
        queue.push_frame(header, &[]);
        queue.push_segment(written, payload);
    }

    /// Queues an encoded frame, without a copy unless it is shorter than [`ZERO_COPY_MIN`].
    pub(crate) fn push_prepared(&mut self, frame: Bytes) {
        debug_assert!(!frame.is_empty(), "an encoded frame has a header");
        let written = self.written;
        let queue = self.queue();
        if frame.len() < ZERO_COPY_MIN {
            queue.push_copy(&frame);
        } else {
            queue.push_segment(written, OwnedPayload::Shared(frame));
        }
    }

    /// Queues an automatic Pong. While too many are pending, holds it back instead, in place of an
    /// earlier one (RFC 6455, section 5.5.3).
    pub(crate) fn push_pong(&mut self, header: &FrameHeader, payload: &[u8]) {
        let written = self.written;
        self.queue().push_pong(written, header, payload);
    }

    /// Queues a keepalive Ping.
    pub(crate) fn push_keepalive(&mut self, header: &FrameHeader, payload: &[u8]) {
        let written = self.written;
        self.queue().push_keepalive(written, header, payload);
    }

    /// Queues a Close, after the Pong that is held back, if any.
    pub(crate) fn push_close(&mut self, header: &FrameHeader, payload: &[u8]) {
        let written = self.written;
        self.queue().push_close(written, header, payload);
    }

    /// Returns the number of bytes that count against the high-water mark: the pending bytes except
    /// automatic Pongs, keepalive Pings and the Close. A payload queued without a copy counts until its
    /// last byte is written: a `Vec` with its capacity, `Bytes` with their length.
    #[inline]
    pub(crate) fn counted(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.counted())
    }

    /// Returns whether a Close is pending.
    pub(crate) fn close_is_pending(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| queue.close_is_pending())
    }

    /// Returns the number of bytes written so far.
    pub(crate) const fn written(&self) -> u64 {
        self.written
    }

    /// Returns the number of bytes queued so far, written or pending.
    pub(crate) fn end(&self) -> u64 {
        self.written + self.len() as u64
    }

    #[inline]
    fn queue(&mut self) -> &mut Queue {
        self.queue.get_or_insert_with(pool::take_queue)
    }

    #[inline(never)]
    fn advance_slow(&mut self, n: usize) {
        let Some(queue) = &mut self.queue else { return };
        queue.advance(&mut self.written, n);
        if queue.len() > 0 {
            return self.trim();
        }
        queue.clear();
        self.give_queue_back();
    }

    #[inline]
    fn give_queue_back(&mut self) {
        if let Some(queue) = self.queue.take() {
            pool::give_queue(queue);
        }
    }

    /// Moves the pending bytes to a smaller buffer if theirs is much too large, and returns the
    /// large one to the pool. Called after an incomplete write, because the peer may be slow.
    fn trim(&mut self) {
        if let Some(excess) = self.queue.as_mut().and_then(|queue| queue.split_excess()) {
            pool::give_queue(excess);
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.take() {
            drop_pending(queue);
        }
    }
}

#[cold]
fn drop_pending(mut queue: Box<Queue>) {
    queue.clear();
    pool::give_queue(queue);
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("len", &self.len())
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use alloc::collections::VecDeque;
    use core::cell::Cell;

    use super::super::queue::tests::MOVED;
    use super::*;
    use crate::frame::Opcode;

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    #[derive(Clone, Copy, Debug)]
    enum Masking {
        Unmasked,
        Masked,
    }

    fn header(opcode: Opcode, len: usize, masking: Masking) -> FrameHeader {
        let header = FrameHeader::new(opcode, len as u64).unwrap();
        match masking {
            Masking::Unmasked => header,
            Masking::Masked => header.with_masking_key(KEY),
        }
    }

    fn encoded(header: &FrameHeader, payload: &[u8]) -> Vec<u8> {
        let key = header.key_or_zero();
        let masked = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
        header.encode().iter().copied().chain(masked).collect()
    }

    fn text(output: &mut Output, payload: &[u8]) {
        output.push_frame(&header(Opcode::Text, payload.len(), Masking::Unmasked), payload);
    }

    fn pong(output: &mut Output, payload: &[u8]) {
        output.push_pong(&header(Opcode::Pong, payload.len(), Masking::Unmasked), payload);
    }

    fn keepalive(output: &mut Output, payload: &[u8]) {
        output.push_keepalive(&header(Opcode::Ping, payload.len(), Masking::Unmasked), payload);
    }

    fn shared(output: &mut Output, payload: OwnedPayload) {
        output.push_owned(&header(Opcode::Binary, payload.len(), Masking::Unmasked), payload);
    }

    fn with_head(head: &[u8]) -> Output {
        Output::with_head(|buffer| -> Result<(), ()> {
            buffer.extend_from_slice(head);
            Ok(())
        })
        .unwrap()
    }

    fn pending(output: &Output) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 4096];
        let set = output.chunks_vectored(&mut slices);
        slices[..set].iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    /// Returns the number of heap bytes that the output owns.
    fn memory(output: &Output) -> usize {
        output.queue.as_ref().map_or(0, |queue| queue.memory())
    }

    struct Random(Cell<u64>);

    impl Random {
        fn below(&self, n: usize) -> usize {
            let mut state = self.0.get();
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            self.0.set(state);
            (state >> 11) as usize % n
        }

        fn bytes(&self, len: usize) -> Vec<u8> {
            let first = self.below(256) as u8;
            (0..len).map(|i| first.wrapping_add(i as u8)).collect()
        }

        fn len(&self) -> usize {
            let max = [1, 20, 130, 2100, 6000][self.below(5)];
            self.below(max)
        }
    }

    // --- Comparison with a naive model -------------------------------------------------------------

    enum Kind {
        Copied,
        Owned { size: usize },
        Pong,
        Keepalive,
        Close,
    }

    struct Piece {
        bytes: VecDeque<u8>,
        kind: Kind,
    }

    /// A naive queue: one piece for each frame or payload.
    #[derive(Default)]
    struct Model {
        pieces: VecDeque<Piece>,
        pongs_queued: usize,
        newest_pong: Option<Vec<u8>>,
        written: u64,
    }

    impl Model {
        fn push(&mut self, bytes: Vec<u8>, kind: Kind) {
            self.pieces.push_back(Piece { bytes: bytes.into(), kind });
        }

        fn push_owned(&mut self, header: &FrameHeader, payload: &[u8], size: usize) {
            let mut frame = encoded(header, payload);
            if payload.len() >= ZERO_COPY_MIN {
                let payload = frame.split_off(header.encoded_len());
                self.push(frame, Kind::Copied);
                self.push(payload, Kind::Owned { size });
            } else {
                self.push(frame, Kind::Copied);
            }
        }

        fn push_pong(&mut self, frame: Vec<u8>) {
            if self.pongs_queued < 4096 {
                self.pongs_queued += frame.len();
                self.push(frame, Kind::Pong);
            } else {
                self.newest_pong = Some(frame);
            }
        }

        fn push_close(&mut self, frame: Vec<u8>) {
            self.queue_newest_pong();
            self.push(frame, Kind::Close);
        }

        fn queue_newest_pong(&mut self) {
            if let Some(frame) = self.newest_pong.take() {
                self.pongs_queued += frame.len();
                self.push(frame, Kind::Pong);
            }
        }

        /// Returns the bytes that are written.
        fn advance(&mut self, n: usize) -> Vec<u8> {
            let mut bytes = Vec::new();
            while bytes.len() < n {
                let first = &mut self.pieces[0].bytes;
                bytes.extend(first.drain(..first.len().min(n - bytes.len())));
                if first.is_empty() {
                    self.pieces.pop_front();
                }
                // The Pong that was held back may belong to the same `advance`.
                if !self.pieces.iter().any(|piece| matches!(piece.kind, Kind::Pong)) {
                    self.pongs_queued = 0;
                    self.queue_newest_pong();
                }
            }
            self.written += n as u64;
            bytes
        }

        fn has_keepalive(&self) -> bool {
            self.pieces.iter().any(|piece| matches!(piece.kind, Kind::Keepalive))
        }

        fn pending(&self) -> Vec<u8> {
            self.pieces.iter().flat_map(|piece| piece.bytes.iter().copied()).collect()
        }

        fn counted(&self) -> usize {
            let counted = self.pieces.iter().map(|piece| match piece.kind {
                Kind::Copied => piece.bytes.len(),
                Kind::Owned { size } => size,
                Kind::Pong | Kind::Keepalive | Kind::Close => 0,
            });
            counted.sum()
        }
    }

    /// A socket that refuses, interrupts or shortens writes at random.
    struct Socket<'r> {
        random: &'r Random,
        received: Vec<u8>,
    }

    impl Socket<'_> {
        fn accept(&mut self, len: usize) -> io::Result<usize> {
            match self.random.below(6) {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                1 => Err(io::ErrorKind::Interrupted.into()),
                _ => Ok(1 + self.random.below(len)),
            }
        }
    }

    impl Write for Socket<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let accepted = self.accept(bytes.len())?;
            self.received.extend_from_slice(&bytes[..accepted]);
            Ok(accepted)
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            assert!(slices.len() > 1 && slices.iter().all(|slice| !slice.is_empty()));
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            self.write(&bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn run_against_model(random: &Random, masking: Masking) {
        let (mut output, mut model) = (Output::empty(), Model::default());
        if random.below(2) == 0 {
            let response = random.bytes(1 + random.below(300));
            output = with_head(&response);
            model.push(response, Kind::Copied);
        }
        for _ in 0..120 {
            let mut wrote = false;
            match random.below(13) {
                0..3 => {
                    let payload = random.bytes(random.len());
                    let header = header(Opcode::Text, payload.len(), masking);
                    output.push_frame(&header, &payload);
                    model.push(encoded(&header, &payload), Kind::Copied);
                }
                3 => {
                    let mut payload = random.bytes(random.len());
                    payload.reserve_exact(random.below(3 * payload.len() + 1));
                    let header = header(Opcode::Binary, payload.len(), Masking::Unmasked);
                    let excessive = payload.capacity() / 2 > payload.len();
                    let size = if excessive { payload.len() } else { payload.capacity() };
                    model.push_owned(&header, &payload, size);
                    output.push_owned(&header, OwnedPayload::Vec(payload));
                }
                4 => {
                    let payload = Bytes::from(random.bytes(random.len()));
                    let header = header(Opcode::Binary, payload.len(), Masking::Unmasked);
                    model.push_owned(&header, &payload, payload.len());
                    output.push_owned(&header, OwnedPayload::Shared(payload));
                }
                5 => {
                    let frame = random.bytes(1 + random.len());
                    let kind = match frame.len() {
                        ..ZERO_COPY_MIN => Kind::Copied,
                        size => Kind::Owned { size },
                    };
                    model.push(frame.clone(), kind);
                    output.push_prepared(frame.into());
                }
                6..9 => {
                    for _ in 0..random.below(30) {
                        let payload = random.bytes(random.below(126));
                        let header = header(Opcode::Pong, payload.len(), masking);
                        output.push_pong(&header, &payload);
                        model.push_pong(encoded(&header, &payload));
                    }
                }
                9 if random.below(8) == 0 => {
                    let payload = random.bytes(2 + random.below(124));
                    let header = header(Opcode::Close, payload.len(), masking);
                    output.push_close(&header, &payload);
                    model.push_close(encoded(&header, &payload));
                }
                12 if !model.has_keepalive() => {
                    let payload = random.bytes(4);
                    let header = header(Opcode::Ping, payload.len(), masking);
                    output.push_keepalive(&header, &payload);
                    model.push(encoded(&header, &payload), Kind::Keepalive);
                }
                9 | 10 | 12 => {
                    wrote = true;
                    let n = match random.below(4) {
                        0 => output.len(),
                        1 => output.chunk().len(),
                        _ => random.below(output.len() + 1),
                    };
                    output.advance(n);
                    model.advance(n);
                }
                _ => {
                    wrote = true;
                    let mut socket = Socket { random, received: Vec::new() };
                    let result = output.write_to(&mut socket).unwrap();
                    let received = socket.received;
                    assert_eq!(result == Io::Done, output.is_empty());
                    assert_eq!(output.written() - model.written, received.len() as u64);
                    assert_eq!(model.advance(received.len()), received);
                }
            }
            check_against_model(&output, &model);
            if wrote && let Some(queue) = &output.queue {
                assert!(queue.is_trim());
            }
        }
    }

    #[track_caller]
    fn check_against_model(output: &Output, model: &Model) {
        let expected = model.pending();
        assert_eq!(pending(output), expected);
        assert_eq!(output.len(), expected.len());
        assert_eq!(output.is_empty(), expected.is_empty());
        assert_eq!(output.queue.is_none(), expected.is_empty());
        assert!(expected.starts_with(output.chunk()));
        assert_eq!(output.chunk().is_empty(), expected.is_empty());
        assert_eq!(output.counted(), model.counted());
        assert_eq!(output.written(), model.written);
        assert_eq!(output.end(), model.written + expected.len() as u64);
    }

    #[test]
    fn agrees_with_a_naive_model() {
        let random = Random(Cell::new(0x2545_f491_4f6c_dd1d));
        for _ in 0..150 {
            run_against_model(&random, Masking::Unmasked);
            run_against_model(&random, Masking::Masked);
        }
    }

    // --- Pongs and the Close ---------------------------------------------------------------------

    #[test]
    fn holds_back_all_but_the_newest_pong_until_the_last_queued_one_is_written() {
        let mut output = Output::empty();
        for i in 0..100 {
            pong(&mut output, &[i; 125]);
            text(&mut output, b"between");
        }
        // 33 Pongs of 127 bytes are the first to reach 4 KiB.
        assert_eq!(output.len(), 33 * 127 + 100 * 9);
        assert_eq!(output.counted(), 100 * 9);
        output.advance(33 * 127 + 32 * 9 - 1);
        assert_eq!(output.len(), 68 * 9 + 1);
        output.advance(1);
        assert_eq!(output.len(), 68 * 9 + 127);
        output.advance(68 * 9);
        assert_eq!(output.chunk()[2..], [99; 125]);
    }

    #[test]
    fn queues_the_newest_pong_before_a_close() {
        let mut output = Output::empty();
        for i in 0..100 {
            pong(&mut output, &[i; 125]);
        }
        output.push_close(&header(Opcode::Close, 2, Masking::Unmasked), &[3, 232]);
        output.advance(33 * 127);
        assert_eq!(output.chunk()[2..127], [99; 125]);
        assert_eq!(output.chunk()[127..], [0x88, 2, 3, 232]);
        assert_eq!(output.counted(), 0);
    }

    // --- Memory ----------------------------------------------------------------------------------

    #[test]
    fn empty_output_is_small_and_owns_no_heap() {
        let mut output = Output::empty();
        assert_eq!(size_of::<Output>(), 16);
        text(&mut output, b"Hello");
        output.advance(7);
        assert!(output.queue.is_none());
    }

    #[test]
    fn memory_is_bounded_by_high_water_mark_and_message_size() {
        let random = Random(Cell::new(7));
        for mark in [8 << 10, 64 << 10] {
            let max_message = mark / 4;
            for _ in 0..10 {
                let (mut output, mut keepalive_end) = (Output::empty(), 0);
                for _ in 0..200 {
                    while output.counted() < mark && random.below(50) > 0 {
                        let len = 1 + random.below(max_message);
                        match random.below(4) {
                            0 => text(&mut output, &random.bytes(len.min(100))),
                            1 => text(&mut output, &random.bytes(len)),
                            2 => {
                                shared(&mut output, OwnedPayload::Shared(random.bytes(len).into()))
                            }
                            _ => {
                                let mut payload = random.bytes(len);
                                payload.reserve(random.below(4 * len));
                                shared(&mut output, OwnedPayload::Vec(payload));
                            }
                        }
                        pong(&mut output, &random.bytes(len.min(125)));
                        if output.written() >= keepalive_end {
                            keepalive(&mut output, &random.bytes(4));
                            keepalive_end = output.end();
                        }
                        let bound = 2 * mark + 2 * max_message + (5 << 10);
                        assert!(memory(&output) <= bound, "{} > {bound}", memory(&output));
                    }
                    output.advance(random.below(output.len() + 1).min(random.below(mark)));
                }
            }
        }
    }

    #[test]
    fn payload_with_excessive_capacity_is_shrunk() {
        let mut output = Output::empty();
        let mut payload = Vec::with_capacity(1 << 20);
        payload.resize(ZERO_COPY_MIN, 7);
        shared(&mut output, OwnedPayload::Vec(payload));
        assert!(memory(&output) <= 5 << 10);
        assert!(output.counted() <= ZERO_COPY_MIN + 4);
    }

    #[test]
    fn blocked_output_keeps_no_large_buffer_for_few_copied_bytes() {
        struct Refusing;
        impl Write for Refusing {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::WouldBlock.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut large = Output::empty();
        text(&mut large, &[0; 60_000]);
        large.advance(large.len());
        // The buffer comes from the pool.
        let mut output = Output::empty();
        text(&mut output, b"Hello");
        assert!(memory(&output) > 60_000);
        assert_eq!(output.write_to(&mut Refusing).unwrap(), Io::Blocked);
        assert!(memory(&output) < 1000);
        assert_eq!(pending(&output), b"\x81\x05Hello");
        // The buffer returned to the pool.
        text(&mut large, b"Hello");
        assert!(memory(&large) > 60_000);
    }

    #[test]
    fn advancing_by_single_bytes_moves_each_byte_a_constant_number_of_times() {
        for backlog in [0, 1000, 100_000] {
            let mut output = Output::empty();
            text(&mut output, &alloc::vec![0; backlog]);
            MOVED.set(0);
            let mut queued = output.len();
            for _ in 0..5000 {
                text(&mut output, &[7; 98]);
                queued += output.len().min(100);
                for _ in 0..100 {
                    output.advance(1);
                }
            }
            while !output.is_empty() {
                output.advance(1);
            }
            assert!(MOVED.get() <= 4 * queued, "{} of {queued}", MOVED.get());
        }
    }

    // --- Destructors of payloads -------------------------------------------------------------------

    /// Uses another output when it is dropped.
    struct Owner(Vec<u8>);

    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    impl Drop for Owner {
        fn drop(&mut self) {
            let mut other = Output::empty();
            text(&mut other, b"from a destructor");
            assert_eq!(pending(&other), b"\x81\x11from a destructor");
            if self.0[0].is_multiple_of(2) {
                other.advance(other.len());
            }
            assert!(self.0[0] != 99, "a destructor that panics");
        }
    }

    fn owned(first: u8) -> OwnedPayload {
        let mut bytes = alloc::vec![0; 3000];
        bytes[0] = first;
        OwnedPayload::Shared(Bytes::from_owner(Owner(bytes)))
    }

    #[test]
    fn destructor_of_a_payload_may_use_another_output() {
        for drop_at in 0..4 * 3004 {
            if drop_at % 751 > 1 {
                continue;
            }
            let mut output = Output::empty();
            (0..4).for_each(|first| shared(&mut output, owned(first)));
            output.advance(drop_at);
            drop(output);
            let mut next = Output::empty();
            text(&mut next, b"next");
            assert_eq!(pending(&next), b"\x81\x04next");
            next.advance(6);
        }
    }

    #[test]
    fn advance_is_complete_although_a_destructor_panics() {
        for (pongs, n) in
            [(0, 3004), (0, 3011), (0, 6000), (0, 6015), (0, 6022), (1, 6024), (40, 6022)]
        {
            let mut output = Output::empty();
            shared(&mut output, owned(99));
            text(&mut output, b"after");
            shared(&mut output, owned(1));
            text(&mut output, b"after");
            (0..pongs).for_each(|_| pong(&mut output, &[7; 125]));
            let all = pending(&output);
            let advance = std::panic::AssertUnwindSafe(|| output.advance(n));
            assert!(std::panic::catch_unwind(advance).is_err());
            assert_eq!(output.written(), n as u64);
            assert_eq!(pending(&output), all[n..], "{n}");
            output.advance(output.len());
            output.advance(output.len());
            text(&mut output, b"next");
            assert_eq!(pending(&output), b"\x81\x04next");
            assert_eq!(output.counted(), 6);
        }
    }

    #[test]
    fn two_destructors_that_panic_unwind_once() {
        for n in [0, 3004, 6008, 9012] {
            let mut output = Output::empty();
            [99, 99, 1].into_iter().for_each(|first| shared(&mut output, owned(first)));
            let all = pending(&output);
            let advance = std::panic::AssertUnwindSafe(|| output.advance(n));
            assert_eq!(std::panic::catch_unwind(advance).is_err(), n > 0);
            assert_eq!(pending(&output), all[n..], "{n}");
            let drop = std::panic::AssertUnwindSafe(|| drop(output));
            assert_eq!(std::panic::catch_unwind(drop).is_err(), n < 6008);
        }
    }

    #[test]
    fn dropped_output_leaves_nothing_in_the_pool() {
        let mut output = Output::empty();
        text(&mut output, b"secret");
        for i in 0..100 {
            pong(&mut output, &[i; 125]);
        }
        shared(&mut output, OwnedPayload::Vec(alloc::vec![1; 5000]));
        output.advance(3);
        drop(output);
        let mut next = Output::empty();
        text(&mut next, b"next");
        assert_eq!(pending(&next), b"\x81\x04next");
        assert_eq!(next.counted(), 6);
        assert_eq!(next.written(), 0);
        pong(&mut next, b"");
        assert_eq!(next.len(), 8);
    }

    #[test]
    fn head_that_fails_halfway_leaves_nothing_in_the_pool() {
        let failed = Output::with_head(|buffer| {
            buffer.extend_from_slice(b"HTTP/1.1 101 Switching");
            Err::<(), _>("halfway")
        });
        assert_eq!(failed.err(), Some("halfway"));
        assert_eq!(pending(&with_head(b"HTTP/1.1 200 OK\r\n\r\n")), b"HTTP/1.1 200 OK\r\n\r\n");
    }

    #[test]
    fn output_can_be_dropped_while_its_thread_ends() {
        std::thread_local!(static OUTPUT: Cell<Option<Output>> = const { Cell::new(None) });
        let thread = std::thread::spawn(|| {
            OUTPUT.set(None);
            let mut output = Output::empty();
            text(&mut output, b"pending");
            OUTPUT.set(Some(output));
        });
        thread.join().unwrap();
    }

    #[test]
    fn output_is_send_and_sync() {
        fn check<T: Send + Sync>() {}
        check::<Output>();
    }

    // --- Writing ---------------------------------------------------------------------------------

    /// A socket that returns prepared results.
    struct Script(VecDeque<io::Result<usize>>);

    impl Write for Script {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.0.pop_front().unwrap()
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn bytes_written_before_an_error_are_not_pending() {
        for (error, expected) in [
            (Err(io::ErrorKind::ConnectionReset.into()), io::ErrorKind::ConnectionReset),
            (Ok(0), io::ErrorKind::WriteZero),
        ] {
            let mut output = Output::empty();
            text(&mut output, b"Hello");
            let interrupted = Err(io::ErrorKind::Interrupted.into());
            let mut socket = Script([Ok(2), interrupted, Ok(1), error].into());
            assert_eq!(output.write_to(&mut socket).unwrap_err().kind(), expected);
            assert_eq!(output.chunk(), b"ello");
        }
    }

    #[test]
    fn empty_output_writes_nothing() {
        let mut output = Output::empty();
        assert_eq!(output.write_to(&mut Script(VecDeque::new())).unwrap(), Io::Done);
        output.advance(0);
        assert_eq!(output.chunk(), b"");
    }

    #[test]
    #[should_panic(expected = "cannot advance past the end of the output")]
    fn advancing_past_the_end_panics() {
        let mut output = Output::empty();
        text(&mut output, b"Hello");
        output.advance(8);
    }

    #[test]
    fn reads_as_a_buf() {
        let mut output = Output::empty();
        text(&mut output, b"Hello");
        shared(&mut output, OwnedPayload::Vec(alloc::vec![7; 3000]));
        let expected = pending(&output);
        assert_eq!(Buf::remaining(&output), expected.len());
        assert_eq!(Buf::copy_to_bytes(&mut output, expected.len()), expected);
        assert!(!Buf::has_remaining(&output));
    }
}
