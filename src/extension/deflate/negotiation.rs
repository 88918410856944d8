//! The negotiation of permessage-deflate in the opening handshake (RFC 7692, section 7.1).
//!
//! An offer that is invalid, or whose parameters are unknown, is declined; it never fails a handshake.
//! A response with any fault fails it.

use core::fmt;
use core::num::NonZeroU8;

use super::parameters::{CLIENT_MAX_WINDOW_BITS, NAME};
use super::{Deflate, DeflateParameters};
use crate::handshake::HandshakeError;
use crate::handshake::extensions::Extensions;

/// An offer of permessage-deflate: that of this client, or one that a server received.
///
/// `client_max_window_bits` is 15 if the offer has the parameter without a value, which means the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer(DeflateParameters);

impl Offer {
    pub(crate) fn new(deflate: &Deflate) -> Self {
        Self(DeflateParameters {
            server_no_context_takeover: !deflate.incoming_context_takeover,
            client_no_context_takeover: !deflate.outgoing_context_takeover,
            server_max_window_bits: restriction(deflate.incoming_window_bits),
            // RFC 7692, section 7.1.2.2: without the parameter, the server could not limit our window.
            client_max_window_bits: NonZeroU8::new(deflate.outgoing_window_bits),
        })
    }

    /// Returns the valid offers in a request's lists of extensions.
    // RFC 7692, section 7.1: an offer with an invalid or unknown parameter is declined.
    fn all_in<'l>(lists: impl IntoIterator<Item = &'l [u8]>) -> impl Iterator<Item = Self> {
        lists
            .into_iter()
            .flat_map(Extensions::new)
            .filter_map(Result::ok)
            .filter(|extension| extension.name() == NAME)
            .filter_map(|extension| DeflateParameters::parse(&extension, NonZeroU8::new(15)))
            .map(Self)
    }

    /// Verifies the lists of extensions in the response to this offer. Returns the agreement, or `None`
    /// if the server declined.
    pub(crate) fn verify<'l>(
        self,
        lists: impl Iterator<Item = &'l [u8]>,
    ) -> Result<Option<DeflateParameters>, HandshakeError> {
        let mut agreed = None;
        for extension in lists.flat_map(Extensions::new) {
            let extension = extension.map_err(|_| HandshakeError::InvalidExtensions)?;
            if agreed.is_some() || extension.name() != NAME {
                return Err(HandshakeError::UnrequestedExtension);
            }
            // RFC 7692, section 7.1.2.2: `client_max_window_bits` has a value in a response.
            let response = DeflateParameters::parse(&extension, None);
            let response = response.filter(|response| self.permits(response));
            agreed = Some(response.ok_or(HandshakeError::InvalidDeflateParameters)?);
        }
        Ok(agreed)
    }

    /// Returns whether a server may accept this offer with `response`.
    fn permits(self, response: &DeflateParameters) -> bool {
        let Self(offer) = self;
        // RFC 7692, section 7.1.1.1: a server that accepts the parameter answers it.
        if offer.server_no_context_takeover && !response.server_no_context_takeover {
            return false;
        }
        // RFC 7692, section 7.1.2.1: a server that accepts the parameter answers it with at most the
        // offered value. It may send the parameter without an offer.
        if let Some(max) = offer.server_max_window_bits
            && response.server_max_window_bits.is_none_or(|bits| bits > max)
        {
            return false;
        }
        // RFC 7692, section 7.1.2.2: a server sends the parameter only if it was offered, with at most
        // the offered value.
        match (response.client_max_window_bits, offer.client_max_window_bits) {
            (None, _) => true,
            (Some(bits), Some(max)) => bits <= max,
            (Some(_), None) => false,
        }
    }
}

/// Formats the value of `Sec-WebSocket-Extensions` in a request.
impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(offer) = *self;
        let is_unlimited = offer.client_max_window_bits.is_some_and(|bits| bits.get() == 15);
        let written = DeflateParameters {
            client_max_window_bits: offer.client_max_window_bits.filter(|_| !is_unlimited),
            ..offer
        };
        written.fmt(f)?;
        if is_unlimited { write!(f, "; {CLIENT_MAX_WINDOW_BITS}") } else { Ok(()) }
    }
}

impl Deflate {
    /// Answers the offers in a request's values of `Sec-WebSocket-Extensions`, for a server. Returns
    /// the parameters of the response to the first valid offer, or `None` if there is none.
    ///
    /// A [`ServerHandshake`](crate::handshake::ServerHandshake) whose
    /// [configuration](crate::Config::with_deflate) has permessage-deflate does this itself, and
    /// [`Upgrade::accept_deflate`](crate::handshake::Upgrade::accept_deflate) does it for a request.
    ///
    /// ```
    /// use websocket_proto::Deflate;
    ///
    /// let offers = "permessage-deflate; client_max_window_bits, x-other";
    /// let agreed = Deflate::new().accept_offer([offers.as_bytes()]).unwrap();
    /// assert!(agreed.server_no_context_takeover() && agreed.client_no_context_takeover());
    /// assert_eq!(agreed.client_max_window_bits(), None);
    /// ```
    #[must_use]
    pub fn accept_offer<'l>(
        &self,
        lists: impl IntoIterator<Item = &'l [u8]>,
    ) -> Option<DeflateParameters> {
        Offer::all_in(lists).next().map(|offer| self.answer(offer))
    }

    fn answer(&self, Offer(offer): Offer) -> DeflateParameters {
        // RFC 7692, section 7.1.2.1: the answer to the parameter has at most its value, and may be
        // sent without an offer.
        let server_max_window_bits = match offer.server_max_window_bits {
            Some(bits) => NonZeroU8::new(bits.get().min(self.outgoing_window_bits)),
            None => restriction(self.outgoing_window_bits),
        };
        // RFC 7692, section 7.1.2.2: the parameter may be sent only if it was offered.
        let client_max_window_bits = match offer.client_max_window_bits {
            Some(bits) => restriction(bits.get().min(self.incoming_window_bits)),
            None => None,
        };
        // Without the parameter, the client may use 15 bits: only its context can be limited.
        let client_has_no_limit =
            offer.client_max_window_bits.is_none() && self.incoming_window_bits < 15;
        DeflateParameters {
            server_no_context_takeover: offer.server_no_context_takeover
                || !self.outgoing_context_takeover,
            client_no_context_takeover: offer.client_no_context_takeover
                || !self.incoming_context_takeover
                || client_has_no_limit,
            server_max_window_bits,
            client_max_window_bits,
        }
    }
}

/// Returns a window of these bits as a parameter, which the maximum of 15 does not need.
fn restriction(bits: u8) -> Option<NonZeroU8> {
    NonZeroU8::new(bits).filter(|bits| bits.get() < 15)
}

impl DeflateParameters {
    /// Returns whether an offer in a request's lists of extensions permits these parameters.
    pub(crate) fn is_offered<'l>(&self, lists: impl Iterator<Item = &'l [u8]>) -> bool {
        Offer::all_in(lists).any(|offer| offer.permits(self))
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn received_offer_is_written_as_it_was_read() {
        for list in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=10",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=15",
        ] {
            let offers = Offer::all_in([list.as_bytes()]).map(|offer| offer.to_string());
            assert!(offers.eq([list]), "{list}");
        }
    }
}
