//! Round trips: messages between a client and a server arrive as sent, whatever the fragments and the cuts.
#![cfg(feature = "alloc")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use bytes::Bytes;
use proptest::prelude::*;
use support::*;
use websocket_proto::frame::mask;
use websocket_proto::session::Session;
use websocket_proto::{
    Chunk, CloseCode, CloseFrame, Config, Connection, Event, Fragment, Message, MessageType,
    Outgoing, PreparedMessage, Role,
};

#[derive(Debug, Clone)]
enum Sent {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

fn sent() -> impl Strategy<Value = Sent> {
    let binary = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..300),
        1 => (65_530_usize..65_540).prop_map(|len| (0..len).map(|i| i as u8).collect()),
    ];
    prop_oneof![
        ".{0,200}".prop_map(Sent::Text),
        binary.prop_map(Sent::Binary),
        prop::collection::vec(any::<u8>(), 0..126).prop_map(Sent::Ping),
        prop::collection::vec(any::<u8>(), 0..126).prop_map(Sent::Pong),
    ]
}

impl Sent {
    fn event(&self) -> Event<'static> {
        match self.clone() {
            Self::Text(text) => Event::Message(Message::from(text)),
            Self::Binary(bytes) => Event::Message(Message::from(bytes)),
            Self::Ping(bytes) => Event::Ping(bytes.into()),
            Self::Pong(bytes) => Event::Pong(bytes.into()),
        }
    }
}

/// Receives `bytes` in pieces of `size`.
fn receive_cut(connection: &mut Connection, bytes: &[u8], size: usize) -> Vec<Event<'static>> {
    bytes.chunks(size).flat_map(|piece| receive(connection, piece)).collect()
}

/// The position of the chunk with this index.
fn position(index: usize, count: usize) -> Fragment {
    match (index == 0, index + 1 == count) {
        (true, true) => Fragment::Whole,
        (true, false) => Fragment::First,
        (false, true) => Fragment::Last,
        (false, false) => Fragment::Middle,
    }
}

proptest! {
    #[test]
    fn messages_round_trip_between_two_connections_in_both_directions(
        sent in prop::collection::vec((any::<bool>(), sent()), 0..20),
        size in 1_usize..5000,
    ) {
        let mut client = connection(Role::Client, Config::new());
        let mut server = connection(Role::Server, Config::new());
        for (from_client, item) in sent {
            let (from, to) = if from_client {
                (&mut client, &mut server)
            } else {
                (&mut server, &mut client)
            };
            match &item {
                Sent::Text(text) => from.send(&**text).unwrap(),
                Sent::Binary(bytes) => from.send(bytes.clone()).unwrap(),
                Sent::Ping(bytes) => from.ping(bytes).unwrap(),
                Sent::Pong(bytes) => from.pong(bytes).unwrap(),
            }
            let wire = take_output(from);
            prop_assert_eq!(receive_cut(to, &wire, size), [item.event()]);
            let reply = take_output(to);
            match item {
                Sent::Ping(bytes) => {
                    let pong = receive_cut(from, &reply, size);
                    prop_assert_eq!(pong, [Event::Pong(bytes.into())]);
                }
                Sent::Text(_) | Sent::Binary(_) | Sent::Pong(_) => prop_assert_eq!(reply, b""),
            }
        }
        client.close(CloseFrame::new(CloseCode(3000), "end").unwrap()).unwrap();
        let close = take_output(&mut client);
        receive_cut(&mut server, &close, size);
        let reply = take_output(&mut server);
        receive_cut(&mut client, &reply, size);
        prop_assert_eq!(receive_last(&mut client, b""), []);
        prop_assert_eq!(outcome(&client), clean(3000));
        prop_assert_eq!(outcome(&server), clean(3000));
    }

    /// A message arrives whole, whatever its type and its fragments.
    #[test]
    fn every_payload_type_arrives_as_the_same_message(
        role in prop::sample::select(vec![Role::Client, Role::Server]),
        text in ".{0,3000}",
        max_fragment in prop::sample::select(vec![usize::MAX, 5000, 1000, 7, 1]),
        size in 1_usize..5000,
    ) {
        let mut from = connection(role, Config::new().with_max_fragment(max_fragment));
        let mut to = connection(peer_of(role), Config::new());
        let bytes = text.as_bytes();
        let prepared = [PreparedMessage::new(&text), PreparedMessage::new(bytes)];
        let message = Message::from(&*text);
        let forms: [Outgoing<'_>; 10] = [
            (&*text).into(),
            text.clone().into(),
            (&message).into(),
            message.clone().into(),
            (&prepared[0]).into(),
            bytes.into(),
            bytes.to_vec().into(),
            Bytes::copy_from_slice(bytes).into(),
            Message::from(bytes).into_owned().into(),
            (&prepared[1]).into(),
        ];
        for form in forms {
            let is_text = form.message_type() == MessageType::Text;
            let expected = if is_text { support::text(&text) } else { binary(bytes) };
            from.send(form).unwrap();
            let wire = take_output(&mut from);
            prop_assert_eq!(receive_cut(&mut to, &wire, size), [expected]);
        }
    }

    /// A connection receives the chunks of another one as one message.
    #[test]
    fn sent_chunks_arrive_as_one_message(
        role in prop::sample::select(vec![Role::Client, Role::Server]),
        parts in prop::collection::vec(prop_oneof![".{0,20}", ".{2000,2100}"], 1..6),
        max_fragment in prop::sample::select(vec![usize::MAX, 1000, 7]),
        owned in any::<bool>(),
        size in 1_usize..5000,
    ) {
        let mut from = connection(role, Config::new().with_max_fragment(max_fragment));
        let mut to = connection(peer_of(role), Config::new());
        let mut wire = Vec::new();
        for (i, part) in parts.iter().enumerate() {
            let fragment = position(i, parts.len());
            let payload = if owned { Message::from(part.clone()) } else { Message::from(part) };
            prop_assert_eq!(from.may_send(), i == 0);
            prop_assert_eq!(from.may_send_chunk(), i > 0);
            from.send_chunk(Chunk::new(payload, fragment)).unwrap();
            from.ping(b"between").unwrap();
            wire.extend(take_output(&mut from));
        }
        let events = receive_cut(&mut to, &wire, size);
        let messages: Vec<_> =
            events.iter().filter(|event| matches!(event, Event::Message(_))).collect();
        prop_assert_eq!(messages, [&text(&parts.concat())]);
        prop_assert_eq!(events.len(), 1 + parts.len());
    }

    /// A connection receives the fragments of a session, which sends them without an allocator, as one
    /// message.
    #[test]
    fn fragments_of_a_session_arrive_as_one_message(
        role in prop::sample::select(vec![Role::Client, Role::Server]),
        payload in ".{0,100}",
        cuts in prop::collection::vec(0.0..1.0_f64, 0..6),
        size in 1_usize..200,
    ) {
        let mut session = Session::new(role);
        let mut peer = connection(peer_of(role), Config::new());
        let mut ends: Vec<usize> =
            cuts.iter().map(|at| (at * payload.len() as f64) as usize).collect();
        ends.push(payload.len());
        ends.sort_unstable();
        let (mut wire, mut start) = (Vec::new(), 0);
        let key = || Ok([9, 8, 7, 6]);
        for (i, end) in ends.iter().enumerate() {
            let fragment = position(i, ends.len());
            let piece = &payload.as_bytes()[start..*end];
            let len = piece.len() as u64;
            let header = session.data_header(MessageType::Text, fragment, len, key).unwrap();
            wire.extend_from_slice(&header.encode());
            let from = wire.len();
            wire.extend_from_slice(piece);
            if let Some(key) = header.masking_key() {
                mask(&mut wire[from..], key, 0);
            }
            let mut ping = [0; Session::MAX_CONTROL_FRAME_LEN];
            let len = session.ping(b"between", key, &mut ping).unwrap();
            wire.extend_from_slice(&ping[..len]);
            start = *end;
        }
        let events = receive_cut(&mut peer, &wire, size);
        let messages: Vec<_> =
            events.iter().filter(|event| matches!(event, Event::Message(_))).collect();
        prop_assert_eq!(messages, [&text(&payload)]);
        prop_assert_eq!(events.len(), 1 + ends.len());
    }
}
