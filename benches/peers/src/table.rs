//! The results: a readable table, or lines of `group,case,peer,ns,bytes_per_s,allocations,size`.

use crate::case::{Case, Work};
use crate::measure::{ENOUGH, Measured};

pub struct Row<'a> {
    pub name: &'a str,
    /// Maximum bytes per read.
    pub chunk: usize,
    /// Compressed bytes for each byte of the sent messages.
    pub size: Option<f64>,
    pub measured: Measured,
}

pub struct Table {
    csv: bool,
    group: &'static str,
}

/// The harness's part of the client's handshake, which is subtracted.
pub const ANSWER: &str = "the answer";

impl Table {
    pub fn new(csv: bool) -> Self {
        if csv {
            println!("group,case,peer,ns,bytes_per_s,allocations,size");
        }
        Self { csv, group: "" }
    }

    pub fn csv(&self) -> bool {
        self.csv
    }

    pub fn case(&mut self, case: &Case, mut rows: Vec<Row<'_>>) {
        if case.work == Work::Connect
            && let Some(at) = rows.iter().position(|row| row.name == ANSWER)
        {
            let answer = rows.remove(at).measured.ns;
            rows.iter_mut().for_each(|row| row.measured.ns -= answer);
        }
        if self.csv {
            for Row { name, measured: Measured { ns, allocations, .. }, size, .. } in rows {
                let rate = case.size as f64 * 1e9 / ns;
                let size = size.map(|size| format!("{size:.4}")).unwrap_or_default();
                let (group, case) = (case.group, &case.name);
                println!("{group},{case},{name},{ns:.2},{rate:.0},{allocations:.2},{size}");
            }
            return;
        }
        if self.group != case.group {
            self.group = case.group;
            println!("\n## {}", case.group);
        }
        println!(
            "\n{}{:>8} {:>17} {:>9} {:>7} {:>7}",
            padded(&case.name, 30),
            "reads",
            "ns",
            "MB/s",
            "ratio",
            "allocs"
        );
        rows.sort_by(|a, b| a.measured.ns.total_cmp(&b.measured.ns));
        let best = rows.iter().find(|row| is_peer(row.name)).map(|row| row.measured.ns);
        for Row { name, chunk, size, measured } in rows {
            let Measured { ns, allocations, slices } = measured;
            // The ratio is to the best complete peer.
            let ratio = best.map_or(f64::NAN, |best| ns / best);
            let rate = case.size as f64 * 1e3 / ns;
            let size = size.map(|size| format!("  size {size:.3}")).unwrap_or_default();
            let note = if slices < ENOUGH { "  noisy" } else { "" };
            let reads = match case.work {
                Work::Receive | Work::Echo => format!("{} KiB", chunk >> 10),
                Work::Send | Work::Accept | Work::Connect => String::new(),
            };
            println!(
                "  {}{reads:>8} {ns:>17.1} {rate:>9.0} {ratio:>7.2} {allocations:>7.2}{size}{note}",
                padded(name, 28)
            );
        }
    }
}

/// Whether the row is an implementation, and not a limit of the machine or the harness's own work.
fn is_implementation(name: &str) -> bool {
    !name.starts_with("limit:") && name != ANSWER
}

/// Whether its received messages and written frames are compared with the expected ones.
pub fn is_checked(name: &str) -> bool {
    is_implementation(name) || name.starts_with("limit:codec")
}

/// Whether it is a complete implementation other than this crate.
fn is_peer(name: &str) -> bool {
    !name.starts_with('[') && !name.starts_with("limit:") && name != "websocket-proto"
}

fn padded(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}
