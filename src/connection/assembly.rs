//! Reassembly of messages that arrive in several pieces.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::frame::Masked;
use crate::session::{Announced, Data};
use crate::{Fragment, Message};

/// The message in progress has another type than a piece, or there is none to complete.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WrongType;

/// The message in progress. It owns no heap memory between messages.
#[derive(Default)]
pub(super) enum Assembly {
    #[default]
    Empty,
    Text(String),
    Binary(Vec<u8>),
}

impl Assembly {
    /// Appends a piece of a message, and returns the message when it is complete: borrowed if it
    /// has only this piece, else in the buffer in which it was reassembled. `announced` returns the
    /// announced payload after this piece.
    ///
    /// Returns an error if the message in progress has another type than the piece.
    pub(super) fn push<'i>(
        &mut self,
        data: Data<'i>,
        fragment: Fragment,
        announced: impl FnOnce() -> Announced,
    ) -> Result<Option<Message<'i>>, WrongType> {
        Ok(match (data, fragment) {
            (Data::Text(text), Fragment::Whole) => Some(Message::Text(Cow::Borrowed(text))),
            (Data::Binary(payload), Fragment::Whole) => {
                Some(Message::Binary(Cow::Borrowed(payload.unmask())))
            }
            (data, fragment) => {
                self.append(data, announced())?;
                if fragment.ends() { Some(self.finish()?) } else { None }
            }
        })
    }

    /// Drops the message in progress.
    pub(super) fn clear(&mut self) {
        *self = Self::Empty;
    }

    #[inline(never)]
    fn append(&mut self, data: Data<'_>, announced: Announced) -> Result<(), WrongType> {
        match data {
            Data::Text(text) => self.push_str(text, announced),
            Data::Char(character) => self.push_str(character.text(), announced),
            Data::Binary(payload) => self.push_bytes(&payload, announced),
        }
    }

    fn push_str(&mut self, text: &str, announced: Announced) -> Result<(), WrongType> {
        if let Self::Empty = self {
            *self = Self::Text(String::new());
        }
        let Self::Text(message) = self else { return Err(WrongType) };
        message.reserve_exact(additional(message.len(), message.capacity(), text.len(), announced));
        message.push_str(text);
        Ok(())
    }

    fn push_bytes(&mut self, payload: &Masked<'_>, announced: Announced) -> Result<(), WrongType> {
        if let Self::Empty = self {
            *self = Self::Binary(Vec::new());
        }
        let Self::Binary(message) = self else { return Err(WrongType) };
        let len = message.len();
        message.reserve_exact(additional(len, message.capacity(), payload.len(), announced));
        payload.append_to(message);
        Ok(())
    }

    /// Returns the message in a buffer of at most twice its length. Returns an error if there is none.
    fn finish(&mut self) -> Result<Message<'static>, WrongType> {
        match core::mem::take(self) {
            Self::Empty => Err(WrongType),
            Self::Text(mut text) => {
                text.shrink_to(text.len() * 2);
                Ok(text.into())
            }
            Self::Binary(mut bytes) => {
                bytes.shrink_to(bytes.len() * 2);
                Ok(bytes.into())
            }
        }
    }
}

/// Bytes of an announced length that are reserved before they arrive, however few arrived.
const FIRST_RESERVE: usize = 64 << 10;

/// Returns the number of bytes to reserve for a piece of `piece` bytes after the first `len` bytes
/// of a message.
///
/// An announced length is trusted up to 64 KiB or eight times the bytes received, whichever is
/// more: reserved pages are not touched before bytes arrive. Payload that is in the input is trusted.
/// Compressed payload in the input is trusted to inflate as the beginning of the message did, up to the
/// message limit. If further frames of unknown length follow, the buffer grows fourfold up to 64 KiB
/// and doubles from there.
fn additional(len: usize, capacity: usize, piece: usize, announced: Announced) -> usize {
    let received = len.saturating_add(piece);
    if received <= capacity {
        return 0;
    }
    let in_frame = usize::try_from(announced.frame).unwrap_or(usize::MAX);
    let arrived = usize::try_from(announced.arrived).unwrap_or(usize::MAX);
    let trusted =
        received.saturating_mul(8).max(FIRST_RESERVE).max(received.saturating_add(arrived));
    let mut wanted = received.saturating_add(in_frame).min(trusted).max(received);
    if !announced.fin && len > 0 {
        let doubled = capacity.saturating_mul(2);
        let grown = doubled.max(capacity.saturating_mul(4).min(FIRST_RESERVE));
        let max = usize::try_from(announced.max).unwrap_or(usize::MAX);
        wanted = wanted.max(grown.min(received.saturating_add(max)));
    }
    wanted - len
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIN: Announced = Announced { frame: 0, arrived: 0, fin: true, max: u64::MAX };

    #[test]
    fn short_fragmented_message_gets_a_short_buffer() {
        let mut assembly = Assembly::default();
        let more = Announced { frame: 0, arrived: 0, fin: false, max: u64::MAX };
        assert_eq!(assembly.push(Data::Text("a"), Fragment::First, || more), Ok(None));
        let message = assembly.push(Data::Text("b"), Fragment::Last, || FIN).unwrap().unwrap();
        let text = message.into_text().unwrap();
        assert_eq!(text, "ab");
        assert!(text.capacity() <= 16, "{}", text.capacity());
    }

    #[test]
    fn piece_of_another_type_is_an_error() {
        let mut assembly = Assembly::default();
        assert_eq!(assembly.push(Data::Text("a"), Fragment::First, || FIN), Ok(None));
        let binary = Data::Binary(Masked::unmasked(&mut []));
        assert_eq!(assembly.push(binary, Fragment::Last, || FIN), Err(WrongType));
    }

    #[test]
    fn end_of_a_message_that_has_not_begun_is_an_error() {
        assert_eq!(Assembly::default().finish(), Err(WrongType));
    }

    #[test]
    fn trusts_an_announced_length_up_to_eight_times_the_bytes_received() {
        let announced = Announced { frame: 1 << 40, arrived: 0, fin: true, max: u64::MAX };
        assert_eq!(additional(0, 0, 1, announced), FIRST_RESERVE);
        assert_eq!(additional(0, 0, 100_000, announced), 800_000);
        let arrived = Announced { arrived: 1 << 20, ..announced };
        assert_eq!(additional(0, 0, 100_000, arrived), 100_000 + (1 << 20));
        let short = Announced { frame: 5, arrived: 0, fin: true, max: u64::MAX };
        assert_eq!(additional(0, 0, 10, short), 15);
    }

    #[test]
    fn buffer_of_unknown_final_length_grows_fourfold_and_then_doubles() {
        let more = Announced { frame: 0, arrived: 0, fin: false, max: u64::MAX };
        assert_eq!(additional(1000, 1000, 1, more), 3000);
        assert_eq!(additional(30_000, 30_000, 1, more), FIRST_RESERVE - 30_000);
        assert_eq!(additional(60_000, 60_000, 1, more), 60_000);
        assert_eq!(additional(1000, 1001, 1, more), 0);
    }
}
