//! Conversions from and to the types of the crate `http`, for requests and responses that another
//! HTTP stack reads and writes. They pass the same checks as heads that this crate parses.

mod client;
mod server;

use ::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version};

use super::fields::FieldList;
use super::{Field, Fields, InvalidHead, RequestHead, ResponseHead};

/// # Types of `http`
impl RequestHead<'_> {
    /// Returns this head as a request of the crate `http`. Field values keep every byte.
    ///
    /// # Errors
    ///
    /// The error of the crate `http` if the target has a character that it does not allow, or more than
    /// 65,534 bytes.
    pub fn to_http(&self) -> Result<Request<()>, ::http::Error> {
        let version = version(self.minor_version());
        let request = Request::builder().method(self.method()).uri(self.target()).version(version);
        let mut request = request.body(())?;
        copy_fields(self.fields(), request.headers_mut())?;
        Ok(request)
    }
}

/// # Types of `http`
impl ResponseHead<'_> {
    /// Returns this head as a response of the crate `http`. Field values keep every byte; the reason
    /// phrase is lost.
    ///
    /// # Errors
    ///
    /// The error of the crate `http`, which a valid head does not cause.
    pub fn to_http(&self) -> Result<Response<()>, ::http::Error> {
        let version = version(self.minor_version());
        let mut response = Response::builder().status(self.status()).version(version).body(())?;
        copy_fields(self.fields(), response.headers_mut())?;
        Ok(response)
    }
}

pub(super) fn fields_of(headers: &HeaderMap) -> impl Iterator<Item = Field<'_>> {
    headers.iter().map(|(name, value)| Field::new(name.as_str(), value))
}

impl<'a> From<&'a HeaderMap> for FieldList<'a> {
    fn from(headers: &'a HeaderMap) -> Self {
        Self::Collected(fields_of(headers).collect())
    }
}

const fn version(minor: u8) -> Version {
    if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 }
}

fn copy_fields(fields: Fields<'_>, headers: &mut HeaderMap) -> Result<(), ::http::Error> {
    for field in fields {
        let name = HeaderName::from_bytes(field.name().as_bytes())?;
        headers.try_append(name, HeaderValue::from_bytes(field.value())?)?;
    }
    Ok(())
}

pub(super) fn with_status(status: StatusCode) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    response
}

/// Creates a response from a list of fields that begins with `:status`.
pub(super) fn response_of<'a>(
    fields: impl Iterator<Item = Field<'a>>,
) -> Result<Response<()>, InvalidHead> {
    let mut response = Response::new(());
    for field in fields {
        if field.has_name(":status") {
            let status = StatusCode::from_bytes(field.value());
            *response.status_mut() = status.map_err(|_| InvalidHead::Status)?;
        } else {
            append(response.headers_mut(), field)?;
        }
    }
    Ok(response)
}

/// Appends the caller's fields.
pub(super) fn append_extra(
    headers: &mut HeaderMap,
    fields: &[Field<'_>],
) -> Result<(), InvalidHead> {
    fields.iter().try_for_each(|field| {
        field.check_extra()?;
        append(headers, *field)
    })
}

/// Appends a valid field.
pub(super) fn append(headers: &mut HeaderMap, field: Field<'_>) -> Result<(), InvalidHead> {
    let name = HeaderName::from_bytes(field.name_bytes()).map_err(|_| InvalidHead::FieldName)?;
    let value = HeaderValue::from_bytes(field.value()).map_err(|_| InvalidHead::FieldValue)?;
    headers.try_append(name, value).map_err(|_| InvalidHead::BufferTooSmall)?;
    Ok(())
}
