//! Time, in a way that gives stable ratios on a noisy machine.

use std::hint::black_box;

use crate::{Job, memory};

/// CPU time of this thread, in nanoseconds.
fn cpu_time() -> u64 {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn wall_time() -> u64 {
    clock(libc::CLOCK_MONOTONIC)
}

fn clock(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists and `time` is ours.
    assert_eq!(unsafe { libc::clock_gettime(id, &mut time) }, 0);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Binds this thread to the last core that it may use.
pub fn pin() {
    // SAFETY: `set` is ours and as large as is said.
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

/// Clean slices from which their median stands.
pub const ENOUGH: usize = 7;

/// What one implementation took for one message.
#[derive(Clone, Copy)]
pub struct Measured {
    pub ns: f64,
    pub allocations: f64,
    /// Clean slices.
    pub slices: usize,
}

/// Opens a job, which an implementation does each time in memory that it takes anew.
pub type Open<'a> = Box<dyn Fn() -> Job + 'a>;

/// A job under measurement.
struct Runner<'a> {
    open: Open<'a>,
    job: Job,
    /// The jobs before, and more that takes memory, so that the job has none that was theirs.
    taken: Vec<(Job, Vec<u8>)>,
    /// Messages in a slice.
    messages: u64,
    clean: Vec<f64>,
    /// Slices on a core that was throttled or shared, for want of better ones.
    others: Vec<f64>,
    /// In all slices, and the messages of these.
    allocations: usize,
    done: u64,
}

/// Measures jobs side by side: slices of about a millisecond in rotating order, until each has
/// `slices` clean ones. Gives up on cleanness after thirty times as many. After so many rounds at a
/// place the jobs are opened anew, at another one in memory.
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
        // Warm up, and find out how many messages a millisecond takes.
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
        let (taken, clean, others) = (Vec::new(), Vec::new(), Vec::new());
        Self { open, job, taken, messages, clean, others, allocations: 0, done: 0 }
    }

    /// Opens the job at another place in memory, and warms it up.
    fn reopen(&mut self) {
        let size = (self.taken.len() + 1) * 1360 % 4096;
        let memory = vec![0; size];
        let before = std::mem::replace(&mut self.job, (self.open)());
        self.taken.push((before, memory));
        (self.job)(self.messages / 2 + 1);
    }

    fn slice(&mut self, spin: &mut Spin) {
        // The caches as this job leaves them, not the one before.
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
            // Too few: of all slices, the one that a quarter of them beats.
            self.clean.append(&mut self.others);
            quantile(&mut self.clean, 4)
        };
        let allocations = self.allocations as f64 / self.done as f64;
        Measured { ns, allocations, slices }
    }
}

/// What one in `n` values is below.
fn quantile(values: &mut [f64], n: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / n]
}

/// A few microseconds of arithmetic, whose time tells how fast the core is right now: throttled,
/// boosted, or shared with a sibling thread.
struct Spin {
    times: Vec<u64>,
    /// The median of `times`, a little late.
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

    /// Whether the core is as fast as it is most of the time, within 6 %.
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
        // Independent chains, so that a sibling thread on the core shows too.
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
