//! Runs the examples of this package as programs.

use std::env::consts::EXE_SUFFIX;
use std::process::Command;

/// An example program, which `cargo test` builds next to the tests.
pub(crate) fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    let path = profile.join("examples").join(format!("{name}{EXE_SUFFIX}"));
    let shown = path.display();
    assert!(path.exists(), "{shown} is built by `cargo test` or `cargo build --examples`");
    Command::new(path)
}
