//! Short messages with context takeover.

use websocket_proto::{Config, Deflate, DeflateParameters, Event, Message, Role};

use crate::messages::endpoint;
use crate::support::{receive, take_output};

#[test]
fn short_messages_build_a_context_although_the_first_one_grows() {
    let deflate = Deflate::new().with_min_len(1).with_outgoing_context_takeover();
    let agreed = DeflateParameters::new();
    let mut server = endpoint(Role::Server, Config::new().with_deflate(deflate), agreed);
    let mut client = endpoint(Role::Client, Config::new().with_deflate(deflate), agreed);
    for i in 0..20 {
        let text = format!("{{\"id\":{i:05},\"user\":\"mira\"}}");
        server.send(text.as_str()).unwrap();
        let frame = take_output(&mut server);
        // The header has two bytes.
        let most = if i == 0 { text.len() + 4 } else { text.len() / 2 };
        assert!(frame.len() <= most, "{i}: {} bytes", frame.len());
        assert_eq!(receive(&mut client, &frame), [Event::Message(Message::from(text.as_str()))]);
    }
}

#[test]
fn a_first_message_that_grows_further_is_sent_uncompressed() {
    let deflate = Deflate::new().with_min_len(1).with_outgoing_context_takeover();
    let agreed = DeflateParameters::new();
    let mut server = endpoint(Role::Server, Config::new().with_deflate(deflate), agreed);
    let noise: Vec<u8> =
        (0..100_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    server.send(&*noise).unwrap();
    assert_eq!(take_output(&mut server)[0], 0x82);
}
