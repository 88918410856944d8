//! Control frames (RFC 6455, section 5.5): those that the application sends, those that the protocol
//! sends by itself, and those of the peer.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Connection, Output};
use crate::close::ClosePayload;
use crate::frame::FrameHeader;
use crate::session::{ControlPayload, ControlStorage, PingPong};
use crate::{CloseCode, CloseFrame, ConnectionError, Event, Limit, SendError, Violation};

/// # Control frames
impl Connection {
    /// Queues a Ping with at most 125 bytes of payload (RFC 6455, section 5.5.2).
    ///
    /// The peer answers with a Pong of the same payload. It changes no [`rtt`](Self::rtt), which measures
    /// keepalive Pings only; the application recognizes its own Pong by the payload:
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use websocket_proto::{Connection, Event, SendError};
    ///
    /// /// Sends the time since `origin`. Call it before the driver writes.
    /// fn measure(connection: &mut Connection, origin: Instant) -> Result<(), SendError> {
    ///     connection.ping(&(origin.elapsed().as_nanos() as u64).to_be_bytes())
    /// }
    ///
    /// /// Returns the round-trip time if `event` is the Pong.
    /// fn round_trip(event: &Event<'_>, origin: Instant) -> Option<Duration> {
    ///     let Event::Pong(payload) = event else { return None };
    ///     let sent = Duration::from_nanos(u64::from_be_bytes(payload.as_ref().try_into().ok()?));
    ///     // A peer may send any payload.
    ///     origin.elapsed().checked_sub(sent)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`Full`](SendError::Full), [`Closed`](SendError::Closed),
    /// [`TooLong`](SendError::TooLong) or [`Entropy`](SendError::Entropy).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.send_ping_pong(PingPong::Ping, payload)
    }

    /// Queues a Pong with at most 125 bytes of payload (section 5.5.3): an unsolicited one, or,
    /// with [`Config::with_manual_pong`](crate::Config::with_manual_pong), the reply to a Ping.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.send_ping_pong(PingPong::Pong, payload)
    }

    /// Queues a Close frame (section 7.1.2): a [`CloseCode`], a [`CloseFrame`], or `None` for an
    /// empty payload. The high-water mark does not apply.
    ///
    /// No message can be sent after it. The peer's messages continue to arrive until its own Close.
    ///
    /// # Errors
    ///
    /// Returns [`Closed`](SendError::Closed) if a Close was sent before or the connection has failed,
    /// [`InvalidClose`](SendError::InvalidClose) or [`Entropy`](SendError::Entropy).
    pub fn close<'m, F>(&mut self, frame: F) -> Result<(), SendError>
    where
        F: TryInto<Option<CloseFrame<'m>>>,
        F::Error: Into<SendError>,
    {
        let payload = match frame.try_into().map_err(Into::into)? {
            Some(frame) => ClosePayload::new(frame.code(), frame.reason()),
            None => ClosePayload::new(CloseCode::NO_STATUS, ""),
        };
        self.queue_close(&payload)
    }

    fn send_ping_pong(&mut self, kind: PingPong, payload: &[u8]) -> Result<(), SendError> {
        self.machine.check_ping_pong(kind)?;
        // `has_room` would not suffice here: it returns `true` after our Close, when Pongs may
        // still be sent.
        if self.output.counted() >= self.config.high_water_mark {
            return Err(SendError::Full);
        }
        self.queue_ping_pong(kind, payload, Output::push_frame)
    }

    /// Queues a keepalive Ping. The high-water mark does not apply.
    pub(super) fn queue_keepalive(&mut self, payload: &[u8]) {
        // Without a masking key the connection fails; the next snapshot shows that.
        let _ = self.queue_ping_pong(PingPong::Ping, payload, Output::push_keepalive);
    }

    fn queue_ping_pong(
        &mut self,
        kind: PingPong,
        payload: &[u8],
        push: fn(&mut Output, &FrameHeader, &[u8]),
    ) -> Result<(), SendError> {
        let key = || self.keys.next(&self.config);
        let header = self.machine.ping_pong_header(kind, payload.len(), key)?;
        push(&mut self.output, &header, payload);
        match (kind, &mut self.timers) {
            (PingPong::Ping, Some(timers)) => timers.sent_ping(),
            (PingPong::Pong, _) | (PingPong::Ping, None) => {}
        }
        Ok(())
    }

    /// Queues the pending Close frame, if there is one. RFC 6455, section 5.5.1: a reply typically
    /// echoes the code of the peer's Close. For 1009 the reason states the limit, and for invalid
    /// compressed data it says so. Other failures have none.
    #[cold]
    pub(super) fn queue_pending_close(&mut self) {
        if let Some(code) = self.machine.pending_close() {
            let limits = &self.config.receive_limits;
            let reason = match self.machine.error() {
                Some(ConnectionError::Limit(Limit::Frame)) => {
                    format!("frame exceeds {} bytes", limits.max_frame)
                }
                Some(ConnectionError::Limit(Limit::Message)) => {
                    format!("message exceeds {} bytes", limits.max_message)
                }
                #[cfg(feature = "deflate")]
                Some(ConnectionError::Limit(Limit::CompressedPayload)) => {
                    format!("compressed message exceeds {} bytes", limits.max_compressed())
                }
                Some(ConnectionError::Protocol(Violation::InvalidCompression)) => {
                    String::from("invalid compressed data")
                }
                Some(_) | None => String::new(),
            };
            // Without a masking key the connection fails; the next call reports that.
            let _ = self.queue_close(&ClosePayload::new(code, &reason));
        }
    }

    fn queue_close(&mut self, payload: &ClosePayload) -> Result<(), SendError> {
        let payload = payload.bytes();
        let header = self.machine.close_header(payload.len(), || self.keys.next(&self.config))?;
        self.output.push_close(&header, payload);
        #[cfg(feature = "deflate")]
        self.discard_compressor();
        if let Some(timers) = &mut self.timers {
            timers.sent_close(self.output.end());
        }
        Ok(())
    }
}

impl Connection {
    pub(super) fn receive_ping<'i>(&mut self, payload: ControlPayload<'i>) -> Option<Event<'i>> {
        let payload = self.control_payload(payload)?;
        if let Some(timers) = &mut self.timers {
            timers.received_ping();
        }
        if self.exceeds_control_rate() {
            return None;
        }
        if !self.config.manual_pong {
            // RFC 6455, section 5.5.2: a Pong has the payload of its Ping.
            let key = || self.keys.next(&self.config);
            let header = self.machine.ping_pong_header(PingPong::Pong, payload.len(), key);
            // Without a masking key the connection fails; the next call reports that.
            if let Ok(header) = header {
                self.output.push_pong(&header, &payload);
            }
        }
        Some(Event::Ping(payload))
    }

    pub(super) fn receive_pong<'i>(&mut self, payload: ControlPayload<'i>) -> Option<Event<'i>> {
        let payload = self.control_payload(payload)?;
        if let Some(timers) = &mut self.timers {
            timers.received_pong(&payload);
        }
        if self.exceeds_control_rate() {
            return None;
        }
        Some(Event::Pong(payload))
    }

    #[cold]
    pub(super) fn receive_close<'i>(&mut self, payload: ControlPayload<'i>) -> Option<Event<'i>> {
        let payload = self.control_payload(payload)?;
        let received = match &payload {
            Cow::Borrowed(payload) => self.machine.receive_close(payload),
            Cow::Owned(payload) => {
                let received = self.machine.receive_close(payload);
                received.map(|frame| frame.map(CloseFrame::into_owned))
            }
        };
        // After an error the connection has failed, and the caller reports that.
        let frame = received.ok()?;
        self.discard_incoming();
        if !self.config.manual_close {
            self.queue_pending_close();
        }
        Some(Event::Close(frame))
    }

    /// Returns the payload of a control frame: owned if it was split across reads, else borrowed.
    fn control_payload<'i>(&mut self, payload: ControlPayload<'i>) -> Option<Cow<'i, [u8]>> {
        match payload {
            ControlPayload::Whole(payload) => Some(Cow::Borrowed(payload)),
            ControlPayload::Stored(len) => {
                let payload = self.control.take(len);
                if payload.is_none() {
                    self.fail_internally("the payload was stored");
                }
                payload.map(Cow::Owned)
            }
        }
    }

    /// Fails the connection and returns `true` if the peer exceeded the control rate and the driver
    /// has never reported the time. Otherwise `handle_timeout` judges the rate.
    fn exceeds_control_rate(&mut self) -> bool {
        let exceeds = match (&self.timers, self.config.control_rate) {
            (Some(timers), Some(rate)) => timers.exceeds_without_clock(rate),
            (None, _) | (_, None) => false,
        };
        if exceeds {
            self.fail(Limit::ControlFrames);
        }
        exceeds
    }
}

/// Storage for the payload of a control frame that is split across reads. Allocated only for such a
/// frame.
#[derive(Default)]
pub(super) struct Control(Option<Box<[u8; 125]>>);

impl Control {
    /// Takes the payload of a complete frame out: the first `len` bytes.
    fn take(&mut self, len: usize) -> Option<Vec<u8>> {
        let stored: Box<[u8]> = self.0.take()?;
        let mut payload = Vec::from(stored);
        payload.truncate(len);
        Some(payload)
    }

    /// Drops the incomplete frame.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }
}

impl ControlStorage for Control {
    fn bytes(&mut self) -> &mut [u8; 125] {
        self.0.get_or_insert_with(|| Box::new([0; 125]))
    }
}
