//! Performance: the plain loop is the fast loop.
//!
//! There is one way to drive a connection, and it is the fast one. `benches/README.md` has the
//! measurements and the commands. These decisions remain for the driver:
//!
//! - **The size of the read buffer.** 16 to 64 KiB suit most traffic. A message that is whole in
//!   the buffer is delivered without a copy; for messages of 64 KiB, use 128 to 256 KiB. One buffer
//!   can serve all connections of a thread.
//! - **The write timeout of a blocking socket.** While both directions are full, the loop carries one read
//!   buffer for one or two write timeouts: see [blocking sockets](super::driving#blocking-sockets). 10 ms
//!   suits most programs. If such bursts are frequent, use two threads, as the example `shared` does.
//! - **One write for each turn of the loop.** Queue all replies to the messages of one read, then
//!   write: many small messages leave in one system call.
//! - **Large payloads as `Bytes`, `Vec` or `String`.** A server queues owned payloads of 2 KiB and
//!   more without a copy. [`write_to`](crate::Output::write_to) writes them together with their
//!   headers by vectored writes.
//! - **Broadcast with [`PreparedMessage`](crate::PreparedMessage).** The message is encoded once
//!   for all receivers.
//! - **The default feature `simd`.** It selects the instructions of the processor at run time.
//! - **The release profile.** With `lto = "fat"` and `codegen-units = 1`, small messages take about an
//!   eighth fewer instructions than with cargo's defaults, and fragmented ones a fifth.
//! - **The [`Entropy`](crate::Entropy) of clients.** A client draws masking keys in blocks of 64,
//!   so a faster source than the operating system's helps only with very many small messages.
