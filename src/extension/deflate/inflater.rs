//! The inflater: a stream of compressed bytes into bounded output (RFC 7692, section 7.2.2).

use alloc::collections::VecDeque;
use core::mem;

use zlib_rs::{Inflate, InflateFlush, Status};

/// The end of a DEFLATE stream after the last byte of a message: the empty stored block that the
/// sender removed (RFC 7692, section 7.2.1), and an empty final block.
///
/// The final block shows whether the message is complete: without it, nearly every truncated message
/// would pass.
const TAIL: [u8; 9] = [0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff];

/// The compressed payload is not a DEFLATE stream, or ends within a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt;

/// The result of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The number of input bytes that were consumed.
    pub(crate) consumed: usize,
    /// The number of output bytes that were written. If the output is not full and all input is
    /// consumed, no further output is pending.
    pub(crate) produced: usize,
    /// Whether the next bytes of the input are corrupt.
    pub(crate) corrupt: bool,
}

/// The last bytes that were inflated, to which a sender may refer: at most 32 KiB.
#[derive(Debug, Default)]
pub(crate) struct Window(VecDeque<u8>);

/// An inflater, with the window of the message in progress.
pub(crate) struct Inflater {
    codec: Inflate,
    window: Window,
    state: State,
    /// Whether the first byte of the next input was consumed before.
    is_ahead: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No byte of the message was inflated.
    Start,
    /// The codec is within a stream.
    Stream,
    /// The last block had BFINAL set. It ended the stream, but not necessarily the message.
    Final,
}

impl Window {
    /// The size in bytes of the window of 15 bits.
    pub(crate) const MAX: usize = 1 << 15;

    /// Appends inflated bytes and drops the oldest beyond `max`.
    pub(crate) fn push(&mut self, bytes: &[u8], max: usize) {
        let bytes = bytes.get(bytes.len().saturating_sub(max)..).unwrap_or_default();
        let excess = (self.0.len() + bytes.len()).saturating_sub(max);
        self.0.drain(..excess);
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            self.0.reserve_exact(needed.next_power_of_two().min(max) - self.0.len());
        }
        self.0.extend(bytes);
    }

    /// Drops the oldest bytes and the capacity beyond `max`.
    pub(crate) fn shrink(&mut self, max: usize) {
        self.push(&[], max);
        self.0.shrink_to(max);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Inflater {
    pub(crate) fn new() -> Self {
        Self {
            codec: Inflate::new(false, 15),
            window: Window::default(),
            state: State::Start,
            is_ahead: false,
        }
    }

    /// Starts a message whose sender may refer to the bytes in `window`.
    pub(crate) fn begin(&mut self, window: Option<Window>) {
        match window {
            Some(window) => self.window = window,
            None => self.window.clear(),
        }
        self.state = State::Start;
        self.is_ahead = false;
    }

    /// Inflates like [`inflate`](Self::inflate), but does not report the last byte as consumed while
    /// output is pending. The next input then begins with this byte.
    pub(crate) fn inflate_ahead(&mut self, input: &[u8], output: &mut [u8]) -> Progress {
        let before = usize::from(mem::take(&mut self.is_ahead));
        debug_assert!(before <= input.len(), "the last byte was not consumed");
        let progress = self.inflate(input.get(before..).unwrap_or_default(), output);
        let consumed = before + progress.consumed;
        self.is_ahead =
            consumed > 0 && consumed == input.len() && progress.produced == output.len();
        Progress { consumed: consumed - usize::from(self.is_ahead), ..progress }
    }

    /// Inflates `input` into `output`, up to the end of either, or up to the end of a block with
    /// BFINAL set. Then, and while the message continues, call [`remember`](Self::remember) with the
    /// new output before the next call.
    fn inflate(&mut self, input: &[u8], output: &mut [u8]) -> Progress {
        match self.state {
            State::Stream => {}
            State::Start | State::Final if input.is_empty() => return Progress::default(),
            State::Start | State::Final => self.restart(),
        }
        let (consumed, produced) = (self.codec.total_in(), self.codec.total_out());
        let status = self.codec.decompress(input, output, InflateFlush::NoFlush);
        // RFC 7692, section 7.2.3.4: blocks with BFINAL set are allowed, and others may follow.
        if status == Ok(Status::StreamEnd) {
            self.state = State::Final;
        }
        Progress {
            consumed: (self.codec.total_in() - consumed) as usize,
            produced: (self.codec.total_out() - produced) as usize,
            corrupt: status.is_err(),
        }
    }

    /// Starts a stream that may refer to the window.
    fn restart(&mut self) {
        self.codec.reset(false);
        let (older, newer) = self.window.0.as_slices();
        for part in [older, newer] {
            if !part.is_empty() {
                let set = self.codec.set_dictionary(part);
                debug_assert!(set.is_ok(), "a raw stream accepts any dictionary");
            }
        }
        self.state = State::Stream;
    }

    /// Remembers inflated bytes, to which the sender may refer after a block with BFINAL set or in
    /// the next message.
    pub(crate) fn remember(&mut self, output: &[u8]) {
        self.window.push(output, Window::MAX);
    }

    /// Ends the message after its last byte.
    pub(crate) fn finish(&mut self) -> Result<(), Corrupt> {
        match self.state {
            // RFC 7692, section 7.2.3.6: an empty message has one byte of payload.
            State::Start => Err(Corrupt),
            State::Final => Ok(()),
            State::Stream => {
                let (consumed, produced) = (self.codec.total_in(), self.codec.total_out());
                let status = self.codec.decompress(&TAIL, &mut [0], InflateFlush::NoFlush);
                let complete = status == Ok(Status::StreamEnd)
                    && self.codec.total_in() - consumed == TAIL.len() as u64
                    && self.codec.total_out() == produced;
                if complete { Ok(()) } else { Err(Corrupt) }
            }
        }
    }

    /// Takes the window of the message out, at most `max` bytes, for the next message.
    pub(crate) fn take_window(&mut self, max: usize) -> Window {
        let mut window = mem::take(&mut self.window);
        window.shrink(max);
        window
    }
}
