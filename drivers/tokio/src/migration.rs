//! Migration from tokio-tungstenite 0.30: each of its calls, and what replaces it.
//!
//! This module contains documentation only. `tungstenite` stands for the crate that tokio-tungstenite
//! exports under this name; here, [`proto`](crate::proto) is the crate with messages, limits and heads.
//!
//! # What changes in a program
//!
//! - Control frames are not messages. Pings are answered. A Close is answered, and ends the messages:
//!   [`recv`](crate::WebSocket::recv) returns `None`, and
//!   [`peer_close`](crate::WebSocket::peer_close) has its code and reason.
//! - A connection that ends without the closing handshake is an error, as in tokio-tungstenite. A
//!   complete closing handshake is no error: there is no `Error::ConnectionClosed`.
//! - `send` completes when the transport has accepted the message, as in tokio-tungstenite. `feed` queues
//!   it, and `recv` writes everything that is queued before it waits: a receive loop needs no `flush`.
//! - Keepalive, the detection of dead peers, and deadlines for connecting and closing are on. Remove
//!   timers of your own, or set them with [`Timeouts`](crate::proto::Timeouts).
//! - A server rejects pages of other origins. A public service allows them with
//!   [`OriginPolicy`](crate::proto::handshake::OriginPolicy).
//! - The halves of [`split`](crate::WebSocket::split) work in two tasks without a lock of the program. Keep
//!   both: the receiving half answers Pings. A future that uses them in turn, such as `read.forward(write)`, reads
//!   nothing while it is blocked: [below](#streams-and-sinks) is what does.
//!
//! # Clients
//!
//! | tokio-tungstenite | here |
//! |---|---|
//! | `connect_async(uri)` | [`connect(uri)`](crate::connect()) |
//! | `connect_async_with_config(uri, config, disable_nagle)` | [`ClientBuilder::with_config`](crate::ClientBuilder::with_config), then [`connect`](crate::ClientBuilder::connect). `TCP_NODELAY` is always set |
//! | `connect_async_tls_with_config(uri, config, disable_nagle, connector)` | the same, after [`ClientBuilder::with_tls`](crate::ClientBuilder) |
//! | `client_async(request, stream)` | [`client(stream, &request)`](crate::client()) |
//! | `client_async_with_config(request, stream, config)` | [`client_with(stream, &request, config)`](crate::client_with), which returns the response, too |
//! | `client_async_tls(request, stream)`, `client_async_tls_with_config` | `tokio_rustls::TlsConnector::connect`, then [`client`](crate::client()) or [`client_with`](crate::client_with) |
//! | `IntoClientRequest`, `http::Request` | [`ClientBuilder`](crate::ClientBuilder) with the URI, or [`ClientRequest`](crate::proto::handshake::ClientRequest) for a stream |
//! | `ClientRequestBuilder::new(uri)` | [`ClientBuilder::new()`](crate::ClientBuilder::new), and the URI as the argument of `connect` |
//! | `ClientRequestBuilder::with_header(name, value)` | [`ClientBuilder::with_field`](crate::ClientBuilder::with_field) |
//! | `ClientRequestBuilder::with_sub_protocol(name)` | [`ClientBuilder::with_subprotocols`](crate::ClientBuilder::with_subprotocols) |
//! | `generate_key`, `generate_request` | none: the handshake draws its key and writes the request |
//! | the `Response` of a handshake | [`Connected::response`](crate::Connected), or the result of [`client_with`](crate::client_with); the subprotocol is [`WebSocket::subprotocol`](crate::WebSocket::subprotocol). A rejection is [`Error::Rejected`](crate::Error::Rejected), which has the whole response |
//! | `Connector::Plain`, `Connector::Rustls(config)` | the scheme of the URI, and [`ClientBuilder::with_tls`](crate::ClientBuilder) |
//! | `Connector::NativeTls(connector)` | none: open the stream with `tokio-native-tls`, and pass it to [`client`](crate::client()) |
//! | `MaybeTlsStream` | [`Stream`](crate::Stream) |
//! | `MaybeTlsStream::get_ref` | [`Stream::tcp`](crate::Stream::tcp) |
//! | `uri_mode(uri)`, `Mode` | [`Uri::is_secure`](crate::proto::handshake::Uri::is_secure) |
//!
//! # Servers
//!
//! | tokio-tungstenite | here |
//! |---|---|
//! | `accept_async(stream)` | [`accept(stream)`](crate::accept) |
//! | `accept_async_with_config(stream, config)` | [`Incoming::receive(stream, config)`](crate::Incoming::receive), then [`accept`](crate::Incoming::accept) |
//! | `accept_hdr_async(stream, callback)`, `accept_hdr_async_with_config`, `Callback` | [`Incoming`](crate::Incoming): read [`request`](crate::Incoming::request), then call [`accept`](crate::Incoming::accept), [`reject`](crate::Incoming::reject) or [`respond`](crate::Incoming::respond). The program may wait before it decides, for a database for example |
//! | `NoCallback` | [`accept`](crate::accept) |
//! | fields of the callback's `Response` | [`Acceptance::with_fields`](crate::proto::handshake::Acceptance::with_fields), [`with_subprotocol`](crate::proto::handshake::Acceptance::with_subprotocol) |
//! | `ErrorResponse` of the callback | [`Incoming::respond`](crate::Incoming::respond) |
//! | `create_response`, `create_response_with_body`, `write_response`, for a server with an HTTP stack of its own | the module `hyper` of this crate, or [`Upgrade`](crate::proto::handshake::Upgrade) |
//! | `derive_accept_key(key)` | [`accept_key`](crate::proto::handshake::accept_key) |
//!
//! # Connections
//!
//! | tokio-tungstenite | here |
//! |---|---|
//! | `WebSocketStream<S>` | [`WebSocket<IO>`](crate::WebSocket) |
//! | `from_raw_socket(stream, role, config)` | [`WebSocket::from_parts`](crate::WebSocket::from_parts) with a [`Connection::server`](crate::proto::Connection::server) or [`client`](crate::proto::Connection::client) and an empty [`Input`](crate::proto::Input) |
//! | `from_partially_read(stream, part, role, config)` | the same, with an [`Input`](crate::proto::Input) of the bytes that were read |
//! | `next()` of `StreamExt` | the same, or [`recv`](crate::WebSocket::recv), which copies nothing |
//! | `is_terminated` of `FusedStream` | none: [`outcome()`](crate::WebSocket::outcome) is there before `recv` has returned the failure and the messages before it. The stream ends with `None`, and then returns `None` again |
//! | `send(message)` of `SinkExt` | the same, or [`send`](crate::WebSocket::send), which also takes strings, bytes and prepared messages |
//! | `feed`, `flush` of `SinkExt` | [`feed`](crate::WebSocket::feed), [`flush`](crate::WebSocket::flush) |
//! | `split()` of `StreamExt` | [`WebSocket::split`](crate::WebSocket::split) for two tasks; `StreamExt::split(socket)` for [one task](#streams-and-sinks) and for generic code |
//! | `reunite` | [`Sender::reunite`](crate::Sender::reunite) |
//! | `close(frame)` | [`close(frame)`](crate::WebSocket::close), which waits for the peer's Close, or [`start_close`](crate::WebSocket::start_close), which does not |
//! | `get_ref`, `get_mut`, `into_inner` | [`WebSocket::io`](crate::WebSocket::io), [`io_mut`](crate::WebSocket::io_mut), [`into_io`](crate::WebSocket::into_io) |
//! | `get_config` | [`connection().config()`](crate::proto::Connection::config) |
//!
//! # Streams and sinks
//!
//! `read.forward(write)` polls one half at a time. While the sending half of
//! [`WebSocket::split`](crate::WebSocket::split) is blocked, the receiving half is not polled, and nothing is
//! read: a peer that reads nothing is detected [later](crate::Sender#waiting), and two peers that only send block
//! each other until then. The halves of `StreamExt::split` both drive the whole connection, and so does a loop of
//! [`recv`](crate::WebSocket::recv) and [`feed`](crate::WebSocket::feed), which needs no copy of a message. The sink
//! of `StreamExt::split` keeps one message in a slot of its own: if the peer's Close frame is read meanwhile, that
//! message is not sent, and the sink returns [`SendError::Closed`](crate::proto::SendError::Closed). `recv` and
//! `feed` echo it.
//!
//! A filter for text and binary messages is not needed: there are no others. In a spawned task, the compiler
//! rejects a closure over messages in a combinator ("implementation of `FnOnce` is not general enough"), because
//! [`Message`](crate::proto::Message) has a lifetime; a function is accepted:
//!
//! ```
//! use std::future::{Ready, ready};
//!
//! use futures_util::{StreamExt, TryStreamExt};
//! use tokio::net::TcpStream;
//! use tokio_websocket_proto::WebSocket;
//! use tokio_websocket_proto::proto::Message;
//!
//! /// Echoes text in a task of its own, and drops binary messages.
//! fn echo_text(socket: WebSocket<TcpStream>) {
//!     tokio::spawn(async move {
//!         let (write, read) = StreamExt::split(socket);
//!         read.try_filter(is_text).forward(write).await
//!     });
//! }
//!
//! fn is_text(message: &Message<'static>) -> Ready<bool> {
//!     ready(message.is_text())
//! }
//! ```
//!
//! # Messages
//!
//! | tungstenite | here |
//! |---|---|
//! | `Message::Text(Utf8Bytes)` | [`Message::Text(Cow<str>)`](crate::proto::Message) |
//! | `Message::Binary(Bytes)` | [`Message::Binary(Cow<[u8]>)`](crate::proto::Message); `Bytes` can be sent, and `Bytes::from(message.into_bytes())` copies nothing if the message is owned |
//! | `Message::Ping(payload)`, sent | [`WebSocket::ping`](crate::WebSocket::ping); keepalive needs none |
//! | `Message::Pong(payload)`, sent | none: Pings are answered |
//! | `Message::Ping`, `Message::Pong`, received | none: Pings are answered. [`Connection::rtt`](crate::proto::Connection::rtt) has the round-trip time of keepalive Pings |
//! | `Message::Close(frame)`, sent | [`WebSocket::close`](crate::WebSocket::close) |
//! | `Message::Close(frame)`, received | `None` of `recv`, and [`peer_close`](crate::WebSocket::peer_close) |
//! | `Message::Frame`, `Frame`, `FrameHeader`, `FrameSocket` | none in a connection; [`proto::frame`](crate::proto::frame) decodes and encodes headers |
//! | `Message::text(..)`, `Message::binary(..)` | `Message::from(..)` |
//! | `is_text`, `is_binary`, `len`, `is_empty` | the same; [`try_filter`](#streams-and-sinks) with them is not needed |
//! | `is_ping`, `is_pong`, `is_close` | none: a message is text or binary |
//! | `to_text`, `into_text` | [`as_text`](crate::proto::Message::as_text), [`into_text`](crate::proto::Message::into_text) |
//! | `into_data` | [`into_bytes`](crate::proto::Message::into_bytes) |
//! | `Utf8Bytes::as_str`, `Utf8Bytes::from_static` | `&str` |
//! | `CloseFrame { code, reason }` | [`CloseFrame::new(code, reason)`](crate::proto::CloseFrame::new), [`code()`](crate::proto::CloseFrame::code), [`reason()`](crate::proto::CloseFrame::reason) |
//! | `CloseCode::{Normal, Away, Protocol, Unsupported}` | [`CloseCode::{NORMAL, GOING_AWAY, PROTOCOL_ERROR, UNSUPPORTED}`](crate::proto::CloseCode) |
//! | `CloseCode::{Status, Abnormal, Tls}` | [`CloseCode::{NO_STATUS, ABNORMAL, TLS_HANDSHAKE}`](crate::proto::CloseCode) |
//! | `CloseCode::{Invalid, Policy, Size, Extension}` | [`CloseCode::{INVALID_PAYLOAD, POLICY_VIOLATION, MESSAGE_TOO_BIG, MANDATORY_EXTENSION}`](crate::proto::CloseCode) |
//! | `CloseCode::{Error, Restart, Again}` | [`CloseCode::{INTERNAL_ERROR, SERVICE_RESTART, TRY_AGAIN_LATER}`](crate::proto::CloseCode) |
//! | `CloseCode::{Iana, Library, Reserved, Bad}(code)` | [`CloseCode(code)`](crate::proto::CloseCode) |
//! | `CloseCode::is_allowed` | [`CloseCode::is_sendable`](crate::proto::CloseCode::is_sendable) |
//! | `Role` | [`Role`](crate::proto::Role) |
//!
//! # Configuration
//!
//! | `WebSocketConfig` | [`Config`](crate::proto::Config), from [`default_config`](crate::default_config) |
//! |---|---|
//! | `read_buffer_size` | none: a connection that waits has no buffer |
//! | `write_buffer_size` | none: everything that is queued leaves in one write |
//! | `max_write_buffer_size` | [`with_high_water_mark`](crate::proto::Config::with_high_water_mark), 1 MiB |
//! | `max_message_size` | [`Limits::with_max_message`](crate::proto::Limits::with_max_message), 64 MiB |
//! | `max_frame_size` | [`Limits::with_max_frame`](crate::proto::Limits::with_max_frame), the limit of messages |
//! | `accept_unmasked_frames` | none: RFC 6455, section 5.1, forbids them |
//! | none | [`with_deflate(proto::Deflate::new())`](crate::proto::Config), [`with_timeouts`](crate::proto::Config::with_timeouts), [`with_origin_policy`](crate::proto::Config::with_origin_policy) |
//!
//! # Features
//!
//! | tokio-tungstenite | here |
//! |---|---|
//! | `connect`, `handshake`, `stream` | none: always there |
//! | `rustls-tls-native-roots` | `native-roots`, and `ring` or `aws-lc-rs`: the default |
//! | `rustls-tls-webpki-roots` | `webpki-roots` |
//! | `native-tls`, `native-tls-vendored` | none: see `Connector::NativeTls` above |
//! | `url` | none: URIs are strings |
//!
//! # Errors
//!
//! | tungstenite's `Error` | here |
//! |---|---|
//! | `ConnectionClosed` | `Ok(None)` of [`recv`](crate::WebSocket::recv) |
//! | `AlreadyClosed` | `Ok(None)` of [`recv`](crate::WebSocket::recv), [`SendError::Closed`](crate::proto::SendError::Closed) of `send` |
//! | `Io` | [`Error::Io`](crate::Error::Io); while connecting, a [`ConnectError`](crate::ConnectError) |
//! | `Tls` | [`ConnectError::Tls`](crate::ConnectError::Tls) |
//! | `Capacity(MessageTooLong)`, `Protocol`, `Utf8` | [`Error::Connection`](crate::Error::Connection) with a [`ConnectionError`](crate::proto::ConnectionError) |
//! | `Capacity(TooManyHeaders)`, `AttackAttempt`, `Protocol` of the opening handshake | [`Error::Handshake`](crate::Error::Handshake) with a [`HandshakeError`](crate::proto::handshake::HandshakeError) |
//! | `WriteBufferFull` | none: `send` and `feed` wait. [`try_feed`](crate::WebSocket::try_feed) gives the message back |
//! | `Url(UnableToConnect)` | [`ConnectError::Resolve`](crate::ConnectError::Resolve), [`ConnectError::Tcp`](crate::ConnectError::Tcp) |
//! | `Url(TlsFeatureNotEnabled)` | [`ConnectError::TlsDisabled`](crate::ConnectError::TlsDisabled) |
//! | `Url`, other variants | [`ConnectError::Uri`](crate::ConnectError::Uri) |
//! | `Http(response)` | [`Error::Rejected(response)`](crate::Error::Rejected) |
//! | `HttpFormat` | [`Error::Head`](crate::Error::Head) |
//!
//! # tungstenite without tokio
//!
//! | tungstenite | here |
//! |---|---|
//! | `connect`, `client`, `client_tls`, `ClientHandshake`, `MidHandshake` | [`ClientHandshake`](crate::proto::handshake::ClientHandshake), driven over a blocking socket |
//! | `accept`, `accept_hdr`, `ServerHandshake` | [`ServerHandshake`](crate::proto::handshake::ServerHandshake) |
//! | `WebSocket`, `WebSocketContext` | [`Connection`](crate::proto::Connection); the page [`driving`](crate::proto::manual::driving) has the loop |
//! | `set_config` | none: a connection keeps its configuration |
//! | `OpCode`, `Data`, `Control` | [`Opcode`](crate::proto::frame::Opcode) |
//! | `apply_mask` | [`mask`](crate::proto::frame::mask()) |
//!
//! # Examples
//!
//! tokio-tungstenite's programs, rewritten by what they do:
//!
//! | tokio-tungstenite | here |
//! |---|---|
//! | `client` | `client` |
//! | `echo-server` | `echo_server_tokio` |
//! | `server` | `broadcast_server` |
//! | `interval-server` | the same loop with a branch for [`tokio::time::interval`] |
//! | `server-headers` | [`Incoming`](crate::Incoming) has an example that reads the request |
//! | `server-custom-accept` | the module `hyper` of this crate has an example |
//! | `autobahn-client`, `autobahn-server` | `autobahn` |
