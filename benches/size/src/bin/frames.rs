//! A server and a client behind an opening handshake that something else does.

#![no_std]
#![no_main]

use websocket_proto::Role;

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    loop {
        let role = if size::register() == 0 { Role::Server } else { Role::Client };
        size::exchange(role, &mut []);
    }
}
