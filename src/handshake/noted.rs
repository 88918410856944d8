//! What the parsers note of fields as they pass them: all that decides on an upgrade, in a request
//! and in a response.

use core::ops::Range;

use super::extension::is_extension_list;
use super::field::trim;
use super::head::place;
use super::list::{is_tokens, names};

/// The fields that decide on an upgrade (RFC 6455, section 4.2.1), and on its acceptance (section
/// 4.1).
#[derive(Clone, Copy, Debug)]
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
#[derive(Clone, Copy, Debug)]
pub(super) enum Once {
    Missing,
    At(Place),
    Repeated,
}

/// Where in the head a value is, with the white space around it.
#[derive(Clone, Copy, Debug)]
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

    fn note(&mut self, value: Range<usize>) {
        *self = match self {
            Self::Missing => Self::At(Place { start: place(value.start), end: place(value.end) }),
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

    /// Notes a field. The length of its name tells it apart from most others.
    #[inline(never)]
    pub(super) fn note(&mut self, head: &[u8], name: Range<usize>, at: Range<usize>) {
        let name = head.get(name).unwrap_or_default();
        let value = || trim(head.get(at.clone()).unwrap_or_default());
        match name.len() {
            4 if is(name, b"host") => self.host.note(at),
            6 if is(name, b"origin") => self.origin.note(at),
            7 if is(name, b"upgrade") => self.upgrade |= names(value(), "websocket"),
            10 if is(name, b"connection") => self.connection_upgrade |= names(value(), "upgrade"),
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

/// Whether `name`, a token, is `lower` but for its case: no other character of a token becomes a
/// small letter or a hyphen by this bit.
#[inline]
fn is<const N: usize>(name: &[u8], lower: &[u8; N]) -> bool {
    <&[u8; N]>::try_from(name).is_ok_and(|name| {
        name.iter().zip(lower).fold(0, |difference, (a, b)| difference | ((a | 0x20) ^ b)) == 0
    })
}
