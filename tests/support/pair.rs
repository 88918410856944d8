//! A client and a server over simulated TCP, in virtual time.
//!
//! Each end is driven by exactly the loop of the crate's front page, made for sockets that don't
//! block: an end wakes up when its timeout is due, when it can read and wants to, or when it can
//! write and has something. What must always hold is checked after each call.

mod end;
mod record;
mod setup;
mod tcp;

use std::io::IoSlice;
use std::time::Duration;

use bytes::Buf;
use websocket_proto::{Buffers, Event, Message, Outcome, Role, Transport};

#[allow(unused_imports)]
pub use end::{End, MAX_CONTROL};
pub use setup::{Item, Manners, Memory, Setup, message};
pub use tcp::{Network, ROLES, Random, Read, other};

/// Everything but the operations.
#[derive(Debug, Clone)]
pub struct PairSetup {
    pub seed: u64,
    pub client: Setup,
    pub server: Setup,
    pub delay: Duration,
    pub window: usize,
    pub cut: usize,
    /// Whether both ends are lent the same buffers in turn.
    pub lend: bool,
    /// Whether binary messages are read to where they belong.
    pub direct: bool,
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
            lend: false,
            direct: false,
        }
    }
}

#[derive(Debug, Clone)]
pub enum Op {
    Send {
        role: Role,
        text: bool,
        len: usize,
        memory: Memory,
    },
    /// A piece of the message that is begun, or the first of one.
    SendPiece {
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
    /// Behind what is to be sent; 1005 for none.
    Close {
        role: Role,
        code: u16,
    },
    /// The application stops reading, or goes on.
    Read {
        role: Role,
        on: bool,
    },
    Advance(Duration),
    /// What leaves this end is held up, or not any more.
    Block {
        from: Role,
        on: bool,
    },
    Cut(usize),
    Delay(Duration),
    /// A FIN from this end before its time.
    HalfClose {
        role: Role,
    },
    /// A wake-up without a reason.
    Wake {
        role: Role,
    },
    /// Bytes that are not this end's, among those that it sends.
    Inject {
        from: Role,
        bytes: Vec<u8>,
    },
    /// This end's machine is gone.
    Vanish {
        role: Role,
    },
    /// This end's process is killed: the system resets the connection.
    Reset {
        role: Role,
    },
}

pub struct Pair {
    pub network: Network,
    pub client: End,
    pub server: End,
    lend: bool,
    direct: bool,
    buffers: Buffers,
    random: Random,
    /// Of the next message.
    number: u32,
    /// Whether the bytes from the client, and from the server, are all their own.
    pub genuine: [bool; 2],
    /// The last operation.
    pub last_op: Duration,
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
            lend: setup.lend,
            direct: setup.direct,
            buffers: Buffers::new(),
            random: Random(!setup.seed),
            number: 0,
            genuine: [true; 2],
            last_op: Duration::ZERO,
        };
        // Deadlines start when the time is told first.
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

    /// Does it, without what follows from it at the other end.
    pub fn apply(&mut self, op: &Op) {
        self.number += 1;
        let number = self.number;
        match *op {
            Op::Send { role, text, len, memory } => {
                self.offer(role, Item::Message(message(number, text, len), memory));
            }
            Op::SendPiece { role, text, len, last } => self.wake_to(role, |end| {
                // An echo in pieces has them in its own order.
                if end.setup.echo.is_some() {
                    end.offer(Item::Message(message(number, text, len), Memory::Borrowed));
                    return;
                }
                end.offer_piece(text, last, |text| message(number, text, len));
            }),
            Op::Pings { role, count, len } => self.wake_to(role, |end| {
                for i in 0..count {
                    end.offer(Item::Ping(vec![i as u8; len]));
                }
            }),
            Op::Pong { role, len } => self.offer(role, Item::Pong(vec![number as u8; len])),
            Op::Close { role, code } => self.offer(role, Item::Close(code, "bye".into())),
            Op::Read { role, on } => self.wake_to(role, |end| end.reads = on),
            Op::Advance(time) => self.advance(time),
            Op::Block { from, on } => self.network.block(from, on),
            Op::Cut(cut) => self.network.cut = cut,
            Op::Delay(delay) => self.network.delay = delay,
            Op::HalfClose { role } => self.network.shutdown(role),
            Op::Wake { role } => self.wake(role),
            Op::Inject { from, ref bytes } => {
                self.genuine[from as usize] = false;
                self.network.inject(from, bytes);
            }
            Op::Vanish { role } => {
                self.end(role).vanished = true;
                self.network.vanish(role);
            }
            Op::Reset { role } => {
                self.end(role).vanished = true;
                self.network.reset(role);
            }
        }
        self.last_op = self.network.now;
    }

    /// A wake-up in which the application sends.
    pub fn offer(&mut self, role: Role, item: Item) {
        self.wake_to(role, |end| end.offer(item));
    }

    pub fn send(&mut self, role: Role, message: impl Into<Message<'static>>) {
        self.offer(role, Item::Message(message.into(), Memory::Borrowed));
    }

    pub fn close(&mut self, role: Role, code: u16) {
        self.offer(role, Item::Close(code, String::new()));
    }

    // --- The driver ----------------------------------------------------------------------------

    pub fn wake(&mut self, role: Role) {
        self.wake_to(role, |_| {});
    }

    /// One turn of the driving loop, until the socket would block.
    fn wake_to(&mut self, role: Role, act: impl FnOnce(&mut End)) {
        let Self { network, client, server, lend, direct, buffers, random, .. } = self;
        let end = match role {
            Role::Client => client,
            Role::Server => server,
        };
        if end.is_over() {
            return;
        }
        if *lend {
            end.connection.lend(buffers);
        }
        end.tell(network.now);
        act(end);
        send_waiting(network, role, end, random);
        loop {
            write(network, role, end, random);
            end.check_written(network.written(role).len());
            match manners(end) {
                Transport::Open => {}
                Transport::Drain => network.shutdown(role),
                told @ (Transport::Close | Transport::Abort) => {
                    if told == Transport::Close {
                        network.close(role);
                    } else {
                        network.reset(role);
                    }
                    end.ended = Some((network.now, told));
                    // What it led to, and then nothing.
                    end.receive(&mut []);
                    break;
                }
            }
            if send_waiting(network, role, end, random) {
                continue;
            }
            if !end.wants_input() {
                break;
            }
            let space = if *direct { end.space() } else { None };
            match network.read(role, space.unwrap_or(usize::MAX)) {
                Read::Bytes(bytes) if space.is_some() => end.read_directly(&bytes),
                Read::Bytes(bytes) => end.read(bytes),
                Read::WouldBlock => break,
                Read::End => {
                    end.connection.receive_eof();
                    end.receive(&mut []);
                }
                Read::Broken => {
                    end.connection.abort();
                    end.receive(&mut []);
                }
            }
        }
        let next = end.connection.poll_timeout();
        assert!(next.is_none_or(|next| next > network.now), "due again at once");
        if *lend {
            end.connection.give_back(buffers);
        }
        end.check_written(network.written(role).len());
    }

    /// Whether the end has a reason to wake up now.
    fn is_due(&mut self, role: Role) -> bool {
        let now = self.network.now;
        let readable = self.network.is_readable(role);
        let writable = self.network.is_writable(role);
        let end = self.end(role);
        !end.is_over()
            && (end.connection.poll_timeout().is_some_and(|at| at <= now)
                || (readable && end.wants_input())
                || (writable && end.connection.wants_write()))
    }

    /// Lets happen what happens at this instant.
    pub fn settle(&mut self) {
        for _ in 0..1_000_000 {
            self.network.deliver();
            let first = ROLES[self.random.below(2)];
            let due = [first, other(first)].into_iter().find(|role| self.is_due(*role));
            let Some(role) = due else { return };
            self.wake(role);
        }
        panic!("wake-ups without end at {:?}", self.network.now);
    }

    /// When something happens next.
    fn next(&self) -> Option<Duration> {
        let timeouts = [&self.client, &self.server]
            .into_iter()
            .filter(|end| !end.is_over())
            .filter_map(|end| end.connection.poll_timeout());
        timeouts.chain(self.network.next_arrival()).min()
    }

    /// Lets time pass.
    pub fn advance(&mut self, time: Duration) {
        let end = self.network.now + time;
        self.settle();
        while let Some(at) = self.next().filter(|at| *at <= end) {
            self.network.now = at;
            self.settle();
        }
        self.network.now = end;
    }

    /// Until nothing is on its way any more, or only what waits for time.
    pub fn quiesce(&mut self) {
        self.settle();
        while let Some(at) = self.network.next_arrival() {
            self.network.now = at;
            self.settle();
        }
    }

    /// Until both ends are over, for at most that long. Whether they are.
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

    /// Removes all obstacles.
    pub fn recover(&mut self) {
        for role in ROLES {
            self.network.block(role, false);
            self.apply(&Op::Read { role, on: true });
        }
    }

    // --- Afterwards ----------------------------------------------------------------------------

    pub fn outcomes(&self) -> [Option<Outcome>; 2] {
        [self.client.connection.outcome(), self.server.connection.outcome()]
    }

    /// What holds however it went. No more can be done with the pair.
    pub fn check(&mut self) {
        for role in ROLES {
            let written = self.network.written(role).to_vec();
            self.end(role).check_record(&written);
        }
        for role in ROLES {
            let genuine = self.genuine[role as usize];
            let (from, to) = match role {
                Role::Client => (&self.client, &self.server),
                Role::Server => (&self.server, &self.client),
            };
            if !genuine {
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

/// Lets the end send, to a socket that takes what it would, or less.
fn send_waiting(network: &mut Network, role: Role, end: &mut End, random: &mut Random) -> bool {
    end.send_waiting(&mut |slices| match random.below(4) {
        0 => Ok(0),
        1 => network.write(role, &slices[..1]),
        _ => network.write(role, slices),
    })
}

fn write(network: &mut Network, role: Role, end: &mut End, random: &mut Random) {
    while end.connection.output().has_remaining() {
        let mut slices = [IoSlice::new(&[]); 3];
        let output = end.connection.output();
        let written = if random.below(2) == 0 {
            let count = output.chunks_vectored(&mut slices);
            network.write(role, &slices[..count])
        } else {
            network.write(role, &[IoSlice::new(output.chunk())])
        };
        match written {
            Ok(0) => break,
            Ok(len) => output.advance(len),
            Err(_) => {
                end.connection.abort();
                end.receive(&mut []);
                break;
            }
        }
    }
}

/// What the driver does with the transport.
fn manners(end: &mut End) -> Transport {
    let told = end.connection.transport();
    match (end.setup.manners, told) {
        (Manners::ClosesInsteadOfDraining, Transport::Drain) => Transport::Close,
        (Manners::ClosesBehindItsClose, Transport::Open)
            if end.has_closed() && !end.connection.wants_write() =>
        {
            Transport::Close
        }
        _ => told,
    }
}
