//! The rows of the table: how many connections send which messages.

/// A load.
#[derive(Clone, Copy)]
pub struct Row {
    pub connections: usize,
    /// The payload bytes of a message.
    pub size: usize,
    /// The number of messages of each connection that are not yet echoed.
    pub in_flight: usize,
}

pub const ALL: [Row; 6] = [
    row(50, 8, 1),
    row(50, 1 << 10, 1),
    row(50, 16 << 10, 1),
    row(10, 1 << 20, 1),
    row(10, 125, 64),
    row(10, 1 << 10, 16),
];

const fn row(connections: usize, size: usize, in_flight: usize) -> Row {
    Row { connections, size, in_flight }
}

impl Row {
    pub fn name(&self) -> String {
        let size = match self.size {
            size if size < 1 << 10 => format!("{size}B"),
            size if size < 1 << 20 => format!("{}KiB", size >> 10),
            size => format!("{}MiB", size >> 20),
        };
        format!("{}x{size}x{}", self.connections, self.in_flight)
    }
}
