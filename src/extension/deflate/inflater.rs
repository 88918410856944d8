//! The inflater: a stream of compressed bytes into bounded output (RFC 7692, section 7.2.2).

use alloc::collections::VecDeque;
use core::mem;
use std::sync::{Mutex, PoisonError};

use zlib_rs::{Inflate, InflateFlush, Status};

use super::{Broken, FLUSH_END};

/// An empty stored block.
const EMPTY_BLOCK: [u8; 5] = [0x00, 0x00, 0x00, 0xff, 0xff];

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
    /// The number of leading output bytes that are already in the window.
    pub(crate) remembered: usize,
    /// Whether the next bytes of the input are corrupt.
    pub(crate) corrupt: bool,
}

/// The last bytes that were inflated, to which a sender may refer: at most 32 KiB.
#[derive(Debug, Default)]
pub(crate) struct Window {
    bytes: VecDeque<u8>,
    /// The message that ended with these bytes, if the codec that inflated it still has them: while it
    /// has inflated no other message, it continues without `set_dictionary`.
    end: Option<MessageId>,
}

/// Identifies a message of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MessageId {
    /// The inflaters of the process are numbered.
    inflater: u64,
    count: u64,
}

/// An inflater, with the window of the message in progress.
pub(crate) struct Inflater {
    codec: Inflate,
    window: Window,
    message: MessageId,
    state: State,
    /// The number of input bytes of the message that were consumed.
    consumed: u64,
    /// Whether the last input byte was inflated but not reported as consumed.
    holds_last_byte: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No byte of the message was inflated.
    Start,
    /// No byte of the message was inflated, and the codec is at the end of the message before it.
    Resumed,
    /// The codec is within a stream.
    Stream,
    /// The last block had BFINAL set. It ended the stream, but not necessarily the message.
    Final,
}

impl Window {
    /// The size in bytes of the window of 15 bits.
    pub(crate) const MAX: usize = 1 << 15;

    /// Appends inflated bytes and drops the oldest beyond `max`, which is not 0.
    pub(crate) fn push(&mut self, bytes: &[u8], max: usize) {
        // Nothing is appended if `bytes` is empty.
        let bytes = bytes.rchunks(max).next().unwrap_or_default();
        let excess = (self.bytes.len() + bytes.len()).saturating_sub(max);
        if excess > 0 {
            self.bytes.drain(..excess);
        }
        let needed = self.bytes.len() + bytes.len();
        if needed > self.bytes.capacity() {
            self.bytes.reserve_exact(needed.next_power_of_two().min(max) - self.bytes.len());
        }
        self.bytes.extend(bytes);
    }

    /// Drops the oldest bytes and the capacity beyond `max`.
    pub(crate) fn shrink(&mut self, max: usize) {
        if self.bytes.capacity() > max {
            self.push(&[], max);
            self.bytes.shrink_to(max);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.end = None;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Sets the dictionary of a codec. Returns whether the codec accepted it, as each raw stream does.
    fn give_to(&self, codec: &mut Inflate) -> bool {
        let (older, newer) = self.bytes.as_slices();
        let mut parts = [older, newer].into_iter().filter(|part| !part.is_empty());
        parts.all(|part| codec.set_dictionary(part).is_ok())
    }
}

impl MessageId {
    /// Returns the first identifier of a new inflater.
    fn new() -> Self {
        // Some targets have no atomic integers of 64 bits.
        static INFLATERS: Mutex<u64> = Mutex::new(0);
        let mut inflaters = INFLATERS.lock().unwrap_or_else(PoisonError::into_inner);
        *inflaters += 1;
        Self { inflater: *inflaters, count: 0 }
    }
}

impl Inflater {
    pub(crate) fn new() -> Self {
        Self {
            codec: Inflate::new(false, 15),
            window: Window::default(),
            message: MessageId::new(),
            state: State::Start,
            consumed: 0,
            holds_last_byte: false,
        }
    }

    /// Starts a message whose sender may refer to the bytes in `window`. If the codec's last message
    /// ended with these bytes, it already has them.
    pub(crate) fn begin(&mut self, window: Option<Window>) {
        let last = window.as_ref().and_then(|window| window.end);
        let resumes = last == Some(self.message);
        self.message.count += 1;
        self.state = if resumes { State::Resumed } else { State::Start };
        match window {
            Some(window) => self.window = window,
            None => self.window.clear(),
        }
        self.consumed = 0;
        self.holds_last_byte = false;
    }

    /// Returns the number of input bytes of the message that were consumed.
    pub(crate) const fn consumed(&self) -> u64 {
        self.consumed
    }

    /// Inflates like [`inflate`](Self::inflate), but does not report the last byte as consumed while
    /// output is pending. The next input then begins with this byte.
    pub(crate) fn inflate_ahead(
        &mut self,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<Progress, Broken> {
        let held = usize::from(mem::take(&mut self.holds_last_byte));
        let new = input.get(held..).ok_or(Broken("the input begins with the byte that is held"))?;
        let progress = self.inflate(new, output)?;
        let end = held + progress.consumed;
        self.holds_last_byte = end > 0 && end == input.len() && progress.produced == output.len();
        let consumed = end - usize::from(self.holds_last_byte);
        self.consumed += consumed as u64;
        Ok(Progress { consumed, ..progress })
    }

    /// Inflates `input` into `output`, up to the end of either. Before the next call within a message,
    /// pass the output after [`Progress::remembered`] to [`remember`](Self::remember).
    fn inflate(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, Broken> {
        let mut progress = Progress::default();
        loop {
            let (Some(input), Some(output)) =
                (input.get(progress.consumed..), output.get_mut(progress.produced..))
            else {
                return Err(Broken::OUT_OF_BOUNDS);
            };
            match self.state {
                State::Stream => {}
                State::Start | State::Resumed | State::Final
                    if input.is_empty() || output.is_empty() =>
                {
                    return Ok(progress);
                }
                State::Resumed => self.state = State::Stream,
                State::Start | State::Final => {
                    if !self.restart() {
                        return Err(Broken("a raw stream accepts any dictionary"));
                    }
                }
            }
            let (consumed, produced) = (self.codec.total_in(), self.codec.total_out());
            let status = self.codec.decompress(input, output, InflateFlush::NoFlush);
            let produced = (self.codec.total_out() - produced) as usize;
            progress.consumed += (self.codec.total_in() - consumed) as usize;
            progress.produced += produced;
            progress.corrupt = status.is_err();
            if status != Ok(Status::StreamEnd) {
                return Ok(progress);
            }
            // RFC 7692, section 7.2.3.4: blocks with BFINAL set are allowed, and others may follow.
            self.state = State::Final;
            let new = output.get(..produced).ok_or(Broken::OUT_OF_BOUNDS)?;
            self.remember(new, Window::MAX);
            progress.remembered = progress.produced;
        }
    }

    /// Starts a stream that may refer to the window. Returns whether the codec accepted the window.
    fn restart(&mut self) -> bool {
        self.codec.reset(false);
        self.state = State::Stream;
        self.window.give_to(&mut self.codec)
    }

    /// Adds inflated bytes to the window, and keeps its last `max` bytes: the sender may refer to them
    /// after a block with BFINAL set or in the next message.
    pub(crate) fn remember(&mut self, output: &[u8], max: usize) {
        self.window.push(output, max);
    }

    /// Ends the message after its last byte.
    pub(crate) fn finish(&mut self) -> Result<(), Corrupt> {
        match self.state {
            // RFC 7692, section 7.2.3.6: an empty message has one byte of payload.
            State::Start | State::Resumed => Err(Corrupt),
            State::Final => Ok(()),
            State::Stream => {
                let complete = self.ends_block() && self.accepts_block();
                if complete { Ok(()) } else { Err(Corrupt) }
            }
        }
    }

    /// Inflates the bytes that the sender removed from the end of the message (RFC 7692, section 7.2.1).
    /// Returns whether a block ends with them. Without this check, nearly every truncated message would
    /// pass.
    fn ends_block(&mut self) -> bool {
        let (consumed, produced) = (self.codec.total_in(), self.codec.total_out());
        // Inside a block, the codec would also consume the additional zero, consume fewer than four
        // bytes, or produce output.
        let [b0, b1, b2, b3] = FLUSH_END;
        let status = self.codec.decompress(&[b0, b1, b2, b3, 0], &mut [0], InflateFlush::Block);
        status == Ok(Status::Ok)
            && self.codec.total_in() - consumed == FLUSH_END.len() as u64
            && self.codec.total_out() == produced
    }

    /// Gives the codec an empty block after the end of a block, and returns whether the codec reads
    /// exactly this block. If bits of the payload remain, it reads those first. After a block with
    /// BFINAL set, it reads nothing.
    fn accepts_block(&mut self) -> bool {
        let consumed = self.codec.total_in();
        let status = self.codec.decompress(&EMPTY_BLOCK, &mut [0], InflateFlush::NoFlush);
        let consumed = (self.codec.total_in() - consumed) as usize;
        if status == Ok(Status::StreamEnd) {
            self.state = State::Final;
            return consumed == 0;
        }
        status == Ok(Status::Ok) && consumed == EMPTY_BLOCK.len()
    }

    /// Takes the window of the message out, at most `max` bytes, for the next message.
    pub(crate) fn take_window(&mut self, max: usize) -> Window {
        self.window.shrink(max);
        // The codec has 32 KiB. If the window keeps less, the codec is not resumed: it would accept references
        // that another codec with this window refuses.
        let has_same = self.state == State::Stream && max == Window::MAX;
        let end = has_same.then_some(self.message);
        Window { bytes: mem::take(&mut self.window.bytes), end }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::super::{Compressor, Deflate, Setting};
    use super::*;

    const TEXT: &str = "a message, a longer message, and the longest message of all: {\"id\":17}";

    fn compressor() -> Compressor {
        Compressor::new(Setting::new(&Deflate::new(), 15, usize::MAX))
    }

    fn compress(compressor: &mut Compressor, payload: &[u8]) -> Vec<u8> {
        let mut scratch = vec![0; 1 << 16];
        let compressed = compressor.compress(payload, true, &mut scratch, usize::MAX);
        compressed.unwrap().expect("no maximum").into_owned()
    }

    /// Inflates a whole message.
    fn inflate(
        inflater: &mut Inflater,
        window: Option<Window>,
        payload: &[u8],
    ) -> Result<Vec<u8>, Corrupt> {
        let mut output = vec![0; 1 << 16];
        inflater.begin(window);
        let progress = inflater.inflate(payload, &mut output).unwrap();
        output.truncate(progress.produced);
        inflater.remember(&output[progress.remembered..], Window::MAX);
        if progress.corrupt { Err(Corrupt) } else { inflater.finish().map(|()| output) }
    }

    #[test]
    fn messages_refer_to_the_window_whichever_inflater_follows() {
        let mut inflaters = [Inflater::new(), Inflater::new()];
        let (mut first, mut second) = (compressor(), compressor());
        let (mut first_window, mut second_window) = (None, None);
        for round in 0..200_usize {
            // Two connections take turns on two inflaters, in every order.
            let connections = [(&mut first, &mut first_window), (&mut second, &mut second_window)];
            for (i, (compressor, window)) in connections.into_iter().enumerate() {
                let inflater = &mut inflaters[(round >> (2 * i)) % 2];
                let payload = TEXT.repeat(1 + round * (i + 1) % 9) + if i == 0 { "0" } else { "1" };
                let compressed = compress(compressor, payload.as_bytes());
                let inflated = inflate(inflater, window.take(), &compressed);
                assert_eq!(inflated.as_deref(), Ok(payload.as_bytes()));
                *window = Some(inflater.take_window(Window::MAX));
            }
        }
    }

    #[test]
    fn codec_at_the_end_of_its_stream_is_never_resumed() {
        // The last block has BFINAL set: it is complete, or the sender removed its last four bytes.
        for payload in [&[0x03, 0x00][..], &[0x01]] {
            let mut inflater = Inflater::new();
            inflate(&mut inflater, None, payload).unwrap();
            assert!(inflater.take_window(Window::MAX).end.is_none(), "{payload:?}");
        }
    }

    #[test]
    fn bits_after_the_last_block_are_corrupt() {
        // Stored blocks end at a byte, so that a whole byte is left here.
        for byte in 1..=255 {
            let result = inflate(&mut Inflater::new(), None, &[0x00, 0x00, 0x00, 0xff, 0xff, byte]);
            let is_header = byte & 0b110 == 0;
            assert_eq!(result.is_ok(), is_header, "{byte:#04x}");
        }
    }

    #[test]
    fn codec_that_refuses_the_window_is_noticed() {
        // A stream with a header of zlib accepts a dictionary only where its header asks for one.
        let refusing = || Inflate::new(true, 15);
        let mut window = Window::default();
        assert!(window.give_to(&mut refusing()), "nothing is given");
        // The bytes are in one part, and then in two.
        for text in ["window", "dow, a"] {
            window.push(text.as_bytes(), 8);
            assert!(!window.give_to(&mut refusing()), "{text}");
            assert!(window.give_to(&mut Inflate::new(false, 15)), "{text}");
        }
        assert!(!window.bytes.as_slices().1.is_empty());
    }
}
