//! Measures echo servers over loopback sockets. The method is described in `README.md`.
//!
//! `sockets [--seconds N] [--rounds N] [--idle CONNECTIONS] [--only SERVER]... [--row ROW]...
//! [--baseline PROGRAM] [--uwebsockets PROGRAM] [--node MODULES]`

mod load;
mod process;
mod rows;
mod servers;
mod table;

use std::time::{Duration, Instant};

use load::Load;
use process::{Programs, Server};
use rows::Row;

/// The number of slices of a measurement. The servers take turns in slices, so that what else the machine
/// does meets all of them.
const SLICES: u32 = 10;

/// The time that a server runs before each slice.
const WARM_UP: Duration = Duration::from_millis(50);

/// The time after which a server sends a Ping, which the load generator does not answer: the driver of
/// this crate after 20 s of silence, the others later or never.
const PING: Duration = Duration::from_secs(20);

struct Options {
    /// The measured time of each server in each row and round.
    time: Duration,
    rounds: usize,
    /// The number of idle connections, or 0 for no measurement.
    idle: usize,
    /// The selected servers, or all if empty.
    only: Vec<String>,
    /// The selected rows, or all if empty.
    rows: Vec<String>,
    programs: Programs,
}

impl Options {
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut options = Self {
            time: Duration::from_secs(3),
            rounds: 5,
            idle: 8000,
            only: Vec::new(),
            rows: Vec::new(),
            programs: Programs::default(),
        };
        while let Some(argument) = arguments.next() {
            let value = arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
            let number = || value.parse::<f64>().expect("a number");
            match &*argument {
                "--seconds" => options.time = Duration::from_secs_f64(number()),
                "--rounds" => options.rounds = number() as usize,
                "--idle" => options.idle = number() as usize,
                "--only" => options.only.push(value),
                "--row" => options.rows.push(value),
                "--uwebsockets" => options.programs.uwebsockets = Some(value.into()),
                "--node" => options.programs.node = Some(value.into()),
                "--baseline" => options.programs.baseline = Some(value.into()),
                unknown => panic!("unknown option {unknown}"),
            }
        }
        options
    }

    fn servers(&self) -> Vec<&'static str> {
        let all = servers::NAMES.iter().copied().chain(self.programs.names());
        select(all.collect(), |name| (*name).to_owned(), &self.only)
    }

    fn rows(&self) -> Vec<Row> {
        select(rows::ALL.into(), Row::name, &self.rows)
    }
}

/// Selects by names, or all if there are none.
fn select<T>(mut all: Vec<T>, name: impl Fn(&T) -> String, selected: &[String]) -> Vec<T> {
    let names: Vec<String> = all.iter().map(&name).collect();
    if let Some(unknown) = selected.iter().find(|selected| !names.contains(selected)) {
        panic!("{unknown} is none of {}", names.join("; "));
    }
    all.retain(|item| selected.is_empty() || selected.contains(&name(item)));
    all
}

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if_eq("serve").is_some() {
        let name = arguments.next().expect("the name of a server");
        return servers::serve(&name);
    }
    let options = Options::from_arguments(arguments);
    let (servers, rows) = (options.servers(), options.rows());
    let turns = (options.time / SLICES + WARM_UP) * servers.len() as u32;
    assert!(
        turns < PING,
        "--seconds is too long: a connection that waits for its turn gets a Ping"
    );

    let measured: Vec<_> = rows.iter().map(|row| measure(&servers, row, &options)).collect();
    table::print(&servers, &rows, &measured);
    if options.idle > 0 {
        println!(
            "\n| {} idle connections | KiB of resident memory each |\n|---|--:|",
            options.idle
        );
        for name in &servers {
            println!("| {name} | {:.2} |", idle(name, &options) / 1024.0);
        }
    }
}

/// The figures of one measurement.
#[derive(Clone, Copy)]
struct Figures {
    /// CPU time of the server for each message, in microseconds.
    cpu: f64,
    /// Messages per second.
    rate: f64,
}

/// The slices of one measurement.
#[derive(Clone, Copy, Default)]
struct Total {
    cpu: Duration,
    time: Duration,
    messages: u64,
}

impl Total {
    fn figures(&self) -> Figures {
        let messages = self.messages as f64;
        Figures {
            cpu: self.cpu.as_secs_f64() * 1e6 / messages,
            rate: messages / self.time.as_secs_f64(),
        }
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:8.2} us of CPU {:9.0} messages/s", self.cpu, self.rate)
    }
}

/// Measures the servers in turns. Returns the figures of each server in each round.
fn measure(servers: &[&str], row: &Row, options: &Options) -> Vec<Vec<Figures>> {
    let start = |name: &&str| {
        let server = Server::start(name, &options.programs);
        let mut load = Load::connect(server.port(), row);
        load.check();
        (server, load)
    };
    let mut running: Vec<_> = servers.iter().map(start).collect();
    let mut measured = vec![Vec::new(); servers.len()];
    for round in 1..=options.rounds {
        let mut totals = vec![Total::default(); servers.len()];
        for _ in 0..SLICES {
            for ((server, load), total) in running.iter_mut().zip(&mut totals) {
                load.run(WARM_UP.min(options.time / SLICES));
                let (cpu, began) = (server.cpu_time(), Instant::now());
                total.messages += load.run(options.time / SLICES);
                total.cpu += server.cpu_time() - cpu;
                total.time += began.elapsed();
            }
        }
        for (index, total) in totals.iter().enumerate() {
            let figures = total.figures();
            eprintln!("{round} {:12} {:24} {figures}", row.name(), servers[index]);
            measured[index].push(figures);
        }
    }
    measured
}

/// Returns the resident bytes for each idle connection, after each has echoed its messages.
fn idle(name: &str, options: &Options) -> f64 {
    let server = Server::start(name, &options.programs);
    let connect = |connections| {
        let mut load = Load::connect(server.port(), &Row { connections, size: 125, in_flight: 1 });
        load.check();
        load
    };
    let first = connect(1);
    let before = server.resident_bytes();
    let others = connect(options.idle);
    let bytes = server.resident_bytes().saturating_sub(before) as f64 / options.idle as f64;
    drop((first, others));
    bytes
}
