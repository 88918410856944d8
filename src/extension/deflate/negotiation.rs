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

    use super::super::parameters::ParameterText;
    use super::*;
    use crate::Role;

    fn accept(deflate: Deflate, lists: &[&str]) -> Option<std::string::String> {
        let lists = lists.iter().map(|list| list.as_bytes());
        deflate.accept_offer(lists).map(|agreed| agreed.to_string())
    }

    const TAKEOVER: Deflate =
        Deflate::new().with_outgoing_context_takeover().with_incoming_context_takeover();

    #[test]
    fn server_answers_the_first_acceptable_offer() {
        for (deflate, offer, expected) in [
            (TAKEOVER, "permessage-deflate", ""),
            (TAKEOVER, "permessage-deflate; client_max_window_bits", ""),
            (TAKEOVER, "x-other, permessage-deflate", ""),
            (
                TAKEOVER,
                "permessage-deflate; server_no_context_takeover",
                "; server_no_context_takeover",
            ),
            (
                TAKEOVER,
                "permessage-deflate; client_no_context_takeover",
                "; client_no_context_takeover",
            ),
            (
                Deflate::new(),
                "permessage-deflate",
                "; server_no_context_takeover; client_no_context_takeover",
            ),
            (
                TAKEOVER,
                "permessage-deflate; server_max_window_bits=10",
                "; server_max_window_bits=10",
            ),
            (
                TAKEOVER,
                "permessage-deflate; server_max_window_bits=\"10\"",
                "; server_max_window_bits=10",
            ),
            (
                TAKEOVER,
                "permessage-deflate; server_max_window_bits=8",
                "; server_max_window_bits=8",
            ),
            (
                TAKEOVER,
                "permessage-deflate; server_max_window_bits=15",
                "; server_max_window_bits=15",
            ),
            (
                TAKEOVER.with_outgoing_window_bits(9),
                "permessage-deflate; server_max_window_bits=15",
                "; server_max_window_bits=9",
            ),
            (
                TAKEOVER.with_outgoing_window_bits(9),
                "permessage-deflate",
                "; server_max_window_bits=9",
            ),
            (
                TAKEOVER.with_incoming_window_bits(9),
                "permessage-deflate; client_max_window_bits",
                "; client_max_window_bits=9",
            ),
            (
                TAKEOVER.with_incoming_window_bits(12),
                "permessage-deflate; client_max_window_bits=10",
                "; client_max_window_bits=10",
            ),
            // Without the parameter in the offer, only the context can be limited.
            (
                TAKEOVER.with_incoming_window_bits(9),
                "permessage-deflate",
                "; client_no_context_takeover",
            ),
            // Declined offers before an acceptable one.
            (
                TAKEOVER,
                "permessage-deflate; server_max_window_bits=16, \
                permessage-deflate; server_max_window_bits=12, permessage-deflate",
                "; server_max_window_bits=12",
            ),
        ] {
            let expected = std::format!("permessage-deflate{expected}");
            assert_eq!(accept(deflate, &[offer]), Some(expected), "{offer}");
        }
    }

    #[test]
    fn server_reads_offers_from_several_fields() {
        let lists = ["permessage-deflate; unknown", "x-other", "permessage-deflate"];
        assert_eq!(accept(TAKEOVER, &lists), Some("permessage-deflate".to_string()));
    }

    #[test]
    fn server_declines_invalid_offers() {
        for parameters in [
            "unknown",
            "server_no_context_takeover=1",
            "server_no_context_takeover; server_no_context_takeover",
            "client_no_context_takeover=true",
            "server_max_window_bits",
            "server_max_window_bits=7",
            "server_max_window_bits=16",
            "server_max_window_bits=010",
            "server_max_window_bits=09",
            "server_max_window_bits=1",
            "server_max_window_bits=100",
            "server_max_window_bits=x",
            "server_max_window_bits=10; server_max_window_bits=10",
            "client_max_window_bits=7",
            "client_max_window_bits=16",
            "client_max_window_bits=08",
            "client_max_window_bits; client_max_window_bits",
            "client_max_window_bits=10; client_max_window_bits",
            "Server_No_Context_Takeover",
        ] {
            let offer = std::format!("permessage-deflate; {parameters}");
            assert_eq!(accept(TAKEOVER, &[&offer]), None, "{offer}");
        }
        assert_eq!(accept(TAKEOVER, &["x-webkit-deflate-frame"]), None);
        assert_eq!(accept(TAKEOVER, &[]), None);
    }

    #[test]
    fn offer_names_every_restriction() {
        let offer = |deflate| Offer::new(&deflate).to_string();
        assert_eq!(offer(TAKEOVER), "permessage-deflate; client_max_window_bits");
        assert_eq!(
            offer(Deflate::new()),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
            client_max_window_bits"
        );
        let longest = Deflate::new().with_incoming_window_bits(10).with_outgoing_window_bits(12);
        assert_eq!(
            ParameterText::new(Offer::new(&longest)).as_ref(),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
            server_max_window_bits=10; client_max_window_bits=12"
        );
    }

    #[test]
    fn client_checks_the_response_against_its_offer() {
        let narrow = TAKEOVER.with_incoming_window_bits(10).with_outgoing_window_bits(12);
        for (deflate, response, expected) in [
            (TAKEOVER, "permessage-deflate", Ok(true)),
            (TAKEOVER, "", Ok(false)),
            (TAKEOVER, "permessage-deflate; server_max_window_bits=8", Ok(true)),
            (TAKEOVER, "permessage-deflate; client_max_window_bits=8", Ok(true)),
            (TAKEOVER, "permessage-deflate; client_no_context_takeover", Ok(true)),
            (TAKEOVER, "permessage-deflate; server_no_context_takeover", Ok(true)),
            (narrow, "permessage-deflate; server_max_window_bits=10", Ok(true)),
            (narrow, "permessage-deflate; server_max_window_bits=9", Ok(true)),
            (
                narrow,
                "permessage-deflate; server_max_window_bits=11",
                Err(HandshakeError::InvalidDeflateParameters),
            ),
            (narrow, "permessage-deflate", Err(HandshakeError::InvalidDeflateParameters)),
            (
                narrow,
                "permessage-deflate; server_max_window_bits=10; client_max_window_bits=13",
                Err(HandshakeError::InvalidDeflateParameters),
            ),
            (Deflate::new(), "permessage-deflate", Err(HandshakeError::InvalidDeflateParameters)),
            (
                TAKEOVER,
                "permessage-deflate; client_max_window_bits",
                Err(HandshakeError::InvalidDeflateParameters),
            ),
            (
                TAKEOVER,
                "permessage-deflate; unknown",
                Err(HandshakeError::InvalidDeflateParameters),
            ),
            (
                TAKEOVER,
                "permessage-deflate; server_max_window_bits=08",
                Err(HandshakeError::InvalidDeflateParameters),
            ),
            (
                TAKEOVER,
                "permessage-deflate, permessage-deflate",
                Err(HandshakeError::UnrequestedExtension),
            ),
            (TAKEOVER, "permessage-deflate, x-other", Err(HandshakeError::UnrequestedExtension)),
            (TAKEOVER, "x-other", Err(HandshakeError::UnrequestedExtension)),
            (TAKEOVER, "permessage-deflate;", Err(HandshakeError::InvalidExtensions)),
        ] {
            let agreed = Offer::new(&deflate).verify([response.as_bytes()].into_iter());
            assert_eq!(agreed.map(|agreed| agreed.is_some()), expected, "{response}");
        }
    }

    #[test]
    fn each_side_accepts_the_answer_of_the_other() {
        for client in [9, 12, 15].into_iter().flat_map(settings) {
            for server in [9, 12, 15].into_iter().flat_map(settings) {
                let offer = Offer::new(&client).to_string();
                let agreed = server.accept_offer([offer.as_bytes()]).unwrap();
                let response = agreed.to_string();
                let verified = Offer::new(&client).verify([response.as_bytes()].into_iter());
                assert_eq!(verified, Ok(Some(agreed)), "{offer}, {response}");
                assert!(agreed.window_bits(Role::Server) <= client.incoming_window_bits);
                assert!(
                    agreed.window_bits(Role::Client)
                        <= client.outgoing_window_bits.max(server.incoming_window_bits)
                );
            }
        }
    }

    fn settings(bits: u8) -> impl Iterator<Item = Deflate> {
        let base =
            Deflate::new().with_incoming_window_bits(bits).with_outgoing_window_bits(24 - bits);
        [
            base,
            base.with_incoming_context_takeover(),
            base.with_outgoing_context_takeover(),
            base.with_incoming_context_takeover().with_outgoing_context_takeover(),
        ]
        .into_iter()
    }

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
