//! From bytes to events: pieces become messages, and what the protocol answers by itself is
//! answered.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Connection;
use crate::frame::MaskedPiece;
use crate::session::{BinaryPiece, NextFrame};
use crate::utf8::from_utf8;
use crate::{
    Chunk, Delivery, EntropyError, Event, Message, MessageType, Opcode, ProtocolError, Role,
    SendReason, Session,
};

impl Connection {
    /// Takes what it can from `input`, moves it past what it took, and reports the next event.
    /// `None` means that the input is used up.
    ///
    /// Payloads are unmasked in place, or on their way to a message that is put together. An event
    /// borrows from `input`, never from the connection. Bytes that were not taken are not modified.
    /// A Ping is answered, and a Close too, before the event is returned: the reply is queued in the
    /// [`output`](Self::output). After the peer's Close and after a failure all input is dropped.
    ///
    /// Also to be called, an empty slice will do, after [`receive_eof`](Self::receive_eof) and
    /// [`abort`](Self::abort), to read what they led to.
    #[inline]
    pub fn receive<'a>(&mut self, input: &mut &'a mut [u8]) -> Option<Event<'a>> {
        if input.is_empty() && !self.session.has_news() {
            return None;
        }
        self.receive_some(input)
    }

    #[inline]
    fn receive_some<'a>(&mut self, input: &mut &'a mut [u8]) -> Option<Event<'a>> {
        let before = input.len();
        // Most messages come whole, in one frame. For them the event is built right here: to move
        // it through memory would take longer than all else.
        if let Delivery::Messages = self.config.delivery
            && self.has_keys()
            && let Some((message_type, payload)) =
                self.session.whole_message(input, &self.config.incoming_limits)
        {
            let payload = &*payload;
            let message = match message_type {
                MessageType::Binary => Message::Binary(payload.into()),
                MessageType::Text => match from_utf8(payload) {
                    Ok(text) => Message::Text(text.into()),
                    Err(error) => {
                        if error.valid_up_to() > 0 {
                            self.count_received(error.valid_up_to(), false);
                        }
                        self.session.fail_text();
                        return self.receive_rest(before, input);
                    }
                },
            };
            if let Some(timers) = &mut self.timers {
                timers.received(before - input.len());
                timers.received_chunk(payload.len(), true);
            }
            return Some(Event::Message(message));
        }
        self.receive_rest(before, input)
    }

    #[inline(never)]
    fn receive_rest<'a>(&mut self, before: usize, input: &mut &'a mut [u8]) -> Option<Event<'a>> {
        let event = self.receive_input(input);
        if let Some(timers) = &mut self.timers {
            timers.received(before - input.len());
        }
        event
    }

    /// Where the next bytes from the transport belong, if they can go there without being copied:
    /// into the binary message that is being put together.
    ///
    /// `None` for all else: then, or if the driver does not care, they go to
    /// [`receive`](Self::receive). Both may alternate in any way. Large messages gain from it: read
    /// into this slice, then tell how much with [`payload_filled`](Self::payload_filled). Its
    /// length follows the bytes received and the memory that was [lent](crate::Buffers), never the
    /// length that a header announced. What it holds before has no meaning.
    ///
    /// ```
    /// use websocket_proto::{Config, Connection, Event, Message, Negotiated};
    ///
    /// static CONFIG: Config = Config::new();
    /// let mut connection = Connection::server(&CONFIG, &Negotiated::default());
    /// # let mut socket = &[7; 99_999][..];
    /// # let mut read = |to: &mut [u8]| std::io::Read::read(&mut socket, to);
    /// // The header of 100,000 bytes, masked, and the first of them.
    /// let mut buffer = *b"\x82\xff\0\0\0\0\0\x01\x86\xa0\0\0\0\0\x07";
    /// assert_eq!(connection.receive(&mut &mut buffer[..]), None);
    /// let message = loop {
    ///     let space = connection.payload_space().expect("a binary message is under way");
    ///     let length = read(space)?;
    ///     if let Some(Event::Message(message)) = connection.payload_filled(length) {
    ///         break message;
    ///     }
    /// };
    /// assert_eq!(message, Message::from(vec![7; 100_000]));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn payload_space(&mut self) -> Option<&mut [u8]> {
        match self.config.delivery {
            Delivery::Chunks => None,
            Delivery::Messages => self.assembly.space(self.session.binary_rest()?),
        }
    }

    /// Takes the first `len` bytes of what [`payload_space`](Self::payload_space) just returned,
    /// which were read to it, and no more than there are. Returns the message if they complete it.
    pub fn payload_filled(&mut self, len: usize) -> Option<Event<'static>> {
        let payload = self.assembly.fill(len, self.session.binary_rest()?);
        let len = payload.len();
        let last = self.session.continue_binary(payload);
        if len > 0
            && let Some(timers) = &mut self.timers
        {
            timers.received(len);
            timers.received_chunk(len, last);
        }
        if last { self.assembly.finish().map(Event::Message) } else { None }
    }

    fn receive_input<'a>(&mut self, input: &mut &'a mut [u8]) -> Option<Event<'a>> {
        // If that fails, the session tells it.
        let _ = self.top_up_keys();
        if self.assembly.is_empty()
            && let Some(memory) = self.output.take_spare()
        {
            self.assembly.keep(memory);
        }
        while !input.is_empty() || self.session.has_news() {
            let frame = self.session.next_frame(input, &self.config.incoming_limits);
            if self.session.is_failing() {
                self.reply_close();
            }
            match frame? {
                NextFrame::Text => {
                    let chunk = self.session.text_piece(input);
                    if self.session.is_failing() {
                        self.reply_close();
                    }
                    if let Some(chunk) = chunk
                        && let Some(event) = self.deliver(chunk)
                    {
                        return Some(event);
                    }
                }
                NextFrame::Binary => {
                    if let Some(piece) = self.session.binary_piece(input)
                        && let Some(event) = self.deliver_binary(piece)
                    {
                        return Some(event);
                    }
                }
                NextFrame::Control(opcode) => {
                    if let Some(piece) = self.session.control_piece(input)
                        && let Some(event) = self.control(opcode, piece)
                    {
                        return Some(event);
                    }
                }
                NextFrame::Failed(error) => {
                    self.assembly.clear();
                    return Some(Event::Failed(error));
                }
            }
        }
        None
    }

    /// A piece of text as the application wants it: on its own, or put together.
    fn deliver<'a>(&mut self, chunk: Chunk<'a>) -> Option<Event<'a>> {
        self.count_received(chunk.payload.byte_len(), chunk.last);
        match self.config.delivery {
            Delivery::Chunks => Some(Event::Chunk(chunk)),
            // What came before the violation will never be a message.
            Delivery::Messages if self.session.error().is_some() => None,
            Delivery::Messages => self.assembly.add(chunk, self.session.rest()).map(Event::Message),
        }
    }

    /// The same of a binary message, whose bytes are unmasked on their way.
    fn deliver_binary<'a>(&mut self, piece: BinaryPiece<'a>) -> Option<Event<'a>> {
        self.count_received(piece.payload.len(), piece.last);
        match self.config.delivery {
            Delivery::Chunks => Some(Event::Chunk(piece.unmask())),
            Delivery::Messages => self.assembly.add_binary(piece).map(Event::Message),
        }
    }

    fn count_received(&mut self, len: usize, last: bool) {
        if let Some(timers) = &mut self.timers {
            timers.received_chunk(len, last);
        }
    }

    /// Whether what is sent now has its masking keys: a server's frames need none.
    #[inline]
    pub(super) fn has_keys(&self) -> bool {
        self.session.role() == Role::Server || self.keys.are_enough()
    }

    /// Draws masking keys ahead, so that replies have theirs. Without, the connection fails. None are
    /// needed when nothing more will be sent.
    #[inline]
    pub(super) fn top_up_keys(&mut self) -> Result<(), SendReason> {
        if self.has_keys() || !self.session.may_close() {
            return Ok(());
        }
        self.keys.draw(&self.config).map_err(|EntropyError| {
            self.session.fail(ProtocolError::Entropy);
            SendReason::Entropy
        })
    }

    /// Answers a control frame.
    fn control<'a>(&mut self, opcode: Opcode, piece: MaskedPiece<'a>) -> Option<Event<'a>> {
        let event = if piece.is_whole() {
            self.session.control(opcode, piece.unmask())
        } else {
            self.cut_control(opcode, piece)?
        };
        match &event {
            Event::Ping(_) | Event::Pong(_) if self.exceeds_control_rate() => {
                self.session.violate(ProtocolError::TooManyControlFrames);
                return None;
            }
            Event::Ping(payload) => {
                if let Some(timers) = &mut self.timers {
                    timers.received_ping();
                }
                if !self.config.manual_pong {
                    self.reply_pong(payload);
                }
            }
            Event::Pong(payload) => {
                if let Some(timers) = &mut self.timers {
                    timers.received_pong(payload);
                }
            }
            // No message follows.
            Event::Close(_) if self.config.manual_close => self.assembly.clear(),
            Event::Close(_) | Event::Failed(_) if self.session.owes_close() => self.reply_close(),
            Event::Close(_) | Event::Failed(_) => self.assembly.clear(),
            Event::Message(_) | Event::Chunk(_) => {}
        }
        Some(event)
    }

    /// Puts a control frame together that the input cuts.
    #[cold]
    fn cut_control(&mut self, opcode: Opcode, piece: MaskedPiece<'_>) -> Option<Event<'static>> {
        // The header came alone: all may follow in one piece.
        if piece.len() == 0 {
            return None;
        }
        let control = self.assembly.control.get_or_insert_with(|| Box::new([0; 125]));
        let len = self.session.collect_control(opcode, piece, control)?;
        let mut payload = Vec::from(self.assembly.control.take()? as Box<[u8]>);
        payload.truncate(len);
        Some(match self.session.control(opcode, &payload) {
            // In the memory that it was put together in.
            Event::Ping(_) => Event::Ping(payload.into()),
            Event::Pong(_) => Event::Pong(payload.into()),
            event @ (Event::Message(_) | Event::Chunk(_) | Event::Close(_) | Event::Failed(_)) => {
                event.into_owned()
            }
        })
    }

    fn exceeds_control_rate(&mut self) -> bool {
        match (&mut self.timers, self.config.control_rate) {
            (Some(timers), Some(rate)) => timers.exceeds(rate),
            (None, _) | (_, None) => false,
        }
    }

    /// Queues the Pong that answers a Ping (RFC 6455, section 5.5.2), but none after our Close.
    fn reply_pong(&mut self, payload: &[u8]) {
        let key = || self.keys.take();
        if let Ok(header) = self.session.control_header(Opcode::Pong, payload.len(), key) {
            self.output.push_pong(&header, payload);
        }
    }

    /// Queues the Close frame that is due. Nothing is received after it.
    #[cold]
    pub(super) fn reply_close(&mut self) {
        let mut close = [0; Session::MAX_REPLY];
        let len = self.session.reply_close(|| self.keys.take(), &mut close).unwrap_or(0);
        self.output.release_newest_pong();
        self.output.push(close.get(..len).unwrap_or_default());
        self.assembly.clear();
    }
}
