//! Requests as real clients and proxies send them, and the handshakes of the RFC.

use websocket_proto::handshake::{HeadLimits, RequestParser};

use crate::support::{Request, check_request};

/// A name, a request with its lines ended by LF alone, its authority, its path, and whether it is
/// an upgrade.
const REQUESTS: &[(&str, &str, &str, &str, Request)] = &[
    (
        "RFC 6455, section 1.2",
        "GET /chat HTTP/1.1
Host: server.example.com
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Origin: http://example.com
Sec-WebSocket-Protocol: chat, superchat
Sec-WebSocket-Version: 13

",
        "server.example.com",
        "/chat",
        Request::Upgrade,
    ),
    (
        "Chrome",
        "GET / HTTP/1.1
Host: 127.0.0.1:9001
Connection: Upgrade
Pragma: no-cache
Cache-Control: no-cache
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36
Upgrade: websocket
Origin: http://127.0.0.1:9001
Sec-WebSocket-Version: 13
Accept-Encoding: gzip, deflate, br, zstd
Accept-Language: en-US,en;q=0.9
Cookie: session=0123456789abcdef; theme=dark
Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits

",
        "127.0.0.1:9001",
        "/",
        Request::Upgrade,
    ),
    (
        "Firefox",
        "GET /socket?id=1 HTTP/1.1
Host: localhost:8080
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0
Accept: */*
Accept-Language: en-US,en;q=0.5
Accept-Encoding: gzip, deflate, br, zstd
Sec-WebSocket-Version: 13
Origin: http://localhost:8080
Sec-WebSocket-Extensions: permessage-deflate
Sec-WebSocket-Key: XNSMIfa7qJqnNCzoeamYBw==
DNT: 1
Sec-GPC: 1
Connection: keep-alive, Upgrade
Sec-Fetch-Dest: empty
Sec-Fetch-Mode: websocket
Sec-Fetch-Site: same-origin
Pragma: no-cache
Cache-Control: no-cache
Upgrade: websocket

",
        "localhost:8080",
        "/socket",
        Request::Upgrade,
    ),
    (
        "Safari",
        "GET /live HTTP/1.1
Upgrade: websocket
Connection: Upgrade
Host: example.com
Origin: https://example.com
Pragma: no-cache
Cache-Control: no-cache
Sec-WebSocket-Key: 0fbHUjxWC9IT0sFQhmIxrg==
Sec-WebSocket-Version: 13
Sec-WebSocket-Extensions: permessage-deflate
User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15

",
        "example.com",
        "/live",
        Request::Upgrade,
    ),
    (
        "Safari of iOS 12, whose frames of deflate had another name",
        "GET / HTTP/1.1
Host: example.com
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: 5mR6C9ZJzBxYbXb3nJqWVA==
Sec-WebSocket-Version: 13
Sec-WebSocket-Extensions: x-webkit-deflate-frame
Origin: https://example.com

",
        "example.com",
        "/",
        Request::Upgrade,
    ),
    (
        "Node's ws",
        "GET /?x HTTP/1.1
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: u3zQm4mYQqj9Gk4sVb4y6Q==
Connection: Upgrade
Upgrade: websocket
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits
Sec-WebSocket-Protocol: graphql-transport-ws
Host: localhost:4000

",
        "localhost:4000",
        "/",
        Request::Upgrade,
    ),
    (
        "Python's websockets",
        "GET / HTTP/1.1
Host: localhost:8765
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: c5U5Zp7Bpu6rcVWQx8L7jQ==
Sec-WebSocket-Version: 13
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits
User-Agent: Python/3.11 websockets/12.0

",
        "localhost:8765",
        "/",
        Request::Upgrade,
    ),
    (
        "curl",
        "GET /ws HTTP/1.1
Host: example.com
User-Agent: curl/8.8.0
Accept: */*
Upgrade: websocket
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: 7V2Ylb0rDDvJ8R2nzK9Wgw==
Connection: Upgrade

",
        "example.com",
        "/ws",
        Request::Upgrade,
    ),
    (
        "tungstenite",
        "GET / HTTP/1.1
Host: 127.0.0.1:9001
Connection: Upgrade
Upgrade: websocket
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: Zm9vYmFyYmF6cXV4MTIzNA==

",
        "127.0.0.1:9001",
        "/",
        Request::Upgrade,
    ),
    (
        "Go's gorilla",
        "GET /echo HTTP/1.1
Host: localhost:8080
User-Agent: Go-http-client/1.1
Connection: Upgrade
Sec-WebSocket-Key: Jr5yWmpvQpuIJXrz8Eu0eA==
Sec-WebSocket-Version: 13
Upgrade: websocket

",
        "localhost:8080",
        "/echo",
        Request::Upgrade,
    ),
    (
        "nginx in front, as its documentation sets it up",
        "GET /chat/ HTTP/1.1
Upgrade: websocket
Connection: upgrade
Host: backend
X-Real-IP: 203.0.113.7
X-Forwarded-For: 203.0.113.7
X-Forwarded-Proto: https
Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==
Sec-WebSocket-Version: 13
User-Agent: Mozilla/5.0

",
        "backend",
        "/chat/",
        Request::Upgrade,
    ),
    (
        "nginx in front without that: the upgrade is gone",
        "GET /chat/ HTTP/1.0
Host: backend
Connection: close
Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==
Sec-WebSocket-Version: 13

",
        "backend",
        "/chat/",
        Request::Http,
    ),
    (
        "HAProxy in front",
        "GET /chat HTTP/1.1
host: example.com
upgrade: websocket
sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==
sec-websocket-version: 13
x-forwarded-for: 203.0.113.7
connection: upgrade

",
        "example.com",
        "/chat",
        Request::Upgrade,
    ),
    (
        "HAProxy's check",
        "OPTIONS / HTTP/1.0

",
        "",
        "/",
        Request::Http,
    ),
    (
        "curl, for a page",
        "GET / HTTP/1.1
Host: 127.0.0.1:9001
User-Agent: curl/8.8.0
Accept: */*

",
        "127.0.0.1:9001",
        "/",
        Request::Http,
    ),
    (
        "curl with HTTP/2 offered",
        "GET / HTTP/1.1
Host: 127.0.0.1:9001
User-Agent: curl/8.8.0
Accept: */*
Connection: Upgrade, HTTP2-Settings
Upgrade: h2c
HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA

",
        "127.0.0.1:9001",
        "/",
        Request::Http,
    ),
    (
        "a forward proxy's absolute form",
        "GET http://server.example.com:81/chat?a HTTP/1.1
Host: ignored.example
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-WebSocket-Version: 13

",
        "server.example.com:81",
        "/chat",
        Request::Upgrade,
    ),
];

#[test]
fn real_requests() {
    for (name, lines, authority, path, expected) in REQUESTS {
        let head = lines.replace('\n', "\r\n").into_bytes();
        check_request(name, &head, *expected, HeadLimits::DEFAULT);
        let mut parser = RequestParser::new(HeadLimits::DEFAULT);
        let request = parser.parse(&head).unwrap().unwrap();
        assert_eq!((request.authority(), request.path()), (*authority, *path), "{name}");
    }
}
