//! Which JavaScript objects are ours. An object is believed by the address napi wrapped into it and by nothing else: not by its
//! prototype, which JavaScript can set, and not by what stands at the address, which may belong to another addon.

#![allow(unsafe_code, reason = "the address an object wraps is asked from Node-API, and never followed")]

use std::cell::RefCell;
use std::collections::HashMap;
use std::ptr;
use std::thread::LocalKey;

use napi::{Env, sys};

/// What stands behind the objects of one class, by the address of the Rust value each of them wraps. An entry is made when
/// the object is, and goes with it, so that an address in here is that of a living object of this class. Each JavaScript
/// thread has its own.
pub struct Handles<T> {
    by_address: RefCell<HashMap<usize, T>>,
}

impl<T> Default for Handles<T> {
    fn default() -> Self {
        Self { by_address: RefCell::default() }
    }
}

/// The value behind a JavaScript value, if that is an object made by [`keep`] on this thread.
pub fn find<T: Clone>(handles: &'static LocalKey<Handles<T>>, env: &Env, value: sys::napi_value) -> Option<T> {
    let mut address = ptr::null_mut();
    // SAFETY: `env` and `value` are those of the call under way. Node-API says for a value of any type whether it is an
    // object something was wrapped into; the address is only compared.
    let status = unsafe { sys::napi_unwrap(env.raw(), value, &raw mut address) };
    if status != sys::Status::napi_ok {
        return None;
    }
    handles.with(|handles| handles.by_address.try_borrow().ok()?.get(&address.addr()).cloned())
}

/// Remembers what stands behind an object; `wrapped` is the Rust value napi has wrapped into it.
pub fn keep<T, C>(handles: &'static LocalKey<Handles<T>>, wrapped: &C, value: T) {
    handles.with(|handles| {
        if let Ok(mut entries) = handles.by_address.try_borrow_mut() {
            entries.insert(ptr::from_ref(wrapped).addr(), value);
        }
    });
}

/// For `Drop` of a wrapped value, which must not panic.
pub fn forget<T, C>(handles: &'static LocalKey<Handles<T>>, wrapped: &C) {
    let gone = handles.try_with(|handles| {
        let mut entries = handles.by_address.try_borrow_mut().ok()?;
        entries.remove(&ptr::from_ref(wrapped).addr())
    });
    // Dropped outside of the borrow.
    drop(gone);
}
