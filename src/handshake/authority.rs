//! The grammar `host [ ":" port ]`, shared by `Host`, `Origin`, request targets and URIs (RFC 3986,
//! section 3.2).
//!
//! The parsers are `const`, so that an [`OriginPolicy`](super::OriginPolicy) in a `static` is checked
//! at compile time.

use super::UriError;
use super::http1::characters::Class;

/// A host and an optional port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    /// A `reg-name`, an IPv4 address, or an IPv6 address in brackets. It is not empty.
    pub(super) host: &'a [u8],
    /// The port, or `None` if it is missing or empty.
    pub(super) port: Option<u16>,
}

impl<'a> Authority<'a> {
    pub(super) const fn parse(text: &'a [u8]) -> Result<Self, UriError> {
        let len = match text {
            [b'[', ..] => literal_len(text),
            _ => reg_name_len(text),
        };
        let Some((host, rest)) = text.split_at_checked(len) else { return Err(UriError::Host) };
        if host.is_empty() || (matches!(host, [b'[', ..]) && ipv6_address(host).is_none()) {
            return Err(UriError::Host);
        }
        let port = match rest {
            // RFC 3986, section 3.2.3: an empty port means the scheme's default port.
            [] | [b':'] => None,
            [b':', digits @ ..] => match parse_port(digits) {
                Some(port) => Some(port),
                None => return Err(UriError::Port),
            },
            _ => return Err(UriError::Host),
        };
        Ok(Self { host, port })
    }
}

/// Splits `scheme "://" rest` into the scheme and the rest. Returns `None` if `uri` has another form.
pub(super) const fn split_scheme(uri: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut len = 0;
    let mut rest = uri;
    while let [byte, tail @ ..] = rest
        && is_scheme_byte(*byte)
    {
        len += 1;
        rest = tail;
    }
    match (uri.split_at_checked(len), rest) {
        (Some((scheme @ [first, ..], _)), [b':', b'/', b'/', rest @ ..])
            if first.is_ascii_alphabetic() =>
        {
            Some((scheme, rest))
        }
        _ => None,
    }
}

/// Returns whether `byte` may occur in a scheme (RFC 3986, section 3.1).
pub(super) const fn is_scheme_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// The default port of `http` and `ws`.
pub(super) const HTTP_PORT: u16 = 80;
/// The default port of `https` and `wss`, the schemes with TLS.
pub(super) const HTTPS_PORT: u16 = 443;

/// Returns the default port of `http`, `https`, `ws` and `wss`, or `None` for other schemes.
pub(super) const fn default_port(scheme: &[u8]) -> Option<u16> {
    let mut schemes: &[(&[u8], u16)] =
        &[(b"http", HTTP_PORT), (b"https", HTTPS_PORT), (b"ws", HTTP_PORT), (b"wss", HTTPS_PORT)];
    while let [(name, port), rest @ ..] = schemes {
        if eq_ignore_case(scheme, name) {
            return Some(*port);
        }
        schemes = rest;
    }
    None
}

/// Compares host names ignoring case, and IPv6 addresses by value.
pub(super) fn is_same_host(a: &[u8], b: &[u8]) -> bool {
    a == b
        || eq_ignore_case(a, b)
        || ipv6_address(a).is_some_and(|address| ipv6_address(b) == Some(address))
}

/// Returns whether the texts are equal, ignoring case.
pub(super) const fn eq_ignore_case(a: &[u8], b: &[u8]) -> bool {
    let (mut a, mut b) = (a, b);
    while let ([first, a_rest @ ..], [other, b_rest @ ..]) = (a, b)
        && first.eq_ignore_ascii_case(other)
    {
        (a, b) = (a_rest, b_rest);
    }
    a.is_empty() && b.is_empty()
}

/// Returns the length of an `IP-literal` with its brackets, or 0 if the closing bracket is missing.
const fn literal_len(text: &[u8]) -> usize {
    let mut len = 0;
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        len += 1;
        if *byte == b']' {
            return len;
        }
        rest = tail;
    }
    0
}

/// Returns the length of the longest `reg-name` at the start of `text` (RFC 3986, section 3.2.2).
const fn reg_name_len(text: &[u8]) -> usize {
    let mut rest = text;
    loop {
        rest = match rest {
            [byte, tail @ ..] if Class::RegName.has(*byte) => tail,
            [b'%', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                tail
            }
            _ => return text.len() - rest.len(),
        };
    }
}

/// Parses a port from 1 to 65535.
const fn parse_port(mut digits: &[u8]) -> Option<u16> {
    let mut port: u16 = 0;
    while let [digit, rest @ ..] = digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        port = match port.checked_mul(10) {
            Some(port) => match port.checked_add((*digit - b'0') as u16) {
                Some(port) => port,
                None => return None,
            },
            None => return None,
        };
        digits = rest;
    }
    if port > 0 { Some(port) } else { None }
}

/// Returns the value of an IPv6 address in brackets, or `None` if `host` is not one.
const fn ipv6_address(host: &[u8]) -> Option<[u16; 8]> {
    match host {
        [b'[', address @ .., b']'] => parse_ipv6(address),
        _ => None,
    }
}

/// Parses an `IPv6address` (RFC 3986, section 3.2.2): eight groups of hexadecimal digits. `::` may
/// replace one run of groups, and an IPv4 address may replace the last two groups.
const fn parse_ipv6(mut text: &[u8]) -> Option<[u16; 8]> {
    let mut address = [0; 8];
    let mut groups: &mut [u16] = &mut address;
    let mut is_compressed = false;
    // Below, the first colon of `::` ends the group before it. At the start there is no such group.
    if let [b':', rest @ ..] = text {
        if !matches!(rest, [b':', ..]) {
            return None;
        }
        text = rest;
    }
    loop {
        // RFC 3986, section 3.2.2: a group is empty only in `::`, which occurs at most once.
        if let [b':', rest @ ..] = text {
            // `::` replaces at least one group.
            let replaced = groups.len().saturating_sub(group_count(rest));
            if is_compressed || replaced == 0 {
                return None;
            }
            is_compressed = true;
            groups = match groups.split_at_mut_checked(replaced) {
                Some((_, remaining)) => remaining,
                None => return None,
            };
            text = rest;
            if text.is_empty() {
                break;
            }
        }
        let (mut group, mut rest) = (0, text);
        while let [byte, tail @ ..] = rest
            && let Some(digit) = (*byte as char).to_digit(16)
        {
            group = (group << 4) | digit;
            rest = tail;
        }
        if let [b'.', ..] = rest {
            let ([high, low], Some(ipv4)) = (groups, parse_ipv4(text)) else { return None };
            (*high, *low) = ((ipv4 >> 16) as u16, ipv4 as u16);
            return Some(address);
        }
        let [next, remaining @ ..] = groups else { return None };
        if !matches!(text.len() - rest.len(), 1..=4) {
            return None;
        }
        *next = group as u16;
        groups = remaining;
        text = match rest {
            [] => break,
            [b':', tail @ ..] if !tail.is_empty() => tail,
            _ => return None,
        };
    }
    if groups.is_empty() { Some(address) } else { None }
}

/// Returns the number of groups of 16 bits in `text`, which follows a `::`.
const fn group_count(text: &[u8]) -> usize {
    let mut count = if text.is_empty() { 0 } else { 1 };
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        // An IPv4 address is two groups and comes last, so that the count ends at its first dot.
        match byte {
            b':' => count += 1,
            b'.' => return count + 1,
            _ => {}
        }
        rest = tail;
    }
    count
}

/// Parses an `IPv4address` (RFC 3986, section 3.2.2).
const fn parse_ipv4(mut text: &[u8]) -> Option<u32> {
    let (mut address, mut octets) = (0, 0);
    let (mut octet, mut digits) = (0, 0);
    while let [byte, rest @ ..] = text {
        match *byte {
            // An octet has no leading zeros.
            digit @ b'0'..=b'9' if octet > 0 || digits == 0 => {
                octet = octet * 10 + (digit - b'0') as u32;
                digits += 1;
                if octet > 255 {
                    return None;
                }
            }
            b'.' if digits > 0 => {
                address = (address << 8) | octet;
                octets += 1;
                (octet, digits) = (0, 0);
            }
            _ => return None,
        }
        text = rest;
    }
    if octets == 3 && digits > 0 { Some((address << 8) | octet) } else { None }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv6Addr;
    use core::str;
    use std::string::String;
    use std::vec::Vec;

    use super::*;

    /// Checks every text of up to `len` parts.
    fn for_each_text(parts: &[&str], len: usize, check: &mut impl FnMut(&str), text: &str) {
        check(text);
        if len > 0 {
            for part in parts {
                for_each_text(parts, len - 1, check, &[text, part].concat());
            }
        }
    }

    #[test]
    fn ipv6_addresses_agree_with_the_standard_library() {
        let mut check = |text: &str| {
            let expected = text.parse::<Ipv6Addr>().ok().map(|address| address.segments());
            assert_eq!(parse_ipv6(text.as_bytes()), expected, "{text:?}");
        };
        for_each_text(&["::", ":", "1", "ffff:", "1.2.3.4", "g", "."], 6, &mut check, "");
        for_each_text(&["::", "0:", "a", "12:34:56:", "0.0.0.255"], 7, &mut check, "");
        for groups in 0..10 {
            for at in 0..=groups {
                let list = |len| (0..len).map(|_| "a1").collect::<Vec<_>>().join(":");
                check(&[list(at), list(groups - at)].join("::"));
                check(&[list(at), list(groups - at)].join(":"));
                check(&[list(at), String::from("1.2.3.4")].join(":"));
            }
        }
        for text in
            ["00001::", "::1.2.3.256", "::01.2.3.4", "::1.2.3", "::1.2.3.4.5", "::1.2.3.4:1"]
        {
            check(text);
        }
    }

    #[test]
    fn splits_host_and_port() {
        for (text, host, port) in [
            ("h", "h", None),
            ("h:", "h", None),
            ("h:80", "h", Some(80)),
            ("h:65535", "h", Some(65535)),
            ("h:00080", "h", Some(80)),
            ("[::1]", "[::1]", None),
            ("[::1]:9001", "[::1]", Some(9001)),
            ("127.0.0.1:1", "127.0.0.1", Some(1)),
            ("a_b~c!$&'()*+,;=d", "a_b~c!$&'()*+,;=d", None),
            // RFC 3986, section 3.2.2: a reg-name may be percent-encoded.
            ("%2Ftmp%2fapp.sock", "%2Ftmp%2fapp.sock", None),
        ] {
            let parsed = Authority::parse(text.as_bytes()).unwrap();
            assert_eq!((str::from_utf8(parsed.host).unwrap(), parsed.port), (host, port), "{text}");
        }
    }

    #[test]
    fn rejects_malformed_authorities() {
        for (text, error) in [
            ("", UriError::Host),
            (":80", UriError::Host),
            ("a b", UriError::Host),
            ("a\r\nb", UriError::Host),
            ("u@h", UriError::Host),
            ("%", UriError::Host),
            ("%2", UriError::Host),
            ("a%2g", UriError::Host),
            ("::1", UriError::Host),
            ("[::1", UriError::Host),
            ("[::1]x", UriError::Host),
            ("[]", UriError::Host),
            ("[127.0.0.1]", UriError::Host),
            ("[fe80::1%25eth0]", UriError::Host),
            ("b\u{fc}cher", UriError::Host),
            ("h:0", UriError::Port),
            ("h:65536", UriError::Port),
            ("h:99999999999", UriError::Port),
            ("h:+80", UriError::Port),
            ("h:8a", UriError::Port),
            ("h:80:80", UriError::Port),
        ] {
            assert_eq!(Authority::parse(text.as_bytes()), Err(error), "{text:?}");
        }
    }

    #[test]
    fn splits_a_scheme_from_the_rest() {
        for (uri, split) in [
            ("ws://h", Some(("ws", "h"))),
            ("a+b-c.1://", Some(("a+b-c.1", ""))),
            ("://h", None),
            ("1a://h", None),
            ("a b://h", None),
            ("ws:/h", None),
            ("ws:", None),
            ("h", None),
            ("", None),
        ] {
            let split = split.map(|(scheme, rest)| (scheme.as_bytes(), rest.as_bytes()));
            assert_eq!(split_scheme(uri.as_bytes()), split, "{uri}");
        }
    }
}
