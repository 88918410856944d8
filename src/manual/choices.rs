//! Choices where RFC 6455 and RFC 7692 allow several.
//!
//! # Frames and messages
//!
//! - A message is sent as one frame unless
//!   [`Config::with_max_fragment`](crate::Config::with_max_fragment) or
//!   [`send_chunk`](crate::Connection::send_chunk) splits it (section 5.4).
//! - Each Ping is answered by its own Pong until 4 KiB of automatic Pongs were queued since the
//!   last queued one was written. After that only the newest Ping is answered (section 5.5.3).
//!   [`Config::with_manual_pong`](crate::Config::with_manual_pong) leaves the Pongs to the
//!   application.
//! - Incoming text is validated as it arrives. An invalid byte fails the connection at once, even
//!   in the middle of a frame (section 8.1).
//!
//! # Closing
//!
//! - The reply to a Close frame repeats its code without its reason, and is queued at once, unless
//!   [`Config::with_manual_close`](crate::Config::with_manual_close) leaves it to the application
//!   (section 5.5.1).
//! - After our own Close frame, the peer's messages are delivered and its Pings are answered until
//!   its Close frame arrives (sections 1.4 and 5.5.2).
//! - A failure sends a Close frame with its [code](crate::ConnectionError::close_code), if the peer
//!   can still read it, and drops all further input (section 7.1.7).
//! - A Close frame with a code below 1000, from 1004 to 1006, from 1015 to 2999, or above 4999 is a
//!   protocol error (section 7.4).
//! - After the closing handshake a server ends its direction of the transport first; a client waits
//!   for that (section 7.1.1).
//!
//! # The opening handshake
//!
//! - A server rejects pages of other origins with 403 unless its
//!   [`OriginPolicy`](crate::handshake::OriginPolicy) allows them (section 10.2).
//! - A request without `Sec-WebSocket-Version` is answered with 426, like a request with a version
//!   other than 13 (section 4.4).
//! - A URI with user information is an error; the crate does not send it (section 3).
//!
//! # Compression
//!
//! - A server accepts the first valid offer of permessage-deflate if its [`Config`](crate::Config)
//!   enables the extension; by default it accepts none (RFC 7692, section 5.1).
//! - Context takeover is off in both directions unless the configuration enables it (section 7.1.1).
//! - A server answers with a window below 15 bits for the client only if the offer permits it
//!   (section 7.1.2.2).
//! - A whole message is compressed only if it is long enough and becomes smaller; the first message of
//!   a context may grow by 2 bytes. Pieces of a message are always compressed; a single piece that is
//!   the whole message counts as a whole message (section 6). If the peer demands a window of 8 bits, nothing is compressed.
