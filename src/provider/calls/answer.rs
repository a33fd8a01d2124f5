//! What the endpoints answer, read strictly and without doing any input or output.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::error::{Cause, Unusable};
use super::introspection_answer::MEDIA_TYPE;
use crate::json::{JsonError, JsonFault, Value, read_object};
use crate::policy::transport::Secret;
use crate::provider::fetch::Response;
use crate::time::UnixSeconds;

/// The longest token that is sent or taken, in bytes; the same bound as a policy's own.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// What a token endpoint says when it refuses: of RFC 6749 5.2, and what Entra adds. Only known words are repeated, because an
/// answer could repeat what it was asked.
const TOKEN_ERRORS: [&str; 12] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_resource",
    "interaction_required",
    "consent_required",
    "access_denied",
    "server_error",
    "temporarily_unavailable",
];

/// Another token for the one that was shown (RFC 6749 5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The token.
    pub access_token: Secret,
    /// How long it is good for.
    pub expires_in: Option<Duration>,
}

/// What Microsoft Graph answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphAnswer {
    /// The status, no redirect and not 401 or 403.
    pub status: u16,
    /// When to ask again.
    pub retry_after: Option<Duration>,
    /// The answer, an object as JSON text; `null` where a status other than 2xx came without, and of 202 and 204 that have nothing to say.
    pub body: String,
}

/// RFC 6750 2.1, `b64token`.
pub fn is_bearer_token(text: &str) -> bool {
    let characters = text.trim_end_matches('=').as_bytes();
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    !characters.is_empty() && text.len() <= MAX_TOKEN_BYTES && characters.iter().all(allowed)
}

/// The claims of the subject: OpenID Connect Core 1.0 5.3.2. The text is the answer's very own.
pub fn userinfo(response: Response, subject: &str) -> Result<String, Cause> {
    succeeded(&response, |_| None)?;
    let mut is_his = false;
    let wanted = |name: &str| (name == "sub").then_some(());
    read(&response, wanted, |(), _, value| is_his = value.as_str() == Some(subject)).map_err(Cause::Answer)?;
    if is_his { Ok(text(response)) } else { Err(Cause::Subject) }
}

/// A token endpoint's answer.
pub fn exchange(response: &Response) -> Result<Granted, Cause> {
    accepted_client(response)?;
    let (mut token, mut is_bearer, mut expires_in) = (None, true, None);
    let wanted = |name: &str| match name {
        "access_token" => Some(0),
        "token_type" => Some(1),
        "expires_in" => Some(2),
        _ => None,
    };
    let member = |which, _: Cow<'_, str>, value: Value<'_>| match which {
        0 => token = value.as_str().filter(|text| is_bearer_token(text)).map(Secret::new),
        1 => is_bearer = value.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")),
        _ => expires_in = seconds(&value),
    };
    read(response, wanted, member).map_err(Cause::Answer)?;
    if !is_bearer {
        return Err(Cause::Answer(Unusable::TokenType));
    }
    let access_token = token.ok_or(Cause::Answer(Unusable::AccessToken))?;
    Ok(Granted { access_token, expires_in })
}

/// Microsoft Graph's answer. What to do about 429 and 503 is the caller's to decide.
pub fn graph(response: Response, now: UnixSeconds) -> Result<GraphAnswer, Cause> {
    let status = response.status;
    let is_good = match succeeded(&response, |_| None) {
        Ok(()) => true,
        Err(Cause::Status(..)) => false,
        Err(cause) => return Err(cause),
    };
    let retry_after = response.retry_after.as_deref().and_then(|written| retry_after(written, now));
    let body = match read(&response, |_| None::<()>, |(), _, _| {}) {
        Ok(()) => text(response),
        // RFC 9110 15.3.3 and 15.3.5: these need not have any.
        Err(_) if !is_good || (matches!(status, 202 | 204) && response.body.is_empty()) => "null".to_owned(),
        Err(error) => return Err(Cause::Answer(error)),
    };
    Ok(GraphAnswer { status, retry_after, body })
}

pub(super) fn succeeded(response: &Response, said: impl Fn(&Response) -> Option<&'static str>) -> Result<(), Cause> {
    match response.status {
        200..=299 => Ok(()),
        status @ 300..=399 => Err(Cause::Redirect(status)),
        status @ (401 | 403) => Err(Cause::Unauthorized(status)),
        status => Err(Cause::Status(status, said(response))),
    }
}

/// [`succeeded`], where the client shows who it is: 401 is about its own credentials and not about the user's token (RFC 6749 5.2,
/// RFC 7662 2.3), and some servers say the same with 400.
pub(super) fn accepted_client(response: &Response) -> Result<(), Cause> {
    succeeded(response, token_error).map_err(|cause| match cause {
        Cause::Unauthorized(status) => Cause::Client(status, token_error(response)),
        Cause::Status(status, error @ Some("invalid_client" | "unauthorized_client")) => Cause::Client(status, error),
        other => other,
    })
}

/// Reads an answer that must be a JSON object.
fn read<W>(
    response: &Response,
    wanted: impl Fn(&str) -> Option<W>,
    member: impl FnMut(W, Cow<'_, str>, Value<'_>),
) -> Result<(), Unusable> {
    media_type(response.content_type.as_deref())?;
    let text = str::from_utf8(&response.body).map_err(|_| NOT_UTF8)?;
    Ok(read_object(text, wanted, member)?)
}

const NOT_UTF8: JsonError = JsonError::Malformed(JsonFault::NotUtf8);

pub(super) fn utf8(body: Vec<u8>) -> Result<String, Unusable> {
    String::from_utf8(body).map_err(|_| NOT_UTF8.into())
}

/// Whether what an answer says it is can be JSON. What says nothing is read.
pub(super) fn media_type(written: Option<&str>) -> Result<(), Unusable> {
    let Some(written) = written else { return Ok(()) };
    let essence = written.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" | "text/json" => Ok(()),
        "application/jwt" | "application/jose" => Err(Unusable::Jwt),
        MEDIA_TYPE => Err(Unusable::IntrospectionJwt),
        // RFC 6839 3.1.
        other if other.starts_with("application/") && other.ends_with("+json") => Ok(()),
        _ => Err(Unusable::MediaType),
    }
}

/// The body as text. It was read, so nothing is replaced.
fn text(response: Response) -> String {
    String::from_utf8(response.body).unwrap_or_default()
}

pub(super) fn token_error(response: &Response) -> Option<&'static str> {
    let mut error = None;
    let wanted = |name: &str| (name == "error").then_some(());
    let known = |value: &Value<'_>| TOKEN_ERRORS.into_iter().find(|known| value.as_str() == Some(known));
    read(response, wanted, |(), _, value| error = known(&value)).ok()?;
    error
}

/// `expires_in`: a number of seconds, and of Entra's version 1 its text.
fn seconds(value: &Value<'_>) -> Option<Duration> {
    let seconds = match value {
        Value::Number(seconds) => Some(*seconds),
        Value::String(text) => text.parse::<u32>().ok().map(f64::from),
        _ => None,
    };
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

/// `Retry-After` (RFC 9110 10.2.3): seconds, or a date.
fn retry_after(written: &str, now: UnixSeconds) -> Option<Duration> {
    if let Ok(seconds) = written.trim().parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let date: SystemTime = httpdate::parse_http_date(written.trim()).ok()?;
    let date = date.duration_since(UNIX_EPOCH).ok()?;
    Some(Duration::try_from_secs_f64(date.as_secs_f64() - now.get()).unwrap_or_default())
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
    fn userinfo_is_the_subjects_own_or_nothing() {
        let own = r#"{"name":"A","sub":"s","__proto__":{"x":1}}"#;
        assert_eq!(userinfo(answer(200, own), "s").as_deref(), Ok(own));
        for body in ["{}", r#"{"sub":"S"}"#, r#"{"sub":"s "}"#, r#"{"sub":["s"]}"#, r#"{"sub":null}"#, r#"{"Sub":"s"}"#]
        {
            assert_eq!(userinfo(answer(200, body), "s"), Err(Cause::Subject), "{body}");
        }
        // The number 1 is not the text "1".
        assert_eq!(userinfo(answer(200, r#"{"sub":1}"#), "1"), Err(Cause::Subject));
        for body in ["", "[]", "null", "x", r#"{"sub":"s""#, r#"{"sub":"s"} x"#, "\u{feff}{\"sub\":\"s\"}"] {
            assert!(matches!(userinfo(answer(200, body), "s"), Err(Cause::Answer(Unusable::Json(_)))), "{body}");
        }
        for body in [r#"{"sub":"x","sub":"s"}"#, r#"{"sub":"s","a":{"b":1,"b":2}}"#] {
            let twice = userinfo(answer(200, body), "s").unwrap_err();
            assert!(matches!(twice, Cause::Answer(Unusable::Json(JsonError::Malformed(JsonFault::Duplicate(_))))));
        }
        let latin = Response { status: 200, body: b"{\"sub\":\"s\",\"a\":\"\xe9\"}".into(), ..Response::default() };
        let not_utf8 = Cause::Answer(Unusable::Json(JsonError::Malformed(JsonFault::NotUtf8)));
        assert_eq!(userinfo(latin, "s"), Err(not_utf8));
    }

    #[test]
    fn a_status_says_what_it_is() {
        let own = r#"{"sub":"s"}"#;
        for status in [300, 301, 302, 303, 304, 307, 308] {
            assert_eq!(userinfo(answer(status, own), "s"), Err(Cause::Redirect(status)));
            assert_eq!(exchange(&answer(status, own)), Err(Cause::Redirect(status)));
            assert_eq!(graph(answer(status, own), now()), Err(Cause::Redirect(status)));
        }
        for status in [401, 403] {
            assert_eq!(userinfo(answer(status, own), "s"), Err(Cause::Unauthorized(status)));
            assert_eq!(graph(answer(status, own), now()), Err(Cause::Unauthorized(status)));
            assert_eq!(exchange(&answer(status, own)), Err(Cause::Client(status, None)));
        }
        for status in [100, 199, 400, 404, 429, 500, 503, 600] {
            assert_eq!(userinfo(answer(status, own), "s"), Err(Cause::Status(status, None)));
        }
    }

    #[test]
    fn json_says_that_it_is() {
        let own = r#"{"sub":"s"}"#;
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/scim+json", "text/json"] {
            assert!(userinfo(typed(good, own), "s").is_ok(), "{good}");
        }
        for bad in ["text/html", "text/plain", "", "application/octet-stream", "image/svg+xml", "x/y+json"] {
            assert_eq!(userinfo(typed(bad, own), "s"), Err(Cause::Answer(Unusable::MediaType)), "{bad}");
        }
        assert_eq!(userinfo(typed("application/jwt", "a.b.c"), "s"), Err(Cause::Answer(Unusable::Jwt)));
    }

    #[test]
    fn a_granted_token_can_be_sent() {
        let granted =
            |body: &str| exchange(&answer(200, body)).map(|it| (it.access_token.reveal().to_owned(), it.expires_in));
        let hour = Some(Duration::from_secs(3599));
        for (body, expires_in) in [
            (r#"{"token_type":"Bearer","access_token":"a.b-c_~+/==","expires_in":3599}"#, hour),
            (r#"{"token_type":"bearer","access_token":"a.b-c_~+/==","expires_in":"3599"}"#, hour),
            (r#"{"access_token":"a.b-c_~+/==","expires_in":-1}"#, None),
            (r#"{"access_token":"a.b-c_~+/==","expires_in":"soon"}"#, None),
        ] {
            assert_eq!(granted(body), Ok(("a.b-c_~+/==".to_owned(), expires_in)), "{body}");
        }
        for body in [
            "{}",
            r#"{"access_token":""}"#,
            r#"{"access_token":"="}"#,
            r#"{"access_token":7}"#,
            r#"{"access_token":"a b"}"#,
            r#"{"access_token":"a\r\nx: y"}"#,
            r#"{"access_token":"é"}"#,
        ] {
            assert_eq!(granted(body), Err(Cause::Answer(Unusable::AccessToken)), "{body}");
        }
        let long = format!(r#"{{"access_token":"{}"}}"#, "a".repeat(MAX_TOKEN_BYTES + 1));
        assert_eq!(granted(&long), Err(Cause::Answer(Unusable::AccessToken)));
        let dpop = r#"{"access_token":"a","token_type":"DPoP"}"#;
        assert_eq!(granted(dpop), Err(Cause::Answer(Unusable::TokenType)));
    }

    #[test]
    fn a_refused_exchange_repeats_only_known_words() {
        let refused = |status, body: &str| exchange(&answer(status, body)).unwrap_err();
        assert_eq!(refused(400, r#"{"error":"invalid_grant"}"#), Cause::Status(400, Some("invalid_grant")));
        assert_eq!(refused(401, r#"{"error":"invalid_client"}"#), Cause::Client(401, Some("invalid_client")));
        for body in [r#"{"error":"eyJhbGciOi"}"#, r#"{"error":["invalid_grant"]}"#, "<html>", ""] {
            assert_eq!(refused(400, body), Cause::Status(400, None), "{body}");
        }
    }

    fn now() -> UnixSeconds {
        UnixSeconds::new(784_111_777.0).unwrap()
    }

    #[test]
    fn graph_tells_its_status_and_when_to_come_back() {
        let body = r#"{"value":["a"]}"#;
        let good = GraphAnswer { status: 200, retry_after: None, body: body.to_owned() };
        assert_eq!(graph(typed("application/json;odata.metadata=minimal", body), now()), Ok(good));
        for (written, seconds) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:27 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("99999999999999999999", None),
        ] {
            let response = Response { retry_after: Some(written.to_owned()), ..answer(429, "<html>") };
            let given = graph(response, now()).unwrap();
            assert_eq!((given.status, &*given.body), (429, "null"));
            assert_eq!(given.retry_after, seconds.map(Duration::from_secs), "{written}");
        }
        let error = r#"{"error":{"code":"x"}}"#;
        assert_eq!(graph(answer(503, error), now()).unwrap().body, error);
        assert_eq!(graph(answer(204, ""), now()).unwrap().body, "null");
        for body in ["", "[]", "x", r#"{"a":1,"a":1}"#, r#"{"value":["a""#] {
            assert!(matches!(graph(answer(200, body), now()), Err(Cause::Answer(Unusable::Json(_)))), "{body}");
        }
        assert_eq!(graph(typed("text/html", body), now()), Err(Cause::Answer(Unusable::MediaType)));
    }
}
