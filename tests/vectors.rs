//! The examples of RFC 6455, section 5.7, received and sent.
#![cfg(feature = "alloc")]

mod support;

use support::*;
use websocket_proto::{Config, Connection, Event, Negotiated, Role};

#[track_caller]
fn client_receives(bytes: &[u8], expected: &[Event<'static>]) {
    let mut client = connection(Role::Client, Config::new());
    assert_eq!(receive(&mut client, bytes), expected);
}

#[test]
fn receives_and_sends_unmasked_text() {
    client_receives(&[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f], &[text("Hello")]);
    let mut server = connection(Role::Server, Config::new());
    server.send("Hello").unwrap();
    assert_eq!(take_output(&mut server), [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
}

#[test]
fn receives_masked_text() {
    let bytes = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    let mut server = connection(Role::Server, Config::new());
    assert_eq!(receive(&mut server, &bytes), [text("Hello")]);
}

#[test]
fn sends_text_masked_with_the_drawn_key() {
    let config = Config::new().with_entropy(|out: &mut [u8]| {
        out.iter_mut().zip([0x37, 0xfa, 0x21, 0x3d].into_iter().cycle()).for_each(|(o, k)| *o = k);
        Ok(())
    });
    let mut client = Connection::client(config, &Negotiated::default()).unwrap();
    client.send("Hello").unwrap();
    let bytes = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(take_output(&mut client), bytes);
}

#[test]
fn receives_fragmented_unmasked_text() {
    client_receives(&[0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f], &[text("Hello")]);
}

#[test]
fn answers_an_unmasked_ping_with_a_masked_pong() {
    let mut client = connection(Role::Client, Config::new());
    let events = receive(&mut client, &[0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
    assert_eq!(events, [Event::Ping(b"Hello".into())]);
    let pong = take_output(&mut client);
    assert_eq!(pong[..2], [0x8a, 0x85]);
    assert_eq!(parse_frames(&pong), [(0x8a, b"Hello".to_vec())]);
    // A server receives the Pong of the RFC's example.
    let mut server = connection(Role::Server, Config::new());
    let bytes = [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(receive(&mut server, &bytes), [Event::Pong(b"Hello".into())]);
}

#[test]
fn receives_and_sends_binary_messages_of_256_bytes_and_64_kib() {
    for (header, len) in
        [(&[0x82, 0x7e, 0x01, 0x00][..], 256), (&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0], 65536)]
    {
        let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
        client_receives(&[header, &payload].concat(), &[binary(&payload)]);
        let mut server = connection(Role::Server, Config::new());
        server.send(&payload[..]).unwrap();
        assert_eq!(take_output(&mut server), [header, &payload].concat());
    }
}
