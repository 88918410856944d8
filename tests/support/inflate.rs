//! An inflater written directly from RFC 1951 and RFC 7692, section 7.2.2: the oracle of the tests of
//! permessage-deflate. It reads one byte at a time, so that no cut can affect it. Needs no feature of the
//! crate.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing)]

/// The payload is not a DEFLATE stream, or ends within a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

#[derive(Clone, Debug)]
pub struct Inflater {
    /// The largest distance to which a message may refer back.
    max_distance: usize,
    /// The number of bytes of a message to which the next message may refer.
    kept: usize,
    history: Vec<u8>,
    /// The bytes of the message, without some of those that are decoded.
    input: Vec<u8>,
    /// The number of decoded bits in `input`.
    at: usize,
    block: Block,
    /// Whether the current block has BFINAL set, or between blocks, the last one.
    is_final: bool,
    is_empty: bool,
}

#[derive(Clone, Debug)]
enum Block {
    Between,
    /// The number of bytes that are missing.
    Stored(usize),
    /// The codes of literals and lengths, and of distances.
    Codes(Box<[Code; 2]>),
}

/// Why a step did not complete.
enum Stop {
    NeedsBits,
    Corrupt,
}

impl Inflater {
    /// An inflater with the last `kept` bytes of the messages as the context of the next one. Within a
    /// message, references over the whole window of DEFLATE are accepted.
    pub const fn receiver(kept: usize) -> Self {
        Self {
            max_distance: 1 << 15,
            kept,
            history: vec![],
            input: vec![],
            at: 0,
            block: Block::Between,
            is_final: false,
            is_empty: true,
        }
    }

    /// An inflater that refuses references beyond a window of this many bits.
    pub fn strict(window_bits: u8, has_context_takeover: bool) -> Self {
        let window = 1 << window_bits;
        let kept = if has_context_takeover { window } else { 0 };
        Self { max_distance: window, ..Self::receiver(kept) }
    }

    /// Inflates the next byte of a message to `out`. Output before an error is written.
    pub fn push(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<(), Corrupt> {
        self.is_empty = false;
        self.input.push(byte);
        loop {
            match self.step(out) {
                Ok(()) => {}
                Err(Stop::Corrupt) => return Err(Corrupt),
                Err(Stop::NeedsBits) => break,
            }
        }
        let used = self.at / 8;
        if used > 1000 {
            self.input.drain(..used);
            self.at %= 8;
        }
        Ok(())
    }

    /// Ends a message (RFC 7692, section 7.2.2).
    pub fn end(&mut self) -> Result<(), Corrupt> {
        let was_empty = std::mem::replace(&mut self.is_empty, true);
        // The stream may end with a block that has BFINAL set.
        if !(self.is_between() && self.is_final && !was_empty) {
            if was_empty {
                return Err(Corrupt);
            }
            let mut out = Vec::new();
            for byte in [0, 0, 0xff, 0xff] {
                self.push(byte, &mut out)?;
            }
            if !out.is_empty() || !self.is_between() {
                return Err(Corrupt);
            }
        }
        let excess = self.history.len().saturating_sub(self.kept);
        self.history.drain(..excess);
        self.input.clear();
        (self.at, self.is_final, self.is_empty) = (0, false, true);
        Ok(())
    }

    /// Inflates a whole message.
    pub fn message(&mut self, payload: &[u8]) -> Result<Vec<u8>, Corrupt> {
        let mut out = Vec::new();
        for byte in payload {
            self.push(*byte, &mut out)?;
        }
        self.end()?;
        Ok(out)
    }

    fn is_between(&self) -> bool {
        matches!(self.block, Block::Between) && self.at == self.input.len() * 8
    }

    fn emit(&mut self, byte: u8, out: &mut Vec<u8>) {
        out.push(byte);
        self.history.push(byte);
        if self.history.len() > 1 << 17 {
            self.history.drain(..self.history.len() - (1 << 15));
        }
    }

    /// Decodes the header of a block or one symbol.
    fn step(&mut self, out: &mut Vec<u8>) -> Result<(), Stop> {
        let mut bits = Bits { bytes: &self.input, at: self.at };
        match &self.block {
            Block::Between => {
                let is_final = bits.take(1)? == 1;
                let block = block(&mut bits)?;
                (self.at, self.block, self.is_final) = (bits.at, block, is_final);
                if let Block::Stored(0) = self.block {
                    self.end_block();
                }
            }
            Block::Stored(missing) => {
                let (byte, missing) = (bits.take(8)? as u8, missing - 1);
                (self.at, self.block) = (bits.at, Block::Stored(missing));
                self.emit(byte, out);
                if missing == 0 {
                    self.end_block();
                }
            }
            Block::Codes(codes) => {
                let [literals, distances] = &**codes;
                let symbol = literals.symbol(&mut bits)?;
                match symbol {
                    0..=255 => {
                        self.at = bits.at;
                        self.emit(symbol as u8, out);
                    }
                    256 => {
                        self.at = bits.at;
                        self.end_block();
                    }
                    _ => {
                        let (base, extra) = length(symbol).ok_or(Stop::Corrupt)?;
                        let len = base + bits.take(extra)?;
                        let (base, extra) =
                            distance(distances.symbol(&mut bits)?).ok_or(Stop::Corrupt)?;
                        let distance = base + bits.take(extra)?;
                        self.at = bits.at;
                        if distance > self.max_distance.min(self.history.len()) {
                            return Err(Stop::Corrupt);
                        }
                        for _ in 0..len {
                            self.emit(self.history[self.history.len() - distance], out);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn end_block(&mut self) {
        self.block = Block::Between;
        if self.is_final {
            // RFC 7692, section 7.2.3.4: another stream may follow at the next byte.
            self.at = self.at.next_multiple_of(8);
        }
    }
}

/// The rest of the header of a block, after BFINAL (RFC 1951, sections 3.2.3 to 3.2.7).
fn block(bits: &mut Bits<'_>) -> Result<Block, Stop> {
    match bits.take(2)? {
        0 => {
            bits.at = bits.at.next_multiple_of(8);
            let (len, complement) = (bits.take(16)?, bits.take(16)?);
            if len ^ complement == 0xffff { Ok(Block::Stored(len)) } else { Err(Stop::Corrupt) }
        }
        1 => {
            let lengths = |symbol| match symbol {
                0..144 => 8,
                144..256 => 9,
                256..280 => 7,
                _ => 8,
            };
            let literals: Vec<usize> = (0..288).map(lengths).collect();
            Ok(Block::Codes(Box::new([Code::new(&literals)?, Code::new(&[5; 32])?])))
        }
        2 => dynamic_block(bits),
        _ => Err(Stop::Corrupt),
    }
}

fn dynamic_block(bits: &mut Bits<'_>) -> Result<Block, Stop> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let header = bits.take(14)?;
    let (literals, distances) = ((header & 31) + 257, (header >> 5 & 31) + 1);
    if literals > 286 || distances > 30 {
        return Err(Stop::Corrupt);
    }
    let mut lengths = [0; 19];
    for symbol in &ORDER[..(header >> 10) + 4] {
        lengths[*symbol] = bits.take(3)?;
    }
    let code = Code::new(&lengths)?;
    if code.max_len == 1 && code.symbols.len() == 1 {
        return Err(Stop::Corrupt);
    }
    let mut lengths = Vec::new();
    while lengths.len() < literals + distances {
        // Without any code, as zlib does: the failure follows after one bit for each length.
        let symbol =
            if code.symbols.is_empty() { bits.take(1).map(|_| 0)? } else { code.symbol(bits)? };
        let (value, count) = match symbol {
            16 => {
                let count = 3 + bits.take(2)?;
                (*lengths.last().ok_or(Stop::Corrupt)?, count)
            }
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            len => (len, 1),
        };
        lengths.resize(lengths.len() + count, value);
    }
    if lengths.len() > literals + distances || lengths[256] == 0 {
        return Err(Stop::Corrupt);
    }
    let (literals, distances) = lengths.split_at(literals);
    Ok(Block::Codes(Box::new([Code::new(literals)?, Code::new(distances)?])))
}

/// RFC 1951, section 3.2.5: the smallest length of a symbol, and the number of its extra bits.
fn length(symbol: usize) -> Option<(usize, usize)> {
    match symbol {
        257..265 => Some((symbol - 254, 0)),
        265..285 => {
            let extra = (symbol - 261) / 4;
            Some((((4 + (symbol - 261) % 4) << extra) + 3, extra))
        }
        285 => Some((258, 0)),
        _ => None,
    }
}

/// RFC 1951, section 3.2.5: the smallest distance of a symbol, and the number of its extra bits.
fn distance(symbol: usize) -> Option<(usize, usize)> {
    match symbol {
        0..4 => Some((symbol + 1, 0)),
        4..30 => {
            let extra = symbol / 2 - 1;
            Some((((2 + symbol % 2) << extra) + 1, extra))
        }
        _ => None,
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// Reads an integer, its least significant bit first.
    fn take(&mut self, count: usize) -> Result<usize, Stop> {
        let mut value = 0;
        for i in 0..count {
            let at = self.at + i;
            let byte = self.bytes.get(at / 8).ok_or(Stop::NeedsBits)?;
            value |= usize::from(byte >> (at % 8) & 1) << i;
        }
        self.at += count;
        Ok(value)
    }
}

/// A canonical Huffman code (RFC 1951, section 3.2.2).
#[derive(Clone, Debug)]
struct Code {
    /// The number of codes of each length.
    counts: [usize; 16],
    /// The symbols, ordered by their codes.
    symbols: Vec<usize>,
    /// At least 1.
    max_len: usize,
}

impl Code {
    /// Fails unless the code is complete. A code of at most one symbol, with one bit, may be incomplete.
    fn new(lengths: &[usize]) -> Result<Self, Stop> {
        let mut counts = [0; 16];
        let mut symbols = Vec::new();
        let mut unused = 1;
        for (len, count) in counts.iter_mut().enumerate().skip(1) {
            let before = symbols.len();
            symbols.extend((0..lengths.len()).filter(|symbol| lengths[*symbol] == len));
            *count = symbols.len() - before;
            unused = unused * 2 - *count as isize;
            if unused < 0 {
                return Err(Stop::Corrupt);
            }
        }
        let max_len = lengths.iter().copied().max().unwrap_or(0).max(1);
        if unused > 0 && max_len > 1 {
            return Err(Stop::Corrupt);
        }
        Ok(Self { counts, symbols, max_len })
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Result<usize, Stop> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for len in 1..=self.max_len {
            code = code * 2 + bits.take(1)?;
            let count = self.counts[len];
            if code < first + count {
                return Ok(self.symbols[index + code - first]);
            }
            index += count;
            first = (first + count) * 2;
        }
        Err(Stop::Corrupt)
    }
}
