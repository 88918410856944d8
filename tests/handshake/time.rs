//! Deadlines of the opening handshake, in virtual time.

use std::time::Duration;

use bytes::Buf;
use websocket_proto::handshake::{
    Acceptance, BodyEnd, ClientEvent, ClientHandshake, ClientRequest, Handshake, HandshakeError,
    Rejection, ServerEvent, ServerHandshake, Uri,
};
use websocket_proto::{Config, EntropyError, Timeouts, Transport};

use crate::driving::{assert_over, receive, receive_all, receive_eof};

const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const TIMED_OUT: ServerEvent = ServerEvent::Failed(HandshakeError::Timeout);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Timeouts of 16 s for the opening and 8 s for the closing, both with a grace of 1 s.
fn config() -> Config {
    let timeouts = Timeouts::NONE.with_opening(Some(seconds(16))).with_closing(Some(seconds(8)));
    Config::new().with_timeouts(timeouts).with_entropy(|out: &mut [u8]| {
        out.fill(1);
        Ok::<_, EntropyError>(())
    })
}

fn client() -> ClientHandshake {
    let request = ClientRequest::new(&Uri::parse("ws://h/").unwrap());
    ClientHandshake::new(config(), &request).unwrap()
}

/// Reports `now`, and checks that the next report is due later.
#[track_caller]
fn report(handshake: &mut impl Handshake, now: u64) {
    handshake.handle_timeout(seconds(now));
    assert!(handshake.poll_timeout().is_none_or(|next| next > seconds(now)));
}

#[track_caller]
fn write_all(handshake: &mut impl Handshake) {
    let len = handshake.output().remaining();
    handshake.output().advance(len);
}

#[test]
fn answers_a_slow_request_with_408_and_drains_for_a_while() {
    let mut server = ServerHandshake::new(config());
    assert_eq!(server.poll_timeout(), Some(Duration::ZERO));
    report(&mut server, 100);
    assert_eq!(server.poll_timeout(), Some(seconds(116)));
    assert_eq!(receive(&mut server, &REQUEST[..20]).0, None);
    report(&mut server, 115);
    assert_eq!(server.poll_timeout(), Some(seconds(116)));
    // Bytes that do not complete the request do not extend the deadline.
    assert_eq!(receive(&mut server, &REQUEST[20..40]).0, None);
    report(&mut server, 116);
    assert_eq!(server.poll_timeout(), Some(seconds(117)));
    assert_eq!(receive(&mut server, b"").0, None);
    report(&mut server, 117);
    assert_eq!(receive_all(&mut server, b""), [TIMED_OUT]);
    assert!(server.output().chunk().starts_with(b"HTTP/1.1 408 Request Timeout\r\n"));
    // The deadline to write the response.
    assert_eq!(server.poll_timeout(), Some(seconds(125)));
    write_all(&mut server);
    assert_eq!(server.transport(), Transport::Drain);
    // The response is written. The deadline for the end of the stream starts at the next report, which is
    // due at once.
    assert_eq!(server.poll_timeout(), Some(seconds(117)));
    report(&mut server, 124);
    assert_eq!(server.poll_timeout(), Some(seconds(132)));
    report(&mut server, 132);
    assert_eq!(server.transport(), Transport::Drain);
    report(&mut server, 133);
    assert_over(&mut server, Transport::Close);
}

/// The process was suspended or busy while the request was in the socket.
#[test]
fn complete_request_in_the_socket_survives_a_late_wake_up() {
    for (reports, received_before) in
        [(&[41][..], true), (&[41], false), (&[41, 41], false), (&[41, 100, 200, 300], false)]
    {
        let mut server = ServerHandshake::new(config());
        report(&mut server, 0);
        let mut event = None;
        if received_before {
            event = receive(&mut server, REQUEST).0;
        }
        reports.iter().for_each(|&now| report(&mut server, now));
        let event = event.or_else(|| receive(&mut server, REQUEST).0);
        assert_eq!(event, Some(ServerEvent::Upgrade), "{reports:?}");
        report(&mut server, 1000);
        assert!(server.accept(&Acceptance::new()).is_ok());
    }
}

#[test]
fn response_in_the_socket_survives_a_late_wake_up() {
    let response = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
    let mut client = client();
    report(&mut client, 0);
    report(&mut client, 41);
    report(&mut client, 41);
    let ended = ClientEvent::BodyEnded(BodyEnd::Complete);
    let events = receive_all(&mut client, response);
    assert_eq!(events, [ClientEvent::Rejected { status: 403 }, ended]);
}

#[test]
fn silent_peer_times_out_even_if_reports_are_late() {
    let mut server = ServerHandshake::new(config());
    let mut calls = 0;
    let mut now = 0;
    while receive(&mut server, b"").0.is_none() {
        report(&mut server, now);
        now += 1000;
        calls += 1;
        assert!(calls <= 6);
    }
}

#[test]
fn reports_only_when_due_time_out_the_handshake() {
    let mut server = ServerHandshake::new(config());
    let mut now = seconds(5);
    let mut calls = 0;
    while let Some(due) = server.poll_timeout() {
        now = now.max(due);
        server.handle_timeout(now);
        write_all(&mut server);
        calls += 1;
        assert!(calls < 10, "{now:?}");
    }
    assert_eq!(server.transport(), Transport::Close);
    assert!(now <= seconds(5 + 17 + 9 + 9), "{now:?}");
}

#[test]
fn accepts_times_beyond_64_bits_of_nanoseconds() {
    for start in [Duration::from_nanos(u64::MAX) + seconds(1), Duration::MAX - seconds(100)] {
        let mut server = ServerHandshake::new(config());
        server.handle_timeout(start);
        server.handle_timeout(start + seconds(15));
        assert_eq!(server.poll_timeout(), Some(start + seconds(16)));
        assert_eq!(receive(&mut server, REQUEST).0, Some(ServerEvent::Upgrade));
    }
}

#[test]
fn aborts_if_the_response_cannot_be_written() {
    let mut server = ServerHandshake::new(config());
    report(&mut server, 0);
    assert!(receive(&mut server, b"bad\r\n\r\n").0.is_some());
    assert_eq!(server.transport(), Transport::Open);
    // The deadline starts at the next report, which is due at once.
    assert_eq!(server.poll_timeout(), Some(Duration::ZERO));
    report(&mut server, 3);
    assert_eq!(server.poll_timeout(), Some(seconds(11)));
    report(&mut server, 11);
    assert_eq!(server.transport(), Transport::Open);
    report(&mut server, 12);
    assert_over(&mut server, Transport::Abort);
}

#[test]
fn aborts_if_the_response_cannot_be_written_after_the_end_of_the_stream() {
    let mut server = ServerHandshake::new(config());
    report(&mut server, 0);
    assert!(receive(&mut server, b"bad\r\n\r\n").0.is_some());
    assert_eq!(receive_eof(&mut server), []);
    assert_eq!(server.poll_timeout(), Some(Duration::ZERO));
    for now in [1, 8, 9] {
        report(&mut server, now);
        assert_eq!(server.transport(), Transport::Open, "{now}");
    }
    report(&mut server, 10);
    assert_over(&mut server, Transport::Abort);
}

#[test]
fn progress_of_a_long_response_restarts_the_deadline() {
    let body = vec![b'x'; 200 << 10];
    let answering = || {
        let mut server = ServerHandshake::new(config());
        report(&mut server, 0);
        assert_eq!(
            receive(&mut server, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").0,
            Some(ServerEvent::Http)
        );
        server.respond(200, &[], &body).unwrap();
        server
    };
    for (after_eof, written) in [(false, Transport::Drain), (true, Transport::Close)] {
        // The transport accepts 20 KiB every 5 s.
        let mut server = answering();
        if after_eof {
            assert_eq!(receive_eof(&mut server), []);
        }
        let mut now = 0;
        while server.output().has_remaining() {
            report(&mut server, now);
            assert_eq!(server.transport(), Transport::Open, "{now} {after_eof}");
            let len = server.output().remaining().min(20 << 10);
            server.output().advance(len);
            now += 5;
        }
        assert!(now > 40);
        assert_eq!(server.transport(), written);
        // One byte per second is not enough progress.
        let mut server = answering();
        if after_eof {
            assert_eq!(receive_eof(&mut server), []);
        }
        let mut now = 0;
        while server.transport() == Transport::Open {
            report(&mut server, now);
            if server.output().has_remaining() {
                server.output().advance(1);
            }
            now += 1;
            assert!(now <= 10);
        }
        assert_over(&mut server, Transport::Abort);
    }
}

#[test]
fn client_that_does_not_end_its_stream_is_cut_off_within_one_timeout_of_the_response() {
    let mut server = ServerHandshake::new(config());
    report(&mut server, 0);
    assert!(receive(&mut server, b"bad\r\n\r\n").0.is_some());
    report(&mut server, 1);
    write_all(&mut server);
    // A driver that reports only when a report is due does so before it waits.
    let mut now = seconds(2);
    while let Some(due) = server.poll_timeout() {
        now = now.max(due);
        server.handle_timeout(now);
    }
    assert_eq!(now, seconds(2 + 8 + 1));
    assert_over(&mut server, Transport::Close);
}

#[test]
fn closing_timeout_of_the_configuration_set_before_the_response_bounds_it() {
    let other = Timeouts::NONE.with_closing(Some(seconds(2)));
    // A configuration that is set after the response has no effect.
    for (sets_before, limit) in [(true, 2), (false, 8)] {
        let mut server = ServerHandshake::new(config());
        report(&mut server, 0);
        assert_eq!(receive(&mut server, REQUEST).0, Some(ServerEvent::Upgrade));
        if sets_before {
            server.set_config(Config::new().with_timeouts(other));
        }
        server.reject(Rejection::NotFound).unwrap();
        server.set_config(Config::new().with_timeouts(other));
        write_all(&mut server);
        let mut now = seconds(0);
        while let Some(due) = server.poll_timeout() {
            now = now.max(due);
            server.handle_timeout(now);
        }
        assert!(now >= seconds(limit) && now <= seconds(limit + 1), "{now:?}");
        assert_over(&mut server, Transport::Close);
    }
}

#[test]
fn does_not_bound_the_decision() {
    let mut server = ServerHandshake::new(config());
    report(&mut server, 0);
    assert_eq!(receive(&mut server, REQUEST).0, Some(ServerEvent::Upgrade));
    assert_eq!(server.poll_timeout(), None);
    report(&mut server, 1000);
    assert!(server.accept(&Acceptance::new()).is_ok());
}

#[test]
fn needs_no_clock_without_timeouts() {
    let mut server = ServerHandshake::new(Config::new());
    assert_eq!(server.poll_timeout(), None);
    server.handle_timeout(seconds(1_000_000));
    assert_eq!(server.transport(), Transport::Open);
    assert!(receive(&mut server, b"bad\r\n").0.is_some());
    assert_eq!(server.poll_timeout(), None);
}

#[test]
fn slow_response_fails_the_client_and_the_tunnel() {
    let failed = ClientEvent::Failed(HandshakeError::Timeout);
    let mut client = client();
    assert_eq!(client.poll_timeout(), Some(Duration::ZERO));
    report(&mut client, 1);
    assert_eq!(client.poll_timeout(), Some(seconds(17)));
    assert_eq!(receive(&mut client, b"HTTP/1.1 101").0, None);
    report(&mut client, 17);
    assert_eq!(client.transport(), Transport::Open);
    report(&mut client, 18);
    assert_eq!(client.transport(), Transport::Abort);
    assert_eq!(receive(&mut client, b"").0, Some(failed));
    assert_over(&mut client, Transport::Abort);

    let uri = Uri::parse("ws://h/").unwrap();
    let mut proxy = ClientHandshake::tunnel(config(), &uri, &[]).unwrap();
    report(&mut proxy, 1);
    assert_eq!(proxy.poll_timeout(), Some(seconds(17)));
    report(&mut proxy, 17);
    report(&mut proxy, 18);
    assert_eq!(receive(&mut proxy, b"").0, Some(failed));
    assert_over(&mut proxy, Transport::Abort);
}

#[test]
fn timeout_keeps_the_received_part_of_the_body() {
    for fields in
        ["Content-Length: 100\r\n\r\n", "\r\n", "Transfer-Encoding: chunked\r\n\r\nff\r\n"]
    {
        let mut client = client();
        report(&mut client, 0);
        let response = format!("HTTP/1.1 403 Forbidden\r\n{fields}begun");
        let events = receive_all(&mut client, response.as_bytes());
        assert_eq!(events, [ClientEvent::Rejected { status: 403 }], "{fields}");
        report(&mut client, 16);
        report(&mut client, 17);
        let ended = ClientEvent::BodyEnded(BodyEnd::Truncated);
        assert_eq!(receive(&mut client, b"").0, Some(ended), "{fields}");
        assert_eq!(client.body(), b"begun");
        assert_eq!(client.response().unwrap().status(), 403);
        assert_over(&mut client, Transport::Close);
    }
}
