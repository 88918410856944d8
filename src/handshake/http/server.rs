//! Conversions for servers.

use alloc::vec::Vec;
use core::fmt;
use core::str;

use ::http::{HeaderValue, Request, Response, StatusCode, Uri, Version};

use super::{append, append_extra, fields_of, response_of, with_status};
use crate::Connection;
use crate::handshake::authority::default_port;
use crate::handshake::fields::SUBPROTOCOLS;
use crate::handshake::http2::PseudoFields;
use crate::handshake::upgrade::RequestLine;
use crate::handshake::uri::RequestTarget;
use crate::handshake::{
    AcceptError, Acceptance, ExtendedConnect, Field, HandshakeError, InvalidHead, OriginPolicy,
    Rejection, ServerHandshake, Unaccepted, Upgrade, accept_key,
};

/// # Types of `http`
impl<'a> Upgrade<'a> {
    /// Checks a request that another stack parsed, as
    /// [`RequestHead::upgrade`](crate::handshake::RequestHead::upgrade) does.
    ///
    /// Returns `None` for plain HTTP, and for HTTP/2 and HTTP/3, where
    /// [`ExtendedConnect::from_http`] checks the request.
    ///
    /// # Errors
    ///
    /// The first rule that the request breaks. Respond with
    /// [`rejection`](HandshakeError::rejection), which [`Rejection::to_http`] converts. For
    /// [`HandshakeError::ForbiddenOrigin`], [`OriginPolicy::explain_http`] returns the body.
    ///
    /// ```
    /// use websocket_proto::handshake::{Acceptance, OriginPolicy, Upgrade};
    ///
    /// # let request = http::Request::get("/chat").header("host", "example.com")
    /// #     .header("connection", "Upgrade").header("upgrade", "websocket")
    /// #     .header("sec-websocket-version", "13")
    /// #     .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==").body(())?;
    /// // let request: http::Request<_>
    /// if let Some(upgrade) = Upgrade::from_http(&request, &OriginPolicy::same())? {
    ///     let response = upgrade.accept_http(&Acceptance::new())?;
    ///     assert_eq!(response.status(), 101);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_http<B>(
        request: &'a Request<B>,
        policy: &OriginPolicy<'_>,
    ) -> Result<Option<Self>, HandshakeError> {
        let line = RequestLine {
            method: request.method().as_str().as_bytes(),
            target: request_target(request.uri()),
            is_at_least_1_1: request.version() == Version::HTTP_11,
        };
        Self::check(line, request.headers().into(), policy)
    }

    /// Returns the response that accepts, with status 101 and the additions of `acceptance`.
    ///
    /// # Errors
    ///
    /// The errors of [`accept`](Self::accept).
    pub fn accept_http(&self, acceptance: &Acceptance<'_>) -> Result<Response<()>, InvalidHead> {
        acceptance.check(self.fields())?;
        let accept = accept_key(self.key());
        let mut response = with_status(StatusCode::SWITCHING_PROTOCOLS);
        let headers = response.headers_mut();
        append(headers, Field::new("upgrade", "websocket"))?;
        append(headers, Field::new("connection", "Upgrade"))?;
        append(headers, Field::new("sec-websocket-accept", &accept))?;
        acceptance.negotiated_fields().try_for_each(|field| append(headers, field))?;
        append_extra(headers, acceptance.extra_fields())?;
        Ok(response)
    }
}

fn request_target(uri: &Uri) -> RequestTarget<'_> {
    let path_and_query = uri.path_and_query().map_or("", |path| path.as_str()).as_bytes();
    match (uri.scheme_str(), uri.authority()) {
        (None, None) => RequestTarget::parse(path_and_query),
        (Some(scheme), Some(authority)) if default_port(scheme.as_bytes()).is_some() => {
            RequestTarget::Absolute { authority: authority.as_str().as_bytes(), path_and_query }
        }
        (Some(_) | None, Some(_) | None) => RequestTarget::Other,
    }
}

/// # Types of `http`
impl<'a> OriginPolicy<'a> {
    /// Returns the body of a 403 response, as [`explain`](Self::explain) does, to a request that
    /// [`Upgrade::from_http`] or [`ExtendedConnect::from_http`] rejects with
    /// [`HandshakeError::ForbiddenOrigin`].
    ///
    /// ```
    /// use websocket_proto::handshake::OriginPolicy;
    ///
    /// # let request = http::Request::get("/chat").header("host", "10.0.0.7:8080")
    /// #     .header("origin", "https://example.com").body(())?;
    /// // let request: http::Request<_>
    /// let text = OriginPolicy::same().explain_http(&request);
    /// assert!(text.to_string().starts_with(
    ///     "The page's Origin \"https://example.com\" is not the requested host \"10.0.0.7:8080\"."
    /// ));
    /// # Ok::<(), http::Error>(())
    /// ```
    #[must_use]
    pub fn explain_http<'r, B>(&self, request: &'r Request<B>) -> impl fmt::Display + use<'a, 'r, B>
    where
        'a: 'r,
    {
        let value = |name| request.headers().get(name).map(HeaderValue::as_bytes);
        let authority = request_target(request.uri()).authority().or_else(|| value("host"));
        let authority = authority.and_then(|authority| str::from_utf8(authority).ok());
        self.explain(value("origin").unwrap_or_default(), authority.unwrap_or_default())
    }
}

/// # Types of `http`
impl<'a> ExtendedConnect<'a> {
    /// Checks a request that another stack parsed, as [`parse`](Self::parse) does.
    ///
    /// `protocol` is the `:protocol` of the request. The types of the crate `http` have no place for
    /// it; stacks put it into the extensions of the request.
    ///
    /// # Errors
    ///
    /// The errors of [`parse`](Self::parse). For [`HandshakeError::ForbiddenOrigin`],
    /// [`OriginPolicy::explain_http`] returns the body of the response.
    ///
    /// ```
    /// use websocket_proto::handshake::{Acceptance, ExtendedConnect, OriginPolicy};
    ///
    /// # let request = http::Request::connect("https://example.com/chat")
    /// #     .version(http::Version::HTTP_2).header("sec-websocket-version", "13").body(())?;
    /// # let protocol = Some("websocket");
    /// // let request: http::Request<_>
    /// // let protocol = request.extensions().get::<h2::ext::Protocol>().map(|p| p.as_str());
    /// match ExtendedConnect::from_http(&request, protocol, &OriginPolicy::same()) {
    ///     Ok(Some(connect)) => {
    ///         let response = connect.accept_http(&Acceptance::new())?;
    ///         assert_eq!(response.status(), 200);
    ///     }
    ///     Ok(None) => { /* not an Extended CONNECT */ }
    ///     Err(error) => { let response = ExtendedConnect::reject_http(error); }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_http<B>(
        request: &'a Request<B>,
        protocol: Option<&'a str>,
        policy: &OriginPolicy<'_>,
    ) -> Result<Option<Self>, HandshakeError> {
        let Some(protocol) = protocol else { return Ok(None) };
        let uri = request.uri();
        let pseudo = PseudoFields {
            method: Some(request.method().as_str().as_bytes()),
            protocol: Some(protocol.as_bytes()),
            scheme: uri.scheme_str().map(str::as_bytes),
            path: uri.path_and_query().map(|path| path.as_str().as_bytes()),
            authority: uri.authority().map(|authority| authority.as_str().as_bytes()),
            status: None,
        };
        Self::check(pseudo, request.headers().into(), policy).map(Some)
    }

    /// Returns the response that accepts, with status 200 and the additions of `acceptance`.
    ///
    /// # Errors
    ///
    /// The errors of [`accept`](Self::accept).
    pub fn accept_http(&self, acceptance: &Acceptance<'_>) -> Result<Response<()>, InvalidHead> {
        response_of(self.accept(acceptance)?)
    }

    /// Returns the response that rejects a request because of `error`, with the fields of
    /// [`reject`](Self::reject).
    #[must_use]
    pub fn reject_http(error: HandshakeError) -> Response<()> {
        let response = response_of(Self::reject(error));
        debug_assert!(response.is_ok(), "the fields of a rejection are valid");
        response.unwrap_or_else(|_| with_status(StatusCode::BAD_REQUEST))
    }
}

/// # Types of `http`
impl Rejection {
    /// Returns this response without a body and the fields that describe one, for another stack to
    /// write over HTTP/1.1.
    ///
    /// It has `Connection: close`, so that the stack reads no further request from the connection: a
    /// client that expects an upgrade may send frames after its request. HTTP/2 and HTTP/3 have no such
    /// field (RFC 9113, section 8.2.2); there, respond with [`ExtendedConnect::reject_http`].
    ///
    /// ```
    /// use websocket_proto::handshake::Rejection;
    ///
    /// let response = Rejection::Forbidden.to_http();
    /// assert_eq!(response.status(), 403);
    /// assert_eq!(response.headers()["connection"], "close");
    /// ```
    #[must_use]
    pub fn to_http(self) -> Response<()> {
        let status = StatusCode::from_u16(self.status());
        debug_assert!(status.is_ok(), "the status codes of rejections are valid");
        let mut response = with_status(status.unwrap_or(StatusCode::BAD_REQUEST));
        let headers = response.headers_mut();
        let appended = self.fields().try_for_each(|field| append(headers, field));
        debug_assert!(appended.is_ok(), "the fields of rejections are valid");
        if let Self::Unavailable { retry_after } = self {
            headers.insert("retry-after", retry_after.into());
        }
        response
    }
}

/// # Types of `http`
impl ServerHandshake {
    /// Accepts the upgrade, as [`accept`](Self::accept) does, with the subprotocol in the
    /// `Sec-WebSocket-Protocol` of `response`, and with all fields that the handshake does not write
    /// itself. A `Sec-WebSocket-Extensions` is omitted: the configuration decides about
    /// permessage-deflate, and [`Acceptance::with_deflate_parameters`] decides otherwise.
    ///
    /// # Errors
    ///
    /// The errors of [`accept`](Self::accept), [`InvalidHead::Status`] if the status code is not 101,
    /// and [`InvalidHead::Subprotocol`] if `Sec-WebSocket-Protocol` occurs more than once.
    #[expect(clippy::result_large_err, reason = "the error gives the handshake back")]
    pub fn accept_response<B>(
        self,
        response: &Response<B>,
    ) -> Result<Connection, Unaccepted<Self>> {
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(Unaccepted { handshake: self, error: InvalidHead::Status.into() });
        }
        let headers = response.headers();
        let mut subprotocols = headers.get_all(SUBPROTOCOLS).iter().map(HeaderValue::to_str);
        let (Ok(subprotocol), None) = (subprotocols.next().transpose(), subprotocols.next()) else {
            return Err(Unaccepted { handshake: self, error: InvalidHead::Subprotocol.into() });
        };
        let fields: Vec<_> = fields_of(headers).filter(|field| !field.is_reserved()).collect();
        let acceptance = Acceptance::new().with_subprotocol(subprotocol);
        self.accept(&acceptance.with_fields(&fields))
    }

    /// Sends a response, as [`respond`](Self::respond) does, with the status code, the fields and
    /// the body of `response`. `Connection`, `Content-Length` and `Transfer-Encoding` are omitted: the
    /// handshake writes its own.
    ///
    /// # Errors
    ///
    /// The errors of [`respond`](Self::respond).
    pub fn respond_with<B: AsRef<[u8]>>(
        &mut self,
        response: &Response<B>,
    ) -> Result<(), AcceptError> {
        let fields = fields_of(response.headers());
        let fields: Vec<_> = fields.filter(|field| !field.is_reserved_in_response()).collect();
        self.respond(response.status().as_u16(), &fields, response.body().as_ref())
    }
}
