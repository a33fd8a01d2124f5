//! Members of a JavaScript object, each read as the type its option has.

use napi::bindgen_prelude::{
    Array, Either, Either3, FromNapiValue, JsObjectValue, Null, Object, TypeName, Unknown, ValidateNapiValue,
};

use crate::policy::PolicyError;

/// The member's value is not of the type the option has.
pub struct WrongType;

/// Refuses an object that has a member nobody reads.
pub fn refuse_unknown(object: &Object, known: &[&'static str]) -> Result<(), PolicyError> {
    let keys = Object::keys(object).map_err(|_| PolicyError::Issuer)?;
    match keys.into_iter().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(PolicyError::unknown(key, known)),
        None => Ok(()),
    }
}

/// An own member of type `T`; undefined and null count as absent. What an object inherits is not what the operator wrote.
pub fn member<T>(object: &Object, key: &str) -> Result<Option<T>, WrongType>
where
    T: FromNapiValue + ValidateNapiValue + TypeName,
{
    if !object.has_own_property(key).map_err(|_| WrongType)? {
        return Ok(None);
    }
    match object.get::<Either3<T, Null, Unknown>>(key) {
        Ok(None | Some(Either3::B(Null))) => Ok(None),
        Ok(Some(Either3::A(value))) => Ok(Some(value)),
        Ok(Some(Either3::C(_))) | Err(_) => Err(WrongType),
    }
}

/// A member that is a list of strings.
pub fn list(object: &Object, key: &str) -> Result<Option<Vec<String>>, WrongType> {
    let Some(array) = member::<Array>(object, key)? else { return Ok(None) };
    let item = |index| match array.get::<Either<String, Unknown>>(index) {
        Ok(Some(Either::A(text))) => Ok(text),
        _ => Err(WrongType),
    };
    (0..array.len()).map(item).collect::<Result<_, _>>().map(Some)
}

/// [`member`], with an error that names the option and what it expects.
pub fn option<T>(object: &Object, key: &str, expected: &'static str) -> Result<Option<T>, PolicyError>
where
    T: FromNapiValue + ValidateNapiValue + TypeName,
{
    member(object, key).map_err(|_| PolicyError::option(key, expected))
}
