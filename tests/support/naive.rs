//! A naive receiver, written independently of the crate: the oracle of the chunking tests. It reads one
//! byte at a time, so that no cut can affect it. Needs no feature of the crate.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "inflate.rs"]
mod inflate;

pub use inflate::Inflater;
use websocket_proto::frame::Opcode;
use websocket_proto::{ConnectionError, Limit, Role, Transport, Violation};

/// An event, by content.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// A part of a message, or a whole one.
    Data {
        text: bool,
        bytes: Vec<u8>,
        begins: bool,
        ends: bool,
    },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Failed(ConnectionError),
}

/// Joins adjacent parts of a message, which removes the positions of the cuts.
///
/// Panics unless each message has one first and one last part, and no other part than the last one is
/// empty.
#[track_caller]
pub fn join(events: Vec<Seen>) -> Vec<Seen> {
    let mut joined = Vec::new();
    // The type of the message in progress.
    let mut current = None;
    for event in events {
        if let Seen::Data { text, bytes, begins, ends } = &event {
            assert_eq!(*begins, current.is_none(), "a message must have exactly one first part");
            assert!(
                current.is_none_or(|current| current == *text),
                "the type changed inside a message"
            );
            assert!(*ends || !bytes.is_empty(), "a part other than the last one is empty");
            assert!(!*text || str::from_utf8(bytes).is_ok(), "text is split inside a character");
            current = if *ends { None } else { Some(*text) };
            if !begins && let Some(Seen::Data { bytes: before, ends: end, .. }) = joined.last_mut()
            {
                before.extend(bytes);
                *end = *ends;
                continue;
            }
        }
        joined.push(event);
    }
    joined
}

/// Reassembles messages, each at the position of its last part. Incomplete messages are dropped.
pub fn reassemble(events: &[Seen]) -> Vec<Seen> {
    let (mut whole, mut message) = (Vec::new(), Vec::new());
    for event in events {
        let Seen::Data { text, bytes, ends, .. } = event else {
            whole.push(event.clone());
            continue;
        };
        message.extend(bytes);
        if *ends {
            let bytes = std::mem::take(&mut message);
            whole.push(Seen::Data { text: *text, bytes, begins: true, ends: true });
        }
    }
    whole
}

pub struct NaiveLimits {
    pub max_frame: u64,
    pub max_message: u64,
    pub max_empty_fragments: u32,
}

/// An endpoint that answers Pings and Closes immediately and sends nothing else.
pub struct Naive {
    role: Role,
    limits: NaiveLimits,
    header: Vec<u8>,
    frame: Option<Frame>,
    /// Whether the message in progress is text.
    message: Option<bool>,
    message_len: u64,
    empty_fragments: u32,
    delivered: bool,
    /// Whether the current frame contributed to its message.
    has_payload: bool,
    /// The inflater of the peer's messages, if permessage-deflate was agreed.
    inflater: Option<Inflater>,
    is_compressed: bool,
    character: Vec<u8>,
    control: Vec<u8>,
    closed: bool,
    eof: bool,
    /// Message parts of one byte or character each, and control frames.
    pub seen: Vec<Seen>,
    /// The sent frames, unmasked.
    pub sent: Vec<(u8, Vec<u8>)>,
    pub error: Option<ConnectionError>,
}

struct Frame {
    first: u8,
    key: Vec<u8>,
    len: u64,
    read: u64,
}

impl Naive {
    pub fn new(role: Role, limits: NaiveLimits) -> Self {
        Self {
            role,
            limits,
            header: vec![],
            frame: None,
            message: None,
            message_len: 0,
            empty_fragments: 0,
            delivered: false,
            has_payload: false,
            inflater: None,
            is_compressed: false,
            character: vec![],
            control: vec![],
            closed: false,
            eof: false,
            seen: vec![],
            sent: vec![],
            error: None,
        }
    }

    /// Accepts compressed messages (RFC 7692).
    pub fn with_inflater(self, inflater: Inflater) -> Self {
        Self { inflater: Some(inflater), ..self }
    }

    pub fn receive(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.closed || self.error.is_some() {
                return;
            }
            if let Err(error) = self.byte(*byte) {
                self.fail(error);
            }
        }
    }

    pub fn receive_eof(&mut self) {
        self.eof = true;
        if !self.closed && self.error.is_none() {
            self.error = Some(ConnectionError::UnexpectedEof);
            self.seen.push(Seen::Failed(ConnectionError::UnexpectedEof));
        }
    }

    /// The transport instruction once all sent frames are written.
    pub fn transport(&self) -> Transport {
        match (self.error.is_some() || self.closed, self.eof) {
            (true, true) => Transport::Close,
            (true, false) if self.error.is_none() && self.role == Role::Client => Transport::Open,
            (true, false) => Transport::Drain,
            (false, _) => Transport::Open,
        }
    }

    fn fail(&mut self, error: ConnectionError) {
        self.error = Some(error);
        self.seen.push(Seen::Failed(error));
        let reason = match error {
            ConnectionError::Limit(Limit::Frame) => {
                format!("frame exceeds {} bytes", self.limits.max_frame)
            }
            ConnectionError::Limit(Limit::Message) => {
                format!("message exceeds {} bytes", self.limits.max_message)
            }
            ConnectionError::Protocol(Violation::InvalidCompression) => {
                String::from("invalid compressed data")
            }
            _ => String::new(),
        };
        let code = error.close_code().0.to_be_bytes();
        self.sent.push((0x88, [&code, reason.as_bytes()].concat()));
    }

    fn byte(&mut self, byte: u8) -> Result<(), ConnectionError> {
        let Some(frame) = &mut self.frame else { return self.header_byte(byte) };
        let byte = match self.role {
            Role::Server => byte ^ frame.key[(frame.read % 4) as usize],
            Role::Client => byte,
        };
        frame.read += 1;
        let first = frame.first;
        if first & 8 != 0 {
            self.control.push(byte);
            if first & 15 == 8 {
                check_close(&self.control)?;
            }
        } else if self.is_compressed {
            let mut original = Vec::new();
            let inflated = self.inflater.as_mut().unwrap().push(byte, &mut original);
            for byte in original {
                if self.message_len == self.limits.max_message {
                    return Err(Limit::Message.into());
                }
                self.message_len += 1;
                self.original_byte(byte)?;
            }
            inflated.map_err(|_| Violation::InvalidCompression)?;
        } else {
            self.original_byte(byte)?;
        }
        self.finish_frame()
    }

    fn original_byte(&mut self, byte: u8) -> Result<(), ConnectionError> {
        self.has_payload = true;
        self.character.push(byte);
        if self.message.unwrap() {
            match str::from_utf8(&self.character) {
                Ok(_) => self.piece(true),
                Err(error) if error.error_len().is_some() => {
                    return Err(Violation::InvalidUtf8.into());
                }
                Err(_) => {}
            }
        } else {
            self.piece(false);
        }
        Ok(())
    }

    /// Delivers a byte of binary, or a character of text once it is complete.
    fn piece(&mut self, text: bool) {
        let bytes = std::mem::take(&mut self.character);
        let begins = !std::mem::replace(&mut self.delivered, true);
        self.seen.push(Seen::Data { text, bytes, begins, ends: false });
    }

    fn header_byte(&mut self, byte: u8) -> Result<(), ConnectionError> {
        self.header.push(byte);
        let header = &self.header;
        let first = header[0];
        if header.len() == 1 {
            // RFC 7692, section 6: RSV1 is set on the first frame of a compressed message.
            let is_compressed = self.inflater.is_some() && matches!(first & 0x7f, 0x41 | 0x42);
            let first = if is_compressed { first & !0x40 } else { first };
            return Ok(check_first_byte(first, self.message.is_some())?);
        }
        if header.len() == 2 {
            check_second_byte(first, byte, self.role)?;
        }
        let (long, masked) = (header[1] % 128, header[1] >= 128);
        let length_end = [2, 4, 10][long.saturating_sub(125) as usize];
        let key_end = length_end + if masked { 4 } else { 0 };
        if header.len() < length_end {
            return Ok(());
        }
        let extended =
            header[2..length_end].iter().fold(0, |len, byte| len << 8 | u64::from(*byte));
        let len = if long < 126 { u64::from(long) } else { extended };
        if header.len() == length_end {
            if len >= 1 << 63 {
                return Err(Violation::LengthTooLarge.into());
            }
            if (long == 126 && len < 126) || (long == 127 && len < 65536) {
                return Err(Violation::NonMinimalLength.into());
            }
            self.check_limits(first, len)?;
        }
        if self.header.len() < key_end {
            return Ok(());
        }
        let key = self.header[length_end..].to_vec();
        self.header.clear();
        if first & 8 == 0 {
            if first & 15 != 0 {
                self.is_compressed = first & 0x40 != 0;
            }
            if !self.is_compressed {
                self.message_len += len;
            }
            self.has_payload = false;
            self.empty_fragments += u32::from(len == 0 && first < 128);
            if first & 15 != 0 {
                self.message = Some(first & 15 == 1);
            }
        }
        self.frame = Some(Frame { first, key, len, read: 0 });
        self.finish_frame()
    }

    fn check_limits(&self, first: u8, len: u64) -> Result<(), Limit> {
        if first & 8 != 0 {
            return Ok(());
        }
        if len > self.limits.max_frame {
            return Err(Limit::Frame);
        }
        let is_compressed = first & 0x40 != 0 || (first & 15 == 0 && self.is_compressed);
        if !is_compressed && self.message_len + len > self.limits.max_message {
            return Err(Limit::Message);
        }
        let empty = u32::from(len == 0 && first < 128);
        if empty == 1 && self.empty_fragments + empty > self.limits.max_empty_fragments {
            return Err(Limit::EmptyFragments);
        }
        Ok(())
    }

    /// Handles the end of a frame, if the current byte is its last one.
    fn finish_frame(&mut self) -> Result<(), ConnectionError> {
        let Some(frame) = self.frame.take_if(|frame| frame.read == frame.len) else {
            return Ok(());
        };
        let (fin, payload) = (frame.first >= 128, std::mem::take(&mut self.control));
        match frame.first & 15 {
            8 => {
                if payload.len() > 2 && str::from_utf8(&payload[2..]).is_err() {
                    return Err(Violation::InvalidCloseReason.into());
                }
                self.closed = true;
                self.sent.push((0x88, payload.iter().take(2).copied().collect()));
                self.seen.push(Seen::Close((!payload.is_empty()).then(|| {
                    let reason = String::from_utf8(payload[2..].to_vec()).unwrap();
                    (u16::from_be_bytes([payload[0], payload[1]]), reason)
                })));
            }
            9 => {
                self.sent.push((0x8a, payload.clone()));
                self.seen.push(Seen::Ping(payload));
            }
            10 => self.seen.push(Seen::Pong(payload)),
            _ if fin => {
                if self.is_compressed {
                    let ended = self.inflater.as_mut().unwrap().end();
                    ended.map_err(|_| Violation::InvalidCompression)?;
                }
                if !self.character.is_empty() {
                    return Err(Violation::InvalidUtf8.into());
                }
                self.finish_message();
            }
            _ => {}
        }
        Ok(())
    }

    /// Ends the message with its last part if that part belongs to the final frame, otherwise with an empty
    /// part.
    fn finish_message(&mut self) {
        let text = self.message.take().unwrap();
        if !self.has_payload {
            self.piece(text);
        }
        let Some(Seen::Data { ends, .. }) = self.seen.last_mut() else { unreachable!() };
        *ends = true;
        self.delivered = false;
        self.message_len = 0;
        self.empty_fragments = 0;
    }
}

/// RFC 6455, section 5.2: the first byte, bit by bit.
pub fn check_first_byte(first: u8, in_message: bool) -> Result<(), Violation> {
    let opcode = match first % 16 {
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        reserved => return Err(Violation::ReservedOpcode(reserved)),
    };
    if first & 0x70 != 0 {
        return Err(Violation::ReservedBits);
    }
    match first % 16 {
        8.. if first < 128 => Err(Violation::FragmentedControl(opcode)),
        0 if !in_message => Err(Violation::UnexpectedContinuation),
        1 | 2 if in_message => Err(Violation::UnfinishedMessage(opcode)),
        _ => Ok(()),
    }
}

/// RFC 6455, section 5.2: the second byte, after a valid first byte.
pub fn check_second_byte(first: u8, second: u8, role: Role) -> Result<(), Violation> {
    let (masked, len) = (second >= 128, second % 128);
    match (role, masked, first % 16) {
        (Role::Server, false, _) => Err(Violation::MissingMask),
        (Role::Client, true, _) => Err(Violation::UnexpectedMask),
        (_, _, 8) if len == 1 => Err(Violation::CloseTooShort),
        (_, _, bits @ 8..) if len > 125 => {
            Err(Violation::ControlTooLong(Opcode::from_bits(bits).unwrap()))
        }
        _ => Ok(()),
    }
}

/// RFC 6455, sections 5.5.1 and 7.4: the payload of a Close frame as far as it is read.
fn check_close(payload: &[u8]) -> Result<(), Violation> {
    if payload.len() < 2 {
        return Ok(());
    }
    let code = u16::from_be_bytes([payload[0], payload[1]]);
    let sendable = (1000..1015).contains(&code) && ![1004, 1005, 1006].contains(&code);
    if !sendable && !(3000..5000).contains(&code) {
        return Err(Violation::InvalidCloseCode(code));
    }
    match str::from_utf8(&payload[2..]) {
        Err(error) if error.error_len().is_some() => Err(Violation::InvalidCloseReason),
        _ => Ok(()),
    }
}
