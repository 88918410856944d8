//! Memory, counted: what takes none, and what takes no more than it should.

#[path = "support/memory.rs"]
mod memory;
mod support;

use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::{Buf, Bytes};
use memory::{HELD, PEAK, measure};
use support::*;
use websocket_proto::{
    Buffers, Config, Connection, Event, Limits, Message, Negotiated, PreparedMessage,
    ProtocolError, Role, Timeouts,
};

static CONFIG: Config = Config::new();

fn server() -> Connection {
    Connection::server(&CONFIG, &Negotiated::default())
}

#[test]
fn a_message_that_arrives_whole_in_one_buffer_allocates_nothing() {
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
            let (allocations, held, _) = measure(|| {
                let mut input = &mut buffer[..];
                let mut events = 0;
                while connection.receive(&mut input).is_some() {
                    events += 1;
                }
                assert_eq!(events, 3);
            });
            assert_eq!((allocations, held), (0, 0), "{role:?}, {len} bytes");
        }
    }
}

#[test]
fn an_idle_server_holds_no_heap_before_and_after_traffic() {
    let (allocations, held, _) = measure(|| std::mem::forget(server()));
    assert_eq!((allocations, held), (0, 0));
    let mut server = server();
    let traffic = [
        peer_frame(Role::Server, 0x01, b"frag"),
        peer_frame(Role::Server, 0x89, b"ping"),
        peer_frame(Role::Server, 0x80, "mented é".as_bytes()),
        peer_frame(Role::Server, 0x82, &[7; 70_000]),
    ]
    .concat();
    let (allocations, held, _) = measure(|| {
        for cut in [1, 5, 70, 5000] {
            for piece in traffic.chunks(cut) {
                let mut buffer = piece.to_vec();
                let mut input = &mut buffer[..];
                while let Some(event) = server.receive(&mut input) {
                    if let Event::Message(message) = event {
                        server.send(message).unwrap();
                    }
                }
            }
            take_output(&mut server);
        }
        server.send(Bytes::from(vec![1; 100_000])).unwrap();
        for _ in 0..100 {
            receive(&mut server, &peer_frame(Role::Server, 0x89, &[1; 125]));
        }
        take_output(&mut server);
    });
    assert!(allocations > 0);
    assert_eq!(held, 0, "bytes held by an idle server");
}

#[test]
fn a_message_that_can_not_be_finished_any_more_is_freed() {
    let begun = peer_frame(Role::Server, 0x02, &[7; 5000]);
    let closed = peer_close(Role::Server, 1000, "");
    let violation = peer_frame(Role::Server, 0x83, b"");
    let invalid_code = peer_close(Role::Server, 1005, "");
    for has_closed in [false, true] {
        for manual_close in [false, true] {
            for end in [&closed, &violation, &invalid_code] {
                let config = Config::new();
                let config = if manual_close { config.manual_close() } else { config };
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
                assert_eq!(held, 0, "{has_closed} {manual_close} {end:x?}");
            }
        }
    }
}

#[test]
fn a_stream_that_ends_in_a_message_or_a_frame_leaves_nothing_and_no_room() {
    let begun = peer_frame(Role::Server, 0x02, &[7; 5000]);
    let cut = &begun[..1000];
    let cut_control = &peer_frame(Role::Server, 0x89, b"are you there?")[..10];
    let ends: [fn(&mut Connection); 2] = [Connection::receive_eof, Connection::abort];
    for (input, has_room) in [(&begun[..], false), (cut, true), (cut_control, false)] {
        for end in ends {
            let mut server = server();
            let (_, held, _) = measure(|| {
                receive(&mut server, input);
                assert_eq!(server.payload_space().is_some(), has_room);
                end(&mut server);
                assert!(server.payload_space().is_none());
                assert_eq!(server.payload_filled(1), None);
            });
            assert_eq!(held, 0);
        }
    }
}

#[test]
fn a_control_frame_that_is_cut_allocates_once_and_leaves_nothing() {
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
                for mut input in [start, rest] {
                    while connection.receive(&mut input).is_some() {
                        events += 1;
                    }
                }
            });
            assert_eq!((events, held), (1, 0), "{role:?}, cut at {cut}");
            assert_eq!(allocations, usize::from(cut > header_len), "{role:?}, cut at {cut}");
        }
    }
}

#[test]
fn without_lent_buffers_nothing_is_recycled() {
    let mut server = server();
    let (_, held, _) = measure(|| {
        let mut message = Message::from(vec![7; 5000]);
        server.recycle(&mut message);
        assert_eq!(message.as_bytes().len(), 5000);
    });
    assert_eq!(held, 0);
}

#[test]
fn an_idle_client_holds_its_block_of_masking_keys_and_600_bytes_in_all() {
    static ENTROPY: fn(&mut [u8]) -> Result<(), websocket_proto::EntropyError> = |out| {
        out.fill(1);
        Ok(())
    };
    let config = std::sync::Arc::new(Config::new().static_entropy(&ENTROPY));
    let mut client = Connection::client(&config, &Negotiated::default());
    let (_, held, _) = measure(|| {
        receive(&mut client, &peer_frame(Role::Client, 0x89, b"ping"));
        client.send("message").unwrap();
        take_output(&mut client);
    });
    assert!(held > 0 && held as usize + size_of::<Connection>() <= 600, "{held}");
}

#[test]
fn a_declared_length_is_never_allocated() {
    for (header, expected) in [
        (&[0x82, 0xff, 0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..], true),
        (&[0x82, 0xff, 0, 0, 0, 0, 0x04, 0, 0, 0], false), // the limit itself
    ] {
        let mut server = server();
        let mut bytes = [header, &[0; 4], &[1; 100]].concat();
        let (_, _, peak) = measure(|| {
            let mut input = &mut bytes[..];
            let event = server.receive(&mut input);
            let failed = event == Some(Event::Failed(ProtocolError::MessageTooLong));
            assert_eq!(failed, expected);
            if let Some(space) = server.payload_space() {
                assert!(space.len() <= 4096);
            }
        });
        assert!(peak <= 4096, "{peak} bytes");
    }
}

#[test]
fn memory_is_at_most_twice_the_bytes_received_however_they_come() {
    let payload = vec![b'x'; 100_000];
    for (first, fragment, read) in [
        (2_u8, 100_000, 1000),
        (2, 100_000, 1),
        (2, 1, 64),
        (1, 1, 64),
        (1, 777, 1000),
        (2, 50_000, 65536),
    ] {
        let mut stream = Vec::new();
        let count = payload.chunks(fragment).count();
        for (i, piece) in payload.chunks(fragment).enumerate() {
            let opcode = if i == 0 { first } else { 0 };
            let fin = if i + 1 == count { 0x80 } else { 0 };
            stream.extend(peer_frame(Role::Server, fin | opcode, piece));
        }
        let mut server = server();
        let mut received = 0;
        measure(|| {
            let before = HELD.get();
            for piece in stream.chunks_mut(read) {
                received += piece.len();
                let mut input = piece;
                while server.receive(&mut input).is_some() {}
                let peak = PEAK.get() - before;
                assert!(peak <= 2 * received as isize + 4096, "{peak} bytes after {received}");
            }
        });
    }
}

#[test]
fn a_message_that_is_cut_once_takes_one_allocation_of_what_it_announced() {
    for opcode in [0x81, 0x82] {
        let mut frame = peer_frame(Role::Server, opcode, &[b'x'; 1000]);
        for cut in [15, 500, 1000] {
            let mut server = server();
            let mut frame = frame.clone();
            let (start, end) = frame.split_at_mut(cut);
            let (allocations, held, peak) = measure(|| {
                assert_eq!(server.receive(&mut &mut *start), None);
                assert!(matches!(server.receive(&mut &mut *end), Some(Event::Message(_))));
            });
            assert_eq!((allocations, held), (1, 0), "{opcode:#x} cut at {cut}");
            assert!((1000..1100).contains(&peak), "{peak} bytes, {opcode:#x} cut at {cut}");
        }
        // Behind a fragment as much may follow as memory is taken for at least.
        *frame.first_mut().unwrap() &= 0x7f;
        let mut server = server();
        let (allocations, _, peak) = measure(|| {
            assert_eq!(server.receive(&mut &mut frame[..]), None);
        });
        assert_eq!(allocations, 1, "{opcode:#x} unfinished");
        assert!((4096..4200).contains(&peak), "{peak} bytes, {opcode:#x} unfinished");
    }
}

#[test]
fn memory_is_at_most_twice_the_bytes_read_to_where_they_belong() {
    let header = [0x82, 0xff, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x40, 0, 0, 0, 0]; // 1,000,000
    for read in [1, 1000, 100_000] {
        let mut server = server();
        receive(&mut server, &header);
        let mut received = 0;
        let (_, held, _) = measure(|| {
            let before = HELD.get();
            loop {
                let space = server.payload_space().unwrap();
                let len = space.len().min(read);
                space[..len].fill(7);
                received += len;
                if let Some(event) = server.payload_filled(len) {
                    assert_eq!(event, binary(&vec![7; 1_000_000]));
                    break;
                }
                let peak = PEAK.get() - before;
                assert!(peak <= 2 * received as isize + 4096, "{peak} bytes after {received}");
            }
        });
        assert_eq!((received, held), (1_000_000, 0));
        assert!(server.payload_space().is_none());
    }
}

#[test]
fn unread_pings_are_answered_in_bounded_memory() {
    let mut server = server();
    let pings: Vec<u8> =
        (0..1000).flat_map(|_| peer_frame(Role::Server, 0x89, &[0; 125])).collect();
    let (_, _, peak) = measure(|| {
        for _ in 0..100 {
            let mut buffer = pings.clone();
            let mut input = &mut buffer[..];
            while server.receive(&mut input).is_some() {}
        }
    });
    assert!(peak <= pings.len() as isize + 16 * 1024, "{peak} bytes");
    assert!(server.output().remaining() <= 4096 + 127);
}

#[test]
fn pongs_that_other_frames_separate_are_forgotten_when_they_were_taken() {
    let mut server = server();
    server.send(&[7; 100][..]).unwrap();
    let mut turn = || {
        receive(&mut server, &peer_frame(Role::Server, 0x89, b"?"));
        server.send(&[7; 60][..]).unwrap();
        // The message and the Pong before it wait when the next Ping comes.
        let output = server.output();
        output.advance(output.remaining() - 100);
    };
    (0..100).for_each(|_| turn());
    let (_, held, _) = measure(|| (0..10_000).for_each(|_| turn()));
    assert_eq!(held, 0);
}

#[test]
fn pongs_in_great_number_leave_nothing_behind() {
    let mut server = server();
    let mut pongs: Vec<u8> =
        (0..1000).flat_map(|i: u16| peer_frame(Role::Server, 0x8a, &i.to_be_bytes())).collect();
    let (allocations, held, _) = measure(|| {
        for _ in 0..1000 {
            // The bytes are unmasked in place: another payload each time, which is as good.
            let mut input = &mut pongs[..];
            while server.receive(&mut input).is_some() {}
        }
    });
    assert_eq!((allocations, held), (0, 0));
    assert_eq!(server.error(), None);
}

#[test]
fn limits_of_zero_and_of_everything_hold() {
    for (max, len, accepted) in
        [(0, 0, true), (0, 1, false), (1, 1, true), (1, 2, false), (u64::MAX, 2, true)]
    {
        for limits in [
            Limits { max_message: max, ..Limits::DEFAULT },
            Limits { max_frame: max, ..Limits::DEFAULT },
        ] {
            let mut server = connection(Role::Server, Config::new().limits(limits));
            let events = receive(&mut server, &peer_frame(Role::Server, 0x82, &vec![1; len]));
            assert_eq!(matches!(events[..], [Event::Message(_)]), accepted, "{limits:?} {len}");
        }
    }
}

#[test]
fn with_lent_buffers_steady_traffic_allocates_nothing() {
    let frames = [
        peer_frame(Role::Server, 0x82, b"small"),
        peer_frame(Role::Server, 0x89, b"ping"),
        peer_frame(Role::Server, 0x01, "Grüße, ".as_bytes()),
        peer_frame(Role::Server, 0x89, b"between"),
        peer_frame(Role::Server, 0x80, "world".as_bytes()),
        peer_frame(Role::Server, 0x82, &[7; 5000]),
    ]
    .concat();
    // One pair serves all connections of a thread.
    let mut connections: Vec<Connection> = (0..10).map(|_| server()).collect();
    let mut buffers = Buffers::new();
    let mut buffer = Vec::new();
    let mut sink = Vec::new();
    let mut turn = |buffers: &mut Buffers| {
        for connection in &mut connections {
            for piece in frames.chunks(3000) {
                buffer.clear();
                buffer.extend_from_slice(piece);
                connection.lend(buffers);
                let mut input = &mut buffer[..];
                while let Some(event) = &mut connection.receive(&mut input) {
                    if let Event::Message(message) = event {
                        connection.send(&*message).unwrap();
                        connection.recycle(message);
                    }
                }
                sink.clear();
                let output = connection.output();
                while output.has_remaining() {
                    sink.extend_from_slice(output.chunk());
                    output.advance(output.chunk().len());
                }
                connection.give_back(buffers);
            }
        }
    };
    turn(&mut buffers);
    turn(&mut buffers);
    let (allocations, held, _) = measure(|| (0..10).for_each(|_| turn(&mut buffers)));
    assert_eq!((allocations, held), (0, 0));
    // Nothing stays behind in the connections.
    drop(buffers);
    let (_, held, _) = measure(|| drop(connections));
    let inline = 10 * size_of::<Connection>() as isize;
    assert!(held <= 0 && held >= -inline, "{held}");
}

#[test]
fn with_lent_buffers_a_message_put_together_is_sent_on_without_a_copy_or_an_allocation() {
    let mut server = server();
    let mut buffers = Buffers::new();
    let frame = peer_frame(Role::Server, 0x82, &[7; 50_000]);
    let mut read = frame.clone();
    let mut turn = || {
        read.copy_from_slice(&frame);
        server.lend(&mut buffers);
        let mut memory = None;
        for mut input in read.chunks_mut(16_384) {
            while let Some(event) = server.receive(&mut input) {
                let Event::Message(message) = event else { panic!() };
                assert_eq!(message.as_bytes(), [7; 50_000]);
                memory = Some(message.as_bytes().as_ptr());
                server.send(message).unwrap();
            }
        }
        let output = server.output();
        assert_eq!(output.chunk(), [0x82, 126, 0xc3, 0x50]);
        output.advance(4);
        assert_eq!(Some(output.chunk().as_ptr()), memory);
        output.advance(20_000);
        output.advance(30_000);
        assert!(!output.has_remaining());
        server.give_back(&mut buffers);
    };
    turn();
    let (allocations, held, _) = measure(|| (0..10).for_each(|_| turn()));
    assert_eq!((allocations, held), (0, 0));
}

#[test]
fn what_is_written_from_where_it_is_takes_no_memory_also_where_none_is_lent() {
    let mut server = server();
    let payload = vec![7; 50_000];
    let (allocations, held, _) = measure(|| {
        let mut sending = server.sending(&payload[..]).unwrap();
        sending.advance(sending.remaining());
    });
    assert_eq!((allocations, held), (0, 0));
}

#[test]
fn steady_traffic_allocates_nothing_where_some_output_always_waits() {
    let mut server = server();
    let mut buffers = Buffers::new();
    server.lend(&mut buffers);
    let mut turn = || {
        server.send(&[7; 600][..]).unwrap();
        let output = server.output();
        output.advance(output.remaining() - 1);
    };
    (0..10).for_each(|_| turn());
    let (allocations, held, _) = measure(|| (0..1000).for_each(|_| turn()));
    assert_eq!((allocations, held), (0, 0));
}

#[test]
fn memory_that_is_lent_for_good_does_not_stay_above_what_is_kept() {
    let mut server = server();
    let mut buffers = Buffers::new();
    let payload = vec![7; 3 * Buffers::MAX_KEPT];
    let (_, held, _) = measure(|| {
        server.lend(&mut buffers);
        server.recycle(&mut Message::from(payload.clone()));
        server.send(&payload[..]).unwrap();
        let output = server.output();
        output.advance(output.remaining());
    });
    assert!(held <= Buffers::MAX_KEPT as isize, "{held} bytes");
}

#[test]
fn without_lent_buffers_a_reply_takes_one_allocation_and_leaves_nothing() {
    for frame in
        [peer_frame(Role::Server, 0x82, b"echoed"), peer_frame(Role::Server, 0x89, b"answered")]
    {
        let mut server = server();
        let mut buffer = frame;
        let (allocations, held, _) = measure(|| {
            let mut input = &mut buffer[..];
            while let Some(event) = server.receive(&mut input) {
                if let Event::Message(message) = event {
                    server.send(message).unwrap();
                }
            }
            let output = server.output();
            output.advance(output.remaining());
        });
        assert_eq!((allocations, held), (1, 0));
    }
}

#[test]
fn what_waits_stays_with_its_connection_when_buffers_are_given_back() {
    let mut buffers = Buffers::new();
    let mut server = server();
    server.lend(&mut buffers);
    server.send("waits").unwrap();
    receive(&mut server, &peer_frame(Role::Server, 0x01, b"half"));
    server.give_back(&mut buffers);
    let before = HELD.get();
    assert_eq!(take_output(&mut server), b"\x81\x05waits");
    assert_eq!(receive(&mut server, &peer_frame(Role::Server, 0x80, b"done")), [text("halfdone")]);
    assert!(HELD.get() < before, "freed when nothing waits");
}

#[test]
fn a_payload_that_was_taken_holds_nothing_when_buffers_are_given_back() {
    let mut server = server();
    let mut buffers = Buffers::new();
    let (_, held, _) = measure(|| {
        server.lend(&mut buffers);
        server.send(vec![7; 1_000_000]).unwrap();
        server.send("waits").unwrap();
        let waiting = server.output().remaining();
        server.output().advance(waiting - 1);
        server.give_back(&mut buffers);
        drop(std::mem::take(&mut buffers));
    });
    assert!(held < 1024, "{held}");
}

#[test]
fn what_is_kept_of_a_long_queue_is_bounded() {
    for lent_for_good in [false, true] {
        let config = Config::new().fragment_size(NonZeroUsize::new(2048).unwrap());
        let mut server = connection(Role::Server, config);
        let mut buffers = Buffers::new();
        let (_, held, _) = measure(|| {
            server.lend(&mut buffers);
            server.send(vec![7; 60 << 20]).unwrap();
            let output = server.output();
            output.advance(output.remaining());
            if !lent_for_good {
                server.give_back(&mut buffers);
            }
        });
        assert!(held <= Buffers::MAX_KEPT as isize, "{held} bytes");
    }
}

/// Buffers that a message of a million bytes has passed through.
fn large_buffers() -> Buffers {
    let (mut server, mut buffers) = (server(), Buffers::new());
    server.lend(&mut buffers);
    server.recycle(&mut Message::from(vec![7; 1_000_000]));
    server.give_back(&mut buffers);
    buffers
}

#[test]
fn memory_that_was_lent_does_not_stay_with_output_that_takes_far_less() {
    let (mut server, mut buffers) = (server(), Buffers::new());
    server.lend(&mut buffers);
    server.send(&[7; 1_000_000][..]).unwrap();
    take_output(&mut server);
    server.give_back(&mut buffers);

    let (_, held, _) = measure(|| {
        server.lend(&mut buffers);
        server.send("taken").unwrap();
        receive(&mut server, &peer_frame(Role::Server, 0x89, b"ping"));
        server.send(Bytes::from_static(&[8; 5000])).unwrap();
        server.send("waits").unwrap();
        server.output().advance(7 + 3);
        server.give_back(&mut buffers);
    });
    assert!(held <= 1024, "{held} bytes for the little that waits");

    // It stays there, for as many turns as nothing is added.
    let (allocations, ..) = measure(|| {
        for _ in 0..10 {
            server.lend(&mut buffers);
            server.give_back(&mut buffers);
        }
    });
    assert_eq!(allocations, 0);
    server.lend(&mut buffers);
    server.send(&[9; 5000][..]).unwrap();
    let expected = [
        &b"ing"[..],
        &frame(0x82, &[8; 5000], None),
        &frame(0x81, b"waits", None),
        &frame(0x82, &[9; 5000], None),
    ];
    assert!(take_output(&mut server) == expected.concat());
    server.give_back(&mut buffers);
    let (_, held, _) = measure(|| drop(server));
    assert_eq!(held, 0);
    let (_, held, _) = measure(|| drop(buffers));
    assert!(held <= -1_000_000, "{held}");
}

#[test]
fn output_stays_where_it_is_unless_that_is_far_more_than_it_takes() {
    for (len, waiting) in [(4000, 1), (100_000, 100_000), (100_000, 50_000), (100_000, 6_400)] {
        let (mut server, mut buffers) = (server(), Buffers::new());
        server.lend(&mut buffers);
        server.send(&vec![7; len][..]).unwrap();
        let output = server.output();
        output.advance(output.remaining() - waiting);
        let before = server.output().chunk().as_ptr();
        let (allocations, ..) = measure(|| server.give_back(&mut buffers));
        assert_eq!(allocations, 0, "{waiting} of {len}");
        assert_eq!(server.output().chunk().as_ptr(), before);
    }
}

#[test]
fn memory_beyond_what_is_kept_is_freed_when_output_moves_out_of_it() {
    let (mut server, mut buffers) = (server(), Buffers::new());
    let (_, held, _) = measure(|| {
        server.lend(&mut buffers);
        server.send(&vec![7; 2 * Buffers::MAX_KEPT][..]).unwrap();
        let output = server.output();
        output.advance(output.remaining() - 10);
        server.give_back(&mut buffers);
    });
    assert!(held < 1024, "{held}");
}

#[test]
fn memory_that_was_lent_does_not_stay_with_a_message_that_takes_far_less() {
    for (first, fragment) in [(1, 30_000), (2, 30_000), (1, 777), (2, 777), (1, 1), (2, 1)] {
        let payload = [b'x'; 30_000];
        let count = payload.chunks(fragment).count();
        let wire: Vec<u8> = payload
            .chunks(fragment)
            .enumerate()
            .flat_map(|(i, piece)| {
                let opcode = if i == 0 { first } else { 0 };
                let fin = if i + 1 == count { 0x80 } else { 0 };
                peer_frame(Role::Server, fin | opcode, piece)
            })
            .collect();
        for turn in [8, 1000, 9_999] {
            for received in [turn, 2 * turn] {
                let (mut server, mut buffers) = (server(), large_buffers());
                let (_, held, _) = measure(|| {
                    for turn in wire[..received].chunks(turn) {
                        server.lend(&mut buffers);
                        receive(&mut server, turn);
                        let _ = server.payload_space();
                        server.give_back(&mut buffers);
                    }
                });
                assert!(held <= (16 * received).max(4096) as isize, "{held} after {received}");
                let (_, held, _) = measure(|| drop(buffers));
                assert!(held <= -1_000_000, "{first} {fragment} {received}: {held}");
                // It goes on with memory of its own.
                let event = receive(&mut server, &wire[received..]);
                let expected =
                    if first == 1 { text(&"x".repeat(30_000)) } else { binary(&payload) };
                assert!(event == [expected]);
            }
        }
    }
}

#[test]
fn a_message_that_moved_out_of_lent_memory_goes_on_in_what_is_lent_next() {
    let payload = [b'x'; 30_000];
    for opcode in [0x81, 0x82] {
        let mut wire = peer_frame(Role::Server, opcode, &payload);
        let (mut server, mut buffers) = (server(), large_buffers());
        let (start, rest) = wire.split_at_mut(9000);
        server.lend(&mut buffers);
        receive(&mut server, start);
        server.give_back(&mut buffers);

        server.lend(&mut buffers);
        let mut event = None;
        let (allocations, ..) = measure(|| event = server.receive(&mut &mut *rest));
        assert_eq!(allocations, 0);
        let Some(Event::Message(mut message)) = event else { panic!("a message is complete") };
        assert_eq!(message.as_bytes(), payload);
        server.recycle(&mut message);
        assert_eq!(message.as_bytes(), b"");
        server.give_back(&mut buffers);
        let (_, held, _) = measure(|| drop(server));
        assert_eq!(held, 0, "{opcode:#x}");
        // What it moved to in between is for the next part.
        let (_, held, _) = measure(|| drop(buffers));
        assert_eq!(held, -(1_000_000 + 9000 - 8), "{opcode:#x}");
    }
}

#[test]
fn with_lent_buffers_large_messages_in_small_reads_allocate_nothing() {
    let mut buffer = Vec::new();
    for opcode in [0x81, 0x82] {
        let wire = peer_frame(Role::Server, opcode, &[b'x'; 1_000_000]);
        let (mut server, mut buffers) = (server(), Buffers::new());
        let mut message = || {
            for read in wire.chunks(16 << 10) {
                buffer.clear();
                buffer.extend_from_slice(read);
                server.lend(&mut buffers);
                if let Some(Event::Message(message)) = &mut server.receive(&mut &mut buffer[..]) {
                    assert_eq!(message.as_bytes().len(), 1_000_000);
                    server.recycle(message);
                }
                server.give_back(&mut buffers);
            }
        };
        message();
        message();
        let (allocations, held, _) = measure(|| (0..5).for_each(|_| message()));
        assert_eq!((allocations, held), (0, 0), "{opcode:#x}");
    }
}

#[test]
fn a_message_moves_to_memory_of_which_little_is_initialised() {
    let payload = [b'x'; 30_000];
    let mut wire = peer_frame(Role::Server, 0x82, &payload);
    let (mut server, mut lender, mut buffers) = (server(), server(), Buffers::new());
    let (start, rest) = wire.split_at_mut(9000);
    receive(&mut server, start);

    let mut memory = Vec::with_capacity(1_000_000);
    memory.extend_from_slice(b"stale");
    lender.lend(&mut buffers);
    lender.recycle(&mut Message::from(memory));
    lender.give_back(&mut buffers);
    server.lend(&mut buffers);
    assert!(receive(&mut server, rest) == [binary(&payload)]);
}

#[test]
fn ten_thousand_recipients_hold_one_copy_of_a_prepared_message() {
    let message = PreparedMessage::new(vec![7; 100_000]);
    let mut room: Vec<Connection> = (0..10_000).map(|_| server()).collect();
    let (_, held, _) = measure(|| {
        for connection in &mut room {
            connection.send_prepared(&message).unwrap();
        }
    });
    let each = held / 10_000;
    assert!(each <= 512, "{each} bytes for each recipient");
    let first = room[0].output().chunk().as_ptr();
    assert!(room.iter_mut().all(|connection| connection.output().chunk().as_ptr() == first));
}

#[test]
fn timers_are_one_block_and_only_where_configured() {
    let timed = std::sync::Arc::new(Config::new().timeouts(Timeouts::MIDDLEBOXES).counters());
    let mut server = None;
    let (allocations, held, _) = measure(|| {
        server = Some(Connection::server(&timed, &Negotiated::default()));
    });
    assert_eq!(allocations, 1);
    assert!(held <= 128, "{held}");
    assert!(size_of::<Connection>() + held as usize <= 320);
    let server = server.as_mut().unwrap();
    let (allocations, held, _) = measure(|| {
        server.handle_timeout(Duration::from_secs(1));
        server.handle_timeout(Duration::from_secs(30));
        take_output(server);
    });
    assert!(allocations > 0, "a Ping was due");
    assert_eq!(held, 0);
}
