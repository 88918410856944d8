//! Keepalive, deadlines and rates, on a clock that only the test moves.

mod support;

use std::time::Duration;

use bytes::Buf;
use support::*;
use websocket_proto::{
    Chunk, Config, Connection, ControlRate, Event, ProtocolError, Role, Timeouts, Transport,
};

const ROLES: [Role; 2] = [Role::Client, Role::Server];

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Ping after 20 seconds, a Pong within 15, idle after 100, closing within 5.
fn timed(role: Role) -> Connection {
    let mut connection = connection(role, Config::new().timeouts(TIMEOUTS));
    assert_eq!(connection.poll_timeout(), Some(Duration::ZERO), "the clock is not started");
    connection.handle_timeout(seconds(1000));
    connection
}

const TIMEOUTS: Timeouts = Timeouts {
    opening: None,
    ping: Some(seconds_const(20)),
    pong: Some(seconds_const(15)),
    idle: Some(seconds_const(100)),
    closing: Some(seconds_const(5)),
};

const fn seconds_const(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The payload of the Ping that was just sent, and nothing else.
#[track_caller]
fn pinged(connection: &mut Connection) -> Vec<u8> {
    let [(first, payload)] = parse_frames(&take_output(connection)).try_into().unwrap();
    assert_eq!(first, 0x89);
    payload
}

#[test]
fn without_timeouts_no_clock_is_needed() {
    for role in ROLES {
        let mut connection = connection(role, Config::new());
        assert_eq!(connection.poll_timeout(), None);
        connection.handle_timeout(seconds(1_000_000));
        connection.close(None).unwrap();
        assert_eq!(connection.poll_timeout(), None);
        assert_eq!(connection.rtt(), None);
    }
}

#[test]
fn a_ping_after_silence_measures_the_round_trip() {
    for role in ROLES {
        let mut connection = timed(role);
        assert_eq!(connection.poll_timeout(), Some(seconds(1020)));
        connection.handle_timeout(seconds(1019));
        assert_eq!(take_output(&mut connection), b"");
        connection.handle_timeout(seconds(1020));
        let payload = pinged(&mut connection);
        let later = seconds(1020) + Duration::from_millis(123);
        connection.handle_timeout(later);
        receive(&mut connection, &peer_frame(role, 0x8a, &payload));
        assert_eq!(connection.rtt(), Some(Duration::from_millis(123)));
        assert_eq!(connection.poll_timeout(), Some(later + seconds(20)));
    }
}

#[test]
fn a_pong_that_answers_no_ping_changes_nothing() {
    for role in ROLES {
        let mut connection = timed(role);
        connection.handle_timeout(seconds(1020));
        let payload = pinged(&mut connection);
        connection.handle_timeout(seconds(1021));
        let deadline = connection.poll_timeout();
        let mut stale = payload.clone();
        stale[7] ^= 1;
        for pong in [&b""[..], b"x", &stale, &payload[..7]] {
            receive(&mut connection, &peer_frame(role, 0x8a, pong));
            assert_eq!(connection.rtt(), None);
            assert_eq!(connection.poll_timeout(), deadline);
        }
        receive(&mut connection, &peer_frame(role, 0x8a, &payload));
        let answered = connection.rtt();
        assert_eq!(answered, Some(seconds(1)));
        // The same again is stale.
        connection.handle_timeout(seconds(1030));
        receive(&mut connection, &peer_frame(role, 0x8a, &payload));
        assert_eq!(connection.rtt(), answered);
    }
}

#[test]
fn a_peer_that_answers_no_ping_is_dead() {
    for role in ROLES {
        let mut connection = timed(role);
        connection.handle_timeout(seconds(1020));
        // The Ping is not even taken.
        assert_eq!(connection.poll_timeout(), Some(seconds(1035)));
        connection.handle_timeout(seconds(1034));
        assert_eq!(connection.transport(), Transport::Open);
        connection.handle_timeout(seconds(1035));
        assert_eq!(connection.transport(), Transport::Abort);
        assert_eq!(receive(&mut connection, b""), [Event::Failed(ProtocolError::PongTimeout)]);
        assert_eq!(connection.outcome(), unclean(1006));
        assert_eq!(connection.poll_timeout(), None);
    }
}

#[test]
fn a_message_that_arrives_slowly_is_a_sign_of_life() {
    for role in ROLES {
        let mut connection = timed(role);
        let message = peer_frame(role, 0x82, &[7; 200]);
        let (header, payload) = message.split_at(message.len() - 200);
        receive(&mut connection, header);
        for (i, byte) in payload.iter().enumerate().take(150) {
            connection.handle_timeout(seconds(1000 + 14 * i as u64));
            receive(&mut connection, &[*byte]);
            take_output(&mut connection);
        }
        assert_eq!(connection.error(), None);
    }
}

#[test]
fn room_of_which_nothing_was_filled_is_no_sign_of_life() {
    for role in ROLES {
        let mut connection = timed(role);
        let frame = peer_frame(role, 0x82, b"a message");
        receive(&mut connection, &frame[..frame.len() - 2]);
        connection.handle_timeout(seconds(1010));
        assert_eq!(connection.poll_timeout(), Some(seconds(1020)));
        assert_eq!(connection.payload_filled(0), None);
        assert_eq!(connection.poll_timeout(), Some(seconds(1020)));
        assert!(connection.payload_space().is_some());
        assert_eq!(connection.payload_filled(1), None);
        assert_eq!(connection.poll_timeout(), Some(seconds(1030)));
    }
}

#[test]
fn output_that_is_taken_slowly_is_a_sign_of_life() {
    for role in ROLES {
        let mut connection =
            connection(role, Config::new().timeouts(Timeouts { idle: None, ..TIMEOUTS }));
        connection.handle_timeout(seconds(0));
        connection.send(vec![1; 2 << 20]).unwrap();
        for i in 1..100 {
            connection.handle_timeout(seconds(14 * i));
            assert_eq!(connection.transport(), Transport::Open);
            connection.output().advance(10);
        }
        // It stops: with this much waiting no Ping would help.
        let last = seconds(14 * 99);
        connection.handle_timeout(last + seconds(1));
        assert_eq!(connection.poll_timeout(), Some(last + seconds(20)));
        connection.handle_timeout(last + seconds(20));
        assert_eq!(connection.poll_timeout(), Some(last + seconds(35)));
        connection.handle_timeout(last + seconds(35));
        assert_eq!(connection.error(), Some(ProtocolError::PongTimeout));
    }
}

#[test]
fn output_that_is_taken_at_once_is_no_sign_of_life() {
    // A server that only sends, to a peer that is gone: the system's buffers take a lot.
    let mut server = connection(Role::Server, Config::new().timeouts(TIMEOUTS));
    for i in 0..35 {
        server.handle_timeout(seconds(i));
        assert_eq!(server.error(), None);
        let _ = server.send("news");
        take_output(&mut server);
    }
    server.handle_timeout(seconds(35));
    assert_eq!(server.error(), Some(ProtocolError::PongTimeout));
}

#[test]
fn a_stalled_link_that_recovers_is_pinged_anew() {
    let mut server = connection(Role::Server, Config::new().timeouts(TIMEOUTS).high_water_mark(10));
    server.handle_timeout(seconds(0));
    server.send("more than the mark").unwrap();
    server.handle_timeout(seconds(20));
    assert_eq!(parse_frames(&take_output(&mut server)).len(), 1, "no Ping behind it");
    // It was taken at 20 seconds.
    server.handle_timeout(seconds(34));
    assert_eq!(server.poll_timeout(), Some(seconds(40)));
    server.handle_timeout(seconds(40));
    pinged(&mut server);
}

#[test]
fn a_connection_without_messages_is_closed_with_3008() {
    for role in ROLES {
        let timeouts = Timeouts { ping: None, ..TIMEOUTS };
        let mut connection = connection(role, Config::new().timeouts(timeouts));
        connection.handle_timeout(seconds(0));
        connection.handle_timeout(seconds(50));
        connection.send("a message").unwrap();
        connection.handle_timeout(seconds(60));
        receive(&mut connection, &peer_frame(role, 0x81, b"another"));
        receive(&mut connection, &peer_frame(role, 0x89, b"not a message"));
        take_output(&mut connection);
        connection.handle_timeout(seconds(120));
        receive(&mut connection, &peer_frame(role, 0x89, b"not a message"));
        take_output(&mut connection);
        assert_eq!(connection.poll_timeout(), Some(seconds(160)));
        connection.handle_timeout(seconds(160));
        assert_eq!(receive(&mut connection, b""), [Event::Failed(ProtocolError::IdleTimeout)]);
        let close = 3008_u16.to_be_bytes().to_vec();
        assert_eq!(parse_frames(&take_output(&mut connection)), [(0x88, close)]);
        assert_eq!(connection.transport(), Transport::Drain);
        assert_eq!(connection.poll_timeout(), Some(seconds(165)));
        connection.handle_timeout(seconds(165));
        assert_eq!(connection.transport(), Transport::Close);
    }
}

#[test]
fn a_client_that_has_sent_nothing_has_a_key_for_its_close_when_it_is_idle() {
    let timeouts = Timeouts { ping: None, ..TIMEOUTS };
    let mut client = connection(Role::Client, Config::new().timeouts(timeouts));
    client.handle_timeout(seconds(0));
    client.handle_timeout(seconds(100));
    let close = 3008_u16.to_be_bytes().to_vec();
    assert_eq!(parse_frames(&take_output(&mut client)), [(0x88, close)]);
}

#[test]
fn a_close_that_is_not_answered_ends_by_its_deadline() {
    for role in ROLES {
        let mut connection = timed(role);
        connection.handle_timeout(seconds(1010));
        connection.close(None).unwrap();
        assert_eq!(connection.poll_timeout(), Some(seconds(1015)));
        take_output(&mut connection);
        connection.handle_timeout(seconds(1014));
        // Messages that still come do not put it off.
        receive(&mut connection, &peer_frame(role, 0x81, b"still here"));
        assert_eq!(connection.transport(), Transport::Open);
        connection.handle_timeout(seconds(1015));
        assert_eq!(receive(&mut connection, b""), [Event::Failed(ProtocolError::ClosingTimeout)]);
        assert_eq!(connection.transport(), Transport::Close);
        assert_eq!(connection.outcome(), unclean(1006));
        assert_eq!(connection.poll_timeout(), None);
    }
}

#[test]
fn a_close_that_can_not_be_written_aborts_by_its_deadline() {
    for role in ROLES {
        let mut connection = timed(role);
        connection.send("stuck").unwrap();
        connection.close(None).unwrap();
        connection.handle_timeout(seconds(1005));
        assert_eq!(connection.transport(), Transport::Abort);
        assert_eq!(connection.error(), Some(ProtocolError::ClosingTimeout));
    }
}

#[test]
fn a_peer_that_does_not_end_its_stream_is_not_awaited_for_ever() {
    for role in ROLES {
        let mut connection = timed(role);
        receive(&mut connection, &peer_close(role, 1000, ""));
        take_output(&mut connection);
        let waiting = if role == Role::Server { Transport::Drain } else { Transport::Open };
        assert_eq!(connection.transport(), waiting);
        assert_eq!(connection.poll_timeout(), Some(seconds(1005)));
        connection.handle_timeout(seconds(1005));
        assert_eq!(connection.transport(), Transport::Close);
        // Both Close frames were exchanged: that is clean.
        assert_eq!(connection.outcome(), clean(1000));
        assert_eq!(receive(&mut connection, b""), []);
    }
}

#[test]
fn a_reply_that_the_application_owes_ends_by_the_deadline_too() {
    let config = Config::new().timeouts(TIMEOUTS).manual_close();
    let mut server = connection(Role::Server, config);
    server.handle_timeout(seconds(0));
    receive(&mut server, &peer_close(Role::Server, 4000, ""));
    server.handle_timeout(seconds(5));
    assert_eq!(server.transport(), Transport::Close);
    assert_eq!(server.outcome(), unclean(4000));
}

#[test]
fn no_ping_follows_our_close() {
    for role in ROLES {
        let timeouts = Timeouts { closing: None, ..TIMEOUTS };
        let mut connection = connection(role, Config::new().timeouts(timeouts));
        connection.handle_timeout(seconds(0));
        connection.close(None).unwrap();
        take_output(&mut connection);
        assert_eq!(connection.poll_timeout(), None);
        connection.handle_timeout(seconds(1000));
        assert_eq!(take_output(&mut connection), b"");
    }
}

#[test]
fn a_ping_passes_between_the_pieces_of_a_message() {
    let mut server = timed(Role::Server);
    let piece = |first, last| Chunk { payload: "x".into(), first, last };
    server.send_chunk(piece(true, false)).unwrap();
    take_output(&mut server);
    server.handle_timeout(seconds(1019));
    server.handle_timeout(seconds(1039));
    server.send_chunk(piece(false, true)).unwrap();
    let frames = parse_frames(&take_output(&mut server));
    assert_eq!(frames.iter().map(|(first, _)| *first).collect::<Vec<_>>(), [0x89, 0x80]);
}

#[test]
fn too_many_control_frames_in_a_while_fail_with_1008() {
    for role in ROLES {
        let rate = ControlRate { frames: 3, per: seconds(10) };
        let mut connection = connection(role, Config::new().control_rate(rate));
        let pings = |n: usize| peer_frame(role, 0x89, b"").repeat(n);
        connection.handle_timeout(seconds(0));
        assert_eq!(receive(&mut connection, &pings(3)).len(), 3);
        connection.handle_timeout(seconds(10));
        assert_eq!(receive(&mut connection, &pings(3)).len(), 3);
        take_output(&mut connection);
        connection.handle_timeout(seconds(19));
        let failed = Event::Failed(ProtocolError::TooManyControlFrames);
        assert_eq!(receive(&mut connection, &pings(2)), [failed]);
        let close = 1008_u16.to_be_bytes().to_vec();
        assert_eq!(parse_frames(&take_output(&mut connection)), [(0x88, close)]);
    }
}

#[test]
fn time_never_runs_back() {
    let mut server = timed(Role::Server);
    server.handle_timeout(seconds(5));
    assert_eq!(server.poll_timeout(), Some(seconds(1020)));
    server.handle_timeout(Duration::MAX);
    assert_eq!(server.transport(), Transport::Abort);
}
