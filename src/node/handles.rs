//! Which JavaScript objects are ours. An object is recognised by the address napi wrapped into it and by nothing else: not by
//! its prototype, which JavaScript can set, and not by what is at the address, which may belong to another addon.

#![allow(unsafe_code, reason = "the address an object wraps is asked from Node-API, and never followed")]

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ptr;
use std::thread::LocalKey;

use napi::{Env, sys};

/// The values that the objects of one class stand for, by the address of the Rust value each object wraps. An entry is made
/// and dropped together with its object, so that each address is that of a living object of this class. Each JavaScript thread
/// has its own.
pub struct Handles<T> {
    by_address: RefCell<HashMap<usize, T>>,
}

impl<T> Default for Handles<T> {
    fn default() -> Self {
        Self { by_address: RefCell::default() }
    }
}

/// The value that a JavaScript object stands for, if its [`Entry`] was filled on this thread.
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

/// An object's entry: a field of what napi wraps, and dropped with it.
pub struct Entry<T: 'static> {
    handles: &'static LocalKey<Handles<T>>,
    /// Kept, because napi moves a value before it drops it.
    address: Cell<usize>,
}

impl<T> Entry<T> {
    /// For an object that stands for nothing yet.
    pub const fn new(handles: &'static LocalKey<Handles<T>>) -> Self {
        Self { handles, address: Cell::new(0) }
    }

    /// Sets what the object stands for that `wrapped`, which holds this entry, was wrapped into.
    pub fn fill<C>(&self, wrapped: &C, value: T) {
        let address = ptr::from_ref(wrapped).addr();
        self.address.set(address);
        let replaced =
            self.handles.with(|handles| Some(handles.by_address.try_borrow_mut().ok()?.insert(address, value)));
        drop(replaced);
    }
}

impl<T> Drop for Entry<T> {
    fn drop(&mut self) {
        // Nothing may panic here. The value is dropped outside of the borrow.
        let gone =
            self.handles.try_with(|handles| handles.by_address.try_borrow_mut().ok()?.remove(&self.address.get()));
        drop(gone);
    }
}
