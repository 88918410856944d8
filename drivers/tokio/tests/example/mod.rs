//! An example as a program.

#![allow(dead_code, reason = "each test uses a part")]

use std::env::consts::EXE_SUFFIX;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// The time within which a program prints a line, connects or ends.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A running example. It is killed when dropped.
pub(crate) struct Program {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
}

/// Starts an example, which `cargo test` builds next to the tests.
pub(crate) fn start(name: &str, arguments: &[&str]) -> Program {
    start_with(name, arguments, &[])
}

/// The variables that name a proxy. Those of this machine must not change a test.
const PROXY_VARIABLES: [&str; 7] =
    ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"];

/// Starts an example with variables in its environment.
pub(crate) fn start_with(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Program {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    let path = profile.join("examples").join(format!("{name}{EXE_SUFFIX}"));
    let shown = path.display();
    assert!(path.exists(), "{shown} is built by `cargo test` or `cargo build --examples`");
    let mut command = Command::new(path);
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

impl Program {
    /// Returns the next line that the program prints.
    pub(crate) async fn line(&mut self) -> String {
        let line = timeout(LIMIT, self.stdout.next_line()).await;
        line.expect("the program is alive").unwrap().expect("the program prints a line")
    }

    pub(crate) async fn type_text(&mut self, text: &str) {
        self.child.stdin.as_mut().unwrap().write_all(text.as_bytes()).await.unwrap();
    }

    /// Sends the signal of Ctrl-C.
    #[cfg(unix)]
    pub(crate) async fn interrupt(&self) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
    }

    /// Ends the input of the program, and returns its errors if it fails.
    pub(crate) async fn finish(mut self) -> Result<(), String> {
        drop(self.child.stdin.take());
        let output = timeout(LIMIT, self.child.wait_with_output()).await;
        let output = output.expect("the program ends").unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        if output.status.success() { Ok(()) } else { Err(errors) }
    }
}
