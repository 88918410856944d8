//! Compressed messages from one connection to another.

use websocket_proto::{
    Chunk, Config, Connection, Deflate, DeflateParameters, Event, Fragment, Message, Negotiated,
    PreparedMessage, Role,
};

use crate::support::{counting_entropy, receive, take_output};

pub(crate) fn endpoint(role: Role, config: Config, agreed: DeflateParameters) -> Connection {
    let negotiated = Negotiated::default().with_deflate(agreed);
    let config = config.with_entropy(counting_entropy());
    match role {
        Role::Server => Connection::server(config, &negotiated),
        Role::Client => Connection::client(config, &negotiated).unwrap(),
    }
}

fn payload(len: usize) -> String {
    (0..)
        .map(|i| format!("{{\"id\":{i},\"name\":\"user{}\"}},", i * 7 % 13))
        .flat_map(|s| s.into_bytes())
        .take(len)
        .map(char::from)
        .collect()
}

#[test]
fn messages_of_any_length_arrive() {
    for takeover in [false, true] {
        let mut deflate = Deflate::new().with_min_len(0);
        let mut agreed = DeflateParameters::new();
        if takeover {
            deflate = deflate.with_outgoing_context_takeover();
        } else {
            agreed = agreed.with_server_no_context_takeover().with_client_no_context_takeover();
        }
        for role in [Role::Server, Role::Client] {
            let peer = if role == Role::Server { Role::Client } else { Role::Server };
            let mut sender = endpoint(role, Config::new().with_deflate(deflate), agreed);
            let mut receiver = endpoint(peer, Config::new().with_deflate(deflate), agreed);
            for len in [0, 1, 5, 100, 125, 126, 1000, 65_535, 65_536, 70_000, 300_000, 5, 1000] {
                let text = payload(len);
                sender.send(text.as_str()).unwrap();
                sender.send(text.clone().into_bytes()).unwrap();
                let bytes = take_output(&mut sender);
                let events = receive(&mut receiver, &bytes);
                assert_eq!(
                    events,
                    [
                        Event::Message(Message::from(text.as_str())),
                        Event::Message(Message::from(text.as_bytes()))
                    ],
                    "{len}"
                );
                if len > 1000 {
                    assert!(bytes.len() < len);
                }
            }
            sender.send_chunk(Chunk::new("Hel", Fragment::First)).unwrap();
            sender.send_chunk(Chunk::new("", Fragment::Middle)).unwrap();
            sender.send_chunk(Chunk::new("lo", Fragment::Middle)).unwrap();
            sender.send_chunk(Chunk::new("", Fragment::Last)).unwrap();
            let prepared = PreparedMessage::new(payload(1000));
            sender.send(&prepared).unwrap();
            sender.send(payload(500)).unwrap();
            let bytes = take_output(&mut sender);
            let events = receive(&mut receiver, &bytes);
            assert_eq!(
                events,
                [
                    Event::Message(Message::from("Hello")),
                    Event::Message(Message::from(payload(1000))),
                    Event::Message(Message::from(payload(500))),
                ]
            );
        }
    }
}
