//! A client and a server over simulated TCP, in virtual time.
//!
//! Each end runs the driving loop of the crate's front page over a non-blocking socket. It wakes up when
//! its timeout is due, when it wants to read and bytes are available, or when it has output and the socket
//! is writable. The invariants are checked after each call.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod end;
mod record;
mod setup;
mod tcp;

use std::io::ErrorKind;
use std::time::Duration;

use websocket_proto::{Event, Message, Role, Transport};

use crate::support::{ROLES, Random, outcome, peer_of};

#[allow(unused_imports)]
pub use end::{End, MAX_CONTROL};
pub use setup::{Item, Ownership, Reports, Setup, Teardown, message};
pub use tcp::Network;

/// The configuration of a pair.
#[derive(Debug, Clone)]
pub struct PairSetup {
    pub seed: u64,
    pub client: Setup,
    pub server: Setup,
    pub delay: Duration,
    pub window: usize,
    pub cut: usize,
}

impl Default for PairSetup {
    fn default() -> Self {
        Self {
            seed: 6455,
            client: Setup::default(),
            server: Setup::default(),
            delay: Duration::ZERO,
            window: 1 << 16,
            cut: usize::MAX,
        }
    }
}

impl PairSetup {
    pub fn end(&mut self, role: Role) -> &mut Setup {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }
}

#[derive(Debug, Clone)]
pub enum Op {
    Send {
        role: Role,
        text: bool,
        len: usize,
        ownership: Ownership,
    },
    /// A chunk of the message in progress, or the first chunk of a new message.
    SendChunk {
        role: Role,
        text: bool,
        len: usize,
        last: bool,
    },
    Pings {
        role: Role,
        count: usize,
        len: usize,
    },
    Pong {
        role: Role,
        len: usize,
    },
    /// A Close after the queued items; without a code for 1005.
    Close {
        role: Role,
        code: u16,
    },
    /// Whether the application reads.
    Read {
        role: Role,
        on: bool,
    },
    Advance(Duration),
    /// Whether segments from this end are blocked.
    Block {
        from: Role,
        on: bool,
    },
    Cut(usize),
    Delay(Duration),
    /// A premature FIN from this end.
    HalfClose {
        role: Role,
    },
    /// A spurious wake-up.
    Wake {
        role: Role,
    },
    /// Inserts bytes into the stream from this end that its connection did not write.
    Inject {
        from: Role,
        bytes: Vec<u8>,
    },
    /// The machine of this end disappears.
    Vanish {
        role: Role,
    },
    /// The process of this end is killed, and its system resets the TCP connection.
    Reset {
        role: Role,
    },
}

pub struct Pair {
    pub network: Network,
    pub client: End,
    pub server: End,
    random: Random,
    /// Number of the last generated message.
    number: u32,
    /// Whether each direction contains only bytes of its connection: client first, then server.
    genuine: [bool; 2],
}

impl Pair {
    pub fn new(setup: &PairSetup) -> Self {
        let mut network = Network::new(setup.seed);
        network.delay = setup.delay;
        network.window = setup.window;
        network.cut = setup.cut;
        let mut pair = Self {
            network,
            client: End::new(Role::Client, setup.client.clone()),
            server: End::new(Role::Server, setup.server.clone()),
            random: Random(!setup.seed),
            number: 0,
            genuine: [true; 2],
        };
        // Timers start when the time is first reported.
        for role in ROLES {
            pair.wake(role);
        }
        pair
    }

    pub fn end(&mut self, role: Role) -> &mut End {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    // --- Operations ----------------------------------------------------------------------------

    /// Applies an operation. Its effect on the other end is not delivered yet.
    pub fn apply(&mut self, op: &Op) {
        self.number += 1;
        let number = self.number;
        match *op {
            Op::Send { role, text, len, ownership } => {
                self.queue(role, Item::Message(message(number, text, len), ownership));
            }
            Op::SendChunk { role, text, len, last } => self.wake_with(role, |end| {
                // Queued chunks must not interleave with echoed ones.
                if end.setup.echo {
                    end.queue(Item::Message(message(number, text, len), Ownership::Borrowed));
                } else {
                    end.queue_chunk(text, last, |text| message(number, text, len));
                }
            }),
            Op::Pings { role, count, len } => self.wake_with(role, |end| {
                for i in 0..count {
                    end.queue(Item::Ping(vec![i as u8; len]));
                }
            }),
            Op::Pong { role, len } => self.queue(role, Item::Pong(vec![number as u8; len])),
            Op::Close { role, code } => self.queue(role, Item::Close(code, "bye".into())),
            Op::Read { role, on } => self.wake_with(role, |end| end.reads = on),
            Op::Advance(time) => self.advance(time),
            Op::Block { from, on } => self.network.block(from, on),
            Op::Cut(cut) => self.network.cut = cut,
            Op::Delay(delay) => self.network.delay = delay,
            Op::HalfClose { role } => self.network.shutdown(role),
            Op::Wake { role } => self.wake(role),
            Op::Inject { from, ref bytes } => self.inject(from, bytes),
            Op::Vanish { role } => {
                self.end(role).vanished = true;
                self.network.vanish(role);
            }
            Op::Reset { role } => {
                self.end(role).vanished = true;
                self.network.reset(role);
            }
        }
    }

    /// Wakes an end with an item to send.
    pub fn queue(&mut self, role: Role, item: Item) {
        self.wake_with(role, |end| end.queue(item));
    }

    pub fn send(&mut self, role: Role, message: impl Into<Message<'static>>) {
        self.queue(role, Item::Message(message.into(), Ownership::Owned));
    }

    pub fn close(&mut self, role: Role, code: u16) {
        self.queue(role, Item::Close(code, String::new()));
    }

    pub fn inject(&mut self, from: Role, bytes: &[u8]) {
        self.genuine[from as usize] = false;
        self.network.inject(from, bytes);
    }

    // --- The driver ----------------------------------------------------------------------------

    pub fn wake(&mut self, role: Role) {
        self.wake_with(role, |_| {});
    }

    /// One wake-up: the driving loop until the socket would block, reporting the time as the driver does.
    pub fn wake_with(&mut self, role: Role, act: impl FnOnce(&mut End)) {
        let Self { network, client, server, random, .. } = self;
        let end = match role {
            Role::Client => client,
            Role::Server => server,
        };
        if end.suspended {
            return act(end);
        }
        if end.is_over() {
            return;
        }
        if end.setup.reports == Reports::BeforeReceive {
            end.report(network.now);
        }
        act(end);
        turn(network, role, end, random);
        if end.setup.reports == Reports::AfterReceive && !end.is_over() {
            end.report(network.now);
            turn(network, role, end, random);
        }
        // Before it waits, a driver writes, then reports the time while that is due.
        let mut rounds = 0;
        while !end.is_over() && end.is_due(network.now) {
            end.report(network.now);
            turn(network, role, end, random);
            rounds += 1;
            assert!(rounds < 10, "`poll_timeout` is due after every report");
        }
    }

    /// Whether the end has a reason to wake up now.
    fn has_reason(&mut self, role: Role) -> bool {
        let now = self.network.now;
        let readable = self.network.is_readable(role);
        let writable = self.network.is_writable(role);
        let end = self.end(role);
        let runs = !end.is_over() && !end.suspended;
        runs && (end.is_due(now)
            || (readable && end.wants_input())
            || (writable && end.wants_write()))
    }

    /// Delivers and handles everything that happens at the current time.
    pub fn settle(&mut self) {
        for _ in 0..1_000_000 {
            self.network.deliver();
            let first = ROLES[self.random.below(2)];
            let next = [first, peer_of(first)].into_iter().find(|role| self.has_reason(*role));
            let Some(role) = next else { return };
            self.wake(role);
        }
        panic!("endless wake-ups at {:?}", self.network.now);
    }

    /// The time of the next event.
    fn next(&self) -> Option<Duration> {
        let timeouts = [&self.client, &self.server]
            .into_iter()
            .filter(|end| !end.is_over() && !end.suspended)
            .filter_map(|end| end.connection.poll_timeout());
        timeouts.chain(self.network.next_arrival()).min()
    }

    /// Lets time pass.
    pub fn advance(&mut self, time: Duration) {
        let end = self.network.now + time;
        self.settle();
        while let Some(at) = self.next().filter(|at| *at <= end) {
            self.network.now = self.network.now.max(at);
            self.settle();
        }
        self.network.now = self.network.now.max(end);
    }

    /// Advances until nothing is in flight.
    pub fn quiesce(&mut self) {
        self.settle();
        while let Some(at) = self.network.next_arrival() {
            self.network.now = at;
            self.settle();
        }
    }

    /// Advances until both ends are over, by at most `limit`. Returns whether they are.
    pub fn run(&mut self, limit: Duration) -> bool {
        let end = self.network.now + limit;
        self.settle();
        while !(self.client.is_over() && self.server.is_over()) {
            let Some(at) = self.next().filter(|at| *at <= end) else { return false };
            self.network.now = at;
            self.settle();
        }
        true
    }

    /// Suspends the process of `role` for this long; everything else continues.
    pub fn suspend(&mut self, role: Role, time: Duration) {
        self.end(role).suspended = true;
        self.advance(time);
        self.settle();
        self.end(role).suspended = false;
    }

    /// Removes all disturbances.
    pub fn recover(&mut self) {
        for role in ROLES {
            self.network.block(role, false);
            self.apply(&Op::Read { role, on: true });
        }
    }

    // --- Final checks --------------------------------------------------------------------------

    pub fn outcomes(&self) -> [Option<(bool, u16)>; 2] {
        [outcome(&self.client.connection), outcome(&self.server.connection)]
    }

    /// Checks the records of both ends. The pair cannot be used afterwards.
    pub fn check(&mut self) {
        for role in ROLES {
            let written = self.network.written(role).to_vec();
            self.end(role).check_record(&written);
        }
        for role in ROLES {
            let (from, to) = match role {
                Role::Client => (&self.client, &self.server),
                Role::Server => (&self.server, &self.client),
            };
            if !self.genuine[role as usize] {
                continue;
            }
            let code = to.events.iter().find_map(|event| match event {
                Event::Close(frame) => Some(frame.as_ref().map_or(1005, |frame| frame.code().0)),
                _ => None,
            });
            let outcome = to.connection.outcome();
            assert!(outcome.is_none_or(|it| it.code.0 == code.unwrap_or(1006)), "{outcome:?}");
            let received: Vec<_> = to.messages().collect();
            let sent: Vec<_> = from.sent.iter().take(received.len()).collect();
            assert!(received == sent, "lost or reordered on the way from the {role:?}");
            let outcomes = [from, to].map(|end| end.connection.outcome());
            if outcomes.iter().all(|it| it.is_some_and(|outcome| outcome.clean)) {
                assert_eq!(received.len(), from.sent.len(), "lost before a clean close");
            }
        }
    }
}

/// Runs the driving loop until the socket would block.
fn turn(network: &mut Network, role: Role, end: &mut End, random: &mut Random) {
    loop {
        end.send_queued();
        if end.write(network.socket(role), random).is_err() {
            end.connection.abort();
            end.receive();
        }
        end.check_written(network.written(role).len());
        // The write may have freed room.
        if end.send_queued() {
            continue;
        }
        match instruction(end) {
            Transport::Open => {}
            Transport::Drain => network.shutdown(role),
            over @ (Transport::Close | Transport::Abort) => {
                if over == Transport::Close {
                    network.close(role);
                } else {
                    network.reset(role);
                }
                end.ended = Some((network.now, over));
                end.receive();
                let timeout = end.connection.poll_timeout();
                assert!(over != end.connection.transport() || timeout.is_none(), "{timeout:?}");
                return;
            }
        }
        if !end.reads {
            return;
        }
        // The process may have been suspended during a write.
        if end.setup.reports == Reports::BeforeReceive && end.last_report != network.now {
            end.report(network.now);
            continue;
        }
        let before = end.progress();
        match end.read(network.socket(role)) {
            Ok(()) => end.receive(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => {
                end.connection.abort();
                end.receive();
            }
        }
        end.check_end_of_stream();
        if end.progress() == before {
            return;
        }
    }
}

/// The transport instruction that the driver follows.
fn instruction(end: &mut End) -> Transport {
    let instruction = end.connection.transport();
    match (end.setup.teardown, instruction) {
        (Teardown::ClosesInsteadOfDraining, Transport::Drain) => Transport::Close,
        (Teardown::ClosesAfterOwnClose, Transport::Open)
            if end.has_closed() && !end.wants_write() =>
        {
            Transport::Close
        }
        _ => instruction,
    }
}
