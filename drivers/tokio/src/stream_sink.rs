//! The traits [`Stream`] and [`Sink`] of owned messages.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};
use websocket_proto::{CloseCode, Message};

use crate::engine::Engine;
use crate::error::Error;
use crate::reading::Reading;
use crate::split::{Receiver, Sender};
use crate::websocket::WebSocket;

impl<IO: AsyncRead + AsyncWrite + Unpin> Stream for WebSocket<IO> {
    type Item = Result<Message<'static>, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { engine, reading, tasks } = self.get_mut();
        if let Some(message) = next_read(engine, reading) {
            return Poll::Ready(Some(Ok(message)));
        }
        let tasks = tasks.get_or_insert_default();
        tasks.poll_receiver(cx, engine, |engine, cx| engine.poll_next(reading, cx))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Stream for Receiver<IO> {
    type Item = Result<Message<'static>, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { shared, reading } = self.get_mut();
        let mut engine = shared.engine();
        if let Some(message) = next_read(&mut engine, reading) {
            return Poll::Ready(Some(Ok(message)));
        }
        drop(engine);
        shared.poll_receiver(cx, |engine, cx| engine.poll_next(reading, cx))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> WebSocket<IO> {
    /// Calls `poll` for the task that polls the sink.
    fn poll_sink(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Engine<IO>, &mut Reading, &mut Context<'_>) -> Poll<Result<(), Error>>,
    ) -> Poll<Result<(), Error>> {
        let Self { engine, reading, tasks } = self;
        let tasks = tasks.get_or_insert_default();
        tasks.poll_sender(cx, engine, |engine, cx| {
            poll(engine, reading, cx).map_err(|error| engine.take_error_or(error))
        })
    }
}

/// Two tasks may poll the sink and the [`Stream`], as after `split` of `StreamExt`. The halves of
/// [`WebSocket::split`] have more calls.
impl<IO: AsyncRead + AsyncWrite + Unpin> Sink<Message<'static>> for WebSocket<IO> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let socket = self.get_mut();
        socket.poll_sink(cx, |engine, reading, cx| engine.poll_room(Some(reading), cx))
    }

    fn start_send(self: Pin<&mut Self>, message: Message<'static>) -> Result<(), Error> {
        // This call cannot wait. A failure is returned by a call that waits until its Close frame is
        // written.
        let sent = self.get_mut().engine.connection.send(message);
        sent.map_err(|unsent| Error::Send(unsent.error))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let socket = self.get_mut();
        socket.poll_sink(cx, |engine, reading, cx| engine.poll_flush(Some(reading), cx))
    }

    /// Performs the closing handshake with the code 1000, as [`close`](WebSocket::close) does.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Self { engine, reading, tasks } = self.get_mut();
        engine.start_close(CloseCode::NORMAL)?;
        let tasks = tasks.get_or_insert_default();
        tasks.poll_sender(cx, engine, |engine, cx| {
            while let Some(message) = ready!(engine.poll_next(reading, cx)) {
                drop(message?);
            }
            Poll::Ready(Ok(()))
        })
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Sink<Message<'static>> for Sender<IO> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_sender(cx, |engine, cx| engine.poll_room(None, cx))
    }

    fn start_send(self: Pin<&mut Self>, message: Message<'static>) -> Result<(), Error> {
        // As for `WebSocket`, a failure is left to a call that waits.
        let sent = self.0.engine().connection.send(message);
        sent.map_err(|unsent| Error::Send(unsent.error))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_sender(cx, |engine, cx| engine.poll_flush(None, cx))
    }

    /// Queues a Close frame with the code 1000 and writes it. The receiving half completes the closing
    /// handshake.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.engine().start_close(CloseCode::NORMAL)?;
        self.poll_flush(cx)
    }
}

/// Returns the next message if it was read already. Most messages were, and need no waker.
#[inline]
fn next_read<IO: AsyncRead + AsyncWrite + Unpin>(
    engine: &mut Engine<IO>,
    reading: &mut Reading,
) -> Option<Message<'static>> {
    if !engine.has_event(reading) {
        return None;
    }
    engine.receive(reading).map(|chunk| chunk.payload.into_owned())
}
