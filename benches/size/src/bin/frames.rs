//! The frames of a server and a client, without an opening handshake.

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
