//! The list of extensions in `Sec-WebSocket-Extensions` (RFC 6455, section 9.1).
//!
//! ```text
//! extension-list  = 1#extension
//! extension       = extension-token *( ";" extension-param )
//! extension-param = token [ "=" (token | quoted-string) ]
//! ```
//!
//! Whitespace is allowed between any two tokens, because that section uses the grammar of RFC 2616. If
//! a head has the field several times, the lists form one list.

use super::http1::characters::Class;
use super::http1::text;

/// Returns whether `list` follows the grammar and has at least one extension.
pub(super) fn is_extension_list(list: &[u8]) -> bool {
    let mut is_empty = true;
    for extension in Extensions::new(list) {
        if extension.is_err() {
            return false;
        }
        is_empty = false;
    }
    !is_empty
}

/// The error of a list that breaks the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MalformedList;

/// An iterator over the extensions of one list, in order. If the list breaks the grammar, the last
/// item is an error.
#[derive(Clone, Debug)]
pub(crate) struct Extensions<'a>(Cursor<'a>);

/// One extension: an offer in a request, or a choice in a response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListedExtension<'a> {
    name: &'a [u8],
    /// The parameters, from the first `;`.
    parameters: &'a [u8],
}

/// One parameter of an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parameter<'a> {
    name: &'a [u8],
    /// The value without the quotes of a quoted string, but with its backslashes; `None` if the
    /// parameter has no value.
    value: Option<&'a [u8]>,
}

impl<'a> Extensions<'a> {
    pub(crate) const fn new(list: &'a [u8]) -> Self {
        Self(Cursor(list))
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = Result<ListedExtension<'a>, MalformedList>;

    fn next(&mut self) -> Option<Self::Item> {
        // RFC 9110, section 5.6.1.2: empty elements of a list are ignored.
        while self.0.skip(b',') {}
        if self.0.0.is_empty() {
            return None;
        }
        let extension = self.0.extension();
        if extension.is_none() {
            self.0 = Cursor(&[]);
        }
        Some(extension.ok_or(MalformedList))
    }
}

#[cfg_attr(
    not(any(test, feature = "deflate")),
    expect(dead_code, reason = "only negotiations read extensions")
)]
impl<'a> ListedExtension<'a> {
    pub(crate) fn name(&self) -> &'a str {
        text(self.name)
    }

    /// Returns the parameters, in order.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = Parameter<'a>> + Clone {
        let mut cursor = Cursor(self.parameters);
        core::iter::from_fn(move || if cursor.skip(b';') { cursor.parameter() } else { None })
    }
}

#[cfg_attr(
    not(any(test, feature = "deflate")),
    expect(dead_code, reason = "only negotiations read extensions")
)]
impl<'a> Parameter<'a> {
    pub(crate) fn name(&self) -> &'a str {
        text(self.name)
    }

    /// Returns the characters of the value, without quotes and escapes, or `None` if the parameter has
    /// no value.
    pub(crate) fn value(&self) -> Option<impl Iterator<Item = u8> + Clone + 'a> {
        // The value is a token, which has no backslash; so each backslash here is an escape.
        self.value.map(|value| value.iter().copied().filter(|&byte| byte != b'\\'))
    }
}

/// The unread remainder of a list.
#[derive(Clone, Debug)]
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn extension(&mut self) -> Option<ListedExtension<'a>> {
        let name = self.token()?;
        let parameters = self.0;
        while self.skip(b';') {
            self.parameter()?;
        }
        let parameters = parameters.get(..parameters.len() - self.0.len())?;
        matches!(self.0.first(), None | Some(b',')).then_some(ListedExtension { name, parameters })
    }

    fn parameter(&mut self) -> Option<Parameter<'a>> {
        let name = self.token()?;
        let value = if !self.skip(b'=') {
            return Some(Parameter { name, value: None });
        } else if self.skip(b'"') {
            self.end_of_quoted_string()?
        } else {
            self.token()?
        };
        Some(Parameter { name, value: Some(value) })
    }

    fn token(&mut self) -> Option<&'a [u8]> {
        self.skip_whitespace();
        let (token, rest) = self.0.split_at_checked(Class::Token.prefix_len(self.0))?;
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }

    /// Reads the remainder of a quoted string, after its opening quote.
    fn end_of_quoted_string(&mut self) -> Option<&'a [u8]> {
        let string = self.0;
        loop {
            let character = match self.byte()? {
                b'"' => {
                    let value = string.get(..string.len() - self.0.len() - 1)?;
                    return (!value.is_empty()).then_some(value);
                }
                b'\\' => self.byte()?,
                byte => byte,
            };
            // RFC 6455, section 9.1: after unescaping, the value must conform to token.
            if !Class::Token.has(character) {
                return None;
            }
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    /// Skips whitespace, and then `byte` if it is next. Returns whether it was.
    // Builds without `alloc` keep one copy of this (code size, benches/size).
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    fn skip(&mut self, byte: u8) -> bool {
        self.skip_whitespace();
        match self.0.split_first() {
            Some((first, rest)) if *first == byte => {
                self.0 = rest;
                true
            }
            Some(_) | None => false,
        }
    }

    fn skip_whitespace(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::*;

    /// Formats each extension as `name;parameter=value;parameter`.
    fn normalize(list: &str) -> Result<Vec<String>, MalformedList> {
        let normalized = |extension: ListedExtension<'_>| {
            let mut text = extension.name().to_string();
            for parameter in extension.parameters() {
                text.extend([";", parameter.name()]);
                if let Some(value) = parameter.value() {
                    text.push('=');
                    text.extend(value.map(char::from));
                }
            }
            text
        };
        Extensions::new(list.as_bytes()).map(|extension| extension.map(normalized)).collect()
    }

    #[test]
    fn reads_extensions_and_their_parameters() {
        for (list, expected) in [
            ("foo", &["foo"][..]),
            ("foo, bar; baz=2", &["foo", "bar;baz=2"]),
            ("foo;a;b=1;c=\"x\" , bar", &["foo;a;b=1;c=x", "bar"]),
            (" ,foo ; a = 1,, ", &["foo;a=1"]),
            (r#"a; b="\x\y""#, &["a;b=xy"]),
            (
                "permessage-deflate; client_max_window_bits; server_max_window_bits=10, \
                permessage-deflate",
                &[
                    "permessage-deflate;client_max_window_bits;server_max_window_bits=10",
                    "permessage-deflate",
                ],
            ),
            ("__proto__; constructor; toString=1", &["__proto__;constructor;toString=1"]),
        ] {
            assert!(is_extension_list(list.as_bytes()), "{list}");
            assert_eq!(normalize(list).unwrap(), expected, "{list}");
        }
    }

    #[test]
    fn rejects_malformed_lists() {
        for list in [
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
            assert_eq!(normalize(list), Err(MalformedList), "{list}");
        }
        for list in ["", ",", " , "] {
            assert!(!is_extension_list(list.as_bytes()), "{list:?}");
            assert_eq!(normalize(list), Ok(Vec::new()), "{list:?}");
        }
    }
}
