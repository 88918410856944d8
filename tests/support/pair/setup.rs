//! The configuration of an end, and the items that its application sends.

use websocket_proto::{Chunk, Config, ControlRate, Delivery, Limits, Message, Timeouts};

/// The configuration of an end, its application and its driver.
#[derive(Debug, Clone)]
pub struct Setup {
    pub delivery: Delivery,
    pub high_water_mark: usize,
    pub max_fragment: usize,
    pub manual_pong: bool,
    pub manual_close: bool,
    pub statistics: bool,
    pub timeouts: Timeouts,
    pub control_rate: Option<ControlRate>,
    pub limits: Limits,
    /// Whether the application echoes every message.
    pub echo: bool,
    pub reports: Reports,
    pub teardown: Teardown,
}

/// When a driver reports the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reports {
    /// At each wake-up, before it reads.
    BeforeReceive,
    /// At each wake-up, after it has read.
    AfterReceive,
    /// Only when `poll_timeout` asks for it.
    WhenDue,
}

impl Reports {
    pub const ALL: [Self; 3] = [Self::BeforeReceive, Self::AfterReceive, Self::WhenDue];
}

/// How a driver closes the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Teardown {
    /// As `transport()` instructs.
    Correct,
    /// Incorrectly, at `Transport::Drain`.
    ClosesInsteadOfDraining,
    /// Incorrectly, as soon as its own Close frame is written.
    ClosesAfterOwnClose,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            delivery: Delivery::Messages,
            high_water_mark: 1 << 20,
            max_fragment: usize::MAX,
            manual_pong: false,
            manual_close: false,
            statistics: false,
            timeouts: Timeouts::NONE,
            control_rate: None,
            limits: Limits::DEFAULT,
            echo: false,
            reports: Reports::BeforeReceive,
            teardown: Teardown::Correct,
        }
    }
}

impl Setup {
    pub fn config(&self) -> Config {
        let mut config = Config::new()
            .with_delivery(self.delivery)
            .with_high_water_mark(self.high_water_mark)
            .with_max_fragment(self.max_fragment)
            .with_timeouts(self.timeouts)
            .with_limits(self.limits);
        if let Some(rate) = self.control_rate {
            config = config.with_control_rate(rate);
        }
        if self.manual_pong {
            config = config.with_manual_pong();
        }
        if self.manual_close {
            config = config.with_manual_close();
        }
        if self.statistics {
            config = config.with_statistics();
        }
        config
    }
}

/// An item that an application sends.
#[derive(Debug, Clone)]
pub enum Item {
    Message(Message<'static>, Ownership),
    Chunk(Chunk<'static>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// A code and a reason; an empty Close frame for 1005.
    Close(u16, String),
}

impl Item {
    pub fn len(&self) -> usize {
        match self {
            Self::Message(message, _) => message.len(),
            Self::Chunk(chunk) => chunk.payload.len(),
            Self::Ping(payload) | Self::Pong(payload) => payload.len(),
            Self::Close(..) => 0,
        }
    }
}

/// The type in which a payload is passed to `send`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    Borrowed,
    Owned,
    Shared,
    Prepared,
}

impl Ownership {
    pub const ALL: [Self; 4] = [Self::Borrowed, Self::Owned, Self::Shared, Self::Prepared];
}

/// A distinct message for every number.
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
