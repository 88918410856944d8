//! Checks of a head with the handshakes: whole, split in two at every byte, and byte by byte. The tests of
//! heads check the parsers, on the same tables.

#[path = "../support/nonce.rs"]
mod nonce;
#[path = "../support/heads.rs"]
mod shared;

use bytes::Buf;
use websocket_proto::handshake::{
    ClientEvent, ClientHandshake, ClientRequest, Handshake, HeadLimits, OriginPolicy,
    ResponseParser, ServerEvent, ServerHandshake,
};
use websocket_proto::{Config, Input, Output};

pub(crate) use nonce::{NONCE, sample_nonce};
use shared::AFTER_HEAD;
pub(crate) use shared::{RequestOutcome, ResponseOutcome, malformed_requests};

/// Allows every origin, since the examples in RFC 6455 have another origin than the server's.
pub(crate) static CONFIG: Config = Config::new().with_origin_policy(OriginPolicy::any());

pub(crate) fn client_config() -> Config {
    Config::new().with_entropy(sample_nonce)
}

pub(crate) fn written(output: &mut Output) -> String {
    let bytes = output.copy_to_bytes(output.remaining());
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Splits `bytes` in two at every byte, and into single bytes.
fn cuts(bytes: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let halves = (0..=bytes.len()).map(|at| vec![&bytes[..at], &bytes[at..]]);
    halves.chain([bytes.chunks(1).collect()])
}

/// Checks [`ServerHandshake`] on `head`.
#[track_caller]
pub(crate) fn check_request(name: &str, head: &[u8], expected: RequestOutcome, limits: HeadLimits) {
    let expected = expected.without_index();
    let config = std::sync::Arc::new(
        Config::new().with_head_limits(limits).with_origin_policy(OriginPolicy::any()),
    );
    let complete = matches!(expected, RequestOutcome::Upgrade | RequestOutcome::Http);
    let mut stream = head.to_vec();
    if complete {
        stream.extend_from_slice(AFTER_HEAD);
    }
    for pieces in cuts(&stream) {
        let mut handshake = ServerHandshake::new(&config);
        let mut outcome = RequestOutcome::Incomplete;
        let mut left = 0;
        for piece in pieces {
            let mut piece = piece.to_vec();
            let before = piece.clone();
            let mut input = Input::with_bytes(&mut piece);
            match handshake.receive(&mut input) {
                None => {}
                Some(ServerEvent::Upgrade) => outcome = RequestOutcome::Upgrade,
                Some(ServerEvent::Http) => outcome = RequestOutcome::Http,
                Some(ServerEvent::Failed(error)) => {
                    assert_eq!(outcome, RequestOutcome::Incomplete, "{name}: two events");
                    let response = written(handshake.output());
                    let status = response[9..12].parse().unwrap();
                    assert!(response.contains("\r\nConnection: close"), "{name}: {response}");
                    outcome = RequestOutcome::Rejected(error, status, 0);
                }
            }
            left += input.unread().len();
            if complete {
                assert!(before.ends_with(input.unread()), "{name}: bytes were modified");
            }
        }
        assert_eq!(outcome, expected, "{name}: cut");
        assert_eq!(left, if complete { AFTER_HEAD.len() } else { 0 }, "{name}: bytes left");
        if complete {
            assert_eq!(handshake.request().unwrap().as_bytes(), head, "{name}");
        }
    }
}

/// Checks [`ClientHandshake`] on `head`, a response to `request`.
#[track_caller]
pub(crate) fn check_response(
    name: &str,
    request: &ClientRequest<'_>,
    head: &[u8],
    expected: ResponseOutcome,
    limits: HeadLimits,
) {
    let expected = expected.without_index();
    let is_complete = matches!(ResponseParser::new(limits).parse(head), Ok(Some(_)));
    let accepted = expected == ResponseOutcome::Accepted;
    let mut stream = head.to_vec();
    if accepted {
        stream.extend_from_slice(AFTER_HEAD);
    }
    let config = std::sync::Arc::new(client_config().with_head_limits(limits));
    for pieces in cuts(&stream) {
        let mut handshake = ClientHandshake::new(&config, request).unwrap();
        let mut outcome = ResponseOutcome::Incomplete;
        let mut left = 0;
        let mut note = |event| {
            assert_eq!(outcome, ResponseOutcome::Incomplete, "{name}: two events");
            outcome = match event {
                ClientEvent::Accepted => ResponseOutcome::Accepted,
                ClientEvent::Rejected { status } => ResponseOutcome::Rejected(status),
                ClientEvent::Failed(error) => ResponseOutcome::Failed(error, 0),
                ClientEvent::BodyEnded(_) => unreachable!("the body is not read"),
            };
        };
        for piece in pieces {
            let mut piece = piece.to_vec();
            if matches!(handshake.response(), Some(response) if response.status() != 101) {
                continue;
            }
            let mut input = Input::with_bytes(&mut piece);
            handshake.receive(&mut input).into_iter().for_each(&mut note);
            left += input.unread().len();
        }
        assert_eq!(outcome, expected, "{name}: cut");
        assert_eq!(left, if accepted { AFTER_HEAD.len() } else { 0 }, "{name}: bytes left");
        // `response()` returns every complete head, even if it breaks a rule of the handshake.
        if outcome != ResponseOutcome::Incomplete {
            let response = handshake.response().map(|response| response.as_bytes());
            assert_eq!(response, is_complete.then_some(head), "{name}: response");
        }
    }
}
