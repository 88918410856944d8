//! Runs the examples as programs.

mod common;

use std::env::consts::EXE_SUFFIX;
use std::process::Stdio;
use std::time::Duration;

use common::{
    TLS, accept_and_echo, echo_server, listen, proxy, serve, serve_bytes, tls_echo_server,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use tokio_websocket_proto::proto::handshake::Acceptance;
use tokio_websocket_proto::proto::{CloseCode, Message};
use tokio_websocket_proto::{DEFAULT_CONFIG, Incoming, accept, connect};

/// A running example. It is killed when dropped.
struct Program {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
}

/// Starts an example, which `cargo test` builds next to the tests.
fn start(name: &str, arguments: &[&str]) -> Program {
    start_with(name, arguments, &[])
}

/// The variables that name a proxy. Those of this machine must not change a test.
const PROXY_VARIABLES: [&str; 7] =
    ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"];

/// Starts an example with variables in its environment.
fn start_with(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Program {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    let mut command = Command::new(profile.join("examples").join(format!("{name}{EXE_SUFFIX}")));
    for variable in PROXY_VARIABLES {
        command.env_remove(variable);
    }
    let mut child = command
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
    Program { child, stdout }
}

fn temporary_file(extension: &str) -> String {
    let name = format!("tokio-websocket-proto-{}.{extension}", std::process::id());
    std::env::temp_dir().join(name).to_str().unwrap().to_owned()
}

impl Program {
    /// Returns the next line that the program prints.
    async fn line(&mut self) -> String {
        let line = timeout(Duration::from_secs(60), self.stdout.next_line()).await;
        line.expect("the program is alive").unwrap().expect("the program prints a line")
    }

    async fn type_text(&mut self, text: &str) {
        self.child.stdin.as_mut().unwrap().write_all(text.as_bytes()).await.unwrap();
    }

    /// Ends the input of the program, and returns its errors if it fails.
    async fn finish(mut self) -> Result<(), String> {
        drop(self.child.stdin.take());
        let output = self.child.wait_with_output().await.unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        if output.status.success() { Ok(()) } else { Err(errors) }
    }
}

#[tokio::test]
async fn echo_server_echoes() {
    let mut server = start("echo_server_tokio", &["127.0.0.1:0"]);
    let line = server.line().await;
    let mut socket = connect(line.strip_prefix("listening on ").unwrap()).await.unwrap();
    for message in [Message::from("Hello"), Message::from(vec![7; 100_000])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.recv().await.unwrap().unwrap(), message);
    }
    socket.close(CloseCode::NORMAL).await.unwrap();
}

#[tokio::test]
async fn client_sends_lines_and_prints_messages() {
    let (listener, port) = listen().await;
    let mut client = start("client", &[&format!("ws://127.0.0.1:{port}/")]);
    let server = tokio::spawn(async move { accept_and_echo(listener.accept().await?.0).await });
    client.type_text("first\nsecond\n").await;
    assert_eq!(client.line().await, "first");
    assert_eq!(client.line().await, "second");
    client.finish().await.unwrap();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn client_trusts_the_roots_of_the_operating_system() {
    let port = tls_echo_server().await;
    let file = &temporary_file("pem");
    std::fs::write(file, &TLS.certificate).unwrap();
    // The file takes the place of the operating system's certificates.
    let uri = format!("wss://localhost:{port}/");
    let mut client = start_with("client", &[&uri], &[("SSL_CERT_FILE", file)]);
    client.type_text("Hello\n").await;
    assert_eq!(client.line().await, "Hello");
    client.finish().await.unwrap();
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn client_connects_through_the_proxy_that_the_environment_names() {
    let uri = &format!("ws://localhost:{}/", echo_server().await);
    let (tunnels, mut opened) = tokio::sync::mpsc::unbounded_channel();
    let proxy = serve(move |socket| {
        tunnels.send(()).unwrap();
        async move { proxy(socket, None).await }
    })
    .await;
    let proxy = &format!("127.0.0.1:{proxy}");
    let mut client = start_with("client", &[uri], &[("http_proxy", proxy)]);
    client.type_text("Hello\n").await;
    assert_eq!(client.line().await, "Hello");
    client.finish().await.unwrap();
    opened.try_recv().unwrap();

    // Where nobody connects to the proxy, the server is reached directly.
    for variables in [
        [("HTTP_PROXY", proxy.as_str()), ("NO_PROXY", "")],
        [("ALL_PROXY", proxy), ("NO_PROXY", "localhost")],
    ] {
        let mut client = start_with("client", &[uri], &variables);
        client.type_text("Hello\n").await;
        assert_eq!(client.line().await, "Hello");
        client.finish().await.unwrap();
        opened.try_recv().unwrap_err();
    }

    let client = start_with("client", &[uri], &[("all_proxy", "socks5://127.0.0.1:1080")]);
    assert_eq!(
        client.finish().await.unwrap_err(),
        "the environment variable all_proxy is not the URI of an HTTP proxy: the scheme is neither \
         http nor https; write http://host:port, or clear it\n"
    );
}

#[tokio::test]
async fn client_connects_again_after_a_restart_of_the_server() {
    let (listener, port) = listen().await;
    let mut client = start("client", &[&format!("ws://127.0.0.1:{port}/"), "0.01"]);
    for end in [CloseCode::SERVICE_RESTART, CloseCode::GOING_AWAY] {
        let mut socket = accept(listener.accept().await.unwrap().0).await.unwrap();
        socket.send("restarting").await.unwrap();
        socket.close(end).await.unwrap();
        assert_eq!(client.line().await, "restarting");
    }
    // A server that breaks off.
    drop(accept(listener.accept().await.unwrap().0).await.unwrap());
    // A line that is typed earlier may be lost with that connection.
    let (tcp, _) = listener.accept().await.unwrap();
    let server = tokio::spawn(accept_and_echo(tcp));
    client.type_text("Hello\n").await;
    assert_eq!(client.line().await, "Hello");
    client.finish().await.unwrap();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn client_stops_when_the_server_rejects_it() {
    let rejection = "HTTP/1.1 401 \r\nContent-Length: 0\r\n\r\n";
    let port = serve_bytes(rejection).await;
    let client = start("client", &[&format!("ws://127.0.0.1:{port}/")]);
    assert_eq!(
        client.finish().await.unwrap_err(),
        "the server answered with status 401; it demands credentials, so give them in the field \
         Authorization\n"
    );

    let (listener, port) = listen().await;
    let client = start("client", &[&format!("ws://127.0.0.1:{port}/")]);
    let mut socket = accept(listener.accept().await.unwrap().0).await.unwrap();
    socket.close(CloseCode::POLICY_VIOLATION).await.unwrap();
    assert_eq!(client.finish().await.unwrap_err(), "connected\nthe server closed with 1008\n");
}

#[tokio::test]
async fn broadcast_server_sends_each_message_to_all_others() {
    let mut server = start("broadcast_server", &["127.0.0.1:0"]);
    let line = server.line().await;
    let uri = line.strip_prefix("listening on ").unwrap();
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(connect(uri).await.unwrap());
    }
    for (i, message) in [Message::from("first"), Message::from(vec![7; 100_000])].iter().enumerate()
    {
        sockets[i].send(message.clone()).await.unwrap();
        for other in (0..3).filter(|&other| other != i) {
            assert_eq!(sockets[other].recv().await.unwrap().unwrap(), *message, "{other}");
        }
    }
    // No client has received its own message.
    for mut socket in sockets {
        socket.start_close(CloseCode::NORMAL).unwrap();
        assert!(socket.recv().await.unwrap().is_none());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn broadcast_server_closes_its_clients_when_it_is_interrupted() {
    let mut server = start("broadcast_server", &["127.0.0.1:0"]);
    let line = server.line().await;
    let mut socket = connect(line.strip_prefix("listening on ").unwrap()).await.unwrap();
    let id = server.child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
    assert_eq!(socket.recv().await.unwrap(), None);
    assert_eq!(socket.peer_close().unwrap().code(), CloseCode::GOING_AWAY);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn clients_of_the_broadcast_server_chat() {
    let mut server = start("broadcast_server", &["127.0.0.1:0"]);
    let line = server.line().await;
    let uri = line.strip_prefix("listening on ").unwrap();
    let mut socket = connect(uri).await.unwrap();
    let mut client = start("client", &[uri]);
    client.type_text("Hello\n").await;
    assert_eq!(socket.recv().await.unwrap().unwrap(), "Hello");
    socket.send("Hello yourself").await.unwrap();
    assert_eq!(client.line().await, "Hello yourself");
    client.finish().await.unwrap();
}

#[tokio::test]
async fn autobahn_client_echoes_to_its_server() {
    let (listener, port) = listen().await;
    let client = start("autobahn", &["client", "ours", &format!("ws://127.0.0.1:{port}/")]);
    let mut requests = Vec::new();
    for reply in [Some("1"), Some("echo"), None] {
        let tcp = listener.accept().await.unwrap().0;
        let incoming = Incoming::receive(tcp, &DEFAULT_CONFIG).await.unwrap();
        requests.push(incoming.request().target().to_owned());
        let mut socket = incoming.accept(&Acceptance::new()).await.unwrap();
        if let Some(reply) = reply {
            socket.send(reply).await.unwrap();
        }
        if reply == Some("echo") {
            assert_eq!(socket.recv().await.unwrap().unwrap(), "echo");
        }
        socket.close(CloseCode::NORMAL).await.unwrap();
    }
    client.finish().await.unwrap();
    let expected = ["/getCaseCount", "/runCase?case=1&agent=ours", "/updateReports?agent=ours"];
    assert_eq!(requests, expected);
}

#[tokio::test]
async fn wss_talks_to_itself_with_a_self_signed_certificate() {
    let file = &temporary_file("der");
    let mut server = start("wss", &["server", file, "127.0.0.1:0"]);
    let line = server.line().await;
    let uri = line.strip_prefix("listening on ").unwrap();
    let mut client = start("wss", &["client", file, uri, "Hello"]);
    assert_eq!(client.line().await, "Hello");
    client.finish().await.unwrap();
    std::fs::remove_file(file).unwrap();
}
