//! A JOSE header (RFC 7515 4) read slowly: what the core's reading is compared with.

use remote_agent_auth::error::Code;
use remote_agent_auth::json::Value;

use super::reading;

const ALGORITHMS: [&str; 10] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];

/// What the rules look at in a header.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    pub algorithm: String,
    pub key_id: Option<String>,
    pub typ: Option<String>,
    pub has_nonce: bool,
}

/// What must be read from a header's bytes.
pub fn read(bytes: &[u8]) -> Result<Header, Code> {
    let text = std::str::from_utf8(bytes).map_err(|_| Code::TokenMalformed)?;
    let members = reading::agreed(text).map_err(|_| Code::TokenMalformed)?;
    let member = |name: &str| members.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    let string = |name: &str| member(name).and_then(Value::as_str).map(str::to_owned);
    let algorithm = string("alg").filter(|name| ALGORITHMS.contains(&name.as_str())).ok_or(Code::TokenAlgorithm)?;
    if member("crit").is_some() {
        return Err(Code::TokenCritical);
    }
    let key_id = string("kid");
    if key_id.as_ref().is_some_and(|id| !(1..=256).contains(&id.len())) {
        return Err(Code::TokenKid);
    }
    Ok(Header { algorithm, key_id, typ: string("typ"), has_nonce: member("nonce").is_some() })
}
