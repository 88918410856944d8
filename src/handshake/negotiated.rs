//! What the opening handshake leads to.

use alloc::string::String;
use core::str;

use super::field::Fields;
use super::{Acceptance, Extensions, Field, ResponseHead};
use crate::Connection;

/// What the opening handshake agreed on.
///
/// A connection that something else upgraded is adopted with what that agreed on:
///
/// ```
/// use websocket_proto::{Config, Connection, Event, Negotiated};
///
/// static CONFIG: Config = Config::new();
/// let negotiated = Negotiated::new().with_subprotocol("chat");
/// let mut connection = Connection::server(&CONFIG, &negotiated);
/// // What the other stack had read behind the request comes first.
/// let mut leftover = *b"\x81\x82\0\0\0\0Hi";
/// assert!(matches!(connection.receive(&mut &mut leftover[..]), Some(Event::Message(_))));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Negotiated {
    subprotocol: Option<String>,
    extensions: Option<String>,
}

impl Negotiated {
    /// No subprotocol, no extension.
    #[must_use]
    pub const fn new() -> Self {
        Self { subprotocol: None, extensions: None }
    }

    /// With this subprotocol.
    #[must_use]
    pub fn with_subprotocol(mut self, subprotocol: impl Into<String>) -> Self {
        self.subprotocol = Some(subprotocol.into());
        self
    }

    /// With these extensions, as the server's `Sec-WebSocket-Extensions` lists them.
    #[must_use]
    pub fn with_extensions(mut self, extensions: impl Into<String>) -> Self {
        self.extensions = Some(extensions.into());
        self
    }

    /// The subprotocol, `None` if none was agreed on.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The extensions in use, as the server's `Sec-WebSocket-Extensions` lists them.
    pub fn extensions(&self) -> Extensions<'_> {
        Extensions::of(self.extensions.as_deref().unwrap_or_default())
    }

    /// What the fields of a response choose that
    /// [`is_connect_accepted`](super::ClientRequest::is_connect_accepted) has checked.
    #[must_use]
    pub fn from_response(fields: &[Field<'_>]) -> Self {
        Self::chosen_in(Fields::of_list(fields))
    }

    /// What a response chooses that was checked.
    pub(super) fn chosen_by(response: &ResponseHead<'_>) -> Self {
        if response.head.notes.lists_a_choice() {
            Self::chosen_in(response.fields())
        } else {
            Self::new()
        }
    }

    fn chosen_in(fields: Fields<'_>) -> Self {
        let text = |value| str::from_utf8(value).ok().map(String::from);
        let subprotocol = fields.clone().values("sec-websocket-protocol").next().and_then(text);
        let extensions = fields
            .values("sec-websocket-extensions")
            .filter_map(text)
            .reduce(|all, list| [&*all, ", ", &*list].concat());
        Self { subprotocol, extensions }
    }
}

impl From<&Acceptance<'_>> for Negotiated {
    fn from(acceptance: &Acceptance<'_>) -> Self {
        Self {
            subprotocol: acceptance.subprotocol.map(String::from),
            extensions: acceptance.extensions.map(String::from),
        }
    }
}

/// A connection that the opening handshake established.
#[derive(Debug)]
pub struct Established {
    /// The connection. What the handshake still has to write comes first in its output.
    pub connection: Connection,
    /// What was agreed on.
    pub negotiated: Negotiated,
}
