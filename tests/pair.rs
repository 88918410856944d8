//! A client and a server over simulated TCP, in virtual time: whatever the network and both
//! applications do, nothing is lost before a clean close, and every connection ends.

mod support;

use std::time::Duration;

use proptest::prelude::*;
use support::pair::*;
use support::*;
use websocket_proto::{
    ControlRate, Delivery, Event, Limits, Outcome, ProtocolError, Role, Timeouts, Transport,
};

const SECOND: Duration = Duration::from_secs(1);

// --- What may be chosen -------------------------------------------------------------------------

fn role() -> impl Strategy<Value = Role> {
    prop::sample::select(ROLES.to_vec())
}

fn len() -> impl Strategy<Value = usize> {
    prop_oneof![
        8 => 0_usize..200,
        4 => prop::sample::select(vec![0, 1, 125, 126, 127, 255, 256, 2047, 2048, 2049]),
        2 => 200_usize..5000,
        1 => prop::sample::select(vec![65535, 65536, 70_000]),
    ]
}

fn memory() -> impl Strategy<Value = Memory> {
    prop::sample::select(vec![
        Memory::Borrowed,
        Memory::Owned,
        Memory::Counted,
        Memory::Prepared,
        Memory::Written,
    ])
}

fn cut() -> impl Strategy<Value = usize> {
    prop::sample::select(vec![20, 100, 1000, 5000, usize::MAX])
}

fn delay() -> impl Strategy<Value = Duration> {
    prop::sample::select(vec![0, 1, 20, 150]).prop_map(Duration::from_millis)
}

fn code() -> impl Strategy<Value = u16> {
    prop::sample::select(vec![1000, 1001, 1005, 3000, 4999])
}

/// What applications send.
fn traffic() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (role(), any::<bool>(), len(), memory())
            .prop_map(|(role, text, len, memory)| Op::Send { role, text, len, memory }),
        3 => (role(), any::<bool>(), len(), any::<bool>())
            .prop_map(|(role, text, len, last)| Op::SendPiece { role, text, len, last }),
        2 => (role(), 1_usize..5, 0_usize..126)
            .prop_map(|(role, count, len)| Op::Pings { role, count, len }),
        1 => (role(), 0_usize..126).prop_map(|(role, len)| Op::Pong { role, len }),
    ]
}

/// What hinders without breaking.
fn hindrance() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0_u64..400).prop_map(|ms| Op::Advance(Duration::from_millis(ms))),
        2 => (role(), any::<bool>()).prop_map(|(role, on)| Op::Read { role, on }),
        2 => (role(), any::<bool>()).prop_map(|(from, on)| Op::Block { from, on }),
        1 => cut().prop_map(Op::Cut),
        1 => delay().prop_map(Op::Delay),
        1 => role().prop_map(|role| Op::Wake { role }),
    ]
}

/// What breaks.
fn fault() -> impl Strategy<Value = Op> {
    prop_oneof![
        role().prop_map(|role| Op::HalfClose { role }),
        role().prop_map(|role| Op::Vanish { role }),
        role().prop_map(|role| Op::Reset { role }),
        (role(), injected()).prop_map(|(from, bytes)| Op::Inject { from, bytes }),
    ]
}

/// Bytes that no connection of ours would send, or not so many of.
fn injected() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 1..20),
        // Cut short.
        Just(peer_frame(Role::Server, 0x81, b"never whole")[..9].to_vec()),
        // A flood of Pings, and one of unsolicited Pongs.
        (role(), 0_usize..126, prop::sample::select(vec![0x89, 0x8a]))
            .prop_map(|(role, len, first)| peer_frame(role, first, &vec![1; len]).repeat(200)),
        Just(peer_close(Role::Server, 1000, "")),
        Just(peer_close(Role::Client, 1000, "")),
    ]
}

fn close() -> impl Strategy<Value = Op> {
    (role(), code()).prop_map(|(role, code)| Op::Close { role, code })
}

fn timeouts() -> impl Strategy<Value = Timeouts> {
    let span = |max| (1..max).prop_map(|ms| Some(Duration::from_millis(ms)));
    let pong = prop_oneof![4 => span(3000_u64), 1 => Just(None)];
    (span(3000), pong, span(5000), span(3000)).prop_map(|(ping, pong, idle, closing)| Timeouts {
        opening: None,
        ping,
        pong,
        idle,
        closing,
    })
}

fn end(timeouts: impl Strategy<Value = Timeouts>) -> impl Strategy<Value = Setup> {
    (
        prop::sample::select(vec![Delivery::Messages, Delivery::Messages, Delivery::Chunks]),
        prop::sample::select(vec![1, 300, 5000, 1 << 20]),
        prop::sample::select(vec![None, None, Some(100), Some(2048), Some(10_000)]),
        (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()),
        timeouts,
    )
        .prop_map(|(delivery, high_water_mark, fragment_size, flags, timeouts)| Setup {
            delivery,
            high_water_mark,
            fragment_size,
            manual_pong: flags.0 && flags.1,
            manual_close: flags.1 && flags.2,
            counters: flags.3,
            timeouts,
            ..Setup::default()
        })
}

/// Only the server may echo: two that do so and wait for each other's room would wait for ever.
fn pair_setup<T: Strategy<Value = Timeouts>>(
    timeouts: impl Fn() -> T,
) -> impl Strategy<Value = PairSetup> {
    (
        any::<u64>(),
        end(timeouts()),
        end(timeouts()),
        delay(),
        prop::sample::select(vec![500, 4000, 1 << 16]),
        cut(),
        (
            any::<bool>(),
            prop::sample::select(vec![None, None, Some(Memory::Owned), Some(Memory::Written)]),
            any::<bool>(),
        ),
    )
        .prop_map(|(seed, client, server, delay, window, cut, (lend, echo, direct))| {
            PairSetup {
                seed,
                client,
                server: Setup { echo, ..server },
                delay,
                window,
                cut,
                lend,
                direct,
            }
        })
}

/// Times that are never due, and the clock that goes with them; or none.
fn patient() -> impl Strategy<Value = Timeouts> {
    let hours = Some(Duration::from_secs(3600 * 24));
    let all = Timeouts { opening: None, ping: hours, pong: hours, idle: hours, closing: hours };
    prop::sample::select(vec![Timeouts::NONE, all])
}

proptest! {
    /// Backpressure, cuts, delays, held-up links, applications that stop reading for a while: both
    /// ends close cleanly, with the right codes and without a reset, and everything has arrived.
    #[test]
    fn nothing_sent_before_a_clean_close_is_lost_or_reordered(
        setup in pair_setup(patient),
        ops in prop::collection::vec(prop_oneof![3 => traffic(), 2 => hindrance()], 0..30),
        closes in prop::collection::vec(close(), 1..3),
    ) {
        let mut pair = Pair::new(&setup);
        for op in ops.iter().chain(&closes) {
            pair.apply(op);
        }
        pair.recover();
        prop_assert!(pair.run(SECOND * 3600), "does not end");
        for role in ROLES {
            let end = pair.end(role);
            prop_assert_eq!(end.connection.error(), None);
            prop_assert!(end.connection.outcome().is_some_and(|outcome| outcome.clean));
            prop_assert!(matches!(end.ended, Some((_, Transport::Close))));
        }
        prop_assert_eq!(pair.network.resets, 0);
        pair.check();
    }
}

/// What both ends saw and wrote.
#[derive(Debug, PartialEq)]
struct Transcript {
    events: Vec<Event<'static>>,
    written: Vec<u8>,
    error: Option<ProtocolError>,
    outcome: Option<Outcome>,
    ended: Option<Transport>,
}

/// Does each round at once at both ends, and waits until all of it has arrived.
fn transcripts(setup: &PairSetup, rounds: &[Vec<Op>]) -> [Transcript; 2] {
    let mut pair = Pair::new(setup);
    for round in rounds {
        for op in round {
            pair.apply(op);
        }
        pair.quiesce();
    }
    let transcripts = ROLES.map(|role| {
        let written = pair.network.written(role).to_vec();
        let end = pair.end(role);
        assert!(!end.connection.wants_write());
        Transcript {
            events: end.events.clone(),
            written,
            error: end.connection.error(),
            outcome: end.connection.outcome(),
            ended: end.ended.map(|(_, transport)| transport),
        }
    });
    pair.check();
    transcripts
}

/// What can be done at once at both ends without the outcome being a matter of time: not so many
/// Pings that some stay unanswered, and nothing that is refused.
fn round() -> impl Strategy<Value = Vec<Op>> {
    let inject = (role(), prop::collection::vec(any::<u8>(), 1..20))
        .prop_map(|(from, bytes)| vec![Op::Inject { from, bytes }]);
    prop_oneof![
        10 => prop::collection::vec(prop_oneof![20 => traffic(), 2 => close()], 1..4),
        // Between two frames.
        1 => inject,
    ]
}

proptest! {
    #[test]
    fn cuts_delays_windows_and_lent_memory_change_neither_events_nor_bytes(
        setup in pair_setup(|| Just(Timeouts::NONE)),
        rounds in prop::collection::vec(round(), 1..6),
        other_seed in any::<u64>(),
        other_network in (delay(), prop::sample::select(vec![500, 4000, 1 << 16]), cut()),
    ) {
        let mut setup = setup;
        for end in [&mut setup.client, &mut setup.server] {
            end.high_water_mark = 1 << 24;
        }
        // Pieces are echoed as they are cut.
        setup.server.echo.take_if(|_| setup.server.delivery == Delivery::Chunks);
        let (delay, window, cut) = other_network;
        let other = PairSetup {
            seed: other_seed,
            delay,
            window,
            cut,
            lend: !setup.lend,
            direct: !setup.direct,
            ..setup.clone()
        };
        let (one, two) = (transcripts(&setup, &rounds), transcripts(&other, &rounds));
        for (one, two) in one.iter().zip(&two) {
            prop_assert_eq!(&one.events, &two.events);
            prop_assert_eq!(one, two);
        }
    }

    /// Whatever breaks, and whenever: both ends notice, and end.
    #[test]
    fn every_connection_ends_by_its_deadlines(
        setup in pair_setup(timeouts),
        ops in prop::collection::vec(
            prop_oneof![6 => traffic(), 4 => hindrance(), 2 => fault(), 1 => close()],
            0..30,
        ),
    ) {
        let mut pair = Pair::new(&setup);
        for op in &ops {
            pair.apply(op);
        }
        // What is still to be written and read may take this long to pass, and is activity.
        let waiting: usize = ROLES
            .map(|role| pair.network.on_its_way(role) + pair.end(role).waiting())
            .iter()
            .sum();
        let backlog = (pair.network.delay * 2 + setup.delay * 2)
            * (2 * waiting / setup.window + 3) as u32;
        let longest = |end: &Setup| end.timeouts.idle.unwrap() + end.timeouts.closing.unwrap();
        // A message that was refused may pass as late as when the other end gives up, and counts.
        let limit = backlog + longest(&setup.client) + longest(&setup.server);
        let began = pair.network.now;
        prop_assert!(
            pair.run(limit),
            "from {began:?} on, {limit:?} were not enough: {:?}, {:?}, {:?}",
            pair.network, pair.client.connection, pair.server.connection,
        );
        pair.check();
    }

    /// Without timers nothing need end, but all bounds hold whatever breaks.
    #[test]
    fn whatever_breaks_memory_stays_bounded_and_errors_are_final(
        setup in pair_setup(|| Just(Timeouts::NONE)),
        ops in prop::collection::vec(
            prop_oneof![6 => traffic(), 4 => hindrance(), 2 => fault(), 1 => close()],
            0..30,
        ),
    ) {
        let mut pair = Pair::new(&setup);
        for op in &ops {
            pair.apply(op);
        }
        pair.recover();
        pair.run(SECOND * 60);
        pair.check();
    }
}

// --- Named scenarios ----------------------------------------------------------------------------

const TIMEOUTS: Timeouts = Timeouts {
    opening: None,
    ping: Some(Duration::from_secs(20)),
    pong: Some(Duration::from_secs(15)),
    idle: None,
    closing: Some(Duration::from_secs(10)),
};

/// The end of `role` with these timeouts, the other with none.
fn one_with(role: Role, timeouts: Timeouts) -> PairSetup {
    let mut setup = PairSetup::default();
    match role {
        Role::Client => setup.client.timeouts = timeouts,
        Role::Server => setup.server.timeouts = timeouts,
    }
    setup
}

fn both_with(timeouts: Timeouts) -> PairSetup {
    let end = Setup { timeouts, ..Setup::default() };
    PairSetup { client: end.clone(), server: end, ..PairSetup::default() }
}

/// The messages that an end received, by length.
fn lengths(end: &End) -> Vec<usize> {
    end.messages().map(|message| message.as_bytes().len()).collect()
}

#[test]
fn a_dead_peer_is_noticed_after_exactly_the_two_spans() {
    for role in ROLES {
        for traffic in [false, true] {
            let mut pair = Pair::new(&PairSetup { delay: SECOND, ..one_with(role, TIMEOUTS) });
            let mut last_sign = Duration::ZERO;
            if traffic {
                // It arrives a second later, and is the last that ever does.
                pair.advance(SECOND * 7);
                pair.send(other(role), "still here");
                pair.advance(SECOND * 3);
                last_sign = SECOND * 8;
            }
            pair.apply(&Op::Vanish { role: other(role) });
            assert!(pair.run(SECOND * 1000));
            let end = pair.end(role);
            assert_eq!(end.ended, Some((last_sign + SECOND * 35, Transport::Abort)), "{role:?}");
            assert_eq!(end.events.last(), Some(&Event::Failed(ProtocolError::PongTimeout)));
            assert_eq!(end.connection.outcome(), unclean(1006));
            pair.check();
        }
    }
}

#[test]
fn keepalive_measures_the_round_trip_and_lets_a_healthy_connection_live() {
    for role in ROLES {
        let delay = Duration::from_micros(123_457);
        let mut pair = Pair::new(&PairSetup { delay, ..one_with(role, TIMEOUTS) });
        assert_eq!(pair.end(role).connection.rtt(), None);
        for round in 1..100 {
            pair.advance(SECOND * 20);
            // Comes before the Pong, and is none.
            pair.send(other(role), "meanwhile");
            pair.advance(delay * 2);
            assert_eq!(pair.end(role).connection.rtt(), Some(delay * 2));
            assert_eq!(
                pair.end(role).connection.poll_timeout(),
                Some(pair.network.now + SECOND * 20)
            );
            let pings = vec![0x89; round];
            let written = parse_frames(pair.network.written(role));
            assert_eq!(written.iter().map(|(first, _)| *first).collect::<Vec<_>>(), pings);
        }
    }
}

#[test]
fn pongs_that_answer_no_ping_change_nothing() {
    for role in ROLES {
        let mut pair = Pair::new(&PairSetup { delay: SECOND, ..one_with(role, TIMEOUTS) });
        pair.advance(SECOND * 22);
        let [(_, answered)] = parse_frames(pair.network.written(role)).try_into().unwrap();
        // Between two Pings, and while one waits for its Pong.
        for (at, deadline) in [(41, 42), (44, 57)] {
            pair.apply(&Op::Block { from: other(role), on: true });
            pair.advance(SECOND * at - pair.network.now);
            let connection = &mut pair.end(role).connection;
            connection.handle_timeout(SECOND * at);
            let mut wrong = answered.clone();
            wrong[7] ^= 1;
            for payload in [&answered[..], &wrong, &answered[..7], b"", &[0; 125]] {
                receive(connection, &peer_frame(role, 0x8a, payload));
                assert_eq!(connection.rtt(), Some(SECOND * 2));
                assert_eq!(connection.poll_timeout(), Some(SECOND * deadline));
            }
        }
        pair.apply(&Op::Block { from: other(role), on: false });
        pair.advance(SECOND);
        assert_eq!(pair.end(role).connection.rtt(), Some(SECOND * 2));
        // Sent at 42, let through at 44.
        assert_eq!(pair.end(role).connection.poll_timeout(), Some(SECOND * 64));
    }
}

#[test]
fn an_idle_connection_closes_with_3008_and_keepalive_is_no_activity() {
    for role in ROLES {
        let timeouts = Timeouts { idle: Some(SECOND * 60), ..TIMEOUTS };
        let mut pair = Pair::new(&PairSetup { delay: SECOND / 10, ..one_with(role, timeouts) });
        pair.advance(SECOND * 9);
        pair.send(role, "sent");
        pair.advance(SECOND * 30);
        pair.send(other(role), "received");
        assert!(pair.run(SECOND * 1000));
        // From when the last message came.
        let at = SECOND * 39 + SECOND / 10 + SECOND * 60;
        let code = 3008_u16.to_be_bytes().to_vec();
        let frames = parse_frames(pair.network.written(role));
        assert_eq!(frames.last(), Some(&(0x88, code)));
        let end = pair.end(role);
        assert_eq!(end.events.last(), Some(&Event::Failed(ProtocolError::IdleTimeout)));
        assert_eq!(end.connection.outcome(), unclean(1006));
        let (ended, transport) = end.ended.unwrap();
        assert_eq!(transport, Transport::Close);
        assert!((at..at + SECOND).contains(&ended), "{ended:?}");
        let peer = pair.end(other(role));
        assert_eq!(peer.connection.outcome(), clean(3008));
        assert_eq!(pair.network.resets, 0);
        pair.check();
    }
}

#[test]
fn a_close_that_is_never_answered_ends_at_its_deadline() {
    for role in ROLES {
        for blocked in [false, true] {
            let mut pair = Pair::new(&PairSetup { window: 1000, ..one_with(role, TIMEOUTS) });
            pair.apply(&Op::Read { role: other(role), on: false });
            pair.advance(SECOND * 3);
            if blocked {
                let (text, memory) = (false, Memory::Owned);
                pair.apply(&Op::Send { role, text, len: 5000, memory });
            }
            pair.close(role, 1000);
            assert!(!pair.run(SECOND * 1000), "the peer has no timers");
            let end = pair.end(role);
            // What can't be written is lost.
            let transport = if blocked { Transport::Abort } else { Transport::Close };
            assert_eq!(end.ended, Some((SECOND * 13, transport)));
            assert_eq!(end.events, [Event::Failed(ProtocolError::ClosingTimeout)]);
            assert_eq!(end.connection.outcome(), unclean(1006));
            pair.check();
        }
    }
}

#[test]
fn a_peer_that_ends_its_stream_before_its_close_still_gets_what_waits() {
    for role in ROLES {
        let mut pair = Pair::new(&PairSetup { window: 1000, delay: SECOND, ..Default::default() });
        pair.apply(&Op::Send { role, text: false, len: 50_000, memory: Memory::Owned });
        pair.send(other(role), "the last");
        pair.settle();
        pair.apply(&Op::HalfClose { role: other(role) });
        assert!(pair.run(SECOND * 1000));
        let end = pair.end(role);
        assert_eq!(lengths(end), [8]);
        assert_eq!(end.events.last(), Some(&Event::Failed(ProtocolError::UnexpectedEof)));
        assert_eq!(end.connection.outcome(), unclean(1006));
        assert!(matches!(end.ended, Some((_, Transport::Close))));
        assert_eq!(lengths(pair.end(other(role))), [50_000]);
        assert_eq!(pair.network.resets, 0);
        pair.check();
    }
}

/// Wherever the peer's machine disappears.
#[test]
fn a_peer_that_vanishes_is_noticed_in_every_phase() {
    type Phase = fn(&mut Pair, Role);
    let phases: [(&str, Phase, u64, Transport); 7] = [
        ("open", |_, _| {}, 35, Transport::Abort),
        (
            "inside a frame of the peer's",
            |pair, role| {
                let frame = peer_frame(role, 0x81, b"cut off");
                pair.apply(&Op::Inject { from: other(role), bytes: frame[..9].to_vec() });
            },
            35,
            Transport::Abort,
        ),
        ("after our Close", |pair, role| pair.close(role, 1000), 10, Transport::Close),
        (
            "after our Close, which can't be written",
            |pair, role| {
                let (text, memory) = (false, Memory::Owned);
                pair.apply(&Op::Send { role, text, len: 5000, memory });
                pair.close(role, 1000);
            },
            10,
            Transport::Abort,
        ),
        (
            "with output that can't be written",
            |pair, role| {
                let (text, memory) = (false, Memory::Owned);
                pair.apply(&Op::Send { role, text, len: 5000, memory });
            },
            35,
            Transport::Abort,
        ),
        (
            "with more output than the mark, so that not even a Ping fits",
            |pair, role| {
                let (text, memory) = (false, Memory::Owned);
                pair.apply(&Op::Send { role, text, len: 2_000_000, memory });
            },
            35,
            Transport::Abort,
        ),
        (
            "while it is drained",
            |pair, role| {
                pair.apply(&Op::Inject { from: other(role), bytes: vec![0xff] });
            },
            10,
            Transport::Close,
        ),
    ];
    for role in ROLES {
        for (phase, act, after, transport) in phases {
            let mut pair = Pair::new(&PairSetup { window: 1000, ..one_with(role, TIMEOUTS) });
            pair.apply(&Op::Read { role: other(role), on: false });
            act(&mut pair, role);
            pair.settle();
            pair.apply(&Op::Vanish { role: other(role) });
            assert!(pair.run(SECOND * 1000));
            let end = pair.end(role);
            assert_eq!(end.ended, Some((SECOND * after as u32, transport)), "{role:?} {phase}");
            assert_eq!(end.connection.outcome(), unclean(1006), "{phase}");
            pair.check();
        }
    }
}

#[test]
fn a_slow_link_that_makes_progress_is_not_dead() {
    for role in ROLES {
        // Below the mark a Ping waits behind the message, above it none can.
        for len in [500_000, 1 << 20] {
            let mut setup = both_with(TIMEOUTS);
            // 4,000 bytes in 10 seconds.
            setup.delay = SECOND * 10;
            setup.window = 4000;
            let mut pair = Pair::new(&setup);
            pair.apply(&Op::Send { role, text: false, len, memory: Memory::Owned });
            let time = SECOND * 10 * (len / 4000) as u32;
            pair.advance(time - SECOND * 30);
            assert_eq!(lengths(pair.end(other(role))), []);
            pair.advance(SECOND * 60);
            assert_eq!(lengths(pair.end(other(role))), [len], "{role:?}");
            for role in ROLES {
                assert_eq!(pair.end(role).connection.error(), None);
            }
        }
    }
}

#[test]
fn simultaneous_closes_end_cleanly_whatever_the_delay() {
    for delay in [Duration::ZERO, SECOND] {
        let mut pair = Pair::new(&PairSetup { delay, ..PairSetup::default() });
        pair.send(Role::Client, "from the client");
        pair.send(Role::Server, "from the server");
        pair.close(Role::Client, 4000);
        pair.close(Role::Server, 4001);
        assert!(pair.run(SECOND * 10));
        assert_eq!(pair.outcomes(), [clean(4001), clean(4000)]);
        assert_eq!((lengths(&pair.client), lengths(&pair.server)), (vec![15], vec![15]));
        // The server ends its direction first, when the client's Close came; the client follows.
        assert_eq!(pair.client.ended, Some((delay * 2, Transport::Close)));
        assert_eq!(pair.server.ended, Some((delay * 3, Transport::Close)));
        assert_eq!(pair.network.resets, 0);
        pair.check();
    }
}

#[test]
fn a_flood_of_pings_against_a_blocked_socket_is_bounded_and_the_newest_answered() {
    for role in ROLES {
        let mut pair = Pair::new(&PairSetup { window: 100, ..PairSetup::default() });
        pair.apply(&Op::Block { from: role, on: true });
        for i in 0..10_000_u32 {
            let ping = peer_frame(role, 0x89, &[&i.to_be_bytes()[..], &[0; 121]].concat());
            pair.apply(&Op::Inject { from: other(role), bytes: ping });
            pair.settle();
        }
        assert!(pair.end(role).most_waiting <= 4096 + MAX_CONTROL);
        pair.recover();
        pair.quiesce();
        let pongs = parse_frames(pair.network.written(role));
        let number = |payload: &[u8]| u32::from_be_bytes(payload[..4].try_into().unwrap());
        let answered: Vec<u32> = pongs.iter().map(|(_, payload)| number(payload)).collect();
        let own = answered.len() as u32 - 1;
        assert_eq!(answered, (0..own).chain([9999]).collect::<Vec<_>>());
        assert!((31..=34).contains(&own), "{own} of 4 KiB");
        pair.check();
    }
}

#[test]
fn ends_that_block_each_other_go_on_when_the_links_do() {
    let end = Setup { high_water_mark: 5000, timeouts: TIMEOUTS, ..Setup::default() };
    let server = Setup { echo: Some(Memory::Owned), ..end.clone() };
    let mut pair =
        Pair::new(&PairSetup { window: 1000, client: end, server, ..PairSetup::default() });
    for role in ROLES {
        pair.apply(&Op::Block { from: role, on: true });
    }
    for _ in 0..100 {
        for role in ROLES {
            let (text, memory) = (true, Memory::Borrowed);
            pair.apply(&Op::Send { role, text, len: 3000, memory });
            pair.settle();
        }
    }
    for role in ROLES {
        // Two messages, and what the link took of them.
        assert_eq!(pair.end(role).sent.len(), 2);
        pair.apply(&Op::Block { from: role, on: false });
    }
    pair.settle();
    assert_eq!(lengths(&pair.server), [3000; 100]);
    // Its own, and the echoes.
    assert_eq!(lengths(&pair.client), [3000; 200]);
    pair.close(Role::Client, 1000);
    assert!(pair.run(SECOND));
    assert_eq!(pair.outcomes(), [clean(1000), clean(1000)]);
    pair.check();
}

#[test]
fn a_close_that_comes_while_a_large_echo_waits_lets_all_of_it_arrive() {
    let server = Setup { echo: Some(Memory::Owned), ..Setup::default() };
    let setup = PairSetup { server, window: 10_000, delay: SECOND / 100, ..PairSetup::default() };
    let mut pair = Pair::new(&setup);
    let (role, text, memory) = (Role::Client, false, Memory::Owned);
    pair.apply(&Op::Send { role, text, len: 1 << 20, memory });
    pair.apply(&Op::Read { role, on: false });
    pair.close(role, 1000);
    pair.advance(SECOND * 60);
    // The server has it all, and could write next to nothing of its echo.
    assert_eq!(lengths(&pair.server), [1 << 20]);
    assert_eq!(pair.server.events.last().map(|event| matches!(event, Event::Close(_))), Some(true));
    assert!(pair.server.connection.wants_write());
    assert_eq!(pair.server.connection.transport(), Transport::Open);
    pair.recover();
    assert!(pair.run(SECOND * 60));
    assert_eq!(lengths(&pair.client), [1 << 20]);
    assert_eq!(pair.outcomes(), [clean(1000), clean(1000)]);
    assert_eq!(pair.network.resets, 0);
    pair.check();
}

#[test]
fn control_frames_beyond_the_rate_fail_with_1008() {
    for role in ROLES {
        let rate = ControlRate { frames: 10, per: SECOND };
        let end = Setup { control_rate: Some(rate), ..Setup::default() };
        let setup = match role {
            Role::Client => PairSetup { client: end, ..PairSetup::default() },
            Role::Server => PairSetup { server: end, ..PairSetup::default() },
        };
        let mut pair = Pair::new(&setup);
        for _ in 0..20 {
            pair.apply(&Op::Pings { role: other(role), count: 10, len: 4 });
            pair.advance(SECOND);
        }
        assert_eq!(pair.end(role).events.len(), 200);
        assert_eq!(pair.end(role).connection.poll_timeout(), None);
        pair.apply(&Op::Pings { role: other(role), count: 10, len: 4 });
        pair.advance(SECOND / 2);
        pair.apply(&Op::Pong { role: other(role), len: 0 });
        assert!(pair.run(SECOND));
        let failed = Event::Failed(ProtocolError::TooManyControlFrames);
        assert_eq!(pair.end(role).events[210..], [failed]);
        assert_eq!(pair.end(role).connection.outcome(), unclean(1006));
        assert_eq!(pair.end(other(role)).connection.outcome(), clean(1008));
        pair.check();
    }
}

#[test]
fn spans_of_nothing_and_the_end_of_time_make_no_endless_loop() {
    for pong in [None, Some(Duration::ZERO), Some(SECOND)] {
        let timeouts = Timeouts { ping: Some(Duration::ZERO), pong, ..Timeouts::NONE };
        for role in ROLES {
            let mut end = End::new(role, Setup { timeouts, ..Setup::default() });
            for now in [Duration::ZERO, SECOND, SECOND * 3] {
                end.tell(now);
            }
            end.connection.handle_timeout(Duration::MAX);
        }
    }
}

/// While more than the mark waits, no Ping can be sent; what the peer sends shows that it lives.
#[test]
fn a_peer_that_sends_but_does_not_read_is_dead_only_after_both_spans_of_silence() {
    for role in ROLES {
        let mut pair = Pair::new(&PairSetup { window: 1000, ..one_with(role, TIMEOUTS) });
        pair.apply(&Op::Read { role: other(role), on: false });
        pair.apply(&Op::Send { role, text: false, len: 2_000_000, memory: Memory::Owned });
        pair.advance(SECOND * 21);
        pair.send(other(role), "alive");
        assert!(!pair.run(SECOND * 1000), "the peer has no timers");
        assert_eq!(pair.end(role).ended, Some((SECOND * 56, Transport::Abort)), "{role:?}");
        pair.check();
    }
}

/// The server fails while the client is still sending: what it sent before, and its Close, arrive
/// if it drains, and are destroyed if it does not. So the simulation can tell.
#[test]
fn following_the_transport_never_truncates_and_ignoring_it_does() {
    for manners in [Manners::Follows, Manners::ClosesInsteadOfDraining] {
        let limits = Limits { max_message: 1000, ..Limits::DEFAULT };
        let server = Setup { manners, limits, ..Setup::default() };
        let delay = SECOND / 10;
        let mut pair = Pair::new(&PairSetup { server, delay, ..PairSetup::default() });
        let (text, memory) = (false, Memory::Owned);
        pair.apply(&Op::Send { role: Role::Server, text, len: 50_000, memory });
        // Too much, and more than the server sees before it fails.
        pair.apply(&Op::Send { role: Role::Client, text, len: 200_000, memory });
        pair.apply(&Op::Read { role: Role::Client, on: false });
        pair.advance(SECOND);
        pair.recover();
        assert!(pair.run(SECOND * 60));
        assert_eq!(pair.server.connection.error(), Some(ProtocolError::MessageTooLong));
        if manners == Manners::Follows {
            assert_eq!(lengths(&pair.client), [50_000]);
            assert_eq!(pair.outcomes(), [clean(1009), unclean(1006)]);
            assert_eq!(pair.network.resets, 0);
        } else {
            assert_eq!(lengths(&pair.client), []);
            assert_eq!(pair.client.events, [Event::Failed(ProtocolError::Aborted)]);
            assert_eq!(pair.outcomes(), [unclean(1006), unclean(1006)]);
            assert!(pair.network.resets > 0);
        }
        pair.check();
    }
}

/// The server closes TCP behind its Close frame while messages of the client's are on their way:
/// the reset destroys what the client has not read.
#[test]
fn closing_behind_the_close_frame_truncates() {
    for manners in [Manners::Follows, Manners::ClosesBehindItsClose] {
        let server = Setup { manners, ..Setup::default() };
        let delay = SECOND / 10;
        let mut pair = Pair::new(&PairSetup { server, delay, ..PairSetup::default() });
        pair.apply(&Op::Read { role: Role::Client, on: false });
        pair.send(Role::Server, "the last word");
        pair.close(Role::Server, 1001);
        pair.send(Role::Client, "on its way");
        pair.advance(SECOND);
        pair.recover();
        assert!(pair.run(SECOND * 60));
        if manners == Manners::Follows {
            assert_eq!((lengths(&pair.client), lengths(&pair.server)), (vec![13], vec![10]));
            assert_eq!(pair.outcomes(), [clean(1001), clean(1001)]);
            assert_eq!(pair.network.resets, 0);
        } else {
            assert_eq!(lengths(&pair.client), []);
            assert_eq!(pair.client.events, [Event::Failed(ProtocolError::Aborted)]);
        }
        pair.check();
    }
}
