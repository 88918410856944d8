//! Measures time so that ratios are stable on a noisy machine.

use std::hint::black_box;

use crate::{Job, memory};

/// CPU time of this thread in nanoseconds.
fn cpu_time() -> u64 {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn wall_time() -> u64 {
    clock(libc::CLOCK_MONOTONIC)
}

fn clock(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists and `time` is a valid, exclusive pointer.
    assert_eq!(unsafe { libc::clock_gettime(id, &mut time) }, 0);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Binds this thread to the last core that it may use.
pub fn pin() {
    // SAFETY: `set` is valid and has the passed size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        let size = size_of_val(&set);
        if libc::sched_getaffinity(0, size, &mut set) == 0
            && let Some(core) = (0..libc::CPU_SETSIZE as usize).rfind(|i| libc::CPU_ISSET(*i, &set))
        {
            libc::CPU_ZERO(&mut set);
            libc::CPU_SET(core, &mut set);
            libc::sched_setaffinity(0, size, &set);
        }
    }
}

/// Number of clean slices from which the median is stable.
pub const ENOUGH: usize = 7;

/// The cost of one message for one implementation.
#[derive(Clone, Copy)]
pub struct Measured {
    pub ns: f64,
    pub allocations: f64,
    /// Number of clean slices.
    pub slices: usize,
}

/// Opens a job. The implementation allocates its memory anew each time.
pub type Open<'a> = Box<dyn Fn() -> Job + 'a>;

/// A job under measurement.
struct Runner<'a> {
    open: Open<'a>,
    job: Job,
    /// The earlier jobs, and padding: they keep their memory occupied, so that a new job gets other
    /// addresses.
    previous: Vec<(Job, Vec<u8>)>,
    /// Messages per slice.
    messages: u64,
    clean: Vec<f64>,
    /// Slices on a throttled or shared core, used if there are too few clean ones.
    others: Vec<f64>,
    /// Allocations in all slices, and the number of messages in them.
    allocations: usize,
    done: u64,
}

/// Measures jobs side by side, in slices of about a millisecond in rotating order, until each job has
/// `slices` clean ones. Stops waiting for clean slices after thirty times as many. Every
/// `rounds_at_a_place` rounds the jobs are opened again at other addresses.
pub fn measure(jobs: Vec<Open<'_>>, slices: usize, rounds_at_a_place: usize) -> Vec<Measured> {
    let mut runners: Vec<Runner<'_>> = jobs.into_iter().map(Runner::new).collect();
    let mut spin = Spin::calibrated();
    for round in 0..30 * slices {
        if runners.iter().all(|runner| runner.clean.len() >= slices) {
            break;
        }
        if round > 0 && round.is_multiple_of(rounds_at_a_place) {
            runners.iter_mut().for_each(Runner::reopen);
        }
        let count = runners.len();
        for i in 0..count {
            runners[(i + round) % count].slice(&mut spin);
        }
    }
    runners.iter_mut().map(Runner::finish).collect()
}

impl<'a> Runner<'a> {
    fn new(open: Open<'a>) -> Self {
        let mut job = open();
        // Warm up and determine the number of messages per millisecond.
        let mut messages = 1;
        loop {
            let start = cpu_time();
            let done = job(messages).max(1);
            let time = cpu_time() - start;
            if time > 500_000 {
                messages = (done as f64 * 1e6 / time as f64).max(1.0) as u64;
                break;
            }
            messages = 2 * done.max(messages);
        }
        let (previous, clean, others) = (Vec::new(), Vec::new(), Vec::new());
        Self { open, job, previous, messages, clean, others, allocations: 0, done: 0 }
    }

    /// Opens the job again at other addresses and warms it up.
    fn reopen(&mut self) {
        let size = (self.previous.len() + 1) * 1360 % 4096;
        let memory = vec![0; size];
        let before = std::mem::replace(&mut self.job, (self.open)());
        self.previous.push((before, memory));
        (self.job)(self.messages / 2 + 1);
    }

    fn slice(&mut self, spin: &mut Spin) {
        // Fill the caches with the data of this job instead of the previous one's.
        (self.job)(self.messages / 8 + 1);
        let before = spin.is_usual();
        let (start, wall_start) = (cpu_time(), wall_time());
        let allocations = memory::allocations();
        let done = (self.job)(self.messages);
        let (time, wall) = (cpu_time() - start, wall_time() - wall_start);
        let after = spin.is_usual();
        self.allocations += memory::allocations() - allocations;
        self.done += done;
        let each = time as f64 / done as f64;
        if before && after && wall < time + time / 8 {
            self.clean.push(each);
        } else {
            self.others.push(each);
        }
    }

    fn finish(&mut self) -> Measured {
        let slices = self.clean.len();
        let ns = if slices >= ENOUGH {
            quantile(&mut self.clean, 2)
        } else {
            // Too few clean slices: use the lower quartile of all slices.
            self.clean.append(&mut self.others);
            quantile(&mut self.clean, 4)
        };
        let allocations = self.allocations as f64 / self.done as f64;
        Measured { ns, allocations, slices }
    }
}

/// The `n`-quantile: one in `n` values is below it.
fn quantile(values: &mut [f64], n: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / n]
}

/// A few microseconds of arithmetic. Its time shows how fast the core currently is: throttled, boosted, or
/// shared with a sibling thread.
struct Spin {
    times: Vec<u64>,
    /// A delayed running median of `times`.
    usual: u64,
}

impl Spin {
    fn calibrated() -> Self {
        let mut spin = Self { times: Vec::new(), usual: 0 };
        (0..500).for_each(|_| {
            spin.is_usual();
        });
        spin
    }

    /// Whether the core runs within 6 % of its usual speed.
    fn is_usual(&mut self) -> bool {
        let time = Self::time();
        self.times.push(time);
        if self.times.len().is_multiple_of(100) {
            let mut sorted = self.times.clone();
            sorted.sort_unstable();
            self.usual = sorted[sorted.len() / 2];
        }
        time.abs_diff(self.usual) < self.usual / 16
    }

    fn time() -> u64 {
        let start = wall_time();
        // Independent chains, so that a sibling thread on the core slows them down.
        let mut state = black_box([1_u64, 2, 3, 4, 5, 6]);
        for _ in 0..4000 {
            for value in &mut state {
                *value ^= *value << 13;
                *value ^= *value >> 7;
            }
        }
        black_box(state);
        wall_time() - start
    }
}
