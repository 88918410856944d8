//! A chat client for the terminal, which reconnects.
//!
//! `cargo run --example client -- wss://example.com/chat [SECONDS]` sends each typed line, prints each
//! message, and closes at the end of its input. The environment can name a proxy, as it does for curl.
//!
//! When the server is unreachable, lost or restarting, the client connects again, first after a random
//! time between half of SECONDS (5, at least 0.001) and all of it. A server that is overloaded can ask for
//! more (`Retry-After`), up to an hour. Lines that are typed meanwhile are sent later. Sent lines that had not
//! reached the server when the connection broke are lost.
//!
//! The program exits with 0 after a normal close, and if its input ends while it has neither a connection nor
//! a line to send; otherwise it prints the reason and exits with 1.

use std::io;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_websocket_proto::proto::{CloseCode, Message, SendError};
use tokio_websocket_proto::{ClientBuilder, Error, Stream, WebSocket};

/// A server that asks for more gets no more.
const MAX_ASKED: Duration = Duration::from_secs(3600);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (uri, seconds) = (arguments.next(), arguments.next().map_or(Ok(5.0), |text| text.parse()));
    let (Some(uri), Ok(seconds @ 1e-3..1e6)) = (uri, seconds) else {
        eprintln!("usage: client ws://HOST[:PORT]/PATH [SECONDS]");
        return ExitCode::FAILURE;
    };
    let client = ClientBuilder::new().with_proxy_from_environment();
    let mut backoff = Backoff { first: Duration::from_secs_f64(seconds), attempts: 0 };
    let mut lines = Lines { unsent: None, typed: typed_lines() };
    loop {
        let start = Instant::now();
        let mut asked = Duration::ZERO;
        let (reason, may_retry) = match run(&client, &uri, &mut lines).await {
            Ok(Ended::Normally) => return ExitCode::SUCCESS,
            Ok(Ended::By(code)) => (format!("the server closed with {code}"), code.is_temporary()),
            Err(error) => {
                asked = error.retry_after().unwrap_or_default().min(MAX_ASKED);
                (error.to_string(), error.is_temporary())
            }
        };
        if !may_retry {
            eprintln!("{reason}");
            return ExitCode::FAILURE;
        }
        let delay = asked + backoff.next(start.elapsed());
        eprintln!("{reason}; again in {delay:.1?}");
        if !lines.wait(delay).await {
            return ExitCode::SUCCESS;
        }
    }
}

/// The lines that were typed.
struct Lines {
    /// A line that was not sent, because the connection was closing, had failed or was not there.
    unsent: Option<String>,
    typed: mpsc::Receiver<String>,
}

impl Lines {
    /// Returns the next line, or `None` at the end of the input. A call that is dropped loses nothing.
    async fn next(&mut self) -> Option<String> {
        match self.unsent.take() {
            Some(line) => Some(line),
            None => self.typed.recv().await,
        }
    }

    /// Waits, and keeps a line. Returns `false` as soon as the input ends without such a line.
    async fn wait(&mut self, delay: Duration) -> bool {
        let mut delay = pin!(sleep(delay));
        loop {
            tokio::select! {
                () = &mut delay => return true,
                line = self.typed.recv(), if self.unsent.is_none() => match line {
                    Some(line) => self.unsent = Some(line),
                    None => return false,
                },
            }
        }
    }
}

/// How a connection ended.
enum Ended {
    /// The user or the server closed it.
    Normally,
    /// The server closed it with this code.
    By(CloseCode),
}

async fn run(client: &ClientBuilder, uri: &str, lines: &mut Lines) -> Result<Ended, Error> {
    let mut socket = client.connect(uri).await?.socket;
    eprintln!("connected");
    if let Err(error) = talk(&mut socket, lines).await {
        // The server's code decides, also if the connection broke after it.
        return socket.peer_close().map(|frame| Ended::By(frame.code())).ok_or(error);
    }
    Ok(match socket.outcome().map(|outcome| outcome.code) {
        // Browsers close without a code.
        Some(CloseCode::NORMAL | CloseCode::NO_STATUS) | None => Ended::Normally,
        Some(code) => Ended::By(code),
    })
}

/// Sends typed lines and prints messages until the connection is closed.
async fn talk(socket: &mut WebSocket<Stream>, lines: &mut Lines) -> Result<(), Error> {
    loop {
        // `recv` and the channel lose nothing when the other branch is taken.
        tokio::select! {
            message = socket.recv() => match message? {
                Some(Message::Text(text)) => println!("{text}"),
                Some(Message::Binary(bytes)) => println!("[{} bytes]", bytes.len()),
                None => return Ok(()),
            },
            // After the server's Close, the line waits for the next connection.
            line = lines.next(), if !socket.is_closing() => match line {
                // The next `recv` writes it.
                Some(line) => if let Err(error) = socket.feed(&line).await {
                    lines.unsent = Some(line);
                    if !matches!(error, Error::Send(SendError::Closed)) {
                        return Err(error);
                    }
                },
                None => return socket.close(CloseCode::NORMAL).await,
            },
        }
    }
}

/// Reads the terminal in a thread, which does not keep the program from exiting.
fn typed_lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in io::stdin().lines().map_while(io::Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// The delays between attempts (RFC 6455, section 7.2.3).
///
/// When a server comes back, its clients must not all connect at once, so delays are random: the first one is
/// between half of `first` and all of it, the next one between 1 and 2 times `first`, then 2 and 4 times, up to
/// 32 and 64 times. A delay is never zero: a server that refuses at once would be asked without a pause.
struct Backoff {
    first: Duration,
    attempts: u32,
}

impl Backoff {
    /// Returns the next delay, after a connection or an attempt that lasted this long.
    fn next(&mut self, lasted: Duration) -> Duration {
        if lasted >= self.first * 12 {
            self.attempts = 0;
        }
        let longest = self.first * (1 << self.attempts.min(6));
        self.attempts += 1;
        // Without randomness, clients still spread out by their own timing.
        let random = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        longest.mul_f64(0.5 + random / 2.0)
    }
}
