//! Requests of real clients and proxies, and the handshakes of the RFC.
//!
//! Requests named with a version number were captured byte for byte with a plain listener. Those of Safari
//! and of Go's gorilla are written by hand.

use websocket_proto::handshake::{HeadLimits, RequestParser};

use crate::support::{RequestOutcome, check_request};

/// A name, a request with LF line endings, its authority, its path, and its classification.
const REQUESTS: &[(&str, &str, &str, &str, RequestOutcome)] = &[
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
        RequestOutcome::Upgrade,
    ),
    (
        "Chromium 156",
        "GET /socket?id=1 HTTP/1.1
Host: 127.0.0.1:9001
Connection: Upgrade
Pragma: no-cache
Cache-Control: no-cache
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36
Accept-Language: en-US
Upgrade: websocket
Origin: http://127.0.0.1:9001
Sec-WebSocket-Version: 13
Accept-Encoding: gzip, deflate, br, zstd
Cookie: session=0123456789abcdef; theme=dark
Sec-WebSocket-Key: tUpn0Biz3I0zG3P2cy8ciQ==
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits
Sec-WebSocket-Protocol: chat, superchat

",
        "127.0.0.1:9001",
        "/socket",
        RequestOutcome::Upgrade,
    ),
    (
        "Chromium 156, for a page",
        "GET / HTTP/1.1
Host: 127.0.0.1:9001
Connection: keep-alive
sec-ch-ua: \"Not:A-Brand\";v=\"8\", \"Chromium\";v=\"156\"
sec-ch-ua-mobile: ?0
sec-ch-ua-platform: \"Linux\"
Upgrade-Insecure-Requests: 1
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36
Accept-Language: en-US
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/jxl,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7
Sec-Fetch-Site: none
Sec-Fetch-Mode: navigate
Sec-Fetch-User: ?1
Sec-Fetch-Dest: document
Accept-Encoding: gzip, deflate, br, zstd

",
        "127.0.0.1:9001",
        "/",
        RequestOutcome::Http,
    ),
    (
        "Firefox 153 ESR",
        "GET /socket?id=1 HTTP/1.1
Host: 127.0.0.1:9001
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0
Accept: */*
Accept-Language: en-US,en;q=0.9
Accept-Encoding: gzip, deflate, br, zstd
Sec-WebSocket-Version: 13
Origin: http://127.0.0.1:9001
Sec-WebSocket-Protocol: chat, superchat
Sec-WebSocket-Extensions: permessage-deflate
Sec-WebSocket-Key: Uwn1UxFTweLU5XSWXubMpg==
Connection: Upgrade
Cookie: session=0123456789abcdef; theme=dark
Sec-Fetch-Dest: empty
Sec-Fetch-Mode: websocket
Sec-Fetch-Site: same-origin
Pragma: no-cache
Cache-Control: no-cache
Upgrade: websocket

",
        "127.0.0.1:9001",
        "/socket",
        RequestOutcome::Upgrade,
    ),
    (
        "Firefox 153 ESR, for a page",
        "GET / HTTP/1.1
Host: 127.0.0.1:9001
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8
Accept-Language: en-US,en;q=0.9
Accept-Encoding: gzip, deflate, br, zstd
Connection: keep-alive
Upgrade-Insecure-Requests: 1
Sec-Fetch-Dest: document
Sec-Fetch-Mode: navigate
Sec-Fetch-Site: none
Sec-Fetch-User: ?1
Priority: u=0, i

",
        "127.0.0.1:9001",
        "/",
        RequestOutcome::Http,
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
        RequestOutcome::Upgrade,
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
        RequestOutcome::Upgrade,
    ),
    (
        "Node's ws 8.23.0",
        "GET /?x HTTP/1.1
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: qnRntcjByVPtVAc5Ln4TxQ==
Connection: Upgrade
Upgrade: websocket
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits
Sec-WebSocket-Protocol: graphql-transport-ws
Host: 127.0.0.1:9001

",
        "127.0.0.1:9001",
        "/",
        RequestOutcome::Upgrade,
    ),
    (
        "Python's websockets 17.4",
        "GET /chat?x HTTP/1.1
Host: 127.0.0.1:9001
Origin: http://127.0.0.1:9001
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: TH6Gc7LHfqXtOhyU0svwFA==
Sec-WebSocket-Version: 13
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits
Sec-WebSocket-Protocol: chat, superchat
User-Agent: Python/3.11 websockets/17.4

",
        "127.0.0.1:9001",
        "/chat",
        RequestOutcome::Upgrade,
    ),
    (
        "curl 7.88.1 with the fields given by hand",
        "GET /ws HTTP/1.1
Host: 127.0.0.1:9001
User-Agent: curl/7.88.1
Accept: */*
Connection: Upgrade
Upgrade: websocket
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==

",
        "127.0.0.1:9001",
        "/ws",
        RequestOutcome::Upgrade,
    ),
    (
        "libcurl 8.23.0 for ws://, through PycURL",
        "GET /ws HTTP/1.1
Host: 127.0.0.1:9001
User-Agent: curl/8.23.0
Accept: */*
Upgrade: websocket
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: 0me2vDupqKj8KE/egbuTtw==
Connection: Upgrade

",
        "127.0.0.1:9001",
        "/ws",
        RequestOutcome::Upgrade,
    ),
    (
        "tungstenite 0.30.0",
        "GET / HTTP/1.1
Host: 127.0.0.1:9001
Connection: Upgrade
Upgrade: websocket
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: RvuiAumrN8lRlQ7tWCjlVg==

",
        "127.0.0.1:9001",
        "/",
        RequestOutcome::Upgrade,
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
        RequestOutcome::Upgrade,
    ),
    (
        "nginx 1.22.1 in front of ws, as its documentation sets it up",
        "GET /chat/ HTTP/1.1
Upgrade: websocket
Connection: upgrade
X-Real-IP: 127.0.0.1
X-Forwarded-For: 127.0.0.1
X-Forwarded-Proto: http
Host: backend
User-Agent: Mozilla/5.0
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: BhhKeCFkDRyqaAV0Sxxk1Q==
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits

",
        "backend",
        "/chat/",
        RequestOutcome::Upgrade,
    ),
    (
        "nginx 1.22.1 in front of ws, handing on the client's host",
        "GET /host/ HTTP/1.1
Upgrade: websocket
Connection: upgrade
Host: 127.0.0.1
User-Agent: Mozilla/5.0
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: vBOSsUa2IaXaNej7ixsEyQ==
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits

",
        "127.0.0.1",
        "/host/",
        RequestOutcome::Upgrade,
    ),
    (
        "nginx 1.22.1 in front without that: the upgrade is gone",
        "GET /plain/ HTTP/1.0
Host: backend
Connection: close
User-Agent: Mozilla/5.0
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: 9S+HWdOT42+5Jb0GewlD8A==
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits

",
        "backend",
        "/plain/",
        RequestOutcome::Http,
    ),
    (
        "HAProxy 2.6.12 in front of ws",
        "GET /chat HTTP/1.1
user-agent: Mozilla/5.0
sec-websocket-version: 13
sec-websocket-key: bgrfMbZaIEtLVxrgkxDWPg==
connection: Upgrade
upgrade: websocket
sec-websocket-extensions: permessage-deflate; client_max_window_bits
host: 127.0.0.1:9011
x-forwarded-for: 127.0.0.1

",
        "127.0.0.1:9011",
        "/chat",
        RequestOutcome::Upgrade,
    ),
    (
        "HAProxy 2.6.12 in front of Chromium's HTTP/2",
        "GET /chat HTTP/1.1
host: 127.0.0.1:9012
pragma: no-cache
cache-control: no-cache
user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36
accept-language: en-US
origin: https://127.0.0.1:9012
sec-websocket-version: 13
accept-encoding: gzip, deflate, br, zstd
sec-websocket-extensions: permessage-deflate; client_max_window_bits
upgrade: websocket
connection: upgrade
cookie: session=0123456789abcdef; theme=dark
x-forwarded-for: 127.0.0.1
Sec-Websocket-Key: 7rG1J6MqjHcAAKuHA5BpDQ==

",
        "127.0.0.1:9012",
        "/chat",
        RequestOutcome::Upgrade,
    ),
    (
        "HAProxy 2.6.12's check",
        "OPTIONS / HTTP/1.0

",
        "",
        "/",
        RequestOutcome::Http,
    ),
    (
        "curl 7.88.1, for a page",
        "GET / HTTP/1.1
Host: 127.0.0.1:9001
User-Agent: curl/7.88.1
Accept: */*

",
        "127.0.0.1:9001",
        "/",
        RequestOutcome::Http,
    ),
    (
        "curl 7.88.1 with HTTP/2 offered",
        "GET / HTTP/1.1
Host: 127.0.0.1:9001
User-Agent: curl/7.88.1
Accept: */*
Connection: Upgrade, HTTP2-Settings
Upgrade: h2c
HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA

",
        "127.0.0.1:9001",
        "/",
        RequestOutcome::Http,
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
        RequestOutcome::Upgrade,
    ),
];

#[test]
fn recognizes_requests_of_real_clients() {
    for (name, lines, authority, path, expected) in REQUESTS {
        let head = lines.replace('\n', "\r\n").into_bytes();
        check_request(name, &head, *expected, HeadLimits::DEFAULT);
        let mut parser = RequestParser::new(HeadLimits::DEFAULT);
        let request = parser.parse(&head).unwrap().unwrap();
        assert_eq!(
            (request.authority().unwrap_or_default(), request.path()),
            (*authority, *path),
            "{name}"
        );
    }
}
