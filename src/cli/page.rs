//! `analyze --html`: the closure as a page of its own, which loads nothing.

use serde::Serialize;
use wasm_fork::ClosureMap;

/// The page, around its data.
const PAGE: &str = include_str!("page.html");
const PLACE: &str = "\"DATA\"";

#[derive(Serialize)]
struct Data<'d, A> {
    title: &'d str,
    map: &'d ClosureMap,
    advice: &'d A,
    assumptions: &'d [String],
}

/// The page for a module called `title`.
pub(super) fn page(
    title: &str,
    map: &ClosureMap,
    advice: &impl Serialize,
    assumptions: &[String],
) -> String {
    let data = Data { title, map, advice, assumptions };
    let data = serde_json::to_string(&data).expect("text and numbers are JSON");
    // Within a script nothing may look like its end.
    PAGE.replacen(PLACE, &data.replace('<', "\\u003c"), 1)
}
