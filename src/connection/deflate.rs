//! permessage-deflate in a connection (RFC 7692): the state that `inflate.rs`, which receives compressed
//! messages, and `compress.rs`, which sends them, keep between two calls.

use alloc::boxed::Box;

use super::Connection;
use crate::extension::deflate::{Compressor, Inflater, Window, pool};
use crate::{Deflate, DeflateParameters, Event, Role};

/// The codecs that a connection owns within a message, and with context takeover between messages;
/// allocated only while there are any.
#[derive(Default)]
pub(super) struct Codecs {
    /// The inflater of the incoming message in progress.
    pub(super) inflater: Option<Box<Inflater>>,
    /// The context of the peer between its messages.
    pub(super) window: Window,
    /// The compressor with context, or that of the outgoing message in progress.
    pub(super) compressor: Option<Box<Compressor>>,
    /// Whether the outgoing message in progress is compressed.
    pub(super) is_compressing: bool,
    /// An event that `next` has found and `receive` has not returned.
    pub(super) ready: Option<Event<'static>>,
}

impl Drop for Codecs {
    fn drop(&mut self) {
        self.discard_inflater();
        self.discard_compressor();
    }
}

impl Codecs {
    fn is_needed(&self) -> bool {
        self.inflater.is_some()
            || self.compressor.is_some()
            || self.ready.is_some()
            || !self.window.is_empty()
    }

    fn discard_inflater(&mut self) {
        if let Some(inflater) = self.inflater.take() {
            pool::give_inflater(inflater);
        }
    }

    fn discard_compressor(&mut self) {
        self.is_compressing = false;
        if let Some(compressor) = self.compressor.take() {
            pool::give_compressor(compressor);
        }
    }
}

impl Connection {
    /// Returns the parameters of permessage-deflate (RFC 7692), or `None` if it was not agreed.
    #[must_use]
    pub const fn deflate_parameters(&self) -> Option<DeflateParameters> {
        self.deflate_parameters
    }

    /// Drops the incomplete message, the context of the peer, and the compressor if no message can
    /// follow. Drops also the event that `next` has found: without compression, `next` would have left
    /// it in the input, which is dropped.
    pub(super) fn discard_codecs(&mut self) {
        if let Some(codecs) = &mut self.codecs {
            codecs.discard_inflater();
            codecs.window = Window::default();
            codecs.ready = None;
            if !self.machine.may_send_data() {
                codecs.discard_compressor();
            }
            self.release_codecs();
        }
    }

    /// Drops the compressor, because no message follows.
    pub(super) fn discard_compressor(&mut self) {
        if let Some(codecs) = &mut self.codecs {
            codecs.discard_compressor();
            self.release_codecs();
        }
    }

    /// Returns the event that `next` has found and `receive` has not returned.
    #[inline(always)]
    pub(super) fn ready_event(&self) -> Option<&Event<'static>> {
        self.codecs.as_ref()?.ready.as_ref()
    }

    /// Takes out the event that `next` has found.
    #[cold]
    pub(super) fn take_ready(&mut self) -> Option<Event<'static>> {
        let event = self.codecs.as_mut()?.ready.take();
        self.release_codecs();
        event
    }

    /// Keeps an event for the next call of `receive`.
    pub(super) fn keep_ready(&mut self, event: Event<'static>) {
        self.codecs().ready = Some(event);
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

    pub(super) fn codecs(&mut self) -> &mut Codecs {
        self.codecs.get_or_insert_default()
    }

    pub(super) fn release_codecs(&mut self) {
        if self.codecs.as_ref().is_some_and(|codecs| !codecs.is_needed()) {
            self.codecs = None;
        }
    }
}
