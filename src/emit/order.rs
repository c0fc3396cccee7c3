//! Where a section that is added belongs: among the known ones as the binary format has it, among
//! the custom ones as the tool conventions have it. Readers of LLVM refuse a module for less.

use crate::read::Section;

/// Where a section belongs in the order that the binary format asks for.
pub(super) fn rank(id: u8) -> usize {
    // Type, import, function, table, memory, tag, global, export, start, element, data count,
    // code, data.
    const ORDER: [u8; 13] = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];
    ORDER.iter().position(|other| *other == id).unwrap_or(ORDER.len())
}

/// Where a custom section belongs in the order of the tool conventions ("Dynamic linking", "Linking",
/// "Producers section"): `dylink.0` before all sections, the others in this order behind them.
/// Sections that they don't name may stand anywhere.
fn custom_rank(name: &str) -> Option<usize> {
    const ORDER: [&str; 6] =
        ["dylink.0", "linking", "reloc.", "name", "producers", "target_features"];
    if name.starts_with(ORDER[2]) {
        return Some(2);
    }
    ORDER.iter().position(|other| *other == name)
}

/// Before which of `sections` a custom section with this name goes, by position: behind all that
/// must precede it, and then before the first that must follow it.
pub(super) fn custom_place(sections: &[Section<'_>], name: &str) -> usize {
    let precedes = |section: &Section<'_>| {
        section.id != 0 || custom_rank(section.name) <= custom_rank(name) && has_rank(section)
    };
    let follows = |section: &Section<'_>| has_rank(section) && !precedes(section);
    let first = sections.iter().rposition(precedes).map_or(0, |last| last + 1);
    let next = sections[first..].iter().position(follows);
    next.map_or(sections.len(), |distance| first + distance)
}

fn has_rank(section: &Section<'_>) -> bool {
    section.id == 0 && custom_rank(section.name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections(names: &[&'static str]) -> Vec<Section<'static>> {
        let section = |name: &&'static str| Section {
            id: if *name == "code" { 10 } else { 0 },
            name,
            range: 0..0,
            contents: 0..0,
        };
        names.iter().map(section).collect()
    }

    #[test]
    fn a_custom_section_goes_where_the_conventions_want_it() {
        let cases: [(&[&str], &str, usize); 9] = [
            (&["code"], "producers", 1),
            (&["code", "name"], "producers", 2),
            (&["code", "target_features"], "producers", 1),
            (&["code", "target_features"], "name", 1),
            (&["code", "producers", "target_features"], "name", 1),
            (&["dylink.0", "code", ".debug_info", "target_features", "other"], "producers", 3),
            (&["target_features", "code"], "producers", 2),
            (&["code", "target_features", "name"], "producers", 3),
            (&["dylink.0"], "name", 1),
        ];
        for (names, added, place) in cases {
            assert_eq!(custom_place(&sections(names), added), place, "{added} in {names:?}");
        }
    }
}
