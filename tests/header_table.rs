//! All 65,536 values of a header's first two bytes, in both roles, in and out of a fragmented
//! message, against a model written apart from the crate.

use websocket_proto::{Event, Limits, Opcode, ProtocolError, Role, Session};

/// What RFC 6455 says of these two bytes, rule by rule in the order of the bits.
fn model(first: u8, second: u8, role: Role, in_message: bool) -> Result<(), ProtocolError> {
    let bit = |byte: u8, n: u8| byte >> (7 - n) & 1 == 1;
    let number = first % 16;
    let opcode = match number {
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        3..=7 | 11..=15 => return Err(ProtocolError::ReservedOpcode(number)),
        _ => unreachable!(),
    };
    let control = number >= 8;
    if bit(first, 1) || bit(first, 2) || bit(first, 3) {
        return Err(ProtocolError::ReservedBits);
    }
    if control && !bit(first, 0) {
        return Err(ProtocolError::FragmentedControl(opcode));
    }
    if number == 0 && !in_message {
        return Err(ProtocolError::UnexpectedContinuation);
    }
    if (number == 1 || number == 2) && in_message {
        return Err(ProtocolError::UnfinishedMessage(opcode));
    }
    if role == Role::Server && !bit(second, 0) {
        return Err(ProtocolError::MissingMask);
    }
    if role == Role::Client && bit(second, 0) {
        return Err(ProtocolError::UnexpectedMask);
    }
    let len = second % 128;
    if control && len > 125 {
        return Err(ProtocolError::ControlTooLong(opcode));
    }
    if number == 8 && len == 1 {
        return Err(ProtocolError::CloseTooShort);
    }
    Ok(())
}

/// A session in this role, inside a fragmented message or not.
fn session(role: Role, in_message: bool) -> Session {
    let mut session = Session::new(role);
    if in_message {
        let mut bytes = [0x02, 0x01, b'x', 0, 0, 0, 0];
        let len = match role {
            Role::Client => 3,
            Role::Server => {
                bytes = [0x02, 0x81, 0, 0, 0, 0, b'x'];
                7
            }
        };
        let event = feed(&mut session, &mut bytes[..len]);
        assert!(event.is_none_or(|event| matches!(event, Ok(()))));
    }
    session
}

/// The first event: `Ok` if it is not a failure.
fn feed(session: &mut Session, bytes: &mut [u8]) -> Option<Result<(), ProtocolError>> {
    let mut control = [0; 125];
    let mut input = bytes;
    match session.receive(&mut input, &mut control, &Limits::DEFAULT)? {
        Event::Failed(error) => Some(Err(error)),
        _ => Some(Ok(())),
    }
}

#[test]
fn every_pair_of_first_bytes_is_judged_as_the_model_does_whole_and_cut() {
    let (mut accepted, mut refused) = (0, 0);
    for role in [Role::Client, Role::Server] {
        for in_message in [false, true] {
            let fresh = session(role, in_message);
            for value in 0..=u16::MAX {
                let [first, second] = value.to_be_bytes();
                let expected = model(first, second, role, in_message);
                let mut whole = fresh.clone();
                let outcome = feed(&mut whole, &mut [first, second]).unwrap_or(Ok(()));
                assert_eq!(outcome, expected, "{first:#x} {second:#x} {role:?} {in_message}");
                assert_eq!(whole.error(), expected.err());

                let mut cut = fresh.clone();
                let at_first = feed(&mut cut, &mut [first]);
                let at_second = feed(&mut cut, &mut [second]);
                let outcome = at_first.or(at_second).unwrap_or(Ok(()));
                assert_eq!(outcome, expected, "{first:#x}, {second:#x} {role:?} {in_message}");
                match expected {
                    Ok(()) => accepted += 1,
                    Err(_) => refused += 1,
                }
            }
        }
    }
    // Out of a message: text and binary with and without FIN, and three control frames with FIN;
    // inside, continuations in place of the first four. Of the 128 lengths, control frames may
    // have 126, a Close 125 of them.
    let controls = 2 * 126 + 125;
    assert_eq!(accepted, 2 * ((4 * 128 + controls) + (2 * 128 + controls)));
    assert_eq!(accepted + refused, 4 * 65536);
}
