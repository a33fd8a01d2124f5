//! What introspection endpoints answer (RFC 7662 2.2, RFC 9701 5), read strictly and without doing any input or output.

use std::borrow::Cow;

use super::answer::{accepted_client, media_type, utf8};
use super::error::{Cause, Unusable};
use crate::json::{Value, member_text, read_object};
use crate::provider::fetch::Response;

/// Of a signed answer.
pub const MEDIA_TYPE: &str = "application/token-introspection+jwt";

/// What a provider says of a token.
#[derive(Debug, PartialEq)]
pub enum Said {
    /// The answer itself, and `exp` where it has one.
    Active { text: String, expires_at: Option<f64> },
    /// Nothing more is to be known of it (RFC 7662 2.2).
    Inactive,
}

/// An introspection endpoint's answer (RFC 7662 2.2), as JSON text.
pub fn introspection(response: Response) -> Result<String, Cause> {
    accepted_client(&response)?;
    media_type(response.content_type.as_deref()).map_err(Cause::Answer)?;
    utf8(response.body).map_err(Cause::Answer)
}

/// The JWT that an introspection endpoint has answered with (RFC 9701 5): nothing of it is checked but its form.
pub fn introspection_jwt(response: Response) -> Result<String, Cause> {
    accepted_client(&response)?;
    let named = response.content_type.as_deref().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !named.eq_ignore_ascii_case(MEDIA_TYPE) {
        return Err(Cause::Answer(Unusable::NoJwt));
    }
    let text = utf8(response.body).map_err(Cause::Answer)?.trim_ascii().to_owned();
    match text.bytes().filter(|byte| *byte == b'.').count() {
        2 => Ok(text),
        // RFC 7516 7.1.
        4 => Err(Cause::Answer(Unusable::Encrypted)),
        _ => Err(Cause::Answer(Unusable::NoJwt)),
    }
}

/// The object in the payload of such a JWT: what a plain answer would have been.
pub fn object_of(payload: &str) -> Result<String, Cause> {
    let object = member_text(payload, "token_introspection").map_err(|error| Cause::Answer(error.into()))?;
    object.filter(|text| text.starts_with('{')).map(str::to_owned).ok_or(Cause::Answer(Unusable::NoObject))
}

/// What an answer says of the token.
pub fn said(text: String) -> Result<Said, Cause> {
    let (mut active, mut expires_at) = (None, None);
    let wanted = |name: &str| matches!(name, "active" | "exp").then_some(name == "active");
    let member = |is_active, _: Cow<'_, str>, value: Value<'_>| match value {
        Value::Bool(said) if is_active => active = Some(said),
        Value::Number(seconds) if !is_active => expires_at = Some(seconds),
        _ => {}
    };
    read_object(&text, wanted, member).map_err(|error| Cause::Answer(error.into()))?;
    match active {
        Some(true) => Ok(Said::Active { text, expires_at }),
        Some(false) => Ok(Said::Inactive),
        None => Err(Cause::Answer(Unusable::Active)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Response {
        Response { status, body: body.into(), ..Response::default() }
    }

    fn typed(content_type: &str, body: &str) -> Response {
        Response { content_type: Some(content_type.to_owned()), ..answer(200, body) }
    }

    #[test]
    fn a_token_is_active_only_where_exactly_that_is_said() {
        let said = |body: &str| introspection(answer(200, body)).and_then(said);
        let active = r#"{"active":true,"exp":5}"#;
        assert_eq!(said(active), Ok(Said::Active { text: active.to_owned(), expires_at: Some(5.0) }));
        assert_eq!(said(r#"{"active":false,"exp":5}"#), Ok(Said::Inactive));
        for body in ["{}", r#"{"active":1}"#, r#"{"active":"true"}"#, r#"{"active":null}"#, r#"{"Active":true}"#] {
            assert_eq!(said(body), Err(Cause::Answer(Unusable::Active)), "{body}");
        }
        // It is about our own credentials.
        for status in [401, 403] {
            assert_eq!(introspection(answer(status, active)), Err(Cause::Client(status, None)));
            assert_eq!(introspection_jwt(answer(status, active)), Err(Cause::Client(status, None)));
        }
    }

    #[test]
    fn a_jwt_is_taken_where_it_is_wanted_and_nowhere_else() {
        let wanted = |typ: &str, body: &str| introspection_jwt(typed(typ, body));
        for typ in [MEDIA_TYPE, "Application/Token-Introspection+JWT; charset=utf-8"] {
            assert_eq!(wanted(typ, " a.b.c\n").as_deref(), Ok("a.b.c"));
            assert_eq!(wanted(typ, "a.b.c.d.e"), Err(Cause::Answer(Unusable::Encrypted)));
            assert_eq!(introspection(typed(typ, "a.b.c")), Err(Cause::Answer(Unusable::IntrospectionJwt)));
            for body in ["", "a.b", "{\"active\":true}", "a.b.c.d"] {
                assert_eq!(wanted(typ, body), Err(Cause::Answer(Unusable::NoJwt)), "{body}");
            }
        }
        for typ in ["application/jwt", "application/json", "", "application/token-introspection"] {
            assert_eq!(wanted(typ, "a.b.c"), Err(Cause::Answer(Unusable::NoJwt)), "{typ}");
        }
        assert_eq!(introspection_jwt(answer(200, "a.b.c")), Err(Cause::Answer(Unusable::NoJwt)));
        assert_eq!(object_of(r#"{"a":1,"token_introspection":{"active":true}}"#).as_deref(), Ok(r#"{"active":true}"#));
        for payload in ["{}", r#"{"token_introspection":true}"#, r#"{"token_introspection":[]}"#] {
            assert_eq!(object_of(payload), Err(Cause::Answer(Unusable::NoObject)), "{payload}");
        }
        let twice = r#"{"token_introspection":{"active":false},"token_introspection":{"active":true}}"#;
        assert!(matches!(object_of(twice), Err(Cause::Answer(Unusable::Json(_)))));
    }
}
