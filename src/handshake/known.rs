//! The fields that a handshake knows.

use super::list::is;

/// A field of which something is noted. But for `Origin`, the handshake writes them itself.
#[derive(Clone, Copy, PartialEq, Eq)]
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

/// The field whose name has as many letters as its place here, in small letters.
const BY_LENGTH: [Option<(Known, &[u8])>; 25] = {
    let mut fields: [Option<(Known, &[u8])>; 25] = [None; 25];
    fields[4] = Some((Known::Host, b"host"));
    fields[6] = Some((Known::Origin, b"origin"));
    fields[7] = Some((Known::Upgrade, b"upgrade"));
    fields[10] = Some((Known::Connection, b"connection"));
    fields[14] = Some((Known::ContentLength, b"content-length"));
    fields[17] = Some((Known::TransferEncoding, b"transfer-encoding"));
    fields[20] = Some((Known::Accept, b"sec-websocket-accept"));
    fields[21] = Some((Known::Version, b"sec-websocket-version"));
    fields[22] = Some((Known::Subprotocols, b"sec-websocket-protocol"));
    fields[24] = Some((Known::Extensions, b"sec-websocket-extensions"));
    fields
};

impl Known {
    /// The field called `name`, letters in any case, if it is one of these.
    #[cfg_attr(feature = "alloc", inline)]
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        let (known, lower) = (*BY_LENGTH.get(name.len())?)?;
        if is(name, lower) {
            return Some(known);
        }
        // As long as `Transfer-Encoding`.
        is(name, b"sec-websocket-key").then_some(Self::Key)
    }
}
