//! Allocation counts: calls that must allocate nothing, and bounds on the memory that a connection holds.
#![cfg(feature = "alloc")]

#[path = "support/memory.rs"]
mod memory;
mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use memory::{HELD, PEAK, heap_of, measure, touched, watch};
use support::*;
use websocket_proto::{
    Chunk, CloseCode, Config, Connection, ConnectionError, Event, Fragment, Input, Limit, Limits,
    Message, Negotiated, PreparedMessage, Role, SendError, Timeouts,
};

static CONFIG: Config = Config::new();

/// The bytes that the pool of queues holds at most, as its documentation says.
const MAX_POOL: isize = 3 << 19;

fn server() -> Connection {
    Connection::server(&CONFIG, &Negotiated::default())
}

/// Encodes `payload` as a message in fragments of `size` bytes, sent to a server.
fn fragments(opcode: u8, payload: &[u8], size: usize) -> Vec<u8> {
    let count = payload.chunks(size).count();
    let mut stream = Vec::new();
    for (i, piece) in payload.chunks(size).enumerate() {
        let opcode = if i == 0 { opcode } else { 0 };
        let fin = if i + 1 == count { 0x80 } else { 0 };
        stream.extend(peer_frame(Role::Server, fin | opcode, piece));
    }
    stream
}

/// Receives `bytes` in place and sends each message back.
fn echo(connection: &mut Connection, bytes: &mut [u8]) {
    let mut input = Input::with_bytes(bytes);
    while let Some(event) = connection.receive(&mut input) {
        if let Event::Message(message) = event {
            connection.send(message).unwrap();
        }
    }
}

// Messages received in place.

#[test]
fn message_complete_in_the_input_allocates_nothing() {
    for role in [Role::Server, Role::Client] {
        for len in [0, 8, 125, 126, 65536, 1 << 20] {
            let frames = [
                peer_frame(role, 0x82, &vec![1; len]),
                peer_frame(role, 0x81, &vec![b'a'; len]),
                peer_frame(role, 0x8a, b"unsolicited"),
            ]
            .concat();
            let mut connection = connection(role, Config::new());
            receive(&mut connection, &frames);
            let mut buffer = frames.clone();
            let (allocations, held, _) =
                measure(|| assert_eq!(count_events(&mut connection, &mut buffer), 3));
            assert_eq!((allocations, held), (0, 0), "{role:?}, {len} bytes");
        }
    }
}

#[test]
fn many_unsolicited_pongs_allocate_nothing() {
    let mut server = server();
    let mut pongs: Vec<u8> =
        (0..1000).flat_map(|i: u16| peer_frame(Role::Server, 0x8a, &i.to_be_bytes())).collect();
    let (allocations, held, _) = measure(|| {
        for _ in 0..100 {
            // Unmasking happens in place, so each round receives different payloads.
            count_events(&mut server, &mut pongs);
        }
    });
    assert_eq!((allocations, held), (0, 0));
    assert_eq!(server.error(), None);
}

// Idle connections.

#[test]
fn idle_server_is_160_bytes_without_heap() {
    assert!(size_of::<Connection>() <= 160, "{}", size_of::<Connection>());
    let (allocations, held, _) = measure(|| std::mem::forget(server()));
    assert_eq!((allocations, held), (0, 0));
}

#[test]
fn idle_client_is_at_most_600_bytes_including_its_masking_keys() {
    fn entropy(out: &mut [u8]) -> Result<(), websocket_proto::EntropyError> {
        out.fill(1);
        Ok(())
    }
    let config = Arc::new(Config::new().with_entropy(entropy));
    let mut client = None;
    let (_, held, _) = measure(|| {
        client = Some(Connection::client(&config, &Negotiated::default()).unwrap());
    });
    assert!(held > 0 && held as usize + size_of::<Connection>() <= 600, "{held}");

    let client = client.as_mut().unwrap();
    let mut traffic = || {
        receive(client, &peer_frame(Role::Client, 0x89, b"ping"));
        client.send("message").unwrap();
        discard_output(client);
    };
    traffic();
    let (_, held, _) = measure(|| (0..1000).for_each(|_| traffic()));
    assert_eq!(held, 0);
}

#[test]
fn client_owns_only_its_masking_keys_after_any_traffic() {
    let at_rest = heap_of(connection(Role::Client, Config::new()));
    let mut client = connection(Role::Client, Config::new());
    for cut in [1, 50, 100_000] {
        let traffic = [
            peer_frame(Role::Client, 0x01, b"frag"),
            peer_frame(Role::Client, 0x89, &[1; 125]).repeat(40),
            peer_frame(Role::Client, 0x80, "mented é".as_bytes()),
        ]
        .concat();
        for piece in traffic.chunks(cut) {
            receive(&mut client, piece);
            if client.has_room() {
                client.send(vec![7; 5000]).unwrap();
            }
        }
        discard_output(&mut client);
    }
    assert_eq!(heap_of(client), at_rest);
}

#[test]
fn timers_are_one_allocation_of_at_most_128_bytes() {
    let config = Arc::new(Config::new().with_timeouts(Timeouts::RECOMMENDED));
    let mut server = None;
    let (allocations, held, _) = measure(|| {
        server = Some(Connection::server(&config, &Negotiated::default()));
    });
    assert_eq!(allocations, 1);
    assert!(held <= 128, "{held}");
    let server = server.as_mut().unwrap();
    let mut now = Duration::from_secs(1);
    server.handle_timeout(now);
    let mut keepalive = || {
        now += Duration::from_secs(20);
        server.handle_timeout(now);
        assert!(server.has_output(), "the keepalive Ping is queued");
        discard_output(server);
        server.handle_timeout(now);
        now += Duration::from_secs(1);
        receive(server, &peer_frame(Role::Server, 0x8a, b""));
        server.handle_timeout(now);
    };
    keepalive();
    let (_, held, _) = measure(|| (0..100).for_each(|_| keepalive()));
    assert_eq!(held, 0);
}

/// Sends a server traffic of every kind: split reads, echoes, shared payloads and many Pongs.
fn mixed_traffic(server: &mut Connection) {
    let traffic = [
        peer_frame(Role::Server, 0x01, b"frag"),
        peer_frame(Role::Server, 0x89, b"ping"),
        peer_frame(Role::Server, 0x80, "mented é".as_bytes()),
        peer_frame(Role::Server, 0x82, &[7; 70_000]),
    ]
    .concat();
    for cut in [1000, 5000, 70_000] {
        for piece in traffic.chunks(cut) {
            echo(server, &mut piece.to_vec());
        }
        take_output(server);
    }
    server.send(Bytes::from(vec![1; 100_000])).unwrap();
    for _ in 0..100 {
        receive(server, &peer_frame(Role::Server, 0x89, &[1; 125]));
    }
    server.send("the end").unwrap();
    take_output(server);
}

#[test]
fn server_owns_no_heap_after_any_traffic() {
    let mut connections = Vec::with_capacity(100);
    (0..200).for_each(|_| mixed_traffic(&mut server()));
    // The pool is warm: it holds the same amount before and after.
    let (allocations, held, _) = measure(|| {
        for _ in 0..100 {
            let mut server = server();
            mixed_traffic(&mut server);
            connections.push(server);
        }
    });
    assert!(allocations > 0);
    assert_eq!(held, 0, "bytes held by idle servers");
    assert_eq!(heap_of(connections.pop()), heap_of(Some(server())));
}

#[test]
fn thread_pool_is_bounded_for_any_number_of_connections() {
    let mut connections: Vec<Connection> = (0..1000).map(|_| server()).collect();
    let large = vec![7; 100_000];
    let (_, held, _) = measure(|| {
        for connection in &mut connections {
            connection.send(&large[..]).unwrap();
            receive(connection, &peer_frame(Role::Server, 0x89, &[1; 125]).repeat(40));
            connection.send(Bytes::from_static(&[1; 5000])).unwrap();
        }
        connections.iter_mut().for_each(discard_output);
    });
    assert!((0..=MAX_POOL).contains(&held), "{held}");
    if cfg!(not(feature = "std")) {
        assert_eq!(held, 0);
    }
}

#[test]
fn incomplete_message_is_freed_after_a_close_and_after_a_violation() {
    let begun = peer_frame(Role::Server, 0x02, &[7; 5000]);
    let closed = peer_close(Role::Server, 1000, "");
    let violation = peer_frame(Role::Server, 0x83, b"");
    let invalid_code = peer_close(Role::Server, 1005, "");
    let scenario = |has_closed: bool, manual_close: bool, end: &[u8]| {
        let config = if manual_close { Config::new().with_manual_close() } else { Config::new() };
        let mut server = connection(Role::Server, config);
        if has_closed {
            server.close(None).unwrap();
            take_output(&mut server);
        }
        let (_, held, _) = measure(|| {
            receive(&mut server, &begun);
            receive(&mut server, end);
            take_output(&mut server);
        });
        held
    };
    scenario(false, false, &violation);
    for has_closed in [false, true] {
        for manual_close in [false, true] {
            for end in [&closed, &violation, &invalid_code] {
                let held = scenario(has_closed, manual_close, end);
                assert_eq!(held, 0, "{has_closed} {manual_close} {end:x?}");
            }
        }
    }
}

#[test]
fn invalid_split_close_frame_leaves_no_allocation() {
    let mut invalid_reason = peer_close(Role::Server, 1000, "x");
    *invalid_reason.last_mut().unwrap() ^= 0x80;
    let invalid_code = peer_close(Role::Server, 999, "reason");
    receive(&mut server(), &invalid_code);
    for mut frame in [invalid_reason, invalid_code] {
        let mut server = server();
        let (_, held, _) = measure(|| {
            let events: usize =
                frame.chunks_mut(1).map(|byte| count_events(&mut server, byte)).sum();
            assert_eq!(events, 1, "the failure");
            discard_output(&mut server);
        });
        assert_eq!(held, 0);
    }
}

#[test]
fn stream_that_ends_inside_a_message_or_frame_leaves_no_allocation() {
    let begun = peer_frame(Role::Server, 0x02, &[7; 5000]);
    let cut = &begun[..1000];
    let cut_control = &peer_frame(Role::Server, 0x89, b"are you there?")[..10];
    let cut_close = &peer_close(Role::Server, 1000, "reason")[..10];
    let ends: [fn(&mut Connection); 2] =
        [|connection| drop(receive_last(connection, &[])), Connection::abort];
    for input in [&begun[..], cut, cut_control, cut_close] {
        for end in ends {
            let mut server = server();
            let (_, held, _) = measure(|| {
                receive(&mut server, input);
                end(&mut server);
            });
            assert_eq!(held, 0);
        }
    }
}

// Reassembly.

#[test]
fn split_control_frame_allocates_once_and_is_freed() {
    for role in [Role::Server, Role::Client] {
        let frame = peer_frame(role, 0x8a, b"unasked");
        let header_len = frame.len() - b"unasked".len();
        for cut in 1..frame.len() {
            let mut connection = connection(role, Config::new());
            receive(&mut connection, &frame);
            let mut events = 0;
            let mut buffer = frame.clone();
            let (start, rest) = buffer.split_at_mut(cut);
            let (allocations, held, _) = measure(|| {
                for part in [start, rest] {
                    events += count_events(&mut connection, part);
                }
            });
            assert_eq!((events, held), (1, 0), "{role:?}, cut at {cut}");
            assert_eq!(allocations, usize::from(cut > header_len), "{role:?}, cut at {cut}");
        }
    }
}

#[test]
fn message_split_once_is_allocated_once_at_its_announced_length() {
    for opcode in [0x81, 0x82] {
        let frame = peer_frame(Role::Server, opcode, &[b'x'; 1000]);
        for cut in [15, 500, 1000] {
            let mut server = server();
            let mut frame = frame.clone();
            let (start, end) = frame.split_at_mut(cut);
            let (allocations, held, peak) = measure(|| {
                assert_eq!(count_events(&mut server, start), 0);
                assert_eq!(count_events(&mut server, end), 1);
            });
            assert_eq!((allocations, held), (1, 0), "{opcode:#x} cut at {cut}");
            assert!((1000..1100).contains(&peak), "{peak} bytes, {opcode:#x} cut at {cut}");
        }
    }
}

#[test]
fn reassembly_allocates_a_logarithmic_number_of_times() {
    for opcode in [1, 2] {
        for (fragment, read, most) in [(1 << 18, 4 << 10, 3), (1000, 4 << 10, 14), (1, 100, 20)] {
            let mut stream = fragments(opcode, &vec![b'x'; 1 << 18], fragment);
            let mut server = server();
            let (allocations, held, _) = measure(|| {
                let events: usize =
                    stream.chunks_mut(read).map(|read| count_events(&mut server, read)).sum();
                assert_eq!(events, 1);
            });
            assert_eq!(held, 0);
            assert!(allocations <= most, "{allocations} for fragments of {fragment}");
        }
    }
}

#[test]
fn short_fragmented_message_is_returned_in_a_short_buffer() {
    for (first, last) in [(0x01, 0x80), (0x02, 0x80)] {
        let mut server = server();
        receive(&mut server, &peer_frame(Role::Server, first, b"a"));
        let mut buffer = peer_frame(Role::Server, last, b"b");
        let mut input = Input::with_bytes(&mut buffer);
        let Some(Event::Message(message)) = server.receive(&mut input) else { panic!() };
        assert_eq!(message.as_bytes(), b"ab");
        let bytes = message.into_bytes();
        assert!(bytes.capacity() <= 64, "capacity of {} for 2 bytes", bytes.capacity());
    }
}

#[test]
fn announced_length_does_not_size_allocations() {
    let unlimited = Limits::DEFAULT.with_max_message(u64::MAX).with_max_frame(u64::MAX);
    let huge = [0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0]; // 2^62
    let mut largest = huge;
    largest[2..].copy_from_slice(&(isize::MAX as u64 / 2).to_be_bytes());
    let at_limit = [0x82, 0xff, 0, 0, 0, 0, 0x04, 0, 0, 0]; // 64 MiB
    for (limits, header, fails, most) in [
        (Limits::DEFAULT, huge, true, 4096),
        (Limits::DEFAULT, at_limit, false, 64 << 10),
        (unlimited, huge, true, 4096),
        (unlimited, largest, false, 64 << 10),
    ] {
        for opcode in [0x82, 0x81, 0x02, 0x01] {
            let mut server = connection(Role::Server, Config::new().with_limits(limits));
            let mut bytes = [&header[..], &[0; 4], &[1; 100]].concat();
            bytes[0] = opcode;
            let (_, _, peak) = measure(|| {
                let mut input = Input::with_bytes(&mut bytes);
                let event = server.receive(&mut input);
                let error = fails.then_some(ConnectionError::Limit(Limit::Message));
                assert_eq!(event, error.map(Event::Failed));
            });
            assert!(peak <= most, "{peak} bytes");
        }
    }
}

/// Streams that carry a message of `len` bytes, each with the number of bytes per read.
fn streams(len: usize) -> impl Iterator<Item = (Vec<u8>, usize)> {
    let payload = vec![b'x'; len];
    let cases = [(2, len, 1000), (2, len, 1), (1, len, 64 << 10), (2, 1, 64), (1, 1, 64)];
    let others = [(1, 777, 1000), (2, len / 2, 64 << 10), (2, 3000, 5000)];
    cases
        .into_iter()
        .chain(others)
        .map(move |(opcode, fragment, read)| (fragments(opcode, &payload, fragment), read))
}

#[test]
fn reserved_memory_is_bounded_by_the_bytes_received() {
    // The header of a frame of 48 MiB and the first bytes of its payload.
    let mut announced = vec![0x82, 0xff, 0, 0, 0, 0, 0x03, 0, 0, 0, 1, 2, 3, 4];
    announced.resize(1_000_000, b'x');
    for (mut stream, read) in streams(200_000).chain([(announced, 20_000)]) {
        let mut server = server();
        let mut received = 0;
        measure(|| {
            let before = HELD.get();
            for piece in stream.chunks_mut(read) {
                received += piece.len();
                count_events(&mut server, piece);
                let peak = PEAK.get() - before;
                let most = 8 * (2 * received as isize + (64 << 10));
                assert!(peak <= most, "{peak} bytes after {received}");
            }
        });
    }
}

#[test]
fn touched_memory_is_at_most_twice_the_bytes_received_and_64_kib() {
    // In the last stream the announced length exceeds the received bytes; in the others it is exact.
    let mut announced = peer_frame(Role::Server, 0x82, &vec![b'x'; 600_000]);
    announced.truncate(300_000);
    for (mut stream, read) in streams(300_000).chain([(announced, 20_000)]) {
        if read < 1000 {
            stream.truncate(40_000);
        }
        let mut server = server();
        let mut received = 0;
        watch(|| {
            for piece in stream.chunks_mut(read) {
                received += piece.len();
                count_events(&mut server, piece);
                // Scanning the memory after every read would be quadratic.
                if received % 97 == 0 || read >= 1000 {
                    let touched = touched();
                    assert!(
                        touched <= 2 * received + (64 << 10),
                        "{touched} bytes after {received}"
                    );
                }
            }
        });
    }
}

#[test]
fn tiny_fragments_are_bounded_by_the_message_limit() {
    let limit = 1 << 18;
    let limits = Limits::DEFAULT.with_max_message(limit as u64);
    for opcode in [0x01, 0x02] {
        let mut server = connection(Role::Server, Config::new().with_limits(limits));
        let mut fragment = peer_frame(Role::Server, opcode, b"x");
        let mut fragments = peer_frame(Role::Server, 0x00, b"x").repeat(1024);
        let copy = fragments.clone();
        let (_, _, peak) = measure(|| {
            assert_eq!(count_events(&mut server, &mut fragment), 0);
            for _ in 0..limit / 1024 - 1 {
                fragments.copy_from_slice(&copy);
                assert_eq!(count_events(&mut server, &mut fragments), 0);
            }
        });
        assert!(peak <= 2 * limit + (64 << 10), "{peak} bytes");
        fragments.copy_from_slice(&copy);
        let mut input = Input::with_bytes(&mut fragments);
        let failure = server.receive(&mut input);
        assert_eq!(failure, Some(Event::Failed(ConnectionError::Limit(Limit::Message))));
        // The message is freed at once.
        let (_, held, _) = measure(|| drop(server));
        assert!(held > -1024, "{held} bytes were held after the failure");
    }
}

#[test]
fn empty_fragments_are_bounded_by_their_limit() {
    for (opcode, limit) in [(0x01, 1024), (0x02, 1024), (0x02, 0), (0x01, 3)] {
        let limits = Limits::DEFAULT.with_max_empty_fragments(limit);
        let mut server = connection(Role::Server, Config::new().with_limits(limits));
        let first = peer_frame(Role::Server, opcode, b"x");
        receive(&mut server, &first);
        let empty = peer_frame(Role::Server, 0x00, b"");
        let (_, held, _) = measure(|| {
            let accepted = receive(&mut server, &empty.repeat(limit as usize));
            assert!(accepted.is_empty(), "{accepted:?}");
        });
        assert_eq!(held, 0);
        let failure = Event::Failed(ConnectionError::Limit(Limit::EmptyFragments));
        assert_eq!(receive(&mut server, &empty), [failure]);
    }
}

// Output.

#[test]
fn reply_with_a_cold_pool_allocates_at_most_three_times() {
    for frame in
        [peer_frame(Role::Server, 0x82, b"echoed"), peer_frame(Role::Server, 0x89, b"answered")]
    {
        let mut server = server();
        let mut buffer = frame;
        let (allocations, ..) = measure(|| {
            echo(&mut server, &mut buffer);
            discard_output(&mut server);
        });
        assert!(allocations <= 3, "{allocations}");
    }
}

#[cfg(feature = "std")]
#[test]
fn replies_allocate_nothing_while_the_pool_is_warm() {
    let frames = [
        peer_frame(Role::Server, 0x82, b"small"),
        peer_frame(Role::Server, 0x89, b"ping"),
        peer_frame(Role::Server, 0x81, "Grüße, world".as_bytes()),
        peer_frame(Role::Server, 0x82, &[7; 5000]),
        peer_frame(Role::Server, 0x89, &[1; 125]).repeat(20),
    ]
    .concat();
    let payload = Bytes::from(vec![9; 50_000]);
    let prepared = PreparedMessage::new(&[8; 3000]);
    let mut buffer = frames.clone();
    let mut connections: Vec<Connection> = (0..10).map(|_| server()).collect();
    let mut turn = |all_pending: bool| {
        for connection in &mut connections {
            buffer.copy_from_slice(&frames);
            echo(connection, &mut buffer);
            connection.send(payload.clone()).unwrap();
            connection.send(&prepared).unwrap();
            if !all_pending {
                discard_output(connection);
            }
        }
        connections.iter_mut().for_each(discard_output);
    };
    // The connections reply one after another, then all at once.
    for all_pending in [false, true] {
        turn(all_pending);
        turn(all_pending);
        let (allocations, held, _) = measure(|| (0..10).for_each(|_| turn(all_pending)));
        assert_eq!((allocations, held), (0, 0), "all pending: {all_pending}");
    }
}

#[test]
fn output_that_never_drains_does_not_allocate_per_message() {
    let mut server = server();
    let mut turn = || {
        server.send(&[7; 600][..]).unwrap();
        let output = server.output();
        output.advance(output.len() - 1);
    };
    (0..10).for_each(|_| turn());
    let (allocations, held, _) = measure(|| (0..1000).for_each(|_| turn()));
    assert_eq!((allocations, held), (0, 0));
}

#[test]
fn unread_pings_are_answered_in_bounded_memory() {
    for role in [Role::Server, Role::Client] {
        let mut connection = connection(role, Config::new());
        let pings = peer_frame(role, 0x89, &[0; 125]).repeat(1000);
        let mut buffer = pings.clone();
        let (_, _, peak) = measure(|| {
            for _ in 0..100 {
                buffer.copy_from_slice(&pings);
                count_events(&mut connection, &mut buffer);
            }
        });
        assert!(peak <= 16 << 10, "{peak} bytes");
        assert!(connection.output().len() <= 4096 + 131);
    }
}

#[test]
fn written_pongs_between_other_frames_leave_no_allocation() {
    let mut server = server();
    server.send(&[7; 100][..]).unwrap();
    let mut turn = || {
        receive(&mut server, &peer_frame(Role::Server, 0x89, b"?"));
        server.send(&[7; 60][..]).unwrap();
        // The message and the Pong before it are pending when the next Ping comes.
        let output = server.output();
        output.advance(output.len() - 100);
    };
    (0..100).for_each(|_| turn());
    let (_, held, _) = measure(|| (0..10_000).for_each(|_| turn()));
    assert!(held < 512, "{held}");
}

#[test]
fn owned_payload_holds_no_more_than_twice_its_length() {
    for len in [1, 2047, 2048, 2200, 100_000] {
        for capacity in [len, 2 * len, 1 << 20] {
            let builders: [fn(usize, usize) -> Message<'static>; 2] = [
                |len, capacity| {
                    let mut bytes = Vec::with_capacity(capacity);
                    bytes.resize(len, b'x');
                    bytes.into()
                },
                |len, capacity| {
                    let mut text = String::with_capacity(capacity);
                    text.push_str(&"x".repeat(len));
                    text.into()
                },
            ];
            for message in builders {
                let mut server = server();
                let (_, held, _) = measure(|| server.send(message(len, capacity)).unwrap());
                let most = 2 * len as isize + (5 << 10);
                assert!(held <= most, "{held} for {len} bytes with a capacity of {capacity}");
                assert_eq!(parse_frames(&take_output(&mut server))[0].1, vec![b'x'; len]);
            }
        }
    }
}

#[test]
fn written_payload_is_freed_while_a_byte_after_it_is_pending() {
    let mut server = server();
    let (_, held, _) = measure(|| {
        server.send(vec![7; 1_000_000]).unwrap();
        server.send("pending").unwrap();
        let pending = server.output().len();
        server.output().advance(pending - 1);
    });
    assert!(held < 4096, "{held}");
}

#[test]
fn few_pending_bytes_do_not_retain_a_large_buffer() {
    // Puts a large buffer into the pool of the thread.
    let mut warm = server();
    warm.send(&[7; 90_000][..]).unwrap();
    discard_output(&mut warm);

    let mut servers: Vec<Connection> = (0..100).map(|_| server()).collect();
    let (_, held, _) = measure(|| {
        for server in &mut servers {
            server.send(&[7; 90_000][..]).unwrap();
            let output = server.output();
            output.advance(output.len() - 10);
        }
    });
    assert!(
        held <= MAX_POOL + 100 * 5120,
        "{held} bytes held for 100 connections with 10 pending bytes each"
    );
    for server in &mut servers {
        assert_eq!(take_output(server), [7; 10]);
    }
}

#[test]
fn ten_thousand_recipients_share_one_copy_of_a_prepared_message() {
    let message = PreparedMessage::new(vec![7; 100_000]);
    let mut room: Vec<Connection> = (0..10_000).map(|_| server()).collect();
    let (_, held, _) = measure(|| {
        for connection in &mut room {
            connection.send(&message).unwrap();
        }
    });
    let each = held / 10_000;
    assert!(each <= 512, "{each} bytes per recipient");
    let first = room[0].output().chunk().as_ptr();
    assert!(room.iter_mut().all(|connection| connection.output().chunk().as_ptr() == first));
}

/// The kind of frames that fill the output queue.
#[derive(Clone, Copy, Debug)]
enum Filling {
    Copied(usize),
    Owned {
        len: usize,
        capacity: usize,
    },
    Shared(usize),
    Prepared(usize),
    /// A Ping sent by the application.
    Ping(usize),
    /// A Ping from the peer, which is answered automatically, then an empty message.
    PeerPingAndMessage(usize),
}

impl Filling {
    const OWN: [Self; 14] = [
        Self::Copied(0),
        Self::Copied(1),
        Self::Copied(200),
        Self::Copied(5000),
        Self::Owned { len: 10, capacity: 100_000 },
        Self::Owned { len: 2048, capacity: 4096 },
        Self::Owned { len: 2200, capacity: 1 << 20 },
        Self::Owned { len: 100_000, capacity: 190_000 },
        Self::Shared(2048),
        Self::Shared(30_000),
        Self::Prepared(10),
        Self::Prepared(3000),
        Self::Ping(0),
        Self::Ping(125),
    ];

    const ANSWERED: [Self; 3] =
        [Self::PeerPingAndMessage(0), Self::PeerPingAndMessage(10), Self::PeerPingAndMessage(125)];

    /// Length of the largest message including its header.
    fn largest(self) -> usize {
        14 + match self {
            Self::Copied(len) | Self::Shared(len) | Self::Prepared(len) | Self::Ping(len) => len,
            Self::Owned { capacity, .. } => capacity,
            Self::PeerPingAndMessage(_) => 0,
        }
    }

    fn queue(self, connection: &mut Connection, shared: &Bytes, prepared: &PreparedMessage) {
        let bytes = [7; 5000];
        match self {
            Self::Copied(len) => connection.send(&bytes[..len]).unwrap(),
            Self::Owned { len, capacity } => {
                let mut payload = Vec::with_capacity(capacity);
                payload.resize(len, 7);
                connection.send(payload).unwrap();
            }
            Self::Shared(_) => connection.send(shared.clone()).unwrap(),
            Self::Prepared(_) => connection.send(prepared).unwrap(),
            Self::Ping(len) => connection.ping(&bytes[..len]).unwrap(),
            Self::PeerPingAndMessage(len) => {
                let role = connection.role();
                receive(connection, &peer_frame(role, 0x89, &bytes[..len]));
                connection.send("").unwrap();
            }
        }
    }
}

/// The time without a sign of life after which the connections below send a keepalive Ping.
const PING: Duration = Duration::from_secs(20);

/// Fills the output of a new connection and writes a part of it, `rounds` times, then fills it once more.
/// Queues a keepalive Ping each time, unless one is queued.
fn with_output(role: Role, config: Config, filling: Filling, rounds: usize) -> Connection {
    let mut connection = connection(role, config);
    // Shared payloads count with their length only, so every message can share these bytes.
    let shared = Bytes::from(vec![7; filling.largest() - 14]);
    let prepared = PreparedMessage::new(&*shared);
    for round in 0..=rounds {
        connection.handle_timeout(PING * round as u32);
        connection.handle_timeout(PING * (round + 1) as u32);
        assert!(connection.has_output());
        while connection.has_room() {
            filling.queue(&mut connection, &shared, &prepared);
        }
        if round < rounds {
            let len = connection.output().len();
            connection.output().advance(len / [2, 3, 10][round % 3]);
        }
    }
    connection
}

#[test]
fn memory_held_for_output_is_bounded_by_the_high_water_mark() {
    assert_output_is_bounded(&Filling::OWN);
}

#[test]
fn memory_held_for_output_is_bounded_with_pongs_between_messages() {
    assert_output_is_bounded(&Filling::ANSWERED);
}

#[track_caller]
fn assert_output_is_bounded(fillings: &[Filling]) {
    let mut excesses = Vec::new();
    for mark in [1, 1000, 5000, 20_000, 64 << 10, 200_000] {
        for role in [Role::Server, Role::Client] {
            // No Pong is awaited, so that the keepalive Pings repeat.
            let config = || Config::new().with_timeouts(Timeouts::NONE.with_ping(Some(PING)));
            let at_rest = heap_of(connection(role, config()));
            for &filling in fillings {
                for (max_fragment, rounds) in [(usize::MAX, 0), (usize::MAX, 3), (2100, 1)] {
                    let config = config().with_high_water_mark(mark);
                    let config = config.with_max_fragment(max_fragment);
                    // Runs on its own thread, whose pool is empty.
                    let filled = move || with_output(role, config, filling, rounds);
                    let filled = std::thread::spawn(filled).join().unwrap();
                    let held = heap_of(filled) - at_rest;
                    let most = 2 * mark + 2 * filling.largest() + (5 << 10);
                    if held > most {
                        let case = format!("{role:?}, mark {mark}, {filling:?}, {rounds} rounds");
                        excesses.push(format!("{held} > {most}: {case}"));
                    }
                }
            }
        }
    }
    assert!(excesses.is_empty(), "{excesses:#?}");
}

/// In a test with one connection, the thread's pool retains at most one output queue.
const POOLED: usize = 101 << 10;

/// Sends in every way while there is room; the peer reads a byte now and then and sends Pings. Returns the
/// peak of the bytes held after incomplete writes, minus those that the thread held at the start, and the
/// length of the largest frame.
fn most_memory(role: Role, mark: usize, seed: u64) -> (usize, usize) {
    let mut random = Random(seed);
    let mut below = move |end| random.below(end);
    let config =
        Config::new().with_high_water_mark(mark).with_max_fragment([usize::MAX, 5000][below(2)]);
    let mut connection = connection(role, config);
    let ping = peer_frame(role, 0x89, &[1; 125]);
    let held_before = HELD.get();
    let (mut most, mut largest) = (0, 131);
    for _ in 0..200 {
        let len = [below(200), 2047 + below(3), below(30_000), below(2_000_000)][below(4)];
        let result = match below(9) {
            0 => connection.send(&*vec![1; len]).map_err(|unsent| unsent.error),
            1 => connection.send(vec![1; len]).map_err(|unsent| unsent.error),
            2 => {
                let mut excessive = Vec::with_capacity(len * 10);
                excessive.resize(len, 1);
                connection.send(excessive).map_err(|unsent| unsent.error)
            }
            3 => {
                let mut doubled = String::with_capacity(len * 2);
                doubled.extend(std::iter::repeat_n('a', len));
                connection.send(doubled).map_err(|unsent| unsent.error)
            }
            4 => connection.send(Bytes::from(vec![1; len])).map_err(|unsent| unsent.error),
            5 => {
                let prepared = PreparedMessage::new(&*vec![1; len]);
                connection.send(&prepared).map_err(|unsent| unsent.error)
            }
            6 => {
                let chunk = Chunk::new(Message::from(vec![1; len]), Fragment::Whole);
                connection.send_chunk(chunk).map_err(|unsent| unsent.error)
            }
            7 => connection.ping(&[1; 125]),
            _ => {
                for _ in 0..below(100) {
                    receive(&mut connection, &ping);
                }
                Ok(())
            }
        };
        match result {
            Ok(()) => largest = largest.max(len + 14),
            Err(error) => assert_eq!(error, SendError::Full),
        }
        let pending = connection.output().len();
        if pending > 1 {
            let read = [1, below(pending.min(5000)).max(1)][below(2)].min(pending - 1);
            connection.output().advance(read);
            most = most.max((HELD.get() - held_before) as usize);
        }
    }
    connection.close(CloseCode::NORMAL).unwrap();
    most = most.max((HELD.get() - held_before) as usize);
    (most, largest)
}

#[test]
fn memory_held_for_output_is_bounded_with_every_mix_of_messages() {
    for role in ROLES {
        for mark in [1, 10_000, 1 << 20] {
            for seed in 0..8 {
                // A new thread starts with an empty pool.
                let measured = std::thread::spawn(move || most_memory(role, mark, seed));
                let (most, largest) = measured.join().unwrap();
                let bound = 2 * mark + 2 * largest + (5 << 10) + POOLED;
                assert!(most <= bound, "{role:?}, {mark}, {seed}: {most} of {bound} bytes");
            }
        }
    }
}
