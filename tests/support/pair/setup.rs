//! How an end is configured, and what its application sends.

use std::num::NonZeroUsize;

use websocket_proto::{Chunk, Config, ControlRate, Delivery, Limits, Message, Timeouts};

/// How an end is configured, and what its application does by itself.
#[derive(Debug, Clone)]
pub struct Setup {
    pub delivery: Delivery,
    pub high_water_mark: usize,
    pub fragment_size: Option<usize>,
    pub manual_pong: bool,
    pub manual_close: bool,
    pub counters: bool,
    pub timeouts: Timeouts,
    pub control_rate: Option<ControlRate>,
    pub limits: Limits,
    /// Sends every message back, handed over so.
    pub echo: Option<Memory>,
    pub manners: Manners,
}

/// How a driver treats the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// As it is told.
    Follows,
    /// Closes where it is told to drain.
    ClosesInsteadOfDraining,
    /// Closes as soon as its own Close frame is written.
    ClosesBehindItsClose,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            delivery: Delivery::Messages,
            high_water_mark: 1 << 20,
            fragment_size: None,
            manual_pong: false,
            manual_close: false,
            counters: false,
            timeouts: Timeouts::NONE,
            control_rate: None,
            limits: Limits::DEFAULT,
            echo: None,
            manners: Manners::Follows,
        }
    }
}

impl Setup {
    pub fn config(&self) -> Config {
        let mut config = Config::new()
            .delivery(self.delivery)
            .high_water_mark(self.high_water_mark)
            .timeouts(self.timeouts)
            .limits(self.limits);
        if let Some(size) = self.fragment_size.and_then(NonZeroUsize::new) {
            config = config.fragment_size(size);
        }
        if let Some(rate) = self.control_rate {
            config = config.control_rate(rate);
        }
        if self.manual_pong {
            config = config.manual_pong();
        }
        if self.manual_close {
            config = config.manual_close();
        }
        if self.counters {
            config = config.counters();
        }
        config
    }
}

/// What an application wants to send.
#[derive(Debug, Clone)]
pub enum Item {
    Message(Message<'static>, Memory),
    Chunk(Chunk<'static>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// A code and a reason, nothing for 1005.
    Close(u16, String),
}

impl Item {
    pub fn len(&self) -> usize {
        match self {
            Self::Message(message, _) => message.as_bytes().len(),
            Self::Chunk(chunk) => chunk.payload.as_bytes().len(),
            Self::Ping(payload) | Self::Pong(payload) => payload.len(),
            Self::Close(..) => 0,
        }
    }
}

/// Whose memory a message is handed over in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    Borrowed,
    Owned,
    Counted,
    Prepared,
    /// Borrowed if it is text, owned otherwise, and written from there as far as the socket takes
    /// it.
    Written,
}

/// A message of its own for every number.
pub fn message(number: u32, text: bool, len: usize) -> Message<'static> {
    if !text {
        return (0..len as u32)
            .map(|i| (i * 7 + (i >> 8) + number) as u8)
            .collect::<Vec<_>>()
            .into();
    }
    let chars: Vec<char> = "aé漢🎉".chars().cycle().skip(number as usize % 4).take(4).collect();
    let mut text = number.to_string();
    text.truncate(len);
    for char in chars.iter().cycle() {
        if text.len() + char.len_utf8() > len {
            break;
        }
        text.push(*char);
    }
    while text.len() < len {
        text.push('.');
    }
    text.into()
}
