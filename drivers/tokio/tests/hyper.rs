//! WebSockets over hyper, in both roles, over HTTP/1.1 and HTTP/2.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::timeout;
use tokio_websocket_proto::hyper::{
    ClientUpgrade, ServerUpgrade, UpgradeError, UpgradeErrorKind, UpgradedIo,
};
use tokio_websocket_proto::proto::handshake::{ClientRequest, Field, HandshakeError, HeadLimits};
use tokio_websocket_proto::proto::{CloseCode, Config, Deflate, Outcome, Timeouts};
use tokio_websocket_proto::{Error, WebSocket, client};

static CONFIG: Config =
    Config::new().with_timeouts(Timeouts::RECOMMENDED).with_deflate(Deflate::new());

type Page = Response<Full<Bytes>>;

/// Greets and echoes at `/`, drops the connection after the greeting at `/drop`, and never reads at `/deaf`.
async fn service(request: Request<Incoming>, ended: UnboundedSender<Option<Outcome>>) -> Page {
    let mut request = request;
    let mut upgrade = match ServerUpgrade::from_request(&mut request, &CONFIG) {
        Ok(upgrade) => upgrade,
        Err(error)
            if error.kind == UpgradeErrorKind::PlainHttp && request.uri().path() == "/page" =>
        {
            return Response::new("A page".into());
        }
        Err(error) => return error.response(),
    };
    upgrade.choose_subprotocol(&["x"]);
    // The last choice counts.
    let chosen = upgrade.choose_subprotocol(&["chat.v2", "chat"]).map(str::to_owned);
    let greeting = format!("{:?}", upgrade.subprotocols().collect::<Vec<_>>());
    let (mut response, socket) = upgrade.accept();
    response.headers_mut().insert("x-added", "yes".parse().unwrap());
    tokio::spawn(async move {
        let mut socket = socket.await.unwrap();
        assert_eq!(socket.subprotocol(), chosen.as_deref());
        socket.send(greeting).await.unwrap();
        if request.uri().path() == "/deaf" {
            std::future::pending::<()>().await;
        }
        while request.uri().path() != "/drop"
            && let Some(message) = socket.recv().await.unwrap()
        {
            let message = message.into_owned();
            socket.feed(message).await.unwrap();
        }
        ended.send(socket.outcome()).unwrap();
    });
    response.map(|()| Full::default())
}

/// Starts a server of one version of HTTP. The receiver gets the outcomes of its connections.
fn serve(version: Version) -> (DuplexStream, UnboundedReceiver<Option<Outcome>>) {
    let (ours, theirs) = duplex(1 << 16);
    let (ended, outcomes) = mpsc::unbounded_channel();
    let io = TokioIo::new(theirs);
    let service = service_fn(move |request| {
        let page = service(request, ended.clone());
        async { Ok::<_, Infallible>(page.await) }
    });
    if version == Version::HTTP_2 {
        let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        http.enable_connect_protocol();
        tokio::spawn(http.serve_connection(io, service));
    } else {
        let http = hyper::server::conn::http1::Builder::new();
        tokio::spawn(http.serve_connection(io, service).with_upgrades());
    }
    (ours, outcomes)
}

/// A client of one version of HTTP.
enum Client {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

impl Client {
    async fn new(version: Version, io: DuplexStream) -> Self {
        let io = TokioIo::new(io);
        if version == Version::HTTP_2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            let mut client = Self::Http2(sender);
            // The server's settings have arrived with the response to a first request.
            client.get("http://example.com/page", &[]).await;
            client
        } else {
            let (sender, connection) = http1::handshake(io).await.unwrap();
            tokio::spawn(connection.with_upgrades());
            Self::Http1(sender)
        }
    }

    async fn send(&mut self, request: Request<Empty<Bytes>>) -> Response<Incoming> {
        match self {
            Self::Http1(sender) => sender.send_request(request).await.unwrap(),
            Self::Http2(sender) => sender.send_request(request).await.unwrap(),
        }
    }

    async fn get(&mut self, uri: &str, fields: &[(&str, &str)]) -> Response<Incoming> {
        let mut request = Request::get(uri);
        if let Self::Http1(_) = self {
            request = request.header("host", "example.com");
        }
        let request =
            fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request.body(Empty::new()).unwrap()).await
    }

    async fn open(&mut self, request: ClientRequest<'_>) -> Result<WebSocket<UpgradedIo>, Error> {
        let (request, upgrade) = match self {
            Self::Http1(_) => ClientUpgrade::http1(request, &CONFIG)?,
            Self::Http2(_) => ClientUpgrade::http2(request, &CONFIG)?,
        };
        let response = self.send(request).await;
        if response.status().is_informational() || response.status().is_success() {
            assert_eq!(response.headers()["x-added"], "yes");
        }
        upgrade.complete(response).await
    }
}

async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
}

const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

#[tokio::test]
async fn messages_cross_compressed_and_both_ends_close_cleanly() {
    for version in VERSIONS {
        let (io, mut outcomes) = serve(version);
        let request = ClientRequest::to("example.com", "/").with_subprotocols(&["x", "chat"]);
        let mut socket = Client::new(version, io).await.open(request).await.unwrap();
        assert!(socket.deflate_parameters().is_some());
        assert_eq!(socket.subprotocol(), Some("chat"));
        assert_eq!(socket.recv().await.unwrap().unwrap(), r#"["x", "chat"]"#);
        for message in ["".to_owned(), "Hello".to_owned(), "long ".repeat(200_000)] {
            socket.send(message.as_str()).await.unwrap();
            assert_eq!(socket.recv().await.unwrap().unwrap(), message.as_str());
        }
        socket.close(CloseCode::NORMAL).await.unwrap();
        assert!(socket.outcome().unwrap().clean, "{version:?}");
        let outcome = outcomes.recv().await.unwrap().unwrap();
        assert!(outcome.clean && outcome.code == CloseCode::NORMAL, "{version:?} {outcome:?}");
    }
}

#[tokio::test]
async fn both_ends_know_the_subprotocol_that_the_server_prefers() {
    for version in VERSIONS {
        for (offered, chosen) in [
            (&[][..], None),
            (&["x", "y"], None),
            (&["x", "chat"], Some("chat")),
            (&["chat", "chat.v2"], Some("chat.v2")),
        ] {
            let (io, _outcomes) = serve(version);
            let request = ClientRequest::to("example.com", "/").with_subprotocols(offered);
            let mut socket = Client::new(version, io).await.open(request).await.unwrap();
            assert_eq!(socket.subprotocol(), chosen, "{version:?} {offered:?}");
            // The server greets after it has compared its subprotocol.
            assert_eq!(socket.recv().await.unwrap().unwrap(), format!("{offered:?}").as_str());
        }
    }
}

#[tokio::test]
async fn subprotocol_that_was_not_offered_is_an_error() {
    for (offered, is_error) in [(&["chat"][..], true), (&["chat", "other"], false)] {
        let request = ClientRequest::to("example.com", "/").with_subprotocols(offered);
        let (_, upgrade) = ClientUpgrade::http2::<()>(request, &CONFIG).unwrap();
        let response = Response::builder().header("sec-websocket-protocol", "other");
        let error = upgrade.complete(response.body(String::new()).unwrap()).await.unwrap_err();
        // Without the error, the response is the one that hyper has not read.
        let expected = HandshakeError::UnrequestedSubprotocol;
        let is_expected = matches!(error, Error::Handshake(error) if error == expected);
        assert_eq!(is_expected, is_error, "{error}");
        assert_eq!(matches!(error, Error::Io(_)), !is_error, "{error}");
    }
}

#[tokio::test]
async fn client_of_this_crate_connects_to_a_server_of_hyper() {
    let (io, mut outcomes) = serve(Version::HTTP_11);
    let mut socket = client(io, &ClientRequest::to("example.com", "/")).await.unwrap();
    assert_eq!(socket.recv().await.unwrap().unwrap(), "[]");
    assert!(socket.deflate_parameters().is_none(), "the client did not offer compression");
    socket.close(CloseCode::NORMAL).await.unwrap();
    assert!(outcomes.recv().await.unwrap().unwrap().clean);
}

#[tokio::test]
async fn several_streams_share_an_http2_connection() {
    let (io, mut outcomes) = serve(Version::HTTP_2);
    let mut client = Client::new(Version::HTTP_2, io).await;
    let mut sockets = Vec::new();
    for _ in 0..5 {
        sockets.push(client.open(ClientRequest::to("example.com", "/")).await.unwrap());
    }
    for (i, socket) in sockets.iter_mut().enumerate() {
        assert_eq!(socket.recv().await.unwrap().unwrap(), "[]");
        socket.send(format!("{i}")).await.unwrap();
    }
    for (i, socket) in sockets.iter_mut().enumerate().rev() {
        assert_eq!(socket.recv().await.unwrap().unwrap(), format!("{i}").as_str());
        socket.close(CloseCode::NORMAL).await.unwrap();
        assert!(outcomes.recv().await.unwrap().unwrap().clean);
    }
}

#[tokio::test]
async fn thousands_of_small_messages_in_flight_are_echoed() {
    for version in VERSIONS {
        let (io, _outcomes) = serve(version);
        let mut socket = Client::new(version, io)
            .await
            .open(ClientRequest::to("example.com", "/"))
            .await
            .unwrap();
        assert_eq!(socket.recv().await.unwrap().unwrap(), "[]");
        for i in 0..5000 {
            socket.send(format!("{i}")).await.unwrap();
        }
        for i in 0..5000 {
            assert_eq!(socket.recv().await.unwrap().unwrap(), format!("{i}").as_str());
        }
    }
}

#[tokio::test]
async fn dropped_connection_fails_the_peer() {
    for version in VERSIONS {
        let (io, mut outcomes) = serve(version);
        let request = ClientRequest::to("example.com", "/drop");
        let mut socket = Client::new(version, io).await.open(request).await.unwrap();
        assert_eq!(socket.recv().await.unwrap().unwrap(), "[]");
        let error = socket.recv().await.unwrap_err();
        assert!(matches!(error, Error::Connection(_)), "{version:?} {error}");
        assert_eq!(outcomes.recv().await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn server_over_http2_does_not_wait_for_the_end_of_the_client() {
    let (io, mut outcomes) = serve(Version::HTTP_2);
    let mut client = Client::new(Version::HTTP_2, io).await;
    let mut socket = client.open(ClientRequest::to("example.com", "/")).await.unwrap();
    let before = tokio::time::Instant::now();
    socket.start_close(CloseCode::NORMAL).unwrap();
    socket.flush().await.unwrap();
    // Nothing more happens on the client's side.
    assert!(outcomes.recv().await.unwrap().unwrap().clean);
    assert_eq!(before.elapsed(), std::time::Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn little_is_queued_beyond_the_high_water_mark_over_http2() {
    let (io, _outcomes) = serve(Version::HTTP_2);
    let mut client = Client::new(Version::HTTP_2, io).await;
    let mut socket = client.open(ClientRequest::to("example.com", "/deaf")).await.unwrap();
    // Random bytes (xorshift), which compression does not make smaller.
    let mut state = 1_u64;
    let random = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    });
    let message: Vec<u8> = random.take(128 << 10).collect();
    let mut queued = 0;
    while let Ok(fed) = timeout(Duration::from_secs(1), socket.feed(&message[..])).await {
        fed.unwrap();
        queued += message.len();
    }
    // The window of the server of hyper, the mark with one message, and the writes that hyper holds.
    let bound = (1 << 20) + (1 << 20) + message.len() + 3 * (64 << 10);
    assert!(queued <= bound + (64 << 10), "{queued} of {bound} bytes");
}

#[tokio::test]
async fn page_of_another_origin_is_rejected_with_an_explanation() {
    for version in VERSIONS {
        let (io, _outcomes) = serve(version);
        let fields = [Field::new("origin", "https://example.org")];
        let request = ClientRequest::to("example.com", "/").with_fields(&fields);
        let error = Client::new(version, io).await.open(request).await.unwrap_err();
        let Error::Rejected(response) = error else { panic!("{error}") };
        assert_eq!(response.status, 403);
        let body = String::from_utf8(response.body).unwrap();
        assert!(body.contains("\"https://example.org\""), "{body}");
        assert!(body.contains("\"example.com\""), "{body}");
    }
}

#[tokio::test]
async fn plain_http_is_a_result_of_its_own() {
    let (io, _outcomes) = serve(Version::HTTP_11);
    let mut client = Client::new(Version::HTTP_11, io).await;
    assert_eq!(text(client.get("/page", &[]).await).await, "A page");
    let response = client.get("/", &[]).await;
    assert_eq!(response.status(), StatusCode::UPGRADE_REQUIRED);
    assert_eq!(response.headers()["upgrade"], "websocket");
    assert_eq!(text(response).await, "This resource is a WebSocket.");

    let (io, _outcomes) = serve(Version::HTTP_2);
    let mut client = Client::new(Version::HTTP_2, io).await;
    let response = client.get("http://example.com/", &[]).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(text(response).await, "This resource is a WebSocket.");
}

#[tokio::test]
async fn invalid_request_is_rejected_with_its_status() {
    let upgrade = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for (version, status) in
        [(Some("12"), StatusCode::UPGRADE_REQUIRED), (None, StatusCode::UPGRADE_REQUIRED)]
    {
        let (io, _outcomes) = serve(Version::HTTP_11);
        let mut client = Client::new(Version::HTTP_11, io).await;
        let mut fields = upgrade.to_vec();
        fields.extend(version.map(|version| ("sec-websocket-version", version)));
        let response = client.get("/", &fields).await;
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["sec-websocket-version"], "13");
    }
    let (io, _outcomes) = serve(Version::HTTP_11);
    let mut client = Client::new(Version::HTTP_11, io).await;
    let response =
        client.get("/", &[upgrade[0], upgrade[1], ("sec-websocket-version", "13")]).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(text(response).await, "Sec-WebSocket-Key is missing");

    for (protocol, version, status) in [("websocket", "12", 400), ("connect-udp", "13", 501)] {
        let (io, _outcomes) = serve(Version::HTTP_2);
        let mut client = Client::new(Version::HTTP_2, io).await;
        let request = Request::builder()
            .method(Method::CONNECT)
            .uri("https://example.com/")
            .header("sec-websocket-version", version)
            .extension(hyper::ext::Protocol::from(protocol));
        let response = client.send(request.body(Empty::new()).unwrap()).await;
        assert_eq!(response.status(), status);
    }
}

#[tokio::test]
async fn client_without_upgrades_gets_an_error() {
    let (io, _outcomes) = serve(Version::HTTP_11);
    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    let request = ClientRequest::to("example.com", "/");
    let (request, upgrade) = ClientUpgrade::http1::<Empty<Bytes>>(request, &CONFIG).unwrap();
    let error = upgrade.complete(sender.send_request(request).await.unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::Io(_)), "{error}");
}

#[tokio::test]
async fn response_that_breaks_a_rule_is_an_error() {
    let request = ClientRequest::to("example.com", "/");
    let (_, upgrade) = ClientUpgrade::http1::<()>(request, &CONFIG).unwrap();
    let response = Response::builder()
        .status(101)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let error = upgrade.complete(response.body(String::new()).unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::Handshake(HandshakeError::WrongAccept)), "{error}");
}

#[tokio::test]
async fn request_that_hyper_did_not_read_is_not_upgradable() {
    let request = ClientRequest::to("example.com", "/");
    let (mut request, _) = ClientUpgrade::http1::<()>(request, &CONFIG).unwrap();
    let error = ServerUpgrade::from_request(&mut request, &CONFIG).unwrap_err();
    let kind = UpgradeErrorKind::NotUpgradable;
    assert_eq!(error, UpgradeError { kind, version: Version::HTTP_11 });
    assert_eq!(error.to_string(), "the request has no upgrade of hyper");
    assert_eq!(error.response::<String>().status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[test]
fn every_rejection_closes_a_connection_of_http1_and_has_no_connection_field_in_http2() {
    let of_version = |version| {
        [
            UpgradeErrorKind::PlainHttp,
            UpgradeErrorKind::Invalid(HandshakeError::MissingKey),
            UpgradeErrorKind::Invalid(HandshakeError::UnsupportedVersion),
            UpgradeErrorKind::ForbiddenOrigin(String::new()),
            UpgradeErrorKind::NotUpgradable,
        ]
        .map(|kind| UpgradeError { kind, version })
    };
    for error in of_version(Version::HTTP_11) {
        let response = error.response::<String>();
        let connection = &response.headers()["connection"];
        assert!(connection == "close" || connection == "close, Upgrade", "{error:?}");
    }
    for error in of_version(Version::HTTP_2) {
        let response = error.response::<String>();
        for name in ["connection", "upgrade"] {
            assert!(response.headers().get(name).is_none(), "{error:?} {name}");
        }
    }
}

/// A rejected client may have sent frames after its request. They must not be read as a request.
#[tokio::test(start_paused = true)]
async fn bytes_after_a_rejected_upgrade_are_not_another_request() {
    for (lines, status) in [
        ("Sec-WebSocket-Version: 13\r\nOrigin: https://example.org\r\n", "403"),
        ("Sec-WebSocket-Version: 12\r\n", "426"),
        ("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: a\r\n", "400"),
    ] {
        let (mut io, _outcomes) = serve(Version::HTTP_11);
        let upgrade = format!(
            "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
        );
        let next = "GET /page HTTP/1.1\r\nHost: example.com\r\n\r\n";
        io.write_all([upgrade.as_str(), next].concat().as_bytes()).await.unwrap();
        let mut answer = String::new();
        let reading = io.read_to_string(&mut answer);
        let ended = tokio::time::timeout(std::time::Duration::from_secs(1), reading).await;
        ended.expect("the server closes the connection").unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn rejection_whose_body_does_not_end_is_bounded_in_size_and_time() {
    let request = ClientRequest::to("example.com", "/");
    let rejected = async |body, max| {
        let limits = HeadLimits::DEFAULT.with_max_body(max);
        let config = Config::clone(&CONFIG).with_head_limits(limits);
        let (_, upgrade) = ClientUpgrade::http1::<()>(request, config).unwrap();
        let response = Response::builder().status(503).body(body).unwrap();
        let error = upgrade.complete(response).await.unwrap_err();
        let Error::Rejected(response) = error else { panic!("{error}") };
        response.body
    };
    let chunk = |len| Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b'x'; len])));
    for max in [100, 64 << 10] {
        let endless = stream::repeat_with(move || chunk(1000));
        assert_eq!(rejected(BoxBody::new(StreamBody::new(endless)), max).await.len(), max);
    }
    let stalled = stream::once(async move { chunk(5) }).chain(stream::pending());
    assert_eq!(rejected(BoxBody::new(StreamBody::new(stalled)), 64 << 10).await, b"xxxxx");
}
