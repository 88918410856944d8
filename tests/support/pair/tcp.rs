//! Simulates TCP between two ends as far as a WebSocket endpoint can observe it: order, a window, FIN after
//! the data, and resets that destroy data.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::time::Duration;

use websocket_proto::Role;

use crate::support::{ROLES, Random, peer_of};

/// Both sockets and the network between them.
#[derive(Debug)]
pub struct Network {
    pub now: Duration,
    /// One-way delay.
    pub delay: Duration,
    /// Window of each direction: bytes that may be written but not yet read.
    pub window: usize,
    /// Maximum bytes per read or write.
    pub cut: usize,
    /// Number of sent resets.
    pub resets: usize,
    /// Suspends the process of this role for this long inside its next write.
    pub suspend_in_write: Option<(Role, Duration)>,
    random: Random,
    endpoints: [Endpoint; 2],
}

#[derive(Debug, Default)]
struct Endpoint {
    /// Segments in flight, with their times of arrival.
    in_flight: VecDeque<(Duration, Segment)>,
    /// Number of data bytes in `in_flight`.
    bytes_in_flight: usize,
    /// Bytes that arrived and were not read.
    unread: VecDeque<u8>,
    /// Whether the peer's FIN has arrived.
    ended: bool,
    state: State,
    /// Whether segments sent from here are blocked.
    blocked: bool,
    /// All bytes ever written here.
    written: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// A FIN was sent.
    Shut,
    Closed,
    /// The peer's reset has arrived.
    Reset,
    /// The machine disappeared without a FIN or a reset.
    Vanished,
}

#[derive(Debug)]
enum Segment {
    Data(Vec<u8>),
    Fin,
    Reset,
}

/// The non-blocking socket of one end.
pub struct Socket<'n> {
    network: &'n mut Network,
    role: Role,
}

impl io::Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.network.write(self.role, slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.network.read(self.role, buffer)
    }
}

impl Network {
    pub fn new(seed: u64) -> Self {
        Self {
            now: Duration::ZERO,
            delay: Duration::ZERO,
            window: 1 << 16,
            cut: usize::MAX,
            resets: 0,
            suspend_in_write: None,
            random: Random(seed),
            endpoints: Default::default(),
        }
    }

    pub fn socket(&mut self, role: Role) -> Socket<'_> {
        Socket { network: self, role }
    }

    fn endpoint(&mut self, role: Role) -> &mut Endpoint {
        &mut self.endpoints[role as usize]
    }

    /// The endpoints of `role` and of its peer.
    fn split(&mut self, role: Role) -> (&mut Endpoint, &mut Endpoint) {
        let [client, server] = &mut self.endpoints;
        match role {
            Role::Client => (client, server),
            Role::Server => (server, client),
        }
    }

    /// Number of bytes that one call moves: often few, sometimes `max`.
    fn step(&mut self, max: usize) -> usize {
        let max = max.min(self.cut);
        match self.random.below(4) {
            0 => 1 + self.random.below(max.min(8)),
            1 => 1 + self.random.below(max),
            _ => max,
        }
        .min(max)
    }

    // --- Calls of the driver -------------------------------------------------------------------

    fn write(&mut self, role: Role, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let space = self.window.saturating_sub(self.unread_by_peer(role));
        let len: usize = slices.iter().map(|slice| slice.len()).sum();
        let step = self.step(len.min(space));
        let arrival = self.arrival(role);
        let endpoint = self.endpoint(role);
        if endpoint.state != State::Open {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if step == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let mut bytes = Vec::with_capacity(step);
        for slice in slices {
            let remaining = step - bytes.len();
            bytes.extend_from_slice(&slice[..slice.len().min(remaining)]);
        }
        endpoint.written.extend_from_slice(&bytes);
        endpoint.send(arrival, bytes);
        if let Some((_, time)) = self.suspend_in_write.take_if(|(suspended, _)| *suspended == role)
        {
            self.now += time;
            self.deliver();
        }
        Ok(step)
    }

    fn read(&mut self, role: Role, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.endpoint(role).unread.len().min(buffer.len());
        let step = self.step(len);
        let endpoint = self.endpoint(role);
        match endpoint.state {
            State::Open | State::Shut if len > 0 => {
                for (byte, read) in buffer.iter_mut().zip(endpoint.unread.drain(..step)) {
                    *byte = read;
                }
                Ok(step)
            }
            State::Open | State::Shut if endpoint.ended => Ok(0),
            State::Open | State::Shut => Err(ErrorKind::WouldBlock.into()),
            State::Closed | State::Reset | State::Vanished => {
                Err(ErrorKind::ConnectionReset.into())
            }
        }
    }

    /// Shuts down the sending direction: sends a FIN after the data.
    pub fn shutdown(&mut self, role: Role) {
        let arrival = self.arrival(role);
        let endpoint = self.endpoint(role);
        if endpoint.state == State::Open {
            endpoint.state = State::Shut;
            endpoint.in_flight.push_back((arrival, Segment::Fin));
        }
    }

    /// Closes like the system call: with a reset if bytes are unread.
    pub fn close(&mut self, role: Role) {
        if !self.endpoint(role).unread.is_empty() {
            return self.reset(role);
        }
        self.shutdown(role);
        let endpoint = self.endpoint(role);
        if endpoint.state == State::Shut {
            endpoint.state = State::Closed;
        }
    }

    /// Closes with a reset, which overtakes and destroys the data in flight.
    pub fn reset(&mut self, role: Role) {
        let arrival = self.now + self.delay;
        let endpoint = self.endpoint(role);
        if matches!(endpoint.state, State::Reset | State::Vanished) {
            return;
        }
        endpoint.state = State::Closed;
        endpoint.discard();
        endpoint.in_flight.push_back((arrival, Segment::Reset));
        self.resets += 1;
    }

    // --- Network events ------------------------------------------------------------------------

    /// Removes the machine of `role`. Data that it already sent still arrives.
    pub fn vanish(&mut self, role: Role) {
        self.endpoint(role).state = State::Vanished;
    }

    /// Sets whether segments from `from` are blocked.
    pub fn block(&mut self, from: Role, blocked: bool) {
        self.endpoint(from).blocked = blocked;
    }

    /// Inserts bytes into the stream of `from` that its connection did not write.
    pub fn inject(&mut self, from: Role, bytes: &[u8]) {
        let arrival = self.arrival(from);
        let endpoint = self.endpoint(from);
        if endpoint.state == State::Open {
            endpoint.send(arrival, bytes.to_vec());
        }
    }

    /// Reads and discards at most `max` bytes that arrived at `role`, bypassing its driver.
    pub fn discard(&mut self, role: Role, max: usize) {
        let unread = &mut self.endpoint(role).unread;
        unread.drain(..max.min(unread.len()));
    }

    /// Delivers the segments that are due.
    pub fn deliver(&mut self) {
        for role in ROLES {
            while let Some(at) = self.next_arrival_from(role)
                && at <= self.now
            {
                let (from, to) = self.split(role);
                let Some((_, segment)) = from.in_flight.pop_front() else { break };
                if let Segment::Data(bytes) = &segment {
                    from.bytes_in_flight -= bytes.len();
                }
                match (segment, to.state) {
                    (Segment::Data(bytes), State::Open | State::Shut) => to.unread.extend(bytes),
                    (Segment::Fin, State::Open | State::Shut) => to.ended = true,
                    (Segment::Reset, State::Open | State::Shut | State::Closed) => {
                        to.state = State::Reset;
                        to.discard();
                    }
                    // The process is gone; nothing reads the data.
                    (Segment::Data(_), State::Closed) => self.reset(peer_of(role)),
                    (Segment::Fin, State::Closed) | (_, State::Reset | State::Vanished) => {}
                }
            }
        }
    }

    /// The time of the next arrival.
    pub fn next_arrival(&self) -> Option<Duration> {
        ROLES.into_iter().filter_map(|role| self.next_arrival_from(role)).min()
    }

    fn next_arrival_from(&self, role: Role) -> Option<Duration> {
        let (from, to) = (&self.endpoints[role as usize], &self.endpoints[peer_of(role) as usize]);
        let (at, _) = from.in_flight.front()?;
        (!from.blocked && to.state != State::Vanished).then_some((*at).max(self.now))
    }

    // --- State ---------------------------------------------------------------------------------

    pub fn is_readable(&self, role: Role) -> bool {
        let endpoint = &self.endpoints[role as usize];
        !endpoint.unread.is_empty() || endpoint.ended || endpoint.state == State::Reset
    }

    pub fn is_writable(&self, role: Role) -> bool {
        self.endpoints[role as usize].state == State::Reset
            || self.unread_by_peer(role) < self.window
    }

    /// All bytes that `role` wrote.
    pub fn written(&self, role: Role) -> &[u8] {
        &self.endpoints[role as usize].written
    }

    /// Number of bytes that `role` wrote and its peer has not read.
    pub fn unread_by_peer(&self, role: Role) -> usize {
        let peer = peer_of(role);
        self.endpoints[role as usize].bytes_in_flight + self.endpoints[peer as usize].unread.len()
    }

    /// Arrival time of a segment sent now, never before an earlier segment.
    fn arrival(&self, role: Role) -> Duration {
        let last = self.endpoints[role as usize].in_flight.back().map(|(at, _)| *at);
        last.unwrap_or_default().max(self.now + self.delay)
    }
}

impl Endpoint {
    fn send(&mut self, arrival: Duration, bytes: Vec<u8>) {
        self.bytes_in_flight += bytes.len();
        self.in_flight.push_back((arrival, Segment::Data(bytes)));
    }

    fn discard(&mut self) {
        self.unread.clear();
        self.in_flight.clear();
        self.bytes_in_flight = 0;
    }
}
