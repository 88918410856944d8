//! Memory of idle connections.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use crate::case::{self, Role};
use crate::memory;
use crate::peers::Peer;
use crate::scene::{Pipe, Scene};
use crate::table::Table;

const CONNECTIONS: usize = 100_000;
/// Limit on the heap of a measurement; larger results are extrapolated from fewer connections.
const BUDGET: usize = 2 << 30;

/// Measures every peer. In lines of `--csv`, `ns` is bytes (for `connections 100000`: resident bytes) and
/// `allocations` is the number of blocks of a connection.
pub fn run(peers: &[Box<dyn Peer>], table: &mut Table) {
    if !table.csv() {
        println!("\n## idle\n");
        println!(
            "{:<26}{:>12}{:>8}{:>12}{:>8}{:>22}{:>16}{:>12}",
            "bytes of a connection",
            "server",
            "blocks",
            "client",
            "blocks",
            "100,000 servers, heap",
            "in memory",
            "ns to open"
        );
    }
    for peer in peers {
        let ends = [Role::Server, Role::Client].map(|role| {
            let scene = Scene::new(&Arc::new(case::idle(role)), 4096);
            // Excludes everything that is initialised once per process.
            drop(peer.idle(&scene));
            let (bytes, blocks) = memory::held();
            let connection = peer.idle(&scene)?;
            let now = memory::held();
            drop(connection);
            Some((now.0 - bytes - size_of::<Pipe>(), now.1 - blocks))
        });
        let [Some(server), client] = ends else { continue };
        let count = CONNECTIONS.min(BUDGET / server.0.max(1)).max(1000);
        let (resident, time) = hold(peer.as_ref(), count);
        let (name, scale) = (peer.name(), CONNECTIONS as f64 / count as f64);
        let resident = resident as f64 * scale;
        if table.csv() {
            println!("idle,server,{name},{},,{}", server.0, server.1);
            if let Some(client) = client {
                println!("idle,client,{name},{},,{}", client.0, client.1);
            }
            println!("idle,connections {CONNECTIONS},{name},{resident:.0},,{}", server.1);
        } else {
            const MIB: f64 = (1 << 20) as f64;
            let client = client.map_or_else(
                || format!("{:>20}", "-"),
                |client| format!("{:>12}{:>8}", client.0, client.1),
            );
            println!(
                "  {name:<24}{:>12}{:>8}{client}{:>18.1} MiB{:>12.1} MiB{time:>12.0}{}",
                server.0,
                server.1,
                (server.0 * CONNECTIONS) as f64 / MIB,
                resident / MIB,
                if count < CONNECTIONS { format!("  (of {count})") } else { String::new() }
            );
        }
    }
}

/// Opens `count` connections. Returns the resident bytes that they added, and the time for each.
fn hold(peer: &dyn Peer, count: usize) -> (usize, f64) {
    let scene = Scene::new(&Arc::new(case::idle(Role::Server)), 4096);
    let mut connections: Vec<Option<Box<dyn Any>>> = Vec::with_capacity(count);
    memory::trim();
    let before = memory::resident();
    let start = Instant::now();
    connections.extend((0..count).map(|_| peer.idle(&scene)));
    let time = start.elapsed().as_nanos() as f64 / count as f64;
    let after = memory::resident();
    drop(connections);
    (after.saturating_sub(before), time)
}
