//! Compares this crate with its peers on the same work. The method is described in `benches/README.md`.
//!
//! `cargo run --release -- [GROUP...] [--csv] [--slices N] [--chunk BYTES] [--only PEER]... [--case
//! NAME]... [--export DIRECTORY]`

mod case;
#[path = "../../support/codec.rs"]
mod codec;
mod idle;
mod measure;
mod memory;
mod peers;
mod scene;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use case::{Case, Work};
use measure::Measured;
use peers::Peer;
use scene::Scene;
use table::{Row, Table};

/// Processes at least the given number of messages and returns their actual number.
pub type Job = Box<dyn FnMut(u64) -> u64>;

struct Options {
    groups: Vec<String>,
    csv: bool,
    slices: usize,
    /// One size of reads for all, instead of the fastest one for each.
    chunk: Option<usize>,
    /// The selected implementations, or all if empty.
    only: Vec<String>,
    /// The selected cases, or all if empty.
    cases: Vec<String>,
    /// Where to write the traffic of the selected cases instead of measuring them.
    export: Option<PathBuf>,
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
            export: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().and_then(|text| text.parse().ok());
            match &*argument {
                "--csv" => options.csv = true,
                "--slices" => options.slices = number().expect("--slices N"),
                "--only" => options.only.extend(arguments.next()),
                "--case" => options.cases.extend(arguments.next()),
                "--export" => options.export = arguments.next().map(PathBuf::from),
                "--chunk" => options.chunk = Some(number().expect("--chunk BYTES")),
                group if !group.starts_with('-') => options.groups.push(group.into()),
                unknown => panic!("unknown option {unknown}"),
            }
        }
        options
    }

    /// A group is selected by its name or by a prefix of it.
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
    let mut table = Table::new(options.csv);
    let cases = case::all();
    for name in &options.groups {
        let mut groups = cases.iter().map(|case| case.group).chain(["idle"]);
        assert!(groups.any(|group| group.starts_with(&**name)), "no group {name}");
    }
    if let Some(directory) = &options.export {
        let mut chosen = cases.iter().filter(|case| options.chooses_case(case));
        return chosen.try_for_each(|case| export(case, directory)).expect("a writable directory");
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

/// Writes the wire that is received, or the messages that are sent, to the file `group/case`.
fn export(case: &Case, directory: &Path) -> io::Result<()> {
    let group = directory.join(case.group);
    fs::create_dir_all(&group)?;
    let bytes = if case.work == Work::Send { case.messages.concat() } else { case.wire.clone() };
    fs::write(group.join(&case.name), bytes)
}

/// Maximum bytes per read. Each implementation is measured with the size that is fastest for it in the case
/// on this machine.
const CHUNKS: [usize; 4] = [4 << 10, 16 << 10, 64 << 10, 256 << 10];

/// An implementation with one size of reads.
struct Entry<'a> {
    peer: &'a dyn Peer,
    scene: Scene,
    /// Compressed bytes for each byte of the sent messages.
    size: Option<f64>,
}

impl<'a> Entry<'a> {
    /// Checks the work of the implementation. Returns `None` if it does not support the case.
    fn new(peer: &'a dyn Peer, case: &Arc<Case>, chunk: usize) -> Option<Self> {
        let scene = Scene::new(case, chunk);
        let mut job = peer.job(&scene)?;
        let size = table::is_checked(peer.name()).then(|| scene.check(peer.name(), &mut job));
        Some(Self { peer, scene, size: size.flatten() })
    }

    fn open(&self) -> Job {
        self.peer.job(&self.scene).expect("the case is supported")
    }
}

/// Measures one case.
fn run(case: &Arc<Case>, peers: &[Box<dyn Peer>], options: &Options, table: &mut Table) {
    let chunks = match (options.chunk, case.work) {
        (Some(chunk), _) => vec![chunk],
        (None, Work::Receive | Work::Echo) => CHUNKS.into(),
        (None, Work::Send | Work::Accept | Work::Connect) => vec![16 << 10],
    };
    let pairs = peers.iter().flat_map(|peer| chunks.iter().map(move |chunk| (&**peer, *chunk)));
    let mut entries: Vec<_> =
        pairs.filter_map(|(peer, chunk)| Entry::new(peer, case, chunk)).collect();
    if chunks.len() > 1 {
        entries = fastest(entries, options.slices.min(TRIAL));
    }
    // Reopening jobs with larger messages would measure the allocator.
    let rounds_at_a_place = if case.size <= 16 << 10 { 3 } else { usize::MAX };
    let measured = measure(&entries, options.slices, rounds_at_a_place);
    let row = |(entry, measured): (&Entry<'_>, Measured)| Row {
        name: entry.peer.name(),
        chunk: entry.scene.chunk,
        size: entry.size,
        measured,
    };
    table.case(case, entries.iter().zip(measured).map(row).collect());
}

/// Slices that select the size of reads.
const TRIAL: usize = 7;

/// Selects the fastest entry of each implementation. Its time is discarded: among equal entries, the
/// fastest one was also the luckiest.
fn fastest(entries: Vec<Entry<'_>>, slices: usize) -> Vec<Entry<'_>> {
    let measured = measure(&entries, slices, usize::MAX);
    let mut best: Vec<(Entry<'_>, f64)> = Vec::new();
    for (entry, Measured { ns, .. }) in entries.into_iter().zip(measured) {
        match best.last_mut() {
            Some((other, least)) if other.peer.name() == entry.peer.name() => {
                if ns < *least {
                    (*other, *least) = (entry, ns);
                }
            }
            _ => best.push((entry, ns)),
        }
    }
    best.into_iter().map(|(entry, _)| entry).collect()
}

fn measure(entries: &[Entry<'_>], slices: usize, rounds_at_a_place: usize) -> Vec<Measured> {
    let jobs = entries.iter().map(|entry| Box::new(|| entry.open()) as measure::Open<'_>);
    measure::measure(jobs.collect(), slices, rounds_at_a_place)
}
