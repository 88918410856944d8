//! The codecs of each thread, shared by all connections that are used on that thread.
//!
//! A connection takes a codec for a call or for a message in progress, and returns it afterwards. An
//! idle connection therefore owns no codec, except one that keeps its compressor's context.
//!
//! # Bounds
//!
//! The pool of a thread keeps at most 16 inflaters (79 KiB each), 7 compressors (135 to 484 KiB each),
//! and one output buffer of 256 KiB: less than 5 MiB. A codec is created only when the
//! pool has none that suits. A thread frees its pool when it ends.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use super::{Compressor, Inflater, Setting};

/// The inflaters that the pool of a thread keeps.
const INFLATERS: usize = 16;

/// The compressors that the pool of a thread keeps: one for each window. The memory level follows the
/// window by default, and a compressor changes its level.
const COMPRESSORS: usize = 7;

/// The size in bytes of the output buffer of one step of a codec. An output of several steps costs some
/// microseconds more for each: JSON of 1 MiB, as in the benchmark `deflate`, inflates 8 % slower in
/// steps of 64 KiB.
pub(crate) const SCRATCH: usize = 256 << 10;

std::thread_local! {
    static POOL: Pool = const {
        Pool {
            scratch: Cell::new(None),
            inflaters: RefCell::new(Vec::new()),
            compressors: RefCell::new(Vec::new()),
        }
    };
}

#[expect(clippy::vec_box, reason = "codecs move between the pool and the connections")]
struct Pool {
    scratch: Cell<Option<Box<[u8]>>>,
    inflaters: RefCell<Vec<Box<Inflater>>>,
    /// The one that was used last is at the end.
    compressors: RefCell<Vec<Box<Compressor>>>,
}

/// Takes the output buffer, or creates one. Its content is unspecified.
pub(crate) fn take_scratch() -> Box<[u8]> {
    let pooled = POOL.try_with(|pool| pool.scratch.take()).ok().flatten();
    pooled.unwrap_or_else(|| vec![0; SCRATCH].into_boxed_slice())
}

/// Returns the output buffer.
pub(crate) fn give_scratch(scratch: Box<[u8]>) {
    debug_assert_eq!(scratch.len(), SCRATCH);
    // A thread that is ending drops the buffer.
    let _ = POOL.try_with(|pool| pool.scratch.set(Some(scratch)));
}

/// Takes an inflater, or creates one.
pub(crate) fn take_inflater() -> Box<Inflater> {
    with(|pool| &pool.inflaters, Vec::pop).flatten().unwrap_or_else(|| Box::new(Inflater::new()))
}

/// Returns an inflater.
pub(crate) fn give_inflater(inflater: Box<Inflater>) {
    with(
        |pool| &pool.inflaters,
        |inflaters| {
            if inflaters.len() < INFLATERS {
                inflaters.push(inflater);
            }
        },
    );
}

/// Takes a compressor with this setting and without context, or creates one.
pub(crate) fn take_compressor(setting: Setting) -> Box<Compressor> {
    let pooled = with(
        |pool| &pool.compressors,
        |compressors| {
            let index = compressors.iter().rposition(|one| one.suits(setting))?;
            Some(compressors.remove(index))
        },
    );
    let restarted = pooled.flatten().and_then(|mut compressor| {
        let is_restarted = compressor.restart(setting.level());
        debug_assert!(is_restarted, "a codec accepts a level before its first input");
        is_restarted.then_some(compressor)
    });
    restarted.unwrap_or_else(|| Box::new(Compressor::new(setting)))
}

/// Returns a compressor. The one that was not used for the longest time is freed if there are too
/// many.
pub(crate) fn give_compressor(compressor: Box<Compressor>) {
    with(
        |pool| &pool.compressors,
        |compressors| {
            if compressors.len() == COMPRESSORS {
                drop(compressors.remove(0));
            }
            compressors.push(compressor);
        },
    );
}

/// Changes a list of the pool. Returns `None` if the thread is ending.
fn with<T, R>(
    list: impl FnOnce(&Pool) -> &RefCell<Vec<T>>,
    change: impl FnOnce(&mut Vec<T>) -> R,
) -> Option<R> {
    // Dropping a codec runs no code that uses the pool, so no list is in use here.
    POOL.try_with(|pool| {
        let list = list(pool).try_borrow_mut();
        debug_assert!(list.is_ok(), "no list is in use");
        list.ok().map(|mut list| change(&mut list))
    })
    .ok()
    .flatten()
}
