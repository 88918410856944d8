//! Limits, and the memory that a peer can cost.
//!
//! The limits on the peer are inclusive: a peer that exceeds one receives the close code or the HTTP
//! status in the third column. The two bounds on the output apply from their value on.
//!
//! | limit | default | if exceeded | precedent |
//! |---|---|---|---|
//! | incoming message ([`Limits::with_max_message`](crate::Limits::with_max_message)) | 64 MiB for whole messages; none for chunks | 1009 | tungstenite |
//! | incoming data frame ([`Limits::with_max_frame`](crate::Limits::with_max_frame)) | none; the message limit applies | 1009 | |
//! | compressed payload of a message | 16 times the message limit, plus 64 KiB | 1009 | ws for Node: the message limit |
//! | empty fragments ([`Limits::with_max_empty_fragments`](crate::Limits::with_max_empty_fragments)) | 1,024 in a message | 1008 | ws for Node |
//! | queued output ([`Config::with_high_water_mark`](crate::Config::with_high_water_mark)) | 1 MiB | `has_room()` returns `false`, `send` fails with [`Full`](crate::SendError::Full) | uWebSockets: 64 KiB |
//! | automatic Pongs | 4 KiB queued since the last queued one was written | only the newest Ping is answered | section 5.5.3 |
//! | head ([`HeadLimits`](crate::handshake::HeadLimits)) | 32 KiB | 431 | nginx: 4 × 8 KiB |
//! | field line of a head | 16 KiB | 431 | Node: 16 KiB of fields |
//! | fields of a head | 128 | 431 | websockets for Python |
//! | request target | 8 KiB | 414 | RFC 9112, section 3: at least 8,000 |
//! | body of a rejection | 64 KiB | the remainder is dropped | websockets for Python: 1 MiB |
//! | Pings and Pongs ([`ControlRate`](crate::ControlRate)) | none | 1008 | |
//!
//! # Memory
//!
//! - An idle server connection has at most 160 bytes. Without timeouts, statistics and a
//!   [`ControlRate`](crate::ControlRate) it owns no heap; with any of them it owns one block of at most
//!   128 bytes, and with statistics another of 72 bytes. A client adds a block of masking keys of 264
//!   bytes. Context takeover adds a window or a compressor: the page `deflate` has their sizes.
//! - A message that is whole in the input is borrowed from it. A message that is reassembled touches
//!   at most twice the bytes received plus 64 KiB. It reserves at most eight times the bytes received,
//!   or 64 KiB if that is more: a system that commits a page at its first use spends only address
//!   space on it. A compressed message uses at most twice the message limit plus 64 KiB, and may reserve
//!   the message limit when a part of it has inflated to 256 KiB. While it is incomplete, the connection also
//!   holds an inflater of 47 KiB and a window of up to 32 KiB: an empty first fragment suffices.
//! - The output holds at most twice the sum of the high-water mark and one message, plus 5 KiB: `send`
//!   accepts a message of any size while less than the mark is queued, and buffers hold up to twice
//!   their content. Its buffer may come from the thread's pool with up to 96 KiB more.
//! - With `std`, output buffers return to a pool of the thread, which holds less than 1.5 MiB. With
//!   `deflate`, a second pool of the thread holds less than 5 MiB.
//! - The work for a frame does not depend on the amount of queued output. The work for a compressed
//!   message is linear in its compressed and inflated bytes. Blocks with BFINAL set are expensive: each one
//!   costs a copy of the window.
