//! The output: one ordered stream, bounded, without a copy where that pays.

mod support;

use std::io::IoSlice;

use bytes::{Buf, Bytes};
use proptest::prelude::*;
use support::*;
use websocket_proto::{Buffers, Config, Message, Role, SendReason};

fn server(high_water_mark: usize) -> websocket_proto::Connection {
    connection(Role::Server, Config::new().high_water_mark(high_water_mark))
}

#[test]
fn a_message_of_any_size_is_accepted_below_the_mark_and_given_back_above() {
    let mut server = server(1000);
    server.send(vec![1; 5000]).unwrap();
    let refused = server.send("no room").unwrap_err();
    assert_eq!(refused.reason, SendReason::Full);
    assert_eq!(refused.unsent, Message::from("no room"));
    assert_eq!(server.ping(b""), Err(SendReason::Full));
    assert!(!server.can_send());

    // At half the mark there is room again.
    let waiting = server.output().remaining();
    server.output().advance(waiting - 500);
    assert!(!server.can_send());
    assert!(server.send("below the mark").is_ok());
    let waiting = server.output().remaining();
    server.output().advance(waiting - 499);
    assert!(server.can_send());
}

#[test]
fn a_close_is_never_refused_for_want_of_room() {
    let mut server = server(0);
    assert_eq!(server.send("").map_err(|error| error.reason), Err(SendReason::Full));
    server.close(None).unwrap();
    assert_eq!(take_output(&mut server), [0x88, 0]);
}

#[test]
fn each_ping_has_its_own_pong_while_less_than_4_kib_of_them_wait_then_only_the_newest() {
    for role in [Role::Server, Role::Client] {
        let mut connection = connection(role, Config::new());
        let pong_len = if role == Role::Server { 127 } else { 131 };
        let own = 4096_usize.div_ceil(pong_len);
        let pings: Vec<u8> = (0..200_u8).flat_map(|i| peer_frame(role, 0x89, &[i; 125])).collect();
        assert_eq!(receive(&mut connection, &pings).len(), 200);
        assert!(connection.output().remaining() <= 4096 + pong_len);
        let pongs: Vec<u8> =
            parse_frames(&take_output(&mut connection)).iter().map(|(_, p)| p[0]).collect();
        let expected: Vec<u8> = (0..own as u8).chain([199]).collect();
        assert_eq!(pongs, expected, "{role:?}");
    }
}

#[test]
fn pongs_that_were_taken_make_room_for_others_exactly() {
    let mut server = server(1 << 20);
    let ping = |i: u8| peer_frame(Role::Server, 0x89, &[i; 125]);
    // Pongs between messages, so that they do not stand side by side.
    for i in 0..40 {
        server.send(&[0xee; 50][..]).unwrap();
        receive(&mut server, &ping(i));
    }
    // 33 of 127 bytes wait, the newest apart.
    assert_eq!(server.output().remaining(), 40 * 52 + 33 * 127);
    // The first message and its Pong are taken: 32 wait, 4,064 bytes, and the newest follows.
    server.output().advance(52 + 127);
    assert_eq!(server.output().remaining(), 39 * 52 + 33 * 127);
    receive(&mut server, &ping(40));
    receive(&mut server, &ping(41));
    assert_eq!(server.output().remaining(), 39 * 52 + 33 * 127);
    let frames = parse_frames(&take_output(&mut server));
    let pongs: Vec<u8> = frames.iter().filter(|(f, _)| *f == 0x8a).map(|(_, p)| p[0]).collect();
    let expected: Vec<u8> = (1..33).chain([39, 41]).collect();
    assert_eq!(pongs, expected);
}

#[test]
fn a_pong_is_held_back_while_exactly_4_kib_of_them_wait() {
    let mut server = server(1 << 20);
    let ping = peer_frame(Role::Server, 0x89, &[7; 62]);
    // Pongs of 64 bytes.
    receive(&mut server, &ping.repeat(66));
    for (taken, waiting) in [(0, 4096), (1, 4095 + 64)] {
        server.output().advance(taken);
        assert_eq!(server.output().remaining(), waiting);
    }
}

#[test]
fn pongs_that_were_taken_do_not_count_in_memory_that_is_lent() {
    let mut server = server(1 << 20);
    server.lend(&mut Buffers::new());
    for _ in 0..10 {
        // So that they do not stand side by side.
        for _ in 0..30 {
            server.send("between").unwrap();
            receive(&mut server, &peer_frame(Role::Server, 0x89, &[7; 125]));
        }
        assert_eq!(parse_frames(&take_output(&mut server)).len(), 60);
    }
}

#[test]
fn pongs_that_wait_are_bounded_however_many_were_taken_before() {
    let mut server = server(1 << 20);
    let ping = peer_frame(Role::Server, 0x89, &[0; 125]);
    // Room for many, so that what waits is not moved.
    server.send(&[1; 400_000][..]).unwrap();
    for _ in 0..486 {
        let waiting = server.output().remaining();
        server.output().advance(waiting - 1);
        receive(&mut server, &ping);
    }
    for _ in 0..100 {
        receive(&mut server, &ping);
    }
    assert!(server.output().remaining() < 4096 + 127, "{:?}", server.output());
}

#[test]
fn a_pong_held_back_is_sent_before_the_close() {
    let mut server = server(1 << 20);
    for i in 0..100 {
        receive(&mut server, &peer_frame(Role::Server, 0x89, &[i; 125]));
    }
    server.close(None).unwrap();
    let frames = parse_frames(&take_output(&mut server));
    let [.., pong, close] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!((pong.0, pong.1[0]), (0x8a, 99));
    assert_eq!(close.0, 0x88);
}

#[test]
fn a_pong_while_nothing_can_be_written_makes_no_endless_loop() {
    let mut server = server(1 << 20);
    receive(&mut server, &peer_frame(Role::Server, 0x89, b"x"));
    server.output().advance(0);
    assert_eq!(take_output(&mut server), b"\x8a\x01x");
}

#[test]
fn large_counted_payloads_are_queued_without_a_copy_and_written_with_their_header() {
    let payload = Bytes::from(vec![7; 5000]);
    for message in [Message::from(payload.clone()), Message::from(&payload)] {
        let mut server = server(1 << 20);
        server.send("before").unwrap();
        server.send(message).unwrap();
        server.send("after").unwrap();
        let output = server.output();
        let mut slices = [IoSlice::new(&[]); 8];
        assert_eq!(output.chunks_vectored(&mut slices), 3);
        assert_eq!(&*slices[0], b"\x81\x06before\x82\x7e\x13\x88");
        assert_eq!(slices[1].as_ptr(), payload.as_ptr());
        assert_eq!(&*slices[2], b"\x81\x05after");
        let mut one = [IoSlice::new(&[])];
        assert_eq!(output.chunks_vectored(&mut one), 1);
        // A write that ends anywhere, and what is left.
        output.advance(12 + 2000);
        assert_eq!(output.chunk().as_ptr(), payload[2000..].as_ptr());
        assert_eq!(output.remaining(), 3000 + 7);
    }
}

#[test]
#[should_panic(expected = "advanced past the end of the output")]
fn advancing_past_the_end_is_a_bug_of_the_driver() {
    let mut server = server(1 << 20);
    server.send("x").unwrap();
    server.output().advance(4);
}

#[test]
fn a_pong_held_back_is_sent_before_the_reply_to_a_close() {
    let mut server = server(1 << 20);
    for i in 0..100 {
        receive(&mut server, &peer_frame(Role::Server, 0x89, &[i; 125]));
    }
    receive(&mut server, &peer_close(Role::Server, 1000, ""));
    let frames = parse_frames(&take_output(&mut server));
    let [.., pong, close] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!((pong.0, pong.1[0]), (0x8a, 99));
    assert_eq!(close.0, 0x88);
}

#[derive(Debug, Clone)]
enum Op {
    Send {
        len: usize,
        counted: bool,
    },
    Ping(usize),
    /// The peer's, which is answered.
    PeerPings {
        count: usize,
        len: usize,
    },
    Take(usize),
    TakeVectored(usize),
    Lend,
    GiveBack,
}

fn op() -> impl Strategy<Value = Op> {
    let len = prop_oneof![0_usize..10, 100_usize..300, 2000_usize..2100, 60_000_usize..70_000];
    prop_oneof![
        3 => (len, any::<bool>()).prop_map(|(len, counted)| Op::Send { len, counted }),
        2 => (0_usize..126).prop_map(Op::Ping),
        3 => (1_usize..30, 0_usize..126).prop_map(|(count, len)| Op::PeerPings { count, len }),
        2 => (0_usize..3000).prop_map(Op::Take),
        2 => (0_usize..100_000).prop_map(Op::TakeVectored),
        2 => Just(Op::Lend),
        2 => Just(Op::GiveBack),
    ]
}

/// The queue as contract and RFC have it: whole frames in a list.
#[derive(Default)]
struct Model {
    /// First byte, payload, and bytes on the wire.
    frames: Vec<(u8, Vec<u8>, usize)>,
    taken: usize,
    newest_pong: Option<(u8, Vec<u8>, usize)>,
}

impl Model {
    fn frame(role: Role, first: u8, payload: Vec<u8>) -> (u8, Vec<u8>, usize) {
        let key = (role == Role::Client).then_some([0; 4]);
        let len = frame(first, &payload, key).len();
        (first, payload, len)
    }

    fn waiting_pongs(&self) -> usize {
        let mut end = 0;
        let mut waiting = 0;
        for (first, _, len) in &self.frames {
            end += len;
            if *first == 0x8a && end > self.taken {
                waiting += (end - self.taken).min(*len);
            }
        }
        waiting
    }

    fn release(&mut self) {
        if self.waiting_pongs() < 4096 {
            self.frames.extend(self.newest_pong.take());
        }
    }
}

proptest! {
    /// Against a list of whole frames, which a partial write never splits.
    #[test]
    fn what_is_taken_in_any_steps_is_the_frames_in_order(
        role in prop::sample::select(vec![Role::Client, Role::Server]),
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let mut connection = connection(role, Config::new().high_water_mark(usize::MAX));
        let mut model = Model::default();
        let mut taken = Vec::new();
        let mut number = 0_u8;
        let mut buffers = Buffers::new();
        for op in ops {
            number = number.wrapping_add(1);
            match op {
                Op::Send { len, counted } => {
                    let payload = vec![number; len];
                    model.frames.push(Model::frame(role, 0x82, payload.clone()));
                    if counted {
                        connection.send(payload).unwrap();
                    } else {
                        connection.send(&payload[..]).unwrap();
                    }
                }
                Op::Ping(len) => {
                    model.frames.push(Model::frame(role, 0x89, vec![number; len]));
                    connection.ping(&vec![number; len]).unwrap();
                }
                Op::PeerPings { count, len } => {
                    for i in 0..count {
                        let payload = vec![i as u8; len];
                        receive(&mut connection, &peer_frame(role, 0x89, &payload));
                        let pong = Model::frame(role, 0x8a, payload);
                        if model.waiting_pongs() < 4096 {
                            model.frames.push(pong);
                        } else {
                            model.newest_pong = Some(pong);
                        }
                    }
                }
                Op::Take(max) => {
                    let output = connection.output();
                    let len = output.chunk().len().min(max);
                    taken.extend_from_slice(&output.chunk()[..len]);
                    output.advance(len);
                    model.taken += len;
                    model.release();
                }
                Op::TakeVectored(max) => {
                    let output = connection.output();
                    let mut slices = [IoSlice::new(&[]); 4];
                    let count = output.chunks_vectored(&mut slices);
                    let bytes: Vec<u8> =
                        slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
                    prop_assert!(bytes.len() <= output.remaining());
                    prop_assert!(count == 4 || bytes.len() == output.remaining());
                    let len = bytes.len().min(max);
                    taken.extend_from_slice(&bytes[..len]);
                    output.advance(len);
                    model.taken += len;
                    model.release();
                }
                Op::Lend => connection.lend(&mut buffers),
                Op::GiveBack => connection.give_back(&mut buffers),
            }
            let waiting: usize = model.frames.iter().map(|(_, _, len)| len).sum();
            prop_assert_eq!(connection.output().remaining(), waiting - model.taken);
            prop_assert_eq!(connection.wants_write(), waiting > model.taken);
        }
        taken.extend(take_output(&mut connection));
        model.frames.extend(model.newest_pong);
        let expected: Vec<(u8, Vec<u8>)> =
            model.frames.into_iter().map(|(first, payload, _)| (first, payload)).collect();
        prop_assert_eq!(parse_frames(&taken), expected);
    }
}
