//! The calls of a connection and of its halves.

use std::future::poll_fn;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::time::sleep;
use tokio_websocket_proto::proto::{
    Chunk, CloseCode, Connection, Fragment, Message, PreparedMessage,
};
use tokio_websocket_proto::{Error, Receiver, Sender, WebSocket};

use crate::pipe::Pipe;

/// A call of a whole connection or of the half that sends. It is dropped when it has waited `polls` times.
#[derive(Clone, Debug)]
pub(crate) struct Sending {
    pub(crate) call: SendCall,
    pub(crate) is_text: bool,
    pub(crate) len: usize,
    pub(crate) polls: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum SendCall {
    Borrowed,
    Owned,
    Feed,
    TryFeed,
    Uncompressed,
    FeedUncompressed,
    TryFeedUncompressed,
    Prepared,
    Sink,
    /// Sends a message some time after the sink was ready.
    SlowSink,
    /// Sends a piece of a message, perhaps the last one.
    Piece {
        is_last: bool,
    },
    PieceUncompressed {
        is_last: bool,
    },
    Ping,
    Flush,
    StartClose,
    Close,
}

impl SendCall {
    pub(super) fn has_message(self) -> bool {
        !matches!(self, Self::Ping | Self::Flush | Self::StartClose | Self::Close)
    }

    /// Returns whether the call never waits, and fails while the output is full.
    pub(super) fn needs_room(self) -> bool {
        matches!(self, Self::TryFeed | Self::TryFeedUncompressed)
    }
}

/// A call of a whole connection or of the half that receives. It is dropped when it has waited `polls` times
/// or for `time`.
#[derive(Clone, Debug)]
pub(crate) struct Receiving {
    pub(crate) call: ReceiveCall,
    pub(crate) polls: usize,
    pub(crate) time: Duration,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum ReceiveCall {
    Recv,
    RecvChunk,
    Stream,
}

/// A whole connection or a half of it.
pub(super) trait Socket {
    const IS_WHOLE: bool = false;
    fn ask<T>(&self, question: impl FnOnce(&Connection) -> T) -> T;
}

impl Socket for WebSocket<Pipe> {
    const IS_WHOLE: bool = true;
    fn ask<T>(&self, question: impl FnOnce(&Connection) -> T) -> T {
        question(self.connection())
    }
}

impl Socket for Sender<Pipe> {
    fn ask<T>(&self, question: impl FnOnce(&Connection) -> T) -> T {
        self.with_connection(question)
    }
}

impl Socket for Receiver<Pipe> {
    fn ask<T>(&self, question: impl FnOnce(&Connection) -> T) -> T {
        self.with_connection(question)
    }
}

pub(super) trait Sends: Socket {
    async fn call(&mut self, call: SendCall, chunk: Chunk<'static>) -> Result<(), Error>;
}

pub(super) trait Receives: Socket {
    async fn call(&mut self, call: ReceiveCall) -> Result<Option<Chunk<'static>>, Error>;
}

macro_rules! impl_sends {
    ($socket:ty) => {
        impl Sends for $socket {
            async fn call(&mut self, call: SendCall, chunk: Chunk<'static>) -> Result<(), Error> {
                let message = &chunk.payload;
                match call {
                    SendCall::Borrowed => self.send(message).await,
                    SendCall::Owned => self.send(chunk.payload).await,
                    SendCall::Feed => self.feed(message).await,
                    SendCall::TryFeed => Ok(self.try_feed(message)?),
                    SendCall::Uncompressed => self.send_uncompressed(message).await,
                    SendCall::FeedUncompressed => self.feed_uncompressed(message).await,
                    SendCall::TryFeedUncompressed => Ok(self.try_feed_uncompressed(message)?),
                    SendCall::Prepared => self.send(&PreparedMessage::new(message)).await,
                    SendCall::Sink => SinkExt::send(self, chunk.payload).await,
                    SendCall::SlowSink => {
                        poll_fn(|cx| self.poll_ready_unpin(cx)).await?;
                        sleep(Duration::from_millis(chunk.payload.len() as u64 % 50)).await;
                        self.start_send_unpin(chunk.payload)?;
                        SinkExt::flush(self).await
                    }
                    SendCall::Piece { .. } => self.send_chunk(chunk).await,
                    SendCall::PieceUncompressed { .. } => self.send_chunk_uncompressed(chunk).await,
                    SendCall::Ping => self.ping(b"Hello").await,
                    SendCall::Flush => self.flush().await,
                    SendCall::StartClose => self.start_close(CloseCode::NORMAL),
                    SendCall::Close => SinkExt::close(self).await,
                }
            }
        }
    };
}

macro_rules! impl_receives {
    ($socket:ty) => {
        impl Receives for $socket {
            async fn call(&mut self, call: ReceiveCall) -> Result<Option<Chunk<'static>>, Error> {
                let whole =
                    |message: Message<'_>| Chunk::new(message.into_owned(), Fragment::Whole);
                match call {
                    ReceiveCall::Recv => Ok(self.recv().await?.map(whole)),
                    ReceiveCall::RecvChunk => Ok(self.recv_chunk().await?.map(Chunk::into_owned)),
                    ReceiveCall::Stream => Ok(self.next().await.transpose()?.map(whole)),
                }
            }
        }
    };
}

impl_sends!(WebSocket<Pipe>);
impl_sends!(Sender<Pipe>);
impl_receives!(WebSocket<Pipe>);
impl_receives!(Receiver<Pipe>);
