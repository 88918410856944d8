//! A client and a server: arbitrary messages, fragmented arbitrarily, arrive as they were sent.

mod support;

use proptest::prelude::*;
use support::*;
use websocket_proto::{
    CloseCode, CloseFrame, Config, Connection, Event, Fragment, FrameHeader, Message, MessageType,
    Role, Session, mask,
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

/// Everything that `connection` makes of `bytes` cut into pieces of `size`.
fn receive_cut(connection: &mut Connection, bytes: &[u8], size: usize) -> Vec<Event<'static>> {
    bytes.chunks(size).flat_map(|piece| receive(connection, piece)).collect()
}

proptest! {
    #[test]
    fn messages_pass_between_two_connections_in_both_directions(
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
        client.receive_eof();
        prop_assert_eq!(client.outcome(), clean(3000));
        prop_assert_eq!(server.outcome(), clean(3000));
    }

    /// A session without an allocator sends, a connection receives.
    #[test]
    fn fragments_of_a_session_arrive_as_one_message(
        role in prop::sample::select(vec![Role::Client, Role::Server]),
        payload in ".{0,100}",
        cuts in prop::collection::vec(0.0..1.0_f64, 0..6),
        size in 1_usize..200,
    ) {
        let mut session = Session::new(role);
        let mut peer = connection(
            match role { Role::Client => Role::Server, Role::Server => Role::Client },
            Config::new(),
        );
        let mut ends: Vec<usize> =
            cuts.iter().map(|at| (at * payload.len() as f64) as usize).collect();
        ends.push(payload.len());
        ends.sort_unstable();
        let (mut wire, mut start) = (Vec::new(), 0);
        let key = || Ok([9, 8, 7, 6]);
        for (i, end) in ends.iter().enumerate() {
            let fragment = match (i, i + 1 == ends.len()) {
                (0, true) => Fragment::Whole(MessageType::Text),
                (0, false) => Fragment::First(MessageType::Text),
                (_, true) => Fragment::Last,
                (_, false) => Fragment::Middle,
            };
            let piece = &payload.as_bytes()[start..*end];
            let header: FrameHeader = session.send(fragment, piece.len() as u64, key).unwrap();
            wire.extend_from_slice(&header.encode());
            let from = wire.len();
            wire.extend_from_slice(piece);
            if let Some(key) = header.masking_key() {
                mask(&mut wire[from..], key, 0);
            }
            let mut ping = [0; Session::MAX_REPLY];
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
