//! Compressed messages from one connection to another: they arrive, whatever the parameters, and what is
//! sent is what RFC 7692 demands, according to the independent inflater.

use proptest::prelude::*;
use websocket_proto::{
    Chunk, CloseCode, Config, Connection, ConnectionError, Deflate, DeflateParameters, Delivery,
    Event, Fragment, Input, Message, MessageType, Negotiated, Next, PreparedMessage, Role,
    SendError,
};

use crate::cuts::{offsets, seen};
use crate::endpoints::{endpoint, json, no_takeover, noise};
use crate::naive::{Inflater, Seen, join};
use crate::support::{
    ROLES, connection, counting_entropy, frames::pieces, negotiated_connection, parse_frames,
    peer_of, receive, sample_text, take_output,
};

#[derive(Clone, Copy, Debug)]
enum Content {
    Json,
    Characters,
    Noise,
    Zeros,
}

impl Content {
    fn message(self, len: usize) -> Message<'static> {
        match self {
            Self::Json => json(len).into(),
            Self::Characters => sample_text(len).into(),
            Self::Noise => noise(len).into(),
            Self::Zeros => vec![0; len].into(),
        }
    }
}

/// A way to send a message.
#[derive(Clone, Debug)]
enum Call {
    Borrowed,
    Owned,
    Prepared,
    Uncompressed,
    /// In pieces that end at these parts of the payload. Those in the second list, and the first piece if
    /// that is its choice, go through `send_chunk_uncompressed`.
    Chunks {
        cuts: Vec<f64>,
        uncompressed: [bool; 2],
    },
}

#[derive(Clone, Debug)]
struct Sent {
    content: Content,
    len: usize,
    call: Call,
}

fn sent() -> impl Strategy<Value = Sent> {
    let content = prop::sample::select(vec![
        Content::Json,
        Content::Characters,
        Content::Noise,
        Content::Zeros,
    ]);
    let len = prop_oneof![
        4 => 0_usize..10,
        4 => prop::sample::select(vec![100_usize, 125, 126, 127, 128, 129, 1000, 1024, 1025, 4096]),
        4 => 0_usize..5000,
        2 => prop::sample::select(vec![16_383_usize, 65_535, 65_536, 65_537]),
        1 => 60_000_usize..300_000,
    ];
    let call = prop_oneof![
        3 => Just(Call::Borrowed),
        2 => Just(Call::Owned),
        2 => Just(Call::Prepared),
        1 => Just(Call::Uncompressed),
        4 => (prop::collection::vec(0.0..1.1_f64, 0..5), any::<[bool; 2]>())
            .prop_map(|(cuts, [first, others])| Call::Chunks {
                cuts,
                uncompressed: [first && others, others],
            }),
    ];
    (content, len, call).prop_map(|(content, len, call)| Sent { content, len, call })
}

fn deflate() -> impl Strategy<Value = Deflate> {
    let min_len = prop::sample::select(vec![0_usize, 1, 128, 1000]);
    (9_u8..16, any::<bool>(), 1_u8..10, prop::option::of(1_u8..10), min_len).prop_map(
        |(bits, has_takeover, level, memory_level, min_len)| {
            let mut deflate = Deflate::new()
                .with_outgoing_window_bits(bits)
                .with_level(level)
                .with_min_len(min_len);
            if has_takeover {
                deflate = deflate.with_outgoing_context_takeover();
            }
            if let Some(level) = memory_level {
                deflate = deflate.with_memory_level(level);
            }
            deflate
        },
    )
}

fn agreed() -> impl Strategy<Value = DeflateParameters> {
    (any::<[bool; 2]>(), 8_u8..17, 8_u8..17).prop_map(
        |([server, client], server_bits, client_bits)| {
            let mut agreed = DeflateParameters::new();
            if server {
                agreed = agreed.with_server_no_context_takeover();
            }
            if client {
                agreed = agreed.with_client_no_context_takeover();
            }
            // 16 stands for a parameter that was not agreed.
            if server_bits < 16 {
                agreed = agreed.with_server_max_window_bits(server_bits);
            }
            if client_bits < 16 {
                agreed = agreed.with_client_max_window_bits(client_bits);
            }
            agreed
        },
    )
}

/// The agreed window and context takeover of the messages that `sender` sends.
fn of_sender(agreed: DeflateParameters, sender: Role) -> (u8, bool) {
    let (bits, forbids_context) = match sender {
        Role::Server => (agreed.server_max_window_bits(), agreed.server_no_context_takeover()),
        Role::Client => (agreed.client_max_window_bits(), agreed.client_no_context_takeover()),
    };
    (bits.unwrap_or(15), !forbids_context)
}

fn send(connection: &mut Connection, sent: &Sent) {
    let message = sent.content.message(sent.len);
    match &sent.call {
        Call::Borrowed => connection.send(&message).unwrap(),
        Call::Owned => connection.send(message).unwrap(),
        Call::Prepared => connection.send(&PreparedMessage::new(message)).unwrap(),
        Call::Uncompressed => connection.send_uncompressed(message).unwrap(),
        Call::Chunks { cuts, uncompressed } => {
            let pieces = chunks(&message, cuts);
            let count = pieces.len();
            for (i, piece) in pieces.into_iter().enumerate() {
                let fragment = match (i == 0, i + 1 == count) {
                    (true, true) => Fragment::Whole,
                    (true, false) => Fragment::First,
                    (false, false) => Fragment::Middle,
                    (false, true) => Fragment::Last,
                };
                let chunk = Chunk::new(piece, fragment);
                if uncompressed[usize::from(i > 0)] {
                    connection.send_chunk_uncompressed(chunk).unwrap();
                } else {
                    connection.send_chunk(chunk).unwrap();
                }
            }
        }
    }
}

/// Splits a message at these parts of its payload, or at the next characters.
fn chunks<'m>(message: &'m Message<'_>, cuts: &[f64]) -> Vec<Message<'m>> {
    let len = message.as_bytes().len();
    let cuts = offsets(cuts, len);
    match message {
        Message::Binary(bytes) => pieces(bytes, &cuts).into_iter().map(Message::from).collect(),
        Message::Text(text) => {
            let ends =
                |at: &usize| (*at..=len).find(|at| text.is_char_boundary(*at)).unwrap_or(len);
            let cuts: Vec<usize> = cuts.iter().map(ends).collect();
            let pieces = pieces(text.as_bytes(), &cuts);
            pieces.into_iter().map(|piece| str::from_utf8(piece).unwrap().into()).collect()
        }
    }
}

/// Reads the output of a connection as RFC 7692 says, and returns the messages. Asserts the rules for RSV1
/// and FIN, and that a whole message that is compressed is smaller.
#[track_caller]
fn read_sent(output: &[u8], inflater: &mut Inflater) -> Vec<Message<'static>> {
    let (mut messages, mut current) = (Vec::new(), None);
    for (first, payload) in parse_frames(output) {
        if first & 15 == 0 {
            assert_eq!(first & 0x70, 0, "a continuation has a reserved bit");
            let (_, before): &mut (u8, Vec<u8>) = current.as_mut().unwrap();
            before.extend(payload);
        } else {
            assert!(current.is_none(), "a message begins inside another");
            assert_eq!(first & 0x30, 0);
            current = Some((first, payload));
        }
        if first & 0x80 == 0 {
            continue;
        }
        let (first, payload) = current.take().unwrap();
        let payload = if first & 0x40 == 0 { payload } else { inflater.message(&payload).unwrap() };
        messages.push(match first & 15 {
            1 => String::from_utf8(payload).unwrap().into(),
            _ => payload.into(),
        });
    }
    assert!(current.is_none(), "a message does not end");
    messages
}

proptest! {
    #[test]
    fn messages_arrive_and_inflate_as_the_rfc_demands_for_all_parameters(
        role in prop::sample::select(ROLES.to_vec()),
        delivery in prop::sample::select(vec![Delivery::Messages, Delivery::Chunks]),
        deflate in deflate(),
        agreed in agreed(),
        max_fragment in prop::sample::select(vec![usize::MAX, 50_000, 1000, 100, 1]),
        messages in prop::collection::vec(sent(), 1..12),
    ) {
        let config = Config::new()
            .with_deflate(deflate)
            .with_max_fragment(max_fragment)
            .with_high_water_mark(usize::MAX);
        let mut sender = endpoint(role, config, agreed);
        let mut receiver = endpoint(peer_of(role), Config::new().with_delivery(delivery), agreed);
        let (bits, has_takeover) = of_sender(agreed, role);
        let bits = bits.min(deflate.outgoing_window_bits());
        let mut inflater = Inflater::strict(bits, has_takeover);
        let mut budget = if max_fragment < 1000 { 20_000_usize } else { 1 << 20 };
        for sent in &messages {
            // Frames of a byte are slow to send, and to read here.
            let Some(remaining) = budget.checked_sub(sent.len) else { continue };
            budget = remaining;
            send(&mut sender, sent);
            let message = sent.content.message(sent.len);
            let output = take_output(&mut sender);
            let streamed = matches!(sent.call, Call::Chunks { .. });
            let first = parse_frames(&output)[0].0;
            let is_switched_off = match &sent.call {
                Call::Uncompressed => true,
                Call::Chunks { uncompressed: [is_first_uncompressed, _], .. } => {
                    *is_first_uncompressed
                }
                Call::Borrowed | Call::Owned | Call::Prepared => false,
            };
            if bits == 8 || is_switched_off {
                prop_assert_eq!(first & 0x40, 0);
            } else if let Call::Chunks { cuts, .. } = &sent.call && !cuts.is_empty() {
                // A message in several pieces is compressed even if it grows.
                prop_assert_eq!(first & 0x40, 0x40);
            }
            if !matches!(sent.call, Call::Prepared) {
                let frames = parse_frames(&output);
                prop_assert!(frames.iter().all(|(_, payload)| payload.len() <= max_fragment));
            }
            if first & 0x40 != 0 && !streamed {
                let len: usize = parse_frames(&output).iter().map(|(_, one)| one.len()).sum();
                // The first message of a context may grow.
                let keeps_context = deflate.outgoing_context_takeover() && has_takeover;
                let growth = if keeps_context { 2 } else { -1 };
                prop_assert!(len as isize <= sent.len as isize + growth);
                prop_assert!(sent.len >= deflate.min_len());
            }
            let read = read_sent(&output, &mut inflater);
            prop_assert!(read == [message.clone()], "{:?}", sent);
            let events = receive(&mut receiver, &output).into_iter().map(seen).collect();
            let events = join(events);
            prop_assert!(events == [seen(Event::Message(message))], "{:?}", sent);
        }
        prop_assert!(sender.error().is_none() && receiver.error().is_none());
    }

    /// A probe between any two messages refers to the probe before, if the compressor kept its context.
    #[test]
    fn both_contexts_agree_after_any_message(
        role in prop::sample::select(ROLES.to_vec()),
        bits in 9_u8..16,
        level in 1_u8..10,
        max_fragment in prop::sample::select(vec![usize::MAX, 1000, 100]),
        messages in prop::collection::vec(sent(), 1..8),
    ) {
        let deflate = Deflate::new()
            .with_outgoing_context_takeover()
            .with_outgoing_window_bits(bits)
            .with_level(level)
            .with_min_len(100);
        let agreed = DeflateParameters::new()
            .with_server_max_window_bits(bits)
            .with_client_max_window_bits(bits);
        let config = Config::new()
            .with_deflate(deflate)
            .with_max_fragment(max_fragment)
            .with_high_water_mark(usize::MAX);
        let mut sender = endpoint(role, config, agreed);
        let mut receiver = endpoint(peer_of(role), Config::new(), agreed);
        let mut inflater = Inflater::strict(bits, true);
        let probe = Sent { content: Content::Json, len: 200, call: Call::Borrowed };
        let mut budget = 1_usize << 17;
        for sent in &messages {
            let Some(remaining) = budget.checked_sub(sent.len) else { continue };
            budget = remaining;
            let mut lens = [0; 3];
            for (len, sent) in lens.iter_mut().zip([&probe, &probe, sent]) {
                send(&mut sender, sent);
                let output = take_output(&mut sender);
                let message = sent.content.message(sent.len);
                prop_assert!(read_sent(&output, &mut inflater) == [message.clone()], "{:?}", sent);
                let events = receive(&mut receiver, &output);
                prop_assert!(events == [Event::Message(message)], "{:?}", sent);
                *len = parse_frames(&output).iter().map(|(_, payload)| payload.len()).sum();
            }
            // At level 1, the codec does not find all of the first probe if its buffer ends within the second.
            prop_assert!(level == 1 || lens[1] < 20, "the second probe has {} bytes", lens[1]);
        }
        // The context after the last message.
        send(&mut sender, &probe);
        let output = take_output(&mut sender);
        prop_assert!(read_sent(&output, &mut inflater) == [Message::from(json(probe.len))]);
        prop_assert!(receive(&mut receiver, &output) == [Event::Message(json(probe.len).into())]);
    }

    #[test]
    fn connection_with_deflate_delivers_the_events_of_one_without(
        role in prop::sample::select(ROLES.to_vec()),
        delivery in prop::sample::select(vec![Delivery::Messages, Delivery::Chunks]),
        deflate in deflate(),
        agreed in agreed(),
        messages in prop::collection::vec(sent(), 1..8),
        cut in 1_usize..5000,
    ) {
        let config = || Config::new().with_deflate(deflate).with_high_water_mark(usize::MAX);
        let receiver = || Config::new().with_delivery(delivery).with_statistics();
        let mut results = Vec::new();
        for (mut sender, mut receiver) in [
            (endpoint(role, config(), agreed), endpoint(peer_of(role), receiver(), agreed)),
            (connection(role, config()), connection(peer_of(role), receiver())),
        ] {
            for sent in &messages {
                send(&mut sender, sent);
                sender.ping(b"between").unwrap();
            }
            sender.close(None).unwrap();
            let mut events: Vec<Seen> = Vec::new();
            for piece in take_output(&mut sender).chunks(cut) {
                events.extend(receive(&mut receiver, piece).into_iter().map(seen));
            }
            results.push((join(events), receiver.error(), take_output(&mut receiver)));
        }
        prop_assert!(results[0] == results[1]);
    }
}

#[test]
fn messages_of_any_length_arrive() {
    for (role, has_takeover) in ROLES.into_iter().flat_map(|role| [(role, false), (role, true)]) {
        let mut deflate = Deflate::new().with_min_len(0);
        let mut agreed = DeflateParameters::new();
        if has_takeover {
            deflate = deflate.with_outgoing_context_takeover();
        } else {
            agreed = no_takeover();
        }
        let mut sender = endpoint(role, Config::new().with_deflate(deflate), agreed);
        let mut receiver = endpoint(peer_of(role), Config::new(), agreed);
        for len in [0, 1, 5, 0, 100, 125, 126, 65_535, 65_536, 300_000, 5, 1 << 20, 0, 0, 1000] {
            let text = json(len);
            sender.send(text.as_str()).unwrap();
            let compressed = take_output(&mut sender);
            sender.send(noise(len)).unwrap();
            let uncompressed = take_output(&mut sender);
            let events = receive(&mut receiver, &[&compressed[..], &uncompressed].concat());
            let expected = [Message::from(text), Message::from(noise(len))].map(Event::Message);
            assert!(events == expected, "{len} bytes");
            assert!(len < 500 || compressed.len() < len / 2, "{len} bytes");
            assert!(uncompressed.len() <= len + 14, "{len} bytes");
        }
    }
}

#[test]
fn prepared_message_is_sent_in_one_frame_by_both_roles() {
    for role in ROLES {
        let config = Config::new().with_deflate(Deflate::new()).with_max_fragment(100);
        let mut sender = endpoint(role, config, DeflateParameters::new());
        for (message, first) in [(json(5000), 0xc1), ("é".repeat(50), 0x81)] {
            sender.send(&PreparedMessage::new(message)).unwrap();
            let frames = parse_frames(&take_output(&mut sender));
            assert_eq!(frames.len(), 1, "{role:?}");
            assert_eq!(frames[0].0, first, "{role:?}");
        }
    }
}

/// The second half of each message refers to the first one, over a distance that only the window of `bits`
/// and longer ones cover.
#[test]
fn prepared_message_has_an_encoding_for_each_window_in_use() {
    for bits in 9..=15_u8 {
        let message = PreparedMessage::new(noise((1 << bits) - 300).repeat(2));
        // The first connection decides nothing for the others.
        let (shorter_first, longer_first) = (8..=15_u8, (8..=15_u8).rev());
        for window in shorter_first.chain(longer_first) {
            let agreed = DeflateParameters::new().with_server_max_window_bits(window);
            let config = Config::new().with_deflate(Deflate::new());
            let mut sender = endpoint(Role::Server, config, agreed);
            sender.send(&message).unwrap();
            let output = take_output(&mut sender);
            let is_compressed = output[0] & 0x40 != 0;
            assert_eq!(is_compressed, window >= bits, "{bits} bits, a window of {window}");
            let read = read_sent(&output, &mut Inflater::strict(window, false));
            assert!(read == [Message::from(message.payload())], "{bits} bits, {window}");
            sender.send(message.payload()).unwrap();
            assert!(take_output(&mut sender) == output, "{bits} bits, {window}");
        }
    }
}

#[test]
fn level_of_the_configuration_applies_to_every_way_to_send() {
    let text = json(20_000);
    let prepared = PreparedMessage::new(text.as_str());
    let sizes = [1, 6, 9, 1].map(|level| {
        let config = Config::new().with_deflate(Deflate::new().with_level(level));
        let mut sender = endpoint(Role::Server, config, DeflateParameters::new());
        sender.send(text.as_str()).unwrap();
        let whole = take_output(&mut sender);
        sender.send(&prepared).unwrap();
        assert!(take_output(&mut sender) == whole, "level {level}");
        for fragment in [Fragment::First, Fragment::Last] {
            sender.send_chunk(Chunk::new(text.as_str(), fragment)).unwrap();
        }
        [whole.len(), take_output(&mut sender).len()]
    });
    for [fast, default, small, _] in [0, 1].map(|way| sizes.map(|size| size[way])) {
        assert!(fast > default && default > small, "{fast}, {default} and {small} bytes");
    }
}

#[test]
fn each_piece_of_a_streamed_message_arrives_before_the_next_is_sent() {
    for role in ROLES {
        let config = Config::new().with_deflate(Deflate::new());
        let mut sender = endpoint(role, config, DeflateParameters::new());
        let config = Config::new().with_delivery(Delivery::Chunks);
        let mut receiver = endpoint(peer_of(role), config, DeflateParameters::new());
        for (i, piece) in ["a", "long piece ", "é", "long piece ", "."].into_iter().enumerate() {
            let fragment = [Fragment::First, Fragment::Middle, Fragment::Last];
            let fragment = fragment[i.min(1) + usize::from(i == 4)];
            sender.send_chunk(Chunk::new(piece, fragment)).unwrap();
            let events = receive(&mut receiver, &take_output(&mut sender));
            assert_eq!(events, [Event::Chunk(Chunk::new(piece, fragment))]);
        }
        assert_eq!(receiver.error(), None);
    }
}

#[test]
fn short_and_incompressible_messages_are_sent_uncompressed() {
    let config = Config::new().with_deflate(Deflate::new());
    let mut sender = endpoint(Role::Server, config, DeflateParameters::new());
    for (message, first) in [
        (Message::from("a".repeat(127)), 0x81),
        (Message::from("a".repeat(128)), 0xc1),
        (Message::from(noise(128)), 0x82),
        (Message::from(noise(100_000)), 0x82),
        (Message::from(vec![0; 100_000]), 0xc2),
    ] {
        let message_type = message.message_type();
        sender.send(message).unwrap();
        let frames = parse_frames(&take_output(&mut sender));
        assert_eq!(frames.len(), 1);
        assert_eq!(frames[0].0, first);
        assert_eq!(message_type == MessageType::Text, first & 15 == 1);
    }
}

#[test]
fn empty_message_is_sent_uncompressed_in_any_context() {
    for role in ROLES {
        let deflate = Deflate::new().with_min_len(0).with_outgoing_context_takeover();
        let config = Config::new().with_deflate(deflate);
        let mut sender = endpoint(role, config, DeflateParameters::new());
        let mut inflater = Inflater::strict(15, true);
        for len in [0, 1000, 0, 0, 300] {
            sender.send(json(len)).unwrap();
            let output = take_output(&mut sender);
            assert_eq!(parse_frames(&output)[0].0, if len == 0 { 0x81 } else { 0xc1 });
            assert_eq!(read_sent(&output, &mut inflater), [Message::from(json(len))]);
        }
    }
}

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
    server.send(noise(100)).unwrap();
    assert_eq!(take_output(&mut server)[0], 0x82);
}

#[test]
fn streamed_message_that_a_close_abandons_ends_without_a_failure() {
    for (role, has_takeover) in ROLES.into_iter().flat_map(|role| [(role, false), (role, true)]) {
        let mut deflate = Deflate::new();
        if has_takeover {
            deflate = deflate.with_outgoing_context_takeover();
        }
        let config = Config::new().with_deflate(deflate);
        let mut sender = endpoint(role, config, DeflateParameters::new());
        let config = Config::new().with_delivery(Delivery::Chunks);
        let mut receiver = endpoint(peer_of(role), config, DeflateParameters::new());
        sender.send(json(500)).unwrap();
        sender.send_chunk(Chunk::new(json(600), Fragment::First)).unwrap();
        sender.close(CloseCode::GOING_AWAY).unwrap();
        let refused = sender.send_chunk(Chunk::new(json(600), Fragment::Last)).unwrap_err();
        assert_eq!(refused.error, SendError::Closed);
        let refused = sender.send(json(600)).unwrap_err();
        assert_eq!(refused.error, SendError::Closed);
        let events = receive(&mut receiver, &take_output(&mut sender));
        let [Event::Chunk(first), Event::Chunk(second), Event::Close(_)] = &events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(*first, Chunk::new(json(500), Fragment::Whole));
        assert_eq!(*second, Chunk::new(json(600), Fragment::First));
        receive(&mut sender, &take_output(&mut receiver));
        assert_eq!((sender.error(), receiver.error()), (None, None));
    }
}

#[test]
fn failure_after_next_precedes_the_event_that_next_found() {
    for agreed in [None, Some(DeflateParameters::new())] {
        let config = Config::new()
            .with_deflate(Deflate::new())
            .with_delivery(Delivery::Chunks)
            .with_entropy(counting_entropy());
        let negotiated = Negotiated::default().with_deflate_parameters(agreed);
        let mut server = Connection::server(config, &negotiated);
        let mut peer = negotiated_connection(Role::Client, Config::new(), &negotiated);
        peer.send(json(1000)).unwrap();
        let mut bytes = take_output(&mut peer);
        let mut input = Input::with_bytes(&mut bytes);
        assert_eq!(server.next(&mut input), Next::Message);
        server.abort();
        let aborted = Event::Failed(ConnectionError::Aborted);
        assert_eq!(server.receive(&mut input), Some(aborted), "{agreed:?}");
        assert_eq!(server.receive(&mut input), None);
    }
}

/// Compression that would not make a message smaller is abandoned. If the output buffer of the codec is
/// full at that moment, the codec is inside a block.
#[test]
fn abandoned_compression_leaves_no_trace_in_the_next_message() {
    for (memory_level, len) in [(1, 249_016), (8, 249_016), (1, 262_000), (8, 262_000)] {
        for has_context in [true, false] {
            let mut deflate =
                Deflate::new().with_level(1).with_memory_level(memory_level).with_min_len(1);
            if has_context {
                deflate = deflate.with_outgoing_context_takeover();
            }
            let config = Config::new().with_deflate(deflate);
            let mut sender = endpoint(Role::Server, config, DeflateParameters::new());
            let mut inflater = Inflater::strict(15, true);
            for message in [Content::Noise.message(len), Content::Json.message(1000)] {
                sender.send(&message).unwrap();
                let read = read_sent(&take_output(&mut sender), &mut inflater);
                assert!(read == [message], "{memory_level}, {len}, {has_context}");
            }
        }
    }
}
