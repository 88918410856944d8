//! Firmware that uses the crate without an allocator, measured by `run`.
//!
//! All input is read from a device register, so that the compiler cannot predict it.

#![no_std]

pub mod peer;

use core::panic::PanicInfo;

use websocket_proto::frame::mask;
use websocket_proto::handshake::{
    Acceptance, ClientRequest, HeadLimits, OriginPolicy, Rejection, RequestParser, ResponseParser,
};
use websocket_proto::session::{Session, SessionEvent};
use websocket_proto::{
    CloseCode, CloseFrame, EntropyError, Fragment, Input, Limits, MessageType, Role, Transport,
};

const HEAD_LIMITS: HeadLimits = HeadLimits::DEFAULT.with_max_head(1024);
static REQUEST: ClientRequest<'static> =
    ClientRequest::to("example.com", "/chat").with_subprotocols(&["chat"]);
const LIMITS: Limits = Limits::DEFAULT.with_max_message(4096);

/// Accepts a client's opening handshake and echoes its messages.
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
            Err(error) => return reject(error.rejection(), &mut response),
        }
    };
    let answer = match request.upgrade(&OriginPolicy::same()) {
        Ok(Some(upgrade)) => upgrade.accept(&Acceptance::new(), &mut response),
        Ok(None) => return reject(Some(Rejection::UpgradeRequired), &mut response),
        Err(error) => return reject(error.rejection(), &mut response),
    };
    let Ok(answer) = answer else { return };
    write(response.get(..answer).unwrap_or_default());
    let head = request.as_bytes().len();
    exchange(Role::Server, received.get_mut(head..len).unwrap_or_default());
}

/// Writes the response to a request that is rejected.
fn reject(rejection: Option<Rejection>, response: &mut [u8]) {
    let Some(rejection) = rejection else { return };
    let len = rejection.write(&mut *response, "").unwrap_or_default();
    write(response.get(..len).unwrap_or_default());
}

/// Opens a connection and echoes the server's messages.
#[inline(never)]
pub fn connect() {
    let mut received = [0; 1024];
    let mut len = 0;
    let mut nonce = [0; 16];
    read(&mut nonce);
    let Ok(end) = REQUEST.write(&nonce, &mut received) else { return };
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
    if let Ok(Some(_)) = REQUEST.verify(&nonce, &response) {
        let head = response.as_bytes().len();
        exchange(Role::Client, received.get_mut(head..len).unwrap_or_default());
    }
}

/// Echoes and pings until the connection has ended. `received` holds the bytes that followed the head.
#[inline(never)]
pub fn exchange(role: Role, received: &mut [u8]) {
    let mut session = Session::with_limits(role, LIMITS);
    let mut buffer = [0; 256];
    let mut frame = [0; Session::MAX_CONTROL_FRAME_LEN];
    receive(&mut session, &mut Input::with_bytes(received));
    while session.transport() == Transport::Open {
        let len = match register() {
            0 => session.ping(b"still there?", masking_key, &mut frame),
            1 => {
                let close = CloseFrame::new(CloseCode::GOING_AWAY, "low battery").ok();
                session.close(close, masking_key, &mut frame)
            }
            _ => Ok(0),
        };
        write(frame.get(..len.unwrap_or_default()).unwrap_or_default());
        let len = read(&mut buffer);
        let mut input = Input::with_bytes(buffer.get_mut(..len).unwrap_or_default());
        if len == 0 {
            input.finish();
        }
        receive(&mut session, &mut input);
    }
}

/// Replies to control frames, and sends each part of a message back as a frame.
#[inline(never)]
fn receive(session: &mut Session, input: &mut Input<'_>) {
    let mut frame = [0; Session::MAX_CONTROL_FRAME_LEN];
    let mut copy = [0; 256];
    loop {
        if let Ok(len) = session.write_reply(masking_key, &mut frame) {
            write(frame.get(..len).unwrap_or_default());
        }
        let (message_type, fragment, payload) = match session.receive(input) {
            Ok(Some(SessionEvent::Text(text, fragment))) => {
                (MessageType::Text, fragment, text.as_bytes())
            }
            Ok(Some(SessionEvent::Binary(payload, fragment))) => {
                (MessageType::Binary, fragment, payload)
            }
            Ok(Some(_)) => continue,
            Ok(None) | Err(_) => return,
        };
        // The event borrows from the session, which encodes the header.
        let Some(copy) = copy.get_mut(..payload.len()) else { continue };
        copy.copy_from_slice(payload);
        send(session, message_type, fragment, copy);
    }
}

/// Sends one frame of a message.
fn send(session: &mut Session, message_type: MessageType, fragment: Fragment, payload: &mut [u8]) {
    let len = payload.len() as u64;
    let Ok(header) = session.data_header(message_type, fragment, len, masking_key) else { return };
    write(&header.encode());
    if let Some(key) = header.masking_key() {
        mask(payload, key, 0);
    }
    write(payload);
}

fn masking_key() -> Result<[u8; 4], EntropyError> {
    let mut key = [0; 4];
    if read(&mut key) == key.len() { Ok(key) } else { Err(EntropyError) }
}

/// Reads from the transport; 0 bytes mean EOF.
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
        // SAFETY: a device register, which overlaps no object in memory.
        unsafe { REGISTER.write_volatile(*byte) };
    }
}

/// Reads the device register.
#[inline(never)]
pub fn register() -> u8 {
    // SAFETY: a device register, which overlaps no object in memory.
    unsafe { REGISTER.read_volatile() }
}

const REGISTER: *mut u8 = 0x4000_c000 as *mut u8;

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    loop {}
}
