//! Bounds on memory and work: whatever a peer sends, and at rest.

use websocket_proto::{
    Chunk, Config, Connection, Deflate, DeflateParameters, Delivery, Event, Fragment, Input, Limit,
    Limits, Message, PreparedMessage, Role,
};

use crate::blocks::{Block, compressed, flushed, message};
use crate::endpoints::{endpoint, json, no_takeover, noise};
use crate::memory::{heap_of, measure};
use crate::support::{
    ROLES, connection, count_events, discard_output, peer_close, peer_frame, peer_of, take_output,
};

/// The bound on memory beyond twice the message limit.
const SLACK: isize = 64 << 10;

/// The bytes that the pool of codecs holds at most, as its documentation says.
const MAX_POOL: isize = 5 << 20;

const AGREED: [fn() -> DeflateParameters; 2] = [no_takeover, DeflateParameters::new];

/// Fills the pools of the thread: an inflater with a full window, compressors, and an output buffer.
fn warm() {
    for role in ROLES {
        let config = Config::new().with_deflate(Deflate::new());
        let mut sender = endpoint(role, config, no_takeover());
        let mut receiver = endpoint(peer_of(role), Config::new(), no_takeover());
        for len in [500, 3000, 100_000] {
            sender.send(json(len)).unwrap();
            sender.send_chunk(Chunk::new("first", Fragment::First)).unwrap();
            sender.send_chunk(Chunk::new("last", Fragment::Last)).unwrap();
            for piece in take_output(&mut sender).chunks_mut(1000) {
                count_events(&mut receiver, piece);
            }
        }
    }
}

fn assert_peak(peak: isize, limit: usize, what: &str) {
    assert!(peak <= 2 * limit as isize + SLACK, "{what}: {peak} bytes with a limit of {limit}");
}

#[test]
fn bomb_holds_at_most_twice_the_message_limit() {
    const LIMIT: usize = 1 << 20;
    let payload = compressed(&vec![0; 100 << 20]);
    assert!(payload.len() < 150_000, "{}", payload.len());
    warm();
    let fragments = |role, opcode: u8, max: usize| {
        let count = payload.len().div_ceil(max);
        let parts = payload.chunks(max).enumerate();
        let frames = parts.map(|(i, part)| {
            let first = if i == 0 { 0x40 | opcode } else { 0 };
            peer_frame(role, if i + 1 == count { 0x80 | first } else { first }, part)
        });
        frames.collect::<Vec<_>>().concat()
    };
    for role in ROLES {
        for agreed in AGREED {
            for cut in [100, 10_000, usize::MAX] {
                for (opcode, max) in [(1, usize::MAX), (2, usize::MAX), (1, 300), (2, 300)] {
                    let limits = Limits::DEFAULT.with_max_message(LIMIT as u64);
                    let config = Config::new().with_limits(limits);
                    let mut end = endpoint(role, config, agreed());
                    let mut bytes = fragments(role, opcode, max);
                    let (_, _, peak) = measure(|| {
                        for piece in bytes.chunks_mut(cut) {
                            count_events(&mut end, piece);
                        }
                        discard_output(&mut end);
                    });
                    assert_eq!(end.error(), Some(Limit::Message.into()));
                    assert_peak(peak, LIMIT, "bomb");
                }
            }
        }
    }
}

#[test]
fn limit_fails_a_message_before_its_bytes_are_allocated() {
    let payload = compressed(&vec![0; 10 << 20]);
    warm();
    for (round, limit) in [0, 0, 1, 4096, 65_536].into_iter().enumerate() {
        let limits = Limits::DEFAULT.with_max_message(limit as u64).with_max_frame(1 << 20);
        let mut server = endpoint(Role::Server, Config::new().with_limits(limits), no_takeover());
        let mut bytes = peer_frame(Role::Server, 0xc2, &payload);
        let (_, held, peak) = measure(|| {
            assert_eq!(count_events(&mut server, &mut bytes), 1);
            discard_output(&mut server);
        });
        assert_eq!(server.error(), Some(Limit::Message.into()));
        // The first round warms the pool of output queues.
        assert!(held == 0 || round == 0, "{limit}: {held}");
        assert!(peak <= 2 * limit as isize + 16_384, "{limit}: {peak}");
    }
}

#[test]
fn blocks_without_output_take_constant_memory_and_a_constant_number_of_allocations() {
    const COUNT: usize = 1_000_000;
    let empty_stored = [0x00, 0x00, 0x00, 0xff, 0xff];
    let empty_final = [0x03, 0x00];
    let empty_fixed: Vec<u8> = {
        let four = vec![Block::Fixed(vec![]); 4];
        // Four blocks of 10 bits are 5 bytes; the end of the message is another byte.
        message(&four)[..5].to_vec()
    };
    let full_window = flushed(&noise(40_000));
    warm();
    for (what, block, per_unit) in
        [("stored", &empty_stored[..], 1), ("fixed", &empty_fixed, 4), ("final", &empty_final, 1)]
    {
        for agreed in AGREED {
            for delivery in [Delivery::Messages, Delivery::Chunks] {
                let mut allocations = Vec::new();
                for count in [COUNT / 100, COUNT] {
                    let payload = [&block.repeat(count / per_unit)[..], &[0]].concat();
                    let config = Config::new().with_delivery(delivery);
                    let mut server = endpoint(Role::Server, config, agreed());
                    // Each stream after a block with BFINAL set starts with the window, which is full.
                    count_events(&mut server, &mut peer_frame(Role::Server, 0x42, &full_window));
                    let mut bytes = peer_frame(Role::Server, 0x80, &payload);
                    let (count, held, peak) =
                        measure(|| assert_eq!(count_events(&mut server, &mut bytes), 1));
                    assert_eq!(server.error(), None);
                    assert!(peak <= SLACK && held <= 1000, "{what}: {peak}, {held}");
                    allocations.push(count);
                }
                assert_eq!(allocations[0], allocations[1], "{what}");
            }
        }
    }
}

#[test]
fn million_tiny_blocks_hold_at_most_twice_the_message_limit() {
    let tiny = message(&[Block::Stored(b"x".to_vec()), Block::Final]);
    let payload = tiny[..tiny.len() - 1].repeat(1_000_000);
    warm();
    for agreed in AGREED {
        for (limit, fits) in [(1 << 20, true), (100_000, false)] {
            let limits = Limits::DEFAULT.with_max_message(limit as u64).with_max_frame(100 << 20);
            let mut server = endpoint(Role::Server, Config::new().with_limits(limits), agreed());
            let mut bytes = peer_frame(Role::Server, 0xc2, &payload);
            let (_, _, peak) = measure(|| assert_eq!(count_events(&mut server, &mut bytes), 1));
            assert_eq!(server.error().is_none(), fits);
            assert_peak(peak, limit, "tiny blocks");
        }
    }
}

#[test]
fn chunks_of_a_gigabyte_take_constant_memory() {
    const PART: usize = 16 << 20;
    let part = flushed(&vec![0; PART]);
    warm();
    for agreed in AGREED {
        let config = Config::new().with_delivery(Delivery::Chunks);
        let mut server = endpoint(Role::Server, config, agreed());
        let (mut received, mut longest) = (0, 0);
        let (_, held, peak) = measure(|| {
            for i in 0..64 {
                let first = if i == 0 { 0x42 } else { 0x00 };
                let mut bytes = peer_frame(Role::Server, first, &part);
                let mut input = Input::with_bytes(&mut bytes);
                while let Some(event) = server.receive(&mut input) {
                    let Event::Chunk(chunk) = event else { panic!("{event:?}") };
                    received += chunk.payload.len();
                    longest = longest.max(chunk.payload.len());
                }
            }
            assert_eq!(count_events(&mut server, &mut peer_frame(Role::Server, 0x80, &[0])), 1);
        });
        assert_eq!(received, 1 << 30);
        assert_eq!(longest, 256 << 10, "the bound that `Delivery::Chunks` documents");
        assert_eq!(server.error(), None);
        // The frame of the peer, a chunk of one step, and a window.
        let bound = part.len() as isize + (256 << 10) + SLACK;
        assert!(peak <= bound && held <= 33_000, "{peak}, {held}");
    }
}

#[test]
fn message_in_one_frame_takes_one_allocation_beside_its_window() {
    warm();
    let full = compressed(&noise(100_000));
    let windows = (8..=15).map(|bits| {
        DeflateParameters::new().with_server_max_window_bits(bits).with_client_max_window_bits(bits)
    });
    let agreed: Vec<DeflateParameters> = windows.chain([no_takeover()]).collect();
    for len in [1, 100, 1000, 5000, 30_000, 65_536, 262_143, 262_144, 262_145, 2_000_000] {
        for (first, payload) in
            [(0xc2, compressed(&noise(len))), (0xc1, compressed(json(len).as_bytes()))]
        {
            for (role, agreed) in
                ROLES.into_iter().flat_map(|role| agreed.iter().map(move |agreed| (role, *agreed)))
            {
                let mut end = endpoint(role, Config::new(), agreed);
                // With context takeover, the window of the peer is full.
                count_events(&mut end, &mut peer_frame(role, 0xc2, &full));
                let mut bytes = peer_frame(role, first, &payload);
                let (allocations, held, _) =
                    measure(|| assert_eq!(count_events(&mut end, &mut bytes), 1));
                // In a message of several steps, a shorter window grows to 32 KiB.
                let grows = len > 60_000 && agreed.window_bits(peer_of(role)) < 15;
                let max = if grows { 2 } else { 1 };
                assert!(allocations <= max, "{role:?}, {agreed}, {len} bytes: {allocations}");
                assert_eq!(held, 0, "{role:?}, {agreed}, {len} bytes");
            }
        }
    }
}

#[test]
fn longer_message_in_one_frame_takes_one_allocation_unless_its_end_compresses_better() {
    const LIMIT: usize = 64 << 20;
    warm();
    for (payload, max, reserved) in [
        (vec![7; 10 << 20], 1, 2 * (10 << 20)),
        (json(5_000_000).into_bytes(), 1, 2 * 5_000_000),
        // The estimate after the beginning exceeds the limit.
        ([vec![7; 300_000], noise(3_800_000)].concat(), 1, LIMIT),
        // The estimate after the beginning is too short: each growth doubles the buffer.
        ([noise(300_000), vec![7; 3_800_000]].concat(), 5, 2 * 4_100_000),
    ] {
        let len = payload.len();
        let mut server = endpoint(Role::Server, Config::new(), no_takeover());
        let mut bytes = peer_frame(Role::Server, 0xc2, &compressed(&payload));
        let (allocations, held, peak) =
            measure(|| assert_eq!(count_events(&mut server, &mut bytes), 1));
        assert!(allocations <= max && held == 0, "{len} bytes: {allocations}, {held}");
        assert!(peak <= reserved as isize + SLACK, "{len} bytes: {peak}");
    }
}

#[test]
fn reassembled_message_owns_at_most_twice_its_length() {
    for len in [1, 20, 1000, 5000, 65_535, 65_536, 65_537, 262_144, 262_145, 524_289, 1_000_000] {
        for payload in [compressed(json(len).as_bytes()), compressed(&noise(len))] {
            for cut in [7, 100, 5000, usize::MAX] {
                let mut server = endpoint(Role::Server, Config::new(), no_takeover());
                for piece in peer_frame(Role::Server, 0xc2, &payload).chunks_mut(cut) {
                    let mut input = Input::with_bytes(piece);
                    while let Some(event) = server.receive(&mut input) {
                        let Event::Message(message) = event else { panic!("{event:?}") };
                        let bytes = message.into_bytes();
                        assert_eq!(bytes.len(), len);
                        assert!(bytes.capacity() <= 2 * len, "{len}: {}", bytes.capacity());
                    }
                }
            }
        }
    }
}

#[test]
fn idle_connection_without_context_owns_no_more_than_one_without_deflate() {
    type Exchange = fn(&mut Connection, &mut Connection);
    // The sender and the receiver.
    let exchanges: [(&str, Exchange); 4] = [
        ("message", |sender, _| sender.send(json(5000)).unwrap()),
        ("prepared message", |sender, _| sender.send(&PreparedMessage::new(json(5000))).unwrap()),
        ("pieces", |sender, _| {
            sender.send_chunk(Chunk::new(json(500), Fragment::First)).unwrap();
            sender.send_chunk(Chunk::new(json(500), Fragment::Last)).unwrap();
        }),
        ("message after `next`", |sender, receiver| {
            sender.send(json(5000)).unwrap();
            let mut bytes = take_output(sender);
            let mut input = Input::with_bytes(&mut bytes);
            receiver.next(&mut input);
            receiver.receive(&mut input).unwrap();
        }),
    ];
    for role in ROLES {
        let without = heap_of(connection(role, Config::new()));
        for (name, exchange) in exchanges {
            for (is_sender, delivery) in
                [(true, Delivery::Messages), (false, Delivery::Messages), (false, Delivery::Chunks)]
            {
                let deflate = Deflate::new().with_outgoing_context_takeover();
                let config = || Config::new().with_deflate(deflate).with_delivery(delivery);
                let mut end = endpoint(role, config(), no_takeover());
                let mut peer = endpoint(peer_of(role), config(), no_takeover());
                for _ in 0..3 {
                    let (sender, receiver) =
                        if is_sender { (&mut end, &mut peer) } else { (&mut peer, &mut end) };
                    exchange(sender, receiver);
                    for piece in take_output(sender).chunks_mut(100) {
                        count_events(receiver, piece);
                    }
                }
                assert_eq!((end.error(), peer.error()), (None, None));
                assert_eq!(heap_of(end), without, "{role:?}, {name}, {is_sender}, {delivery:?}");
            }
        }
    }
}

#[test]
fn context_of_the_peer_owns_the_bytes_that_have_come_and_at_most_the_window() {
    // The boxed `DeflateState` of the connection.
    const STATE: usize = 200;
    // The pooled inflater has a large window of another connection.
    warm();
    for bits in 8..=15 {
        let window = 1 << bits;
        for lens in [&[10][..], &[100, 100], &[300, 30_000], &[100_000, 10, 10], &[40_000; 3]] {
            for cut in [100, usize::MAX] {
                let agreed = DeflateParameters::new().with_client_max_window_bits(bits);
                let mut server = endpoint(Role::Server, Config::new(), agreed);
                for len in lens {
                    let payload = compressed(json(*len).as_bytes());
                    for piece in peer_frame(Role::Server, 0xc1, &payload).chunks_mut(cut) {
                        count_events(&mut server, piece);
                    }
                }
                assert_eq!(server.error(), None);
                let without = heap_of(connection(Role::Server, Config::new()));
                let owned = heap_of(server) - without;
                let received: usize = lens.iter().sum();
                let bound = window.min(2 * received) + STATE;
                assert!(owned <= bound, "{bits} bits, {lens:?}: {owned} bytes");
            }
        }
    }
}

/// Ways to leave a compressed message unfinished.
type End = fn(Connection);

const ENDS: [(&str, End); 6] = [
    ("drop", drop),
    ("abort", |mut end| end.abort()),
    ("close", |mut end| {
        end.close(None).unwrap();
        count_events(&mut end, &mut peer_close(Role::Server, 1000, ""));
        discard_output(&mut end);
        std::mem::forget(end);
    }),
    ("violation", |mut end| {
        count_events(&mut end, &mut peer_frame(Role::Server, 0x83, b""));
        discard_output(&mut end);
        std::mem::forget(end);
    }),
    ("corrupt", |mut end| {
        count_events(&mut end, &mut peer_frame(Role::Server, 0x80, &[0x06]));
        discard_output(&mut end);
        std::mem::forget(end);
    }),
    ("end of the stream", |mut end| {
        let mut input = Input::with_bytes(&mut []);
        input.finish();
        while end.receive(&mut input).is_some() {}
        discard_output(&mut end);
        std::mem::forget(end);
    }),
];

#[test]
fn unfinished_messages_give_their_codecs_back() {
    let begun = compressed(json(10_000).as_bytes());
    warm();
    for agreed in AGREED {
        for (name, end) in ENDS {
            let scenario = || {
                let mut deflate = Deflate::new();
                if !agreed().server_no_context_takeover() {
                    deflate = deflate.with_outgoing_context_takeover();
                }
                let config = Config::new().with_deflate(deflate);
                let mut server = endpoint(Role::Server, config, agreed());
                count_events(&mut server, &mut peer_frame(Role::Server, 0x42, &begun));
                server.send_chunk(Chunk::new("first", Fragment::First)).unwrap();
                end(server);
            };
            scenario();
            let (_, held, peak) = measure(|| (0..10).for_each(|_| scenario()));
            // No codec is created: the smallest takes 47 KB. Some ends leak the configuration.
            assert!(peak <= 40_000, "{name}: {peak}");
            assert!(held <= 10 * 1000, "{name}: {held}");
        }
    }
}

#[test]
fn connection_within_a_message_owns_one_inflater() {
    // The inflater has 47 KiB, and the window that it fills in the message 32 KiB.
    const INFLATER: std::ops::RangeInclusive<usize> = 78 << 10..=80 << 10;
    let payload = compressed(&noise(100_000));
    let (first, last) = payload.split_at(payload.len() / 2);
    for role in ROLES {
        let without = heap_of(connection(role, Config::new()));
        for count in [1, 2, 3] {
            let config = Config::new().with_delivery(Delivery::Chunks);
            let mut end = endpoint(role, config, no_takeover());
            for i in 0..count {
                let is_last = i + 1 == count;
                count_events(&mut end, &mut peer_frame(role, 0x42, first));
                count_events(&mut end, &mut peer_frame(role, 0x00, &last[..100]));
                if !is_last {
                    count_events(&mut end, &mut peer_frame(role, 0x80, &last[100..]));
                }
            }
            assert_eq!(end.error(), None);
            let owned = heap_of(end) - without;
            assert!(INFLATER.contains(&owned), "{role:?}, {count} messages: {owned}");
        }
    }
}

#[test]
fn sixteen_messages_in_progress_create_no_codec() {
    let payload = compressed(json(10_000).as_bytes());
    let (first, last) = payload.split_at(payload.len() / 2);
    // Without reassembly, nothing else is as large as a codec.
    let config = || Config::new().with_delivery(Delivery::Chunks);
    let mut ends = [(); 16].map(|()| endpoint(Role::Server, config(), no_takeover()));
    let mut exchange = || {
        for end in &mut ends {
            assert_eq!(count_events(end, &mut peer_frame(Role::Server, 0x42, first)), 1);
        }
        for end in &mut ends {
            assert_eq!(count_events(end, &mut peer_frame(Role::Server, 0x80, last)), 1);
        }
    };
    exchange();
    let (_, held, peak) = measure(&mut exchange);
    assert!(held == 0 && peak < 40_000, "{held}, {peak}");
}

#[test]
fn messages_of_any_level_and_window_create_no_codec() {
    let mut ends: Vec<Connection> = (1..=9)
        .flat_map(|level| (9..=15).map(move |bits| (level, bits)))
        .map(|(level, bits)| {
            let config = Config::new().with_deflate(Deflate::new().with_level(level));
            endpoint(Role::Server, config, no_takeover().with_server_max_window_bits(bits))
        })
        .collect();
    let messages = [500, 3000, 10_000].map(json);
    let mut exchange = || {
        for message in &messages {
            for end in &mut ends {
                end.send(message.as_str()).unwrap();
                discard_output(end);
            }
        }
    };
    exchange();
    let (allocations, held, _) = measure(&mut exchange);
    assert_eq!((allocations, held), (0, 0));
}

#[test]
fn compressor_that_changes_its_level_equals_a_new_one() {
    let message = json(10_000);
    let compress = move |level| {
        let config = Config::new().with_deflate(Deflate::new().with_level(level));
        let mut server = endpoint(Role::Server, config, no_takeover());
        server.send(message.as_str()).unwrap();
        take_output(&mut server)
    };
    // The pool of another thread is empty.
    let new: Vec<Vec<u8>> = (1..=9)
        .map(|level| {
            let compress = compress.clone();
            std::thread::spawn(move || compress(level)).join().unwrap()
        })
        .collect();
    for (from, before) in (1..=9).zip(&new) {
        for (to, after) in (1..=9).zip(&new) {
            assert!(compress(from) == *before, "{from}");
            assert!(compress(to) == *after, "from {from} to {to}");
        }
    }
}

#[test]
fn message_that_does_not_shrink_creates_no_codec() {
    for level in [1, 6] {
        let config = Config::new().with_deflate(Deflate::new().with_level(level));
        let mut server = endpoint(Role::Server, config, no_takeover());
        // The output buffer of the codec is full before the message ends.
        let message = Message::from(noise(262_140));
        let mut exchange = |compress| {
            let sent =
                if compress { server.send(&message) } else { server.send_uncompressed(&message) };
            sent.unwrap();
            discard_output(&mut server);
        };
        exchange(true);
        let [tried, not_tried] = [true, false].map(|compress| measure(|| exchange(compress)));
        assert_eq!(tried, not_tried, "level {level}: allocations, held and peak bytes");
    }
}

#[test]
fn compressor_without_context_is_not_kept() {
    let no_message: fn(&mut Connection) = |_| {};
    let noise_alone: fn(&mut Connection) = |server| server.send(noise(1000)).unwrap();
    let prepared_last: fn(&mut Connection) = |server| {
        server.send(json(1000)).unwrap();
        server.send(&PreparedMessage::new(json(1000))).unwrap();
    };
    let owned = [no_message, noise_alone, prepared_last].map(|send| {
        let config = Config::new().with_deflate(Deflate::new().with_outgoing_context_takeover());
        let mut server = endpoint(Role::Server, config, DeflateParameters::new());
        send(&mut server);
        discard_output(&mut server);
        heap_of(server)
    });
    assert!(owned.iter().all(|one| *one == owned[0]), "{owned:?}");
}

#[test]
fn pool_of_codecs_is_bounded() {
    let begun = compressed(json(100_000).as_bytes());
    let begin = |level, memory_level| {
        let deflate = Deflate::new().with_memory_level(memory_level).with_level(level);
        let config = Config::new().with_deflate(deflate);
        let mut server = endpoint(Role::Server, config, no_takeover());
        count_events(&mut server, &mut peer_frame(Role::Server, 0x42, &begun));
        server.send_chunk(Chunk::new("first", Fragment::First)).unwrap();
        discard_output(&mut server);
        server
    };
    let (_, held, _) = measure(|| {
        drop((0..20).map(|i| begin(1 + i % 9, 9)).collect::<Vec<Connection>>());
    });
    assert!(held > MAX_POOL / 2 && held <= MAX_POOL, "{held}");
}

/// The KiB of a compressor in the table of `benches/README.md`, within 1 KiB.
fn documented_compressor(bits: u32, memory_level: u32) -> usize {
    133 + (1 << (bits - 8)) + 7 * ((1 << memory_level) - 2) / 16
}

#[test]
fn kept_compressor_owns_the_documented_memory() {
    let owned = |bits, memory_level| {
        let deflate = Deflate::new()
            .with_outgoing_context_takeover()
            .with_outgoing_window_bits(bits)
            .with_memory_level(memory_level);
        let config = Config::new().with_deflate(deflate);
        let mut server = endpoint(Role::Server, config, DeflateParameters::new());
        server.send(json(1000)).unwrap();
        discard_output(&mut server);
        heap_of(server) - heap_of(connection(Role::Server, Config::new()))
    };
    for bits in 9..=15 {
        for memory_level in 1..=9 {
            let owned = owned(bits, memory_level);
            let documented = documented_compressor(bits.into(), memory_level.into()) << 10;
            assert!(owned.abs_diff(documented) < 1024, "{bits} bits, {memory_level}: {owned}");
        }
    }
    assert_eq!((documented_compressor(9, 1), documented_compressor(15, 9)), (135, 484));
}

#[test]
fn compressor_without_context_suits_the_length_of_the_message() {
    type Call = fn(&mut Connection, &str);
    let calls: [(&str, Call); 2] = [
        ("message", |server, text| server.send(text).unwrap()),
        ("prepared message", |server, text| server.send(&PreparedMessage::new(text)).unwrap()),
    ];
    for (name, call) in calls {
        for (len, bits, memory_level) in
            [(200, 11, 4), (1024, 11, 4), (1025, 13, 7), (4096, 13, 7), (4097, 15, 8)]
        {
            // The pool of another thread is empty.
            let thread = std::thread::spawn(move || {
                let config = Config::new().with_deflate(Deflate::new());
                let mut server = endpoint(Role::Server, config, no_takeover());
                let text = json(len);
                let (_, held, _) = measure(|| {
                    call(&mut server, &text);
                    discard_output(&mut server);
                });
                held
            });
            let documented = (256 + documented_compressor(bits, memory_level) as isize) << 10;
            // The output queue is part of what is held.
            let held = thread.join().unwrap() - documented;
            assert!((-1024..8192).contains(&held), "{name}, {len} bytes: {held} more");
        }
    }
}
