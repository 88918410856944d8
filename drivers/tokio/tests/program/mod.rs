//! A program that uses a connection: its calls, and a log of what they sent, received and returned.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};
use tokio_websocket_proto::proto::{
    Chunk, CloseCode, Connection, ConnectionError, Delivery, Fragment, Message, MessageType,
    SendError, Timeout,
};
use tokio_websocket_proto::{Error, WebSocket};

use crate::cancelled::cancelled;
use crate::pipe::Pipe;
use crate::support::sample_text;

pub(crate) use calls::{ReceiveCall, Receiving, SendCall, Sending};
use calls::{Receives, Sends, Socket};

mod calls;

/// Longer than any run.
pub(crate) const FOREVER: Duration = Duration::from_secs(1 << 20);

/// Operations on a whole connection, or on its halves in two tasks.
#[derive(Clone, Debug)]
pub(crate) struct Phase {
    pub(crate) is_split: bool,
    /// Whether the half that receives goes on after its operations, until the other task is ready. If it
    /// does not, a peer that does the same blocks the half that sends.
    pub(crate) receives_on: bool,
    pub(crate) ops: Vec<Op>,
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Send(Sending),
    Receive(Receiving),
    Idle(Duration),
}

/// A call that is not dropped.
const RECV: Receiving = Receiving { call: ReceiveCall::Recv, polls: usize::MAX, time: FOREVER };

/// The messages in one direction, as one end has seen them.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) messages: Vec<(MessageType, Vec<u8>)>,
    /// The message of which not all pieces were sent or received.
    partial: Option<(MessageType, Vec<u8>)>,
    /// The number of calls that took the failure of the connection.
    failures: usize,
    calls: usize,
    /// Whether a call may have dropped received messages, as `close` does.
    pub(crate) is_incomplete: bool,
    has_ended: bool,
}

/// Asserts that a call may return `error` if the connection has failed with `failure`: a driver that measures a
/// timeout of the output aborts the connection.
fn assert_returned(error: ConnectionError, failure: ConnectionError) {
    let is_measured =
        error == ConnectionError::Timeout(Timeout::Output) && failure == ConnectionError::Aborted;
    assert!(error == failure || is_measured, "{error} instead of {failure}");
}

impl Log {
    fn record(&mut self, chunk: &Chunk<'_>) {
        let Chunk { payload, fragment } = chunk;
        assert_eq!(fragment.begins(), self.partial.is_none());
        let (message_type, bytes) =
            self.partial.get_or_insert_with(|| (payload.message_type(), Vec::new()));
        assert_eq!(*message_type, payload.message_type());
        bytes.extend_from_slice(payload.as_bytes());
        if fragment.ends() {
            self.messages.extend(self.partial.take());
        }
    }

    /// Checks an error against the state of the connection. The sending half does not take the failure.
    fn check_error(&mut self, error: &Error, socket: &impl Socket, takes_failure: bool) {
        let failure = socket.ask(Connection::error);
        match error {
            Error::Send(SendError::Closed) => return assert!(socket.ask(Connection::is_closing)),
            // A write has failed. The failure is left to a call that receives.
            Error::Connection(
                ConnectionError::Aborted | ConnectionError::Timeout(Timeout::Output),
            ) if failure.is_none() => return,
            Error::Connection(error) => assert_returned(*error, failure.unwrap()),
            Error::Io(_) => assert_eq!(failure, Some(ConnectionError::Aborted)),
            error => panic!("{error}"),
        }
        self.failures += usize::from(takes_failure);
        assert!(self.failures <= 1, "the failure is returned again");
    }

    /// Returns the message or the piece for the next call. Pieces that do not end their message are not
    /// empty, because empty ones are skipped.
    fn next_chunk(&self, sending: &Sending) -> Chunk<'static> {
        let (SendCall::Piece { is_last } | SendCall::PieceUncompressed { is_last }) = sending.call
        else {
            return Chunk::new(self.payload(sending.is_text, sending.len), Fragment::Whole);
        };
        let fragment = match (&self.partial, is_last) {
            (None, true) => Fragment::Whole,
            (None, false) => Fragment::First,
            (Some(_), false) => Fragment::Middle,
            (Some(_), true) => Fragment::Last,
        };
        let partial_type = self.partial.as_ref().map(|(message_type, _)| *message_type);
        let is_text = partial_type.map_or(sending.is_text, |it| it == MessageType::Text);
        let len = if is_last { sending.len } else { sending.len.max(1) };
        Chunk::new(self.payload(is_text, len), fragment)
    }

    /// Returns a payload that depends on the number of calls.
    fn payload(&self, is_text: bool, len: usize) -> Message<'static> {
        if !is_text {
            let bytes = (0..len).map(|i| ((i * i) >> 5) as u8 ^ self.calls as u8);
            return bytes.collect::<Vec<u8>>().into();
        }
        let mut number = self.calls.to_string();
        number.truncate(len);
        let rest = sample_text(len - number.len());
        (number + &rest).into()
    }

    async fn send<S: Sends>(&mut self, socket: &mut S, sending: &Sending) {
        let chunk = self.next_chunk(sending);
        self.calls += 1;
        let sent = |connection: &Connection| connection.statistics().unwrap().sent;
        let before = socket.ask(sent);
        let call = socket.call(sending.call, chunk.clone());
        let result = cancelled(sending.polls, call).await;
        let after = socket.ask(sent);
        let queued = (after.messages - before.messages, after.payload_bytes - before.payload_bytes);
        let is_queued = queued != (0, 0);
        if is_queued {
            let whole = (u64::from(chunk.fragment.ends()), chunk.payload.len() as u64);
            assert_eq!(queued, whole, "a part of a message, or two messages");
            self.record(&chunk);
        }
        match result {
            None => {}
            Some(Ok(())) => assert_eq!(is_queued, sending.call.has_message()),
            Some(Err(Error::Send(SendError::Full))) => assert!(sending.call.needs_room()),
            Some(Err(Error::Send(SendError::MessageInProgress))) => {
                assert!(self.partial.is_some() && chunk.fragment.begins());
            }
            Some(Err(error)) => self.check_error(&error, socket, S::IS_WHOLE),
        }
    }

    async fn receive<S: Receives>(&mut self, socket: &mut S, receiving: &Receiving) {
        let delivery = socket.ask(|connection| connection.config().delivery());
        let is_chunked = delivery == Delivery::Chunks;
        let call = if is_chunked { ReceiveCall::RecvChunk } else { receiving.call };
        let received = cancelled(receiving.polls, socket.call(call));
        match timeout(receiving.time, received).await.ok().flatten() {
            None => {}
            Some(Ok(Some(chunk))) => {
                assert!(!self.has_ended, "a message after the end");
                if !self.is_incomplete {
                    self.record(&chunk);
                }
            }
            Some(Ok(None)) => self.has_ended = true,
            Some(Err(error)) => self.check_error(&error, socket, true),
        }
    }

    async fn receive_all(&mut self, socket: &mut impl Receives) {
        while !self.has_ended {
            self.receive(socket, &RECV).await;
        }
    }
}

/// A connection, and the logs of both directions.
pub(crate) struct Program {
    pub(crate) socket: WebSocket<Pipe>,
    pub(crate) sent: Log,
    pub(crate) received: Log,
}

impl Program {
    pub(crate) fn new(socket: WebSocket<Pipe>) -> Self {
        Self { socket, sent: Log::default(), received: Log::default() }
    }

    pub(crate) async fn perform(self, phase: Phase) -> Self {
        if phase.is_split {
            self.perform_split(phase.ops, phase.receives_on).await
        } else {
            self.perform_whole(phase.ops).await
        }
    }

    async fn perform_whole(mut self, ops: Vec<Op>) -> Self {
        for op in ops {
            match op {
                Op::Send(sending) => {
                    self.received.is_incomplete |= sending.call == SendCall::Close;
                    self.sent.send(&mut self.socket, &sending).await;
                }
                Op::Receive(receiving) => {
                    self.received.receive(&mut self.socket, &receiving).await;
                }
                Op::Idle(time) => sleep(time).await,
            }
        }
        self
    }

    /// Performs the operations on the halves in two tasks.
    async fn perform_split(self, ops: Vec<Op>, receives_on: bool) -> Self {
        let Self { socket, mut sent, mut received } = self;
        let (mut sender, mut receiver) = socket.split();
        let (done, is_done) = oneshot::channel::<()>();
        let sender_ops = ops.clone();
        let sending = spawn_local(async move {
            for op in sender_ops {
                match op {
                    Op::Send(sending) => sent.send(&mut sender, &sending).await,
                    Op::Receive(_) => {}
                    Op::Idle(time) => sleep(time).await,
                }
            }
            drop(done);
            (sender, sent)
        });
        let receiving = spawn_local(async move {
            for op in ops {
                match op {
                    Op::Send(_) => {}
                    Op::Receive(receiving) => received.receive(&mut receiver, &receiving).await,
                    Op::Idle(time) => sleep(time).await,
                }
            }
            if receives_on {
                tokio::select! {
                    () = received.receive_all(&mut receiver) => {}
                    _ = is_done => {}
                }
            }
            (receiver, received)
        });
        let (sender, sent) = sending.await.unwrap();
        let (receiver, received) = receiving.await.unwrap();
        Self { socket: sender.reunite(receiver).unwrap(), sent, received }
    }

    /// Closes the connection, and receives until it has ended.
    pub(crate) async fn close(mut self, is_split: bool) -> Self {
        if is_split {
            let (mut sender, mut receiver) = self.socket.split();
            // The half that receives waits already.
            let closing = spawn_local(async move {
                sleep(Duration::from_millis(1)).await;
                sender.start_close(CloseCode::NORMAL).map(|()| sender)
            });
            self.received.receive_all(&mut receiver).await;
            let sender = closing.await.unwrap().unwrap();
            self.socket = sender.reunite(receiver).unwrap();
        } else {
            self.socket.start_close(CloseCode::NORMAL).unwrap();
            self.received.receive_all(&mut self.socket).await;
        }
        let failures = self.sent.failures + self.received.failures;
        assert_eq!(failures, usize::from(self.socket.connection().error().is_some()));
        self
    }

    /// Checks that the calls of a connection that has ended return the same results again and again.
    pub(crate) async fn check_end(mut self) -> Self {
        let failure = self.socket.connection().error();
        for _ in 0..2 {
            let socket = &mut self.socket;
            assert!(matches!(socket.recv().await, Ok(None)));
            assert!(socket.next().await.is_none());
            assert!(matches!(socket.send("").await, Err(Error::Send(SendError::Closed))));
            match socket.flush().await {
                Ok(()) => assert_eq!(failure, None),
                Err(error) => assert!(matches!(error, Error::Send(SendError::Closed))),
            }
            let (mut sender, mut receiver) = self.socket.split();
            assert!(matches!(receiver.recv().await, Ok(None)));
            match (sender.send("").await, failure) {
                (Err(Error::Connection(error)), Some(failure)) => assert_returned(error, failure),
                (result, _) => assert!(matches!(result, Err(Error::Send(SendError::Closed)))),
            }
            self.socket = sender.reunite(receiver).unwrap();
        }
        self
    }
}
