//! One end: a connection, the application that uses it, and a record of what it did, checked after
//! each call.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Duration;

use bytes::{Buf, Bytes};
use websocket_proto::{
    Chunk, CloseCode, CloseFrame, Connection, Event, Message, MessageType, Outcome,
    PreparedMessage, ProtocolError, Role, SendReason, Transport,
};

use super::setup::{Item, Memory, Setup};
use super::tcp::Broken;
use crate::support::connection;

/// What takes the first bytes of some slices, or none.
pub type Socket<'s> = dyn FnMut(&[IoSlice<'_>]) -> Result<usize, Broken> + 's;

pub struct End {
    pub connection: Connection,
    pub setup: Setup,
    /// Whether the application reads its socket.
    pub reads: bool,
    /// The machine is gone.
    pub vanished: bool,
    /// When it closed its socket, and how it was told to.
    pub ended: Option<(Duration, Transport)>,
    /// Messages that were accepted, and the one that is begun.
    pub sent: Vec<Message<'static>>,
    pub sending: Option<(MessageType, Vec<u8>)>,
    /// Each message in one piece, at the place of its last.
    pub events: Vec<Event<'static>>,
    pub receiving: Option<(MessageType, Vec<u8>)>,
    /// The most output that ever waited.
    pub most_waiting: usize,
    /// Pings that were received before its own Close.
    pub(super) owed: Vec<Vec<u8>>,
    /// Pongs that the application sent.
    pub(super) pongs: usize,
    /// To be sent, in order.
    pending: VecDeque<Item>,
    /// Whether the first of them was refused for want of room.
    refused: bool,
    /// Whether a text or a binary message is begun, by what was offered.
    begun: Option<bool>,
    /// Whether its application closed it.
    pub(super) closed: bool,
    /// An echo that was refused or is to be written, and the input behind it.
    pub(super) held: Option<(Item, Vec<u8>)>,
    /// The newest Ping of the peer's that has no Pong.
    unanswered: Option<Vec<u8>>,
    largest: usize,
    pub(super) seen: Seen,
}

/// What may not change any more.
#[derive(Default)]
pub(super) struct Seen {
    transport: u8,
    error: Option<ProtocolError>,
    /// Bytes ever queued when it failed.
    queued: usize,
    outcome: Option<Outcome>,
    pub(super) read: u64,
}

impl End {
    pub fn new(role: Role, setup: Setup) -> Self {
        Self {
            connection: connection(role, setup.config()),
            setup,
            reads: true,
            vanished: false,
            ended: None,
            sent: Vec::new(),
            sending: None,
            events: Vec::new(),
            receiving: None,
            most_waiting: 0,
            owed: Vec::new(),
            pongs: 0,
            pending: VecDeque::new(),
            refused: false,
            begun: None,
            closed: false,
            held: None,
            unanswered: None,
            largest: MAX_CONTROL,
            seen: Seen::default(),
        }
    }

    pub fn is_over(&self) -> bool {
        self.vanished || self.ended.is_some()
    }

    /// Whether the driver would read now.
    pub fn wants_input(&self) -> bool {
        self.reads && self.held.is_none() && self.connection.wants_read()
    }

    /// Whether its application closed it.
    pub fn has_closed(&self) -> bool {
        self.closed
    }

    pub fn messages(&self) -> impl Iterator<Item = &Message<'static>> {
        self.events.iter().filter_map(|event| match event {
            Event::Message(message) => Some(message),
            _ => None,
        })
    }

    /// Bytes, about, that the application and the connection still have to send.
    pub fn waiting(&mut self) -> usize {
        let held = self.held.as_ref().map(|(item, rest)| 2 * rest.len() + item.len());
        let pending: usize = self.pending.iter().map(Item::len).sum();
        held.unwrap_or(0) + pending + self.connection.output().remaining()
    }

    // --- Time ----------------------------------------------------------------------------------

    /// The one `handle_timeout` of a wake-up, and what it led to.
    pub fn tell(&mut self, now: Duration) {
        self.connection.handle_timeout(now);
        let next = self.connection.poll_timeout();
        assert!(next.is_none_or(|next| next > now), "a busy loop: {next:?} at {now:?}");
        self.receive(&mut []);
    }

    // --- Sending -------------------------------------------------------------------------------

    /// Has an item to send, behind those that wait.
    pub fn offer(&mut self, item: Item) {
        self.pending.push_back(item);
    }

    /// Has a piece to send of the message that is begun, or of a new one of this type.
    pub fn offer_piece(
        &mut self,
        text: bool,
        last: bool,
        content: impl Fn(bool) -> Message<'static>,
    ) {
        let first = self.begun.is_none();
        let text = *self.begun.get_or_insert(text);
        if last {
            self.begun = None;
        }
        self.offer(Item::Chunk(Chunk { payload: content(text), first, last }));
    }

    /// Sends what waits, if there is room. Whether some of it went.
    pub fn send_waiting(&mut self, socket: &mut Socket<'_>) -> bool {
        let is_refused = self.refused || self.held.is_some() || self.unanswered.is_some();
        if is_refused && !self.connection.can_send() && !self.is_shut() {
            return false;
        }
        let mut moved = false;
        if let Some((item, mut rest)) = self.held.take() {
            match self.send(item, socket) {
                Some(item) => {
                    self.held = Some((item, rest));
                    return false;
                }
                None => {
                    moved = true;
                    self.receive(&mut rest);
                }
            }
        }
        self.answer();
        while let Some(item) = self.pending.pop_front() {
            let back = self.send(item, socket);
            self.refused = back.is_some();
            if let Some(item) = back {
                self.pending.push_front(item);
                break;
            }
            moved = true;
        }
        moved
    }

    /// Answers the newest Ping if the library does not.
    fn answer(&mut self) {
        if let Some(payload) = self.unanswered.take()
            && let Some(Item::Pong(payload)) = self.send(Item::Pong(payload), &mut |_| Ok(0))
        {
            self.unanswered = Some(payload);
        }
    }

    /// Whether nothing can be sent any more, so that waiting for room would have no end.
    fn is_shut(&self) -> bool {
        let has_replied = !self.setup.manual_close
            && self.events.iter().any(|event| matches!(event, Event::Close(_)));
        self.closed || has_replied || self.connection.error().is_some()
    }

    /// Gives the item back if there is no room for it. After a Close and a failure it is dropped.
    fn send(&mut self, item: Item, socket: &mut Socket<'_>) -> Option<Item> {
        let before = self.connection.output().remaining();
        let (result, item) = match item {
            Item::Message(message, memory) => {
                let result = self.send_message(message.clone(), memory, socket);
                if result.is_ok() {
                    self.sent.push(message.clone());
                }
                (result, Item::Message(message, memory))
            }
            Item::Chunk(chunk) => {
                let result = match self.connection.send_chunk(chunk.clone()) {
                    Ok(()) => {
                        self.sent.extend(record_chunk(&mut self.sending, &chunk));
                        Ok(())
                    }
                    Err(error) => {
                        assert_eq!(error.unsent, chunk, "given back changed");
                        Err(error.reason)
                    }
                };
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
        let after = self.connection.output().remaining();
        match result {
            // Of a Close, and the Pong before it, there is only one.
            Ok(()) if matches!(item, Item::Close(..)) => {}
            Ok(()) => self.largest = self.largest.max(after.saturating_sub(before)),
            Err(_) => assert_eq!(before, after, "refused and yet queued"),
        }
        let item = match result {
            Ok(()) => None,
            Err(SendReason::Full) => {
                assert!(before >= self.setup.high_water_mark);
                assert!(!matches!(item, Item::Close(..)), "a Close needs no room");
                Some(item)
            }
            Err(SendReason::Closed) => {
                assert!(!self.connection.can_send());
                None
            }
            Err(SendReason::Unfinished) => {
                assert!(self.sending.is_some());
                None
            }
            Err(SendReason::NotBegun) => {
                assert!(self.sending.is_none());
                None
            }
            Err(reason) => panic!("{item:?}: {reason}"),
        };
        self.check();
        item
    }

    fn send_message(
        &mut self,
        message: Message<'static>,
        memory: Memory,
        socket: &mut Socket<'_>,
    ) -> Result<(), SendReason> {
        let whole = message.clone();
        let result = match memory {
            Memory::Prepared => {
                return self.connection.send_prepared(&PreparedMessage::new(message));
            }
            Memory::Borrowed => self.connection.send(&message),
            Memory::Owned => self.connection.send(message),
            Memory::Counted => match message {
                Message::Binary(payload) => self.connection.send(Bytes::from(payload.into_vec())),
                text @ Message::Text(_) => self.connection.send(text),
            },
            Memory::Written => {
                let message = match message {
                    Message::Text(_) => Message::from(&message),
                    Message::Binary(_) => message,
                };
                self.connection.sending(message).map(|mut sending| {
                    while sending.has_remaining() {
                        let mut slices = [IoSlice::new(&[]); 3];
                        let count = sending.chunks_vectored(&mut slices);
                        match socket(&slices[..count]) {
                            // That it is broken is told where the rest is written.
                            Ok(0) | Err(Broken) => break,
                            Ok(len) => sending.advance(len),
                        }
                    }
                })
            }
        };
        result.map_err(|error| {
            assert_eq!(error.unsent, whole, "given back changed");
            error.reason
        })
    }

    // --- Receiving -----------------------------------------------------------------------------

    pub fn read(&mut self, mut bytes: Vec<u8>) {
        self.seen.read += bytes.len() as u64;
        self.receive(&mut bytes);
    }

    /// Where the next bytes belong, if the connection knows: how many.
    pub fn space(&mut self) -> Option<usize> {
        self.connection.payload_space().map(|space| space.len())
    }

    pub fn read_directly(&mut self, bytes: &[u8]) {
        self.seen.read += bytes.len() as u64;
        let space = self.connection.payload_space().unwrap();
        space[..bytes.len()].copy_from_slice(bytes);
        if let Some(event) = self.connection.payload_filled(bytes.len()) {
            self.handle(event, &[]);
        }
        self.check();
    }

    pub fn receive(&mut self, mut input: &mut [u8]) {
        while let Some(event) = self.connection.receive(&mut input) {
            if !self.handle(event, input) {
                return;
            }
            self.check();
        }
        assert!(input.is_empty(), "`None` means that the input is used up");
        self.check();
    }

    /// Whether it goes on with the rest of the input: not if its echo was refused, or is to be
    /// written.
    fn handle(&mut self, event: Event<'_>, rest: &[u8]) -> bool {
        if let Some(echo) = self.record(event) {
            let is_written = matches!(echo, Item::Message(_, Memory::Written));
            let held = if is_written { Some(echo) } else { self.send(echo, &mut |_| Ok(0)) };
            if let Some(echo) = held {
                self.held = Some((echo, rest.to_vec()));
                return false;
            }
        }
        self.answer();
        true
    }

    /// Records an event. Returns what the application echoes.
    fn record(&mut self, event: Event<'_>) -> Option<Item> {
        match self.events.last() {
            Some(Event::Failed(error)) => panic!("{event:?} after {error:?}"),
            Some(Event::Close(_)) => {
                assert!(matches!(event, Event::Failed(_)), "{event:?} after a Close");
            }
            _ => {}
        }
        let echo = self.setup.echo;
        match event {
            Event::Message(mut message) => {
                let copy = message.clone().into_owned();
                self.connection.recycle(&mut message);
                self.events.push(Event::Message(copy.clone()));
                echo.map(|memory| Item::Message(copy, memory))
            }
            Event::Chunk(chunk) => {
                let Event::Chunk(chunk) = Event::Chunk(chunk).into_owned() else { unreachable!() };
                if let Some(message) = record_chunk(&mut self.receiving, &chunk) {
                    self.events.push(Event::Message(message));
                }
                echo.map(|_| Item::Chunk(chunk))
            }
            Event::Ping(payload) => {
                if self.setup.manual_pong {
                    self.unanswered = Some(payload.to_vec());
                }
                if !self.closed {
                    self.owed.push(payload.to_vec());
                }
                self.events.push(Event::Ping(payload.into_owned()));
                None
            }
            Event::Close(frame) => {
                if self.setup.manual_close {
                    let code = frame.as_ref().map_or(1005, |frame| frame.code().0);
                    let farewell = Message::from("one more").into_owned();
                    self.pending.push_back(Item::Message(farewell, Memory::Borrowed));
                    self.pending.push_back(Item::Close(code, String::new()));
                }
                self.events.push(Event::Close(frame).into_owned());
                None
            }
            event => {
                self.events.push(event.into_owned());
                None
            }
        }
    }

    // --- What must always hold -----------------------------------------------------------------

    /// The bound of the output, and what may not change any more.
    fn check(&mut self) {
        let waiting = self.connection.output().remaining();
        self.most_waiting = self.most_waiting.max(waiting);
        // Below the mark one message; 4 KiB of Pongs, less than a whole one more, the newest, and
        // a Close.
        let bound = self.setup.high_water_mark + self.largest + 4096 + 3 * MAX_CONTROL;
        assert!(waiting <= bound, "{waiting} bytes wait, {bound} may");

        let transport = rank(self.connection.transport());
        assert!(transport >= self.seen.transport, "{:?} goes back", self.connection.transport());
        self.seen.transport = transport;

        let outcome = self.connection.outcome();
        assert_eq!(outcome.is_some(), transport > 0);
        assert!(self.seen.outcome.is_none() || outcome == self.seen.outcome, "{outcome:?} changes");
        self.seen.outcome = outcome;

        let error = self.connection.error();
        assert!(self.seen.error.is_none() || error == self.seen.error, "{error:?} changes");
        if error.is_some() {
            assert!(!self.connection.can_send());
        }
    }

    /// After what `written` bytes of its output were, nothing but what was queued appears.
    pub fn check_written(&mut self, written: usize) {
        self.check();
        let queued = written + self.connection.output().remaining();
        match self.seen.error {
            None => {
                self.seen.error = self.connection.error();
                self.seen.queued = queued;
            }
            // The newest Pong may have been held back.
            Some(_) => assert!(queued <= self.seen.queued + MAX_CONTROL, "output after an error"),
        }
        let timeouts = &self.setup.timeouts;
        let is_bounded = timeouts.closing.is_some()
            && (timeouts.idle.is_some() || timeouts.ping.is_some() && timeouts.pong.is_some());
        if is_bounded && self.seen.transport < 2 {
            assert!(self.connection.poll_timeout().is_some(), "nothing ends it");
        }
    }
}

/// Bytes of the longest control frame.
pub const MAX_CONTROL: usize = 2 + 4 + 125;

fn rank(transport: Transport) -> u8 {
    match transport {
        Transport::Open => 0,
        Transport::Drain => 1,
        Transport::Close => 2,
        Transport::Abort => 3,
    }
}

/// Adds a piece to what is under way. Returns the message that it completes.
fn record_chunk(
    open: &mut Option<(MessageType, Vec<u8>)>,
    chunk: &Chunk<'_>,
) -> Option<Message<'static>> {
    let message_type = chunk.payload.message_type();
    assert_eq!(chunk.first, open.is_none(), "exactly one piece is the first");
    let (open_type, bytes) = open.get_or_insert((message_type, Vec::new()));
    assert_eq!(*open_type, message_type);
    bytes.extend_from_slice(chunk.payload.as_bytes());
    if chunk.last { open.take().map(finish) } else { None }
}

pub(super) fn finish((message_type, bytes): (MessageType, Vec<u8>)) -> Message<'static> {
    match message_type {
        MessageType::Text => String::from_utf8(bytes).unwrap().into(),
        MessageType::Binary => bytes.into(),
    }
}
