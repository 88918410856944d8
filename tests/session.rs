//! Tier 1, without an allocator: [`Session`] compared with the naive receiver at any cut, and its own
//! rules.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "support/frames.rs"]
mod frames;
#[path = "support/naive.rs"]
mod naive;
#[path = "support/streams.rs"]
mod streams;

use frames::{ROLES, parse_frames, peer_close, peer_frame, peer_of, pieces};
use naive::{Naive, NaiveLimits, Seen, join};
use proptest::prelude::*;
use streams::{step, stream};
use websocket_proto::frame::mask;
use websocket_proto::session::{ReplyPending, Session, SessionEvent};
use websocket_proto::{
    CloseCode, CloseFrame, ConnectionError, EntropyError, Fragment, Input, Limits, MessageType,
    Outcome, Role, SendError, Transport, Violation,
};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn key() -> Result<[u8; 4], EntropyError> {
    Ok(KEY)
}

/// The key source for a frame that must not be encoded.
fn unused_key() -> Result<[u8; 4], EntropyError> {
    panic!("a key was drawn for a frame that is not encoded")
}

/// The failure that `receive` reports once, without input.
fn failure(session: &mut Session) -> Option<ConnectionError> {
    match session.receive(&mut Input::with_bytes(&mut [])).unwrap()? {
        SessionEvent::Failed(error) => Some(error),
        other => panic!("{other:?}"),
    }
}

fn seen(event: &SessionEvent<'_>) -> Seen {
    match event {
        SessionEvent::Text(text, fragment) => piece(true, text.as_bytes(), *fragment),
        SessionEvent::Binary(bytes, fragment) => piece(false, bytes, *fragment),
        SessionEvent::Ping(payload) => Seen::Ping(payload.to_vec()),
        SessionEvent::Pong(payload) => Seen::Pong(payload.to_vec()),
        SessionEvent::Close(frame) => {
            Seen::Close(frame.as_ref().map(|frame| (frame.code().0, frame.reason().to_owned())))
        }
        SessionEvent::Failed(error) => Seen::Failed(*error),
        other => panic!("{other:?}"),
    }
}

fn piece(text: bool, bytes: &[u8], fragment: Fragment) -> Seen {
    Seen::Data { text, bytes: bytes.to_vec(), begins: fragment.begins(), ends: fragment.ends() }
}

/// The observable state of a session.
#[derive(Debug, PartialEq)]
struct Record {
    events: Vec<Seen>,
    output: Vec<u8>,
    error: Option<ConnectionError>,
    transport: Transport,
    outcome: Option<Outcome>,
}

/// A session with its events and its output.
struct Run {
    session: Session,
    events: Vec<Seen>,
    output: Vec<u8>,
}

impl Run {
    fn new(session: Session) -> Self {
        Self { session, events: vec![], output: vec![] }
    }

    /// Receives `bytes` in a buffer of their own and takes each reply as soon as it is pending.
    #[track_caller]
    fn receive(&mut self, bytes: &[u8], eof: bool) {
        let mut buffer = bytes.to_vec();
        let mut input = Input::with_bytes(&mut buffer);
        if eof {
            input.finish();
        }
        while let Some(event) = self.session.receive(&mut input).unwrap() {
            self.events.push(seen(&event));
            let unread = input.unread();
            assert_eq!(unread, &bytes[bytes.len() - unread.len()..], "unread bytes were modified");
            if self.session.reply_pending() {
                assert_eq!(self.session.receive(&mut input), Err(ReplyPending));
                assert_eq!(input.unread(), &bytes[bytes.len() - input.unread().len()..]);
                let mut out = [0; Session::MAX_CONTROL_FRAME_LEN];
                let len = self.session.write_reply(key, &mut out).unwrap();
                assert!(len > 0 && !self.session.reply_pending());
                self.output.extend_from_slice(&out[..len]);
            }
        }
        assert!(!input.has_unread(), "`None` with unread bytes");
    }

    fn finish(self) -> Record {
        Record {
            events: join(self.events),
            output: self.output,
            error: self.session.error(),
            transport: self.session.transport(),
            outcome: self.session.outcome(),
        }
    }
}

fn run(role: Role, limits: Limits, bytes: &[u8], cuts: &[usize], eof_with_bytes: bool) -> Record {
    let mut run = Run::new(Session::with_limits(role, limits));
    let pieces = pieces(bytes, cuts);
    for (i, piece) in pieces.iter().enumerate() {
        run.receive(piece, eof_with_bytes && i + 1 == pieces.len());
    }
    if !eof_with_bytes {
        run.receive(&[], true);
    }
    run.finish()
}

/// A stream and what the naive receiver makes of it.
struct Case<'b> {
    role: Role,
    limits: Limits,
    bytes: &'b [u8],
    whole: Record,
}

impl<'b> Case<'b> {
    #[track_caller]
    fn new(role: Role, bytes: &'b [u8]) -> Self {
        let (max_message, max_frame, max_empty_fragments) = (100_000, 70_000, 1);
        let limits = Limits::DEFAULT
            .with_max_message(max_message)
            .with_max_frame(max_frame)
            .with_max_empty_fragments(max_empty_fragments);
        let naive_limits = NaiveLimits { max_message, max_frame, max_empty_fragments };
        let mut naive = Naive::new(role, naive_limits);
        naive.receive(bytes);
        naive.receive_eof();
        // Only a `Connection` gives a reason.
        if let Some((0x88, close)) = naive.sent.last_mut() {
            close.truncate(2);
        }
        let whole = run(role, limits, bytes, &[], false);
        assert!(whole.events == join(naive.seen.clone()), "the events differ");
        assert!(parse_frames(&whole.output) == naive.sent, "the output differs");
        assert_eq!((whole.error, whole.transport), (naive.error, naive.transport()));
        Self { role, limits, bytes, whole }
    }

    /// Compares two ways to pass the stream with these cuts to the uncut run.
    #[track_caller]
    fn check(&self, cuts: &[usize]) {
        for eof_with_bytes in [false, true] {
            let cut = run(self.role, self.limits, self.bytes, cuts, eof_with_bytes);
            assert!(self.whole == cut, "cut at {cuts:?}");
        }
    }
}

proptest! {
    #[test]
    fn any_cut_yields_the_events_and_output_of_the_naive_receiver(
        role in prop::sample::select(vec![Role::Client, Role::Server]),
        steps in prop::collection::vec(step(), 1..8),
        keep in 0.0..1.2_f64,
        change in prop::option::of((0.0..1.0_f64, 1_u8..)),
        cuts in prop::collection::vec(0.0..1.0_f64, 0..40),
    ) {
        let mut bytes = stream(role, &steps);
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        let len = bytes.len();
        let place = |at: f64| (at * len as f64) as usize;
        if let Some((at, change)) = change
            && let Some(byte) = bytes.get_mut(place(at))
        {
            *byte ^= change;
        }
        let cuts: Vec<usize> = cuts.into_iter().map(place).collect();
        Case::new(role, &bytes).check(&cuts);
    }
}

#[test]
fn no_cut_changes_the_events_at_the_length_encoding_boundaries() {
    for role in ROLES {
        for len in [0, 1, 125, 126, 127, 65535, 65536] {
            let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let bytes = [
                peer_frame(role, 0x01, "é".as_bytes()),
                peer_frame(role, 0x89, &payload[..len.min(125)]),
                peer_frame(role, 0x80, &vec![b'x'; len]),
                peer_frame(role, 0x82, &payload),
                peer_close(role, 1000, "é"),
            ]
            .concat();
            let case = Case::new(role, &bytes);
            let step = if len < 1000 { 1 } else { 9973 };
            let near_ends = (0..30).chain(bytes.len().saturating_sub(30)..bytes.len());
            for at in near_ends.chain((0..bytes.len()).step_by(step)) {
                case.check(&[at]);
            }
        }
    }
}

/// Encoded bytes on their way to the peer, in storage of a fixed size.
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
        let len = payload.len() as u64;
        let header = session.data_header(MessageType::Text, fragment, len, key).unwrap();
        self.push(&header.encode());
        let start = self.len;
        self.push(payload);
        if let Some(key) = header.masking_key() {
            mask(&mut self.bytes[start..self.len], key, 0);
        }
    }

    fn ping(&mut self, session: &mut Session, payload: &[u8]) {
        let mut frame = [0; Session::MAX_CONTROL_FRAME_LEN];
        let len = session.ping(payload, key, &mut frame).unwrap();
        self.push(&frame[..len]);
    }

    fn close(&mut self, session: &mut Session, code: u16, reason: &str) {
        let mut frame = [0; Session::MAX_CONTROL_FRAME_LEN];
        let close = CloseFrame::new(CloseCode(code), reason).unwrap();
        let len = session.close(close, key, &mut frame).unwrap();
        self.push(&frame[..len]);
    }

    fn written(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[test]
fn two_sessions_exchange_fragments_pings_and_closes_at_any_read_size() {
    for role in ROLES {
        let text = "Grüße, 世界 👋";
        for size in 1..=64 {
            let (mut sender, mut receiver) =
                (Session::new(role), Run::new(Session::new(peer_of(role))));
            let mut wire = Wire::new();
            // The fragments are split inside characters.
            let (head, tail) = text.as_bytes().split_at(3);
            wire.send(&mut sender, Fragment::First, head);
            wire.ping(&mut sender, b"between");
            wire.send(&mut sender, Fragment::Middle, &tail[..8]);
            wire.ping(&mut sender, b"a second one");
            wire.send(&mut sender, Fragment::Last, &tail[8..]);
            wire.close(&mut sender, 4000, "end");
            wire.written().chunks(size).for_each(|bytes| receiver.receive(bytes, false));
            let data = receiver.events.iter().filter_map(|event| match event {
                Seen::Data { bytes, .. } => Some(&bytes[..]),
                _ => None,
            });
            assert_eq!(data.collect::<Vec<_>>().concat(), text.as_bytes());
            let close = receiver.events.last();
            assert_eq!(close, Some(&Seen::Close(Some((4000, "end".into())))));

            let mut sender = Run::new(sender);
            receiver.output.chunks(size).for_each(|bytes| sender.receive(bytes, false));
            let expected = [
                Seen::Pong(b"between".to_vec()),
                Seen::Pong(b"a second one".to_vec()),
                Seen::Close(Some((4000, String::new()))),
            ];
            assert_eq!(sender.events, expected);
            for mut end in [sender, receiver] {
                end.receive(&[], true);
                assert_eq!(end.session.transport(), Transport::Close);
                let outcome = end.session.outcome().unwrap();
                assert_eq!((outcome.clean, outcome.code), (true, CloseCode(4000)));
            }
        }
    }
}

#[test]
fn pong_repeats_a_ping_split_across_buffers() {
    for role in ROLES {
        let payload: Vec<u8> = (0..125).collect();
        let ping = peer_frame(role, 0x89, &payload);
        for at in 0..ping.len() {
            let mut run = Run::new(Session::new(role));
            run.receive(&ping[..at], false);
            run.receive(&ping[at..], false);
            assert_eq!(run.events, [Seen::Ping(payload.clone())]);
            assert_eq!(parse_frames(&run.output), [(0x8a, payload.clone())], "cut at {at}");
        }
    }
}

#[test]
fn nothing_is_consumed_while_a_reply_is_pending() {
    for role in ROLES {
        let bytes = [peer_frame(role, 0x89, b"one"), peer_frame(role, 0x81, b"two")].concat();
        let mut buffer = bytes.clone();
        let mut input = Input::with_bytes(&mut buffer);
        let mut session = Session::new(role);
        let event = session.receive(&mut input).unwrap();
        assert_eq!(event, Some(SessionEvent::Ping(b"one")));
        assert!(session.reply_pending());
        let rest = input.unread().to_vec();
        for _ in 0..3 {
            assert_eq!(session.receive(&mut input), Err(ReplyPending));
            assert_eq!(input.unread(), rest);
        }
        // A buffer that is too small leaves the reply pending and draws no key.
        let mut out = [0; Session::MAX_CONTROL_FRAME_LEN];
        let len = if role == Role::Client { 2 + 4 + 3 } else { 2 + 3 };
        for short in 0..len {
            let taken = session.write_reply(unused_key, &mut out[..short]);
            assert_eq!(taken, Err(SendError::BufferTooSmall));
            assert_eq!(session.receive(&mut input), Err(ReplyPending));
        }
        assert_eq!(session.write_reply(key, &mut out[..len]), Ok(len));
        assert_eq!(parse_frames(&out[..len]), [(0x8a, b"one".to_vec())]);
        assert_eq!(session.write_reply(unused_key, &mut out), Ok(0));
        let event = session.receive(&mut input).unwrap();
        assert_eq!(event, Some(SessionEvent::Text("two", Fragment::Whole)));
    }
}

#[test]
fn reply_stays_pending_after_eof() {
    for role in ROLES {
        let bytes = [peer_frame(role, 0x89, b"?"), peer_close(role, 1000, "")].concat();
        let mut run = Run::new(Session::new(role));
        run.receive(&bytes, true);
        let close = Seen::Close(Some((1000, String::new())));
        assert_eq!(run.events, [Seen::Ping(b"?".to_vec()), close]);
        let expected = [(0x8a, b"?".to_vec()), (0x88, vec![0x03, 0xe8])];
        assert_eq!(parse_frames(&run.output), expected);
        assert_eq!(run.session.transport(), Transport::Close);
    }
}

#[test]
fn our_close_replaces_the_reply_to_a_close_but_not_a_pong() {
    for role in ROLES {
        let mut session = Session::new(role);
        let mut out = [0; Session::MAX_CONTROL_FRAME_LEN];
        let mut close = peer_close(role, 1000, "");
        session.receive(&mut Input::with_bytes(&mut close)).unwrap();
        assert!(session.reply_pending());
        let frame = CloseFrame::new(CloseCode::NORMAL, "mine").unwrap();
        assert!(session.close(frame, key, &mut out).is_ok());
        assert!(!session.reply_pending());
        assert_eq!(session.write_reply(unused_key, &mut out), Ok(0));
        assert_eq!(session.receive(&mut Input::with_bytes(&mut [])), Ok(None));

        let mut session = Session::new(role);
        let mut ping = peer_frame(role, 0x89, b"?");
        session.receive(&mut Input::with_bytes(&mut ping)).unwrap();
        assert!(session.close(None, key, &mut out).is_ok());
        let len = session.write_reply(key, &mut out).unwrap();
        assert_eq!(parse_frames(&out[..len]), [(0x8a, b"?".to_vec())]);
    }
}

#[test]
fn close_of_a_failure_cannot_be_replaced() {
    for role in ROLES {
        let limits = Limits::DEFAULT.with_max_message(10);
        for (bytes, code) in [
            (peer_frame(role, 0x83, b""), 1002),
            (peer_frame(role, 0x88, b"\x03\xe7"), 1002),
            (peer_frame(role, 0x81, b"ab\xff"), 1007),
            (peer_frame(role, 0x82, b"more than 10"), 1009),
        ] {
            let mut bytes = bytes;
            let mut session = Session::with_limits(role, limits);
            let mut out = [0; Session::MAX_CONTROL_FRAME_LEN];
            session.receive(&mut Input::with_bytes(&mut bytes)).unwrap();
            assert!(session.reply_pending());
            let closed = session.close(CloseCode::NORMAL, unused_key, &mut out);
            assert_eq!(closed, Err(SendError::Closed), "{code}");
            let len = session.write_reply(key, &mut out).unwrap();
            assert_eq!(parse_frames(&out[..len]), [(0x88, u16::to_be_bytes(code).to_vec())]);
            let closed = session.close(CloseCode::NORMAL, unused_key, &mut out);
            assert_eq!(closed, Err(SendError::Closed), "{code}");
        }
    }
}

#[test]
fn pings_are_answered_after_our_close_until_the_close_of_the_peer() {
    for role in ROLES {
        let mut run = Run::new(Session::new(role));
        let mut out = [0; Session::MAX_CONTROL_FRAME_LEN];
        assert!(run.session.close(None, key, &mut out).is_ok());
        let bytes = [
            peer_frame(role, 0x89, b"?"),
            peer_close(role, 1000, ""),
            peer_frame(role, 0x89, b"late"),
        ];
        run.receive(&bytes.concat(), false);
        assert_eq!(parse_frames(&run.output), [(0x8a, b"?".to_vec())]);
    }
}

#[test]
fn violation_is_answered_and_ends_the_session() {
    let mut run = Run::new(Session::new(Role::Server));
    run.receive(&[0x81, 0x01, b'x', 0x81, 0x80, 0, 0, 0, 0], false);
    let error = ConnectionError::Protocol(Violation::MissingMask);
    assert_eq!(run.events, [Seen::Failed(error)]);
    assert_eq!(run.output, b"\x88\x02\x03\xea");
    assert_eq!(run.session.transport(), Transport::Drain);
    assert_eq!(run.session.error(), Some(error));
    assert!(!run.session.may_send_data());
}

#[test]
fn text_before_a_violation_is_delivered_before_the_failure() {
    for role in ROLES {
        let mut run = Run::new(Session::new(role));
        run.receive(&peer_frame(role, 0x81, b"ab\xff"), false);
        let text = Seen::Data { text: true, bytes: b"ab".to_vec(), begins: true, ends: false };
        let failed = Seen::Failed(Violation::InvalidUtf8.into());
        assert_eq!(run.events, [text, failed]);
        assert_eq!(parse_frames(&run.output), [(0x88, 1007_u16.to_be_bytes().to_vec())]);
    }
}

#[test]
fn too_small_buffer_changes_nothing_and_draws_no_key() {
    for role in ROLES {
        let mut session = Session::new(role);
        let mut out = [0; Session::MAX_CONTROL_FRAME_LEN];
        assert_eq!(session.ping(&[0; 126], unused_key, &mut out), Err(SendError::TooLong));
        let len = session.ping(&[1; 125], key, &mut out).unwrap();
        let short = &mut out[..len - 1];
        assert_eq!(session.ping(&[1; 125], unused_key, short), Err(SendError::BufferTooSmall));
        assert_eq!(session.pong(&[1; 125], unused_key, short), Err(SendError::BufferTooSmall));
        let short = &mut out[..1];
        assert_eq!(session.close(None, unused_key, short), Err(SendError::BufferTooSmall));
        assert!(session.may_send_data());
        assert!(session.close(None, key, &mut out).is_ok());
        assert_eq!(session.close(None, unused_key, &mut out), Err(SendError::Closed));
        assert_eq!(session.ping(b"", unused_key, &mut out), Err(SendError::Closed));
    }
}

#[test]
fn server_draws_no_key() {
    let mut session = Session::new(Role::Server);
    let mut out = [0; Session::MAX_CONTROL_FRAME_LEN];
    let header = session.data_header(MessageType::Binary, Fragment::Whole, 1, unused_key).unwrap();
    assert_eq!(header.masking_key(), None);
    assert!(session.ping(b"", unused_key, &mut out).is_ok());
    let mut ping = peer_frame(Role::Server, 0x89, b"?");
    session.receive(&mut Input::with_bytes(&mut ping)).unwrap();
    assert!(session.write_reply(unused_key, &mut out).is_ok());
    assert!(session.close(None, unused_key, &mut out).is_ok());
}

#[test]
fn client_fails_when_entropy_fails() {
    let mut session = Session::new(Role::Client);
    let no_entropy = || Err(EntropyError);
    let header = session.data_header(MessageType::Binary, Fragment::Whole, 1, no_entropy);
    assert_eq!(header, Err(SendError::Entropy));
    assert_eq!(session.transport(), Transport::Abort);
    assert_eq!(failure(&mut session), Some(ConnectionError::Entropy));

    // A reply that cannot be masked is dropped.
    let mut session = Session::new(Role::Client);
    let mut ping = peer_frame(Role::Client, 0x89, b"?");
    session.receive(&mut Input::with_bytes(&mut ping)).unwrap();
    let mut out = [0; Session::MAX_CONTROL_FRAME_LEN];
    assert_eq!(session.write_reply(no_entropy, &mut out), Err(SendError::Entropy));
    assert_eq!(failure(&mut session), Some(ConnectionError::Entropy));
    assert_eq!(failure(&mut session), None);
}

#[test]
fn abort_drops_the_pending_reply_and_is_reported_once() {
    let mut session = Session::new(Role::Server);
    let mut ping = peer_frame(Role::Server, 0x89, b"?");
    session.receive(&mut Input::with_bytes(&mut ping)).unwrap();
    session.abort();
    assert!(!session.reply_pending());
    assert_eq!(session.transport(), Transport::Abort);
    assert_eq!(failure(&mut session), Some(ConnectionError::Aborted));
    assert_eq!(failure(&mut session), None);
}

#[test]
fn fragments_are_accepted_only_in_order() {
    let mut session = Session::new(Role::Server);
    let (text, binary) = (MessageType::Text, MessageType::Binary);
    for (message_type, fragment, expected) in [
        (text, Fragment::Middle, Err(SendError::NoMessageInProgress)),
        (text, Fragment::Last, Err(SendError::NoMessageInProgress)),
        (text, Fragment::Whole, Ok(())),
        (binary, Fragment::First, Ok(())),
        (text, Fragment::Whole, Err(SendError::MessageInProgress)),
        (text, Fragment::First, Err(SendError::MessageInProgress)),
        (text, Fragment::Middle, Err(SendError::TypeMismatch)),
        (text, Fragment::Last, Err(SendError::TypeMismatch)),
        (binary, Fragment::Middle, Ok(())),
        (binary, Fragment::Last, Ok(())),
        (binary, Fragment::Last, Err(SendError::NoMessageInProgress)),
    ] {
        let sent = session.data_header(message_type, fragment, 0, key).map(|_| ());
        assert_eq!(sent, expected, "{message_type:?} {fragment:?}");
    }
    let too_long = session.data_header(text, Fragment::Whole, 1 << 63, unused_key);
    assert_eq!(too_long, Err(SendError::TooLong));
    assert_eq!(session.outgoing_message(), None);
}

#[test]
fn session_is_at_most_256_bytes() {
    assert!(size_of::<Session>() <= 256, "{}", size_of::<Session>());
}
