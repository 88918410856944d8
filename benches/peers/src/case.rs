//! The measured cases and their generated traffic, identical on every run.

use std::ops::Range;

use bytes::Bytes;

use crate::codec::{Compressor, Context};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Client,
    Server,
}

/// The measured work of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Receives messages.
    Receive,
    /// Sends messages, each written before the next one.
    Send,
    /// Echoes each message before the next one can be read.
    Echo,
    /// Reads, validates and answers a request, up to a connection.
    Accept,
    /// Writes a request and verifies the response, up to a connection.
    Connect,
}

pub struct Case {
    pub group: &'static str,
    pub name: String,
    pub work: Work,
    /// The measured role.
    pub role: Role,
    pub text: bool,
    /// Payload length of a message, or length of the request, in bytes.
    pub size: usize,
    /// Whether the payload is passed as `Bytes` instead of borrowed.
    pub shared: bool,
    /// Number of fragments per message; a Ping stands between any two.
    pub fragments: usize,
    /// The context of permessage-deflate, if it was agreed.
    pub deflate: Option<Context>,
    /// The payloads, used in order and cyclically.
    pub messages: Vec<Bytes>,
    /// The bytes to read: all messages in order, read cyclically.
    pub wire: Vec<u8>,
    /// Offsets in `wire` at which every read ends.
    pub read_ends: Vec<usize>,
}

/// The payload of the Pings between fragments.
pub const PING: &[u8] = b"are you there?";

/// RSV1: the message is compressed.
const COMPRESSED: u8 = 0x40;

/// Approximate bytes of the wire, before compression: larger than a first-level cache, smaller than a second-level one.
const WIRE: usize = 256 << 10;

impl Case {
    fn new(group: &'static str, name: String, work: Work, role: Role, size: usize) -> Self {
        Self {
            group,
            name,
            work,
            role,
            text: false,
            size,
            shared: false,
            fragments: 1,
            deflate: None,
            messages: Vec::new(),
            wire: Vec::new(),
            read_ends: Vec::new(),
        }
    }

    fn fill(mut self, payload: fn(&mut Random, usize) -> Vec<u8>) -> Self {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let count = (WIRE / (self.size + 8)).max(1);
        self.messages = (0..count).map(|_| payload(&mut random, self.size).into()).collect();
        if self.work != Work::Send {
            let masked = self.role == Role::Server;
            let opcode = if self.text { 1 } else { 2 };
            // The first message refers to nothing, so that the wire can be read cyclically.
            let mut compressor = self
                .deflate
                .map(|context| Compressor::new(context, self.size, Compressor::MEMORY_LEVEL));
            for message in &self.messages {
                let (payload, opcode) = match &mut compressor {
                    Some(compressor) => (compressor.compress(message), COMPRESSED | opcode),
                    None => (&**message, opcode),
                };
                for (i, piece) in payload.chunks(payload.len() / self.fragments).enumerate() {
                    if i > 0 {
                        frame(&mut self.wire, 0x89, PING, masked.then(|| random.key()));
                    }
                    let fin = if i + 1 == self.fragments { 0x80 } else { 0 };
                    let first = fin | if i == 0 { opcode } else { 0 };
                    frame(&mut self.wire, first, piece, masked.then(|| random.key()));
                }
                if self.work == Work::Echo {
                    self.read_ends.push(self.wire.len());
                }
            }
        }
        if self.work != Work::Echo {
            self.read_ends.push(self.wire.len());
        }
        self
    }

    /// Encoded bytes per message.
    pub fn wire_len(&self) -> usize {
        self.wire.len() / self.messages.len().max(1)
    }
}

/// Every case, in the order of the table.
pub fn all() -> Vec<Case> {
    const KIB: usize = 1 << 10;
    let mut cases = Vec::new();
    let sizes = [8, 125, KIB, 16 * KIB, 64 * KIB, 1024 * KIB];
    for size in sizes {
        let case = Case::new("receive-server", named(size), Work::Receive, Role::Server, size);
        cases.push(case.fill(binary));
    }
    for (kind, payload) in [("ASCII", ascii as fn(&mut Random, usize) -> Vec<u8>), ("CJK", cjk)] {
        for size in [KIB, 64 * KIB] {
            let name = format!("{kind} {}", named(size));
            let mut case = Case::new("receive-text", name, Work::Receive, Role::Server, size);
            case.text = true;
            cases.push(case.fill(payload));
        }
    }
    for size in [8, KIB, 64 * KIB] {
        let case = Case::new("receive-client", named(size), Work::Receive, Role::Client, size);
        cases.push(case.fill(binary));
    }
    for size in [8, KIB, 64 * KIB] {
        let case = Case::new("send-server", named(size), Work::Send, Role::Server, size);
        cases.push(case.fill(binary));
    }
    let name = format!("{} as Bytes", named(64 * KIB));
    let mut case = Case::new("send-server", name, Work::Send, Role::Server, 64 * KIB);
    case.shared = true;
    cases.push(case.fill(binary));
    for size in [8, KIB, 64 * KIB] {
        let case = Case::new("send-client", named(size), Work::Send, Role::Client, size);
        cases.push(case.fill(binary));
    }
    for size in [8, KIB, 64 * KIB] {
        let case = Case::new("echo", named(size), Work::Echo, Role::Server, size);
        cases.push(case.fill(binary));
    }
    for (kind, text, payload) in
        [("binary", false, binary as fn(&mut Random, usize) -> Vec<u8>), ("CJK", true, cjk)]
    {
        let name = format!("64 x 1 KiB and Pings {kind}");
        let mut case = Case::new("fragments", name, Work::Receive, Role::Server, 64 * KIB);
        case.text = text;
        case.fragments = 64;
        cases.push(case.fill(payload));
    }
    for (group, work) in [("deflate-send", Work::Send), ("deflate-receive", Work::Receive)] {
        for (name, context) in [("no context", Context::None), ("context", Context::Kept)] {
            for size in [32, 128, KIB, 16 * KIB, 1024 * KIB] {
                let name = format!("{} {name}", named(size));
                let mut case = Case::new(group, name, work, Role::Server, size);
                case.deflate = Some(context);
                cases.push(case.fill(json));
            }
        }
    }
    let request = request();
    let name = format!("server {} B", request.len());
    let mut case = Case::new("handshake", name, Work::Accept, Role::Server, request.len());
    case.messages.push(Bytes::new());
    case.read_ends.push(request.len());
    case.wire = request;
    cases.push(case);
    let mut case = Case::new("handshake", "client".into(), Work::Connect, Role::Client, 0);
    case.messages.push(Bytes::new());
    case.read_ends.push(0);
    cases.push(case);
    cases
}

/// One message of 8 bytes, for connections that are idle afterwards.
pub fn idle(role: Role) -> Case {
    let mut case = Case::new("idle", String::new(), Work::Echo, role, 8).fill(binary);
    case.messages.truncate(1);
    case.wire.truncate(case.read_ends[0]);
    case.read_ends.truncate(1);
    case
}

fn named(size: usize) -> String {
    match size {
        0..1024 => format!("{size} B"),
        1024..1048576 => format!("{} KiB", size >> 10),
        _ => format!("{} MiB", size >> 20),
    }
}

/// A request as a browser sends it.
fn request() -> Vec<u8> {
    let mut request = String::from(
        "GET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
         Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) \
         AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
         Upgrade: websocket\r\nOrigin: https://example.com\r\nSec-WebSocket-Version: 13\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nCookie: id=",
    );
    while request.len() < 557 - 4 {
        request.push(char::from(b'a' + (request.len() % 26) as u8));
    }
    request.push_str("\r\n\r\n");
    request.into_bytes()
}

/// A frame as the peer sends it.
fn frame(wire: &mut Vec<u8>, first: u8, payload: &[u8], key: Option<[u8; 4]>) {
    let mask = if key.is_some() { 0x80 } else { 0 };
    wire.push(first);
    match payload.len() {
        length @ 0..126 => wire.push(mask | length as u8),
        length @ 126..65536 => {
            wire.push(mask | 126);
            wire.extend((length as u16).to_be_bytes());
        }
        length => {
            wire.push(mask | 127);
            wire.extend((length as u64).to_be_bytes());
        }
    }
    wire.extend(key.into_iter().flatten());
    let key = key.unwrap_or_default();
    wire.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]));
}

/// A written frame, unmasked: its opcode, whether it has FIN, RSV1 and a masking key, and the range of its
/// payload in `bytes`.
pub struct Written {
    pub opcode: u8,
    pub compressed: bool,
    pub fin: bool,
    pub masked: bool,
    pub payload: Range<usize>,
}

/// Reads the frame at `at` and unmasks it.
pub fn read_frame(bytes: &mut [u8], mut at: usize) -> Written {
    let (first, second) = (bytes[at], bytes[at + 1]);
    at += 2;
    let length = match second & 0x7f {
        126 => {
            at += 2;
            usize::from(u16::from_be_bytes(bytes[at - 2..at].try_into().unwrap()))
        }
        127 => {
            at += 8;
            u64::from_be_bytes(bytes[at - 8..at].try_into().unwrap()) as usize
        }
        length => usize::from(length),
    };
    let masked = second & 0x80 != 0;
    if masked {
        let key: [u8; 4] = bytes[at..at + 4].try_into().unwrap();
        at += 4;
        for (i, byte) in bytes[at..at + length].iter_mut().enumerate() {
            *byte ^= key[i % 4];
        }
    }
    Written {
        opcode: first & 0xf,
        compressed: first & COMPRESSED != 0,
        fin: first & 0x80 != 0,
        masked,
        payload: at..at + length,
    }
}

/// A xorshift generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn key(&mut self) -> [u8; 4] {
        (self.next() as u32).to_be_bytes()
    }
}

fn binary(random: &mut Random, size: usize) -> Vec<u8> {
    (0..size).map(|_| random.next() as u8).collect()
}

fn ascii(random: &mut Random, size: usize) -> Vec<u8> {
    (0..size).map(|_| b' ' + (random.next() % 95) as u8).collect()
}

fn cjk(random: &mut Random, size: usize) -> Vec<u8> {
    let mut text = String::new();
    while text.len() + 3 <= size {
        text.extend(char::from_u32(0x4e00 + (random.next() % 0x5000) as u32));
    }
    while text.len() < size {
        text.push('.');
    }
    text.into_bytes()
}

/// Objects as a chat or a market sends them, cut to `size` bytes.
fn json(random: &mut Random, size: usize) -> Vec<u8> {
    const NAMES: [&str; 8] = ["mira", "jonas", "wei", "amina", "lukas", "sofia", "kenji", "olu"];
    const EVENTS: [&str; 6] = ["join", "leave", "message", "typing", "reaction", "price"];
    let mut text = String::new();
    while text.len() < size {
        let mut below = |bound: u64| random.next() % bound;
        text += &format!(
            "{{\"id\":{},\"user\":\"{}\",\"event\":\"{}\",\"time\":{},\"value\":{}.{:02},\"room\":\"r{}\",\
             \"tags\":[\"t{}\",\"t{}\"],\"read\":{}}},",
            below(1_000_000),
            NAMES[below(8) as usize],
            EVENTS[below(6) as usize],
            1_760_000_000_000 + below(1_000_000_000),
            below(1000),
            below(100),
            below(40),
            below(30),
            below(30),
            below(2) == 0,
        );
    }
    text.truncate(size);
    text.into_bytes()
}
