//! A server and a client: opening handshakes and frames.

#![no_std]
#![no_main]

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    loop {
        size::serve();
        size::connect();
    }
}
