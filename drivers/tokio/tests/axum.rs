//! The extractor of axum, over HTTP/1.1 and HTTP/2.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::{Request, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::io::duplex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_websocket_proto::axum::{WebSocket, WebSocketUpgrade};
use tokio_websocket_proto::hyper::{ClientUpgrade, UpgradeError, UpgradeErrorKind, UpgradedIo};
use tokio_websocket_proto::proto::handshake::{ClientRequest, Field, OriginPolicy};
use tokio_websocket_proto::proto::{CloseCode, Config, ConnectionError, Deflate, Limit, Timeouts};
use tokio_websocket_proto::{Error, client};

static CONFIG: Config =
    Config::new().with_timeouts(Timeouts::RECOMMENDED).with_deflate(Deflate::new());

const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

async fn echo(mut socket: WebSocket) {
    while let Ok(Some(message)) = socket.recv().await {
        let message = message.into_owned();
        socket.feed(message).await.unwrap();
    }
}

async fn page_or_echo(ws: Result<WebSocketUpgrade, UpgradeError>) -> Response {
    match ws {
        Ok(ws) => ws.on_upgrade(echo),
        Err(error) if error.kind == UpgradeErrorKind::PlainHttp => "A page".into_response(),
        Err(error) => error.into_response(),
    }
}

fn app() -> Router {
    Router::new()
        .route("/echo", any(async |ws: WebSocketUpgrade| ws.on_upgrade(echo)))
        .route("/page", any(page_or_echo))
        .route("/deflate", any(async |ws: WebSocketUpgrade| ws.config(&CONFIG).on_upgrade(echo)))
        .route(
            "/any-origin",
            any(async |ws: WebSocketUpgrade| {
                ws.origin_policy(OriginPolicy::any()).on_upgrade(echo)
            }),
        )
        .route(
            "/protocols",
            any(async |ws: WebSocketUpgrade| {
                let ws = ws.protocols(["chat.v2", "chat"]);
                let requested: Vec<&str> = ws.requested_protocols().collect();
                let text = format!("{requested:?} {:?}", ws.selected_protocol());
                ws.on_upgrade(async move |mut socket| {
                    assert_eq!(socket.subprotocol(), Some("chat"));
                    socket.send(text).await.unwrap();
                })
            }),
        )
}

async fn serve(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async { axum::serve(listener, app).await });
    address
}

/// Opens a WebSocket at `path` of a new server, over a client of hyper.
async fn open(
    version: Version,
    path: &str,
    fields: &[Field<'_>],
) -> Result<tokio_websocket_proto::WebSocket<UpgradedIo>, Error> {
    let address = serve(app()).await;
    let request =
        ClientRequest::to(&address, path).with_subprotocols(&["x", "chat"]).with_fields(fields);
    let io = TokioIo::new(TcpStream::connect(&address).await.unwrap());
    if version == Version::HTTP_2 {
        let (request, upgrade) = ClientUpgrade::http2::<Empty<Bytes>>(request, &CONFIG)?;
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        let page = Request::get(format!("http://{address}/page")).body(Empty::new()).unwrap();
        assert_eq!(text(sender.send_request(page).await.unwrap()).await, "A page");
        upgrade.complete(sender.send_request(request).await.unwrap()).await
    } else {
        let (request, upgrade) = ClientUpgrade::http1::<Empty<Bytes>>(request, &CONFIG)?;
        let (mut sender, connection) = http1::handshake(io).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        upgrade.complete(sender.send_request(request).await.unwrap()).await
    }
}

async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
}

#[tokio::test]
async fn messages_are_echoed_and_the_closing_handshake_completes() {
    for version in VERSIONS {
        for (path, is_compressed) in [("/echo", false), ("/page", false), ("/deflate", true)] {
            let mut socket = open(version, path, &[]).await.unwrap();
            assert_eq!(socket.deflate_parameters().is_some(), is_compressed, "{version:?} {path}");
            let message = "Hello ".repeat(100_000);
            socket.send(message.as_str()).await.unwrap();
            assert_eq!(socket.recv().await.unwrap().unwrap(), message.as_str());
            socket.close(CloseCode::NORMAL).await.unwrap();
            assert!(socket.outcome().unwrap().clean, "{version:?}");
        }
    }
}

#[tokio::test]
async fn first_supported_subprotocol_is_selected() {
    for version in VERSIONS {
        let mut socket = open(version, "/protocols", &[]).await.unwrap();
        let text = r#"["x", "chat"] Some("chat")"#;
        assert_eq!(socket.recv().await.unwrap().unwrap(), text);
    }
}

#[tokio::test]
async fn pages_of_the_same_origin_may_connect_by_default() {
    let address = serve(app()).await;
    let own = format!("http://{address}");
    let connect = async |path, origin: &str| {
        let fields = [Field::new("Origin", origin)];
        let request = ClientRequest::to(&address, path).with_fields(&fields);
        client(TcpStream::connect(&address).await.unwrap(), &request).await
    };
    connect("/echo", &own).await.unwrap();
    connect("/any-origin", "https://example.org").await.unwrap();
    for version in VERSIONS {
        let fields = [Field::new("origin", "https://example.org")];
        let error = open(version, "/echo", &fields).await.unwrap_err();
        let Error::Rejected(response) = error else { panic!("{error}") };
        assert_eq!(response.status, 403);
        assert!(response.body.starts_with(b"The page's Origin \"https://example.org\""));
        open(version, "/any-origin", &fields).await.unwrap();
    }
}

#[tokio::test]
async fn origin_that_is_not_allowed_is_reported_to_the_server() {
    let (failed, mut received) = mpsc::unbounded_channel();
    let handler = async move |ws: WebSocketUpgrade| {
        ws.on_failed_upgrade(move |error| failed.send(error).unwrap()).on_upgrade(echo)
    };
    let address = serve(Router::new().route("/", any(handler))).await;
    let fields = [Field::new("Origin", "https://example.org")];
    let request = ClientRequest::to(&address, "/").with_fields(&fields);
    let rejected = client(TcpStream::connect(&address).await.unwrap(), &request).await;
    assert!(matches!(rejected, Err(Error::Rejected(_))), "{rejected:?}");
    let error = received.recv().await.unwrap();
    assert!(matches!(error, Error::ForbiddenOrigin(_)), "{error:?}");
    let text = error.to_string();
    for part in ["https://example.org", &address, "Config::with_origin_policy"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn message_above_the_limit_fails_the_connection() {
    let (results, mut received) = mpsc::unbounded_channel();
    let handler = async move |ws: WebSocketUpgrade| {
        ws.max_message_size(10).on_upgrade(async move |mut socket| {
            for _ in 0..2 {
                results.send(socket.recv().await.map(drop)).unwrap();
            }
        })
    };
    let address = serve(Router::new().route("/", any(handler))).await;
    let io = TcpStream::connect(&address).await.unwrap();
    let mut socket = client(io, &ClientRequest::to(&address, "/")).await.unwrap();
    socket.send("0123456789").await.unwrap();
    received.recv().await.unwrap().unwrap();
    socket.send("0123456789+").await.unwrap();
    assert!(socket.recv().await.unwrap().is_none());
    let close = socket.peer_close().unwrap();
    assert_eq!(close.code(), CloseCode::MESSAGE_TOO_BIG);
    assert_eq!(close.reason(), "message exceeds 10 bytes");
    let error = received.recv().await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Connection(ConnectionError::Limit(Limit::Message))), "{error}");
}

#[tokio::test]
async fn other_requests_are_rejected_with_their_status() {
    let address = serve(app()).await;
    let upgrade = [
        ("host", "example.com"),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "too short"),
    ];
    for (method, fields, status) in [
        ("GET", &upgrade[..1], StatusCode::UPGRADE_REQUIRED),
        ("GET", &upgrade[..3], StatusCode::UPGRADE_REQUIRED),
        ("GET", &upgrade[..4], StatusCode::BAD_REQUEST),
        ("GET", &upgrade[..], StatusCode::BAD_REQUEST),
        ("POST", &upgrade[..], StatusCode::METHOD_NOT_ALLOWED),
    ] {
        // Each rejection closes its connection.
        let io = TokioIo::new(TcpStream::connect(&address).await.unwrap());
        let (mut sender, connection) = http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri("/echo");
        let request =
            fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await;
        let response = response.unwrap();
        assert_eq!(response.status(), status, "{method} {fields:?}");
        let is_426 = status == StatusCode::UPGRADE_REQUIRED;
        assert_eq!(response.headers().contains_key("sec-websocket-version"), is_426);
        let connection = &response.headers()["connection"];
        assert_eq!(connection, if is_426 { "close, Upgrade" } else { "close" });
    }
}

#[tokio::test]
async fn failed_upgrade_is_reported() {
    let (failed, mut failures) = mpsc::unbounded_channel();
    let handler = async move |ws: WebSocketUpgrade| {
        ws.on_failed_upgrade(move |error| failed.send(error).unwrap()).on_upgrade(echo)
    };
    let service = TowerToHyperService::new(Router::new().route("/", any(handler)));
    let (ours, theirs) = duplex(1000);
    // A server without upgrades.
    let http = hyper::server::conn::http1::Builder::new();
    tokio::spawn(http.serve_connection(TokioIo::new(theirs), service));
    let _ = client(ours, &ClientRequest::to("localhost", "/")).await;
    let error = failures.recv().await.unwrap();
    assert!(matches!(error, Error::Io(_)), "{error}");
}
