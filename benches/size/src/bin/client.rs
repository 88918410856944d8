//! A client: opening handshake and frames.

#![no_std]
#![no_main]

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    loop {
        size::connect();
    }
}
