//! TCP between two ends, as far as a WebSocket can tell: order, a window, FIN behind the data, and
//! what a reset destroys.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Duration;

use websocket_proto::Role;

pub const ROLES: [Role; 2] = [Role::Client, Role::Server];

/// The other end's role.
pub fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

/// Choices that repeat: splitmix64.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end.max(1) as u64) as usize
    }
}

/// Both sockets and the path between them.
#[derive(Debug)]
pub struct Network {
    pub now: Duration,
    /// From one end to the other.
    pub delay: Duration,
    /// Bytes that each direction takes before its reader takes any.
    pub window: usize,
    /// The most bytes that one read or write moves.
    pub cut: usize,
    /// How many resets were sent.
    pub resets: usize,
    random: Random,
    sockets: [Socket; 2],
}

#[derive(Debug, Default)]
struct Socket {
    /// What left here and did not arrive, with the times at which it will.
    flying: VecDeque<(Duration, Segment)>,
    /// Its bytes.
    flying_bytes: usize,
    /// What arrived here.
    unread: VecDeque<u8>,
    /// The peer's FIN arrived.
    ended: bool,
    state: State,
    /// Nothing that leaves here arrives.
    blocked: bool,
    /// All bytes that were accepted here.
    written: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// Its own FIN was sent.
    Shut,
    Closed,
    /// The peer's reset arrived.
    Reset,
    /// Gone without a word: its cable was cut.
    Vanished,
}

#[derive(Debug)]
enum Segment {
    Data(Vec<u8>),
    Fin,
    Reset,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    Bytes(Vec<u8>),
    End,
    WouldBlock,
    Broken,
}

/// The socket can't be written any more.
#[derive(Debug)]
pub struct Broken;

impl Network {
    pub fn new(seed: u64) -> Self {
        Self {
            now: Duration::ZERO,
            delay: Duration::ZERO,
            window: 1 << 16,
            cut: usize::MAX,
            resets: 0,
            random: Random(seed),
            sockets: Default::default(),
        }
    }

    fn socket(&mut self, role: Role) -> &mut Socket {
        &mut self.sockets[role as usize]
    }

    /// The socket of `role` and its peer's.
    fn split(&mut self, role: Role) -> (&mut Socket, &mut Socket) {
        let [client, server] = &mut self.sockets;
        match role {
            Role::Client => (client, server),
            Role::Server => (server, client),
        }
    }

    /// How many bytes one call moves: often few, sometimes all that may.
    fn step(&mut self, max: usize) -> usize {
        let max = max.min(self.cut);
        match self.random.below(4) {
            0 => 1 + self.random.below(max.min(8)),
            1 => 1 + self.random.below(max),
            _ => max,
        }
        .min(max)
    }

    // --- What a socket does --------------------------------------------------------------------

    /// Writes the first bytes of `slices`, 0 if the window is full.
    pub fn write(&mut self, role: Role, slices: &[IoSlice<'_>]) -> Result<usize, Broken> {
        let space = self.window.saturating_sub(self.on_its_way(role));
        let len: usize = slices.iter().map(|slice| slice.len()).sum();
        let max = self.step(len.min(space));
        let arrival = self.arrival(role);
        let socket = self.socket(role);
        if socket.state != State::Open {
            return Err(Broken);
        }
        if max == 0 {
            return Ok(0);
        }
        let bytes: Vec<u8> =
            slices.iter().flat_map(|slice| slice.iter()).take(max).copied().collect();
        socket.written.extend_from_slice(&bytes);
        socket.fly(arrival, bytes);
        Ok(max)
    }

    /// Reads at most `limit` bytes.
    pub fn read(&mut self, role: Role, limit: usize) -> Read {
        let max = self.sockets[role as usize].unread.len().min(limit);
        let step = self.step(max);
        let socket = self.socket(role);
        match socket.state {
            State::Open | State::Shut if max > 0 => {
                Read::Bytes(socket.unread.drain(..step).collect())
            }
            State::Open | State::Shut if socket.ended => Read::End,
            State::Open | State::Shut => Read::WouldBlock,
            State::Closed | State::Reset | State::Vanished => Read::Broken,
        }
    }

    /// Ends the writing direction: a FIN behind the data.
    pub fn shutdown(&mut self, role: Role) {
        let arrival = self.arrival(role);
        let socket = self.socket(role);
        if socket.state == State::Open {
            socket.state = State::Shut;
            socket.flying.push_back((arrival, Segment::Fin));
        }
    }

    /// Closes as the system call does: with a reset if bytes were not read.
    pub fn close(&mut self, role: Role) {
        let unread = !self.socket(role).unread.is_empty();
        if unread {
            return self.reset(role);
        }
        self.shutdown(role);
        let socket = self.socket(role);
        if socket.state == State::Shut {
            socket.state = State::Closed;
        }
    }

    /// Closes with a reset, which overtakes what is on its way and destroys it.
    pub fn reset(&mut self, role: Role) {
        let arrival = self.now + self.delay;
        let socket = self.socket(role);
        if matches!(socket.state, State::Reset | State::Vanished) {
            return;
        }
        socket.state = State::Closed;
        socket.discard();
        socket.flying.push_back((arrival, Segment::Reset));
        self.resets += 1;
    }

    // --- What happens to it --------------------------------------------------------------------

    /// The end is gone; what it had sent still arrives.
    pub fn vanish(&mut self, role: Role) {
        self.socket(role).state = State::Vanished;
    }

    /// Whether what leaves `from` is held up.
    pub fn block(&mut self, from: Role, blocked: bool) {
        self.socket(from).blocked = blocked;
    }

    /// Adds bytes of another's to what `from` sends.
    pub fn inject(&mut self, from: Role, bytes: &[u8]) {
        let arrival = self.arrival(from);
        let socket = self.socket(from);
        if socket.state == State::Open {
            socket.fly(arrival, bytes.to_vec());
        }
    }

    /// Lets arrive what is due.
    pub fn deliver(&mut self) {
        for role in ROLES {
            while let Some(at) = self.next_arrival_from(role)
                && at <= self.now
            {
                let (from, to) = self.split(role);
                let Some((_, segment)) = from.flying.pop_front() else { break };
                if let Segment::Data(bytes) = &segment {
                    from.flying_bytes -= bytes.len();
                }
                match (segment, to.state) {
                    (Segment::Data(bytes), State::Open | State::Shut) => to.unread.extend(bytes),
                    (Segment::Fin, State::Open | State::Shut) => to.ended = true,
                    (Segment::Reset, State::Open | State::Shut | State::Closed) => {
                        to.state = State::Reset;
                        to.discard();
                    }
                    // Nobody is there to read it.
                    (Segment::Data(_), State::Closed) => self.reset(other(role)),
                    (Segment::Fin, State::Closed) | (_, State::Reset | State::Vanished) => {}
                }
            }
        }
    }

    /// When the next bytes arrive.
    pub fn next_arrival(&self) -> Option<Duration> {
        ROLES.into_iter().filter_map(|role| self.next_arrival_from(role)).min()
    }

    fn next_arrival_from(&self, role: Role) -> Option<Duration> {
        let (from, to) = (&self.sockets[role as usize], &self.sockets[other(role) as usize]);
        let (at, _) = from.flying.front()?;
        (!from.blocked && to.state != State::Vanished).then_some((*at).max(self.now))
    }

    // --- Questions -----------------------------------------------------------------------------

    pub fn is_readable(&self, role: Role) -> bool {
        let socket = &self.sockets[role as usize];
        !socket.unread.is_empty() || socket.ended || socket.state == State::Reset
    }

    pub fn is_writable(&self, role: Role) -> bool {
        self.sockets[role as usize].state == State::Reset || self.on_its_way(role) < self.window
    }

    /// All that `role` wrote.
    pub fn written(&self, role: Role) -> &[u8] {
        &self.sockets[role as usize].written
    }

    /// Bytes that `role` wrote and the other end did not read.
    pub fn on_its_way(&self, role: Role) -> usize {
        let peer = other(role);
        self.sockets[role as usize].flying_bytes + self.sockets[peer as usize].unread.len()
    }

    /// When a segment that leaves now arrives: never before an earlier one.
    fn arrival(&self, role: Role) -> Duration {
        let last = self.sockets[role as usize].flying.back().map_or(Duration::ZERO, |(at, _)| *at);
        last.max(self.now + self.delay)
    }
}

impl Socket {
    fn fly(&mut self, arrival: Duration, bytes: Vec<u8>) {
        self.flying_bytes += bytes.len();
        self.flying.push_back((arrival, Segment::Data(bytes)));
    }

    fn discard(&mut self) {
        self.unread.clear();
        self.flying.clear();
        self.flying_bytes = 0;
    }
}
