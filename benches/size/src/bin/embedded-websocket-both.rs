//! A server and a client with embedded-websocket, for comparison.

#![no_std]
#![no_main]

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    loop {
        size::peer::serve();
        size::peer::connect();
    }
}
