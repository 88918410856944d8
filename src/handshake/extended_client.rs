//! Extended CONNECT from the client's side.

use super::extended_connect::{check_extra, check_list};
use super::field::Fields;
use super::offer::check_chosen;
use super::{ClientRequest, Field, HandshakeError, HeadError};

/// What the server's settings say of Extended CONNECT: whether a client may send one (RFC 8441,
/// section 3).
///
/// ```
/// use websocket_proto::handshake::{ClientRequest, ConnectProtocol, HeadError};
///
/// let mut settings = ConnectProtocol::default();
/// let request = ClientRequest::to("example.com", "/chat");
/// assert!(matches!(
///     request.extended_connect(settings, &mut [0; 64]).map(|_| ()),
///     Err(HeadError::NotEnabled)
/// ));
/// settings.receive(1)?;
/// assert!(request.extended_connect(settings, &mut [0; 64]).is_ok());
/// # Ok::<(), websocket_proto::handshake::HandshakeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectProtocol {
    enabled: bool,
}

impl ConnectProtocol {
    /// The identifier of `SETTINGS_ENABLE_CONNECT_PROTOCOL`, in both versions of HTTP.
    pub const SETTING: u16 = 0x8;

    /// Notes the value of the setting, each time that the server sends it.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::InvalidSetting`], a connection error (`PROTOCOL_ERROR`,
    /// `H3_SETTINGS_ERROR`).
    pub const fn receive(&mut self, value: u64) -> Result<(), HandshakeError> {
        match (self.enabled, value) {
            (_, 1) => {
                self.enabled = true;
                Ok(())
            }
            (false, 0) => Ok(()),
            // RFC 8441, section 3: 0 or 1, and never 0 once it was 1.
            _ => Err(HandshakeError::InvalidSetting),
        }
    }

    /// Whether an Extended CONNECT may be sent.
    #[must_use]
    pub const fn is_enabled(self) -> bool {
        self.enabled
    }
}

impl<'a> ClientRequest<'a> {
    /// The fields of this request as an Extended CONNECT, pseudo-header fields first. What has to
    /// be put together for it is put into `buffer`: the path with its query, and the list of
    /// subprotocols.
    ///
    /// # Errors
    ///
    /// [`HeadError::NotEnabled`] before the server's settings allow it, what of the request cannot
    /// be sent, names of further fields that are not in small letters, and
    /// [`HeadError::BufferFull`].
    pub fn extended_connect<'b>(
        &self,
        settings: ConnectProtocol,
        buffer: &'b mut [u8],
    ) -> Result<impl Iterator<Item = Field<'b>> + use<'a, 'b>, HeadError>
    where
        'a: 'b,
    {
        if !settings.is_enabled() {
            return Err(HeadError::NotEnabled);
        }
        self.check()?;
        check_extra(self.fields)?;
        let (path, buffer) = join(self.target.iter().map(|part| part.as_bytes()), buffer)?;
        let separators = core::iter::once("").chain(core::iter::repeat(", "));
        let list = separators.zip(self.subprotocols).flat_map(|(separator, s)| [separator, s]);
        let (subprotocols, _) = join(list.map(str::as_bytes), buffer)?;
        let subprotocols =
            (!subprotocols.is_empty()).then(|| Field::new("sec-websocket-protocol", subprotocols));
        let extensions = self.extensions.map(|list| Field::new("sec-websocket-extensions", list));
        Ok([
            Field::new(":method", "CONNECT"),
            Field::new(":protocol", "websocket"),
            // RFC 8441, section 5: the scheme is that of HTTP.
            Field::new(":scheme", if self.secure { "https" } else { "http" }),
            Field::new(":path", path),
            Field::new(":authority", self.authority),
            Field::new("sec-websocket-version", "13"),
        ]
        .into_iter()
        .chain(subprotocols)
        .chain(extensions)
        .chain(self.fields.iter().copied()))
    }

    /// Checks the fields of the response to such a request: `false` if the status is not one of
    /// success, which the caller handles as HTTP has it.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::InvalidStatusLine`] for a response without a good `:status`, and what
    /// RFC 6455, section 4.1 asks of extensions and subprotocols.
    pub fn is_connect_accepted(&self, response: &[Field<'_>]) -> Result<bool, HandshakeError> {
        check_list(response, &[":status"]).map_err(|_| HandshakeError::InvalidStatusLine)?;
        let fields = Fields::of_list(response);
        match fields.clone().values(":status").next() {
            // RFC 8441, section 5: success is any 2xx.
            Some([b'2', b'0'..=b'9', b'0'..=b'9']) => {}
            // RFC 9113, section 8.6: there is no 101.
            Some(b"101") => return Err(HandshakeError::InvalidStatusLine),
            Some([b'1' | b'3'..=b'9', b'0'..=b'9', b'0'..=b'9']) => return Ok(false),
            Some(_) | None => return Err(HandshakeError::InvalidStatusLine),
        }
        let is_offered = |subprotocol: &[u8]| self.offers(subprotocol);
        check_chosen(fields, is_offered, self.extensions)?;
        Ok(true)
    }
}

/// Puts `parts` together at the start of `buffer`. Returns them, and the rest of it.
fn join<'p, 'b>(
    parts: impl Iterator<Item = &'p [u8]>,
    buffer: &'b mut [u8],
) -> Result<(&'b [u8], &'b mut [u8]), HeadError> {
    let mut length = 0;
    for part in parts {
        let end = length + part.len();
        buffer.get_mut(length..end).ok_or(HeadError::BufferFull)?.copy_from_slice(part);
        length = end;
    }
    let (joined, rest) = buffer.split_at_mut_checked(length).ok_or(HeadError::BufferFull)?;
    Ok((joined, rest))
}
