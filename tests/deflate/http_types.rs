//! The negotiation of permessage-deflate in the types of the crate `http`.

use http::{HeaderMap, HeaderValue, Request, Response, Version};
use websocket_proto::handshake::{
    Acceptance, ClientHandshake, ClientRequest, ExtendedConnect, Handshake, HandshakeError,
    HeadLimits, OriginPolicy, RequestParser, ResponseParser, Upgrade,
};
use websocket_proto::{Config, Deflate, DeflateParameters};

use crate::negotiation::{
    EXTENSIONS, NONCE, TAKEOVER, client_config, extensions_of, offered, request, response,
    server_handshake, written,
};

fn append(headers: &mut HeaderMap, lists: &[&str]) {
    for list in lists {
        headers.append(EXTENSIONS, HeaderValue::from_str(list).unwrap());
    }
}

fn extensions_of_http<B>(response: &Response<B>) -> Option<String> {
    let mut lists = response.headers().get_all(EXTENSIONS).iter();
    let list = lists.next().map(|list| list.to_str().unwrap().to_owned());
    assert_eq!(lists.next(), None);
    list
}

#[track_caller]
pub(crate) fn check_server(
    deflate: Deflate,
    lists: &[&str],
    expected: &Result<Option<String>, HandshakeError>,
) {
    let head = request(lists);
    let head = RequestParser::new(HeadLimits::DEFAULT).parse(head.as_bytes()).unwrap().unwrap();
    let request = head.to_http().unwrap();
    let upgrade = Upgrade::from_http(&request, &OriginPolicy::same());
    let upgraded = upgrade.map(|upgrade| {
        let upgrade = upgrade.unwrap();
        let agreed = upgrade.accept_deflate(&deflate);
        let response = upgrade.accept_http(&Acceptance::new().with_deflate_parameters(agreed));
        extensions_of_http(&response.unwrap())
    });
    assert_eq!(&upgraded, expected);

    let mut request = Request::connect("https://a/").version(Version::HTTP_2).body(()).unwrap();
    request.headers_mut().append("sec-websocket-version", HeaderValue::from_static("13"));
    append(request.headers_mut(), lists);
    let connect = ExtendedConnect::from_http(&request, Some("websocket"), &OriginPolicy::same());
    let connected = connect.map(|connect| {
        let connect = connect.unwrap();
        let agreed = connect.accept_deflate(&deflate);
        let response = connect.accept_http(&Acceptance::new().with_deflate_parameters(agreed));
        extensions_of_http(&response.unwrap())
    });
    assert_eq!(&connected, expected);

    // The configuration decides, whatever the application's response says.
    let mut response = Response::builder().status(101).body(()).unwrap();
    append(response.headers_mut(), &["x-other"]);
    let accepted = server_handshake(Config::new().with_deflate(deflate), lists).map(|handshake| {
        let mut connection = handshake.accept_response(&response).unwrap();
        extensions_of(&written(connection.output()))
    });
    assert_eq!(&accepted, expected);
}

#[track_caller]
pub(crate) fn check_client(
    request: &ClientRequest<'_>,
    lists: &[&str],
    expected: Result<Option<DeflateParameters>, HandshakeError>,
) {
    let head = response(lists);
    let head = ResponseParser::new(HeadLimits::DEFAULT).parse(head.as_bytes()).unwrap().unwrap();
    let response = head.to_http().unwrap();
    let verified = request.verify_http(NONCE, &response);
    assert_eq!(verified.map(|accepted| accepted.unwrap().deflate_parameters()), expected);

    let mut response = Response::new(());
    append(response.headers_mut(), lists);
    let verified = request.verify_extended_connect_http(&response);
    assert_eq!(verified.map(|accepted| accepted.unwrap().deflate_parameters()), expected);
}

#[test]
fn requests_of_the_http_crate_offer() {
    let list = "permessage-deflate; client_max_window_bits";
    let request = ClientRequest::to("a", "/").with_deflate(TAKEOVER);
    assert_eq!(request.to_http(NONCE).unwrap().headers()[EXTENSIONS], list);
    assert_eq!(request.extended_connect_http().unwrap().headers()[EXTENSIONS], list);

    let request = Request::get("ws://a/").header(EXTENSIONS, "x-other").body(()).unwrap();
    let mut handshake = ClientHandshake::from_http(client_config(TAKEOVER), &request).unwrap();
    assert_eq!(offered(handshake.output()), Some(list.to_owned()));
}
