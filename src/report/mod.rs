//! **report**: what the stages found and did, for people (text) and programs (JSON).
//!
//! Input: a module and what stages made of it. Output: plain data that can be
//! serialised, and its text by `Display`. Each of these answers one command:
//!
//! | | what it says |
//! |---|---|
//! | [`closure`] | which functions are in the closure, and what that relies on |
//! | [`explain`] | why a function is in it, or isn't |
//! | [`map`] | how large each function is, and which call leads from it towards an entry |
//! | [`advice`] | what it would be smaller without |
//! | [`summary`] | what was done, in one line |
//! | [`stats`] | what instrumenting costs, function by function |
//! | [`imports`] | what a module imports: where to look for its entry |
//! | [`verified`] | what was found out of an output that was held against its original |
//! | [`shims`] | which indirect calls can meet a function of another type |
//!
//! Invariants: nothing is decided here, and nothing here is read by a stage; the order of everything is that of
//! the module, or said. Names are shown by [`crate::text`], for they may hold anything.

pub mod advice;
pub mod closure;
pub mod explain;
pub(crate) mod frames;
pub mod imports;
pub mod map;
pub mod shims;
pub mod stats;
pub mod summary;
pub(crate) mod undone;
pub mod verified;

pub use closure::{AssumptionCost, ClosureFunction, Counts, Guards, Report};
pub use summary::Summary;
