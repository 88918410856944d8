//! The closing handshake (RFC 6455, section 7): every transition, and what follows from each
//! state. It knows neither bytes nor frames.
//!
//! ```text
//!                     receive_close                send_close
//!          ┌─────────────────────▶ CloseReceived ─────────────┐
//!          │                            │                     ▼
//!        Open                           │ abort, expire     Closed
//!        │ │ │  send_close              │                     ▲
//!        │ │ └─────────────▶ CloseSent ─┼─────────────────────┘
//!        │ │                    │       │        receive_close
//!        │ │ violate            │       │
//!        │ └──▶ Failing ──┐     │ violate, receive_eof, abort, expire
//!        │     send_close,│     │       │
//!        │  abort, expire ▼     ▼       ▼
//!        └───────────────▶  F a i l e d
//!          receive_eof, abort, expire
//! ```
//!
//! A transport given up with our Close still unwritten leads from `Closed` to `Failed` too. Beside it,
//! `receive_eof` and `expire` end the wait for the peer's stream, `abort` breaks it: what becomes of the
//! transport follows from both. What is not drawn changes nothing. `CloseReceived` and `Failing` owe the
//! peer a Close frame, of which there is at most one each way: what sends it leads to a state that sends
//! none, and so for receiving.

use crate::{CloseCode, Outcome, ProtocolError, Role, Transport};

/// Where the closing handshake stands.
#[derive(Clone, Debug)]
pub(crate) struct Closing {
    state: State,
    stream: PeerStream,
    /// Whether the failure was reported.
    told: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)] // as `Event` has it
enum State {
    /// Messages go both ways.
    Open,
    /// Ours is sent. The peer may go on until its own.
    CloseSent,
    /// The peer's came, with this code; ours is due.
    CloseReceived(CloseCode),
    /// Both were exchanged.
    Closed(CloseCode),
    /// The peer violated a rule; our Close is due.
    Failing(ProtocolError),
    /// Nothing more is sent or read. The code is that of the peer's Close, if there was one.
    Failed(ProtocolError, CloseCode),
}

/// The transport's direction from the peer to here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PeerStream {
    Flowing,
    /// It ended, or is not waited for any more.
    Ended,
    Broken,
}

impl Closing {
    pub(crate) const fn new() -> Self {
        Self { state: State::Open, stream: PeerStream::Flowing, told: false }
    }

    /// Our Close frame was sent.
    pub(crate) fn send_close(&mut self) {
        match self.state {
            State::Open => self.state = State::CloseSent,
            State::CloseReceived(code) => self.state = State::Closed(code),
            State::Failing(error) => self.state = State::Failed(error, CloseCode::ABNORMAL),
            State::CloseSent | State::Closed(_) | State::Failed(..) => {}
        }
    }

    /// The peer's Close frame came, with this code, 1005 for none.
    pub(crate) fn receive_close(&mut self, code: CloseCode) {
        match self.state {
            State::Open => self.state = State::CloseReceived(code),
            State::CloseSent => self.state = State::Closed(code),
            State::CloseReceived(_) | State::Closed(_) | State::Failing(_) | State::Failed(..) => {}
        }
    }

    /// The peer violated a rule (section 7.1.7).
    #[cold]
    #[inline(never)]
    pub(crate) fn violate(&mut self, error: ProtocolError) {
        match self.state {
            State::Open => self.state = State::Failing(error),
            State::CloseSent => self.state = State::Failed(error, CloseCode::ABNORMAL),
            State::CloseReceived(_) | State::Closed(_) | State::Failing(_) | State::Failed(..) => {}
        }
    }

    /// The peer's stream ended.
    pub(crate) fn receive_eof(&mut self) {
        if self.stream == PeerStream::Flowing {
            self.stream = PeerStream::Ended;
        }
        match self.state {
            State::Open | State::CloseSent => {
                self.state = State::Failed(ProtocolError::UnexpectedEof, CloseCode::ABNORMAL);
            }
            State::CloseReceived(_) | State::Closed(_) | State::Failing(_) | State::Failed(..) => {}
        }
    }

    /// Nothing can be sent any more: the transport broke, or what sending needs did.
    #[cold]
    #[inline(never)]
    pub(crate) fn abort(&mut self, error: ProtocolError) {
        self.stream = PeerStream::Broken;
        match self.state {
            State::Open | State::CloseSent => {
                self.state = State::Failed(error, CloseCode::ABNORMAL);
            }
            State::CloseReceived(code) => self.state = State::Failed(error, code),
            // The violation came first.
            State::Failing(error) => self.state = State::Failed(error, CloseCode::ABNORMAL),
            State::Closed(_) | State::Failed(..) => {}
        }
    }

    /// As [`abort`](Self::abort), while our Close frame, which is the last of the output, was not
    /// written: the closing handshake is not complete then (section 7.1.4).
    #[cfg(feature = "alloc")]
    pub(crate) fn abort_unwritten(&mut self, error: ProtocolError) {
        if let State::Closed(code) = self.state {
            self.state = State::Failed(error, code);
        }
        self.abort(error);
    }

    /// Waiting for the peer is over: for its Close frame, or for the end of its stream.
    #[cfg(feature = "alloc")]
    pub(crate) fn expire(&mut self) {
        if self.stream == PeerStream::Flowing {
            self.stream = PeerStream::Ended;
        }
        let error = ProtocolError::ClosingTimeout;
        match self.state {
            State::Open | State::CloseSent => {
                self.state = State::Failed(error, CloseCode::ABNORMAL);
            }
            State::CloseReceived(code) => self.state = State::Failed(error, code),
            State::Failing(error) => self.state = State::Failed(error, CloseCode::ABNORMAL),
            State::Closed(_) | State::Failed(..) => {}
        }
    }

    /// Whether nothing of the closing handshake has happened.
    #[cfg(feature = "alloc")]
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Whether a rule was violated and our Close frame for that is due.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) const fn is_failing(&self) -> bool {
        matches!(self.state, State::Failing(_))
    }

    /// Whether messages may be sent. Between the peer's Close and ours they may (section 5.5.1).
    #[inline]
    pub(crate) const fn may_send(&self) -> bool {
        matches!(self.state, State::Open | State::CloseReceived(_))
    }

    /// Whether a Close frame may be sent: once.
    pub(crate) const fn may_close(&self) -> bool {
        matches!(self.state, State::Open | State::CloseReceived(_) | State::Failing(_))
    }

    /// Whether frames are read. After the peer's Close and after a failure bytes are dropped.
    #[inline]
    pub(crate) const fn may_receive(&self) -> bool {
        matches!(self.state, State::Open | State::CloseSent)
    }

    /// Whether bytes from the transport matter: to be read, or to be dropped until they end.
    pub(crate) fn wants_read(&self) -> bool {
        self.stream == PeerStream::Flowing
    }

    /// The code of the Close frame that is due: the peer's own, 1005 for an empty one, or the
    /// failure's.
    #[inline]
    pub(crate) const fn due(&self) -> Option<CloseCode> {
        match self.state {
            State::CloseReceived(code) => Some(code),
            State::Failing(error) => Some(error.close_code()),
            State::Open | State::CloseSent | State::Closed(_) | State::Failed(..) => None,
        }
    }

    /// Why the connection failed, if it did.
    pub(crate) const fn error(&self) -> Option<ProtocolError> {
        match self.state {
            State::Failing(error) | State::Failed(error, _) => Some(error),
            State::Open | State::CloseSent | State::CloseReceived(_) | State::Closed(_) => None,
        }
    }

    /// Whether a failure was not reported yet.
    #[inline]
    pub(crate) const fn has_news(&self) -> bool {
        !self.told && matches!(self.state, State::Failing(_) | State::Failed(..))
    }

    /// The failure, to be reported: once.
    #[cold]
    #[inline(never)]
    pub(crate) fn tell(&mut self) -> Option<ProtocolError> {
        let error = self.error().filter(|_| !self.told)?;
        self.told = true;
        Some(error)
    }

    /// What to do with the transport once all output is taken.
    pub(crate) const fn transport(&self, role: Role) -> Transport {
        match (self.state, self.stream) {
            (State::Failed(..) | State::Closed(_), PeerStream::Broken) => Transport::Abort,
            (State::Failed(..) | State::Closed(_), PeerStream::Ended) => Transport::Close,
            (State::Failed(..), PeerStream::Flowing) => Transport::Drain,
            // RFC 6455, section 7.1.1: the server closes first, the client waits for it.
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

    /// How it ended (sections 7.1.4 and 7.1.5), if it did.
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
    use std::vec::Vec;

    #[derive(Clone, Copy, Debug)]
    enum Input {
        SendClose,
        ReceiveClose,
        Violate,
        ReceiveEof,
        Abort,
        AbortUnwritten,
        Expire,
    }

    const INPUTS: [Input; 7] = [
        Input::SendClose,
        Input::ReceiveClose,
        Input::Violate,
        Input::ReceiveEof,
        Input::Abort,
        Input::AbortUnwritten,
        Input::Expire,
    ];
    const CODE: CloseCode = CloseCode(4000);
    const VIOLATION: ProtocolError = ProtocolError::MissingMask;

    /// The same as facts, without states: what was sent, what came, what went wrong.
    #[derive(Default)]
    struct Model {
        sent: bool,
        received: bool,
        failure: Option<ProtocolError>,
        /// No Close can be sent any more.
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
                Input::Violate if !settled && !self.received => self.failure = Some(VIOLATION),
                Input::ReceiveEof => {
                    self.ended = true;
                    if !settled && !self.received {
                        self.failure = Some(ProtocolError::UnexpectedEof);
                        self.mute = true;
                    }
                }
                Input::Abort => {
                    self.broken = true;
                    self.give_up(settled, ProtocolError::Aborted);
                }
                Input::AbortUnwritten => {
                    self.broken = true;
                    self.give_up(self.failure.is_some(), ProtocolError::Aborted);
                }
                Input::Expire => self.give_up(settled, ProtocolError::ClosingTimeout),
                Input::SendClose | Input::ReceiveClose | Input::Violate => {}
            }
        }

        fn give_up(&mut self, settled: bool, error: ProtocolError) {
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
                Input::Violate => closing.violate(VIOLATION),
                Input::ReceiveEof => closing.receive_eof(),
                Input::Abort => closing.abort(ProtocolError::Aborted),
                Input::AbortUnwritten => closing.abort_unwritten(ProtocolError::Aborted),
                Input::Expire => closing.expire(),
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
        assert_eq!(closing.may_send(), undisturbed, "{inputs:?}");
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
        assert_eq!(closing.due(), due, "{inputs:?}");
        assert_eq!(closing.wants_read(), !model.ended && !model.broken, "{inputs:?}");
        assert_eq!(closing.has_news(), model.failure.is_some(), "{inputs:?}");
        assert_eq!(closing.tell(), model.failure, "{inputs:?}");
        assert_eq!((closing.has_news(), closing.tell()), (false, None), "{inputs:?}");
    }

    #[test]
    fn every_sequence_of_six_inputs_leads_where_the_model_does() {
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
