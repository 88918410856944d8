//! Runs a head through a parser and the validation, byte by byte and at every cut.

use websocket_proto::handshake::{
    ClientRequest, HandshakeError, HeadLimits, OriginPolicy, RequestParser, ResponseParser,
};

#[path = "../support/heads.rs"]
mod shared;

pub(crate) use shared::{AFTER_HEAD, RequestOutcome, ResponseOutcome, malformed_requests};

/// Parses every prefix of `head`, in steps of `step` after the first `start` bytes, until `parse` returns
/// an outcome. Bytes of earlier steps are overwritten: the parser must not read them again.
fn scan<T>(
    head: &[u8],
    start: usize,
    step: usize,
    mut parse: impl FnMut(&[u8]) -> Result<Option<usize>, T>,
) -> Option<Result<usize, (T, usize)>> {
    let mut before = 0;
    let mut len = start;
    loop {
        let mut received = head[..len].to_vec();
        received[..before].fill(0);
        match parse(&received) {
            Ok(None) if len == head.len() => return None,
            Ok(None) => {}
            Ok(Some(complete)) => return Some(Ok(complete)),
            Err(error) => return Some(Err((error, len.saturating_sub(1)))),
        }
        before = len;
        len = head.len().min(len + step);
    }
}

#[track_caller]
pub(crate) fn check_request(name: &str, head: &[u8], expected: RequestOutcome, limits: HeadLimits) {
    let rejected = |error: HandshakeError, at| {
        RequestOutcome::Rejected(error, error.status().expect("the error has no status"), at)
    };
    let upgrade = |bytes: &[u8]| {
        let request = RequestParser::new(limits).parse(bytes).unwrap().unwrap();
        assert_eq!(request.as_bytes(), head, "{name}: length");
        match request.upgrade(&OriginPolicy::any()) {
            Ok(Some(_)) => RequestOutcome::Upgrade,
            Ok(None) => RequestOutcome::Http,
            Err(error) => rejected(error, head.len() - 1),
        }
    };
    let outcome = |start, step| {
        let mut parser = RequestParser::new(limits);
        let parse = |received: &[u8]| {
            Ok::<_, HandshakeError>(parser.parse(received)?.map(|head| head.as_bytes().len()))
        };
        match scan(head, start, step, parse) {
            None => RequestOutcome::Incomplete,
            Some(Ok(len)) => upgrade(&head[..len]),
            Some(Err((error, at))) => rejected(error, at),
        }
    };
    assert_eq!(outcome(0, 1), expected, "{name}: byte by byte");
    for at in 0..=head.len() {
        let outcome = outcome(at, head.len()).without_index();
        assert_eq!(outcome, expected.without_index(), "{name}: cut at {at}");
    }
    // Bytes after a complete head are not consumed.
    if matches!(expected, RequestOutcome::Upgrade | RequestOutcome::Http) {
        let stream = [head, AFTER_HEAD].concat();
        assert_eq!(upgrade(&stream), expected, "{name}: bytes after the head");
    }
}

#[track_caller]
pub(crate) fn check_response(
    name: &str,
    request: &ClientRequest<'_>,
    head: &[u8],
    expected: ResponseOutcome,
    limits: HeadLimits,
) {
    let verify = |bytes: &[u8]| {
        let response = ResponseParser::new(limits).parse(bytes).unwrap().unwrap();
        assert_eq!(response.as_bytes(), head, "{name}: length");
        match request.verify(b"the sample nonce", &response) {
            Ok(Some(_)) => ResponseOutcome::Accepted,
            Ok(None) => ResponseOutcome::Rejected(response.status()),
            Err(error) => ResponseOutcome::Failed(error, head.len() - 1),
        }
    };
    let outcome = |start, step| {
        let mut parser = ResponseParser::new(limits);
        let parse = |received: &[u8]| {
            Ok::<_, HandshakeError>(parser.parse(received)?.map(|head| head.as_bytes().len()))
        };
        match scan(head, start, step, parse) {
            None => ResponseOutcome::Incomplete,
            Some(Ok(len)) => verify(&head[..len]),
            Some(Err((error, at))) => ResponseOutcome::Failed(error, at),
        }
    };
    assert_eq!(outcome(0, 1), expected, "{name}: byte by byte");
    for at in 0..=head.len() {
        let outcome = outcome(at, head.len()).without_index();
        assert_eq!(outcome, expected.without_index(), "{name}: cut at {at}");
    }
}
