//! The process of a server, and what the kernel says of it.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const UWEBSOCKETS: &str = "uWebSockets";
const NODE: &str = "Node.js ws";
const BASELINE: &str = "baseline";

/// The servers that other programs contain.
#[derive(Default)]
pub struct Programs {
    /// The server of uWebSockets, or `None` to skip it.
    pub uwebsockets: Option<PathBuf>,
    /// The directory with the modules of Node.js, or `None` to skip the server in Node.js.
    pub node: Option<PathBuf>,
    /// Another build of this program, whose server `websocket-proto` is measured as well.
    pub baseline: Option<PathBuf>,
}

impl Programs {
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let names =
            [(UWEBSOCKETS, &self.uwebsockets), (NODE, &self.node), (BASELINE, &self.baseline)];
        names.into_iter().filter_map(|(name, program)| program.as_ref().map(|_| name))
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new("taskset");
        command.args(["-c", CORE]);
        match (name, &self.uwebsockets, &self.node, &self.baseline) {
            (UWEBSOCKETS, Some(program), _, _) => {
                command.arg(program);
            }
            (NODE, _, Some(modules), _) => {
                let script = concat!(env!("CARGO_MANIFEST_DIR"), "/server.cjs");
                command.args(["node", script]).env("NODE_PATH", modules);
            }
            (BASELINE, _, _, Some(program)) => {
                command.arg(program).args(["serve", "websocket-proto"]);
            }
            _ => {
                command.arg(env::current_exe().expect("a path")).args(["serve", name]);
            }
        }
        command
    }
}

/// The core of the server. `run` binds the load generator to the other one.
const CORE: &str = "0";

/// A running server, which ends when this is dropped.
pub struct Server {
    process: Child,
    port: u16,
}

impl Server {
    pub fn start(name: &str, programs: &Programs) -> Self {
        let mut command = programs.command(name);
        let mut process = command.stdout(Stdio::piped()).spawn().expect("taskset");
        let mut line = String::new();
        let output = process.stdout.as_mut().expect("an output");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let port = line.trim().parse().unwrap_or_else(|_| panic!("{name} did not start"));
        Self { process, port }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the user and system time of all threads.
    pub fn cpu_time(&self) -> Duration {
        let tasks = fs::read_dir(self.path("task")).expect("the server runs");
        let of_task = |task: std::io::Result<fs::DirEntry>| {
            let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        };
        Duration::from_nanos(tasks.filter_map(of_task).sum())
    }

    pub fn resident_bytes(&self) -> u64 {
        let text = fs::read_to_string(self.path("smaps_rollup")).expect("the server runs");
        let line = text.lines().find(|line| line.starts_with("Rss:")).expect("a line");
        let number = line.split_whitespace().nth(1).and_then(|text| text.parse().ok());
        1024 * number.unwrap_or(0)
    }

    fn path(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.process.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
