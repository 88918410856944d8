//! Keepalive, timeouts and rates of real connections over simulated TCP, on a clock that the test controls.
//!
//! Each scenario of a pair runs in both roles and with three drivers: one reports the time at each wake-up
//! before it receives, one after it receives, and one only when `poll_timeout` asks for it. Where the order of
//! calls is the subject, a test drives a single connection itself.
#![cfg(feature = "std")]

#[path = "support/pair/mod.rs"]
mod pair;
mod support;

use std::time::Duration;

use pair::*;
use support::*;
use websocket_proto::{
    Chunk, Config, Connection, ConnectionError, ControlRate, Event, Fragment, Limit, Negotiated,
    Role, Timeout, Timeouts, Transport,
};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

/// A Ping after 20 s of silence, 20 s for its Pong, 10 s for the closing handshake.
const TIMEOUTS: Timeouts = Timeouts::RECOMMENDED;
const ONLY_CLOSING: Timeouts = Timeouts::NONE.with_closing(Some(Duration::from_secs(10)));

const fn idle(seconds: u64) -> Timeouts {
    Timeouts::NONE
        .with_idle(Some(Duration::from_secs(seconds)))
        .with_closing(Some(Duration::from_secs(10)))
}

fn close_payload(code: u16) -> Vec<u8> {
    code.to_be_bytes().to_vec()
}

/// The setup of a pair whose end of `role` has these timeouts and this driver. Its peer has no timeouts.
fn timed(role: Role, reports: Reports, timeouts: Timeouts) -> PairSetup {
    let mut setup = PairSetup { delay: 100 * MILLI, ..PairSetup::default() };
    *setup.end(role) = Setup { timeouts, reports, ..Setup::default() };
    setup
}

/// Runs a scenario in both roles and with each driver.
fn for_each_driver(scenario: impl Fn(Role, Reports)) {
    for role in ROLES {
        for reports in Reports::ALL {
            println!("{role:?}, {reports:?}");
            scenario(role, reports);
        }
    }
}

impl Pair {
    /// Lets time pass until `at`.
    fn advance_to(&mut self, at: Duration) {
        self.advance(at - self.network.now);
        self.settle();
    }

    /// Replaces the peer of `role` by a script: only the test reads there, and nothing is answered.
    fn script_peer_of(&mut self, role: Role) {
        self.end(peer_of(role)).reads = false;
    }

    /// Sends a frame from the scripted peer of `role`.
    fn script(&mut self, role: Role, first: u8, payload: &[u8]) {
        self.inject(peer_of(role), &peer_frame(role, first, payload));
    }

    /// The frames that `role` wrote, as first byte and payload.
    fn frames(&self, role: Role) -> Vec<(u8, Vec<u8>)> {
        parse_frames(self.network.written(role))
    }

    /// The payload of the newest Ping that `role` wrote.
    #[track_caller]
    fn last_ping(&self, role: Role) -> Vec<u8> {
        let frames = self.frames(role);
        let ping = frames.iter().rev().find(|(first, _)| *first == 0x89);
        ping.expect("no Ping was written").1.clone()
    }

    /// Asserts that `role` wrote a Ping.
    #[track_caller]
    fn assert_pinged(&self, role: Role) {
        self.last_ping(role);
    }

    #[track_caller]
    fn assert_alive(&mut self, role: Role) {
        let end = self.end(role);
        assert_eq!(end.connection.error(), None);
        assert_eq!(end.connection.transport(), Transport::Open);
        assert!(!end.is_over());
    }

    /// Advances until the end of `role` fails, by at most `limit`. Returns the time of the failure.
    #[track_caller]
    fn run_to_failure(&mut self, role: Role, timeout: Timeout, limit: Duration) -> Duration {
        let end = self.network.now + limit;
        while self.end(role).connection.error().is_none() {
            assert!(self.network.now < end, "no failure within {limit:?}");
            self.advance(SECOND / 4);
            self.settle();
        }
        assert_eq!(self.end(role).connection.error(), Some(ConnectionError::Timeout(timeout)));
        self.network.now
    }
}

// --- Connections that survive: late wake-ups ----------------------------------------------------

/// A pair whose end of `role` wrote a Ping at 20 s; the Pong is about to arrive.
fn pinged(role: Role, reports: Reports, timeouts: Timeouts) -> Pair {
    let mut pair = Pair::new(&timed(role, reports, timeouts));
    pair.advance_to(SECOND * 20);
    assert_eq!(pair.frames(role).len(), 1);
    pair.last_ping(role);
    pair
}

#[test]
fn unread_pong_and_message_keep_a_suspended_process_alive() {
    for_each_driver(|role, reports| {
        let mut pair = pinged(role, reports, TIMEOUTS);
        pair.send(peer_of(role), "in the socket");
        pair.suspend(role, SECOND * 21);
        assert!(pair.end(role).events.is_empty());
        pair.settle();
        pair.assert_alive(role);
        assert_eq!(pair.end(role).messages().count(), 1);
        assert!(pair.end(role).connection.rtt().is_some());
        pair.advance(SECOND * 100);
        pair.assert_alive(role);
        pair.check();
    });
}

#[test]
fn unread_close_ends_a_suspended_process_cleanly() {
    for_each_driver(|role, reports| {
        let mut pair = pinged(role, reports, TIMEOUTS);
        // The Pong arrives first.
        pair.suspend(role, SECOND);
        pair.close(peer_of(role), 1001);
        pair.suspend(role, SECOND * 20);
        assert!(pair.run(SECOND));
        let end = pair.end(role);
        assert_eq!(outcome(&end.connection), clean(1001));
        assert!(matches!(end.events[..], [Event::Pong(_), Event::Close(Some(_))]));
        assert_eq!(pair.network.resets, 0);
        pair.check();
    });
}

#[test]
fn unread_reply_to_our_close_ends_a_suspended_process_cleanly() {
    for_each_driver(|role, reports| {
        let mut pair = Pair::new(&timed(role, reports, TIMEOUTS));
        pair.close(role, 1000);
        pair.settle();
        pair.suspend(role, SECOND * 41);
        assert!(pair.run(SECOND));
        assert_eq!(outcome(&pair.end(role).connection), clean(1000));
        assert_eq!(pair.network.resets, 0);
        pair.check();
    });
}

#[test]
fn unread_message_of_a_suspended_process_is_activity_for_idle() {
    for_each_driver(|role, reports| {
        let mut pair = Pair::new(&timed(role, reports, idle(10)));
        pair.send(peer_of(role), "in the socket");
        pair.suspend(role, SECOND * 41);
        pair.settle();
        pair.assert_alive(role);
        pair.advance(SECOND * 9);
        pair.assert_alive(role);
        pair.check();
    });
}

#[test]
fn suspension_inside_the_write_of_a_ping_is_survived() {
    for_each_driver(|role, reports| {
        let mut pair = Pair::new(&timed(role, reports, TIMEOUTS));
        pair.network.suspend_in_write = Some((role, SECOND * 41));
        pair.advance_to(SECOND * 20);
        pair.settle();
        pair.assert_pinged(role);
        assert_eq!(pair.network.now, SECOND * 61);
        pair.advance(SECOND * 100);
        pair.assert_alive(role);
        pair.check();
    });
}

/// The Pong of an earlier Ping is in the socket when the write returns.
#[test]
fn suspension_inside_a_later_write_is_survived() {
    for_each_driver(|role, reports| {
        let mut pair = pinged(role, reports, TIMEOUTS);
        // The Pong is in flight.
        pair.advance(150 * MILLI);
        pair.network.suspend_in_write = Some((role, SECOND * 41));
        pair.send(role, "a message");
        pair.settle();
        assert!(pair.network.now > SECOND * 61);
        pair.advance(SECOND * 100);
        pair.assert_alive(role);
        pair.check();
    });
}

/// A `select` may choose its timer branch although the socket is ready.
#[test]
fn timer_branch_chosen_twice_before_the_socket_branch_is_survived() {
    for_each_driver(|role, reports| {
        for pause in [Duration::ZERO, 400 * MILLI, SECOND * 19] {
            let mut pair = pinged(role, reports, TIMEOUTS);
            pair.send(peer_of(role), "in the socket");
            pair.suspend(role, SECOND * 21);
            for _ in 0..2 {
                let now = pair.network.now;
                pair.end(role).report(now);
                pair.suspend(role, pause);
            }
            pair.settle();
            pair.assert_alive(role);
            assert_eq!(pair.end(role).messages().count(), 1);
            pair.check();
        }
    });
}

/// Each wake-up is later than the grace period: a timeout is suspect at most four times.
#[test]
fn dead_peer_is_detected_by_a_driver_that_is_always_late() {
    for_each_driver(|role, reports| {
        let mut pair = pinged(role, reports, TIMEOUTS);
        pair.apply(&Op::Vanish { role: peer_of(role) });
        pair.network.block(peer_of(role), true);
        for reported in 0.. {
            assert!(reported < 6, "the connection did not fail");
            pair.suspend(role, SECOND * 25);
            pair.wake(role);
            if pair.end(role).is_over() {
                break;
            }
        }
        assert_eq!(
            pair.end(role).connection.error(),
            Some(ConnectionError::Timeout(Timeout::Pong))
        );
    });
}

// --- Connections that survive: signs of life ----------------------------------------------------

/// RFC 6455, section 5.5.3: a peer may answer only the newest of several Pings.
#[test]
fn one_pong_for_the_newest_of_two_pings_keeps_the_connection_alive() {
    for_each_driver(|role, reports| {
        let mut pair = Pair::new(&timed(role, reports, TIMEOUTS));
        pair.script_peer_of(role);
        for round in 1..10 {
            pair.advance(SECOND * 20);
            pair.settle();
            // Reports that are due before the Pong may date it up to 20 s late.
            if pair.frames(role).len() < round * 2 - 1 {
                pair.advance(SECOND * 20);
                pair.settle();
            }
            pair.assert_pinged(role);
            pair.queue(role, Item::Ping(b"newest".to_vec()));
            pair.advance(SECOND);
            pair.script(role, 0x8a, b"newest");
            pair.advance(SECOND * 15);
            pair.assert_alive(role);
        }
    });
}

#[test]
fn message_that_arrives_byte_by_byte_is_a_sign_of_life() {
    for_each_driver(|role, reports| {
        let mut pair = Pair::new(&timed(role, reports, TIMEOUTS));
        pair.script_peer_of(role);
        for byte in peer_frame(role, 0x82, &[7; 60]) {
            pair.inject(peer_of(role), &[byte]);
            pair.advance(SECOND * 14);
            pair.assert_alive(role);
        }
    });
}

#[test]
fn silent_connection_with_a_live_peer_is_pinged_forever() {
    for_each_driver(|role, reports| {
        let mut pair = Pair::new(&timed(role, reports, TIMEOUTS));
        pair.advance(SECOND * 10_000);
        pair.assert_alive(role);
        let pings = pair.frames(role).len();
        // Each report follows 20 s of silence, or 40 s with a driver that reports only when asked.
        assert!((249..=500).contains(&pings), "{pings} Pings");
        let reports = pair.end(role).reports;
        assert!(reports < 5 * pings, "{reports} reports for {pings} Pings");
        pair.check();
    });
}

// --- Connections that survive: slow output ------------------------------------------------------

/// Links of 20 kB/s, as window and delay.
const SLOW: [(usize, Duration); 2] = [(20_000, SECOND), (2_000, Duration::from_millis(100))];

#[test]
fn output_of_10_mb_at_20_kb_per_second_is_activity_for_idle() {
    for (window, delay) in SLOW {
        for_each_driver(|role, reports| {
            let timeouts = TIMEOUTS.with_idle(Some(SECOND * 60));
            let setup = PairSetup { window, delay, ..timed(role, reports, timeouts) };
            let mut pair = Pair::new(&setup);
            pair.send(role, vec![7; 10_000_000]);
            let mut passed = Duration::ZERO;
            while pair.end(peer_of(role)).messages().next().is_none() {
                pair.advance(SECOND * 20);
                passed += SECOND * 20;
                pair.assert_alive(role);
            }
            assert!(passed >= SECOND * 400, "the transfer took only {passed:?}");
        });
    }
}

#[test]
fn output_of_10_mb_before_our_close_at_500_kb_per_second_extends_closing() {
    for_each_driver(|role, reports| {
        let (window, delay) = (50_000, 100 * MILLI);
        let setup = PairSetup { window, delay, ..timed(role, reports, TIMEOUTS) };
        let mut pair = Pair::new(&setup);
        pair.send(role, vec![7; 10_000_000]);
        pair.close(role, 1000);
        assert!(pair.run(SECOND * 60));
        assert!(pair.network.now > SECOND * 15, "the transfer did not outlast the timeout");
        assert_eq!(pair.outcomes(), [clean(1000), clean(1000)]);
        assert_eq!(pair.end(peer_of(role)).messages().count(), 1);
    });
}

/// The Pong arrives at once, or after all the output that follows the Ping.
#[test]
fn ping_before_5_mb_of_output_at_20_kb_per_second_is_answered_in_time() {
    for (window, delay) in SLOW {
        for pong_is_late in [false, true] {
            for_each_driver(|role, reports| {
                let setup = PairSetup { window, delay, ..timed(role, reports, TIMEOUTS) };
                let mut pair = Pair::new(&setup);
                pair.network.block(peer_of(role), pong_is_late);
                pair.advance_to(SECOND * 20 - MILLI);
                pair.network.now += MILLI;
                pair.wake_with(role, |end| {
                    end.report(SECOND * 20);
                    let message = vec![7; 5_000_000].into();
                    end.queue(Item::Message(message, Ownership::Owned));
                });
                pair.settle();
                while pair.end(peer_of(role)).messages().next().is_none() {
                    pair.advance(SECOND);
                    pair.assert_alive(role);
                }
                assert!(pair.network.now > SECOND * 200);
                assert_eq!(pair.frames(role)[0].0, 0x89);
                pair.network.block(peer_of(role), false);
                pair.advance(SECOND * 100);
                pair.assert_alive(role);
            });
        }
    }
}

// --- Connections that survive: activity ---------------------------------------------------------

#[test]
fn message_every_second_is_activity_for_idle() {
    for_each_driver(|role, reports| {
        for sender in ROLES {
            let mut pair = Pair::new(&timed(role, reports, idle(10)));
            for _ in 0..100 {
                pair.send(sender, "");
                pair.advance(SECOND);
                pair.assert_alive(role);
            }
            let last = pair.network.now;
            let failed = pair.run_to_failure(role, Timeout::Idle, SECOND * 22);
            assert!(failed >= last + SECOND * 9, "{failed:?}");
        }
    });
}

/// Payload bytes, and headers of empty fragments.
#[test]
fn every_part_of_an_unfinished_message_is_activity_for_idle() {
    for_each_driver(|role, reports| {
        let payload = peer_frame(role, 0x82, &[7; 200]);
        let fragments = [peer_frame(role, 0x01, b""), peer_frame(role, 0x00, b"").repeat(100)];
        let (empty, step) = (fragments.concat(), fragments[0].len());
        for (bytes, step) in [(payload, 1), (empty, step)] {
            let mut pair = Pair::new(&timed(role, reports, idle(10)));
            pair.script_peer_of(role);
            for part in bytes.chunks(step).take(100) {
                pair.inject(peer_of(role), part);
                pair.advance(SECOND);
                pair.assert_alive(role);
            }
            assert_eq!(pair.end(role).messages().count(), 0);
            pair.run_to_failure(role, Timeout::Idle, SECOND * 22);
        }
    });
}

#[test]
fn control_frames_are_not_activity_for_idle() {
    for_each_driver(|role, reports| {
        let mut pair = Pair::new(&timed(role, reports, idle(60)));
        pair.advance(SECOND * 10);
        for _ in 0..60 {
            pair.queue(role, Item::Ping(vec![]));
            pair.queue(peer_of(role), Item::Ping(vec![]));
            pair.queue(peer_of(role), Item::Pong(vec![]));
            if pair.end(role).is_over() {
                break;
            }
            pair.advance(SECOND);
        }
        assert_eq!(
            pair.end(role).connection.error(),
            Some(ConnectionError::Timeout(Timeout::Idle))
        );
    });
}

#[test]
fn empty_middle_piece_is_not_activity_for_idle() {
    for role in ROLES {
        let mut connection = connection(role, Config::new().with_timeouts(idle(10)));
        connection.send_chunk(Chunk::new("a", Fragment::First)).unwrap();
        for second in 0..30 {
            if connection.error().is_some() {
                break;
            }
            connection.ping(b"").unwrap();
            connection.send_chunk(Chunk::new("", Fragment::Middle)).unwrap();
            let len = connection.output().len();
            connection.output().advance(len);
            connection.handle_timeout(SECOND * second);
        }
        assert_eq!(connection.error(), Some(ConnectionError::Timeout(Timeout::Idle)));
    }
}

#[test]
fn connection_without_messages_closes_with_3008() {
    for_each_driver(|role, reports| {
        let mut pair = Pair::new(&timed(role, reports, idle(60)));
        assert!(pair.run(SECOND * 62));
        assert!(pair.network.now >= SECOND * 61, "expired before the end of the grace period");
        assert_eq!(pair.frames(role).last(), Some(&(0x88, close_payload(3008))));
        let end = pair.end(role);
        assert_eq!(
            end.events.last(),
            Some(&Event::Failed(ConnectionError::Timeout(Timeout::Idle)))
        );
        assert_eq!(outcome(&end.connection), unclean(1006));
        assert!(matches!(end.ended, Some((_, Transport::Close))));
        assert_eq!(outcome(&pair.end(peer_of(role)).connection), clean(3008));
        assert_eq!(pair.network.resets, 0);
        pair.check();
    });
}

// --- Connections that end -----------------------------------------------------------------------

/// The transport accepts every byte, as a system's buffers do for a while.
#[test]
fn dead_peer_is_detected_when_the_time_is_reported_between_queueing_and_writing() {
    for role in ROLES {
        let mut connection = connection(role, Config::new().with_timeouts(TIMEOUTS));
        let failed = (0..).map(|step| SECOND * 3 * step).find(|&now| {
            connection.handle_timeout(now);
            let _ = connection.send("news");
            connection.handle_timeout(now);
            take_output(&mut connection);
            assert!(now < SECOND * 100, "the connection did not fail");
            connection.error().is_some()
        });
        assert_eq!(connection.error(), Some(ConnectionError::Timeout(Timeout::Pong)));
        assert!(failed <= Some(SECOND * 65), "{failed:?}");
    }
}

#[test]
fn dead_peer_is_detected_after_ping_and_pong_timeouts_and_a_grace_period() {
    for_each_driver(|role, reports| {
        let mut pair = Pair::new(&timed(role, reports, TIMEOUTS));
        pair.advance(SECOND * 7);
        pair.send(peer_of(role), "the last");
        pair.settle();
        pair.apply(&Op::Vanish { role: peer_of(role) });
        let heard = pair.network.now + 100 * MILLI;
        assert!(pair.run(SECOND * 1000));
        let end = pair.end(role);
        let (ended, transport) = end.ended.unwrap();
        assert_eq!(transport, Transport::Abort);
        let expected = match reports {
            Reports::AfterReceive => heard + SECOND * 41,
            // The last sign of life is dated at the next report, when a Ping would be due.
            Reports::BeforeReceive => heard + SECOND * (20 + 41),
            Reports::WhenDue => SECOND * (20 + 20 + 20 + 1),
        };
        assert_eq!(ended, expected);
        assert_eq!(
            end.events.last(),
            Some(&Event::Failed(ConnectionError::Timeout(Timeout::Pong)))
        );
        assert_eq!(outcome(&end.connection), unclean(1006));
        pair.check();
    });
}

/// The two drivers of `manual::time` that report after each read: one waits until a report is due, and wakes
/// up 3 ms late; the other reports at intervals.
#[test]
fn dead_peer_is_detected_within_the_times_that_the_manual_states() {
    for (ping, pong) in
        [(20, 20), (20, 1), (1, 20), (3, 3), (1, 1)].map(|(a, b)| (SECOND * a, SECOND * b))
    {
        let interval = (ping.min(pong) / 8).min(SECOND);
        let grace = (pong / 8).min(SECOND);
        for (is_exact, bound) in [(true, grace + 20 * MILLI), (false, grace + interval * 4)] {
            let timeouts = Timeouts::NONE.with_ping(Some(ping)).with_pong(Some(pong));
            let config = Config::new().with_timeouts(timeouts);
            let mut connection = Connection::server(config, &Negotiated::default());
            let (mut now, mut end) = (Duration::ZERO, Duration::ZERO);
            while connection.error().is_none() {
                connection.handle_timeout(now);
                end = now;
                let len = connection.output().len();
                connection.output().advance(len);
                now += if is_exact {
                    let wait =
                        connection.poll_timeout().map_or(SECOND, |due| due.saturating_sub(now));
                    wait.clamp(MILLI, SECOND) + 3 * MILLI
                } else {
                    interval
                };
            }
            assert!(end <= ping + pong + bound, "{end:?} for {ping:?} and {pong:?}, {is_exact}");
        }
    }
}

#[test]
fn peer_that_answers_our_close_only_with_pings_is_closed_at_the_closing_timeout() {
    for_each_driver(|role, reports| {
        let mut pair = Pair::new(&timed(role, reports, TIMEOUTS));
        pair.script_peer_of(role);
        pair.advance(SECOND * 3);
        pair.close(role, 1000);
        let closed = pair.network.now;
        while !pair.end(role).is_over() {
            pair.script(role, 0x89, b"again");
            pair.advance(SECOND);
            assert!(pair.network.now < SECOND * 20, "the connection did not fail");
        }
        let end = pair.end(role);
        assert_eq!(end.ended, Some((closed + SECOND * 11, Transport::Close)));
        assert_eq!(
            end.events.last(),
            Some(&Event::Failed(ConnectionError::Timeout(Timeout::Closing)))
        );
        assert_eq!(outcome(&end.connection), unclean(1006));
    });
}

#[test]
fn peer_that_reads_a_byte_every_9_s_after_a_violation_is_closed() {
    for_each_driver(|role, reports| {
        let mut pair = Pair::new(&timed(role, reports, TIMEOUTS));
        pair.script_peer_of(role);
        pair.send(role, vec![7; 65 << 20]);
        pair.advance(SECOND);
        pair.inject(peer_of(role), &[0xff; 2]);
        pair.advance(SECOND);
        assert!(pair.end(role).connection.error().is_some());
        while !pair.end(role).is_over() {
            pair.advance(SECOND * 9);
            pair.network.discard(peer_of(role), 1);
            pair.settle();
            assert!(pair.network.now < SECOND * 60, "the connection did not fail");
        }
        assert!(matches!(pair.end(role).ended, Some((_, Transport::Abort))));
    });
}

#[test]
fn peer_that_reads_nothing_and_sends_a_pong_each_second_is_aborted() {
    for_each_driver(|role, reports| {
        let mut pair = Pair::new(&PairSetup { window: 1000, ..timed(role, reports, TIMEOUTS) });
        pair.script_peer_of(role);
        pair.send(role, vec![7; 2_000_000]);
        while !pair.end(role).is_over() {
            pair.script(role, 0x8a, b"");
            pair.advance(SECOND);
            pair.settle();
            assert!(pair.network.now < SECOND * 90, "the connection did not fail");
        }
        let end = pair.end(role);
        assert_eq!(end.connection.error(), Some(ConnectionError::Timeout(Timeout::Output)));
        assert!(matches!(end.ended, Some((at, Transport::Abort)) if at >= SECOND * 40));
    });
}

#[test]
fn closing_timeout_alone_ends_a_silent_peer_after_our_close() {
    for_each_driver(|role, reports| {
        let mut pair = Pair::new(&timed(role, reports, ONLY_CLOSING));
        pair.script_peer_of(role);
        pair.advance(SECOND * 100);
        pair.close(role, 1000);
        assert!(!pair.run(SECOND * 1000), "the peer ended although it has no timeouts");
        let end = pair.end(role);
        assert_eq!(end.ended, Some((SECOND * 111, Transport::Close)));
        assert_eq!(end.events, [Event::Failed(ConnectionError::Timeout(Timeout::Closing))]);
        assert_eq!(outcome(&end.connection), unclean(1006));
        pair.check();
    });
}

#[test]
fn close_that_cannot_be_written_aborts_at_the_closing_timeout() {
    for_each_driver(|role, reports| {
        let setup = PairSetup { window: 1000, ..timed(role, reports, TIMEOUTS) };
        let mut pair = Pair::new(&setup);
        pair.script_peer_of(role);
        pair.advance(SECOND * 3);
        pair.send(role, vec![7; 5000]);
        pair.close(role, 1000);
        assert!(!pair.run(SECOND * 1000), "the peer ended although it has no timeouts");
        let end = pair.end(role);
        assert_eq!(end.ended, Some((SECOND * 14, Transport::Abort)));
        assert_eq!(end.connection.error(), Some(ConnectionError::Timeout(Timeout::Closing)));
        assert_eq!(outcome(&end.connection), unclean(1006));
        pair.check();
    });
}

#[test]
fn peer_that_sends_no_eof_after_both_closes_is_closed_cleanly() {
    for_each_driver(|role, reports| {
        let mut pair = Pair::new(&timed(role, reports, TIMEOUTS));
        pair.script_peer_of(role);
        pair.script(role, 0x88, &close_payload(1000));
        pair.settle();
        assert!(!pair.run(SECOND * 1000), "the peer ended although it has no timeouts");
        let end = pair.end(role);
        let arrived = 100 * MILLI;
        assert_eq!(end.ended, Some((arrived + SECOND * 11, Transport::Close)));
        assert_eq!(outcome(&end.connection), clean(1000));
        assert_eq!(end.connection.error(), None);
    });
}

#[test]
fn close_that_the_application_never_answers_ends_at_the_closing_timeout() {
    for role in ROLES {
        let config = Config::new().with_timeouts(ONLY_CLOSING).with_manual_close();
        let mut connection = connection(role, config);
        receive(&mut connection, &peer_close(role, 4000, ""));
        assert_eq!(
            connection.poll_timeout(),
            Some(Duration::ZERO),
            "the time is requested at once"
        );
        for second in [5, 15, 16] {
            assert_eq!(connection.transport(), Transport::Open);
            connection.handle_timeout(SECOND * second);
        }
        assert_eq!(connection.transport(), Transport::Close);
        assert_eq!(outcome(&connection), unclean(4000));
    }
}

/// In every phase of the connection, the peer's machine disappears.
#[test]
fn vanished_peer_is_detected_in_every_phase() {
    type Phase = fn(&mut Pair, Role);
    let phases: [(&str, Phase, u64, Transport); 7] = [
        ("open", |_, _| {}, 41, Transport::Abort),
        (
            "inside a frame of the peer",
            |pair, role| {
                let frame = peer_frame(role, 0x81, b"cut off");
                pair.inject(peer_of(role), &frame[..9]);
            },
            41,
            Transport::Abort,
        ),
        ("after our Close", |pair, role| pair.close(role, 1000), 11, Transport::Close),
        (
            "before our Close is written",
            |pair, role| {
                pair.send(role, vec![7; 5000]);
                pair.close(role, 1000);
            },
            11,
            Transport::Abort,
        ),
        (
            "while output is pending",
            |pair, role| pair.send(role, vec![7; 5000]),
            41,
            Transport::Abort,
        ),
        (
            "while more output than the high-water mark is pending",
            |pair, role| pair.send(role, vec![7; 2_000_000]),
            41,
            Transport::Abort,
        ),
        (
            "after a violation",
            |pair, role| pair.inject(peer_of(role), &[0xff]),
            11,
            Transport::Close,
        ),
    ];
    for_each_driver(|role, reports| {
        for (phase, act, after, transport) in phases {
            let delay = Duration::ZERO;
            let setup = PairSetup { window: 1000, delay, ..timed(role, reports, TIMEOUTS) };
            let mut pair = Pair::new(&setup);
            pair.script_peer_of(role);
            act(&mut pair, role);
            pair.settle();
            pair.apply(&Op::Vanish { role: peer_of(role) });
            assert!(pair.run(SECOND * 1000), "{phase}");
            let end = pair.end(role);
            let (at, instruction) = end.ended.unwrap();
            assert_eq!(instruction, transport, "{phase}");
            let late = match reports {
                Reports::AfterReceive => Duration::ZERO,
                // Events since the last report are dated at the next one.
                Reports::BeforeReceive | Reports::WhenDue => SECOND * 20,
            };
            let expected = SECOND * after as u32;
            assert!((expected..=expected + late).contains(&at), "{phase}: {at:?}");
            assert_eq!(outcome(&end.connection), unclean(1006), "{phase}");
            pair.check();
        }
    });
}

// --- The round-trip time ------------------------------------------------------------------------

#[test]
fn round_trip_time_is_exact() {
    for_each_driver(|role, reports| {
        let delay = Duration::from_micros(123_457);
        let mut pair = Pair::new(&PairSetup { delay, ..timed(role, reports, TIMEOUTS) });
        assert_eq!(pair.end(role).connection.rtt(), None);
        for _ in 0..5 {
            let written = pair.network.written(role).len();
            while pair.network.written(role).len() == written {
                pair.advance(delay / 4);
            }
            pair.assert_pinged(role);
            // An unsolicited Pong before the real one is not measured.
            pair.queue(peer_of(role), Item::Pong(b"meanwhile".to_vec()));
            pair.advance(delay * 2);
            pair.settle();
            assert_eq!(pair.end(role).connection.rtt(), Some(delay * 2));
        }
    });
}

#[test]
fn pong_without_a_keepalive_ping_is_not_measured() {
    for_each_driver(|role, reports| {
        let mut pair = Pair::new(&timed(role, reports, TIMEOUTS));
        pair.script_peer_of(role);
        pair.advance_to(SECOND * 20);
        let ping = pair.last_ping(role);
        let mut other = ping.clone();
        other[0] ^= 1;
        for payload in [&other[..], &ping[1..], b"", &[0; 125]] {
            pair.script(role, 0x8a, payload);
            pair.advance(SECOND);
            assert_eq!(pair.end(role).connection.rtt(), None);
        }
        pair.script(role, 0x8a, &ping);
        pair.advance(SECOND);
        let rtt = pair.end(role).connection.rtt();
        assert_eq!(rtt, Some(SECOND * 4 + 100 * MILLI));
        // A second Pong for the same Ping is stale.
        pair.script(role, 0x8a, &ping);
        pair.advance(SECOND);
        assert_eq!(pair.end(role).connection.rtt(), rtt);
    });
}

// --- The clock ----------------------------------------------------------------------------------

#[test]
fn without_timeouts_no_clock_is_needed() {
    for role in ROLES {
        let mut connection = connection(role, Config::new());
        assert_eq!(connection.poll_timeout(), None);
        connection.handle_timeout(SECOND * 1_000_000);
        connection.close(None).unwrap();
        assert_eq!(connection.poll_timeout(), None);
        assert_eq!(connection.rtt(), None);
    }
}

/// Each timer requests the time as soon as it starts: the connection never dates an event by itself.
#[test]
fn starting_timer_requests_the_time_at_once() {
    for role in ROLES {
        let mut connection = connection(role, Config::new().with_timeouts(TIMEOUTS));
        assert_eq!(connection.poll_timeout(), Some(Duration::ZERO), "the clock has not started");
        connection.handle_timeout(SECOND * 1000);
        assert_eq!(connection.poll_timeout(), Some(SECOND * 1020));
        connection.handle_timeout(SECOND * 1020);
        assert_eq!(connection.poll_timeout(), None, "no timer runs before the Ping is written");
        take_output(&mut connection);
        assert_eq!(connection.poll_timeout(), Some(SECOND * 1020), "the Ping is written");
        connection.handle_timeout(SECOND * 1021);
        assert_eq!(connection.poll_timeout(), Some(SECOND * 1041));
        connection.close(None).unwrap();
        assert_eq!(connection.poll_timeout(), Some(SECOND * 1021), "a Close is queued");
        connection.handle_timeout(SECOND * 1022);
        assert_eq!(connection.poll_timeout(), Some(SECOND * 1032));
        take_output(&mut connection);
        assert_eq!(connection.poll_timeout(), Some(SECOND * 1022), "the Close is written");
        connection.handle_timeout(SECOND * 1023);
        assert_eq!(connection.poll_timeout(), Some(SECOND * 1033));
    }
}

#[test]
fn first_reported_time_may_exceed_2_pow_64_ns() {
    for role in ROLES {
        for start in [Duration::from_nanos(u64::MAX) * 3, Duration::new(u64::MAX / 2, 999_999_999)]
        {
            let mut connection = connection(role, Config::new().with_timeouts(TIMEOUTS));
            connection.handle_timeout(start);
            assert_eq!(connection.poll_timeout(), Some(start + SECOND * 20));
            connection.handle_timeout(start + SECOND * 19);
            assert!(!connection.has_output());
            connection.handle_timeout(start + SECOND * 20);
            assert_eq!(parse_frames(&take_output(&mut connection)).len(), 1);
        }
    }
}

#[test]
fn time_never_runs_backwards() {
    for role in ROLES {
        let mut connection = connection(role, Config::new().with_timeouts(TIMEOUTS));
        connection.handle_timeout(SECOND * 1000);
        connection.handle_timeout(SECOND * 5);
        assert_eq!(connection.poll_timeout(), Some(SECOND * 1020));
    }
}

/// `set_read_timeout(0)` is an error, and a timer that is due at once makes a `select` spin.
#[test]
fn driver_is_never_asked_for_a_time_in_the_past() {
    let spans = [None, Some(Duration::ZERO), Some(MILLI), Some(SECOND), Some(Duration::MAX)];
    let times = [Duration::ZERO, MILLI, SECOND, SECOND * 3, Duration::MAX - SECOND, Duration::MAX];
    for role in ROLES {
        for ping in spans {
            for pong in spans {
                for rest in spans {
                    let timeouts =
                        TIMEOUTS.with_ping(ping).with_pong(pong).with_idle(rest).with_closing(rest);
                    let mut end = End::new(role, Setup { timeouts, ..Setup::default() });
                    for now in times {
                        // `report` panics if the driver would spin. The Ping caused by one report is
                        // written before the next one.
                        end.report(now);
                        take_output(&mut end.connection);
                        end.report(now);
                        end.report(now);
                    }
                }
            }
        }
    }
}

// --- Pings --------------------------------------------------------------------------------------

#[test]
fn client_that_sent_nothing_has_a_key_for_its_close() {
    let mut client = connection(Role::Client, Config::new().with_timeouts(idle(60)));
    for second in [0, 60, 61] {
        client.handle_timeout(SECOND * second);
    }
    assert_eq!(parse_frames(&take_output(&mut client)), [(0x88, close_payload(3008))]);
}

#[test]
fn no_ping_follows_our_close() {
    for role in ROLES {
        let timeouts = TIMEOUTS.with_closing(None);
        let mut connection = connection(role, Config::new().with_timeouts(timeouts));
        connection.handle_timeout(Duration::ZERO);
        connection.close(None).unwrap();
        take_output(&mut connection);
        assert_eq!(connection.poll_timeout(), None);
        connection.handle_timeout(SECOND * 1000);
        assert_eq!(take_output(&mut connection), b"");
    }
}

#[test]
fn ping_is_sent_between_the_chunks_of_a_message() {
    for role in ROLES {
        let mut connection = connection(role, Config::new().with_timeouts(TIMEOUTS));
        connection.handle_timeout(Duration::ZERO);
        connection.send_chunk(Chunk::new("x", Fragment::First)).unwrap();
        take_output(&mut connection);
        connection.handle_timeout(SECOND * 20);
        connection.send_chunk(Chunk::new("x", Fragment::Last)).unwrap();
        let frames = parse_frames(&take_output(&mut connection));
        assert_eq!(frames.iter().map(|(first, _)| *first).collect::<Vec<_>>(), [0x89, 0x80]);
    }
}

/// The keepalive Ping is queued even when there is no room for a message.
#[test]
fn ping_is_queued_above_the_high_water_mark() {
    for role in ROLES {
        let config = Config::new().with_timeouts(TIMEOUTS).with_high_water_mark(10);
        let mut connection: Connection = connection(role, config);
        connection.handle_timeout(Duration::ZERO);
        connection.send("more than the mark").unwrap();
        assert!(!connection.has_room());
        connection.handle_timeout(SECOND * 20);
        let frames = parse_frames(&take_output(&mut connection));
        assert_eq!(frames.iter().map(|(first, _)| *first).collect::<Vec<_>>(), [0x81, 0x89]);
    }
}

// --- The rate of control frames -----------------------------------------------------------------

#[test]
fn control_frames_above_the_rate_fail_with_1008() {
    for_each_driver(|role, reports| {
        let mut setup = timed(role, reports, Timeouts::NONE);
        setup.delay = Duration::ZERO;
        setup.end(role).control_rate = Some(ControlRate { frames: 10, per: SECOND });
        let mut pair = Pair::new(&setup);
        for _ in 0..20 {
            pair.apply(&Op::Pings { role: peer_of(role), count: 10, len: 4 });
            pair.advance(SECOND);
        }
        assert_eq!(pair.end(role).events.len(), 200);
        assert_eq!(pair.end(role).connection.error(), None);
        // More frames at once than the spans since the last report allow.
        pair.apply(&Op::Pings { role: peer_of(role), count: 100, len: 4 });
        assert!(pair.run(SECOND));
        let end = pair.end(role);
        assert_eq!(end.events.last(), Some(&Event::Failed(Limit::ControlFrames.into())));
        assert_eq!(outcome(&end.connection), unclean(1006));
        assert_eq!(outcome(&pair.end(peer_of(role)).connection), clean(1008));
        pair.check();
    });
}

/// A driver that reports the time before it reads has counted all spans of the suspension by then.
#[test]
fn control_frames_that_are_read_late_do_not_exceed_the_rate() {
    for_each_driver(|role, reports| {
        let mut setup = timed(role, reports, Timeouts::NONE);
        setup.delay = Duration::ZERO;
        setup.end(role).control_rate = Some(ControlRate { frames: 10, per: SECOND });
        let mut pair = Pair::new(&setup);
        for suspended in [false, true, false] {
            pair.end(role).suspended = suspended;
            for _ in 0..600 {
                pair.apply(&Op::Pings { role: peer_of(role), count: 1, len: 4 });
                pair.advance(Duration::from_millis(101));
            }
        }
        assert_eq!(pair.end(role).connection.error(), None);
        assert_eq!(pair.end(role).events.len(), 1800);
        pair.check();
    });
}

#[test]
fn control_rate_without_a_clock_applies_to_the_whole_connection() {
    for role in ROLES {
        for first in [0x89, 0x8a] {
            let rate = ControlRate { frames: 10, per: SECOND };
            let mut connection = connection(role, Config::new().with_control_rate(rate));
            let frame = peer_frame(role, first, b"");
            assert_eq!(receive(&mut connection, &frame.repeat(10)).len(), 10);
            let failure = ConnectionError::Limit(Limit::ControlFrames);
            assert_eq!(receive(&mut connection, &frame), [Event::Failed(failure)]);
            let frames = parse_frames(&take_output(&mut connection));
            assert_eq!(frames.last(), Some(&(0x88, 1008_u16.to_be_bytes().to_vec())));
        }
    }
}

#[test]
fn control_rate_allows_its_number_of_frames_in_each_span() {
    let rate = ControlRate { frames: 10, per: SECOND };
    let mut server = connection(Role::Server, Config::new().with_control_rate(rate));
    let pings = peer_frame(Role::Server, 0x89, b"").repeat(10);
    for now in 0..100 {
        server.handle_timeout(SECOND * now);
        assert_eq!(receive(&mut server, &pings).len(), 10);
        take_output(&mut server);
    }
    assert_eq!(server.error(), None);
}

#[test]
fn control_rate_requests_the_time_at_once_when_it_may_be_exceeded() {
    let rate = ControlRate { frames: 10, per: SECOND };
    let mut server = connection(Role::Server, Config::new().with_control_rate(rate));
    let ping = peer_frame(Role::Server, 0x89, b"");
    let now = SECOND * 5;
    server.handle_timeout(now);
    receive(&mut server, &ping.repeat(10));
    assert_eq!(server.poll_timeout(), None);
    receive(&mut server, &ping);
    assert!(server.poll_timeout().is_some_and(|due| due <= now));
    server.handle_timeout(now);
    let failure = ConnectionError::Limit(Limit::ControlFrames);
    assert_eq!(receive(&mut server, b""), [Event::Failed(failure)]);
}
