//! This crate and its peers on the same work. `README.md` beside this package has the method.
//!
//! `cargo run --release -- [GROUP...] [--csv] [--slices N] [--chunk BYTES] [--only PEER]...
//! [--case NAME]...`

mod case;
mod idle;
mod measure;
mod memory;
mod peers;
mod scene;
mod table;

use std::sync::Arc;

use case::Case;
use peers::Peer;
use scene::Scene;
use table::{Row, Table};

/// Does at least so many messages, and says how many.
pub type Job = Box<dyn FnMut(u64) -> u64>;

struct Options {
    groups: Vec<String>,
    csv: bool,
    slices: usize,
    /// Instead of what each implementation states.
    chunk: Option<usize>,
    /// The implementations, all if there are none.
    only: Vec<String>,
    /// The cases, all if there are none.
    cases: Vec<String>,
}

impl Options {
    fn from_arguments() -> Self {
        let mut options = Self {
            groups: Vec::new(),
            csv: false,
            slices: 9,
            chunk: None,
            only: Vec::new(),
            cases: Vec::new(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().and_then(|text| text.parse().ok());
            match &*argument {
                "--csv" => options.csv = true,
                "--slices" => options.slices = number().expect("--slices N"),
                "--only" => options.only.extend(arguments.next()),
                "--case" => options.cases.extend(arguments.next()),
                "--chunk" => options.chunk = Some(number().expect("--chunk BYTES")),
                group if !group.starts_with('-') => options.groups.push(group.into()),
                unknown => panic!("unknown option {unknown}"),
            }
        }
        options
    }

    /// A group is chosen by its name or the start of it.
    fn chooses(&self, group: &str) -> bool {
        self.groups.is_empty() || self.groups.iter().any(|name| group.starts_with(&**name))
    }

    fn chooses_case(&self, case: &Case) -> bool {
        self.chooses(case.group) && (self.cases.is_empty() || self.cases.contains(&case.name))
    }
}

fn main() {
    let options = Options::from_arguments();
    measure::pin();
    let mut peers = peers::all();
    peers.retain(|peer| {
        options.only.is_empty() || options.only.iter().any(|name| peer.name() == name)
    });
    let simd = if cfg!(feature = "simd") { "with" } else { "without" };
    eprintln!("websocket-proto {simd} its feature `simd`");
    let mut table = Table::new(options.csv);
    let cases = case::all();
    for name in &options.groups {
        let mut groups = cases.iter().map(|case| case.group).chain(["idle"]);
        assert!(groups.any(|group| group.starts_with(&**name)), "no group {name}");
    }
    for case in cases {
        if options.chooses_case(&case) {
            run(&Arc::new(case), &peers, &options, &mut table);
        }
    }
    if options.chooses("idle") {
        idle::run(&peers, &mut table);
    }
}

/// Measures one case.
fn run(case: &Arc<Case>, peers: &[Box<dyn Peer>], options: &Options, table: &mut Table) {
    let (mut names, mut jobs) = (Vec::new(), Vec::new());
    for peer in peers {
        let scene = Scene::new(case, options.chunk.unwrap_or_else(|| peer.chunk(case)));
        if let Some(mut job) = peer.job(&scene) {
            if table::is_implementation(peer.name()) {
                scene.check(peer.name(), &mut job);
            }
            names.push(peer.name());
            jobs.push(Box::new(move || peer.job(&scene).expect("as before")) as measure::Open<'_>);
        }
    }
    // To move larger messages would measure the allocator.
    let rounds_at_a_place = if case.size <= 16 << 10 { 3 } else { usize::MAX };
    let measured = measure::measure(jobs, options.slices, rounds_at_a_place);
    let rows = names.iter().zip(measured).map(|(name, measured)| Row { name, measured });
    table.case(case, rows.collect());
}
