//! Masking keys (RFC 6455, section 5.3): drawn in blocks, each used once, one for every client frame.
#![cfg(feature = "alloc")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::*;
use websocket_proto::{
    Chunk, CloseCode, Config, Connection, ConnectionError, EntropyError, Event, Fragment, Message,
    Negotiated, PreparedMessage, Role, SendError, Timeouts, Transport,
};

/// Number of keys that a new client draws.
const FIRST: usize = 16;

/// Number of keys in each later block.
const BLOCK: usize = 64;

const UNLIMITED: Config = Config::new().with_high_water_mark(usize::MAX);

/// The masking keys of all frames in `bytes`.
fn keys(mut bytes: &[u8]) -> Vec<[u8; 4]> {
    let mut keys = Vec::new();
    while let [_, second, rest @ ..] = bytes {
        assert_eq!(second & 0x80, 0x80, "a client masks every frame");
        let (len, rest) = match second & 0x7f {
            126 => (usize::from(u16::from_be_bytes(rest[..2].try_into().unwrap())), &rest[2..]),
            127 => (u64::from_be_bytes(rest[..8].try_into().unwrap()) as usize, &rest[8..]),
            len => (usize::from(len), rest),
        };
        keys.push(rest[..4].try_into().unwrap());
        bytes = &rest[4 + len..];
    }
    keys
}

#[test]
fn every_kind_of_frame_uses_keys_in_the_order_drawn() {
    let drawn = Arc::new(Mutex::new(Vec::new()));
    let source = {
        let (drawn, counting) = (Arc::clone(&drawn), counting_entropy());
        move |out: &mut [u8]| {
            counting(out)?;
            drawn.lock().unwrap().push(out.to_vec());
            Ok(())
        }
    };
    let config = UNLIMITED.with_max_fragment(5000).with_entropy(source);
    let mut client = Connection::client(config, &Negotiated::default()).unwrap();
    let prepared = PreparedMessage::new("prepared");
    let mut written = Vec::new();
    for _ in 0..100 {
        client.send("text").unwrap();
        client.send(vec![7; 3000]).unwrap();
        client.send(&[7; 12_000]).unwrap();
        client.send(&prepared).unwrap();
        client.send_chunk(Chunk::new("a", Fragment::First)).unwrap();
        client.send_chunk(Chunk::new("b", Fragment::Middle)).unwrap();
        client.ping(b"ping").unwrap();
        receive(&mut client, &peer_frame(Role::Client, 0x89, b"answered"));
        client.send_chunk(Chunk::new("", Fragment::Last)).unwrap();
        client.pong(b"pong").unwrap();
        written.extend(take_output(&mut client));
    }
    client.close(CloseCode::NORMAL).unwrap();
    written.extend(take_output(&mut client));

    let frames = 100 * 12 + 1;
    let used = keys(&written);
    assert_eq!(used.len(), frames);
    let drawn = drawn.lock().unwrap();
    let (first, blocks) = drawn.split_first().unwrap();
    assert_eq!(first.len(), 4 * FIRST);
    assert!(blocks.iter().all(|block| block.len() == 4 * BLOCK));
    assert_eq!(blocks.len(), (frames - FIRST).div_ceil(BLOCK));
    let keys_drawn = drawn.iter().flatten().copied().collect::<Vec<u8>>();
    assert!(used.as_flattened() == &keys_drawn[..4 * frames]);
    let distinct: std::collections::HashSet<_> = used.iter().collect();
    assert_eq!(distinct.len(), frames);
}

#[test]
fn refused_calls_use_no_key() {
    let mut client = connection(Role::Client, Config::new().with_high_water_mark(1));
    let mut other = connection(Role::Client, Config::new());
    client.send("full").unwrap();
    for _ in 0..1000 {
        client.send("refused").unwrap_err();
        client.ping(b"refused").unwrap_err();
        client.send_chunk(Chunk::new("refused", Fragment::Last)).unwrap_err();
        client.close(CloseCode(999)).unwrap_err();
    }
    let mut written = take_output(&mut client);
    client.send("next").unwrap();
    written.extend(take_output(&mut client));
    other.send("full").unwrap();
    other.send("next").unwrap();
    assert_eq!(written, take_output(&mut other));
}

#[test]
fn server_draws_no_keys_and_masks_nothing() {
    let config = Config::new().with_entropy(|_: &mut [u8]| panic!("a server needs no key"));
    let mut server = Connection::server(config, &Negotiated::default());
    for _ in 0..2 * BLOCK {
        server.send("text").unwrap();
    }
    assert_eq!(take_output(&mut server), b"\x81\x04text".repeat(2 * BLOCK));
}

#[test]
fn client_is_not_created_when_its_entropy_source_fails() {
    let config = Config::new().with_entropy(|_: &mut [u8]| Err(EntropyError));
    assert!(Connection::client(config, &Negotiated::default()).is_err());
}

#[test]
fn default_entropy_source_requires_the_getrandom_feature() {
    static CONFIG: Config = Config::new();
    let client = Connection::client(&CONFIG, &Negotiated::default());
    assert_eq!(client.is_ok(), cfg!(feature = "getrandom"));
    if let Ok(mut client) = client {
        client.send("masked").unwrap();
        assert_eq!(parse_frames(&take_output(&mut client)), [(0x81, b"masked".to_vec())]);
    }
}

/// A client whose keys are used up and whose entropy source fails.
fn client_without_keys(config: Config) -> Connection {
    let config = config.with_entropy(one_block_of_entropy());
    let mut client = Connection::client(config, &Negotiated::default()).unwrap();
    for i in 0..FIRST {
        client.send(&[i as u8]).unwrap();
    }
    client
}

#[test]
fn entropy_failure_fails_the_connection_without_sending_a_frame() {
    type Cause = fn(&mut Connection) -> Result<(), SendError>;
    let causes: [(&str, Cause); 9] = [
        ("message", |client| Ok(client.send("message")?)),
        ("large message", |client| Ok(client.send(vec![7; 100_000])?)),
        ("chunk", |client| Ok(client.send_chunk(Chunk::new("a", Fragment::First))?)),
        ("prepared message", |client| Ok(client.send(&PreparedMessage::new("prepared"))?)),
        ("ping", |client| client.ping(b"")),
        ("pong", |client| client.pong(b"")),
        ("close", |client| client.close(None)),
        ("automatic Pong", |client| {
            receive_first(client, &peer_frame(Role::Client, 0x89, b"ping"));
            Err(SendError::Entropy)
        }),
        ("reply to a Close", |client| {
            receive_first(client, &peer_close(Role::Client, 1000, ""));
            Err(SendError::Entropy)
        }),
    ];
    for (name, cause) in causes {
        let mut client = client_without_keys(UNLIMITED);
        assert_eq!(cause(&mut client), Err(SendError::Entropy), "{name}");
        assert_eq!(client.error(), Some(ConnectionError::Entropy), "{name}");
        assert!(!client.may_send() && client.has_room(), "{name}");
        let failure = Event::Failed(ConnectionError::Entropy);
        assert_eq!(receive(&mut client, b""), [failure], "{name}");
        assert_eq!(client.send("late").unwrap_err().error, SendError::Closed);
        assert_eq!(client.close(None), Err(SendError::Closed));

        let expected: Vec<_> = (0..FIRST).map(|i| (0x82, vec![i as u8])).collect();
        assert_eq!(parse_frames(&take_output(&mut client)), expected, "{name}");
        assert_eq!(client.transport(), Transport::Abort, "{name}");
        assert!(client.outcome().is_some_and(|outcome| !outcome.clean));
    }
}

/// Receives the first event of `bytes`.
fn receive_first(client: &mut Connection, bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    let mut input = websocket_proto::Input::with_bytes(&mut bytes);
    assert!(client.receive(&mut input).is_some());
}

#[test]
fn entropy_failure_returns_the_message() {
    let mut client = client_without_keys(UNLIMITED.with_max_fragment(10));
    let unsent = client.send("message").unwrap_err();
    assert_eq!(unsent.error, SendError::Entropy);
    assert_eq!(unsent.message, Message::from("message").into());
}

#[test]
fn entropy_failure_in_a_keepalive_ping_fails_the_connection() {
    let timeouts = Timeouts::NONE.with_ping(Some(Duration::from_secs(20)));
    let mut client = client_without_keys(UNLIMITED.with_timeouts(timeouts));
    take_output(&mut client);
    client.handle_timeout(Duration::from_secs(1));
    client.handle_timeout(Duration::from_secs(21));
    assert!(!client.has_output());
    assert_eq!(receive(&mut client, b""), [Event::Failed(ConnectionError::Entropy)]);
}

#[test]
fn entropy_failure_inside_a_message_never_reuses_a_key() {
    let config = UNLIMITED.with_max_fragment(10).with_entropy(one_block_of_entropy());
    let mut client = Connection::client(config, &Negotiated::default()).unwrap();
    let message = vec![7; 10 * FIRST + 1];
    let unsent = client.send(&message).unwrap_err();
    assert_eq!(unsent.error, SendError::Entropy);
    assert!(parse_frames(&take_output(&mut client)).len() <= FIRST);
    assert_eq!(client.error(), Some(ConnectionError::Entropy));
}

#[test]
fn entropy_is_drawn_once_per_block() {
    let calls = Arc::new(AtomicUsize::new(0));
    let source = {
        let calls = Arc::clone(&calls);
        move |out: &mut [u8]| {
            out.fill(calls.fetch_add(1, Relaxed) as u8);
            Ok(())
        }
    };
    let config = Arc::new(UNLIMITED.with_entropy(source));
    let mut client = Connection::client(&config, &Negotiated::default()).unwrap();
    for frames in 1..=3 * BLOCK {
        client.send("").unwrap();
        assert_eq!(calls.load(Relaxed), 1 + frames.saturating_sub(FIRST).div_ceil(BLOCK));
    }
}

#[test]
fn client_that_sent_its_close_draws_keys_only_for_pongs() {
    let config = Config::new().with_entropy(one_block_of_entropy());
    let mut client = Connection::client(config, &Negotiated::default()).unwrap();
    for _ in 0..FIRST - 2 {
        client.ping(b"").unwrap();
    }
    client.close(None).unwrap();
    take_output(&mut client);
    let mut stream = peer_frame(Role::Client, 0x89, b"?");
    stream.extend(peer_frame(Role::Client, 0x81, b"Hello"));
    stream.extend(peer_close(Role::Client, 1000, ""));
    let events = receive(&mut client, &stream);
    assert!(matches!(events[..], [Event::Ping(_), Event::Message(_), Event::Close(Some(_))]));
    assert_eq!(parse_frames(&take_output(&mut client)), [(0x8a, b"?".to_vec())]);
    assert_eq!(receive_last(&mut client, b""), []);
    assert_eq!(outcome(&client), clean(1000));
}
