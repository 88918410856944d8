//! A server by embedded-websocket: to compare with.

#![no_std]
#![no_main]

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    loop {
        size::peer::serve();
    }
}
