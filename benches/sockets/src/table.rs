//! The printed tables: one column for each row of the load.

use crate::Figures;
use crate::rows::Row;

/// Prints the medians. `measured` is indexed by row, server and round.
pub fn print(servers: &[&str], rows: &[Row], measured: &[Vec<Vec<Figures>>]) {
    println!("\nMicroseconds of the server's CPU time for each message (median):");
    table(
        servers,
        rows,
        measured,
        |figures| figures.cpu,
        |us| match us {
            ..10.0 => format!("{us:.2}"),
            10.0..100.0 => format!("{us:.1}"),
            _ => format!("{us:.0}"),
        },
    );
    println!("\nThousands of messages per second (median):");
    table(
        servers,
        rows,
        measured,
        |figures| figures.rate / 1e3,
        |rate| match rate {
            ..10.0 => format!("{rate:.2}"),
            _ => format!("{rate:.0}"),
        },
    );
}

fn table(
    servers: &[&str],
    rows: &[Row],
    measured: &[Vec<Vec<Figures>>],
    value: fn(&Figures) -> f64,
    format: fn(f64) -> String,
) {
    let names: Vec<_> = rows.iter().map(Row::name).collect();
    println!("\n| server | {} |\n|---|{}", names.join(" | "), "--:|".repeat(names.len()));
    for (index, server) in servers.iter().enumerate() {
        let cells = measured.iter().map(|row| format(median(row[index].iter().map(value))));
        println!("| {server} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
