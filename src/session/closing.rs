//! The closing handshake (RFC 6455, section 7): every transition, and the consequences of each state.
//! This file knows neither bytes nor frames.
//!
//! # Theory
//!
//! Two parts of a connection end independently of each other. The **closing handshake** ends when each
//! side has sent a Close frame, or when the connection fails. The **peer's stream** ends at the end of
//! the transport's stream, when the transport fails, or when a timeout ends the wait for it. The state
//! of a connection is the pair of both, and determines the instruction to the driver
//! ([`Closing::transport`]).
//!
//! | state | `send_close` | `receive_close` | `fail` | `receive_eof` | `abort` |
//! |---|---|---|---|---|---|
//! | `Open` | `CloseSent` | `CloseReceived` | `Failing` | `Failed` | `Failed` |
//! | `CloseSent` | | `Closed` | `Failed` | `Failed` | `Failed` |
//! | `CloseReceived` | `Closed` | | | | `Failed` |
//! | `Closed` | | | | | `Failed` if our Close is unwritten |
//! | `Failing` | `Failed` | | | | `Failed` |
//! | `Failed` | | | | | |
//!
//! Empty cells leave the state unchanged. In `CloseReceived` and `Failing` we still have to send a Close
//! frame. Each side sends at most one: every transition that sends one leads to a state that cannot
//! send another, and likewise for receiving.
//!
//! A connection fails in two ways. [`fail`](Closing::fail) sends a Close frame first, so that the peer
//! learns the reason (section 7.1.7). [`abort`](Closing::abort) sends nothing: the transport failed, or
//! the peer does not read or respond.
//!
//! `Closed` means that both Close frames were exchanged. This file counts ours as sent when it is
//! queued. If the transport fails before our Close is written
//! ([`AbortCause::CloseUnwritten`]), `abort` therefore leads from `Closed` to `Failed`.

use crate::{CloseCode, ConnectionError, Outcome, Role, Transport};

/// The state of the closing handshake and of the peer's stream.
#[derive(Clone, Debug)]
pub(crate) struct Closing {
    state: State,
    stream: PeerStream,
    /// Whether `take_failure` returned the failure.
    failure_taken: bool,
}

// The discriminant is one byte, because it is tested for every frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum State {
    /// Both sides may send messages.
    Open,
    /// We sent a Close. The peer may send messages until its own Close.
    CloseSent,
    /// The peer sent a Close with this code; we still have to reply.
    CloseReceived(CloseCode),
    /// Both Close frames were exchanged; the code is the peer's.
    Closed(CloseCode),
    /// The connection failed; we still have to send a Close.
    Failing(ConnectionError),
    /// The connection failed; nothing more is sent or received. The code is that of the peer's
    /// Close, or 1006 if none arrived.
    Failed(ConnectionError, CloseCode),
}

/// The direction of the transport from the peer to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PeerStream {
    Flowing,
    /// The stream ended, or a timeout ended the wait for its end.
    Ended,
    Broken,
}

/// The reason why a connection fails without a Close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AbortCause {
    /// Nothing can be sent any more.
    Transport,
    /// Nothing can be sent any more, and our Close frame is still queued: the closing handshake is
    /// incomplete (section 7.1.4).
    #[cfg(feature = "alloc")]
    CloseUnwritten,
    /// A timeout ended the wait for the peer's Close frame or the end of its stream.
    #[cfg(feature = "alloc")]
    Silence,
}

/// # Transitions
impl Closing {
    pub(crate) const fn new() -> Self {
        Self { state: State::Open, stream: PeerStream::Flowing, failure_taken: false }
    }

    /// Records that we sent a Close frame.
    pub(crate) fn send_close(&mut self) {
        match self.state {
            State::Open => self.state = State::CloseSent,
            State::CloseReceived(code) => self.state = State::Closed(code),
            State::Failing(error) => self.state = State::Failed(error, CloseCode::ABNORMAL),
            State::CloseSent | State::Closed(_) | State::Failed(..) => {}
        }
    }

    /// Records that the peer sent a Close frame with this code, or 1005 for an empty payload.
    pub(crate) fn receive_close(&mut self, code: CloseCode) {
        match self.state {
            State::Open => self.state = State::CloseReceived(code),
            State::CloseSent => self.state = State::Closed(code),
            State::CloseReceived(_) | State::Closed(_) | State::Failing(_) | State::Failed(..) => {}
        }
    }

    /// Fails the connection with a Close frame (section 7.1.7).
    #[cold]
    #[inline(never)]
    pub(crate) fn fail(&mut self, error: ConnectionError) {
        match self.state {
            State::Open => self.state = State::Failing(error),
            State::CloseSent => self.state = State::Failed(error, CloseCode::ABNORMAL),
            State::CloseReceived(_) | State::Closed(_) | State::Failing(_) | State::Failed(..) => {}
        }
    }

    /// Records that the peer's stream ended.
    pub(crate) fn receive_eof(&mut self) {
        if self.stream == PeerStream::Flowing {
            self.stream = PeerStream::Ended;
        }
        match self.state {
            State::Open | State::CloseSent => {
                self.state = State::Failed(ConnectionError::UnexpectedEof, CloseCode::ABNORMAL);
            }
            State::CloseReceived(_) | State::Closed(_) | State::Failing(_) | State::Failed(..) => {}
        }
    }

    /// Fails the connection without a Close frame.
    #[cold]
    pub(crate) fn abort(&mut self, error: ConnectionError, cause: AbortCause) {
        match cause {
            AbortCause::Transport => self.stream = PeerStream::Broken,
            #[cfg(feature = "alloc")]
            AbortCause::CloseUnwritten => self.stream = PeerStream::Broken,
            #[cfg(feature = "alloc")]
            AbortCause::Silence if self.stream == PeerStream::Flowing => {
                self.stream = PeerStream::Ended;
            }
            #[cfg(feature = "alloc")]
            AbortCause::Silence => {}
        }
        match self.state {
            State::Open | State::CloseSent => {
                self.state = State::Failed(error, CloseCode::ABNORMAL);
            }
            State::CloseReceived(code) => self.state = State::Failed(error, code),
            // The first failure is the one that is reported.
            State::Failing(error) => self.state = State::Failed(error, CloseCode::ABNORMAL),
            #[cfg(feature = "alloc")]
            State::Closed(code) if cause == AbortCause::CloseUnwritten => {
                self.state = State::Failed(error, code);
            }
            State::Closed(_) | State::Failed(..) => {}
        }
    }
}

/// # The failure
impl Closing {
    /// Returns the failure of the connection, once.
    #[cold]
    pub(crate) fn take_failure(&mut self) -> Option<ConnectionError> {
        let error = self.error().filter(|_| !self.failure_taken)?;
        self.failure_taken = true;
        Some(error)
    }

    /// Returns whether [`take_failure`](Self::take_failure) will return a failure.
    pub(crate) const fn failure_pending(&self) -> bool {
        !self.failure_taken && self.error().is_some()
    }
}

/// # Questions
impl Closing {
    /// Returns whether no Close was sent or received and the connection has not failed.
    #[cfg(feature = "alloc")]
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Returns whether data frames and Pings may be sent. Section 5.5.1 permits them between the
    /// peer's Close and ours.
    pub(crate) const fn may_send_data(&self) -> bool {
        matches!(self.state, State::Open | State::CloseReceived(_))
    }

    /// Returns whether Pongs may be sent: also after our Close, because a Ping is answered unless
    /// the peer sent a Close (section 5.5.2).
    pub(crate) const fn may_pong(&self) -> bool {
        matches!(self.state, State::Open | State::CloseSent | State::CloseReceived(_))
    }

    /// Returns whether a Close frame may be sent.
    pub(crate) const fn may_close(&self) -> bool {
        matches!(self.state, State::Open | State::CloseReceived(_) | State::Failing(_))
    }

    /// Returns whether frames are received. After the peer's Close and after a failure, bytes are
    /// dropped.
    #[inline]
    pub(crate) const fn may_receive(&self) -> bool {
        matches!(self.state, State::Open | State::CloseSent)
    }

    /// Returns the code of the Close frame that must be sent: that of the failure, or of the peer's
    /// Close (1005 for an empty payload).
    pub(crate) const fn pending_close_code(&self) -> Option<CloseCode> {
        match self.state {
            State::CloseReceived(code) => Some(code),
            State::Failing(error) => Some(error.close_code()),
            State::Open | State::CloseSent | State::Closed(_) | State::Failed(..) => None,
        }
    }

    /// Returns the failure, or `None` if the connection has not failed.
    pub(crate) const fn error(&self) -> Option<ConnectionError> {
        match self.state {
            State::Failing(error) | State::Failed(error, _) => Some(error),
            State::Open | State::CloseSent | State::CloseReceived(_) | State::Closed(_) => None,
        }
    }

    /// Returns the instruction about the transport, which applies when all output is written.
    pub(crate) const fn transport(&self, role: Role) -> Transport {
        match (self.state, self.stream) {
            (State::Failed(..) | State::Closed(_), PeerStream::Broken) => Transport::Abort,
            (State::Failed(..) | State::Closed(_), PeerStream::Ended) => Transport::Close,
            (State::Failed(..), PeerStream::Flowing) => Transport::Drain,
            // RFC 6455, section 7.1.1: the server closes TCP first, the client waits for it.
            (State::Closed(_), PeerStream::Flowing) => match role {
                Role::Server => Transport::Drain,
                Role::Client => Transport::Open,
            },
            (
                State::Open | State::CloseSent | State::CloseReceived(_) | State::Failing(_),
                PeerStream::Flowing | PeerStream::Ended | PeerStream::Broken,
            ) => Transport::Open,
        }
    }

    /// Returns how the connection ended (sections 7.1.4 and 7.1.5), or `None` if it has not ended.
    pub(crate) const fn outcome(&self) -> Option<Outcome> {
        match self.state {
            State::Closed(code) => Some(Outcome { clean: true, code }),
            State::Failed(_, code) => Some(Outcome { clean: false, code }),
            State::Open | State::CloseSent | State::CloseReceived(_) | State::Failing(_) => None,
        }
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use crate::{Timeout, Violation};
    use std::vec::Vec;

    #[derive(Clone, Copy, Debug)]
    enum Input {
        SendClose,
        ReceiveClose,
        Fail,
        ReceiveEof,
        Abort,
        AbortCloseUnwritten,
        Expire,
    }

    const INPUTS: [Input; 7] = [
        Input::SendClose,
        Input::ReceiveClose,
        Input::Fail,
        Input::ReceiveEof,
        Input::Abort,
        Input::AbortCloseUnwritten,
        Input::Expire,
    ];
    const CODE: CloseCode = CloseCode(4000);
    const VIOLATION: ConnectionError = ConnectionError::Protocol(Violation::MissingMask);

    /// A model that stores facts instead of a state: the frames sent and received, and the failure.
    #[derive(Default)]
    struct Model {
        sent: bool,
        received: bool,
        failure: Option<ConnectionError>,
        /// Whether no Close can be sent any more.
        mute: bool,
        ended: bool,
        broken: bool,
    }

    impl Model {
        fn apply(&mut self, input: Input) {
            let exchanged = self.sent && self.received;
            let settled = self.failure.is_some() || exchanged;
            match input {
                Input::SendClose if !self.mute => self.sent = true,
                Input::ReceiveClose if !settled => self.received = true,
                Input::Fail if !settled && !self.received => self.failure = Some(VIOLATION),
                Input::ReceiveEof => {
                    self.ended = true;
                    if !settled && !self.received {
                        self.failure = Some(ConnectionError::UnexpectedEof);
                        self.mute = true;
                    }
                }
                Input::Abort => {
                    self.broken = true;
                    self.give_up(settled, ConnectionError::Aborted);
                }
                Input::AbortCloseUnwritten => {
                    self.broken = true;
                    self.give_up(self.failure.is_some(), ConnectionError::Aborted);
                }
                Input::Expire => self.give_up(settled, ConnectionError::Timeout(Timeout::Closing)),
                Input::SendClose | Input::ReceiveClose | Input::Fail => {}
            }
        }

        fn give_up(&mut self, settled: bool, error: ConnectionError) {
            self.ended = true;
            self.mute = true;
            if !settled {
                self.failure = Some(error);
            }
        }

        fn transport(&self, role: Role) -> Transport {
            let finished = self.failure.is_some() && (self.sent || self.mute);
            let exchanged = self.sent && self.received && self.failure.is_none();
            match () {
                () if !finished && !exchanged => Transport::Open,
                () if self.broken => Transport::Abort,
                () if self.ended => Transport::Close,
                () if exchanged && role == Role::Client => Transport::Open,
                () => Transport::Drain,
            }
        }
    }

    fn check(inputs: &[Input]) {
        let (mut closing, mut model) = (Closing::new(), Model::default());
        let mut sent = 0;
        for input in inputs {
            match input {
                Input::SendClose => {
                    sent += u32::from(closing.may_close());
                    closing.send_close();
                }
                Input::ReceiveClose => closing.receive_close(CODE),
                Input::Fail => closing.fail(VIOLATION),
                Input::ReceiveEof => closing.receive_eof(),
                Input::Abort => closing.abort(ConnectionError::Aborted, AbortCause::Transport),
                Input::AbortCloseUnwritten => {
                    closing.abort(ConnectionError::Aborted, AbortCause::CloseUnwritten)
                }
                Input::Expire => {
                    closing.abort(ConnectionError::Timeout(Timeout::Closing), AbortCause::Silence);
                }
            }
            model.apply(*input);
        }
        assert!(sent <= 1, "{inputs:?}: at most one Close is sent");
        for role in [Role::Client, Role::Server] {
            let transport = model.transport(role);
            assert_eq!(closing.transport(role), transport, "{inputs:?} {role:?}");
            if transport != Transport::Open {
                let clean = model.failure.is_none();
                let code = if model.received { CODE } else { CloseCode::ABNORMAL };
                assert_eq!(closing.outcome(), Some(Outcome { clean, code }), "{inputs:?}");
            }
        }
        assert_eq!(closing.error(), model.failure, "{inputs:?}");
        let undisturbed = model.failure.is_none() && !model.sent;
        assert_eq!(closing.may_send_data(), undisturbed, "{inputs:?}");
        let may_receive = model.failure.is_none() && !model.received;
        assert_eq!(closing.may_receive(), may_receive, "{inputs:?}");
        assert_eq!(closing.is_open(), undisturbed && !model.received, "{inputs:?}");
        assert_eq!(closing.may_close(), !model.sent && !model.mute, "{inputs:?}");
        let owed = !model.sent && !model.mute;
        let due = match model.failure {
            Some(error) if owed => Some(error.close_code()),
            None if owed && model.received => Some(CODE),
            Some(_) | None => None,
        };
        assert_eq!(closing.pending_close_code(), due, "{inputs:?}");
        let may_pong = model.failure.is_none() && !(model.sent && model.received);
        assert_eq!(closing.may_pong(), may_pong, "{inputs:?}");
    }

    #[test]
    fn every_sequence_of_six_inputs_agrees_with_the_model() {
        let mut sequences: Vec<Vec<Input>> = std::vec![Vec::new()];
        for _ in 0..=6 {
            sequences.iter().for_each(|inputs| check(inputs));
            sequences = sequences
                .into_iter()
                .flat_map(|inputs| INPUTS.map(|input| [&inputs[..], &[input]].concat()))
                .filter(|inputs| inputs.len() <= 6)
                .collect();
        }
    }
}
