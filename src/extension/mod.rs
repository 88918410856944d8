//! The integration point of extensions (RFC 6455, section 9): the reserved bits that they use. The
//! receive path of [`Machine`](crate::session::Machine) returns the compressed payload
//! of a message untouched, and a [`Connection`](crate::Connection) inflates it.

#[cfg(feature = "deflate")]
pub(crate) mod deflate;
