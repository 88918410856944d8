//! `Sec-WebSocket-Extensions` (RFC 6455, section 9.1).

use core::fmt;
use core::str;

use super::class::Class;
use super::field::{Fields, trim_start};

/// The extensions that the fields of a head list, in their order. Ends where the grammar is broken;
/// a request whose [`upgrade`](super::RequestHead::upgrade) was accepted breaks it nowhere.
///
/// ```
/// use websocket_proto::handshake::{HeadLimits, RequestParser};
///
/// let head = b"GET / HTTP/1.1\r\nSec-WebSocket-Extensions: mux; max=\"4\", deflate\r\n\r\n";
/// let request = RequestParser::new(HeadLimits::DEFAULT).parse(head)?.unwrap();
/// let mut extensions = request.extensions();
/// let mux = extensions.next().unwrap();
/// assert_eq!(mux.name(), "mux");
/// let max = mux.parameters().next().unwrap();
/// assert_eq!(max.name(), "max");
/// assert!(max.value().unwrap().is("4"));
/// assert_eq!(extensions.next().unwrap().name(), "deflate");
/// # Ok::<(), websocket_proto::handshake::HandshakeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    fields: Fields<'a>,
    list: Cursor<'a>,
}

/// An extension and its parameters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Extension<'a> {
    name: &'a [u8],
    /// From the first `;` on.
    parameters: &'a [u8],
}

/// The parameters of an extension, in their order.
#[derive(Clone, Debug)]
pub struct Parameters<'a>(Cursor<'a>);

/// A parameter of an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    name: &'a [u8],
    value: Option<ParameterValue<'a>>,
}

/// The value of a parameter: a token, that may have been sent as a quoted string.
#[derive(Clone, Copy, Eq)]
pub struct ParameterValue<'a> {
    /// Without the quotes, but with the backslashes.
    raw: &'a [u8],
}

impl<'a> Extensions<'a> {
    pub(super) const fn new(fields: Fields<'a>) -> Self {
        Self { fields, list: Cursor(&[]) }
    }

    /// Those of one list.
    pub(super) const fn of(list: &'a str) -> Self {
        Self { fields: Fields::of_lines(&[]), list: Cursor(list.as_bytes()) }
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = Extension<'a>;

    fn next(&mut self) -> Option<Extension<'a>> {
        loop {
            self.list.skip_separators();
            if !self.list.0.is_empty() {
                let extension = self.list.extension();
                if extension.is_none() {
                    *self = Self::new(Fields::of_lines(&[]));
                }
                return extension;
            }
            let field = self.fields.find(|field| field.is("sec-websocket-extensions"))?;
            self.list = Cursor(field.value());
        }
    }
}

impl<'a> Extension<'a> {
    /// The name that is registered for it.
    #[must_use]
    pub fn name(&self) -> &'a str {
        str::from_utf8(self.name).unwrap_or_default()
    }

    /// Its parameters.
    #[must_use]
    pub const fn parameters(&self) -> Parameters<'a> {
        Parameters(Cursor(self.parameters))
    }
}

impl fmt::Debug for Extension<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name.escape_ascii(), self.parameters.escape_ascii())
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = Parameter<'a>;

    fn next(&mut self) -> Option<Parameter<'a>> {
        if self.0.take(b';') { self.0.parameter() } else { None }
    }
}

impl<'a> Parameter<'a> {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        str::from_utf8(self.name).unwrap_or_default()
    }

    /// The value, `None` for a name alone.
    #[must_use]
    pub const fn value(&self) -> Option<ParameterValue<'a>> {
        self.value
    }
}

impl<'a> ParameterValue<'a> {
    /// The characters of the token.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + Clone + 'a {
        // The grammar leaves no backslash in a token, quoted or not.
        self.raw.iter().copied().filter(|&byte| byte != b'\\')
    }

    /// Whether it is `token`.
    #[must_use]
    pub fn is(&self, token: &str) -> bool {
        self.bytes().eq(token.bytes())
    }
}

impl PartialEq for ParameterValue<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes().eq(other.bytes())
    }
}

impl fmt::Debug for ParameterValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ParameterValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes().try_for_each(|byte| fmt::Write::write_char(f, char::from(byte)))
    }
}

/// Whether `list` is the `extension-list` of section 9.1.
pub(super) fn is_extension_list(list: &[u8]) -> bool {
    let mut cursor = Cursor(list);
    let mut any = false;
    loop {
        cursor.skip_separators();
        if cursor.0.is_empty() {
            return any;
        }
        if cursor.extension().is_none() {
            return false;
        }
        any = true;
    }
}

/// Whether `accepted`, a list, names only extensions that are among `offered`, and none twice.
///
/// Linear in both lists, as far as the peer decides their length: the first name that is not
/// offered, or comes again, ends it.
pub(super) fn are_offered(accepted: &Extensions<'_>, offered: &Extensions<'_>) -> bool {
    accepted.clone().enumerate().all(|(index, extension)| {
        let is_named = |other: Extension<'_>| other.name == extension.name;
        offered.clone().any(is_named) && !accepted.clone().take(index).any(is_named)
    })
}

/// Reads a list from the left, each byte once. The RFC builds on the grammar of RFC 2616, which
/// allows white space between any two tokens.
#[derive(Clone, Debug)]
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// Skips commas; empty elements are ignored, as in every list.
    fn skip_separators(&mut self) {
        while self.take(b',') {}
    }

    /// Takes `byte`, and white space before it, if it is next.
    fn take(&mut self, byte: u8) -> bool {
        self.skip_white_space();
        match self.0.split_first() {
            Some((first, rest)) if *first == byte => {
                self.0 = rest;
                true
            }
            Some(_) | None => false,
        }
    }

    fn skip_white_space(&mut self) {
        self.0 = trim_start(self.0);
    }

    fn token(&mut self) -> Option<&'a [u8]> {
        self.skip_white_space();
        let (token, rest) = self.0.split_at_checked(Class::Token.run(self.0))?;
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }

    /// `extension-token *( ";" extension-param )`, up to a comma or the end.
    fn extension(&mut self) -> Option<Extension<'a>> {
        let name = self.token()?;
        let parameters = self.0;
        while self.take(b';') {
            self.parameter()?;
        }
        let parameters = parameters.get(..parameters.len() - self.0.len())?;
        matches!(self.0.first(), None | Some(b',')).then_some(Extension { name, parameters })
    }

    /// `token [ "=" (token | quoted-string) ]`
    fn parameter(&mut self) -> Option<Parameter<'a>> {
        let name = self.token()?;
        let raw = if !self.take(b'=') {
            return Some(Parameter { name, value: None });
        } else if self.take(b'"') {
            self.rest_of_quoted_string()?
        } else {
            self.token()?
        };
        Some(Parameter { name, value: Some(ParameterValue { raw }) })
    }

    /// A quoted string behind its first quote.
    fn rest_of_quoted_string(&mut self) -> Option<&'a [u8]> {
        let string = self.0;
        loop {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let character = match byte {
                b'"' => {
                    let raw = string.get(..string.len() - rest.len() - 1)?;
                    return (!raw.is_empty()).then_some(raw);
                }
                b'\\' => {
                    let (&escaped, rest) = self.0.split_first()?;
                    self.0 = rest;
                    escaped
                }
                _ => byte,
            };
            // RFC 6455, section 9.1: after unescaping, the value must conform to token.
            if !Class::Token.has(character) {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_follow_the_grammar() {
        for list in [
            "foo",
            "foo, bar; baz=2",
            "foo;a;b=1;c=\"x\" , bar",
            " ,foo ; a = 1,, ",
            r#"a; b="\x\y""#,
            "permessage-deflate; client_max_window_bits; server_max_window_bits=10",
            "__proto__; constructor; toString=1",
        ] {
            assert!(is_extension_list(list.as_bytes()), "{list}");
        }
    }

    #[test]
    fn lists_that_do_not() {
        for list in [
            "",
            ",",
            "foo;",
            "foo bar",
            "foo;a=",
            "foo;=1",
            "foo;a=\"",
            "foo;a=\"\"",
            "foo;a=\"b c\"",
            "foo;a=\"b\"c",
            "=1",
            "foo;a=\"\\",
            "foo;a=\"\\\"\"",
            "foo;a b",
            "f\u{f6}o",
            "foo;a==1",
            ";a",
            "foo,;a",
        ] {
            assert!(!is_extension_list(list.as_bytes()), "{list}");
        }
    }
}
