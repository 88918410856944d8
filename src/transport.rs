//! What becomes of the transport below: the core decides, the driver obeys.

use crate::CloseCode;

/// What the driver is to do with the transport.
///
/// | | writes | reads |
/// |---|---|---|
/// | [`Open`](Self::Open) | what is queued | and hands over |
/// | [`Drain`](Self::Drain) | nothing more: shuts down its direction | until the end, or a deadline |
/// | [`Close`](Self::Close) | nothing | nothing: closes |
/// | [`Abort`](Self::Abort) | nothing | nothing: closes at once, with a reset if it can |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Go on: read, and write what is queued.
    Open,
    /// All output is taken and none will follow. Shut down the writing direction, then read, hand
    /// over (or drop) what comes until the end of the stream or a deadline: closing with unread
    /// bytes would reset the connection and destroy what is still on its way to the peer (RFC
    /// 6455, section 7.1.1).
    Drain,
    /// Close it. Nothing is on its way any more.
    Close,
    /// Close it at once; what waits in the output is lost.
    Abort,
}

/// How a connection ended (RFC 6455, sections 7.1.4 to 7.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether both Close frames were exchanged.
    pub clean: bool,
    /// The code of the peer's Close frame, 1005 if it had none, 1006 if it never came.
    pub code: CloseCode,
}
