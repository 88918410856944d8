//! The end of a connection: closing handshakes, failures, ended streams and broken transports.
#![cfg(feature = "alloc")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use support::*;
use websocket_proto::frame::Opcode;
use websocket_proto::session::{Session, SessionEvent};
use websocket_proto::{
    Chunk, CloseCode, CloseFrame, CloseFrameError, Config, Connection, ConnectionError, Delivery,
    Event, Fragment, Input, Next, Role, SendError, Timeout, Transport, Unsent, Violation,
};

fn close_frame(code: u16, reason: &str) -> CloseFrame<'_> {
    CloseFrame::new(CloseCode(code), reason).unwrap()
}

fn close_event(code: u16, reason: &str) -> Event<'static> {
    Event::Close(Some(close_frame(code, reason).into_owned()))
}

/// The Close frame with this code and no reason.
fn sent_close(code: u16) -> (u8, Vec<u8>) {
    (0x88, code.to_be_bytes().to_vec())
}

/// Returns the only frame that an endpoint sent.
#[track_caller]
fn sent(connection: &mut Connection) -> (u8, Vec<u8>) {
    let [frame] = parse_frames(&take_output(connection)).try_into().unwrap();
    frame
}

/// Drives a connection over a socket that delivers `bytes` and then EOF, at most `size` bytes per read,
/// until the transport is closed. Returns the events and the written frames.
///
/// Panics if the loop does not end.
#[track_caller]
fn drive(
    connection: &mut Connection,
    mut bytes: &[u8],
    size: usize,
    mut respond: impl FnMut(&mut Connection, &Event<'_>),
) -> (Vec<Event<'static>>, Vec<(u8, Vec<u8>)>) {
    let mut input = Input::owned(vec![0; size]);
    let (mut events, mut written) = (Vec::new(), Vec::new());
    let turns = 10 + bytes.len();
    for _ in 0..turns {
        written.extend(take_output(connection));
        match connection.transport() {
            Transport::Open | Transport::Drain => {}
            Transport::Close | Transport::Abort => return (events, parse_frames(&written)),
        }
        let space = input.space();
        let len = space.len().min(bytes.len());
        let (read, rest) = bytes.split_at(len);
        space[..len].copy_from_slice(read);
        bytes = rest;
        input.filled(len);
        while let Some(event) = connection.receive(&mut input) {
            respond(connection, &event);
            events.push(event.into_owned());
        }
    }
    panic!("the loop spins: {:?}", connection.transport());
}

#[test]
fn replies_to_close_with_its_code_and_no_reason() {
    for role in ROLES {
        let mut connection = connection(role, Config::new());
        let events = receive(&mut connection, &peer_close(role, 4001, "done here"));
        assert_eq!(events, [close_event(4001, "done here")]);
        assert!(connection.is_closing());
        // The reply must be written before the transport is touched.
        assert_eq!(connection.transport(), Transport::Open);
        assert_eq!(connection.outcome(), None);
        assert_eq!(sent(&mut connection), sent_close(4001));
        // The server closes TCP first; the client waits for it.
        match role {
            Role::Server => {
                assert_eq!(connection.transport(), Transport::Drain);
                assert_eq!(outcome(&connection), clean(4001));
            }
            Role::Client => {
                assert_eq!(connection.transport(), Transport::Open);
                assert_eq!(connection.outcome(), None);
            }
        }
        assert_eq!(receive_last(&mut connection, b""), []);
        assert_eq!(connection.transport(), Transport::Close);
        assert_eq!(outcome(&connection), clean(4001));
        assert_eq!(connection.error(), None);
    }
}

#[test]
fn replies_to_empty_close_with_empty_close_and_reports_1005() {
    for role in ROLES {
        let mut connection = connection(role, Config::new());
        let events = receive(&mut connection, &peer_frame(role, 0x88, b""));
        assert_eq!(events, [Event::Close(None)]);
        assert_eq!(sent(&mut connection), (0x88, vec![]));
        assert_eq!(receive_last(&mut connection, b""), []);
        assert_eq!(outcome(&connection), clean(1005));
    }
}

#[test]
fn after_our_close_messages_are_received_pings_answered_and_sends_refused() {
    for role in ROLES {
        let mut connection = connection(role, Config::new());
        connection.close(close_frame(1000, "bye")).unwrap();
        assert!(connection.is_closing() && !connection.may_send());
        assert_eq!(connection.send("late").map_err(Unsent::into_error), Err(SendError::Closed));
        assert_eq!(connection.ping(b""), Err(SendError::Closed));
        assert_eq!(connection.close(None), Err(SendError::Closed));
        assert_eq!(sent(&mut connection), (0x88, b"\x03\xe8bye".to_vec()));
        assert_eq!(connection.transport(), Transport::Open);
        let input = [
            peer_frame(role, 0x81, b"still"),
            peer_frame(role, 0x89, b"here"),
            peer_close(role, 1000, ""),
            peer_frame(role, 0x89, b"dropped"),
            peer_frame(role, 0x81, b"dropped"),
        ];
        let expected = [text("still"), Event::Ping(b"here".into()), close_event(1000, "")];
        assert_eq!(receive(&mut connection, &input.concat()), expected);
        // RFC 6455, section 5.5.2: a Ping is answered unless a Close was received. No second Close is sent.
        assert_eq!(sent(&mut connection), (0x8a, b"here".to_vec()));
        assert_eq!(receive(&mut connection, &peer_frame(role, 0x89, b"dropped")), []);
        assert_eq!(take_output(&mut connection), b"");
        assert_eq!(receive_last(&mut connection, b""), []);
        assert_eq!(outcome(&connection), clean(1000));
    }
}

#[test]
fn simultaneous_closes_end_cleanly_with_one_close_each_way() {
    let mut client = connection(Role::Client, Config::new());
    let mut server = connection(Role::Server, Config::new());
    client.close(close_frame(1000, "client")).unwrap();
    server.close(close_frame(1001, "server")).unwrap();
    let (from_client, from_server) = (take_output(&mut client), take_output(&mut server));
    assert_eq!(receive(&mut client, &from_server), [close_event(1001, "server")]);
    assert_eq!(receive(&mut server, &from_client), [close_event(1000, "client")]);
    assert_eq!((take_output(&mut client), take_output(&mut server)), (vec![], vec![]));
    assert_eq!(server.transport(), Transport::Drain);
    assert_eq!(outcome(&server), clean(1000));
    assert_eq!(client.transport(), Transport::Open);
    assert_eq!(receive_last(&mut client, b""), []);
    assert_eq!(outcome(&client), clean(1001));
    assert_eq!(client.transport(), Transport::Close);
}

#[test]
fn message_close_and_eof_in_one_read_end_cleanly() {
    for role in ROLES {
        let stream = [peer_frame(role, 0x81, b"last"), peer_close(role, 1000, "")].concat();
        for size in [1, 5, stream.len(), 1000] {
            let mut connection = connection(role, Config::new());
            let (events, written) = drive(&mut connection, &stream, size, |_, _| {});
            assert_eq!(events, [text("last"), close_event(1000, "")]);
            assert_eq!(written, [sent_close(1000)]);
            assert_eq!(outcome(&connection), clean(1000));
        }
        // EOF is known before the message is received, and `next` is called before every `receive`.
        let mut connection = connection(role, Config::new());
        let mut storage = stream.clone();
        let mut input = Input::with_bytes(&mut storage);
        input.finish();
        assert!(connection.next(&mut input).is_event());
        assert_eq!(connection.receive(&mut input), Some(text("last")));
        assert!(connection.next(&mut input).is_event());
        assert_eq!(connection.receive(&mut input), Some(close_event(1000, "")));
        assert_eq!(connection.next(&mut input), Next::Write);
        assert_eq!(sent(&mut connection), sent_close(1000));
        assert_eq!(connection.next(&mut input), Next::Closed);
        assert_eq!(connection.receive(&mut input), None);
        assert_eq!(connection.transport(), Transport::Close);
        assert_eq!(outcome(&connection), clean(1000));
    }
}

#[test]
fn eof_sends_the_close_that_a_manual_close_application_did_not_send() {
    for role in ROLES {
        let stream = [peer_frame(role, 0x81, b"last"), peer_close(role, 4000, "bye")].concat();
        let expected = [text("last"), close_event(4000, "bye")];
        for size in [1, stream.len(), 1000] {
            // The application never replies.
            let mut forgetful = connection(role, Config::new().with_manual_close());
            let (events, written) = drive(&mut forgetful, &stream, size, |_, _| {});
            assert_eq!(events, expected);
            assert_eq!(written, [sent_close(4000)]);
            assert_eq!(outcome(&forgetful), clean(4000));
            assert_eq!(forgetful.close(None), Err(SendError::Closed));

            // The application sends a last message and then replies to the Close event.
            let mut polite = connection(role, Config::new().with_manual_close());
            let (events, written) = drive(&mut polite, &stream, size, |connection, event| {
                if let Event::Close(_) = event {
                    connection.send("goodbye").unwrap();
                    connection.close(close_frame(4001, "mine")).unwrap();
                }
            });
            assert_eq!(events, expected);
            let close = (0x88, b"\x0f\xa1mine".to_vec());
            assert_eq!(written, [(0x81, b"goodbye".to_vec()), close]);
            assert_eq!(outcome(&polite), clean(4000));
        }
        // `next` sends the reply too, and never asks for more input.
        let mut connection = connection(role, Config::new().with_manual_close());
        receive(&mut connection, &stream);
        let mut input = Input::new(&mut []);
        assert_eq!(connection.next(&mut input), Next::Read);
        input.finish();
        assert_eq!(connection.next(&mut input), Next::Write);
        assert_eq!(sent(&mut connection), sent_close(4000));
        assert_eq!(connection.next(&mut input), Next::Closed);
    }
}

#[test]
fn no_loop_spins_at_eof() {
    for role in ROLES {
        for (stream, code) in [
            (vec![], 1006),
            (peer_frame(role, 0x01, b"unfinished"), 1006),
            (peer_frame(role, 0x88, b"\x03\xe8")[..3].to_vec(), 1006),
            (peer_frame(role, 0x83, b"reserved"), 1006),
            (peer_close(role, 1000, ""), 1000),
            (peer_frame(role, 0x88, b""), 1005),
        ] {
            for manual in [false, true] {
                for close_first in [false, true] {
                    let config = Config::new();
                    let config = if manual { config.with_manual_close() } else { config };
                    let mut connection = connection(role, config);
                    if close_first {
                        connection.close(CloseCode::NORMAL).unwrap();
                    }
                    let (_, written) = drive(&mut connection, &stream, 7, |_, _| {});
                    let closes = written.iter().filter(|(first, _)| *first == 0x88).count();
                    assert!(closes <= 1);
                    assert_eq!(connection.outcome().unwrap().code, CloseCode(code));
                }
            }
        }
    }
}

#[test]
fn violation_sends_its_close_code_and_is_reported_once() {
    for role in ROLES {
        let table: [(Vec<u8>, ConnectionError); 9] = [
            (peer_frame(role, 0xf1, b""), Violation::ReservedBits.into()),
            (peer_frame(role, 0x83, b""), Violation::ReservedOpcode(3).into()),
            (peer_frame(role, 0x80, b"x"), Violation::UnexpectedContinuation.into()),
            (
                [peer_frame(role, 0x01, b"x"), peer_frame(role, 0x82, b"y")].concat(),
                Violation::UnfinishedMessage(Opcode::Binary).into(),
            ),
            (peer_frame(role, 0x81, b"\xff"), Violation::InvalidUtf8.into()),
            // The text ends inside a character.
            (
                [peer_frame(role, 0x01, b"x"), peer_frame(role, 0x80, b"\xe2\x82")].concat(),
                Violation::InvalidUtf8.into(),
            ),
            (peer_close(role, 1005, ""), Violation::InvalidCloseCode(1005).into()),
            (peer_frame(role, 0x88, b"\x03"), Violation::CloseTooShort.into()),
            (peer_frame(role, 0x88, b"\x03\xe8\xff"), Violation::InvalidCloseReason.into()),
        ];
        for (invalid, error) in table {
            let mut connection = connection(role, Config::new());
            let input = [peer_frame(role, 0x81, b"good"), invalid, peer_frame(role, 0x81, b"more")];
            let events = receive(&mut connection, &input.concat());
            assert_eq!(events, [text("good"), Event::Failed(error)]);
            assert_eq!(connection.error(), Some(error));
            assert_eq!(connection.transport(), Transport::Open);
            assert_eq!(sent(&mut connection), sent_close(error.close_code().0), "{error:?}");
            assert_eq!(connection.transport(), Transport::Drain);
            assert_eq!(outcome(&connection), unclean(1006));
            assert_eq!(receive(&mut connection, &peer_close(role, 1000, "")), []);
            assert_eq!(connection.send("no").map_err(Unsent::into_error), Err(SendError::Closed));
            // `has_room` stays true, so that a loop that asks for room first still reads up to EOF.
            assert!(connection.has_room() && connection.is_closing());
            assert_eq!(receive_last(&mut connection, b""), []);
            assert_eq!(connection.transport(), Transport::Close);
            assert_eq!(connection.error(), Some(error));
        }
    }
}

#[test]
fn text_before_a_violation_is_delivered_as_a_chunk_after_the_close_is_queued() {
    for role in ROLES {
        // One read contains an invalid byte, a text that ends inside a character, or no valid text.
        for (payload, valid) in [(&b"ab\xff"[..], "ab"), (b"ab\xc3", "ab"), (b"\xff", "")] {
            let config = Config::new().with_delivery(Delivery::Chunks).with_statistics();
            let mut connection = connection(role, config);
            let mut frame = peer_frame(role, 0x81, payload);
            let mut input = Input::with_bytes(&mut frame);
            let event = if valid.is_empty() {
                Event::Failed(Violation::InvalidUtf8.into())
            } else {
                Event::Chunk(Chunk::new(valid, Fragment::First))
            };
            assert_eq!(connection.receive(&mut input), Some(event));
            assert_eq!(connection.close(None), Err(SendError::Closed));
            assert_eq!(sent(&mut connection), sent_close(1007));
            assert_eq!(connection.statistics().unwrap().received.messages, 0);
        }
    }
}

#[test]
fn close_frame_fails_at_the_byte_that_makes_it_invalid() {
    for role in ROLES {
        let header = if role == Role::Server { 6 } else { 2 };
        for (payload, valid, violation) in [
            (&b"\x03\xed and more"[..], 1, Violation::InvalidCloseCode(1005)),
            (b"\x03\xe8ab\xc0 and more", 4, Violation::InvalidCloseReason),
            (b"\x03\xe8a\xe2\x82x and more", 5, Violation::InvalidCloseReason),
            (b"\x03\xe8a\xe2\x82", 4, Violation::InvalidCloseReason),
        ] {
            let error = ConnectionError::Protocol(violation);
            let frame = peer_frame(role, 0x88, payload);
            let (before, after) = frame.split_at(header + valid);
            for size in [1, 100] {
                let mut connection = connection(role, Config::new());
                for piece in before.chunks(size) {
                    assert_eq!(receive(&mut connection, piece), [], "{payload:x?}");
                }
                let mut last = [after[0]];
                let mut input = Input::with_bytes(&mut last);
                assert!(connection.next(&mut input).is_event(), "{payload:x?}");
                let event = connection.receive(&mut input);
                assert_eq!(event, Some(Event::Failed(error)), "{payload:x?}");

                let mut session = Session::new(role);
                for piece in before.chunks(size) {
                    let mut piece = piece.to_vec();
                    let mut input = Input::with_bytes(&mut piece);
                    assert_eq!(session.receive(&mut input), Ok(None), "{payload:x?}");
                }
                let mut last = [after[0]];
                let mut input = Input::with_bytes(&mut last);
                let event = session.receive(&mut input);
                assert_eq!(event, Ok(Some(SessionEvent::Failed(error))), "{payload:x?}");
            }
        }
        // A payload of one byte cannot hold a code, so the header alone is invalid.
        let mut connection = connection(role, Config::new());
        let frame = peer_frame(role, 0x88, b"x");
        let failed = Event::Failed(Violation::CloseTooShort.into());
        assert_eq!(receive(&mut connection, &frame[..2]), [failed]);
    }
}

#[test]
fn violation_after_our_close_sends_no_second_close() {
    for role in ROLES {
        let mut connection = connection(role, Config::new());
        connection.close(None).unwrap();
        take_output(&mut connection);
        let events = receive(&mut connection, &peer_frame(role, 0x83, b""));
        assert_eq!(events, [Event::Failed(Violation::ReservedOpcode(3).into())]);
        assert_eq!(take_output(&mut connection), b"");
        assert_eq!(connection.transport(), Transport::Drain);
    }
}

#[test]
fn stream_that_ends_without_a_close_fails_at_any_position() {
    for role in ROLES {
        for (bytes, close_first) in [
            (vec![], false),
            (peer_frame(role, 0x81, b"cut")[..1].to_vec(), false),
            (peer_frame(role, 0x81, b"cut off")[..7].to_vec(), false),
            (peer_frame(role, 0x01, b"unfinished"), false),
            (peer_frame(role, 0x88, b"\x03\xe8")[..3].to_vec(), false),
            (vec![], true),
        ] {
            for with_bytes in [false, true] {
                let mut connection = connection(role, Config::new());
                connection.send("queued").unwrap();
                if close_first {
                    connection.close(None).unwrap();
                }
                let failed = Event::Failed(ConnectionError::UnexpectedEof);
                if with_bytes {
                    assert_eq!(receive_last(&mut connection, &bytes), [failed]);
                } else {
                    assert_eq!(receive(&mut connection, &bytes), []);
                    assert_eq!(receive_last(&mut connection, b""), [failed]);
                }
                assert_eq!(receive_last(&mut connection, b""), []);
                assert_eq!(connection.error(), Some(ConnectionError::UnexpectedEof));
                // The peer may still be reading: output queued earlier is written first, without a Close.
                assert_eq!(connection.transport(), Transport::Open);
                let written = parse_frames(&take_output(&mut connection));
                assert_eq!(written[0], (0x81, b"queued".to_vec()));
                assert_eq!(written.len(), 1 + usize::from(close_first));
                assert_eq!(connection.transport(), Transport::Close);
                assert_eq!(outcome(&connection), unclean(1006));
            }
        }
    }
}

type Break = (fn(&mut Connection), ConnectionError);

/// A transport that broke, and one that accepted no output for too long.
const BREAKS: [Break; 2] = [
    (Connection::abort, ConnectionError::Aborted),
    (Connection::expire_output, ConnectionError::Timeout(Timeout::Output)),
];

#[test]
fn broken_transport_is_reported_once_and_aborts() {
    for (role, (breaks, error)) in ROLES.into_iter().flat_map(|role| BREAKS.map(|it| (role, it))) {
        let mut connection = connection(role, Config::new());
        connection.send("lost").unwrap();
        breaks(&mut connection);
        assert_eq!(connection.transport(), Transport::Abort);
        let mut bytes = *b"dropped";
        let mut input = Input::with_bytes(&mut bytes);
        assert!(connection.next(&mut input).is_event());
        assert_eq!(receive_all(&mut connection, &mut input), [Event::Failed(error)]);
        assert_eq!(receive(&mut connection, b""), []);
        assert_eq!(connection.next(&mut Input::with_bytes(&mut [])), Next::Closed);
        assert_eq!(outcome(&connection), unclean(1006));
        assert_eq!(connection.close(None), Err(SendError::Closed));
        assert!(connection.has_room() && !connection.may_send());
        BREAKS.iter().for_each(|(breaks, _)| breaks(&mut connection));
        assert_eq!(connection.error(), Some(error), "the first failure stays");
    }
}

#[test]
fn transport_that_breaks_after_both_closes_leaves_a_clean_outcome() {
    for (role, (breaks, _)) in ROLES.into_iter().flat_map(|role| BREAKS.map(|it| (role, it))) {
        let mut connection = connection(role, Config::new());
        receive(&mut connection, &peer_close(role, 1000, ""));
        take_output(&mut connection);
        breaks(&mut connection);
        assert_eq!(receive(&mut connection, b""), []);
        assert_eq!(connection.transport(), Transport::Abort);
        assert_eq!(outcome(&connection), clean(1000));
    }
}

#[test]
fn transport_that_breaks_before_our_close_is_written_is_unclean() {
    for (role, (breaks, error)) in ROLES.into_iter().flat_map(|role| BREAKS.map(|it| (role, it))) {
        let mut connection = connection(role, Config::new());
        connection.send("queued").unwrap();
        receive(&mut connection, &peer_close(role, 1000, ""));
        breaks(&mut connection);
        assert_eq!(receive(&mut connection, b""), [Event::Failed(error)]);
        assert_eq!(connection.transport(), Transport::Abort);
        assert_eq!(outcome(&connection), unclean(1000));
    }
}

#[test]
fn broken_transport_with_only_a_pong_pending_after_both_closes_leaves_a_clean_outcome() {
    for role in ROLES {
        // Bytes of our Close and of the Pong after it that are written.
        for left in [0, 1, 3] {
            let mut connection = connection(role, Config::new());
            connection.close(CloseCode::NORMAL).unwrap();
            let close_len = connection.output().len();
            let bytes = [peer_frame(role, 0x89, b"ping"), peer_close(role, 1000, "")].concat();
            assert_eq!(receive(&mut connection, &bytes).len(), 2);
            connection.output().advance(close_len - 1 + left);
            connection.abort();
            assert_eq!(connection.transport(), Transport::Abort);
            if left == 0 {
                let failed = Event::Failed(ConnectionError::Aborted);
                assert_eq!(receive(&mut connection, b""), [failed]);
                assert_eq!(outcome(&connection), unclean(1000));
            } else {
                assert_eq!(receive(&mut connection, b""), []);
                assert_eq!(outcome(&connection), clean(1000));
            }
        }
    }
}

#[test]
fn invalid_close_is_refused_and_changes_nothing() {
    for role in ROLES {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX].map(CloseCode) {
            let mut connection = connection(role, Config::new());
            let error = SendError::InvalidClose(CloseFrameError::Code(code));
            assert_eq!(connection.close(code), Err(error));
            assert!(connection.may_send() && !connection.is_closing());
            assert_eq!(take_output(&mut connection), b"");
            connection.close(CloseCode::GOING_AWAY).unwrap();
            assert_eq!(sent(&mut connection), sent_close(1001));
        }
    }
}

#[test]
fn exactly_the_sendable_close_codes_are_accepted() {
    for code in (0..=u16::MAX).map(CloseCode) {
        let sendable = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]
            .contains(&code.0)
            || (3000..5000).contains(&code.0);
        let made = CloseFrame::new(code, "").map(|_| ());
        assert_eq!(made, if sendable { Ok(()) } else { Err(CloseFrameError::Code(code)) });
        let mut server = connection(Role::Server, Config::new());
        let events = receive(&mut server, &peer_close(Role::Server, code.0, ""));
        assert_eq!(matches!(events[..], [Event::Close(Some(_))]), sendable, "{code}");
    }
    assert!(CloseFrame::new(CloseCode::NORMAL, &*"x".repeat(123)).is_ok());
    assert_eq!(
        CloseFrame::new(CloseCode::NORMAL, &*"x".repeat(124)),
        Err(CloseFrameError::ReasonTooLong(124))
    );
}

#[test]
fn codes_of_a_server_that_fails_or_is_unavailable_for_a_time_are_temporary() {
    let temporary: Vec<u16> =
        (0..=u16::MAX).filter(|code| CloseCode(*code).is_temporary()).collect();
    assert_eq!(temporary, [1001, 1006, 1011, 1012, 1013, 1014]);
}
