//! Memory that one thread lends to each of its connections in turn.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use super::Connection;
use super::assembly::Memory;
use super::output::Rare;
use crate::Message;

/// Buffers for output and for messages put together, which serve any number of connections, one at a
/// time.
///
/// A connection holds memory only while something waits, so steady traffic takes and frees some
/// for each message; with a thread for each connection, allocators keep some of it for each. To
/// spare that, lend it these for a turn of the driving loop:
///
/// ```
/// use bytes::Buf;
/// use websocket_proto::{Buffers, Config, Connection, Event, Negotiated};
///
/// static CONFIG: Config = Config::new();
/// let mut buffers = Buffers::new();
/// let mut connections: Vec<_> =
///     (0..3).map(|_| Connection::server(&CONFIG, &Negotiated::default())).collect();
///
/// for connection in &mut connections {
///     connection.lend(&mut buffers);
///     let mut read = [0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];
///     let mut input = &mut read[..];
///     while let Some(event) = &mut connection.receive(&mut input) {
///         if let Event::Message(message) = event {
///             connection.send(&*message)?;
///             connection.recycle(message);
///         }
///     }
///     let output = connection.output();
///     assert_eq!(output.chunk(), b"\x81\x02hi");
///     output.advance(4);
///     connection.give_back(&mut buffers);
/// }
/// # Ok::<(), websocket_proto::SendReason>(())
/// ```
#[derive(Default)]
pub struct Buffers {
    output: Vec<u8>,
    rare: Option<Box<Rare>>,
    assembly: Memory,
}

impl Buffers {
    /// Bytes of each buffer above which it is freed rather than kept: 1 MiB.
    pub const MAX_KEPT: usize = 1 << 20;

    /// Empty buffers. They grow as connections need it.
    #[must_use]
    pub const fn new() -> Self {
        let assembly = Memory { message: Vec::new(), part: Vec::new() };
        Self { output: Vec::new(), rare: None, assembly }
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers")
            .field("output", &self.output.capacity())
            .field("message", &self.assembly.message.capacity())
            .field("part", &self.assembly.part.capacity())
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Lends memory for a turn, until [`give_back`](Self::give_back).
    ///
    /// A message that is put together then comes in all of the memory that was lent. Whoever keeps
    /// it, rather than [`recycle`](Self::recycle) it, keeps that too: a copy takes no more than its
    /// bytes.
    #[inline]
    pub fn lend(&mut self, buffers: &mut Buffers) {
        self.output.lend(&mut buffers.output, &mut buffers.rare);
        if buffers.assembly.message.capacity() > 0 {
            self.assembly.lend(&mut buffers.assembly);
        }
    }

    /// Ends a turn: what was lent comes back, unless output or a part of a message waits in it.
    /// Such memory stays with the connection until nothing does. What is far smaller moves out of it.
    #[inline]
    pub fn give_back(&mut self, buffers: &mut Buffers) {
        self.output.give_back(&mut buffers.output, &mut buffers.rare);
        self.assembly.give_back(&mut buffers.assembly);
    }

    /// While memory is lent, takes that of a message that was put together for the next one, until
    /// [`give_back`](Self::give_back), and leaves it empty. A borrowed message has none.
    #[inline]
    pub fn recycle(&mut self, message: &mut Message<'_>) {
        if message.has_memory() {
            self.recycle_memory(message);
        }
    }

    #[inline(never)]
    fn recycle_memory(&mut self, message: &mut Message<'_>) {
        if self.output.is_lent() {
            let memory = message.take_memory();
            if memory.capacity() <= Buffers::MAX_KEPT {
                self.assembly.keep(memory);
            }
        }
    }
}

/// Whether `memory` takes the place of what is kept: the larger of the two, within reason. Moved
/// straight from one place to the other; on the way through a third it would wait for itself.
#[inline]
pub(super) fn is_kept(kept: &Vec<u8>, memory: &Vec<u8>) -> bool {
    memory.capacity() > kept.capacity() && memory.capacity() <= Buffers::MAX_KEPT
}

/// Bytes of memory that may be held however few wait in it.
pub(super) const SMALL: usize = 4096;

/// Whether memory of this capacity is far more than so many bytes take that wait in it. To move out of
/// less, which the next bytes may fill, costs more than it spares.
pub(super) const fn is_ample(capacity: usize, waiting: usize) -> bool {
    capacity > SMALL && capacity / 16 > waiting
}
