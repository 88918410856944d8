//! Lists of extensions at a server and at a client that negotiate permessage-deflate, compared with a
//! naive reading of RFC 6455, section 9.1, and RFC 7692, section 7.1.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::{Corpus, fuzz_target};
use websocket_proto::handshake::{
    Acceptance, ClientRequest, ExtendedConnect, Field, Handshake, HandshakeError, InvalidHead,
    OriginPolicy, ServerEvent, ServerHandshake,
};
use websocket_proto::{Config, Deflate, DeflateParameters, Input};

/// The words of the alphabet in which the input is written: a byte below their number stands for one of
/// them, a printable byte for itself, and any other again for one of them.
const WORDS: [&str; 22] = [
    "permessage-deflate",
    "server_no_context_takeover",
    "client_no_context_takeover",
    "server_max_window_bits",
    "client_max_window_bits",
    "x-other",
    "\n",
    ", ",
    "; ",
    "=",
    "\"",
    "\\",
    " ",
    "\t",
    "8",
    "9",
    "10",
    "12",
    "15",
    "16",
    "permessage-deflate; ",
    "0",
];

/// The parameters of an extension, by name. A parameter may lack its value.
type Parameters = HashMap<String, Option<String>>;

struct Extension {
    name: String,
    /// `None` if a parameter is repeated.
    parameters: Option<Parameters>,
}

#[derive(Clone, PartialEq)]
enum Lexeme {
    Word(String),
    Quoted(String),
    Separator(char),
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

fn lexemes(list: &str) -> Option<Vec<Lexeme>> {
    let mut lexemes = Vec::new();
    let mut chars = list.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => {}
            ',' | ';' | '=' => lexemes.push(Lexeme::Separator(c)),
            '"' => {
                let mut value = String::new();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => value.push(chars.next()?),
                        c => value.push(c),
                    }
                }
                if value.is_empty() || !value.chars().all(is_token_char) {
                    return None;
                }
                lexemes.push(Lexeme::Quoted(value));
            }
            c if is_token_char(c) => {
                let mut word = String::from(c);
                while let Some(c) = chars.next_if(|&c| is_token_char(c)) {
                    word.push(c);
                }
                lexemes.push(Lexeme::Word(word));
            }
            _ => return None,
        }
    }
    Some(lexemes)
}

/// Returns the extensions of a list, or `None` if it is malformed.
fn parse_list(list: &str) -> Option<Vec<Extension>> {
    let lexemes = lexemes(list)?;
    let mut extensions = Vec::new();
    for element in lexemes.split(|lexeme| *lexeme == Lexeme::Separator(',')) {
        if element.is_empty() {
            continue;
        }
        let mut parts = element.split(|lexeme| *lexeme == Lexeme::Separator(';'));
        let Some([Lexeme::Word(name)]) = parts.next() else { return None };
        let mut parameters = Some(Parameters::new());
        for part in parts {
            let (name, value) = match part {
                [Lexeme::Word(name)] => (name, None),
                [
                    Lexeme::Word(name),
                    Lexeme::Separator('='),
                    Lexeme::Word(value) | Lexeme::Quoted(value),
                ] => (name, Some(value.clone())),
                _ => return None,
            };
            let is_repeated =
                parameters.as_mut().is_some_and(|all| all.insert(name.clone(), value).is_some());
            if is_repeated {
                parameters = None;
            }
        }
        extensions.push(Extension { name: name.clone(), parameters });
    }
    (!extensions.is_empty()).then_some(extensions)
}

/// Parameters of permessage-deflate: `windows` of the server and the client, 0 if the parameter is
/// missing and 255 if it has no value.
#[derive(Clone, Copy)]
struct Naive {
    no_takeover: [bool; 2],
    windows: [u8; 2],
}

/// Returns `None` for parameters that RFC 7692 does not define.
fn parse_deflate(extension: &Extension) -> Option<Naive> {
    let mut parameters = extension.parameters.clone()?;
    let mut naive = Naive { no_takeover: [false; 2], windows: [0; 2] };
    for (index, side) in ["server", "client"].into_iter().enumerate() {
        naive.no_takeover[index] = match parameters.remove(&format!("{side}_no_context_takeover")) {
            None => false,
            Some(None) => true,
            Some(Some(_)) => return None,
        };
        naive.windows[index] = match parameters.remove(&format!("{side}_max_window_bits")) {
            None => 0,
            Some(None) if side == "client" => 255,
            Some(None) => return None,
            Some(Some(value)) => (8..=15).find(|bits: &u8| bits.to_string() == value)?,
        };
    }
    parameters.is_empty().then_some(naive)
}

fn naive_of(agreed: &DeflateParameters) -> Naive {
    let bits = |bits: Option<u8>| bits.unwrap_or(0);
    Naive {
        no_takeover: [agreed.server_no_context_takeover(), agreed.client_no_context_takeover()],
        windows: [bits(agreed.server_max_window_bits()), bits(agreed.client_max_window_bits())],
    }
}

/// Returns whether a server may answer `offer` with `response`.
fn permits(offer: Naive, response: Naive) -> bool {
    let [server, client] = response.windows;
    let is_window = |bits: u8| (8..=15).contains(&bits);
    (!offer.no_takeover[0] || response.no_takeover[0])
        && (offer.windows[0] == 0 || (is_window(server) && server <= offer.windows[0]))
        && (client == 0 || (is_window(client) && client <= offer.windows[1]))
}

/// The offer of a client with this configuration.
fn own_offer(deflate: &Deflate) -> Naive {
    let incoming = deflate.incoming_window_bits();
    Naive {
        no_takeover: [!deflate.incoming_context_takeover(), !deflate.outgoing_context_takeover()],
        windows: [if incoming == 15 { 0 } else { incoming }, deflate.outgoing_window_bits()],
    }
}

/// Returns the expected result of a client: the parameters in the response, or the error.
fn expected_at_client(
    deflate: &Deflate,
    lists: &[Option<Vec<Extension>>],
) -> Result<Option<Naive>, HandshakeError> {
    if lists.iter().any(Option::is_none) {
        return Err(HandshakeError::InvalidExtensions);
    }
    let mut agreed = None;
    for extension in lists.iter().flatten().flatten() {
        if extension.name != "permessage-deflate" || agreed.is_some() {
            return Err(HandshakeError::UnrequestedExtension);
        }
        let response = parse_deflate(extension);
        agreed = response.filter(|response| permits(own_offer(deflate), *response));
        if agreed.is_none() {
            return Err(HandshakeError::InvalidDeflateParameters);
        }
    }
    Ok(agreed)
}

fn check_client(deflate: Deflate, lists: &[&str], parsed: &[Option<Vec<Extension>>]) {
    let request = ClientRequest::to("a", "/").with_deflate(deflate);
    let fields = lists.iter().map(|list| Field::new("sec-websocket-extensions", *list));
    let fields: Vec<Field<'_>> = [Field::new(":status", "200")].into_iter().chain(fields).collect();
    let verified = request.verify_extended_connect(&fields);
    match (verified, expected_at_client(&deflate, parsed)) {
        (Ok(negotiated), Ok(expected)) => {
            let agreed = negotiated.unwrap().deflate_parameters().map(|agreed| naive_of(&agreed));
            let parts = |naive: Naive| (naive.no_takeover, naive.windows);
            assert_eq!(agreed.map(parts), expected.map(parts));
        }
        (Err(error), Err(expected)) => assert_eq!(error, expected),
        (verified, expected) => panic!("{verified:?}, expected {:?}", expected.map(|_| ())),
    }
}

fn check_server(
    deflate: Deflate,
    stated: DeflateParameters,
    lists: &[&str],
    parsed: &[Option<Vec<Extension>>],
) {
    let fields: String =
        lists.iter().map(|list| format!("Sec-WebSocket-Extensions: {list}\r\n")).collect();
    let mut request = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{fields}\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes();
    let mut handshake = ServerHandshake::new(Config::new().with_deflate(deflate));
    let event = handshake.receive(&mut Input::with_bytes(&mut request)).unwrap();
    if parsed.iter().any(Option::is_none) {
        assert_eq!(event, ServerEvent::Failed(HandshakeError::InvalidExtensions));
        return;
    }
    assert_eq!(event, ServerEvent::Upgrade);
    let offers: Vec<Naive> = parsed
        .iter()
        .flatten()
        .flatten()
        .filter(|extension| extension.name == "permessage-deflate")
        .filter_map(parse_deflate)
        .collect();

    // A response of the application is written exactly if an offer permits it.
    let fields = lists.iter().map(|list| Field::new("sec-websocket-extensions", *list));
    let pseudo = [
        Field::new(":method", "CONNECT"),
        Field::new(":protocol", "websocket"),
        Field::new(":scheme", "https"),
        Field::new(":path", "/"),
        Field::new(":authority", "a"),
        Field::new("sec-websocket-version", "13"),
    ];
    let fields: Vec<Field<'_>> = pseudo.into_iter().chain(fields).collect();
    let connect = ExtendedConnect::parse(&fields, &OriginPolicy::same()).unwrap().unwrap();
    let acceptance = Acceptance::new().with_deflate_parameters(stated);
    let accepted = connect.accept(&acceptance).map(Iterator::count);
    let is_offered = offers.iter().any(|offer| permits(*offer, naive_of(&stated)));
    assert_eq!(accepted, if is_offered { Ok(2) } else { Err(InvalidHead::Deflate) });

    let by_connect = connect.accept_deflate(&deflate);
    let agreed = handshake.accept(&Acceptance::new()).unwrap().deflate_parameters();
    assert_eq!(agreed, by_connect);
    let (Some(agreed), Some(offer)) = (agreed, offers.first()) else {
        assert!(agreed.is_none() && offers.is_empty());
        return;
    };
    let response = naive_of(&agreed);
    assert!(permits(*offer, response), "{agreed}");
    assert!(response.no_takeover[0] || deflate.outgoing_context_takeover());
    assert!(response.no_takeover[1] || deflate.incoming_context_takeover());
    let window = |bits: u8| if bits == 0 { 15 } else { bits };
    assert!(window(response.windows[0]) <= deflate.outgoing_window_bits());
    let is_limited = window(response.windows[1]) <= deflate.incoming_window_bits();
    assert!(is_limited || (offer.windows[1] == 0 && response.no_takeover[1]), "{agreed}");
}

fuzz_target!(|input: (u8, u8, u8, &[u8])| -> Corpus {
    let (choices, bits, stated_bits, bytes) = input;
    let mut text = String::new();
    for &byte in bytes.iter().take(300) {
        match WORDS.get(usize::from(byte)) {
            Some(word) => text.push_str(word),
            None if (b' '..=b'~').contains(&byte) => text.push(char::from(byte)),
            None => text.push_str(WORDS[usize::from(byte) % WORDS.len()]),
        }
    }
    // A recipient removes the whitespace around a value.
    let lists: Vec<&str> = text.split('\n').map(|list| list.trim_matches([' ', '\t'])).collect();
    if lists.len() > 100 {
        return Corpus::Reject;
    }
    let parsed: Vec<Option<Vec<Extension>>> = lists.iter().map(|list| parse_list(list)).collect();

    let chosen = |bit: u8| choices >> bit & 1 == 1;
    let mut deflate = Deflate::new()
        .with_outgoing_window_bits(8 + bits % 8)
        .with_incoming_window_bits(8 + bits / 8 % 8);
    if chosen(0) {
        deflate = deflate.with_outgoing_context_takeover();
    }
    if chosen(1) {
        deflate = deflate.with_incoming_context_takeover();
    }
    let mut stated = DeflateParameters::new();
    if chosen(2) {
        stated = stated.with_server_no_context_takeover();
    }
    if chosen(3) {
        stated = stated.with_client_no_context_takeover();
    }
    if chosen(4) {
        stated = stated.with_server_max_window_bits(8 + stated_bits % 8);
    }
    if chosen(5) {
        stated = stated.with_client_max_window_bits(8 + stated_bits / 8 % 8);
    }
    check_client(deflate, &lists, &parsed);
    check_server(deflate, stated, &lists, &parsed);

    let mut extensions = parsed.iter().flatten().flatten();
    let reaches = extensions.any(|extension| extension.name == "permessage-deflate");
    if reaches { Corpus::Keep } else { Corpus::Reject }
});
