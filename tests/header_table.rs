//! Checks all 65,536 values of the first two header bytes against the rules of the naive receiver, in both
//! roles, inside a fragmented message and between messages.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "support/naive.rs"]
mod naive;

use naive::{check_first_byte, check_second_byte};
use websocket_proto::session::{Session, SessionEvent};
use websocket_proto::{ConnectionError, Input, Role};

/// A session inside a fragmented message or between messages.
fn session(role: Role, in_message: bool) -> Session {
    let mut session = Session::new(role);
    if in_message {
        let failed = match role {
            Role::Client => feed(&mut session, &[0x02, 0x01, b'x']),
            Role::Server => feed(&mut session, &[0x02, 0x81, 0, 0, 0, 0, b'x']),
        };
        assert_eq!(failed, None);
    }
    session
}

/// Receives bytes that cause at most one event, and returns the failure.
fn feed(session: &mut Session, bytes: &[u8]) -> Option<ConnectionError> {
    let mut bytes = [bytes, &[0; 8]].concat();
    let len = bytes.len() - 8;
    match session.receive(&mut Input::with_bytes(&mut bytes[..len])).unwrap()? {
        SessionEvent::Failed(error) => Some(error),
        _ => None,
    }
}

#[test]
fn every_pair_of_first_bytes_is_judged_as_by_the_naive_receiver_whole_and_cut() {
    let (mut accepted, mut refused) = (0, 0);
    for role in [Role::Client, Role::Server] {
        for in_message in [false, true] {
            let fresh = session(role, in_message);
            for value in 0..=u16::MAX {
                let [first, second] = value.to_be_bytes();
                let name = || format!("{first:#x} {second:#x} {role:?} {in_message}");
                let at_first = check_first_byte(first, in_message).err();
                let expected = at_first
                    .or_else(|| check_second_byte(first, second, role).err())
                    .map(ConnectionError::from);

                let mut whole = fresh.clone();
                assert_eq!(feed(&mut whole, &[first, second]), expected, "{}", name());
                assert_eq!(whole.error(), expected, "{}", name());

                let mut cut = fresh.clone();
                assert_eq!(feed(&mut cut, &[first]), at_first.map(Into::into), "{}", name());
                if at_first.is_none() {
                    assert_eq!(feed(&mut cut, &[second]), expected, "{}", name());
                }
                *(if expected.is_none() { &mut accepted } else { &mut refused }) += 1;
            }
        }
    }
    // Accepted first bytes: between messages, text and binary with and without FIN and three control frames
    // with FIN; inside a message, continuations with and without FIN instead of text and binary. Of the 128
    // values of the length, a control frame accepts 126 and a Close 125.
    let controls = 2 * 126 + 125;
    assert_eq!(accepted, 2 * ((4 * 128 + controls) + (2 * 128 + controls)));
    assert_eq!(accepted + refused, 4 * 65536);
}
