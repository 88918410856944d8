//! A WebSocket over a stream of HTTP/2 (RFC 8441), with the crate `h2` below.
//!
//! What the crate needs of a stack is here: the fields of a request and of a response as a list,
//! and a loop that carries a [`Connection`] over a stream.

use std::future::poll_fn;

use bytes::{Buf, Bytes};
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use websocket_proto::handshake::Field;
use websocket_proto::{Connection, Event, Transport};

/// Bytes of output that are written before the next event is taken.
const MUCH: usize = 64 << 10;

/// The fields of a request, as the wire has them.
pub fn request_fields<B>(request: &Request<B>) -> Vec<Field<'_>> {
    let uri = request.uri();
    let protocol = request.extensions().get::<Protocol>().map(Protocol::as_str);
    let pseudo = [
        (":method", Some(request.method().as_str())),
        (":protocol", protocol),
        (":scheme", uri.scheme_str()),
        (":path", uri.path_and_query().map(|path| path.as_str())),
        (":authority", uri.authority().map(|authority| authority.as_str())),
    ];
    let pseudo = pseudo.into_iter().filter_map(|(name, value)| Some(Field::new(name, value?)));
    pseudo.chain(header_fields(request.headers())).collect()
}

/// The fields of a response, as the wire has them.
pub fn response_fields<'a>(status: &'a StatusCode, headers: &'a HeaderMap) -> Vec<Field<'a>> {
    let status = [Field::new(":status", status.as_str())];
    status.into_iter().chain(header_fields(headers)).collect()
}

fn header_fields(headers: &HeaderMap) -> impl Iterator<Item = Field<'_>> {
    headers.iter().map(|(name, value)| Field::new(name.as_str(), value))
}

/// A request for `h2` from its fields.
pub fn request<'a>(fields: impl Iterator<Item = Field<'a>>) -> Request<()> {
    let mut request = Request::new(());
    let (mut scheme, mut path, mut authority) = ("", "", "");
    for field in fields {
        let text = field.text().expect("what a client sends in a test is UTF-8");
        match field.name() {
            ":method" => *request.method_mut() = text.parse().expect("a method"),
            ":protocol" => drop(request.extensions_mut().insert(Protocol::from(text))),
            ":scheme" => scheme = text,
            ":path" => path = text,
            ":authority" => authority = text,
            _ => append(request.headers_mut(), field),
        }
    }
    *request.uri_mut() = format!("{scheme}://{authority}{path}").parse().expect("a URI");
    request
}

/// A response for `h2` from its fields.
pub fn response<'a>(fields: impl Iterator<Item = Field<'a>>) -> Response<()> {
    let mut response = Response::new(());
    for field in fields {
        match field.name() {
            ":status" => *response.status_mut() = field.text().unwrap().parse().expect("a status"),
            _ => append(response.headers_mut(), field),
        }
    }
    response
}

fn append(headers: &mut HeaderMap, field: Field<'_>) {
    let name = HeaderName::from_bytes(field.name().as_bytes()).expect("a name");
    headers.append(name, HeaderValue::from_bytes(field.value()).expect("a value"));
}

/// Drives `connection` over a stream until the transport is to be closed. `on_event` may use the
/// connection; when it is called, less than the high-water mark waits.
pub async fn drive(
    connection: &mut Connection,
    mut send: SendStream<Bytes>,
    mut receive: RecvStream,
    mut on_event: impl FnMut(&mut Connection, Event<'_>),
) -> Result<(), h2::Error> {
    let mut ended = false;
    loop {
        write_all(connection, &mut send).await?;
        match connection.transport() {
            Transport::Open => {}
            Transport::Drain if ended => {}
            // RFC 8441, section 5: an orderly end is END_STREAM.
            Transport::Drain => {
                send.send_data(Bytes::new(), true)?;
                ended = true;
            }
            Transport::Close => {
                if !ended {
                    send.send_data(Bytes::new(), true)?;
                }
                return Ok(());
            }
            // And a reset is RST_STREAM with CANCEL.
            Transport::Abort => {
                send.send_reset(Reason::CANCEL);
                return Ok(());
            }
        }
        match receive.data().await {
            Some(Ok(data)) => {
                receive.flow_control().release_capacity(data.len())?;
                let mut data = Vec::from(data);
                let mut input = &mut data[..];
                while let Some(event) = connection.receive(&mut input) {
                    on_event(connection, event);
                    if connection.output().remaining() >= MUCH {
                        write_all(connection, &mut send).await?;
                    }
                }
            }
            ended => {
                match ended {
                    None => connection.receive_eof(),
                    Some(_) => connection.abort(),
                }
                while let Some(event) = connection.receive(&mut &mut [][..]) {
                    on_event(connection, event);
                }
            }
        }
    }
}

/// Writes all that waits. A stream that takes no more is reported to the connection.
async fn write_all(
    connection: &mut Connection,
    send: &mut SendStream<Bytes>,
) -> Result<(), h2::Error> {
    while connection.output().has_remaining() {
        let wanted = connection.output().remaining();
        send.reserve_capacity(wanted);
        let Some(capacity) = poll_fn(|context| send.poll_capacity(context)).await else {
            connection.abort();
            break;
        };
        let length = capacity?.min(wanted);
        send.send_data(connection.output().copy_to_bytes(length), false)?;
    }
    Ok(())
}
