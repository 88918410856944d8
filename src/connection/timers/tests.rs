//! Tests of the timers with each style of driver: connections that must survive, connections that must
//! end, and random drivers.

mod simulation;

use self::simulation::*;
use super::*;
use crate::Timeouts;

#[test]
fn timers_have_at_most_128_bytes() {
    assert!(size_of::<Timers>() <= 128, "{}", size_of::<Timers>());
}

// --- Connections that must survive ----------------------------------------------------------------

#[test]
fn lives_if_pong_and_message_are_read_after_the_deadline() {
    each_style(KEEPALIVE, |sim| {
        sim.suspend(20_020, 41_000);
        sim.arrive(21_000, Frame::Data(5));
        sim.run(41_020);
        assert!(sim.inbox.is_empty() && sim.pings.is_empty());
        sim.run(300_000);
        sim.assert_alive();
        assert_eq!(sim.over_at, None);
    });
}

#[test]
fn ends_cleanly_if_close_is_read_after_the_deadline() {
    each_style(KEEPALIVE, |sim| {
        sim.peer.answers = false;
        sim.suspend(20_020, 41_000);
        sim.arrive(21_000, Frame::Close);
        sim.run(60_000);
        sim.assert_alive();
        assert_eq!(sim.over_at, Some(41_000));
    });
}

#[test]
fn ends_cleanly_if_the_closing_reply_is_read_after_the_deadline() {
    each_style(KEEPALIVE, |sim| {
        sim.close();
        sim.suspend(30, 15_000);
        sim.run(60_000);
        sim.assert_alive();
        assert_eq!(sim.over_at, Some(15_000));
    });
}

#[test]
fn lives_if_message_is_read_after_the_idle_deadline() {
    each_style(idle(30), |sim| {
        sim.suspend(20_000, 41_000);
        sim.arrive(29_000, Frame::Data(0));
        sim.run(70_000);
        sim.assert_alive();
    });
}

#[test]
fn lives_if_suspended_in_the_write_of_the_ping() {
    each_style(KEEPALIVE, |sim| {
        sim.slow_write = Some((START + 20_000, START + 61_000));
        sim.arrive(20_100, Frame::Data(5));
        sim.run(300_000);
        sim.assert_alive();
    });
}

#[test]
fn lives_if_suspended_in_a_write_after_the_ping() {
    each_style(Timeouts { idle: Some(seconds(60)), ..KEEPALIVE }, |sim| {
        sim.run(20_010);
        // The transport cannot accept all of this in one write.
        sim.slow_write = Some((0, START + 81_000));
        sim.send(1_000_000);
        sim.arrive(20_100, Frame::Data(5));
        sim.run(150_000);
        sim.assert_alive();
        assert_eq!(sim.snapshot.written, sim.snapshot.end);
    });
}

#[test]
fn closing_lives_if_suspended_in_the_write_of_the_close() {
    each_style(KEEPALIVE, |sim| {
        sim.run(1_000);
        sim.slow_write = Some((0, START + 41_000));
        sim.send(1_000_000);
        sim.close();
        sim.run(60_000);
        sim.assert_alive();
        assert!(sim.over_at.is_some());
    });
}

#[test]
fn lives_if_the_time_is_reported_twice_before_the_socket_is_read() {
    each_style(KEEPALIVE, |sim| {
        sim.suspend(20_020, 41_000);
        sim.suspend(41_010, 44_000);
        sim.timer_branches = 2;
        sim.run(41_000);
        assert!(!sim.inbox.is_empty());
        sim.run(300_000);
        assert_eq!(sim.timer_branches, 0);
        sim.assert_alive();
    });
}

#[test]
fn lives_if_the_time_is_reported_twice_at_one_instant() {
    each_style(KEEPALIVE, |sim| {
        sim.suspend(20_020, 41_000);
        sim.run(40_990);
        sim.step_world();
        sim.report();
        sim.report();
        sim.run(300_000);
        sim.assert_alive();
    });
}

#[test]
fn pong_for_the_newest_ping_answers_the_keepalive_ping() {
    each_style(KEEPALIVE, |sim| {
        sim.peer.only_newest = true;
        // The keepalive Ping is due in the following step.
        sim.run(19_990);
        sim.step_world();
        sim.report();
        assert_eq!(sim.pings.len(), 1);
        sim.send_ping(*b"app!");
        sim.run(300_000);
        sim.assert_alive();
    });
}

#[test]
fn idle_lives_while_10_mb_are_written_at_20_kb_per_second() {
    for timeouts in [idle(60), Timeouts { idle: Some(seconds(60)), ..KEEPALIVE }] {
        each_style(timeouts, |sim| {
            sim.peer.rate = 20_000;
            sim.send(10_000_000);
            sim.run(496_000);
            sim.assert_alive();
            assert_eq!(sim.snapshot.phase, Phase::Open);
        });
    }
}

#[test]
fn closing_lives_while_10_mb_before_the_close_are_written_at_500_kb_per_second() {
    for timeouts in [KEEPALIVE, Timeouts { closing: Some(seconds(10)), ..Timeouts::NONE }] {
        each_style(timeouts, |sim| {
            sim.peer.rate = 500_000;
            sim.send(10_000_000);
            sim.close();
            sim.run(60_000);
            sim.assert_alive();
            assert!(sim.over_at.is_some_and(|at| (20_000..21_000).contains(&at)));
        });
    }
}

#[test]
fn lives_while_5_mb_after_a_ping_are_written_at_20_kb_per_second() {
    each_style(KEEPALIVE, |sim| {
        // The peer answers only after it was busy for longer than the pong timeout.
        sim.peer.rate = 20_000;
        sim.peer.answers = false;
        sim.run(20_000);
        sim.send(5_000_000);
        sim.run(265_000);
        sim.assert_alive();
        sim.peer.answers = true;
        sim.run(400_000);
        sim.assert_alive();
        assert_eq!(sim.snapshot.written, sim.snapshot.end);
    });
}

#[test]
fn idle_lives_with_a_message_every_second() {
    each_style(idle(10), |sim| {
        for second in 1..100 {
            sim.arrive(second * 1_000, Frame::Data(1));
        }
        sim.run(100_000);
        sim.assert_alive();
        sim.run(125_000);
        assert_eq!(sim.failed, Some(Action::Expire(Timeout::Idle)));
    });
}

#[test]
fn idle_lives_while_empty_messages_are_written() {
    each_style(idle(10), |sim| {
        for second in 1..100 {
            sim.send(0);
            sim.run(second * 1_000);
        }
        sim.assert_alive();
    });
}

#[test]
fn lives_while_a_frame_arrives_byte_by_byte() {
    each_style(Timeouts { idle: Some(seconds(20)), ..KEEPALIVE }, |sim| {
        sim.peer.answers = false;
        for byte in 1..20 {
            sim.arrive(byte * 14_000, Frame::DataByte);
        }
        sim.run(270_000);
        sim.assert_alive();
    });
}

#[test]
fn lives_forever_with_a_peer_that_answers_pings() {
    each_style(KEEPALIVE, |sim| {
        sim.run(3_600_000);
        sim.assert_alive();
    });
}

#[test]
fn lives_while_refused_output_drains_occasionally() {
    each_style(KEEPALIVE, |sim| {
        // Less than 16 KiB is written each time, and no Ping is answered.
        sim.peer.answers = false;
        sim.peer.rate = 200;
        sim.kernel = 1_000;
        for round in 1..20 {
            sim.send(4_000);
            sim.run(round * 25_000);
        }
        sim.assert_alive();
        sim.die();
        sim.run(700_000);
        assert!(sim.over_at.is_some());
    });
}

#[test]
fn lives_if_suspended_while_output_drains_through_small_windows() {
    for (window, rate, until) in
        [(1_000, 10_000, 60_000), (600, 2_000, 50_000), (1_000, 10_000, 42_000)]
    {
        each_style(KEEPALIVE, |sim| {
            sim.kernel = window;
            sim.peer.rate = rate;
            sim.send(400_000);
            sim.suspend(5_000, until);
            sim.suspend(until + 20_000, 2 * until + 20_000);
            sim.run(3 * until);
            sim.assert_alive();
        });
    }
}

#[test]
fn ends_if_the_peer_reads_single_bytes_although_every_call_is_late() {
    each_style(KEEPALIVE, |sim| {
        sim.peer.rate = 10;
        sim.send(10_000_000);
        for n in 0..1_000 {
            sim.suspend(n * 5_000 + 10, (n + 1) * 5_000);
            sim.arrive(n * 1_000, Frame::Pong(*b"none"));
        }
        sim.run(1_000_000);
        sim.assert_ended(Timeout::Output, 41_000..=4 * 65_000);
    });
}

#[test]
fn pong_received_in_the_interval_in_which_the_ping_was_written_answers_it() {
    let mut sim = Sim::new(Style::BeforeReceive, KEEPALIVE);
    sim.now += 20_000;
    sim.report();
    assert_eq!(sim.pings.len(), 1);
    sim.write();
    // The driver waits although a report is due. The peer answers a newer Ping of the application.
    sim.now += 1_000;
    sim.timers.received(6);
    sim.timers.received_pong(b"app!");
    sim.report();
    let next = sim.timers.poll_timeout(&sim.snapshot, &sim.config);
    assert_eq!(next, Some(millis(sim.now + 20_000)));
    for _ in 0..10 {
        sim.now += 2_000;
        sim.report();
    }
    assert_eq!(sim.pings.len(), 2);
    sim.assert_alive();
}

// --- Connections that must end --------------------------------------------------------------------

#[test]
fn dead_peer_ends_if_time_is_reported_between_queueing_and_writing() {
    let mut sim = Sim::new(Style::WhenDue, KEEPALIVE);
    sim.kernel = 1 << 30;
    sim.die();
    while sim.over_at.is_none() {
        assert!(sim.elapsed() < 100_000);
        sim.now += 3_000;
        sim.report();
        sim.send(100);
        sim.report();
        sim.write();
    }
    // The Ping at 21 s is written before the report at 24 s. The deadline is suspect at 45 s, and
    // three more times because every report is late by more than the grace.
    sim.assert_ended(Timeout::Pong, 57_000..=57_000);
}

#[test]
fn dead_peer_ends_while_messages_are_sent() {
    // If the transport accepts nothing after 18 s, the Ping of 20 s is not written.
    for (kernel, timeout, end) in
        [(1 << 30, Timeout::Pong, 41_000), (64 * 1024, Timeout::Output, 59_000)]
    {
        each_style(KEEPALIVE, |sim| {
            sim.kernel = kernel;
            sim.die();
            while sim.over_at.is_none() && sim.elapsed() < 100_000 {
                sim.send(10_000);
                sim.run(sim.elapsed() + 3_000);
            }
            sim.assert_ended(timeout, end..=end + 50);
        });
    }
}

#[test]
fn dead_peer_ends_if_messages_are_queued_while_a_write_is_submitted() {
    let mut sim = Sim::new(Style::BeforeReceive, KEEPALIVE);
    sim.die();
    while sim.over_at.is_none() {
        assert!(sim.elapsed() < 50_000);
        sim.send(100);
        let submitted = sim.snapshot.end;
        sim.timers.output_requested(&sim.snapshot);
        sim.send(100);
        sim.now += 500;
        sim.report();
        sim.timers.output_requested(&sim.snapshot);
        sim.snapshot.written = submitted;
        while sim.due() {
            sim.report();
        }
    }
    sim.assert_ended(Timeout::Pong, 40_000..=42_000);
}

#[test]
fn silent_dead_peer_ends_after_ping_pong_and_grace() {
    each_style(KEEPALIVE, |sim| {
        sim.die();
        sim.run(50_000);
        sim.assert_ended(Timeout::Pong, 41_000..=41_000);
    });
}

#[test]
fn closing_ends_although_the_peer_sends_pings_forever() {
    each_style(KEEPALIVE, |sim| {
        sim.peer.closes = false;
        sim.run(5_000);
        sim.close();
        for n in 0..1_000 {
            sim.arrive(5_000 + n * 100, Frame::Ping);
        }
        sim.run(50_000);
        sim.assert_ended(Timeout::Closing, 16_000..=16_020);
    });
}

#[test]
fn closing_ends_although_the_peer_sends_pings_and_reads_slowly() {
    each_style(KEEPALIVE, |sim| {
        sim.peer.closes = false;
        sim.kernel = 10;
        sim.peer.rate = 10;
        sim.close();
        for n in 0..1_000 {
            sim.arrive(n * 100, Frame::Ping);
        }
        sim.run(50_000);
        sim.assert_ended(Timeout::Closing, 11_000..=11_050);
    });
}

#[test]
fn closing_restarts_at_the_end_of_the_close_although_pongs_follow() {
    each_style(KEEPALIVE, |sim| {
        sim.peer.closes = false;
        sim.kernel = 10;
        sim.peer.rate = 10;
        sim.send(50);
        sim.close();
        for n in 0..1_000 {
            sim.arrive(n * 100, Frame::Ping);
        }
        // 58 bytes, of which the transport accepts 10.
        sim.run(50_000);
        sim.assert_ended(Timeout::Closing, 4_800 + 11_000..=5_000 + 11_000);
    });
}

#[test]
fn closing_ends_with_65_mib_queued_and_a_byte_read_every_9_seconds() {
    each_style(KEEPALIVE, |sim| {
        sim.peer.rate = 0;
        sim.send(65 << 20);
        sim.close();
        let mut next = 9_000;
        while sim.over_at.is_none() && sim.elapsed() < 200_000 {
            sim.run(next);
            next += 9_000;
            sim.peer_read += 1;
        }
        sim.assert_ended(Timeout::Closing, 11_000..=11_050);
    });
}

#[test]
fn ends_if_the_peer_reads_nothing_and_sends_pongs() {
    for phase in [Phase::Open, Phase::Closing] {
        each_style(Timeouts { closing: None, ..KEEPALIVE }, |sim| {
            sim.peer.rate = 0;
            sim.send(10_000_000);
            if phase == Phase::Closing {
                sim.close();
            }
            for n in 0..1_000 {
                sim.arrive(n * 1_000, Frame::Pong(*b"none"));
            }
            sim.run(200_000);
            sim.assert_ended(Timeout::Output, 41_000..=41_050);
        });
    }
}

#[test]
fn ends_if_the_peer_reads_single_bytes_and_sends_pongs() {
    each_style(KEEPALIVE, |sim| {
        sim.peer.rate = 100;
        sim.send(10_000_000);
        for n in 0..1_000 {
            sim.arrive(n * 1_000, Frame::Pong(*b"none"));
        }
        sim.run(200_000);
        sim.assert_ended(Timeout::Output, 41_000..=42_000);
    });
}

#[test]
fn closing_alone_ends_with_a_silent_peer() {
    each_style(Timeouts { closing: Some(seconds(10)), ..Timeouts::NONE }, |sim| {
        assert_eq!(sim.timers.poll_timeout(&sim.snapshot, &sim.config), None);
        sim.die();
        sim.run(100_000);
        sim.close();
        sim.run(200_000);
        sim.assert_ended(Timeout::Closing, 111_000..=111_020);
    });
}

#[test]
fn closing_ends_if_the_application_does_not_reply() {
    each_style(KEEPALIVE, |sim| {
        sim.snapshot.phase = Phase::Closing;
        sim.run(50_000);
        sim.assert_ended(Timeout::Closing, 11_000..=11_020);
    });
}

#[test]
fn closing_lives_while_output_before_the_reply_is_written() {
    each_style(KEEPALIVE, |sim| {
        sim.peer.rate = 500_000;
        sim.send(10_000_000);
        sim.snapshot.phase = Phase::Closing;
        sim.run(20_000);
        sim.assert_alive();
        sim.run(50_000);
        // The last progress, at 20 s, counts at the next report.
        sim.assert_ended(Timeout::Closing, 30_800..=41_000);
    });
}

#[test]
fn closing_is_not_extended_by_a_late_reply_that_is_not_written() {
    each_style(KEEPALIVE, |sim| {
        sim.die();
        sim.kernel = 0;
        sim.snapshot.phase = Phase::Closing;
        sim.woken = true;
        sim.run(9_000);
        sim.close();
        sim.run(50_000);
        sim.assert_ended(Timeout::Closing, 11_000..=11_050);
    });
}

#[test]
fn output_timeout_runs_on_when_the_peer_closes() {
    each_style(Timeouts { closing: None, ..KEEPALIVE }, |sim| {
        sim.die();
        sim.send(10_000_000);
        sim.run(30_000);
        let poll = |sim: &Sim| sim.timers.poll_timeout(&sim.snapshot, &sim.config);
        let before = poll(sim);
        sim.snapshot.phase = Phase::Closing;
        assert_eq!(poll(sim), before);
        sim.run(50_000);
        sim.assert_ended(Timeout::Output, 41_000..=41_050);
    });
}

#[test]
fn idle_ends_although_pings_are_exchanged() {
    each_style(Timeouts { idle: Some(seconds(60)), ..KEEPALIVE }, |sim| {
        for n in 0..100 {
            sim.arrive(n * 3_000, Frame::Ping);
        }
        sim.run(60_990);
        sim.assert_alive();
        sim.run(61_010);
        assert_eq!(sim.failed, Some(Action::Expire(Timeout::Idle)));
        sim.run(100_000);
        assert!(sim.over_at.is_some());
    });
}

#[test]
fn call_without_received_bytes_is_no_sign_of_life() {
    let mut sim = Sim::new(Style::WhenDue, KEEPALIVE);
    sim.now += 10_000;
    sim.timers.received(0);
    sim.report();
    let next = sim.timers.poll_timeout(&sim.snapshot, &sim.config);
    assert_eq!(next, Some(millis(sim.now + 10_000)));
}

#[test]
fn output_that_is_never_requested_does_not_expire() {
    let mut sim = Sim::new(Style::BeforeReceive, KEEPALIVE);
    for second in 0..200 {
        sim.now += 1_000;
        sim.snapshot.end += 1_000;
        sim.timers.received(1);
        sim.report();
        assert_eq!(sim.failed, None, "{second}");
    }
}

#[test]
fn dead_peer_ends_although_every_call_is_late() {
    each_style(KEEPALIVE, |sim| {
        sim.die();
        for n in 0..40 {
            sim.suspend(n * 5_000 + 10, (n + 1) * 5_000);
        }
        sim.run(200_000);
        sim.assert_ended(Timeout::Pong, 41_000..=60_000);
    });
}

// --- poll_timeout and RTT ------------------------------------------------------------------------

#[test]
fn report_is_due_at_once_at_first_and_after_a_ping_was_written() {
    let mut sim = Sim::new(Style::WhenDue, KEEPALIVE);
    let poll = |sim: &Sim| sim.timers.poll_timeout(&sim.snapshot, &sim.config);
    let unstarted = Timers::new(&sim.config).unwrap();
    assert_eq!(unstarted.poll_timeout(&sim.snapshot, &sim.config), Some(Duration::ZERO));
    assert_eq!(poll(&sim), Some(millis(START + 20_000)));
    sim.now = START + 20_000;
    sim.report();
    // The Ping is not written: only writing it can start a timer.
    assert_eq!(poll(&sim), None);
    sim.write();
    assert_eq!(poll(&sim), Some(millis(START + 20_000)));
    sim.now += 5;
    sim.report();
    assert_eq!(poll(&sim), Some(millis(START + 40_005)));
}

#[test]
fn report_is_due_at_once_when_closing_starts_and_after_the_close_was_written() {
    let mut sim = Sim::new(Style::WhenDue, KEEPALIVE);
    sim.close();
    assert!(sim.due());
    sim.report();
    sim.now += 1_000;
    assert!(!sim.due());
    sim.write();
    assert!(sim.due());
    sim.report();
    assert!(!sim.due());
}

/// The simulation also asserts that `poll_timeout` is later after each report, and that a driver
/// that reports the time while a report is due does not loop forever.
#[test]
fn driver_wakes_only_for_a_ping_and_its_pong() {
    each_style(KEEPALIVE, |sim| {
        sim.run(3_600_000);
        let pings = u32::try_from(sim.snapshot.end / 6).unwrap();
        assert!((170..=180).contains(&pings), "{pings}");
        assert!(sim.wake_ups <= 2 * pings + 1, "{} for {pings} Pings", sim.wake_ups);
    });
}

#[test]
fn driver_of_blocked_output_does_not_spin() {
    each_style(KEEPALIVE, |sim| {
        sim.die();
        sim.send(10_000_000);
        sim.run(50_000);
        sim.assert_ended(Timeout::Output, 41_000..=41_050);
        // Wake-ups: for the write, for a Ping, when the output is suspect, and at the end.
        assert!(sim.wake_ups <= 4, "{}", sim.wake_ups);
    });
}

#[test]
fn no_report_is_due_without_timeouts() {
    let config = Config::new().with_statistics();
    let mut sim = Sim::with_config(Style::BeforeReceive, config);
    sim.send(1 << 20);
    sim.run(1_000);
    sim.close();
    assert_eq!(sim.timers.poll_timeout(&sim.snapshot, &sim.config), None);
}

#[test]
fn survives_the_largest_reported_time() {
    for span in [Duration::ZERO, millis(1), seconds(20), Duration::MAX] {
        let timeouts = Timeouts {
            opening: Some(span),
            ping: Some(span),
            pong: Some(span),
            idle: Some(span),
            closing: Some(span),
        };
        let config = Config::new().with_timeouts(timeouts);
        let mut timers = Timers::new(&config).unwrap();
        let mut snapshot = Snapshot { written: 0, end: 0, phase: Phase::Open };
        let times = [Duration::new(1 << 62, 7), Duration::MAX - millis(1), Duration::MAX];
        for now in times.into_iter().flat_map(|now| [now, now]) {
            for round in 0.. {
                assert!(round < 10);
                if timers.handle_timeout(now, &snapshot, &config).is_none() {
                    break;
                }
                snapshot.end += 6;
            }
            assert!(timers.poll_timeout(&snapshot, &config).is_none_or(|next| next > now));
        }
    }
}

#[test]
fn rtt_is_exact_if_the_time_is_reported_at_each_wake_up() {
    each_style(KEEPALIVE, |sim| {
        sim.peer.latency = 120;
        sim.run(60_000);
        // One tick passes until the peer reads the Ping.
        assert_eq!(sim.timers.rtt(), Some(millis(120 + TICK)));
        sim.peer.latency = 2_340;
        sim.run(120_000);
        assert_eq!(sim.timers.rtt(), Some(millis(2_340 + TICK)));
    });
}

#[test]
fn rtt_is_measured_although_messages_arrive_before_the_pong() {
    each_style(KEEPALIVE, |sim| {
        sim.peer.latency = 500;
        sim.arrive(20_100, Frame::Data(5));
        sim.run(30_000);
        assert_eq!(sim.timers.rtt(), Some(millis(500 + TICK)));
    });
}

#[test]
fn rtt_ignores_stale_and_unsolicited_pongs() {
    each_style(KEEPALIVE, |sim| {
        sim.peer.answers = false;
        sim.run(20_000);
        let payload = sim.pings.front().unwrap().1;
        for stale in [&b""[..], b"none", &payload[..3]] {
            sim.timers.received_pong(stale);
            sim.report();
            assert_eq!(sim.timers.rtt(), None);
        }
        sim.now += 100;
        sim.timers.received_pong(&payload);
        assert!(sim.due());
        sim.report();
        assert_eq!(sim.timers.rtt(), Some(millis(100)));
        sim.now += 100;
        sim.timers.received_pong(&payload);
        sim.report();
        assert_eq!(sim.timers.rtt(), Some(millis(100)));
    });
}

#[test]
fn pings_without_pong_timeout_are_repeated_and_never_fail() {
    each_style(Timeouts { pong: None, ..KEEPALIVE }, |sim| {
        sim.peer.answers = false;
        sim.run(100_500);
        sim.assert_alive();
        assert_eq!(sim.snapshot.end, 5 * 6);
    });
}

// --- Control frame rate and statistics -----------------------------------------------------------

const RATE: ControlRate = ControlRate { frames: 10, per: seconds(1) };

#[test]
fn rate_counts_without_a_clock() {
    let mut timers = Timers::new(&Config::new().with_control_rate(RATE)).unwrap();
    for _ in 0..10 {
        timers.received_ping();
        assert!(!timers.exceeds_without_clock(RATE));
    }
    timers.received_pong(b"");
    assert!(timers.exceeds_without_clock(RATE));
}

#[test]
fn flood_of_control_frames_fails_in_the_wake_up_that_reads_it() {
    for style in STYLES {
        let mut sim = Sim::with_config(style, Config::new().with_control_rate(RATE));
        for _ in 0..61 {
            sim.arrive(5_000, Frame::Ping);
        }
        sim.run(5_000);
        assert_eq!(sim.failed, Some(Action::FailControlRate));
        assert_eq!(sim.snapshot.phase, Phase::Closing);
    }
}

#[test]
fn pings_that_are_read_late_do_not_exceed_the_rate() {
    for style in STYLES {
        let mut sim = Sim::with_config(style, Config::new().with_control_rate(RATE));
        for n in 0..1_000 {
            sim.arrive(n * 101, Frame::Ping);
        }
        sim.suspend(20_000, 80_000);
        sim.run(110_000);
        sim.assert_alive();
    }
}

#[test]
fn statistics_count_beyond_4_gib() {
    let config = Config::new().with_statistics();
    let mut sim = Sim::with_config(Style::WhenDue, config);
    sim.kernel = u64::MAX;
    let four_gib = u64::from(u32::MAX);
    for _ in 0..3 {
        sim.send(four_gib);
        sim.timers.received(u32::MAX as usize);
        sim.timers.received_payload(u32::MAX as usize, Fragment::Middle);
    }
    sim.write();
    sim.timers.received_payload(0, Fragment::Last);
    sim.timers.received_ping();
    let statistics = sim.timers.statistics(&sim.snapshot).unwrap();
    assert_eq!(statistics.sent.wire_bytes, 3 * (four_gib + HEADER));
    assert_eq!(statistics.sent.payload_bytes, 3 * four_gib);
    assert_eq!(statistics.sent.messages, 3);
    assert_eq!(statistics.received.wire_bytes, 3 * four_gib);
    assert_eq!(statistics.received.payload_bytes, 3 * four_gib);
    assert_eq!(statistics.received.messages, 1);
    assert_eq!(statistics.received.pings, 1);
}

// --- Random drivers ------------------------------------------------------------------------------

const SEEDS: u64 = 25;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

fn random_sim(random: &mut Random) -> Sim {
    let style = STYLES[random.below(3) as usize];
    let mut sim = Sim::new(
        style,
        Timeouts {
            ping: Some(seconds(5 + random.below(30))),
            pong: Some(seconds(5 + random.below(30))),
            ..KEEPALIVE
        },
    );
    sim.peer.rate = 20_000 << random.below(8);
    sim.peer.latency = random.below(500);
    sim.peer.only_newest = random.below(2) == 0;
    sim.kernel = 10_000 + random.below(54_000);
    sim
}

#[test]
fn healthy_peer_lives_whatever_the_driver_does() {
    for seed in 1..=SEEDS {
        let mut random = Random(seed);
        let mut sim = random_sim(&mut random);
        sim.reads_in_grace = true;
        let mut now = 0;
        while now < 600_000 {
            let run = 20 + random.below(20_000);
            let sleep = random.below(4) * random.below(30_000);
            sim.suspend(now + run, now + run + sleep);
            if random.below(3) == 0 {
                sim.slow_write = Some((sim.now, sim.now + random.below(80_000)));
            }
            sim.timer_branches = random.below(2) as u32;
            match random.below(4) {
                0 => sim.send(random.below(400_000)),
                1 => sim.send_ping(*b"app!"),
                2 => sim.arrive(now + random.below(10_000), Frame::Data(10)),
                _ => {}
            }
            sim.run(now + run + sleep);
            now = sim.elapsed();
            assert_eq!(sim.failed, None, "seed {seed}, {:?} at {now} ms", sim.style);
        }
        sim.close();
        sim.run(now + 600_000);
        assert_eq!(sim.failed, None, "seed {seed}, {:?} while closing", sim.style);
        assert!(sim.over_at.is_some(), "seed {seed}");
    }
}

#[test]
fn dead_peer_ends_within_the_stated_bound() {
    for seed in 1..=SEEDS {
        let mut random = Random(seed);
        let mut sim = random_sim(&mut random);
        let (ping, pong) = (sim.config.timeouts.ping.unwrap(), sim.config.timeouts.pong.unwrap());
        let dies = random.below(120_000);
        let delay = random.below(2) * random.below(10_000);
        let (mut now, mut is_dead) = (0, false);
        while sim.over_at.is_none() && now < 1_000_000 {
            let run = 20 + random.below(5_000);
            let sleep = random.below(delay + 1);
            sim.suspend(now + run, now + run + sleep);
            if random.below(4) == 0 {
                sim.send(random.below(20_000));
            }
            let next = now + run + sleep;
            if !is_dead && dies < next {
                sim.run(dies);
                sim.die();
                is_dead = true;
            }
            sim.run(next);
            now = sim.elapsed();
        }
        let late = if delay == 0 { 1_050 } else { 8 * (delay + 1_050) };
        let bound = 2 * (ping + pong).as_millis() as u64 + late;
        let took = sim.over_at.unwrap() - dies;
        assert!(took <= bound, "seed {seed}: {took} ms, bound {bound} ms");
        assert!(took + 1 >= pong.as_millis() as u64, "seed {seed}: {took} ms");
    }
}
