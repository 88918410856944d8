//! What the parsers note of fields as they pass them: all that decides on an upgrade, in a request
//! and in a response.

use super::extension::is_extension_list;
use super::field::{trim_end, trim_start};
use super::head::place;
use super::list::{is, is_tokens, names};

/// What notes fields as they are passed.
pub(super) trait Notes {
    /// Notes a field that is known, by its value and where that is.
    fn note(&mut self, known: Known, value: &[u8], place: Place);
}

/// Notes a field, whose value begins `at`, with the white space around it.
#[inline]
pub(super) fn note(notes: &mut impl Notes, name: &[u8], at: usize, value: &[u8]) {
    if let Some(known) = Known::of(name) {
        let from = trim_start(value);
        let start = at + value.len() - from.len();
        let value = trim_end(from);
        let place = Place { start: place(start), end: place(start + value.len()) };
        notes.note(known, value, place);
    }
}

/// The fields of a request that decide on an upgrade (RFC 6455, section 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestNotes {
    pub(super) host: Once,
    pub(super) origin: Once,
    pub(super) version: Once,
    pub(super) key: Once,
    /// Whether `Upgrade` lists `websocket`.
    pub(super) upgrade: bool,
    /// Whether `Connection` lists `upgrade`.
    pub(super) connection_upgrade: bool,
    /// Whether a body is announced.
    pub(super) body: bool,
    pub(super) bad_subprotocols: bool,
    pub(super) bad_extensions: bool,
}

/// The fields of a response that decide on its acceptance (section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ResponseNotes {
    pub(super) accept: Once,
    /// Whether `Upgrade` lists `websocket`.
    pub(super) upgrade: bool,
    /// Whether `Connection` lists `upgrade`.
    pub(super) connection_upgrade: bool,
    /// Whether a subprotocol or extensions are chosen.
    pub(super) choice: bool,
}

/// The value of a field that may occur once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Once {
    Missing,
    At(Place),
    Repeated,
}

/// Where in the head a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Place {
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(super) fn of(self, head: &[u8]) -> &[u8] {
        head.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

impl Once {
    /// The value, empty where there is none or more than one.
    pub(super) fn of(self, head: &[u8]) -> &[u8] {
        match self {
            Self::At(place) => place.of(head),
            Self::Missing | Self::Repeated => b"",
        }
    }

    fn note(&mut self, value: Place) {
        *self = match self {
            Self::Missing => Self::At(value),
            Self::At(_) | Self::Repeated => Self::Repeated,
        };
    }
}

impl RequestNotes {
    pub(super) const NOTHING: Self = Self {
        host: Once::Missing,
        origin: Once::Missing,
        version: Once::Missing,
        key: Once::Missing,
        upgrade: false,
        connection_upgrade: false,
        body: false,
        bad_subprotocols: false,
        bad_extensions: false,
    };
}

impl Notes for RequestNotes {
    fn note(&mut self, known: Known, value: &[u8], place: Place) {
        let once = match known {
            Known::Host => &mut self.host,
            Known::Origin => &mut self.origin,
            Known::Version => &mut self.version,
            Known::Key => &mut self.key,
            Known::Upgrade => return self.upgrade |= names(value, b"websocket"),
            Known::Connection => return self.connection_upgrade |= names(value, b"upgrade"),
            Known::ContentLength => return self.body |= value != b"0",
            Known::TransferEncoding => return self.body = true,
            Known::Subprotocols => return self.bad_subprotocols |= !is_tokens(value),
            Known::Extensions => return self.bad_extensions |= !is_extension_list(value),
            Known::Accept => return,
        };
        once.note(place);
    }
}

impl ResponseNotes {
    pub(super) const NOTHING: Self =
        Self { accept: Once::Missing, upgrade: false, connection_upgrade: false, choice: false };
}

impl Notes for ResponseNotes {
    fn note(&mut self, known: Known, value: &[u8], place: Place) {
        match known {
            Known::Accept => self.accept.note(place),
            Known::Upgrade => self.upgrade |= names(value, b"websocket"),
            Known::Connection => self.connection_upgrade |= names(value, b"upgrade"),
            Known::Subprotocols | Known::Extensions => self.choice = true,
            Known::Host
            | Known::Origin
            | Known::Version
            | Known::Key
            | Known::ContentLength
            | Known::TransferEncoding => {}
        }
    }
}

/// The fields of which something is noted.
#[derive(Clone, Copy)]
pub(super) enum Known {
    Host,
    Origin,
    Upgrade,
    Connection,
    ContentLength,
    TransferEncoding,
    Key,
    Accept,
    Version,
    Subprotocols,
    Extensions,
}

impl Known {
    #[cfg_attr(feature = "alloc", inline)]
    fn of(name: &[u8]) -> Option<Self> {
        // Its length tells it apart from most others.
        let (known, lower): (_, &[u8]) = match name.len() {
            4 => (Self::Host, b"host"),
            6 => (Self::Origin, b"origin"),
            7 => (Self::Upgrade, b"upgrade"),
            10 => (Self::Connection, b"connection"),
            14 => (Self::ContentLength, b"content-length"),
            17 if name.ends_with(b"y") || name.ends_with(b"Y") => (Self::Key, b"sec-websocket-key"),
            17 => (Self::TransferEncoding, b"transfer-encoding"),
            20 => (Self::Accept, b"sec-websocket-accept"),
            21 => (Self::Version, b"sec-websocket-version"),
            22 => (Self::Subprotocols, b"sec-websocket-protocol"),
            24 => (Self::Extensions, b"sec-websocket-extensions"),
            _ => return None,
        };
        is(name, lower).then_some(known)
    }
}
