//! Migration from tokio-tungstenite: each of its calls, and what replaces it.
//!
//! This module contains documentation only.
//!
//! # What changes in a program
//!
//! - Control frames are not messages. Pings are answered, and a Close is answered and ends the stream of
//!   messages: [`recv`](crate::WebSocket::recv) returns `None`, and
//!   [`peer_close`](crate::WebSocket::peer_close) has its code and reason.
//! - A connection that ends without the closing handshake is an error, as in tokio-tungstenite. A
//!   complete closing handshake is none: there is no `Error::ConnectionClosed`.
//! - `send` completes when the transport has accepted the message. `feed` queues it, and the next wait for
//!   a message writes everything that is queued: a receive loop needs no `flush`.
//! - Keepalive, the detection of dead peers, and deadlines for connecting and closing are on. Remove
//!   timers of your own, or set them with [`Timeouts`](crate::proto::Timeouts).
//! - A server refuses pages of other origins. A public service allows them with
//!   [`OriginPolicy`](crate::proto::handshake::OriginPolicy).
//! - The halves of [`split`](crate::WebSocket::split) work in two tasks without a lock of the program. Keep
//!   both: the receiving half answers Pings.
//!
//! # Clients
//!
//! | tokio-tungstenite | here |
//! |---|---|
//! | `connect_async(uri)` | [`connect(uri)`](crate::connect()) |
//! | `connect_async_with_config(uri, config, nodelay)` | [`ClientBuilder::with_config`](crate::ClientBuilder::with_config); `TCP_NODELAY` is always set |
//! | `connect_async_tls_with_config(.., connector)` | [`ClientBuilder::with_tls`](crate::ClientBuilder) |
//! | `client_async(request, stream)` | [`client(stream, &request)`](crate::client()) |
//! | `client_async_with_config` | [`client_with`](crate::client_with), which returns the response, too |
//! | `client_async_tls` | `tokio_rustls::TlsConnector`, then [`client`](crate::client()) |
//! | `IntoClientRequest`, `http::Request` | [`ClientRequest`](crate::proto::handshake::ClientRequest), or [`ClientBuilder::with_field`](crate::ClientBuilder::with_field) |
//! | `generate_key` | not needed: the handshake draws its key |
//! | the `Response` of a handshake | [`Connected`](crate::Connected), or the result of [`client_with`](crate::client_with); the subprotocol is [`WebSocket::subprotocol`](crate::WebSocket::subprotocol). A refusal is an error that carries the whole response |
//! | `Connector::{Plain, Rustls}` | the scheme of the URI, and [`ClientBuilder::with_tls`](crate::ClientBuilder) |
//! | `MaybeTlsStream` | [`Stream`](crate::Stream) |
//!
//! # Servers
//!
//! | tokio-tungstenite | here |
//! |---|---|
//! | `accept_async(stream)` | [`accept(stream)`](crate::accept) |
//! | `accept_async_with_config(stream, config)` | [`Incoming::receive(stream, config)`](crate::Incoming::receive), then [`accept`](crate::Incoming::accept) |
//! | `accept_hdr_async(stream, callback)` | [`Incoming`](crate::Incoming): read [`request`](crate::Incoming::request), then [`accept`](crate::Incoming::accept), [`reject`](crate::Incoming::reject) or [`respond`](crate::Incoming::respond). The decision may wait, for a database for example |
//! | fields of the callback's `Response` | [`Acceptance::with_fields`](crate::proto::handshake::Acceptance::with_fields), [`with_subprotocol`](crate::proto::handshake::Acceptance::with_subprotocol) |
//! | `ErrorResponse` of the callback | [`Incoming::respond`](crate::Incoming::respond) |
//!
//! # Connections
//!
//! | tokio-tungstenite | here |
//! |---|---|
//! | `WebSocketStream<S>` | [`WebSocket<IO>`](crate::WebSocket) |
//! | `from_raw_socket`, `from_partially_read` | [`WebSocket::from_parts`](crate::WebSocket::from_parts) with a [`Connection`](crate::proto::Connection) and an [`Input`](crate::proto::Input) |
//! | `next()` of `StreamExt` | the same, or [`recv`](crate::WebSocket::recv), which copies nothing |
//! | `send(message)` of `SinkExt` | the same, or [`send`](crate::WebSocket::send), which also takes strings, bytes and prepared messages |
//! | `feed`, `flush` of `SinkExt` | [`feed`](crate::WebSocket::feed), [`flush`](crate::WebSocket::flush) |
//! | `split()` of `StreamExt` | [`WebSocket::split`](crate::WebSocket::split) |
//! | `reunite` | [`Sender::reunite`](crate::Sender::reunite) |
//! | `close(frame)` | [`start_close(frame)`](crate::WebSocket::start_close), or [`close(frame)`](crate::WebSocket::close), which waits for the peer's Close |
//! | `get_ref`, `get_mut`, `into_inner` | [`WebSocket::io`](crate::WebSocket::io), [`io_mut`](crate::WebSocket::io_mut), [`into_io`](crate::WebSocket::into_io) |
//! | `get_config` | [`connection().config()`](crate::proto::Connection::config) |
//!
//! # Messages
//!
//! | tungstenite | here |
//! |---|---|
//! | `Message::Text(Utf8Bytes)` | [`Message::Text(Cow<str>)`](crate::proto::Message) |
//! | `Message::Binary(Bytes)` | [`Message::Binary(Cow<[u8]>)`](crate::proto::Message); `Bytes` can be sent, and `Bytes::from(message.into_bytes())` copies nothing |
//! | `Message::Ping`, sent | [`WebSocket::ping`](crate::WebSocket::ping); keepalive needs none |
//! | `Message::Ping`, `Message::Pong`, received | answered; [`Connection::rtt`](crate::proto::Connection::rtt) has the round-trip time |
//! | `Message::Close(frame)`, sent | [`WebSocket::close`](crate::WebSocket::close) |
//! | `Message::Close(frame)`, received | `None` of `recv`, and [`peer_close`](crate::WebSocket::peer_close) |
//! | `Message::Frame` | none |
//! | `Message::text(..)`, `Message::binary(..)` | `Message::from(..)` |
//! | `is_text`, `is_binary`, `len`, `is_empty` | the same |
//! | `to_text`, `into_text` | [`as_text`](crate::proto::Message::as_text), [`into_text`](crate::proto::Message::into_text) |
//! | `into_data` | [`into_bytes`](crate::proto::Message::into_bytes) |
//! | `CloseFrame { code, reason }` | [`CloseFrame`](crate::proto::CloseFrame), [`CloseCode`](crate::proto::CloseCode) |
//!
//! # Configuration
//!
//! | `WebSocketConfig` | [`Config`](crate::proto::Config) |
//! |---|---|
//! | `read_buffer_size` | none: a connection that waits has no buffer |
//! | `write_buffer_size` | none: everything that is queued leaves in one write |
//! | `max_write_buffer_size` | [`with_high_water_mark`](crate::proto::Config::with_high_water_mark), 1 MiB |
//! | `max_message_size` | [`Limits::with_max_message`](crate::proto::Limits::with_max_message), 64 MiB |
//! | `max_frame_size` | [`Limits::with_max_frame`](crate::proto::Limits::with_max_frame), none |
//! | `accept_unmasked_frames` | none: RFC 6455, section 5.1, forbids them |
//! | none | [`with_deflate`](crate::proto::Config), [`with_timeouts`](crate::proto::Config::with_timeouts), [`with_origin_policy`](crate::proto::Config::with_origin_policy) |
//!
//! # Errors
//!
//! | tungstenite's `Error` | here |
//! |---|---|
//! | `ConnectionClosed` | `Ok(None)` of [`recv`](crate::WebSocket::recv) |
//! | `AlreadyClosed` | [`SendError::Closed`](crate::proto::SendError::Closed) |
//! | `Io` | [`Error::Io`](crate::Error::Io) |
//! | `Tls` | an [`Error`](crate::Error) that says what to try |
//! | `Capacity`, `Protocol`, `Utf8`, `AttackAttempt` | [`Error::Connection`](crate::Error::Connection) with a [`ConnectionError`](crate::proto::ConnectionError) |
//! | `WriteBufferFull` | none: `send` and `feed` wait. [`try_feed`](crate::WebSocket::try_feed) gives the message back |
//! | `Url`, `Http`, `HttpFormat` | [`Error`](crate::Error) of the handshake |
