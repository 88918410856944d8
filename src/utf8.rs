//! UTF-8 checked as it arrives, each byte once.

/// The characters of a text that arrives in pieces (RFC 6455, section 8.1).
///
/// A piece may end inside a character. The bytes of that character, three at most, wait here until
/// the next piece completes it. A byte that no UTF-8 text can have at its place is refused at
/// once, wherever the cut is.
///
/// ```
/// use websocket_proto::Utf8Validator;
///
/// let mut validator = Utf8Validator::new();
/// let mut piece: &[u8] = b"caf\xc3";
/// assert_eq!(validator.validate(&mut piece), Ok("caf"));
/// assert!(!validator.is_complete());
///
/// let mut piece: &[u8] = b"\xa9!";
/// assert_eq!(validator.complete(&mut piece), Ok(Some('é')));
/// assert_eq!(validator.validate(&mut piece), Ok("!"));
/// assert!(validator.is_complete());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Utf8Validator {
    waiting: [u8; 3],
    len: u8,
}

/// A byte that can't stand where it does, and the text before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUtf8;
