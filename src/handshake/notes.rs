//! What the parsers note of fields as they pass them: all that decides on an upgrade, in a request
//! and in a response.

use super::extension::is_extension_list;
use super::field::{trim_end, trim_start};
use super::head::Place;
use super::known::Known;
use super::list::{is_tokens, names};

/// The fields that decide on an upgrade, in a request (RFC 6455, section 4.2.1) and in a response
/// (section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Notes {
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
    pub(super) subprotocols: Listed,
    pub(super) extensions: Listed,
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

/// What is listed in a field, or in several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    Nothing,
    Something,
    /// Something that breaks its grammar.
    Malformed,
}

impl Listed {
    fn note(&mut self, is_list: bool) {
        *self = match self {
            Self::Nothing | Self::Something if is_list => Self::Something,
            Self::Nothing | Self::Something | Self::Malformed => Self::Malformed,
        };
    }
}

impl Notes {
    pub(super) const NOTHING: Self = Self {
        host: Once::Missing,
        origin: Once::Missing,
        version: Once::Missing,
        key: Once::Missing,
        accept: Once::Missing,
        upgrade: false,
        connection_upgrade: false,
        body: false,
        subprotocols: Listed::Nothing,
        extensions: Listed::Nothing,
    };

    /// Whether subprotocols or extensions are listed.
    pub(super) fn lists_a_choice(&self) -> bool {
        (self.subprotocols, self.extensions) != (Listed::Nothing, Listed::Nothing)
    }

    /// Notes a field, whose value begins `at`, with the white space around it.
    #[inline]
    pub(super) fn note(&mut self, name: &[u8], at: usize, value: &[u8]) {
        let Some(known) = Known::of(name) else { return };
        let from = trim_start(value);
        let start = at + value.len() - from.len();
        let value = trim_end(from);
        let once = match known {
            Known::Host => &mut self.host,
            Known::Origin => &mut self.origin,
            Known::Version => &mut self.version,
            Known::Key => &mut self.key,
            Known::Accept => &mut self.accept,
            Known::Upgrade => return self.upgrade |= names(value, b"websocket"),
            Known::Connection => return self.connection_upgrade |= names(value, b"upgrade"),
            Known::ContentLength => return self.body |= value != b"0",
            Known::TransferEncoding => return self.body = true,
            Known::Subprotocols => return self.subprotocols.note(is_tokens(value)),
            Known::Extensions => return self.extensions.note(is_extension_list(value)),
        };
        once.note(Place::new(start, start + value.len()));
    }
}
