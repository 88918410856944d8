//! What the parsers note of fields as they pass them: all that decides on an upgrade, in a request
//! and in a response.

use super::extension::is_extension_list;
use super::field::trim;
use super::head::place;
use super::list::{is, is_tokens, names};

/// The fields that decide on an upgrade (RFC 6455, section 4.2.1), and on its acceptance (section
/// 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    pub(super) host: Once,
    pub(super) origin: Once,
    pub(super) version: Once,
    pub(super) key: Once,
    pub(super) accept: Once,
    /// Whether `Upgrade` lists `websocket`.
    pub(super) upgrade: bool,
    /// Whether `Connection` lists `upgrade`.
    pub(super) connection_upgrade: bool,
    /// Whether a body is announced.
    pub(super) body: bool,
    /// Whether subprotocols or extensions are named: offered in a request, chosen in a response.
    pub(super) choice: bool,
    pub(super) bad_subprotocols: bool,
    pub(super) bad_extensions: bool,
}

/// The value of a field that may occur once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Once {
    Missing,
    At(Place),
    Repeated,
}

/// Where in the head a value is, with the white space around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    start: u32,
    end: u32,
}

impl Place {
    pub(super) fn of(self, head: &[u8]) -> &[u8] {
        trim(head.get(self.start as usize..self.end as usize).unwrap_or_default())
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

impl Noted {
    pub(super) const NOTHING: Self = Self {
        host: Once::Missing,
        origin: Once::Missing,
        version: Once::Missing,
        key: Once::Missing,
        accept: Once::Missing,
        upgrade: false,
        connection_upgrade: false,
        body: false,
        choice: false,
        bad_subprotocols: false,
        bad_extensions: false,
    };

    /// Notes a field, whose value begins `at`. The length of its name tells it apart from most others.
    pub(super) fn note(&mut self, name: &[u8], at: usize, value: &[u8]) {
        let at = Place { start: place(at), end: place(at + value.len()) };
        let value = || trim(value);
        match name.len() {
            4 if is(name, b"host") => self.host.note(at),
            6 if is(name, b"origin") => self.origin.note(at),
            7 if is(name, b"upgrade") => self.upgrade |= names(value(), b"websocket"),
            10 if is(name, b"connection") => self.connection_upgrade |= names(value(), b"upgrade"),
            14 if is(name, b"content-length") => self.body |= value() != b"0",
            17 if is(name, b"transfer-encoding") => self.body = true,
            17 if is(name, b"sec-websocket-key") => self.key.note(at),
            20 if is(name, b"sec-websocket-accept") => self.accept.note(at),
            21 if is(name, b"sec-websocket-version") => self.version.note(at),
            22 if is(name, b"sec-websocket-protocol") => {
                self.choice = true;
                self.bad_subprotocols |= !is_tokens(value());
            }
            24 if is(name, b"sec-websocket-extensions") => {
                self.choice = true;
                self.bad_extensions |= !is_extension_list(value());
            }
            _ => {}
        }
    }
}
