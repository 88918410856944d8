//! The proxies of a client: a fixed one, or the one that the environment names.

use std::borrow::Cow;
use std::env;
use std::fmt;
use std::net::IpAddr;

use websocket_proto::handshake::{Uri, UriError, basic_credentials};

use crate::connect_error::ConnectError;

/// An HTTP proxy that opens tunnels with `CONNECT` (RFC 9110, section 9.3.6).
#[derive(Clone)]
pub struct Proxy {
    /// The URI, without user information.
    uri: String,
    /// The value of `Proxy-Authorization`.
    pub(crate) credentials: Option<String>,
}

impl Proxy {
    /// Parses the URI of a proxy: `http://host:port`, or `https://host:port` to speak to it with TLS.
    /// The default ports are 80 and 443.
    ///
    /// User and password precede the host: `http://user:password@host:port`. Characters that are not
    /// allowed there are percent-encoded.
    ///
    /// # Errors
    ///
    /// Returns the first part that is invalid.
    ///
    /// ```
    /// use tokio_websocket_proto::Proxy;
    /// use tokio_websocket_proto::proto::handshake::UriError;
    ///
    /// let proxy = Proxy::parse("http://ednamode:no%20capes!@proxy.example:3128")?;
    /// assert_eq!(format!("{proxy:?}"), "Proxy(\"http://proxy.example:3128/\")");
    /// assert_eq!(Proxy::parse("socks5://localhost").unwrap_err(), UriError::Scheme);
    /// # Ok::<(), UriError>(())
    /// ```
    pub fn parse(uri: &str) -> Result<Self, UriError> {
        let (scheme, rest) = uri.split_once("://").ok_or(UriError::Scheme)?;
        if !["http", "https"].iter().any(|http| scheme.eq_ignore_ascii_case(http)) {
            return Err(UriError::Scheme);
        }
        let (credentials, authority) = match rest.rsplit_once('@') {
            Some((user_information, authority)) => {
                (Some(credentials(user_information)?), authority)
            }
            None => (None, rest),
        };
        let uri = [scheme, "://", authority].concat();
        let parsed = Uri::parse(&uri)?;
        if parsed.path() != "/" || parsed.query().is_some() {
            return Err(UriError::Path);
        }
        let uri = parsed.to_string();
        Ok(Self { uri, credentials })
    }

    pub(crate) fn uri(&self) -> Result<Uri<'_>, UriError> {
        Uri::parse(&self.uri)
    }
}

/// Omits the credentials.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proxy").field(&self.uri).finish()
    }
}

/// Returns the value of `Proxy-Authorization` for the user information of a URI (RFC 3986, section
/// 3.2.1).
fn credentials(user_information: &str) -> Result<String, UriError> {
    if user_information.contains(['/', '?', '#']) {
        return Err(UriError::UserInformation);
    }
    let (user, password) = user_information.split_once(':').unwrap_or((user_information, ""));
    let (user, password) = (percent_decode(user)?, percent_decode(password)?);
    basic_credentials(&user, &password).map_err(|_| UriError::UserInformation)
}

fn percent_decode(text: &str) -> Result<String, UriError> {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or(UriError::UserInformation)?;
        // `from_str_radix` would accept a sign.
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(UriError::UserInformation);
        }
        decoded.push(u8::from_str_radix(digits, 16).map_err(|_| UriError::UserInformation)?);
        decoded.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(decoded).map_err(|_| UriError::UserInformation)
}

/// How a client reaches servers.
#[derive(Clone, Debug)]
pub(crate) enum Route {
    Direct,
    Proxy(Proxy),
    /// As the variables of the environment say.
    Environment,
}

impl Route {
    /// Returns the proxy through which to connect to the server of `uri`, or `None` to connect directly.
    pub(crate) fn proxy(&self, uri: &Uri<'_>) -> Result<Option<Cow<'_, Proxy>>, ConnectError> {
        match self {
            Self::Direct => Ok(None),
            Self::Proxy(proxy) => Ok(Some(Cow::Borrowed(proxy))),
            Self::Environment => {
                // Text that is not Unicode becomes text that no URI contains.
                let variable = |name: &str| Some(env::var_os(name)?.to_string_lossy().into_owned());
                Ok(from_environment(uri, variable)?.map(Cow::Owned))
            }
        }
    }
}

/// Returns the proxy for `uri`, with the environment's variables. `variable` returns the value of one.
fn from_environment(
    uri: &Uri<'_>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>, ConnectError> {
    // A CGI server sets `HTTP_PROXY` from the request field `Proxy`, so it is not among them.
    const SECURE: &[&str] = &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    const PLAIN: &[&str] = &["http_proxy", "all_proxy", "ALL_PROXY"];
    let first = |names: &[&'static str]| {
        names.iter().find_map(|name| {
            let value = variable(name)?.trim().to_owned();
            (!value.is_empty()).then_some((*name, value))
        })
    };
    let Some((name, value)) = first(if uri.is_secure() { SECURE } else { PLAIN }) else {
        return Ok(None);
    };
    if first(&["no_proxy", "NO_PROXY"]).is_some_and(|(_, list)| lists_host(&list, uri.host())) {
        return Ok(None);
    }
    let proxy = if value.contains("://") { value } else { format!("http://{value}") };
    match Proxy::parse(&proxy) {
        Ok(proxy) => Ok(Some(proxy)),
        Err(error) => Err(ConnectError::ProxyVariable { name, error }),
    }
}

/// Returns whether `NO_PROXY` contains this host, which is a name or an address.
fn lists_host(no_proxy: &str, host: &str) -> bool {
    let mut entries = no_proxy.split([',', ' ']).filter(|entry| !entry.is_empty());
    match host.parse() {
        Ok(address) => entries.any(|entry| entry == "*" || lists_address(entry, address)),
        Err(_) => entries.any(|entry| entry == "*" || lists_name(entry, host)),
    }
}

/// Returns whether `name` is `domain` or one of its subdomains.
fn lists_name(domain: &str, name: &str) -> bool {
    let domain = domain.trim_matches('.').to_ascii_lowercase();
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let before = name.strip_suffix(&*domain).filter(|_| !domain.is_empty());
    before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// Returns whether `entry` is this address, or a network that contains it (RFC 4632, section 3.1).
fn lists_address(entry: &str, address: IpAddr) -> bool {
    let (network, bits) = match entry.split_once('/') {
        Some((network, bits)) => (network, bits.parse().ok()),
        None => (entry, Some(128)),
    };
    let (Ok(network), Some(bits)) = (network.trim_matches(['[', ']']).parse(), bits) else {
        return false;
    };
    let differing = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            // Zeros follow the 32 bits of an address, so that 128 bits compare all of them.
            u128::from(network.to_bits() ^ address.to_bits()) << 96
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => network.to_bits() ^ address.to_bits(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    bits <= 128 && differing.leading_zeros() >= bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_has_its_credentials_decoded() {
        for (uri, expected) in [
            ("http://localhost", None),
            ("https://Aladdin:open%20sesame@[::1]:3128/", Some(("Aladdin", "open sesame"))),
            ("HTTP://a@b", Some(("a", ""))),
            ("http://a:b:c%40@d", Some(("a", "b:c@"))),
        ] {
            let expected = expected.map(|(user, word)| basic_credentials(user, word).unwrap());
            assert_eq!(Proxy::parse(uri).unwrap().credentials, expected, "{uri}");
        }
    }

    #[test]
    fn invalid_proxies_are_rejected() {
        for (uri, error) in [
            ("localhost:3128", UriError::Scheme),
            ("socks5://localhost:1080", UriError::Scheme),
            ("ws://localhost", UriError::Scheme),
            ("http://:3128", UriError::Host),
            ("http://localhost:99999", UriError::Port),
            ("http://localhost/path", UriError::Path),
            ("http://localhost?query", UriError::Path),
            ("http://localhost/@example.com", UriError::UserInformation),
            ("http://a%3Ab:c@localhost", UriError::UserInformation),
            ("http://a%2:c@localhost", UriError::UserInformation),
            ("http://a%+1:c@localhost", UriError::UserInformation),
            ("http://a%ff:c@localhost", UriError::UserInformation),
            ("http://a%0a:c@localhost", UriError::UserInformation),
        ] {
            assert_eq!(Proxy::parse(uri).unwrap_err(), error, "{uri}");
        }
    }

    /// Returns the proxy that these variables name for `uri`: its `Debug` text, or an empty text.
    #[track_caller]
    fn proxy_of(uri: &str, variables: &[(&str, &str)]) -> Result<String, ConnectError> {
        let variable = |name: &str| {
            let (_, value) = variables.iter().find(|(variable, _)| *variable == name)?;
            Some((*value).to_owned())
        };
        let proxy = from_environment(&Uri::parse(uri).unwrap(), variable)?;
        Ok(proxy.map_or(String::new(), |proxy| proxy.uri))
    }

    #[test]
    fn environment_names_a_proxy_for_each_scheme() {
        let all = [
            ("http_proxy", "http://plain:1"),
            ("https_proxy", "secure:2"),
            ("HTTPS_PROXY", "http://upper:3"),
            ("all_proxy", "https://all:4"),
            ("ALL_PROXY", "http://ALL:5"),
        ];
        for (uri, skipped, expected) in [
            ("ws://host", 0, "http://plain:1/"),
            ("http://host", 0, "http://plain:1/"),
            ("wss://host", 0, "http://secure:2/"),
            ("https://host", 0, "http://secure:2/"),
            ("ws://host", 1, "https://all:4/"),
            ("wss://host", 2, "http://upper:3/"),
            ("wss://host", 3, "https://all:4/"),
            ("wss://host", 4, "http://ALL:5/"),
            ("ws://host", 4, "http://ALL:5/"),
            ("ws://host", 5, ""),
        ] {
            assert_eq!(proxy_of(uri, &all[skipped..]).unwrap(), expected, "{uri} {skipped}");
        }
        let empty = [("https_proxy", " "), ("HTTPS_PROXY", "http://upper:3")];
        assert_eq!(proxy_of("wss://host", &empty).unwrap(), "http://upper:3/");
    }

    #[test]
    fn http_proxy_in_capitals_is_not_read() {
        assert_eq!(proxy_of("ws://host", &[("HTTP_PROXY", "http://attacker:1")]).unwrap(), "");
    }

    #[test]
    fn variable_that_is_no_http_proxy_is_an_error() {
        for (value, expected) in [
            ("socks5://localhost:1080", UriError::Scheme),
            ("proxy:port", UriError::Port),
            ("\u{FFFD}", UriError::Host),
        ] {
            let error = proxy_of("wss://host", &[("ALL_PROXY", value)]).unwrap_err();
            let ConnectError::ProxyVariable { name: "ALL_PROXY", error } = error else {
                panic!("{error:?}");
            };
            assert_eq!(error, expected, "{value}");
            // A host that needs no proxy does not need a valid one.
            let unused = [("ALL_PROXY", value), ("NO_PROXY", "host")];
            assert_eq!(proxy_of("wss://host", &unused).unwrap(), "");
        }
    }

    #[test]
    fn no_proxy_lists_hosts_to_connect_to_directly() {
        for (list, host, is_listed) in [
            ("example.com", "example.com", true),
            ("example.com", "EXAMPLE.com.", true),
            ("example.com", "chat.example.com", true),
            ("example.com", "badexample.com", false),
            ("example.com", "com", false),
            (".example.com", "example.com", true),
            (".example.com", "chat.example.com", true),
            ("a.test, b.test c.test,,", "b.test", true),
            ("a.test, b.test c.test,,", "c.test", true),
            ("a.test, b.test c.test,,", "d.test", false),
            (".", "example.com", false),
            ("*", "example.com", true),
            ("localhost,*", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.10", false),
            ("2.1", "192.0.2.1", false),
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.0/32", "192.0.2.1", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "::1", false),
            ("192.0.2.0/x", "192.0.2.0", false),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/32", "2001:db8:ffff::", true),
            ("2001:db8::/32", "2001:db9::", false),
            ("::1", "0:0::1", true),
            ("[::1]", "::1", true),
            ("::1/129", "::1", false),
            ("\u{e4}.test", "b\u{e4}.test", false),
        ] {
            assert_eq!(lists_host(list, host), is_listed, "{list} {host}");
        }
    }
}
