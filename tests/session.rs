//! The state machine without an allocator: two sessions talk through buffers of a few bytes.

use websocket_proto::{
    CloseCode, CloseFrame, EntropyError, Event, Fragment, Limits, Message, MessageType, Outcome,
    ProtocolError, Role, SendReason, Session, Transport, mask,
};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn key() -> Result<[u8; 4], EntropyError> {
    Ok(KEY)
}

/// Bytes on their way, in memory of a fixed size.
struct Wire {
    bytes: [u8; 4096],
    len: usize,
}

impl Wire {
    fn new() -> Self {
        Self { bytes: [0; 4096], len: 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn send(&mut self, session: &mut Session, fragment: Fragment, payload: &[u8]) {
        let header = session.send(fragment, payload.len() as u64, key).unwrap();
        self.push(&header.encode());
        let start = self.len;
        self.push(payload);
        if let Some(key) = header.masking_key() {
            mask(&mut self.bytes[start..self.len], key, 0);
        }
    }

    fn ping(&mut self, session: &mut Session, payload: &[u8]) {
        let mut frame = [0; Session::MAX_REPLY];
        let len = session.ping(payload, key, &mut frame).unwrap();
        self.push(&frame[..len]);
    }

    fn close(&mut self, session: &mut Session, code: u16, reason: &str) {
        let mut frame = [0; Session::MAX_REPLY];
        let close = CloseFrame::new(CloseCode(code), reason).unwrap();
        let len = session.close(Some(&close), key, &mut frame).unwrap();
        self.push(&frame[..len]);
    }

    fn written(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// What a session told, in the order in which it did.
#[derive(Default, Debug, PartialEq)]
struct Told {
    text: ([u8; 32], usize),
    messages: u32,
    pings: u32,
    pongs: u32,
    close: Option<(u16, usize)>,
    failed: Option<ProtocolError>,
}

/// Feeds `bytes` in pieces of `size`; the replies go onto `wire`.
fn feed(session: &mut Session, bytes: &[u8], size: usize, wire: &mut Wire) -> Told {
    let mut told = Told::default();
    let mut control = [0; 125];
    let mut reply = [0; Session::MAX_REPLY];
    for piece in bytes.chunks(size) {
        let mut buffer = [0; 256];
        buffer[..piece.len()].copy_from_slice(piece);
        let mut input = &mut buffer[..piece.len()];
        while let Some(event) = session.receive(&mut input, &mut control, &Limits::DEFAULT) {
            let len = session.reply(&event, key, &mut reply).unwrap();
            wire.push(&reply[..len]);
            match event {
                Event::Chunk(chunk) => {
                    let Message::Text(text) = &chunk.payload else { panic!("{chunk:?}") };
                    let (bytes, len) = &mut told.text;
                    bytes[*len..][..text.len()].copy_from_slice(text.as_bytes());
                    *len += text.len();
                    told.messages += u32::from(chunk.last);
                }
                Event::Ping(payload) => {
                    assert_eq!(payload, *b"between");
                    told.pings += 1;
                }
                Event::Pong(payload) => {
                    assert_eq!(payload, *b"between");
                    told.pongs += 1;
                }
                Event::Close(frame) => {
                    let frame = frame.unwrap();
                    told.close = Some((frame.code().0, frame.reason().len()));
                }
                Event::Failed(error) => told.failed = Some(error),
                other => panic!("{other:?}"),
            }
        }
        assert!(input.is_empty());
    }
    told
}

fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

#[test]
fn fragmented_text_with_pings_and_a_closing_handshake_at_every_size_of_buffer() {
    for role in [Role::Client, Role::Server] {
        let text = "Grüße, 世界 👋";
        for size in 1..=64 {
            let (mut sender, mut receiver) = (Session::new(role), Session::new(other(role)));
            let mut wire = Wire::new();
            // Cut inside characters.
            let (head, tail) = text.as_bytes().split_at(3);
            wire.send(&mut sender, Fragment::First(MessageType::Text), head);
            wire.ping(&mut sender, b"between");
            wire.send(&mut sender, Fragment::Middle, &tail[..8]);
            wire.ping(&mut sender, b"between");
            wire.send(&mut sender, Fragment::Last, &tail[8..]);
            wire.close(&mut sender, 4000, "end");
            let mut back = Wire::new();
            let told = feed(&mut receiver, wire.written(), size, &mut back);
            let (bytes, len) = told.text;
            assert_eq!(str::from_utf8(&bytes[..len]), Ok(text));
            assert_eq!((told.messages, told.pings), (1, 2));
            assert_eq!((told.close, told.failed), (Some((4000, 3)), None));

            let told = feed(&mut sender, back.written(), size, &mut wire);
            assert_eq!((told.pongs, told.close), (2, Some((4000, 0))));
            let outcome = Some(Outcome { clean: true, code: CloseCode(4000) });
            for session in [&mut sender, &mut receiver] {
                session.receive_eof();
                assert_eq!(session.transport(), Transport::Close);
                assert_eq!(session.outcome(), outcome);
            }
        }
    }
}

#[test]
fn a_violation_is_answered_and_ends_the_session() {
    let mut session = Session::new(Role::Server);
    let mut wire = Wire::new();
    let told = feed(&mut session, &[0x81, 0x01, b'x', 0x81, 0x80, 0, 0, 0, 0], 2, &mut wire);
    assert_eq!(told.failed, Some(ProtocolError::MissingMask));
    assert_eq!(wire.written(), b"\x88\x02\x03\xea");
    assert_eq!(session.transport(), Transport::Drain);
    assert_eq!(session.error(), Some(ProtocolError::MissingMask));
    assert!(!session.may_send() && !session.may_close() && session.wants_read());
}

#[test]
fn a_slice_that_is_too_short_changes_nothing() {
    for role in [Role::Client, Role::Server] {
        let mut session = Session::new(role);
        let mut out = [0; Session::MAX_REPLY];
        assert_eq!(session.ping(&[0; 126], key, &mut out), Err(SendReason::TooLong));
        let len = session.ping(&[1; 125], key, &mut out).unwrap();
        let no_key = || panic!("no key is drawn for what is not sent");
        assert_eq!(session.ping(&[1; 125], no_key, &mut out[..len - 1]), Err(SendReason::NoRoom));
        let no_key = || panic!("no key is drawn for what is not sent");
        assert_eq!(session.close(None, no_key, &mut out[..1]), Err(SendReason::NoRoom));
        assert!(session.may_send());
        assert!(session.close(None, key, &mut out).is_ok());
        assert_eq!(session.close(None, key, &mut out), Err(SendReason::Closed));
    }
}

#[test]
fn without_entropy_a_client_fails() {
    let mut session = Session::new(Role::Client);
    let none = || Err(EntropyError);
    let fragment = Fragment::Whole(MessageType::Binary);
    assert_eq!(session.send(fragment, 1, none), Err(SendReason::Entropy));
    assert_eq!(session.transport(), Transport::Abort);
    let mut control = [0; 125];
    let event = session.receive(&mut &mut [][..], &mut control, &Limits::DEFAULT);
    assert_eq!(event, Some(Event::Failed(ProtocolError::Entropy)));
}

#[test]
fn fragments_go_in_their_order_only() {
    let mut session = Session::new(Role::Server);
    let (text, binary) = (MessageType::Text, MessageType::Binary);
    for (fragment, expected) in [
        (Fragment::Middle, Err(SendReason::NotBegun)),
        (Fragment::Last, Err(SendReason::NotBegun)),
        (Fragment::Whole(text), Ok(())),
        (Fragment::First(binary), Ok(())),
        (Fragment::Whole(text), Err(SendReason::Unfinished)),
        (Fragment::First(text), Err(SendReason::Unfinished)),
        (Fragment::Middle, Ok(())),
        (Fragment::Last, Ok(())),
        (Fragment::Last, Err(SendReason::NotBegun)),
    ] {
        assert_eq!(session.send(fragment, 0, key).map(|_| ()), expected, "{fragment:?}");
    }
    let too_long = session.send(Fragment::Whole(text), 1 << 63, key);
    assert_eq!(too_long, Err(SendReason::TooLong));
}
