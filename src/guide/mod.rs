//! How to use the tool, what a host does, and how it is built, in chapters.
#![doc = ""]
#![doc = include_str!("links.txt")]
#![doc = ""]
#![doc = include_str!("README.md")]
// The chapters link to each other by labels. At its end each file defines its labels as file names, for
// whoever reads the files; the definitions in links.txt, as modules, come first and so count in rustdoc.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

/// A chapter: a module without items, whose documentation is the file of its name.
macro_rules! chapters {
    ($($chapter:ident)*) => {$(
        #[doc = include_str!("links.txt")]
        #[doc = ""]
        #[doc = include_str!(concat!(stringify!($chapter), ".md"))]
        pub mod $chapter {}
    )*};
}

chapters! {
    commands
    toolchains
    run
    host
    closure
    assumptions
    shims
    limits
    verify
    library
    testing
    figures
    architecture
    contributing
}
