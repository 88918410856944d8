//! WebSocket URIs (RFC 6455, section 3) and the resolution of redirects (RFC 3986, section 5).

#[cfg(feature = "alloc")]
use alloc::string::String;
use core::fmt;
#[cfg(feature = "alloc")]
use core::str;

#[cfg(feature = "alloc")]
use super::authority::is_scheme_byte;
use super::authority::{
    Authority, HTTP_PORT, HTTPS_PORT, default_port, is_same_host, split_scheme,
};
use super::http1::characters::Class;
use super::http1::text;

/// A `ws`, `wss`, `http` or `https` URI (RFC 6455, section 3), borrowed from its text.
///
/// As in browsers, `http` means `ws`, and `https` means `wss`.
///
/// ```
/// use websocket_proto::handshake::Uri;
///
/// let uri = Uri::parse("wss://[::1]:9001/chat?room=1")?;
/// assert!(uri.is_secure());
/// assert_eq!(uri.host(), "::1");
/// assert_eq!(uri.port(), 9001);
/// assert_eq!(uri.authority(), "[::1]:9001");
/// assert_eq!(uri.path(), "/chat");
/// assert_eq!(uri.query(), Some("room=1"));
/// # Ok::<(), websocket_proto::handshake::UriError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uri<'a> {
    scheme: &'a str,
    is_secure: bool,
    /// The host, and the port if the URI states one, even the default port.
    written_authority: &'a str,
    /// The part of `written_authority` that is the host, with the brackets of an IPv6 address.
    host: &'a str,
    port: u16,
    target: PathAndQuery<'a>,
}

impl<'a> Uri<'a> {
    /// Parses a URI. The caller must encode characters beyond ASCII: in the host with IDNA, elsewhere
    /// with percent-encoding.
    ///
    /// # Errors
    ///
    /// The first part that breaks RFC 6455, section 3. A URI with user information (`user@`) is
    /// rejected: send it in an `Authorization` field instead
    /// ([`basic_credentials`](super::basic_credentials)).
    pub fn parse(uri: &'a str) -> Result<Self, UriError> {
        let (scheme, _) = split_scheme(uri.as_bytes()).ok_or(UriError::Scheme)?;
        let default_port = default_port(scheme).ok_or(UriError::Scheme)?;
        let (scheme, rest) = uri.split_at_checked(scheme.len()).ok_or(UriError::Scheme)?;
        let rest = rest.strip_prefix("://").ok_or(UriError::Scheme)?;
        let authority_len = split_authority(rest.as_bytes()).0.len();
        let (authority, target) = rest.split_at_checked(authority_len).ok_or(UriError::Host)?;
        let Authority { host, port } = match Authority::parse(authority.as_bytes()) {
            Err(_) if authority.contains('@') => return Err(UriError::UserInformation),
            authority => authority?,
        };
        match target.as_bytes().get(Class::Target.prefix_len(target.as_bytes())) {
            None => {}
            // RFC 6455, section 3: fragment identifiers must not be used on these URIs.
            Some(b'#') => return Err(UriError::Fragment),
            Some(_) => return Err(UriError::Path),
        }
        Ok(Self {
            scheme,
            is_secure: default_port == HTTPS_PORT,
            written_authority: authority,
            host: authority.get(..host.len()).ok_or(UriError::Host)?,
            port: port.unwrap_or(default_port),
            target: PathAndQuery::split(target),
        })
    }

    /// Returns whether the connection uses TLS: the scheme is `wss` or `https`.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Returns the host, to connect to and to verify with TLS. An IPv6 address has no brackets.
    #[must_use]
    pub fn host(&self) -> &'a str {
        let host = self.host;
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// Returns the port. The default is 443 with TLS, and 80 without.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the value of `Host`: the host, and the port unless it is the default port.
    #[must_use]
    pub const fn authority(&self) -> &'a str {
        // RFC 6455, section 4.1, item 4: Host has the port only if it is not the default port.
        let default_port = if self.is_secure { HTTPS_PORT } else { HTTP_PORT };
        if self.port == default_port { self.host } else { self.written_authority }
    }

    /// Returns the path, which is `/` if the URI has none.
    #[must_use]
    pub const fn path(&self) -> &'a str {
        self.target.path
    }

    /// Returns the query, without the `?`.
    #[must_use]
    pub const fn query(&self) -> Option<&'a str> {
        self.target.query
    }

    /// Returns whether `other` has the same origin: the same host and port, and TLS in both or neither
    /// (RFC 6454, section 5).
    ///
    /// Do not send fields that [carry credentials](super::Field::is_credential) when you follow a
    /// redirect to another origin.
    #[must_use]
    pub fn is_same_origin(&self, other: &Self) -> bool {
        self.is_secure == other.is_secure
            && self.port == other.port
            && is_same_host(self.host.as_bytes(), other.host.as_bytes())
    }

    /// Returns the host, with the brackets of an IPv6 address.
    pub(super) const fn bracketed_host(&self) -> &'a str {
        self.host
    }
}

/// Writes the URI as it was parsed, but with the path `/` if it has none.
impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, written_authority, target: PathAndQuery { path, query }, .. } = self;
        write!(f, "{scheme}://{written_authority}{path}")?;
        query.map_or(Ok(()), |query| write!(f, "?{query}"))
    }
}

/// # Redirects
#[cfg(feature = "alloc")]
impl Uri<'_> {
    /// Resolves the `Location` of a redirect, relative or absolute (RFC 3986, section 5.2). Returns
    /// the text of a URI that [`parse`](Self::parse) accepts. A fragment is dropped, since it is not
    /// part of a request (RFC 9110, section 10.2.2).
    ///
    /// # Errors
    ///
    /// The error with which [`parse`](Self::parse) rejects the target URI.
    ///
    /// ```
    /// use websocket_proto::handshake::{Field, Uri};
    ///
    /// let from = Uri::parse("wss://example.com/chat/1?room=1")?;
    /// assert_eq!(from.resolve(b"../v2?room=1")?, "wss://example.com/v2?room=1");
    ///
    /// let target = from.resolve(b"https://example.org/chat")?;
    /// let to = Uri::parse(&target)?;
    /// // Credentials are not sent, since the origin is another one.
    /// let fields = [Field::new("Cookie", "session=1"), Field::new("User-Agent", "x")];
    /// let fields = fields.iter().filter(|field| from.is_same_origin(&to) || !field.is_credential());
    /// assert_eq!(fields.count(), 1);
    /// # Ok::<(), websocket_proto::handshake::UriError>(())
    /// ```
    pub fn resolve(&self, location: &[u8]) -> Result<String, UriError> {
        let location = location.split(|&byte| byte == b'#').next().unwrap_or(location);
        let location = str::from_utf8(location).map_err(|_| UriError::Path)?;
        if has_scheme(location) {
            let target = Uri::parse(location)?;
            return Ok(target.with_path("", target.path(), target.query()));
        }
        if location.starts_with("//") {
            let target = [self.scheme, ":", location].concat();
            let target = Uri::parse(&target)?;
            return Ok(target.with_path("", target.path(), target.query()));
        }
        let (path, query) = match location.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (location, None),
        };
        let resolved = match path.as_bytes() {
            // RFC 3986, section 5.2.2: a reference without a path has the path of the base URI, and
            // the query of the base URI unless it has its own.
            [] => self.with_path("", self.path(), query.or(self.query())),
            [b'/', ..] => self.with_path("", path, query),
            // RFC 3986, section 5.2.3: the path of the base URI up to its last slash, then the path of
            // the reference.
            _ => {
                let directory = self.path().rsplit_once('/').map_or("", |(directory, _)| directory);
                self.with_path(&[directory, "/"].concat(), path, query)
            }
        };
        Uri::parse(&resolved)?;
        Ok(resolved)
    }

    /// Returns the text of this URI with another path, from which dot segments are removed, and another
    /// query.
    fn with_path(&self, directory: &str, path: &str, query: Option<&str>) -> String {
        let mut uri = [self.scheme, "://", self.written_authority].concat();
        push_without_dot_segments(&mut uri, &[directory, path].concat());
        if let Some(query) = query {
            uri.push('?');
            uri.push_str(query);
        }
        uri
    }
}

/// Returns whether a URI reference begins with a scheme (RFC 3986, section 4.1).
#[cfg(feature = "alloc")]
fn has_scheme(reference: &str) -> bool {
    reference.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(is_scheme_byte)
    })
}

/// Appends `path`, which begins with a slash, without its dot segments (RFC 3986, section 5.2.4).
#[cfg(feature = "alloc")]
fn push_without_dot_segments(uri: &mut String, path: &str) {
    let start = uri.len();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => {
                if let Some(parent) = uri.rfind('/').filter(|&slash| slash >= start) {
                    uri.truncate(parent);
                }
            }
            segment => {
                uri.push('/');
                uri.push_str(segment);
            }
        }
        if is_last && matches!(segment, "." | "..") {
            uri.push('/');
        }
    }
}

/// The reason why a text is not a WebSocket URI: the first part that is invalid.
///
/// ```
/// use websocket_proto::handshake::{Uri, UriError};
///
/// assert_eq!(Uri::parse("ws://user:password@example.com/"), Err(UriError::UserInformation));
/// assert_eq!(Uri::parse("example.com"), Err(UriError::Scheme));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UriError {
    /// The scheme is none of `ws`, `wss`, `http` and `https`.
    Scheme,
    /// The URI has user information before the host. Send it in an `Authorization` field.
    UserInformation,
    /// The host is missing or malformed.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
    /// The path or the query has a character that must be percent-encoded.
    Path,
    /// The URI has a fragment. Remove it.
    Fragment,
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "the scheme is none of ws, wss, http and https",
            Self::UserInformation => "the URI has user information",
            Self::Host => "the host is missing or malformed",
            Self::Port => "the port is not a number from 1 to 65535",
            Self::Path => "the path or query has a character that must be percent-encoded",
            Self::Fragment => "the URI has a fragment",
        })
    }
}

impl core::error::Error for UriError {}

/// The form of a request target (RFC 9112, section 3.2).
#[derive(Clone, Copy)]
pub(super) enum RequestTarget<'a> {
    Origin {
        path_and_query: &'a [u8],
    },
    /// An `http`, `https`, `ws` or `wss` URI. Its path may be missing.
    Absolute {
        authority: &'a [u8],
        path_and_query: &'a [u8],
    },
    Other,
}

impl<'a> RequestTarget<'a> {
    pub(super) fn parse(target: &'a [u8]) -> Self {
        if target.starts_with(b"/") {
            return Self::Origin { path_and_query: target };
        }
        match split_scheme(target) {
            Some((scheme, rest)) if default_port(scheme).is_some() => {
                let (authority, path_and_query) = split_authority(rest);
                Self::Absolute { authority, path_and_query }
            }
            Some(_) | None => Self::Other,
        }
    }

    /// Returns the authority of an absolute target, which replaces that in Host (RFC 9112, section 3.2.2).
    pub(super) fn authority(self) -> Option<&'a [u8]> {
        match self {
            Self::Absolute { authority, .. } => Some(authority),
            Self::Origin { .. } | Self::Other => None,
        }
    }

    /// Returns the path and the query, or `None` for other forms, such as `*`.
    pub(super) fn path_and_query(self) -> Option<PathAndQuery<'a>> {
        match self {
            Self::Origin { path_and_query } | Self::Absolute { path_and_query, .. } => {
                Some(PathAndQuery::split(text(path_and_query)))
            }
            Self::Other => None,
        }
    }
}

/// A path and a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PathAndQuery<'a> {
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
}

impl<'a> PathAndQuery<'a> {
    pub(super) fn split(target: &'a str) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        Self { path: if path.is_empty() { "/" } else { path }, query }
    }
}

/// Splits the text after `://` into the authority and the path with the query and the fragment.
fn split_authority(rest: &[u8]) -> (&[u8], &[u8]) {
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    rest.split_at_checked(end).unwrap_or((rest, b""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_a_uri_into_its_parts() {
        for (uri, secure, host, port, authority, path, query) in [
            ("ws://example.com", false, "example.com", 80, "example.com", "/", None),
            ("WSS://Example.com:443/a", true, "Example.com", 443, "Example.com", "/a", None),
            ("http://example.com/a", false, "example.com", 80, "example.com", "/a", None),
            ("HTTPS://example.com", true, "example.com", 443, "example.com", "/", None),
            ("https://h:80", true, "h", 80, "h:80", "/", None),
            ("ws://h:443?", false, "h", 443, "h:443", "/", Some("")),
            ("ws://h:/?a?b/c", false, "h", 80, "h", "/", Some("a?b/c")),
            ("ws://[::1]/", false, "::1", 80, "[::1]", "/", None),
            ("wss://[2001:db8::1]:80", true, "2001:db8::1", 80, "[2001:db8::1]:80", "/", None),
            (
                "ws://127.0.0.1:9001?x=1",
                false,
                "127.0.0.1",
                9001,
                "127.0.0.1:9001",
                "/",
                Some("x=1"),
            ),
            ("ws://h/%20|^", false, "h", 80, "h", "/%20|^", None),
            ("ws://h/a@b", false, "h", 80, "h", "/a@b", None),
            ("ws://h%41/", false, "h%41", 80, "h%41", "/", None),
        ] {
            let parsed = Uri::parse(uri).unwrap();
            assert_eq!(parsed.is_secure(), secure, "{uri}");
            assert_eq!(parsed.host(), host, "{uri}");
            assert_eq!(parsed.port(), port, "{uri}");
            assert_eq!(parsed.authority(), authority, "{uri}");
            assert_eq!(parsed.path(), path, "{uri}");
            assert_eq!(parsed.query(), query, "{uri}");
        }
    }

    #[test]
    fn rejects_malformed_uris() {
        for (uri, error) in [
            ("ftp://h/", UriError::Scheme),
            ("ws:/h/", UriError::Scheme),
            ("h", UriError::Scheme),
            ("", UriError::Scheme),
            ("ws://h/#", UriError::Fragment),
            ("ws://h#x", UriError::Fragment),
            ("ws://u:p@h/", UriError::UserInformation),
            ("https://u@h", UriError::UserInformation),
            ("ws://", UriError::Host),
            ("ws:///chat", UriError::Host),
            ("ws://:80/", UriError::Host),
            ("ws://a b/", UriError::Host),
            ("ws://b\u{fc}cher/", UriError::Host),
            ("ws://::1/", UriError::Host),
            ("ws://[::1/", UriError::Host),
            ("ws://[::1]x/", UriError::Host),
            ("ws://[fe80::1%25eth0]/", UriError::Host),
            ("ws://[127.0.0.1]/", UriError::Host),
            ("ws://h:0/", UriError::Port),
            ("ws://h:65536/", UriError::Port),
            ("ws://h:+80/", UriError::Port),
            ("ws://h:8a/", UriError::Port),
            ("ws://h:80:80/", UriError::Port),
            ("ws://h/a b", UriError::Path),
            ("ws://h/\r\nX: y", UriError::Path),
            ("ws://h/\u{e4}", UriError::Path),
        ] {
            assert_eq!(Uri::parse(uri), Err(error), "{uri}");
        }
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn resolves_the_examples_of_rfc_3986_section_5_4() {
        let base = Uri::parse("http://a/b/c/d;p?q").unwrap();
        for (location, target) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("g#s", "http://a/b/c/g"),
            ("g?y#s", "http://a/b/c/g?y"),
            (";x", "http://a/b/c/;x"),
            ("g;x", "http://a/b/c/g;x"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("../../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            (".g", "http://a/b/c/.g"),
            ("g..", "http://a/b/c/g.."),
            ("..g", "http://a/b/c/..g"),
            ("./../g", "http://a/b/g"),
            ("./g/.", "http://a/b/c/g/"),
            ("g/./h", "http://a/b/c/g/h"),
            ("g/../h", "http://a/b/c/h"),
            ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/./x", "http://a/b/c/g?y/./x"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            // Examples that are not in the RFC.
            ("https://b:8443/x/../y?z", "https://b:8443/y?z"),
            ("wss://b", "wss://b/"),
            ("//b?z", "http://b/?z"),
            ("/a//b/", "http://a/a//b/"),
            ("/a:b", "http://a/a:b"),
            ("./a:b", "http://a/b/c/a:b"),
        ] {
            let resolved = base.resolve(location.as_bytes()).unwrap();
            assert_eq!(resolved, target, "{location}");
            assert!(Uri::parse(&resolved).is_ok());
        }
        let base = Uri::parse("wss://h").unwrap();
        assert_eq!(base.resolve(b"g").unwrap(), "wss://h/g");
        assert_eq!(base.resolve(b"?y").unwrap(), "wss://h/?y");
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn rejects_locations_that_are_no_websocket_uri() {
        let base = Uri::parse("ws://a/b").unwrap();
        for (location, error) in [
            (&b"ftp://a/"[..], UriError::Scheme),
            (b"mailto:a@b", UriError::Scheme),
            (b"http:g", UriError::Scheme),
            (b"a:b", UriError::Scheme),
            (b"http://u@h/", UriError::UserInformation),
            (b"//u@h/", UriError::UserInformation),
            (b"//", UriError::Host),
            (b"///path", UriError::Host),
            (b"//h:0/", UriError::Port),
            (b"/a b", UriError::Path),
            (b"/\xff", UriError::Path),
            ("/\u{e4}".as_bytes(), UriError::Path),
        ] {
            assert_eq!(base.resolve(location), Err(error), "{}", location.escape_ascii());
        }
    }
}
