//! Choosing a subprotocol (RFC 6455, section 4.2.2, item 4).

/// Whose order decides between subprotocols that both sides know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preference {
    /// The server's.
    Server,
    /// The client's, who lists what it prefers first.
    Client,
}

/// Chooses a subprotocol among those that a client offers and a server supports. `None` if they
/// have none in common.
///
/// ```
/// use websocket_proto::handshake::{Preference, choose_subprotocol};
///
/// let offered = ["soap", "wamp"].into_iter();
/// let supported = ["wamp", "soap"];
/// assert_eq!(choose_subprotocol(offered.clone(), &supported, Preference::Server), Some("wamp"));
/// assert_eq!(choose_subprotocol(offered, &supported, Preference::Client), Some("soap"));
/// ```
pub fn choose_subprotocol<'a, 's>(
    mut offered: impl Iterator<Item = &'a str> + Clone,
    supported: &[&'s str],
    preference: Preference,
) -> Option<&'s str> {
    match preference {
        Preference::Server => supported
            .iter()
            .find(|supported| offered.clone().any(|offered| offered == **supported))
            .copied(),
        Preference::Client => {
            offered.find_map(|offered| supported.iter().find(|one| **one == offered).copied())
        }
    }
}
