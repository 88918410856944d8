//! Comparison with `httparse`: it accepts every head that this crate accepts and finds the same parts. The
//! reasons to reject a head that it accepts are listed.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use websocket_proto::handshake::{
    Field, HandshakeError, HeadLimits, RequestParser, ResponseParser,
};

/// The reason to reject a head that `httparse` accepts.
fn reason_to_be_stricter(error: HandshakeError) -> Option<&'static str> {
    use HandshakeError as E;
    match error {
        E::BareLf => {
            Some("RFC 9112, 2.2: a bare LF may end a line, which enables request smuggling")
        }
        E::InvalidMethod => {
            Some("RFC 9112, 2.2: only one empty line before the request is ignored")
        }
        E::InvalidTarget => Some("RFC 9112, 3.2: non-ASCII bytes and # in the target"),
        E::InvalidStatusLine => Some("RFC 9110, 15: a status code below 100"),
        E::InvalidHttpVersion => Some("RFC 9112, 2.2: an empty line before a status line"),
        _ => None,
    }
}

const LINES: &[&str] = &[
    "Host: example.com\r\n",
    "Upgrade: websocket\r\n",
    "Connection: keep-alive, Upgrade\r\n",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "X: \t padded \t \r\n",
    "X:\r\n",
    "X: \u{fc}\r\n",
    "A-Rather-Long-Name_with.1!: a rather long value, which takes more than one word\r\n",
];

const STARTS: &[&str] = &[
    "GET / HTTP/1.1\r\n",
    "GET /chat?x=1 HTTP/1.0\r\n",
    "POST http://a/b HTTP/1.1\r\n",
    "\r\nGET / HTTP/1.1\r\n",
    "OPTIONS * HTTP/1.1\r\n",
];

const STATUS_LINES: &[&str] = &[
    "HTTP/1.1 101 Switching Protocols\r\n",
    "HTTP/1.0 404 Not Found\r\n",
    "HTTP/1.1 200 \r\n",
    "HTTP/1.1 200\r\n",
];

/// Bytes with a meaning in the grammar.
const BYTES: &[u8] = b"\r\n \t:/.#01239AHTPa\0\x7f\x80\xff\x1f\",-";

#[derive(Clone, Debug)]
enum Mutation {
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Swap(Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let byte = || prop_oneof![4 => select(BYTES), 1 => any::<u8>()];
    prop_oneof![
        (any::<Index>(), byte()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        (any::<Index>(), byte()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        any::<Index>().prop_map(Mutation::Remove),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Mutation::Swap(a, b)),
    ]
}

/// A valid head with up to three mutations.
fn head(starts: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    (select(starts), vec(select(LINES), 0..6), vec(mutation(), 0..4)).prop_map(
        |(start, lines, mutations)| {
            let mut head = [start, &lines.concat(), "\r\n"].concat().into_bytes();
            for mutation in mutations {
                let length = head.len();
                match mutation {
                    Mutation::Replace(at, byte) => head[at.index(length)] = byte,
                    Mutation::Insert(at, byte) => head.insert(at.index(length), byte),
                    Mutation::Remove(at) => drop(head.remove(at.index(length))),
                    Mutation::Swap(a, b) => head.swap(a.index(length), b.index(length)),
                }
            }
            head
        },
    )
}

/// The start line, the fields and the length of a head.
type Parts = (String, Vec<(String, Vec<u8>)>, usize);

fn ours<'a>(start: String, fields: impl Iterator<Item = Field<'a>>, head: &[u8]) -> Parts {
    (start, fields.map(|f| (f.name().to_owned(), f.value().to_vec())).collect(), head.len())
}

fn theirs(
    start: String,
    headers: &[httparse::Header<'_>],
    status: Result<httparse::Status<usize>, httparse::Error>,
) -> Result<Option<Parts>, httparse::Error> {
    let fields = headers.iter().map(|field| (field.name.to_owned(), field.value.to_vec()));
    Ok(match status? {
        httparse::Status::Complete(len) => Some((start, fields.collect(), len)),
        httparse::Status::Partial => None,
    })
}

fn compare(
    head: &[u8],
    ours: Result<Option<Parts>, HandshakeError>,
    theirs: Result<Option<Parts>, httparse::Error>,
) -> Result<(), TestCaseError> {
    let head = head.escape_ascii();
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs, "{}", head),
        // `httparse` supports only HTTP/1.0 and HTTP/1.1.
        (Ok(_), Err(httparse::Error::Version)) => {}
        (Err(error), Ok(Some(_))) => {
            prop_assert!(reason_to_be_stricter(error).is_some(), "{error} in {head}");
        }
        // `httparse` checks some parts only once they are complete.
        (Err(_), Ok(None) | Err(_)) => {}
        (ours, theirs) => prop_assert!(false, "{ours:?} but {theirs:?} for {head}"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16 * ProptestConfig::default().cases))]

    #[test]
    fn accepts_only_requests_that_httparse_accepts(head in head(STARTS)) {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut other = httparse::Request::new(&mut headers);
        let status = other.parse(&head);
        let start = format!("{:?}", (other.method, other.path, other.version));
        let theirs = theirs(start, other.headers, status);
        let mut parser = RequestParser::new(HeadLimits::DEFAULT);
        let ours = parser.parse(&head).map(|request| request.map(|request| {
            let (method, target) = (Some(request.method()), Some(request.target()));
            let start = format!("{:?}", (method, target, Some(request.minor_version())));
            ours(start, request.fields(), request.as_bytes())
        }));
        if let Err(error) = ours {
            prop_assert!(error.status().is_some(), "{error}");
        }
        compare(&head, ours, theirs)?;
    }

    #[test]
    fn accepts_only_responses_that_httparse_accepts(head in head(STATUS_LINES)) {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut other = httparse::Response::new(&mut headers);
        let status = other.parse(&head);
        let start = format!("{:?}", (other.code, other.version));
        let theirs = theirs(start, other.headers, status);
        let mut parser = ResponseParser::new(HeadLimits::DEFAULT);
        let ours = parser.parse(&head).map(|response| response.map(|response| {
            let start = (Some(response.status()), Some(response.minor_version()));
            ours(format!("{start:?}"), response.fields(), response.as_bytes())
        }));
        compare(&head, ours, theirs)?;
    }
}
