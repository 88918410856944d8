//! A client and a server over simulated TCP in virtual time. Whatever the network and both applications do,
//! nothing is lost before a clean close, and every connection ends.
#![cfg(feature = "std")]

#[path = "support/pair/mod.rs"]
mod pair;
mod support;

use std::time::Duration;

use pair::*;
use proptest::prelude::*;
use support::*;
use websocket_proto::{
    Config, ConnectionError, Delivery, Event, Limit, Limits, Role, SendError, Timeouts, Transport,
};

const SECOND: Duration = Duration::from_secs(1);

// --- Strategies ---------------------------------------------------------------------------------

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

fn ownership() -> impl Strategy<Value = Ownership> {
    prop::sample::select(Ownership::ALL.to_vec())
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

/// Operations of the applications.
fn traffic() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (role(), any::<bool>(), len(), ownership())
            .prop_map(|(role, text, len, ownership)| Op::Send { role, text, len, ownership }),
        3 => (role(), any::<bool>(), len(), any::<bool>())
            .prop_map(|(role, text, len, last)| Op::SendChunk { role, text, len, last }),
        2 => (role(), 1_usize..5, 0_usize..126)
            .prop_map(|(role, count, len)| Op::Pings { role, count, len }),
        1 => (role(), 0_usize..126).prop_map(|(role, len)| Op::Pong { role, len }),
    ]
}

/// Network and scheduling disturbances that break nothing.
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

/// Failures of an end or of the network.
fn fault() -> impl Strategy<Value = Op> {
    prop_oneof![
        role().prop_map(|role| Op::HalfClose { role }),
        role().prop_map(|role| Op::Vanish { role }),
        role().prop_map(|role| Op::Reset { role }),
        (role(), injected()).prop_map(|(from, bytes)| Op::Inject { from, bytes }),
    ]
}

/// Bytes that this crate's connections never send, or never in this number.
fn injected() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 1..20),
        // The start of a frame.
        Just(peer_frame(Role::Server, 0x81, b"never whole")[..9].to_vec()),
        // A flood of Pings or of unsolicited Pongs.
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
    (span(3000), pong, span(5000), span(3000)).prop_map(|(ping, pong, idle, closing)| {
        Timeouts::NONE.with_ping(ping).with_pong(pong).with_idle(idle).with_closing(closing)
    })
}

fn end(timeouts: impl Strategy<Value = Timeouts>) -> impl Strategy<Value = Setup> {
    (
        prop::sample::select(vec![Delivery::Messages, Delivery::Messages, Delivery::Chunks]),
        prop::sample::select(vec![1, 300, 5000, 1 << 20]),
        prop::sample::select(vec![usize::MAX, usize::MAX, 100, 2048, 10_000]),
        (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()),
        timeouts,
        prop::sample::select(Reports::ALL.to_vec()),
    )
        .prop_map(|(delivery, high_water_mark, max_fragment, flags, timeouts, reports)| {
            Setup {
                delivery,
                high_water_mark,
                max_fragment,
                manual_pong: flags.0 && flags.1,
                manual_close: flags.1 && flags.2,
                statistics: flags.3,
                timeouts,
                reports,
                ..Setup::default()
            }
        })
}

/// Only the server echoes: two applications that reply to each other's replies never stop.
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
        any::<bool>(),
    )
        .prop_map(|(seed, client, server, delay, window, cut, echo)| PairSetup {
            seed,
            client,
            server: Setup { echo, ..server },
            delay,
            window,
            cut,
        })
}

/// Timeouts that never expire during a test, or none.
fn patient() -> impl Strategy<Value = Timeouts> {
    let hours = Some(Duration::from_secs(3600 * 24));
    let all = Timeouts::NONE.with_ping(hours).with_pong(hours).with_idle(hours).with_closing(hours);
    prop::sample::select(vec![Timeouts::NONE, all])
}

proptest! {
    /// With backpressure, cuts, delays, blocked links and applications that stop reading for a while, both
    /// ends close cleanly, with the right codes and without a reset, and every message arrives.
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
        prop_assert!(pair.run(SECOND * 3600), "the connections did not end");
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

/// The observable behaviour of an end.
#[derive(Debug, PartialEq)]
struct Transcript {
    events: Vec<Event<'static>>,
    written: Vec<u8>,
    error: Option<ConnectionError>,
    outcome: Option<(bool, u16)>,
    ended: Option<Transport>,
}

/// Applies all operations of a round at once, then lets time pass until everything has arrived.
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
        assert!(!end.wants_write());
        Transcript {
            events: end.events.clone(),
            written,
            error: end.connection.error(),
            outcome: outcome(&end.connection),
            ended: end.ended.map(|(_, transport)| transport),
        }
    });
    pair.check();
    transcripts
}

/// Operations at both ends whose result does not depend on timing: few enough Pings that each is answered,
/// and nothing that is refused.
fn round() -> impl Strategy<Value = Vec<Op>> {
    let inject = (role(), prop::collection::vec(any::<u8>(), 1..20))
        .prop_map(|(from, bytes)| vec![Op::Inject { from, bytes }]);
    prop_oneof![
        10 => prop::collection::vec(prop_oneof![20 => traffic(), 2 => close()], 1..4),
        // Injected bytes must not split a frame.
        1 => inject,
    ]
}

proptest! {
    #[test]
    fn cuts_delays_and_windows_change_neither_events_nor_bytes(
        setup in pair_setup(|| Just(Timeouts::NONE)),
        rounds in prop::collection::vec(round(), 1..6),
        other_seed in any::<u64>(),
        other_network in (delay(), prop::sample::select(vec![500, 4000, 1 << 16]), cut()),
    ) {
        let mut setup = setup;
        for end in [&mut setup.client, &mut setup.server] {
            end.high_water_mark = 1 << 24;
        }
        // Chunks are echoed as they arrive, so their boundaries depend on the cuts.
        setup.server.echo &= setup.server.delivery == Delivery::Messages;
        let (delay, window, cut) = other_network;
        let other = PairSetup {
            seed: other_seed,
            delay,
            window,
            cut,
            ..setup.clone()
        };
        let (one, two) = (transcripts(&setup, &rounds), transcripts(&other, &rounds));
        for (one, two) in one.iter().zip(&two) {
            prop_assert_eq!(&one.events, &two.events);
            prop_assert_eq!(one, two);
        }
    }

    /// Whatever fails and whenever it fails, both ends detect it and end.
    #[test]
    fn every_connection_ends_within_its_timeouts(
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
        // Pending and unread bytes count as activity until they are delivered.
        let pending: usize = ROLES
            .map(|role| pair.network.unread_by_peer(role) + pair.end(role).pending())
            .iter()
            .sum();
        let backlog = (pair.network.delay * 2 + setup.delay * 2)
            * (2 * pending / setup.window + 3) as u32;
        // A suspect timeout gets a grace period before it expires.
        let span = |timeout: Option<Duration>| {
            let timeout = timeout.unwrap();
            timeout + (timeout / 8).clamp(SECOND / 1000, SECOND)
        };
        // Activity is dated at the next report of the time, up to a whole timeout later.
        let longest =
            |end: &Setup| 2 * (span(end.timeouts.idle) + span(end.timeouts.closing));
        // A message that found no room may be sent as late as when the other end gives up, and it is
        // activity.
        let limit = backlog + longest(&setup.client) + longest(&setup.server);
        let began = pair.network.now;
        prop_assert!(
            pair.run(limit),
            "did not end within {limit:?} from {began:?}: {:?}, {:?}, {:?}",
            pair.network, pair.client.connection, pair.server.connection,
        );
        pair.check();
    }

    /// Without timers a connection need not end, but its output stays bounded and its errors are final.
    #[test]
    fn output_stays_bounded_and_errors_are_final_after_any_fault(
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

/// Lengths of the messages that an end received.
fn lengths(end: &End) -> Vec<usize> {
    end.messages().map(|message| message.len()).collect()
}

fn send(role: Role, len: usize) -> Op {
    Op::Send { role, text: false, len, ownership: Ownership::Owned }
}

#[track_caller]
fn close_cleanly(pair: &mut Pair, within: Duration) {
    pair.close(Role::Client, 1000);
    assert!(pair.run(within));
    assert_eq!(pair.outcomes(), [clean(1000), clean(1000)]);
    pair.check();
}

#[test]
fn peer_that_sends_eof_without_a_close_gets_all_pending_output() {
    for role in ROLES {
        let mut pair = Pair::new(&PairSetup { window: 1000, delay: SECOND, ..Default::default() });
        pair.apply(&send(role, 50_000));
        pair.send(peer_of(role), "the last");
        pair.settle();
        pair.apply(&Op::HalfClose { role: peer_of(role) });
        assert!(pair.run(SECOND * 1000));
        let end = pair.end(role);
        assert_eq!(lengths(end), [8]);
        assert_eq!(end.events.last(), Some(&Event::Failed(ConnectionError::UnexpectedEof)));
        assert_eq!(outcome(&end.connection), unclean(1006));
        assert!(matches!(end.ended, Some((_, Transport::Close))));
        assert_eq!(lengths(pair.end(peer_of(role))), [50_000]);
        assert_eq!(pair.network.resets, 0);
        pair.check();
    }
}

#[test]
fn simultaneous_closes_end_cleanly_for_any_delay() {
    for delay in [Duration::ZERO, SECOND] {
        let mut pair = Pair::new(&PairSetup { delay, ..PairSetup::default() });
        pair.send(Role::Client, "from the client");
        pair.send(Role::Server, "from the server");
        pair.close(Role::Client, 4000);
        pair.close(Role::Server, 4001);
        assert!(pair.run(SECOND * 10));
        assert_eq!(pair.outcomes(), [clean(4001), clean(4000)]);
        assert_eq!((lengths(&pair.client), lengths(&pair.server)), (vec![15], vec![15]));
        // The server shuts down its sending direction when the client's Close arrives; the client follows.
        assert_eq!(pair.client.ended, Some((delay * 2, Transport::Close)));
        assert_eq!(pair.server.ended, Some((delay * 3, Transport::Close)));
        assert_eq!(pair.network.resets, 0);
        pair.check();
    }
}

#[test]
fn ping_flood_on_a_blocked_socket_is_bounded_and_the_newest_ping_answered() {
    for role in ROLES {
        let mut pair = Pair::new(&PairSetup { window: 100, ..PairSetup::default() });
        pair.apply(&Op::Block { from: role, on: true });
        for i in 0..10_000_u32 {
            let ping = peer_frame(role, 0x89, &[&i.to_be_bytes()[..], &[0; 121]].concat());
            pair.apply(&Op::Inject { from: peer_of(role), bytes: ping });
            pair.settle();
        }
        assert!(pair.end(role).max_pending <= 4096 + MAX_CONTROL);
        pair.recover();
        pair.quiesce();
        let pongs = parse_frames(pair.network.written(role));
        let number = |payload: &[u8]| u32::from_be_bytes(payload[..4].try_into().unwrap());
        let answered: Vec<u32> = pongs.iter().map(|(_, payload)| number(payload)).collect();
        let own = answered.len() as u32 - 1;
        assert_eq!(answered, (0..own).chain([9999]).collect::<Vec<_>>());
        assert!((31..=34).contains(&own), "{own} Pongs queued, expected 4 KiB");
        pair.check();
    }
}

#[test]
fn pings_after_our_close_are_answered_until_the_peer_closes() {
    for role in ROLES {
        let mut pair = Pair::new(&PairSetup { delay: SECOND, ..PairSetup::default() });
        pair.close(role, 1000);
        pair.apply(&Op::Pings { role: peer_of(role), count: 3, len: 5 });
        assert!(pair.run(SECOND * 10));
        let frames = parse_frames(pair.network.written(role));
        let first_bytes: Vec<u8> = frames.iter().map(|(first, _)| *first).collect();
        assert_eq!(first_bytes, [0x88, 0x8a, 0x8a, 0x8a]);
        assert_eq!(pair.outcomes(), [clean(1000), clean(1000)]);
        pair.check();
    }
}

/// Both applications send unprompted through full buffers in both directions, and keep receiving.
#[test]
fn two_applications_that_send_unprompted_never_deadlock() {
    for mark in [1, 5000] {
        let end = Setup { high_water_mark: mark, ..Setup::default() };
        let setup =
            PairSetup { client: end.clone(), server: end, window: 100, ..Default::default() };
        let mut pair = Pair::new(&setup);
        for role in ROLES {
            pair.apply(&Op::Block { from: role, on: true });
        }
        for role in ROLES {
            for _ in 0..100 {
                pair.apply(&send(role, 3000));
            }
        }
        pair.settle();
        for role in ROLES {
            let sent = pair.end(role).sent.len();
            assert!(sent <= 2, "{sent} messages were accepted below the mark");
            pair.apply(&Op::Block { from: role, on: false });
        }
        pair.settle();
        assert_eq!(lengths(&pair.client), [3000; 100]);
        assert_eq!(lengths(&pair.server), [3000; 100]);
        close_cleanly(&mut pair, SECOND);
    }
}

#[test]
fn application_that_sends_unprompted_never_deadlocks_with_one_that_replies() {
    let client = Setup { high_water_mark: 5000, ..Setup::default() };
    let server = Setup { echo: true, ..client.clone() };
    let setup = PairSetup { window: 1000, client, server, ..PairSetup::default() };
    let mut pair = Pair::new(&setup);
    for role in ROLES {
        pair.apply(&Op::Block { from: role, on: true });
    }
    for _ in 0..100 {
        for role in ROLES {
            let ownership = Ownership::Borrowed;
            pair.apply(&Op::Send { role, text: true, len: 3000, ownership });
            pair.settle();
        }
    }
    for role in ROLES {
        assert_eq!(pair.end(role).sent.len(), 2);
        pair.apply(&Op::Block { from: role, on: false });
    }
    pair.settle();
    assert_eq!(lengths(&pair.server), [3000; 100]);
    // The server's own messages and its echoes.
    assert_eq!(lengths(&pair.client), [3000; 200]);
    close_cleanly(&mut pair, SECOND);
}

/// While the echo of a large message is pending, the small messages after it stay unread.
#[test]
fn driving_loop_of_an_application_that_replies_loses_nothing() {
    for (delivery, mark) in
        [(Delivery::Messages, 1 << 20), (Delivery::Messages, 1), (Delivery::Chunks, 1)]
    {
        let server = Setup { echo: true, high_water_mark: mark, delivery, ..Setup::default() };
        let setup = PairSetup { server, window: 10_000, delay: SECOND / 100, ..Default::default() };
        let mut pair = Pair::new(&setup);
        pair.apply(&Op::Read { role: Role::Client, on: false });
        let sizes = [2 << 20, 5, 4, 3, 2, 1];
        for len in sizes {
            pair.apply(&send(Role::Client, len));
        }
        pair.advance(SECOND * 60);
        pair.recover();
        pair.advance(SECOND * 60);
        assert_eq!(lengths(&pair.client), sizes);
        close_cleanly(&mut pair, SECOND * 10);
    }
}

#[test]
fn close_received_while_a_large_echo_is_pending_truncates_nothing() {
    let server = Setup { echo: true, ..Setup::default() };
    let setup = PairSetup { server, window: 10_000, delay: SECOND / 100, ..PairSetup::default() };
    let mut pair = Pair::new(&setup);
    // Smaller than the mark, so that the server keeps reading.
    let len = (1 << 20) - 100;
    pair.apply(&send(Role::Client, len));
    pair.apply(&Op::Read { role: Role::Client, on: false });
    pair.close(Role::Client, 1000);
    pair.advance(SECOND * 60);
    // The server received everything but could write almost none of its echo.
    assert_eq!(lengths(&pair.server), [len]);
    assert!(matches!(pair.server.events.last(), Some(Event::Close(_))));
    assert!(pair.server.wants_write());
    assert_eq!(pair.server.connection.transport(), Transport::Open);
    pair.recover();
    assert!(pair.run(SECOND * 60));
    assert_eq!(lengths(&pair.client), [len]);
    assert_eq!(pair.outcomes(), [clean(1000), clean(1000)]);
    assert_eq!(pair.network.resets, 0);
    pair.check();
}

/// The server fails while the client is still sending. The client receives the server's earlier message and
/// its Close if the server drains, and loses them if it does not: the simulation detects the difference.
#[test]
fn draining_as_instructed_never_truncates() {
    for teardown in [Teardown::Correct, Teardown::ClosesInsteadOfDraining] {
        let limits = Limits::DEFAULT.with_max_message(1000);
        let server = Setup { teardown, limits, ..Setup::default() };
        let delay = SECOND / 10;
        let mut pair = Pair::new(&PairSetup { server, delay, ..PairSetup::default() });
        pair.apply(&send(Role::Server, 50_000));
        // This message exceeds the limit and is longer than what the server reads before it fails.
        pair.apply(&send(Role::Client, 200_000));
        pair.apply(&Op::Read { role: Role::Client, on: false });
        pair.advance(SECOND);
        pair.recover();
        assert!(pair.run(SECOND * 60));
        assert_eq!(pair.server.connection.error(), Some(Limit::Message.into()));
        if teardown == Teardown::Correct {
            assert_eq!(lengths(&pair.client), [50_000]);
            assert_eq!(pair.outcomes(), [clean(1009), unclean(1006)]);
            assert_eq!(pair.network.resets, 0);
        } else {
            assert_eq!(lengths(&pair.client), []);
            assert_eq!(pair.client.events, [Event::Failed(ConnectionError::Aborted)]);
            assert_eq!(pair.outcomes(), [unclean(1006), unclean(1006)]);
            assert!(pair.network.resets > 0);
        }
        pair.check();
    }
}

/// A server that closes TCP right after its Close frame, while messages of the client are in flight,
/// destroys the output that the client has not read.
#[test]
fn reading_until_the_peer_closes_never_truncates() {
    for teardown in [Teardown::Correct, Teardown::ClosesAfterOwnClose] {
        let server = Setup { teardown, ..Setup::default() };
        let delay = SECOND / 10;
        let mut pair = Pair::new(&PairSetup { server, delay, ..PairSetup::default() });
        pair.apply(&Op::Read { role: Role::Client, on: false });
        pair.send(Role::Server, "the last word");
        pair.close(Role::Server, 1001);
        pair.send(Role::Client, "in flight");
        pair.advance(SECOND);
        pair.recover();
        assert!(pair.run(SECOND * 60));
        if teardown == Teardown::Correct {
            assert_eq!((lengths(&pair.client), lengths(&pair.server)), (vec![13], vec![9]));
            assert_eq!(pair.outcomes(), [clean(1001), clean(1001)]);
            assert_eq!(pair.network.resets, 0);
        } else {
            assert_eq!(lengths(&pair.client), []);
            assert_eq!(pair.client.events, [Event::Failed(ConnectionError::Aborted)]);
        }
        pair.check();
    }
}

/// `has_room` is true after our Close, so that a loop keeps reading.
#[test]
fn application_pongs_are_bounded_after_our_close() {
    for role in ROLES {
        let config = Config::new().with_manual_pong().with_high_water_mark(1000);
        let mut connection = connection(role, config);
        connection.close(None).unwrap();
        let refused = (0..1000).map(|_| connection.pong(b"").err()).find(Option::is_some);
        assert_eq!(refused, Some(Some(SendError::Full)));
        assert!(connection.has_room());
        assert_eq!(connection.ping(b""), Err(SendError::Closed));
        take_output(&mut connection);
        assert_eq!(connection.pong(b""), Ok(()));
    }
}
