//! Runs a connection over an HTTP/2 stream (RFC 8441) of the crate `h2`.

use std::future::poll_fn;

use bytes::{Buf, Bytes};
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream};
use http::Request;
use websocket_proto::handshake::{ExtendedConnect, HandshakeError, OriginPolicy};
use websocket_proto::{Connection, Event, Input, Transport};

/// Validates a request that `h2` parsed. Returns `None` if it is not an Extended CONNECT.
pub fn extended_connect<'a, B>(
    request: &'a Request<B>,
    policy: &OriginPolicy<'_>,
) -> Result<Option<ExtendedConnect<'a>>, HandshakeError> {
    let protocol = request.extensions().get::<Protocol>().map(Protocol::as_str);
    ExtendedConnect::from_http(request, protocol, policy)
}

/// Drives `connection` over a stream to its end. There is room for a reply whenever `on_event` is called.
pub async fn drive(
    connection: &mut Connection,
    mut send: SendStream<Bytes>,
    mut receive: RecvStream,
    mut on_event: impl FnMut(&mut Connection, Event<'_>),
) -> Result<(), h2::Error> {
    let mut data: Vec<u8>;
    let mut input = Input::new(&mut []);
    loop {
        write(connection, &mut send).await?;
        match connection.transport() {
            Transport::Open => {}
            // RFC 8441, section 5: the orderly end of a stream is END_STREAM. Draining is unnecessary: in
            // HTTP/2, unread bytes of the peer do not destroy ours, and Chromium never ends its direction.
            Transport::Drain | Transport::Close => {
                // Fails if the peer has already reset the stream.
                let _ = send.send_data(Bytes::new(), true);
                return Ok(());
            }
            // RFC 8441, section 5: an abort is RST_STREAM with CANCEL.
            Transport::Abort => {
                send.send_reset(Reason::CANCEL);
                return Ok(());
            }
        }
        if !input.has_unread() && !input.is_finished() {
            match receive.data().await {
                Some(Ok(bytes)) => {
                    receive.flow_control().release_capacity(bytes.len())?;
                    data = Vec::from(bytes);
                    input = Input::with_bytes(&mut data);
                }
                Some(Err(_)) => connection.abort(),
                None => input.finish(),
            }
        }
        while connection.has_room()
            && let Some(event) = connection.receive(&mut input)
        {
            on_event(connection, event);
        }
    }
}

/// Writes all pending output. Aborts the connection if the stream accepts no more.
async fn write(connection: &mut Connection, send: &mut SendStream<Bytes>) -> Result<(), h2::Error> {
    while connection.has_output() {
        let wanted = connection.output().len();
        send.reserve_capacity(wanted);
        let Some(capacity) = poll_fn(|context| send.poll_capacity(context)).await else {
            connection.abort();
            break;
        };
        let len = capacity?.min(wanted);
        send.send_data(connection.output().copy_to_bytes(len), false)?;
    }
    Ok(())
}
