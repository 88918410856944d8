//! [`Input`]: unread bytes, filling, and consumption by a connection.
#![cfg(feature = "alloc")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use support::*;
#[cfg(feature = "std")]
use websocket_proto::Io;
use websocket_proto::{Config, ConnectionError, Event, Input, Role, Transport};

fn messages(role: Role) -> Vec<u8> {
    [peer_frame(role, 0x81, b"one"), peer_frame(role, 0x81, b"two")].concat()
}

#[test]
fn unread_bytes_survive_a_pause_unmodified() {
    for role in ROLES {
        let bytes = messages(role);
        let mut storage = bytes.clone();
        let mut input = Input::with_bytes(&mut storage);
        let mut connection = connection(role, Config::new());
        assert_eq!(connection.receive(&mut input), Some(text("one")));
        let half = bytes.len() / 2;
        assert_eq!(input.unread(), &bytes[half..]);
        assert!(input.space().is_empty());
        // Sending and writing leave the input untouched.
        connection.send("reply").unwrap();
        take_output(&mut connection);
        assert_eq!(input.unread(), &bytes[half..]);
        assert_eq!(connection.receive(&mut input), Some(text("two")));
        assert_eq!(connection.receive(&mut input), None);
    }
}

#[test]
fn eof_is_handled_after_the_bytes_before_it() {
    for role in ROLES {
        let mut storage = messages(role);
        let mut input = Input::with_bytes(&mut storage);
        input.finish();
        assert!(input.is_finished());
        let mut connection = connection(role, Config::new());
        assert_eq!(connection.receive(&mut input), Some(text("one")));
        assert_eq!(connection.error(), None);
        assert_eq!(connection.receive(&mut input), Some(text("two")));
        assert_eq!(connection.error(), None);
        let failed = Event::Failed(ConnectionError::UnexpectedEof);
        assert_eq!(connection.receive(&mut input), Some(failed));
        assert_eq!(connection.receive(&mut input), None);
        assert_eq!(connection.transport(), Transport::Close);
    }
}

#[test]
fn new_input_while_bytes_are_unread_fails_the_connection() {
    for role in ROLES {
        let failed = Event::Failed(ConnectionError::UnreadInput);
        for mut second in [vec![], peer_frame(role, 0x81, b"new")] {
            let mut connection = connection(role, Config::new());
            let mut storage = messages(role);
            let mut first = Input::with_bytes(&mut storage);
            assert_eq!(connection.receive(&mut first), Some(text("one")));
            let mut second = Input::with_bytes(&mut second);
            assert!(connection.next(&mut second).is_event());
            assert_eq!(connection.receive(&mut second), Some(failed.clone()));
            assert_eq!(connection.receive(&mut second), None);
            // 1011: the application is at fault, not the peer.
            let close = (0x88, 1011_u16.to_be_bytes().to_vec());
            assert_eq!(parse_frames(&take_output(&mut connection)), [close]);
        }
    }
}

#[test]
fn new_input_is_accepted_after_the_previous_one_was_consumed() {
    for role in ROLES {
        let mut connection = connection(role, Config::new());
        for _ in 0..3 {
            let mut storage = peer_frame(role, 0x81, b"one");
            let mut input = Input::with_bytes(&mut storage);
            // The input is fully consumed as soon as the last event is returned.
            assert_eq!(connection.receive(&mut input), Some(text("one")));
        }
        assert_eq!(receive(&mut connection, &messages(role)), [text("one"), text("two")]);
    }
}

#[test]
fn swapped_inputs_fail_loudly() {
    for role in ROLES {
        let failed = Event::Failed(ConnectionError::UnreadInput);
        let mut storage = messages(role);
        let len = storage.len();
        let mut first = Input::with_bytes(&mut storage);
        let mut second = Input::owned(vec![0; len]);
        second.space().copy_from_slice(&messages(role));
        second.filled(len);
        let (mut a, mut b) = (connection(role, Config::new()), connection(role, Config::new()));
        let (mut c, mut d) = (connection(role, Config::new()), connection(role, Config::new()));
        assert_eq!(a.receive(&mut first), Some(text("one")));
        // An input that was used before and is empty, and one in which another connection left bytes.
        assert!(!receive_all(&mut b, &mut second).is_empty());
        assert_eq!(a.receive(&mut second), Some(failed.clone()));
        assert!(c.next(&mut first).is_event());
        assert_eq!(c.receive(&mut first), Some(failed.clone()));
        // The bytes are dropped then. The input serves the next connection.
        assert!(!first.has_unread());
        assert_eq!(d.receive(&mut first), None);
        assert_eq!(d.error(), None);
    }
}

#[test]
fn owned_input_keeps_the_unread_bytes_and_eof() {
    for role in ROLES {
        let bytes = messages(role);
        for eof in [false, true] {
            let mut storage = bytes.clone();
            let mut input = Input::with_bytes(&mut storage);
            if eof {
                input.finish();
            }
            let mut connection = connection(role, Config::new());
            assert_eq!(connection.receive(&mut input), Some(text("one")));
            let mut input: Input<'static> = input.into_owned();
            assert_eq!(input.unread(), &bytes[bytes.len() / 2..]);
            assert_eq!(input.is_finished(), eof);
            // The owned input continues the first one and does not count as a new input.
            assert_eq!(connection.receive(&mut input), Some(text("two")));
            assert_eq!(connection.receive(&mut input).is_some(), eof);
        }
    }
}

#[test]
fn into_unread_returns_the_unread_bytes() {
    let bytes = messages(Role::Client);
    let mut storage = bytes.clone();
    let mut input = Input::with_bytes(&mut storage);
    input.finish();
    let mut connection = connection(Role::Client, Config::new());
    assert_eq!(connection.receive(&mut input), Some(text("one")));
    let rest = input.into_unread();
    assert_eq!((&rest.bytes[..], rest.finished), (&bytes[bytes.len() / 2..], true));
    let rest = Input::new(&mut [0; 8]).into_unread();
    assert_eq!((&rest.bytes[..], rest.finished), (&b""[..], false));
}

#[test]
fn storage_can_be_replaced_only_while_nothing_is_unread() {
    let mut input = Input::owned(vec![0; 16]);
    let storage = input.replace_storage(Vec::new()).unwrap();
    assert_eq!(storage.len(), 16);
    assert!(input.space().is_empty());
    assert_eq!(input.replace_storage(storage), Ok(Vec::new()));
    input.space()[..2].copy_from_slice(b"ab");
    input.filled(2);
    assert_eq!(input.replace_storage(vec![1, 2, 3]), Err(vec![1, 2, 3]));
    assert_eq!(input.unread(), b"ab");
    // EOF stays recorded.
    let mut input = Input::owned(vec![0; 16]);
    input.finish();
    assert_eq!(input.replace_storage(Vec::new()).map(|storage| storage.len()), Ok(16));
    assert!(input.is_finished());
    // Borrowed storage cannot be taken out, but owned storage can replace it.
    let mut storage = [0; 4];
    let mut input = Input::new(&mut storage);
    assert_eq!(input.replace_storage(vec![0; 9]), Ok(Vec::new()));
    assert_eq!(input.space().len(), 9);
}

#[test]
fn empty_read_without_a_new_space_changes_nothing() {
    let mut storage = [0; 8];
    let mut input = Input::new(&mut storage);
    input.filled(0);
    assert!(!input.is_finished());
    input.space()[..3].copy_from_slice(b"abc");
    input.filled(3);
    input.filled(0);
    assert_eq!((input.unread(), input.is_finished()), (&b"abc"[..], false));
    // An empty space accepts no bytes.
    assert!(input.space().is_empty());
    input.filled(0);
    assert_eq!((input.unread(), input.is_finished()), (&b"abc"[..], false));
    // Stale storage does not reappear after everything was consumed.
    let mut server = connection(Role::Server, Config::new());
    while server.receive(&mut input).is_some() {}
    input.filled(0);
    assert!(!input.has_unread() && !input.is_finished());
    // After EOF there is no space.
    input.finish();
    assert!(input.space().is_empty());
    input.filled(0);
    assert!(!input.has_unread() && input.is_finished());
}

#[test]
fn bytes_without_a_new_space_panic() {
    let reports: [fn(&mut Input<'_>); 5] = [
        |_| {},
        |input| {
            let _ = input.space();
            input.filled(3);
        },
        |input| {
            let _ = input.space();
            input.finish();
        },
        |input| {
            let _ = input.space();
            let _ = input.replace_storage(vec![0; 8]);
        },
        |input| {
            let _ = input.replace_storage(Vec::new());
            let _ = input.space();
        },
    ];
    for (i, prepare) in reports.into_iter().enumerate() {
        let result = std::panic::catch_unwind(|| {
            let mut storage = [0; 8];
            let mut input = Input::new(&mut storage);
            prepare(&mut input);
            input.filled(5);
        });
        assert!(result.is_err(), "{i}");
    }
}

#[test]
#[should_panic(expected = "more bytes reported than there was space for")]
fn filled_beyond_the_space_panics() {
    let mut storage = [0; 8];
    let mut input = Input::new(&mut storage);
    let _ = input.space();
    input.filled(9);
}

#[cfg(feature = "std")]
mod read_from {
    use std::io::{ErrorKind, Read};

    use super::*;

    /// A socket that returns these results in order and then panics.
    struct Script(Vec<Result<&'static [u8], ErrorKind>>);

    impl Read for Script {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            assert!(!self.0.is_empty(), "unexpected read");
            let bytes = self.0.remove(0)?;
            out[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        }
    }

    fn kind(result: std::io::Result<Io>) -> Option<ErrorKind> {
        result.err().map(|error| error.kind())
    }

    #[test]
    fn reads_once_per_call_and_never_while_bytes_are_unread() {
        let mut storage = [0; 8];
        let mut input = Input::new(&mut storage);
        let mut socket = Script(vec![Ok(b"abc")]);
        for _ in 0..3 {
            assert_eq!(kind(input.read_from(&mut socket)), None);
            assert_eq!(input.unread(), b"abc");
        }
    }

    #[test]
    fn interrupted_read_is_repeated_and_other_errors_are_returned() {
        let mut storage = [0; 8];
        let mut input = Input::new(&mut storage);
        let mut socket = Script(vec![
            Err(ErrorKind::ConnectionReset),
            Err(ErrorKind::Interrupted),
            Err(ErrorKind::Interrupted),
            Ok(b"a"),
        ]);
        assert_eq!(kind(input.read_from(&mut socket)), Some(ErrorKind::ConnectionReset));
        assert!(!input.has_unread() && !input.is_finished());
        assert_eq!(kind(input.read_from(&mut socket)), None);
        assert_eq!(input.unread(), b"a");
    }

    #[test]
    fn socket_without_bytes_is_reported_as_blocked() {
        let mut storage = [0; 8];
        let mut input = Input::new(&mut storage);
        let mut socket =
            Script(vec![Err(ErrorKind::WouldBlock), Err(ErrorKind::TimedOut), Ok(b"a"), Ok(b"")]);
        assert_eq!(input.read_from(&mut socket).unwrap(), Io::Blocked);
        assert_eq!(input.read_from(&mut socket).unwrap(), Io::Blocked);
        assert!(!input.has_unread() && !input.is_finished());
        assert_eq!(input.read_from(&mut socket).unwrap(), Io::Done);
        assert_eq!(input.unread(), b"a");
    }

    #[test]
    fn failed_read_leaves_no_stale_bytes() {
        let bytes = peer_frame(Role::Server, 0x81, b"one");
        let mut input = Input::owned(bytes.clone());
        let mut socket = Script(vec![Err(ErrorKind::ConnectionReset)]);
        assert!(input.read_from(&mut socket).is_err());
        assert!(!input.has_unread() && !input.is_finished());
        let mut server = connection(Role::Server, Config::new());
        assert_eq!(server.receive(&mut input), None);
    }

    #[test]
    fn eof_is_remembered_and_not_read_again() {
        let mut storage = [0; 8];
        let mut input = Input::new(&mut storage);
        let mut socket = Script(vec![Ok(b"")]);
        for _ in 0..3 {
            assert_eq!(kind(input.read_from(&mut socket)), None);
            assert!(input.is_finished() && !input.has_unread());
        }
    }

    #[test]
    fn read_without_storage_is_an_invalid_input_error() {
        let mut input = Input::owned(Vec::new());
        let read = input.read_from(&mut Script(vec![]));
        assert_eq!(kind(read), Some(ErrorKind::InvalidInput));
        assert!(!input.is_finished());
        assert_eq!(input.replace_storage(vec![0; 4]), Ok(Vec::new()));
        assert_eq!(kind(input.read_from(&mut Script(vec![Ok(b"ab")]))), None);
        assert_eq!(input.unread(), b"ab");

        let mut input = Input::new(&mut []);
        let read = input.read_from(&mut Script(vec![]));
        assert_eq!(kind(read), Some(ErrorKind::InvalidInput));
        let mut bytes = *b"ab";
        let mut input = Input::with_bytes(&mut bytes);
        assert_eq!(kind(input.read_from(&mut Script(vec![]))), None);
    }
}

#[test]
fn input_with_unread_bytes_reads_into_the_whole_storage_after_them() {
    let bytes = messages(Role::Server);
    for head in [0, 1, 300] {
        let mut storage = [vec![b'h'; head], bytes.clone(), vec![0; 7]].concat();
        let (start, end, len) = (head, head + bytes.len(), storage.len());
        let mut input = Input::with_unread(&mut storage, start..end);
        assert_eq!(input.unread(), bytes);
        let mut connection = connection(Role::Server, Config::new());
        assert_eq!(connection.receive(&mut input), Some(text("one")));
        assert_eq!(connection.receive(&mut input), Some(text("two")));
        assert_eq!(connection.receive(&mut input), None);
        assert_eq!(input.space().len(), len);
        input.filled(len);
        assert!(input.unread().starts_with(&vec![b'h'; head]));
    }
}

#[test]
fn input_without_unread_bytes_has_not_ended() {
    for at in 0..=8 {
        let mut storage = [0; 8];
        let mut input = Input::with_unread(&mut storage, at..at);
        assert!(!input.has_unread() && !input.is_finished());
        assert_eq!(input.space().len(), 8);
    }
}

#[test]
fn unread_bytes_outside_the_storage_panic() {
    for (start, end) in [(0, 9), (9, 9), (5, 4), (usize::MAX, 0)] {
        let made = std::panic::catch_unwind(|| {
            let mut storage = [0; 8];
            Input::with_unread(&mut storage, start..end).has_unread()
        });
        assert!(made.is_err(), "{start}..{end}");
    }
}
