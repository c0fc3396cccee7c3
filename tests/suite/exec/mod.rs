//! The execution harness: runs a module and its instrumented form side by side.
//!
//! - `program`: a module, what to call in it, and where its buffer lies.
//! - `session`: one instance with its imports, made by a host that records what it sees.
//! - `entry`: the host's side of the ABI, inside the entry import.
//! - `interlude`: exports that are called while a stack is away.
//! - `drive`: calls the exports; between an unwind and its rewind, changes the instance.
//! - `unprepared`: the same for programs with functions that are not prepared.
//! - `differential`: every way to unwind a program; each must end as the original does.

mod carried;
pub mod differential;
mod drive;
mod entry;
mod interlude;
mod memory;
mod misuse;
mod no_room;
pub mod program;
pub mod self_test;
mod session;
mod shared;
pub mod unprepared;
pub mod value;
mod world;
