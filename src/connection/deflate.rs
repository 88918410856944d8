//! permessage-deflate in a connection (RFC 7692): the state that `inflate.rs`, which receives compressed
//! messages, and `compress.rs`, which sends them, keep between two calls.

use alloc::boxed::Box;

use super::Connection;
use crate::extension::deflate::{Compressor, Inflater, Window, pool};
use crate::{Deflate, Event, Role};

/// The state of permessage-deflate: the codecs of the messages in progress, contexts that are kept between
/// messages, and an event that `next` has found. Allocated only while there is any of it.
#[derive(Default)]
pub(super) struct DeflateState {
    /// The inflater of the incoming message in progress.
    pub(super) inflater: Option<Box<Inflater>>,
    /// The context of the peer between its messages.
    pub(super) window: Window,
    pub(super) outgoing: OutgoingCodec,
    /// An event that `next` has found and `receive` has not returned.
    pub(super) ready: Option<Event<'static>>,
}

/// The compressor that a connection owns.
#[derive(Default)]
pub(super) enum OutgoingCodec {
    #[default]
    None,
    /// No message is in progress. The next one may refer to those before it.
    Context(Box<Compressor>),
    /// A compressed message is in progress.
    Message(Box<Compressor>),
}

impl Drop for DeflateState {
    fn drop(&mut self) {
        self.discard_inflater();
        self.discard_compressor();
    }
}

impl DeflateState {
    fn is_needed(&self) -> bool {
        self.inflater.is_some()
            || !matches!(self.outgoing, OutgoingCodec::None)
            || self.ready.is_some()
            || !self.window.is_empty()
    }

    fn discard_inflater(&mut self) {
        if let Some(inflater) = self.inflater.take() {
            pool::give_inflater(inflater);
        }
    }

    /// Takes the compressor out.
    pub(super) fn take_compressor(&mut self) -> Option<Box<Compressor>> {
        match core::mem::take(&mut self.outgoing) {
            OutgoingCodec::None => None,
            OutgoingCodec::Context(compressor) | OutgoingCodec::Message(compressor) => {
                Some(compressor)
            }
        }
    }

    fn discard_compressor(&mut self) {
        if let Some(compressor) = self.take_compressor() {
            pool::give_compressor(compressor);
        }
    }
}

impl Connection {
    /// Drops the incomplete message, the context of the peer, and the compressor if no message can
    /// follow. Drops also the event that `next` has found: without compression, `next` would have left
    /// it in the input, which is dropped.
    pub(super) fn discard_deflate(&mut self) {
        if let Some(deflate) = &mut self.deflate {
            deflate.discard_inflater();
            deflate.window = Window::default();
            deflate.ready = None;
            if !self.machine.may_send_data() {
                deflate.discard_compressor();
            }
            self.release_deflate();
        }
    }

    /// Drops the compressor: no message follows, or the next one must refer to none before it.
    pub(super) fn discard_compressor(&mut self) {
        if let Some(deflate) = &mut self.deflate {
            deflate.discard_compressor();
            self.release_deflate();
        }
    }

    /// Returns the event that `next` has found and `receive` has not returned.
    #[inline(always)]
    pub(super) fn ready_event(&self) -> Option<&Event<'static>> {
        self.deflate.as_ref()?.ready.as_ref()
    }

    /// Takes out the event that `next` has found.
    #[cold]
    pub(super) fn take_ready(&mut self) -> Option<Event<'static>> {
        let event = self.deflate.as_mut()?.ready.take();
        self.release_deflate();
        event
    }

    /// Keeps an event for the next call of `receive`.
    pub(super) fn keep_ready(&mut self, event: Event<'static>) {
        self.deflate_state().ready = Some(event);
    }

    /// Returns the settings of the configuration, or the defaults if it has none: the negotiated
    /// parameters may come from another HTTP stack.
    pub(super) fn deflate_config(&self) -> Deflate {
        self.config.deflate.unwrap_or_default()
    }

    /// Returns the role of the peer.
    pub(super) const fn peer(&self) -> Role {
        match self.machine.role() {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        }
    }

    pub(super) fn deflate_state(&mut self) -> &mut DeflateState {
        self.deflate.get_or_insert_default()
    }

    pub(super) fn release_deflate(&mut self) {
        if self.deflate.as_ref().is_some_and(|deflate| !deflate.is_needed()) {
            self.deflate = None;
        }
    }
}
