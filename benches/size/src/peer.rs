//! A counterpart for comparison: the same programs with embedded-websocket, a framer, and with httparse for
//! the request as its documentation advises. Its code is smaller because it checks neither method nor
//! version, reserved bits, masking direction, lengths, fragment order, Close codes nor text across frames,
//! has no limits, and does not answer invalid requests.

use embedded_websocket::{
    EmptyRng, Error, WebSocket, WebSocketClient, WebSocketCloseStatusCode, WebSocketOptions,
    WebSocketReceiveMessageType as Received, WebSocketSendMessageType as Sent, WebSocketServer,
    WebSocketState, WebSocketType, read_http_header,
};
use httparse::Status;
use rand_core::RngCore;

use crate::{read, register, write};

type Server = WebSocket<EmptyRng, embedded_websocket::Server>;

/// Accepts a client's opening handshake and echoes its messages.
#[inline(never)]
pub fn serve() {
    let mut received = [0; 1024];
    let mut response = [0; 256];
    let mut len = 0;
    let (context, head) = loop {
        len += read(received.get_mut(len..).unwrap_or_default());
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(received.get(..len).unwrap_or_default()) {
            Ok(Status::Complete(head)) => {
                let fields = request.headers.iter().map(|field| (field.name, field.value));
                let Ok(Some(context)) = read_http_header(fields) else { return };
                break (context, head);
            }
            Ok(Status::Partial) => {}
            Err(_) => return,
        }
    };
    let mut socket: Server = WebSocketServer::new_server();
    let Ok(answer) = socket.server_accept(&context.sec_websocket_key, None, &mut response) else {
        return;
    };
    write(response.get(..answer).unwrap_or_default());
    exchange(&mut socket, received.get(head..len).unwrap_or_default());
}

/// Opens a connection and echoes the server's messages.
#[inline(never)]
pub fn connect() {
    let mut received = [0; 1024];
    let mut socket = WebSocketClient::new_client(Register);
    let options = WebSocketOptions {
        path: "/chat",
        host: "example.com",
        origin: "http://example.com",
        sub_protocols: Some(&["chat"]),
        additional_headers: None,
    };
    let Ok((end, key)) = socket.client_connect(&options, &mut received) else { return };
    write(received.get(..end).unwrap_or_default());
    let mut len = 0;
    let head = loop {
        len += read(received.get_mut(len..).unwrap_or_default());
        match socket.client_accept(&key, received.get(..len).unwrap_or_default()) {
            Ok((head, _)) => break head,
            Err(Error::HttpHeaderIncomplete) => {}
            Err(_) => return,
        }
    };
    exchange(&mut socket, received.get(head..len).unwrap_or_default());
}

#[inline(never)]
fn exchange<R: RngCore, T: WebSocketType>(socket: &mut WebSocket<R, T>, received: &[u8]) {
    let mut buffer = [0; 256];
    let mut frame = [0; 131];
    receive(socket, received);
    while socket.state == WebSocketState::Open {
        let len = match register() {
            0 => socket.write(Sent::Ping, true, b"still there?", &mut frame),
            1 => {
                let code = WebSocketCloseStatusCode::EndpointUnavailable;
                socket.close(code, Some("low battery"), &mut frame)
            }
            _ => Ok(0),
        };
        write(frame.get(..len.unwrap_or_default()).unwrap_or_default());
        let len = read(&mut buffer);
        if len == 0 {
            return;
        }
        receive(socket, buffer.get(..len).unwrap_or_default());
    }
}

#[inline(never)]
fn receive<R: RngCore, T: WebSocketType>(socket: &mut WebSocket<R, T>, mut input: &[u8]) {
    let mut payload = [0; 256];
    let mut frame = [0; 270];
    while !input.is_empty() {
        let Ok(read) = socket.read(input, &mut payload) else { return };
        input = input.get(read.len_from..).unwrap_or_default();
        let payload = payload.get(..read.len_to).unwrap_or_default();
        let answer = match read.message_type {
            Received::Text if str::from_utf8(payload).is_err() => return,
            Received::Text => Some(Sent::Text),
            Received::Binary => Some(Sent::Binary),
            Received::Ping => Some(Sent::Pong),
            Received::CloseMustReply => Some(Sent::CloseReply),
            Received::Pong | Received::CloseCompleted => None,
        };
        let len = answer.map(|it| socket.write(it, read.end_of_message, payload, &mut frame));
        let len = len.and_then(Result::ok).unwrap_or_default();
        write(frame.get(..len).unwrap_or_default());
    }
}

/// Masking keys read from the device register.
struct Register;

impl RngCore for Register {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        u64::from(self.next_u32()) << 32 | u64::from(self.next_u32())
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        read(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}
