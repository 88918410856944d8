//! Tests of the timers with each style of driver, as far as `tests/time.rs` does not prove the same of real
//! connections: slow and refused output, single judgements, and random drivers.

mod simulation;

use self::simulation::*;
use super::*;
use crate::Timeouts;

#[test]
fn timers_have_at_most_128_bytes_and_counters_72() {
    assert!(size_of::<Timers>() <= 128, "{}", size_of::<Timers>());
    assert!(size_of::<Counters>() <= 72, "{}", size_of::<Counters>());
}

// --- Connections that must survive ----------------------------------------------------------------

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

// --- poll_timeout --------------------------------------------------------------------------------

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
fn pings_without_pong_timeout_are_repeated_and_never_fail() {
    each_style(Timeouts { pong: None, ..KEEPALIVE }, |sim| {
        sim.peer.answers = false;
        sim.run(100_500);
        sim.assert_alive();
        assert_eq!(sim.snapshot.end, 5 * 6);
    });
}

// --- Statistics ----------------------------------------------------------------------------------

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
