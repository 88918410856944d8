//! What the parsers note of fields as they pass them: all that decides on an upgrade, in a request
//! and in a response.

use super::extension::is_extension_list;
use super::field::{trim_end, trim_start};
use super::head::{Notes, Place};
use super::list::{is, is_tokens, names};

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
    #[inline]
    fn note(&mut self, name: &[u8], at: usize, value: &[u8]) {
        let Some((known, value, place)) = known(name, at, value) else { return };
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
    #[inline]
    fn note(&mut self, name: &[u8], at: usize, value: &[u8]) {
        let Some((known, value, place)) = known(name, at, value) else { return };
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

/// The field called `name`, if it is known, its value without the white space around it, and where
/// that is.
#[inline]
fn known<'a>(name: &[u8], at: usize, value: &'a [u8]) -> Option<(Known, &'a [u8], Place)> {
    let known = Known::of(name)?;
    let from = trim_start(value);
    let start = at + value.len() - from.len();
    let value = trim_end(from);
    Some((known, value, Place::new(start, start + value.len())))
}

/// The fields of which something is noted.
#[derive(Clone, Copy)]
enum Known {
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
