//! Runs a stream through a connection, cut in any way.

use websocket_proto::{Buffers, Config, Connection, Delivery, Event, Limits, Message, Role};

use super::{Record, connection, receive, take_output};

/// How a run treats a stream, apart from where it cuts it.
#[derive(Debug, Clone)]
pub struct Driver {
    pub role: Role,
    pub delivery: Delivery,
    pub echo: bool,
    pub high_water_mark: usize,
    /// Stream offsets at which all output is taken.
    pub drains: Vec<usize>,
    pub eof: bool,
    /// Whether bytes are read straight to where they belong, where the connection says so.
    pub direct: bool,
    /// Whether memory is lent for each piece, with what was left in it, and messages are recycled.
    pub lent: bool,
}

/// Feeds `bytes`, cut at `cuts` and at the drains.
pub fn run(driver: &Driver, bytes: &[u8], cuts: &[usize]) -> Record {
    let config = Config::new()
        .delivery(driver.delivery)
        .high_water_mark(driver.high_water_mark)
        .limits(Limits { max_message: 200_000, max_frame: 150_000, ..Limits::DEFAULT });
    let mut connection = connection(driver.role, config);
    let mut ends: Vec<usize> = cuts.iter().chain(&driver.drains).copied().collect();
    ends.push(bytes.len());
    ends.retain(|end| *end <= bytes.len());
    ends.sort_unstable();
    let (mut events, mut replies, mut output) = (Vec::new(), Vec::new(), Vec::new());
    let mut buffers = if driver.lent { used_buffers() } else { Buffers::new() };
    let mut start = 0;
    for end in ends {
        let original = &bytes[start..end];
        let mut buffer = original.to_vec();
        let mut input = &mut buffer[..];
        if driver.lent {
            connection.lend(&mut buffers);
        }
        while let Some(event) = next_event(driver, &mut connection, &mut input) {
            if let Event::Message(message) = &event
                && driver.echo
            {
                replies.push(connection.send(message.clone()).map_err(|error| error.reason));
            }
            events.push(event.clone().into_owned());
            if let Event::Message(mut message) = event {
                connection.recycle(&mut message);
            }
            // Bytes that were not taken are never modified.
            assert_eq!(*input, original[original.len() - input.len()..]);
        }
        assert!(input.is_empty());
        if driver.drains.contains(&end) && start != end {
            output.extend(take_output(&mut connection));
        }
        if driver.lent {
            connection.give_back(&mut buffers);
        }
        start = end;
    }
    if driver.eof {
        connection.receive_eof();
        events.extend(receive(&mut connection, b""));
    }
    let mut record = Record::of(&mut connection, events);
    record.replies = replies;
    record.output.splice(0..0, output);
    if driver.delivery == Delivery::Chunks {
        record.events = joined(record.events);
    }
    record
}

/// Memory that another connection has used.
fn used_buffers() -> Buffers {
    let mut buffers = Buffers::new();
    let mut connection = connection(Role::Client, Config::new());
    connection.lend(&mut buffers);
    let mut frames = vec![0x02, 126, 0x10, 0x00];
    frames.extend([0xee; 4096]);
    frames.extend([0x80, 2, 0xee, 0xee]);
    let message = connection.receive(&mut &mut frames[..]);
    let Some(Event::Message(mut message)) = message else { panic!("{message:?}") };
    connection.recycle(&mut message);
    connection.send(vec![0xee; 1000]).unwrap();
    take_output(&mut connection);
    connection.give_back(&mut buffers);
    buffers
}

/// The next event of `input`.
fn next_event<'a>(
    driver: &Driver,
    connection: &mut Connection,
    input: &mut &'a mut [u8],
) -> Option<Event<'a>> {
    loop {
        if driver.direct
            && !input.is_empty()
            && let Some(space) = connection.payload_space()
        {
            let len = space.len().min(input.len());
            let (read, rest) = std::mem::take(input).split_at_mut(len);
            space[..len].copy_from_slice(read);
            *input = rest;
            if let Some(event) = connection.payload_filled(len) {
                return Some(event);
            }
        } else if driver.direct {
            // A byte at a time, so that the other way is never far.
            let len = input.len().min(1);
            let (mut read, rest) = std::mem::take(input).split_at_mut(len);
            *input = rest;
            match connection.receive(&mut read) {
                None if input.is_empty() => return None,
                None => {}
                event => return event,
            }
        } else {
            return connection.receive(input);
        }
    }
}

/// The events with the pieces of each message put together; they must be marked rightly.
fn joined(events: Vec<Event<'static>>) -> Vec<Event<'static>> {
    let mut joined = Vec::new();
    // Where in `joined` the message under way stands: control frames may come between.
    let mut open: Option<usize> = None;
    for event in events {
        let Event::Chunk(chunk) = event else {
            joined.push(event);
            continue;
        };
        assert_eq!(chunk.first, open.is_none(), "exactly one piece is the first");
        assert!(chunk.last || !chunk.payload.as_bytes().is_empty(), "an empty piece is the last");
        let last = chunk.last;
        match open {
            None => {
                open = Some(joined.len());
                joined.push(Event::Chunk(chunk));
            }
            Some(at) => {
                let Event::Chunk(whole) = &mut joined[at] else { unreachable!() };
                whole.last = last;
                whole.payload = match (&whole.payload, &chunk.payload) {
                    (Message::Text(a), Message::Text(b)) => Message::Text(format!("{a}{b}").into()),
                    (Message::Binary(a), Message::Binary(b)) => {
                        Message::Binary([&a[..], &b[..]].concat().into())
                    }
                    mixed => panic!("a message changes its type: {mixed:?}"),
                };
            }
        }
        if last {
            open = None;
        }
    }
    // The place of a message among control frames is where its first piece came, which depends on
    // the cut when empty fragments lead; so messages are compared apart from control frames.
    let (chunks, mut others): (Vec<_>, Vec<_>) =
        joined.into_iter().partition(|event| matches!(event, Event::Chunk(_)));
    others.extend(chunks);
    others
}
