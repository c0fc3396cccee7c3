//! Short runs, as they are before each change lands: `TESTS=short`.

/// Whether this is one.
pub fn is_short() -> bool {
    std::env::var("TESTS").is_ok_and(|tests| tests == "short")
}
