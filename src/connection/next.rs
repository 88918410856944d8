//! The next step of an asynchronous driver, which borrows nothing.

use super::Connection;
#[cfg(feature = "deflate")]
use crate::Event;
use crate::session::Preview;
use crate::{Input, Transport};

/// The next step of an asynchronous driver, as [`Connection::next`] returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Call [`receive`](Connection::receive), which returns a message, a chunk or the failure.
    Message,
    /// Call [`receive`](Connection::receive), which returns a Ping, a Pong, a Close or the failure. A
    /// driver that hides control frames drops this event and calls `next` again.
    Control,
    /// Write the output. While the socket refuses it, also read into the input: a peer that writes
    /// without reading would otherwise block both ends.
    Write,
    /// Read into the input. No output is pending. If [`transport`](Connection::transport) returns
    /// [`Drain`](Transport::Drain), first shut down the writing direction: the peer may wait for that
    /// before it ends its stream.
    Read,
    /// Close the transport: the connection has ended.
    Closed,
}

impl Next {
    /// Returns whether [`receive`](Connection::receive) returns an event.
    #[must_use]
    pub const fn is_event(self) -> bool {
        matches!(self, Self::Message | Self::Control)
    }
}

impl Connection {
    /// Returns the next step of an asynchronous driver.
    ///
    /// The result borrows nothing, so it can be held across an `await`; an event cannot. The result
    /// is [`Next::Message`] or [`Next::Control`] exactly if the following [`receive`](Self::receive)
    /// with this `input` returns an event. The call consumes the bytes before that event. It never returns
    /// [`Next::Read`] after the end of the stream.
    ///
    /// At [`Next::Read`], also follow [`transport`](Self::transport): it may be
    /// [`Drain`](Transport::Drain).
    ///
    /// ```
    /// use websocket_proto::{Config, Connection, Input, Negotiated, Next};
    ///
    /// static CONFIG: Config = Config::new();
    /// let mut connection = Connection::server(&CONFIG, &Negotiated::default());
    /// let mut bytes = *b"\x81\x85\0\0\0\0Hello\x81";
    /// let mut input = Input::with_bytes(&mut bytes);
    /// assert_eq!(connection.next(&mut input), Next::Message);
    /// assert!(connection.receive(&mut input).is_some());
    /// assert_eq!(connection.next(&mut input), Next::Read);
    /// ```
    pub fn next(&mut self, input: &mut Input<'_>) -> Next {
        self.check_continuity(input);
        #[cfg(feature = "deflate")]
        if let Some(event) = self.ready_event() {
            return step_of(event);
        }
        while input.has_unread() {
            let limits = &self.config.receive_limits;
            let (unread, _) = input.unread_mut();
            match self.machine.preview(unread, limits, self.config.delivery) {
                Preview::Message => return Next::Message,
                Preview::Control => return Next::Control,
                Preview::NoEvent(len) => {
                    let (unread, position) = input.unread_mut();
                    if self.receive_parts(unread, position, len).is_some() {
                        self.fail_internally("the preview saw no event");
                    }
                }
                #[cfg(feature = "deflate")]
                Preview::Compressed(len) => {
                    let (unread, position) = input.unread_mut();
                    let event = self.receive_parts(unread, position, len);
                    if let Some(event) = event.map(Event::into_owned) {
                        let step = step_of(&event);
                        self.keep_ready(event);
                        return step;
                    }
                }
            }
        }
        // The bytes that were just consumed may have failed the connection. `receive` reports that
        // before it handles the end of the stream.
        if input.is_finished() && !self.machine.failure_pending() {
            self.end_of_stream();
        }
        if self.machine.failure_pending() {
            return Next::Message;
        }
        match self.transport() {
            Transport::Close | Transport::Abort => Next::Closed,
            Transport::Open | Transport::Drain if self.has_output() => Next::Write,
            Transport::Open | Transport::Drain => Next::Read,
        }
    }
}

/// Returns the step that returns `event`.
#[cfg(feature = "deflate")]
const fn step_of(event: &Event<'_>) -> Next {
    match event {
        Event::Message(_) | Event::Chunk(_) | Event::Failed(_) => Next::Message,
        Event::Ping(_) | Event::Pong(_) | Event::Close(_) => Next::Control,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Event, Negotiated};

    #[test]
    fn preview_of_a_failure_leaves_the_end_of_the_stream_to_receive() {
        static CONFIG: Config = Config::new();
        for previews in [0, 1, 2] {
            let mut connection = Connection::server(&CONFIG, &Negotiated::default());
            // The peer begins a text message with an invalid byte, and its stream ends.
            let mut bytes = *b"\x01\x81\0\0\0\0\xff";
            let mut input = Input::with_bytes(&mut bytes);
            input.finish();
            for _ in 0..previews {
                assert!(connection.next(&mut input).is_event());
            }
            assert!(matches!(connection.receive(&mut input), Some(Event::Failed(_))));
            let len = connection.output().len();
            connection.output().advance(len);
            assert_eq!(connection.transport(), Transport::Drain, "{previews}");
            assert_eq!(connection.receive(&mut input), None);
            assert_eq!(connection.transport(), Transport::Close, "{previews}");
        }
    }
}
