//! Conversions for clients.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::str;

use ::http::{HeaderValue, Request, Response, StatusCode, Uri, Version};

use super::{append, append_extra, fields_of};
use crate::SharedConfig;
use crate::handshake::fields::{EXTENSIONS, HandshakeFields, SUBPROTOCOLS, elements};
use crate::handshake::request::verify_switch;
use crate::handshake::{
    ClientHandshake, ClientRequest, Field, HandshakeError, InvalidHead, Negotiated, accept_key,
    key_from_nonce,
};

/// # Types of `http`
impl<'a> ClientRequest<'a> {
    /// Returns the HTTP/1.1 request, for another stack to write. `nonce` is that of
    /// [`write`](Self::write).
    ///
    /// # Errors
    ///
    /// The first part of the request that is invalid.
    pub fn to_http(&self, nonce: &[u8; 16]) -> Result<Request<()>, InvalidHead> {
        self.check()?;
        let mut request = Request::new(());
        *request.uri_mut() =
            Uri::try_from(self.target().concat()).map_err(|_| InvalidHead::Target)?;
        let headers = request.headers_mut();
        append(headers, Field::new("host", self.authority()))?;
        append(headers, Field::new("upgrade", "websocket"))?;
        append(headers, Field::new("connection", "Upgrade"))?;
        append(headers, Field::new("sec-websocket-key", &key_from_nonce(nonce)))?;
        append(headers, Field::new("sec-websocket-version", "13"))?;
        let subprotocols: String = self.subprotocol_list().collect();
        if !subprotocols.is_empty() {
            append(headers, Field::new(SUBPROTOCOLS, &subprotocols))?;
        }
        if let Some(list) = self.extensions.list() {
            append(headers, Field::new(EXTENSIONS, list.as_ref()))?;
        }
        append_extra(headers, self.extra_fields())?;
        Ok(request)
    }

    /// Verifies an HTTP/1.1 response that another stack parsed, as [`verify`](Self::verify) does.
    ///
    /// # Errors
    ///
    /// The errors of [`verify`](Self::verify).
    pub fn verify_http<'r, B>(
        &self,
        nonce: &[u8; 16],
        response: &'r Response<B>,
    ) -> Result<Option<Negotiated<'r>>, HandshakeError> {
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(None);
        }
        let fields = HandshakeFields::collect(fields_of(response.headers()));
        let accept = accept_key(&key_from_nonce(nonce));
        verify_switch(response.version() == Version::HTTP_11, &fields, &accept)?;
        let lists = response.headers().get_all(EXTENSIONS).iter().map(HeaderValue::as_bytes);
        Negotiated::from_response(&fields, lists, &self.extensions, |one| self.offers(one))
            .map(Some)
    }

    /// Returns the Extended CONNECT request of [`extended_connect`](Self::extended_connect), for
    /// another stack to write. The types of the crate `http` have no place for its `:protocol`: pass
    /// `websocket` to the stack in the way that it requires.
    ///
    /// # Errors
    ///
    /// The first part of the request that is invalid.
    pub fn extended_connect_http(&self) -> Result<Request<()>, InvalidHead> {
        let extensions = self.extensions.list();
        let composed = self.target().into_iter().chain(self.subprotocol_list());
        let composed = composed.chain(extensions.as_ref().map(AsRef::as_ref));
        let mut buffer = alloc::vec![0; composed.map(str::len).sum()];
        let fields = self.extended_connect(&mut buffer)?;
        let scheme = if self.is_secure() { "https" } else { "http" };
        let uri = format!("{scheme}://{}{}", self.authority(), self.target().concat());
        let mut request = Request::new(());
        *request.method_mut() = ::http::Method::CONNECT;
        *request.uri_mut() = Uri::try_from(uri).map_err(|_| InvalidHead::Target)?;
        for field in fields.filter(|field| !field.name_bytes().starts_with(b":")) {
            append(request.headers_mut(), field)?;
        }
        Ok(request)
    }

    /// Verifies a response to an Extended CONNECT that another stack parsed, as
    /// [`verify_extended_connect`](Self::verify_extended_connect) does.
    ///
    /// # Errors
    ///
    /// The errors of [`verify_extended_connect`](Self::verify_extended_connect).
    pub fn verify_extended_connect_http<'r, B>(
        &self,
        response: &'r Response<B>,
    ) -> Result<Option<Negotiated<'r>>, HandshakeError> {
        let status = response.status();
        self.check_extended_response(status.as_str().as_bytes(), &response.headers().into())
    }
}

/// # Types of `http`
impl ClientHandshake {
    /// Creates a handshake with the URI of `request`, which must be absolute, and its fields, and queues
    /// the request that opens a WebSocket. `Sec-WebSocket-Protocol` lists the subprotocols to offer. Other
    /// fields that the handshake writes itself are omitted: `config` decides whether permessage-deflate
    /// is offered. The method, the version and the body of `request` are ignored.
    ///
    /// # Errors
    ///
    /// The errors of [`new`](Self::new), and [`InvalidHead::Target`] if
    /// [`Uri::parse`](crate::handshake::Uri::parse) rejects the URI.
    pub fn from_http<B>(
        config: impl Into<SharedConfig>,
        request: &Request<B>,
    ) -> Result<Self, InvalidHead> {
        let uri: String = format!("{}", request.uri());
        let uri = crate::handshake::Uri::parse(&uri).map_err(|_| InvalidHead::Target)?;
        let lists = request.headers().get_all(SUBPROTOCOLS).iter();
        let subprotocols = lists.map(HeaderValue::as_bytes).flat_map(elements).map(str::from_utf8);
        let subprotocols: Result<Vec<&str>, _> = subprotocols.collect();
        let subprotocols = subprotocols.map_err(|_| InvalidHead::Subprotocol)?;
        let fields = fields_of(request.headers()).filter(|field| !field.is_reserved());
        let fields: Vec<_> = fields.collect();
        let request =
            ClientRequest::new(&uri).with_subprotocols(&subprotocols).with_fields(&fields);
        Self::new(config, &request)
    }
}
