//! Runs a stream through a [`Connection`], with any cuts and any way to pass the bytes, and records
//! everything observable.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing)]

#[cfg(feature = "deflate")]
use websocket_proto::DeflateParameters;
use websocket_proto::{
    Chunk, Config, Connection, ConnectionError, Delivery, Event, Input, Limits, Message,
    Negotiated, Next, Outcome, Role, SendError, Statistics, Transport,
};

#[cfg(feature = "deflate")]
use crate::naive::Inflater;
use crate::naive::{Naive, NaiveLimits, Seen, join, reassemble};
use crate::support::frames::pieces;
use crate::support::{negotiated_connection, parse_frames, take_output};

const MAX_FRAME: u64 = 150_000;
const MAX_EMPTY_FRAGMENTS: u32 = 3;

/// The configuration and calls that determine the result of a run.
#[derive(Debug, Clone)]
pub struct Driver {
    pub role: Role,
    pub delivery: Delivery,
    /// Whether each message and each chunk is echoed. The boundaries of chunks depend on the cut: chunks
    /// are compared by content and always accepted.
    pub echo: bool,
    pub high_water_mark: usize,
    pub statistics: bool,
    pub manual_close: bool,
    /// Stream offsets at which all output is written.
    pub drains: Vec<usize>,
    pub eof: bool,
    /// The message limit.
    pub max_message: u64,
    /// The agreed parameters of permessage-deflate.
    #[cfg(feature = "deflate")]
    pub deflate: Option<DeflateParameters>,
}

impl Driver {
    pub const fn new(role: Role) -> Self {
        Self {
            role,
            delivery: Delivery::Messages,
            echo: false,
            high_water_mark: 1 << 20,
            statistics: false,
            manual_close: false,
            drains: Vec::new(),
            eof: true,
            max_message: 200_000,
            #[cfg(feature = "deflate")]
            deflate: None,
        }
    }

    fn negotiated(&self) -> Negotiated<'static> {
        let negotiated = Negotiated::default();
        #[cfg(feature = "deflate")]
        let negotiated = negotiated.with_deflate_parameters(self.deflate);
        negotiated
    }
}

/// How the bytes are passed. The result must not depend on it.
#[derive(Debug, Clone, Default)]
pub struct Feed {
    pub cuts: Vec<usize>,
    /// Number of calls of `next` before each `receive`.
    pub peeks: usize,
    pub storage: Storage,
    /// Whether EOF is reported together with the last bytes.
    pub eof_with_bytes: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Storage {
    /// A new input for each piece, over bytes that were read elsewhere.
    #[default]
    Bytes,
    /// One input that is filled repeatedly.
    Filled,
    /// A new input for each piece, converted into an owned one after each event.
    Moved,
}

/// Everything observable of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub events: Vec<Seen>,
    pub replies: Vec<Result<(), SendError>>,
    pub error: Option<ConnectionError>,
    /// Before and after all output is written.
    pub transport: [Transport; 2],
    pub outcome: Option<Outcome>,
    pub is_closing: bool,
    pub may_send: bool,
    /// Before all output is written.
    pub has_room: bool,
    pub output: Vec<u8>,
    pub statistics: Option<Statistics>,
}

/// Feeds `bytes` in pieces that end at the cuts and at the drains.
#[track_caller]
pub fn run(driver: &Driver, bytes: &[u8], feed: &Feed) -> Record {
    let mut run = Run::new(driver, feed);
    let mut filled = Input::owned(vec![0; bytes.len().max(1)]);
    let ends = [&feed.cuts[..], &driver.drains[..]].concat();
    let pieces = pieces(bytes, &ends);
    let (count, mut end) = (pieces.len(), 0);
    for (i, piece) in pieces.into_iter().enumerate() {
        end += piece.len();
        let last = driver.eof && feed.eof_with_bytes && i + 1 == count;
        if feed.storage == Storage::Filled {
            if !piece.is_empty() {
                filled.space()[..piece.len()].copy_from_slice(piece);
                filled.filled(piece.len());
            }
            if last {
                filled.finish();
            }
            run.receive(&mut filled, piece);
        } else {
            let mut buffer = piece.to_vec();
            let mut input = Input::with_bytes(&mut buffer);
            if last {
                input.finish();
            }
            if feed.storage == Storage::Moved {
                run.receive_moved(input, piece);
            } else {
                run.receive(&mut input, piece);
            }
        }
        // A drain at the end of the stream happens before EOF in every run.
        if driver.drains.contains(&end) && end < bytes.len() {
            run.drain();
        }
    }
    if driver.eof && !feed.eof_with_bytes {
        filled.finish();
        run.receive(&mut filled, &[]);
    }
    run.finish()
}

struct Run<'d> {
    driver: &'d Driver,
    peeks: usize,
    connection: Connection,
    events: Vec<Seen>,
    replies: Vec<Result<(), SendError>>,
    output: Vec<u8>,
}

impl<'d> Run<'d> {
    fn new(driver: &'d Driver, feed: &Feed) -> Self {
        let limits = Limits::DEFAULT
            .with_max_message(driver.max_message)
            .with_max_frame(MAX_FRAME)
            .with_max_empty_fragments(MAX_EMPTY_FRAGMENTS);
        let mut config = Config::new()
            .with_delivery(driver.delivery)
            .with_high_water_mark(driver.high_water_mark)
            .with_limits(limits);
        if driver.statistics {
            config = config.with_statistics();
        }
        if driver.manual_close {
            config = config.with_manual_close();
        }
        Self {
            driver,
            peeks: feed.peeks,
            connection: negotiated_connection(driver.role, config, &driver.negotiated()),
            events: Vec::new(),
            replies: Vec::new(),
            output: Vec::new(),
        }
    }

    /// Receives until `None`. `original` holds the bytes that are unread in `input`.
    #[track_caller]
    fn receive(&mut self, input: &mut Input<'_>, original: &[u8]) {
        while self.receive_one(input, original) {}
        assert!(!input.has_unread(), "`None` with unread bytes");
    }

    #[track_caller]
    fn receive_moved(&mut self, mut input: Input<'_>, original: &[u8]) {
        while self.receive_one(&mut input, original) {
            input = input.into_owned();
        }
        assert!(!input.has_unread(), "`None` with unread bytes");
    }

    /// Receives once and returns whether there was an event.
    #[track_caller]
    fn receive_one(&mut self, input: &mut Input<'_>, original: &[u8]) -> bool {
        let next = self.peek(input, original);
        let event = self.connection.receive(input);
        let has_event = event.is_some();
        if let Some(event) = event {
            if self.driver.echo {
                match &event {
                    Event::Message(message) => {
                        self.replies
                            .push(self.connection.send(message).map_err(|unsent| unsent.error));
                    }
                    Event::Chunk(Chunk { payload, fragment }) => {
                        // Sending is refused after a failure and after the peer's Close.
                        let chunk = Chunk::new(payload, *fragment);
                        // Compression of chunks depends on their boundaries.
                        #[cfg(feature = "deflate")]
                        let error = self.connection.send_chunk_uncompressed(chunk).err();
                        #[cfg(not(feature = "deflate"))]
                        let error = self.connection.send_chunk(chunk).err();
                        assert!(error.is_none_or(|unsent| unsent.error == SendError::Closed));
                    }
                    _ => {}
                }
            }
            self.events.push(seen(event));
        }
        assert_untouched(input, original);
        if let Some(next) = next {
            assert_eq!(next.is_event(), has_event, "`next` said {next:?}");
        }
        has_event
    }

    #[track_caller]
    fn peek(&mut self, input: &mut Input<'_>, original: &[u8]) -> Option<Next> {
        let mut answer = None;
        for _ in 0..self.peeks {
            let next = self.connection.next(input);
            assert!(answer.is_none_or(|answer| answer == next), "{answer:?}, then {next:?}");
            answer = Some(next);
            assert_untouched(input, original);
            let over = matches!(self.connection.transport(), Transport::Close | Transport::Abort);
            let written = self.connection.output().is_empty();
            match next {
                Next::Message | Next::Control => {}
                Next::Read => {
                    assert!(written && !over && !input.is_finished() && !input.has_unread())
                }
                Next::Write => assert!(!written && !over && !input.has_unread()),
                Next::Closed => assert!(over && !input.has_unread()),
            }
        }
        answer
    }

    fn drain(&mut self) {
        self.output.extend(take_output(&mut self.connection));
    }

    fn finish(mut self) -> Record {
        let before = self.connection.transport();
        let has_room = self.connection.has_room();
        self.drain();
        let echoes_chunks = self.driver.echo && self.driver.delivery == Delivery::Chunks;
        Record {
            events: join(self.events),
            replies: self.replies,
            error: self.connection.error(),
            transport: [before, self.connection.transport()],
            outcome: self.connection.outcome(),
            is_closing: self.connection.is_closing(),
            may_send: self.connection.may_send(),
            has_room,
            output: match (echoes_chunks, self.connection.error()) {
                (false, _) => self.output,
                (true, None) => join_fragments(&self.output),
                // The cut decides whether the last text before a violation can be echoed.
                (true, Some(_)) => Vec::new(),
            },
            statistics: self.connection.statistics().filter(|_| !echoes_chunks),
        }
    }
}

/// Asserts that the unread bytes are unmodified.
#[track_caller]
fn assert_untouched(input: &Input<'_>, original: &[u8]) {
    let unread = input.unread();
    assert_eq!(unread, &original[original.len() - unread.len()..], "unread bytes were modified");
}

/// An event, by content.
pub fn seen(event: Event<'_>) -> Seen {
    match event {
        Event::Message(message) => piece(&message, true, true),
        Event::Chunk(chunk) => {
            piece(&chunk.payload, chunk.fragment.begins(), chunk.fragment.ends())
        }
        Event::Ping(payload) => Seen::Ping(payload.into_owned()),
        Event::Pong(payload) => Seen::Pong(payload.into_owned()),
        Event::Close(frame) => {
            Seen::Close(frame.map(|frame| (frame.code().0, frame.reason().to_owned())))
        }
        Event::Failed(error) => Seen::Failed(error),
        other => panic!("{other:?}"),
    }
}

fn piece(message: &Message<'_>, begins: bool, ends: bool) -> Seen {
    Seen::Data { text: message.is_text(), bytes: message.as_bytes().to_vec(), begins, ends }
}

/// Joins adjacent fragments of a sent message and drops the masking keys: both depend on the cut.
fn join_fragments(output: &[u8]) -> Vec<u8> {
    let mut joined: Vec<(u8, Vec<u8>)> = Vec::new();
    for (first, payload) in parse_frames(output) {
        match joined.last_mut() {
            Some((before, bytes)) if first & 15 == 0 && *before & 0x88 == 0 => {
                *before |= first & 0x80;
                bytes.extend(payload);
            }
            _ => joined.push((first, payload)),
        }
    }
    format!("{joined:?}").into_bytes()
}

/// Compares two runs of the same bytes.
#[track_caller]
pub fn assert_same(expected: &Record, found: &Record, driver: &Driver, feed: &Feed) {
    if expected != found {
        let brief = |record| format!("{record:?}").chars().take(1000).collect::<String>();
        panic!("{driver:?} {feed:?}\nexpected {}\nfound    {}", brief(expected), brief(found));
    }
}

/// Compares every way to pass `bytes` with these cuts to one uncut read and to the naive receiver.
#[track_caller]
pub fn compare(driver: &Driver, bytes: &[u8], cuts: &[usize]) {
    let whole = run(driver, bytes, &Feed::default());
    assert_matches_naive(driver, bytes, &whole);
    for (cuts, peeks, storage, eof_with_bytes) in [
        (cuts, 0, Storage::Bytes, false),
        (cuts, 1, Storage::Filled, true),
        (cuts, 0, Storage::Moved, true),
        (cuts, 3, Storage::Bytes, false),
        (&[], 2, Storage::Bytes, true),
    ] {
        let feed = Feed { cuts: cuts.to_vec(), peeks, storage, eof_with_bytes };
        assert_same(&whole, &run(driver, bytes, &feed), driver, &feed);
    }
}

/// Compares every prefix of `bytes` with every single cut to one uncut read and to the naive receiver.
#[track_caller]
pub fn compare_every_prefix(driver: &Driver, bytes: &[u8]) {
    for len in 0..=bytes.len() {
        let prefix = &bytes[..len];
        let whole = run(driver, prefix, &Feed::default());
        assert_matches_naive(driver, prefix, &whole);
        for at in 0..len {
            let peeks = (at + len) % 2;
            let feed = Feed { cuts: vec![at], peeks, ..Feed::default() };
            assert_same(&whole, &run(driver, prefix, &feed), driver, &feed);
        }
    }
}

/// Returns the offsets in `len` bytes of these parts, from 0 to 1.
pub fn offsets(parts: &[f64], len: usize) -> Vec<usize> {
    parts.iter().map(|part| (part * len as f64) as usize).collect()
}

/// Compares a run with the naive receiver.
#[track_caller]
pub fn assert_matches_naive(driver: &Driver, bytes: &[u8], record: &Record) {
    let mut naive = Naive::new(
        driver.role,
        NaiveLimits {
            max_frame: MAX_FRAME,
            max_message: driver.max_message,
            max_empty_fragments: MAX_EMPTY_FRAGMENTS,
        },
    );
    #[cfg(feature = "deflate")]
    if let Some(agreed) = driver.deflate {
        let (forbids_context, window_bits) = match driver.role {
            Role::Server => (agreed.client_no_context_takeover(), agreed.client_max_window_bits()),
            Role::Client => (agreed.server_no_context_takeover(), agreed.server_max_window_bits()),
        };
        let window = 1 << window_bits.unwrap_or(15);
        naive = naive.with_inflater(Inflater::receiver(if forbids_context { 0 } else { window }));
    }
    naive.receive(bytes);
    if driver.eof {
        naive.receive_eof();
    }
    let events = match driver.delivery {
        Delivery::Chunks => join(naive.seen.clone()),
        Delivery::Messages => reassemble(&naive.seen),
    };
    for (i, event) in record.events.iter().enumerate() {
        assert!(events.get(i) == Some(event), "event {i} differs, {driver:?}");
    }
    assert_eq!(record.events.len(), events.len(), "{driver:?}");
    assert_eq!(record.error, naive.error, "{driver:?}");
    let closes = naive.seen.iter().any(|event| matches!(event, Seen::Close(_)));
    if !driver.manual_close || !closes || driver.eof {
        assert_eq!(record.transport[1], naive.transport(), "{driver:?}");
    }
    // After 4 KiB of queued Pongs, only the newest Ping is answered.
    let pongs = naive.sent.iter().filter(|(first, _)| *first == 0x8a);
    let pong_bytes: usize = pongs.map(|(_, payload)| 6 + payload.len()).sum();
    if !driver.echo && !driver.manual_close && pong_bytes < 4096 {
        assert!(parse_frames(&record.output) == naive.sent, "the output differs, {driver:?}");
    }
}
