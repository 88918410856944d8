//! What a firmware without an allocator does with the crate, for `run` to measure.
//!
//! All that comes in comes through registers, so that the compiler knows nothing of it.

#![no_std]

pub mod peer;

use core::panic::PanicInfo;

use websocket_proto::handshake::{
    Acceptance, ClientRequest, HeadLimits, Rejection, RequestParser, ResponseParser, key_from_nonce,
};
use websocket_proto::{
    CloseCode, CloseFrame, EntropyError, Event, Fragment, Limits, Role, Session, Transport, mask,
};

const HEAD_LIMITS: HeadLimits = HeadLimits { max_head: 1024, ..HeadLimits::DEFAULT };
static REQUEST: ClientRequest<'static> =
    ClientRequest::to("example.com", "/chat").subprotocols(&["chat"]);
const LIMITS: Limits = Limits { max_message: 4096, ..Limits::DEFAULT };

/// Accepts a client's opening handshake and answers its messages.
#[inline(never)]
pub fn serve() {
    let mut received = [0; 1024];
    let mut response = [0; 256];
    let mut len = 0;
    let mut parser = RequestParser::new(HEAD_LIMITS);
    let request = loop {
        len += read(received.get_mut(len..).unwrap_or_default());
        match parser.parse(received.get(..len).unwrap_or_default()) {
            Ok(Some(request)) => break request,
            Ok(None) => {}
            Err(error) => return refuse(error.rejection(), &mut response),
        }
    };
    let answer = match request.upgrade() {
        Ok(Some(upgrade)) => upgrade.accept(&Acceptance::new(), &mut response),
        Ok(None) => return refuse(Some(Rejection::UpgradeRequired), &mut response),
        Err(error) => return refuse(error.rejection(), &mut response),
    };
    let Ok(answer) = answer else { return };
    write(response.get(..answer).unwrap_or_default());
    let head = request.as_bytes().len();
    exchange(Role::Server, received.get_mut(head..len).unwrap_or_default());
}

/// Says why there will be no connection.
fn refuse(rejection: Option<Rejection>, response: &mut [u8]) {
    let Some(rejection) = rejection else { return };
    let len = rejection.write(&mut *response, "").unwrap_or_default();
    write(response.get(..len).unwrap_or_default());
}

/// Opens a connection and answers the server's messages.
#[inline(never)]
pub fn connect() {
    let mut received = [0; 1024];
    let mut len = 0;
    let mut nonce = [0; 16];
    read(&mut nonce);
    let key = key_from_nonce(&nonce);
    let Ok(end) = REQUEST.write(key, &mut received) else { return };
    write(received.get(..end).unwrap_or_default());
    let mut parser = ResponseParser::new(HEAD_LIMITS);
    let response = loop {
        len += read(received.get_mut(len..).unwrap_or_default());
        match parser.parse(received.get(..len).unwrap_or_default()) {
            Ok(Some(response)) => break response,
            Ok(None) => {}
            Err(_) => return,
        }
    };
    if REQUEST.is_accepted(&key, &response) == Ok(true) {
        let head = response.as_bytes().len();
        exchange(Role::Client, received.get_mut(head..len).unwrap_or_default());
    }
}

/// Sends back what comes, and pings, until the connection has ended. `received` is what came behind
/// the head.
#[inline(never)]
pub fn exchange(role: Role, received: &mut [u8]) {
    let mut session = Session::new(role);
    let mut control = [0; 125];
    let mut buffer = [0; 256];
    let mut frame = [0; Session::MAX_REPLY];
    receive(&mut session, received, &mut control);
    while session.transport() == Transport::Open {
        let len = match register() {
            0 => session.ping(b"still there?", masking_key, &mut frame),
            1 => {
                let close = CloseFrame::new(CloseCode::GOING_AWAY, "low battery").ok();
                session.close(close.as_ref(), masking_key, &mut frame)
            }
            _ => Ok(0),
        };
        write(frame.get(..len.unwrap_or_default()).unwrap_or_default());
        let len = read(&mut buffer);
        if len == 0 {
            session.receive_eof();
        }
        receive(&mut session, buffer.get_mut(..len).unwrap_or_default(), &mut control);
    }
}

/// Answers what came, and sends each piece of a message back as a frame.
#[inline(never)]
fn receive(session: &mut Session, mut input: &mut [u8], control: &mut [u8; 125]) {
    let mut reply = [0; Session::MAX_REPLY];
    while let Some(event) = session.receive(&mut input, control, &LIMITS) {
        if let Ok(len) = session.reply(&event, masking_key, &mut reply) {
            write(reply.get(..len).unwrap_or_default());
        }
        if let Event::Chunk(chunk) = event {
            let message_type = chunk.payload.message_type();
            let fragment = match (chunk.first, chunk.last) {
                (true, true) => Fragment::Whole(message_type),
                (true, false) => Fragment::First(message_type),
                (false, false) => Fragment::Middle,
                (false, true) => Fragment::Last,
            };
            send(session, fragment, chunk.payload.as_bytes());
        }
    }
}

/// Sends a frame of a message.
fn send(session: &mut Session, fragment: Fragment, payload: &[u8]) {
    let Ok(header) = session.send(fragment, payload.len() as u64, masking_key) else { return };
    write(&header.encode());
    let mut out = [0; 256];
    let Some(out) = out.get_mut(..payload.len()) else { return };
    out.copy_from_slice(payload);
    if let Some(key) = header.masking_key() {
        mask(out, key, 0);
    }
    write(out);
}

fn masking_key() -> Result<[u8; 4], EntropyError> {
    let mut key = [0; 4];
    if read(&mut key) == key.len() { Ok(key) } else { Err(EntropyError) }
}

/// Reads from the transport; 0 bytes are its end.
#[inline(never)]
fn read(buffer: &mut [u8]) -> usize {
    let mut len = 0;
    for (byte, _) in buffer.iter_mut().zip(0..register()) {
        *byte = register();
        len += 1;
    }
    len
}

/// Writes to the transport.
#[inline(never)]
fn write(bytes: &[u8]) {
    for byte in bytes {
        // SAFETY: the register of a device, which no object in memory shares.
        unsafe { REGISTER.write_volatile(*byte) };
    }
}

/// The value of a device's register.
#[inline(never)]
pub fn register() -> u8 {
    // SAFETY: as above.
    unsafe { REGISTER.read_volatile() }
}

const REGISTER: *mut u8 = 0x4000_c000 as *mut u8;

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    loop {}
}
