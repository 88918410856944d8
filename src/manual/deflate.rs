//! permessage-deflate: when to compress, what it costs, and what it can reveal.
//!
//! The feature `deflate` adds the extension of RFC 7692. It is off until
//! [`Config::with_deflate`](crate::Config::with_deflate) enables it. A client then offers it, a server
//! accepts it, and each message that is long enough is compressed if that makes it smaller:
//!
#![cfg_attr(feature = "deflate", doc = "```")]
#![cfg_attr(not(feature = "deflate"), doc = "```ignore")]
//! use websocket_proto::{Config, Connection, Deflate, DeflateParameters, Event, Input, Negotiated};
//!
//! static CONFIG: Config = Config::new().with_deflate(Deflate::new());
//!
//! // `ServerHandshake` and `ClientHandshake` negotiate. Here another HTTP stack did:
//! let agreed = DeflateParameters::new().with_server_no_context_takeover();
//! let negotiated = Negotiated::new().with_deflate_parameters(agreed);
//! let mut connection = Connection::server(&CONFIG, &negotiated);
//! connection.send("{\"id\":1,\"name\":\"a\"},".repeat(50))?;
//! assert!(connection.output().len() < 100);
//! # Ok::<(), websocket_proto::SendError>(())
//! ```
//!
//! # When to use it
//!
//! Compression exchanges processor time for bytes. Except in the table of levels, the figures of this page
//! are of `benches/peers`. JSON of 1 KiB shrinks to a third, of 16 KiB to a
//! fifth, at 7 to 11 µs for each KiB (10 to 15 µs with context). It pays on slow or metered paths, and
//! where the same state is sent to many clients ([`PreparedMessage`](crate::PreparedMessage) compresses
//! once for all of them). It does not pay on a fast local network, for messages that are compressed already
//! (images, video, archives), and for very short messages:
//! [`with_min_len`](crate::Deflate::with_min_len) excludes those.
//! [`send_uncompressed`](crate::Connection::send_uncompressed) excludes a single message.
//! [`deflate_parameters`](crate::Connection::deflate_parameters) returns the agreed parameters, or `None`
//! if the peer does not speak the extension. [`Session`](crate::session::Session) has no compression.
//!
//! # The level
//!
//! Times relative to the default, level 6, and compressed sizes, both of the benchmark `deflate`, whose
//! JSON has more random digits:
//!
//! | [level](crate::Deflate::with_level) | 128 B with context: time | size | 16 KiB without: time | size |
//! |---|--:|--:|--:|--:|
//! | 1 | 0.09 | 42 % | 0.26 | 39 % |
//! | 2 | 0.77 | 40 % | 0.45 | 27 % |
//! | 3 | 0.76 | 38 % | 0.62 | 26 % |
//! | 6 | 1.00 | 35 % | 1.00 | 24 % |
//! | 7 | 1.35 | 34 % | 1.39 | 23 % |
//! | 9 | 1.30 | 34 % | 1.55 | 24 % |
//!
//! For short messages with context, level 1 costs a tenth of the time. To keep the context of many
//! connections, a [window](crate::Deflate::with_outgoing_window_bits) of 12 bits and the
//! [memory level](crate::Deflate::with_memory_level) 1 take 149 KiB for each instead of 372, and messages of
//! 128 B shrink to 40 % instead of 35 %.
//!
//! # What it costs
//!
//! The codecs belong to the thread and are shared by all its connections. A connection owns one only
//! within a message, or between messages with outgoing context takeover:
//!
//! | state of the connection | memory of its own |
//! |---|---|
//! | idle, no context takeover (the default) | none |
//! | idle, [incoming context takeover](crate::Deflate::with_incoming_context_takeover) | the last bytes received, at most the window: 32 KiB |
//! | idle, [outgoing context takeover](crate::Deflate::with_outgoing_context_takeover) | a compressor, 135 to 484 KiB |
//! | in the middle of an incoming compressed message | an inflater, 47 KiB, and its window, 32 KiB |
//! | in the middle of an outgoing message that is sent in pieces | a compressor, 135 to 484 KiB |
//!
//! The pool of a thread keeps at most 16 inflaters, 7 compressors and an output buffer, less than 5 MiB,
//! until the thread ends. A process keeps at most 5 MiB for each of its threads; a program with a thread
//! for each connection has a pool for each connection, too. With the default configuration and messages
//! that are sent whole and arrive one by one, a pool keeps 1.1 MiB. After the first messages of a thread,
//! a codec is created only for a connection that keeps its context, or if more than 16 compressed
//! messages arrive at once, more than 7 are sent in pieces at once, configurations set many different
//! memory levels, or tasks move between threads within a message. `benches/README.md` has the memory of
//! each window and memory level, and the times beside other implementations.
//!
//! Each piece of [`send_chunk`](crate::Connection::send_chunk) is flushed, which costs time and bytes: pieces
//! of 4 KiB and more compress well.
//!
//! Context takeover lets a message refer to those before it. It helps with short messages that resemble
//! each other: 128 bytes of JSON shrink to 27 % with context and to 84 % without, and 32 bytes to a third
//! if [`with_min_len`](crate::Deflate::with_min_len) admits them. Each direction has its own context.
//! Allowing the peer's costs little; keeping our own costs a compressor for each connection. A compressed
//! [`PreparedMessage`](crate::PreparedMessage) refers to no other message, and the next message to none
//! before it: with prepared messages alone, leave outgoing context takeover off. A message that does not become
//! smaller also ends the context: send what is compressed already with
//! [`send_uncompressed`](crate::Connection::send_uncompressed), which keeps it.
//!
//! Both sides must agree to keep a context:
//!
//! | context of | client | server |
//! |---|---|---|
//! | the client's messages | [`with_outgoing_context_takeover`](crate::Deflate::with_outgoing_context_takeover) | [`with_incoming_context_takeover`](crate::Deflate::with_incoming_context_takeover) |
//! | the server's messages | [`with_incoming_context_takeover`](crate::Deflate::with_incoming_context_takeover) | [`with_outgoing_context_takeover`](crate::Deflate::with_outgoing_context_takeover) |
//!
//! A client without [incoming context takeover](crate::Deflate::with_incoming_context_takeover) demands
//! that the server keeps no context. A server that insists on its context, such as `ws` for Node with
//! `serverNoContextTakeover: false`, then answers 400, "Invalid or unacceptable Sec-WebSocket-Extensions
//! header": enable the takeover.
//!
//! # Limits
//!
//! The [message limit](crate::Limits::with_max_message) applies to inflated bytes, before they are
//! allocated: a compressed message of any ratio fails with 1009 at the first byte beyond the limit. With a
//! message limit, the compressed payload may have 16 times as many bytes plus 64 KiB, so that a message of
//! blocks that inflate to nothing ends. With [`Delivery::Chunks`](crate::Delivery::Chunks) and no limit, such
//! a message causes no event and never ends: set one. The [frame limit](crate::Limits::with_max_frame) applies to frames as they
//! are on the wire. In chunks, a message of any length is inflated in constant memory. A message that is not a DEFLATE stream fails the connection with
//! [`InvalidCompression`](crate::Violation::InvalidCompression), and the peer receives the code 1007 with the
//! reason "invalid compressed data".
//!
//! # Secrets
//!
//! The length of compressed data depends on its content. If a message contains both a secret and text
//! that an attacker can choose, and the attacker can observe the length of the encrypted messages, then
//! the attacker can guess the secret piece by piece: a guess that repeats a part of the secret makes
//! the message shorter (the attacks CRIME and BREACH on TLS and HTTP). Context takeover extends this to
//! secrets and chosen text in different messages of one connection. Send secrets such as session
//! tokens with [`send_uncompressed`](crate::Connection::send_uncompressed), or on a connection without
//! compression. A message that is sent uncompressed does not become a part of the context. Connections
//! share codecs, but never a context: a secret of one connection cannot shorten the messages of another. The
//! [minimum length](crate::Deflate::with_min_len) protects no secret.
