//! Which end of the connection this is.

/// Which end of the connection this endpoint is.
///
/// The role decides who masks: a client masks every frame it sends and refuses a masked one, a
/// server the reverse (RFC 6455, section 5.1). It also decides who closes TCP first (section
/// 7.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The end that sent the opening request.
    Client,
    /// The end that answered it.
    Server,
}
