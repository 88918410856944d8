//! One end: a connection, its application, and a record of what both did. The invariants are checked after
//! each call.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::time::Duration;

use bytes::Bytes;
use websocket_proto::{
    Chunk, CloseCode, CloseFrame, Connection, ConnectionError, Event, Fragment, Input, Io, Message,
    MessageType, Outcome, Outgoing, PreparedMessage, Role, SendError, Transport,
};

use super::setup::{Item, Ownership, Setup};
use super::tcp::Socket;
use crate::support::{Random, connection};

/// Length of the longest control frame.
pub const MAX_CONTROL: usize = 2 + 4 + 125;

pub struct End {
    pub connection: Connection,
    pub setup: Setup,
    /// Whether the application reads its socket.
    pub reads: bool,
    /// Whether the process is suspended.
    pub suspended: bool,
    /// Whether the machine has disappeared.
    pub vanished: bool,
    /// When the driver closed its socket, and the instruction that it followed.
    pub ended: Option<(Duration, Transport)>,
    /// Accepted messages. `sending` holds the chunked message in progress.
    pub sent: Vec<Message<'static>>,
    pub sending: Option<(MessageType, Vec<u8>)>,
    /// Received events; a chunked message is recorded at its last chunk. `receiving` holds the one in
    /// progress.
    pub events: Vec<Event<'static>>,
    pub receiving: Option<(MessageType, Vec<u8>)>,
    /// Peak of the pending output in bytes.
    pub max_pending: usize,
    /// Number of calls of `handle_timeout`.
    pub reports: usize,
    /// Time of the last call of `handle_timeout`.
    pub(super) last_report: Duration,
    pub(super) input: Input<'static>,
    /// Pings received so far.
    pub(super) pings: Vec<Vec<u8>>,
    /// Number of Pongs that the application sent.
    pub(super) pongs: usize,
    /// Items to send, in order.
    queue: VecDeque<Item>,
    /// Whether the message whose chunks are queued is text.
    queued_text: Option<bool>,
    /// Whether the application sent a Close.
    pub(super) closed: bool,
    /// The newest Ping that the application has not answered.
    unanswered: Option<Vec<u8>>,
    /// The most bytes that one call queued.
    largest: usize,
    pub(super) seen: Seen,
}

/// State that must never be reverted.
#[derive(Default)]
pub(super) struct Seen {
    transport: u8,
    error: Option<ConnectionError>,
    /// Total bytes queued up to the failure.
    queued: usize,
    outcome: Option<Outcome>,
    /// Bytes read from the socket.
    pub(super) read: u64,
}

impl End {
    pub fn new(role: Role, setup: Setup) -> Self {
        Self {
            connection: connection(role, setup.config()),
            setup,
            reads: true,
            suspended: false,
            vanished: false,
            ended: None,
            sent: Vec::new(),
            sending: None,
            events: Vec::new(),
            receiving: None,
            max_pending: 0,
            reports: 0,
            last_report: Duration::ZERO,
            input: Input::owned(vec![0; 16 << 10]),
            pings: Vec::new(),
            pongs: 0,
            queue: VecDeque::new(),
            queued_text: None,
            closed: false,
            unanswered: None,
            largest: MAX_CONTROL,
            seen: Seen::default(),
        }
    }

    // --- State ---------------------------------------------------------------------------------

    pub fn is_over(&self) -> bool {
        self.vanished || self.ended.is_some()
    }

    /// Whether readable bytes are a reason to wake up. An application that replies does not read without
    /// room for a reply.
    pub fn wants_input(&self) -> bool {
        self.reads && !self.input.has_unread() && !self.input.is_finished()
    }

    pub fn wants_write(&mut self) -> bool {
        !self.connection.output().is_empty()
    }

    pub fn is_due(&self, now: Duration) -> bool {
        self.connection.poll_timeout().is_some_and(|at| at <= now)
    }

    /// Changes whenever bytes were read or received.
    pub(super) fn progress(&self) -> (u64, usize, usize, bool) {
        let unread = self.input.unread().len();
        (self.seen.read, unread, self.events.len(), self.input.is_finished())
    }

    /// Whether the application sent a Close.
    pub fn has_closed(&self) -> bool {
        self.closed
    }

    pub fn messages(&self) -> impl Iterator<Item = &Message<'static>> {
        self.events.iter().filter_map(|event| match event {
            Event::Message(message) => Some(message),
            _ => None,
        })
    }

    /// Approximate number of bytes that the application and the connection still have to send.
    pub fn pending(&mut self) -> usize {
        let queued: usize = self.queue.iter().map(Item::len).sum();
        2 * self.input.unread().len() + queued + self.connection.output().len()
    }

    // --- Time ----------------------------------------------------------------------------------

    /// Reports the time and receives the failure that this may cause.
    pub fn report(&mut self, now: Duration) {
        self.connection.handle_timeout(now);
        self.reports += 1;
        self.last_report = now;
        let next = self.connection.poll_timeout();
        assert!(next.is_none_or(|next| next > now), "the driver spins: {next:?} at {now:?}");
        self.receive();
    }

    // --- Sending -------------------------------------------------------------------------------

    /// Queues an item to be sent as soon as there is room.
    pub fn queue(&mut self, item: Item) {
        self.queue.push_back(item);
    }

    /// Queues a chunk of the message in progress, or the first chunk of a new message of this type.
    pub fn queue_chunk(
        &mut self,
        text: bool,
        last: bool,
        content: impl Fn(bool) -> Message<'static>,
    ) {
        let first = self.queued_text.is_none();
        let text = *self.queued_text.get_or_insert(text);
        if last {
            self.queued_text = None;
        }
        let fragment = match (first, last) {
            (true, true) => Fragment::Whole,
            (true, false) => Fragment::First,
            (false, true) => Fragment::Last,
            (false, false) => Fragment::Middle,
        };
        self.queue(Item::Chunk(Chunk::new(content(text), fragment)));
    }

    /// Sends queued items while there is room, as an application that sends unprompted. Returns whether it
    /// sent any.
    pub fn send_queued(&mut self) -> bool {
        let before = (self.queue.len(), self.unanswered.is_some());
        self.answer();
        while let Some(item) = self.queue.pop_front() {
            if let Some(item) = self.send(item) {
                self.queue.push_front(item);
                break;
            }
        }
        (self.queue.len(), self.unanswered.is_some()) != before
    }

    /// Answers the newest Ping if Pongs are manual.
    fn answer(&mut self) {
        if let Some(payload) = self.unanswered.take()
            && let Some(Item::Pong(payload)) = self.send(Item::Pong(payload))
        {
            self.unanswered = Some(payload);
        }
    }

    /// Sends an item. Returns it if there is no room; drops it after a Close and after a failure.
    fn send(&mut self, item: Item) -> Option<Item> {
        let (has_room, may_send) = (self.connection.has_room(), self.connection.may_send());
        let before = self.connection.output().len();
        let (result, item) = match item {
            Item::Message(message, ownership) => {
                let result = self.send_message(&message, ownership);
                assert!(
                    result.is_ok() == (may_send && has_room) || result == Err(SendError::Entropy)
                );
                if result.is_ok() {
                    self.sent.push(message.clone());
                }
                (result, Item::Message(message, ownership))
            }
            Item::Chunk(chunk) => {
                let result = self.connection.send_chunk(chunk.clone()).map_err(|unsent| {
                    assert_eq!(unsent.message, chunk, "the refused message changed");
                    unsent.error
                });
                if result.is_ok() {
                    self.sent.extend(record_chunk(&mut self.sending, &chunk));
                }
                (result, Item::Chunk(chunk))
            }
            Item::Ping(payload) => (self.connection.ping(&payload), Item::Ping(payload)),
            Item::Pong(payload) => {
                self.pongs += 1;
                (self.connection.pong(&payload), Item::Pong(payload))
            }
            Item::Close(code, reason) => {
                let frame =
                    (code != 1005).then(|| CloseFrame::new(CloseCode(code), &*reason).unwrap());
                let result = self.connection.close(frame);
                self.closed |= result.is_ok();
                (result, Item::Close(code, reason))
            }
        };
        let after = self.connection.output().len();
        match result {
            // The bound adds a Close, and the Pong queued before it, separately.
            Ok(()) if matches!(item, Item::Close(..)) => {}
            Ok(()) => self.largest = self.largest.max(after.saturating_sub(before)),
            Err(_) => assert_eq!(before, after, "output was queued despite the refusal"),
        }
        let item = match result {
            Ok(()) => None,
            Err(SendError::Full) => {
                assert!(!has_room || self.closed && matches!(item, Item::Pong(_)));
                assert!(!matches!(item, Item::Close(..)), "a Close was refused for lack of room");
                Some(item)
            }
            Err(SendError::Closed) => {
                assert!(has_room && !may_send && !self.connection.may_send_chunk());
                None
            }
            Err(SendError::MessageInProgress) => {
                assert!(self.sending.is_some() && self.connection.may_send_chunk());
                None
            }
            Err(SendError::NoMessageInProgress) => {
                assert!(self.sending.is_none());
                None
            }
            Err(error) => panic!("{item:?}: {error}"),
        };
        self.check();
        item
    }

    fn send_message(
        &mut self,
        message: &Message<'static>,
        ownership: Ownership,
    ) -> Result<(), SendError> {
        let prepared;
        let outgoing: Outgoing<'_> = match (ownership, message) {
            (Ownership::Prepared, message) => {
                prepared = PreparedMessage::new(message);
                (&prepared).into()
            }
            (Ownership::Borrowed, message) => message.into(),
            (Ownership::Shared, Message::Binary(payload)) => Bytes::copy_from_slice(payload).into(),
            (Ownership::Owned, message) | (Ownership::Shared, message @ Message::Text(_)) => {
                message.clone().into()
            }
        };
        self.connection.send(outgoing).map_err(|unsent| {
            assert_eq!(unsent.message, Outgoing::from(message), "the refused message changed");
            unsent.error
        })
    }

    /// Writes until the output is empty or the socket blocks, through one of the three write methods of
    /// `Output`.
    pub(super) fn write(&mut self, mut socket: Socket<'_>, random: &mut Random) -> io::Result<()> {
        while self.wants_write() {
            let mut slices = [IoSlice::new(&[]); 3];
            let output = self.connection.output();
            let written = match random.below(3) {
                0 => match output.write_to(&mut socket)? {
                    Io::Done => continue,
                    Io::Blocked => return Ok(()),
                },
                1 => {
                    let count = output.chunks_vectored(&mut slices);
                    socket.write_vectored(&slices[..count])
                }
                _ => socket.write(output.chunk()),
            };
            match written {
                Ok(len) => output.advance(len),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    // --- Receiving -----------------------------------------------------------------------------

    /// Reads once, unless bytes are unread.
    pub(super) fn read(&mut self, mut socket: Socket<'_>) -> io::Result<()> {
        let before = self.input.unread().len();
        self.input.read_from(&mut socket)?;
        self.seen.read += (self.input.unread().len() - before) as u64;
        Ok(())
    }

    /// Receives all events; with `echo`, only while there is room for a reply.
    pub fn receive(&mut self) {
        let echo = self.setup.echo;
        while !echo || self.connection.has_room() {
            let announced = self.connection.next(&mut self.input).is_event();
            let before = self.connection.output().len();
            let event = self.connection.receive(&mut self.input);
            assert_eq!(announced, event.is_some(), "`next` predicted another result");
            let Some(event) = event else {
                assert!(!self.input.has_unread(), "`None` with unread bytes");
                break;
            };
            let copy = event.clone().into_owned();
            match event {
                Event::Message(message) if echo && self.connection.may_send() => {
                    self.connection.send(message).expect("`has_room` was true");
                    self.sent.extend(copy_of_message(&copy));
                }
                Event::Chunk(chunk) if echo && may_send_chunk(&self.connection, chunk.fragment) => {
                    let (copy, fragment) = (chunk.clone(), chunk.fragment);
                    assert!(
                        !chunk.payload.is_empty() || fragment.ends(),
                        "an empty chunk that is not the last one"
                    );
                    self.connection.send_chunk(chunk).expect("`has_room` was true");
                    self.sent.extend(record_chunk(&mut self.sending, &copy));
                }
                _ => {}
            }
            let queued = self.connection.output().len().saturating_sub(before);
            if matches!(copy, Event::Message(_) | Event::Chunk(_)) {
                self.largest = self.largest.max(queued);
            }
            self.record(copy);
            self.answer();
            self.check();
        }
        self.check();
    }

    fn record(&mut self, event: Event<'static>) {
        match self.events.last() {
            Some(Event::Failed(error)) => panic!("{event:?} after {error:?}"),
            Some(Event::Close(_)) => {
                assert!(matches!(event, Event::Failed(_)), "{event:?} after a Close");
            }
            _ => {}
        }
        match &event {
            Event::Chunk(chunk) => {
                if let Some(message) = record_chunk(&mut self.receiving, chunk) {
                    self.events.push(Event::Message(message));
                }
                return;
            }
            Event::Ping(payload) => {
                if self.setup.manual_pong {
                    self.unanswered = Some(payload.to_vec());
                }
                self.pings.push(payload.to_vec());
            }
            Event::Close(frame) if self.setup.manual_close => {
                let code = frame.as_ref().map_or(1005, |frame| frame.code().0);
                let farewell = Message::from("one more").into_owned();
                self.queue.push_back(Item::Message(farewell, Ownership::Borrowed));
                self.queue.push_back(Item::Close(code, String::new()));
            }
            _ => {}
        }
        self.events.push(event);
    }

    // --- Invariants ----------------------------------------------------------------------------

    /// Checks the bound on the output, and the state that must never be reverted.
    pub(super) fn check(&mut self) {
        let pending = self.connection.output().len();
        self.max_pending = self.max_pending.max(pending);
        // Up to the mark, one message, 4 KiB of Pongs and up to one Pong more, the newest Pong, a keepalive
        // Ping, and a Close.
        let bound = self.setup.high_water_mark + self.largest + 4096 + 4 * MAX_CONTROL;
        assert!(pending <= bound, "{pending} bytes are pending, more than the bound of {bound}");

        let transport = rank(self.connection.transport());
        assert!(
            transport >= self.seen.transport,
            "the transport reverted to {:?}",
            self.connection.transport()
        );
        self.seen.transport = transport;

        let outcome = self.connection.outcome();
        assert_eq!(outcome.is_some(), transport > 0);
        assert!(
            self.seen.outcome.is_none() || outcome == self.seen.outcome,
            "the outcome changed to {outcome:?}"
        );
        self.seen.outcome = outcome;

        let error = self.connection.error();
        assert!(
            self.seen.error.is_none() || error == self.seen.error,
            "the error changed to {error:?}"
        );
        if error.is_some() {
            assert!(!self.connection.may_send() && self.connection.has_room());
        }
    }

    /// Checks that a failure stops the output, and that a deadline is running if there are timeouts.
    pub(super) fn check_written(&mut self, written: usize) {
        self.check();
        let queued = written + self.connection.output().len();
        match self.seen.error {
            None => {
                self.seen.error = self.connection.error();
                self.seen.queued = queued;
            }
            // The newest Pong may have been held back before the failure.
            Some(_) => assert!(queued <= self.seen.queued + MAX_CONTROL, "output after an error"),
        }
        let timeouts = &self.setup.timeouts;
        let is_bounded = timeouts.closing.is_some()
            && (timeouts.idle.is_some() || timeouts.ping.is_some() && timeouts.pong.is_some());
        if is_bounded && self.seen.transport < 2 {
            assert!(self.connection.poll_timeout().is_some(), "no deadline is running");
        }
    }

    /// Checks that the driving loop does not spin at EOF.
    pub(super) fn check_end_of_stream(&mut self) {
        if self.input.is_finished() && !self.input.has_unread() && !self.wants_write() {
            let transport = self.connection.transport();
            assert!(rank(transport) >= 2, "{transport:?} at the end of the stream");
        }
    }
}

fn may_send_chunk(connection: &Connection, fragment: Fragment) -> bool {
    if fragment.begins() { connection.may_send() } else { connection.may_send_chunk() }
}

fn copy_of_message(event: &Event<'static>) -> Option<Message<'static>> {
    match event {
        Event::Message(message) => Some(message.clone()),
        _ => None,
    }
}

fn rank(transport: Transport) -> u8 {
    match transport {
        Transport::Open => 0,
        Transport::Drain => 1,
        Transport::Close => 2,
        Transport::Abort => 3,
    }
}

/// Adds a chunk to the message in progress. Returns the message if it is complete.
fn record_chunk(
    open: &mut Option<(MessageType, Vec<u8>)>,
    chunk: &Chunk<'_>,
) -> Option<Message<'static>> {
    let message_type = chunk.payload.message_type();
    assert_eq!(
        chunk.fragment.begins(),
        open.is_none(),
        "a message must have exactly one first chunk"
    );
    let (open_type, bytes) = open.get_or_insert((message_type, Vec::new()));
    assert_eq!(*open_type, message_type);
    bytes.extend_from_slice(chunk.payload.as_bytes());
    if chunk.fragment.ends() { open.take().map(finish) } else { None }
}

pub(super) fn finish((message_type, bytes): (MessageType, Vec<u8>)) -> Message<'static> {
    match message_type {
        MessageType::Text => String::from_utf8(bytes).unwrap().into(),
        MessageType::Binary => bytes.into(),
    }
}
