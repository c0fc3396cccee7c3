//! Names that someone may have meant who wrote another.

/// How many similar names an error offers.
pub(super) const NEAR_NAMES: usize = 3;

/// How far a name is from the one that is wanted; `None` if there is no likeness.
pub(super) fn distance(wanted: &str, name: &str) -> Option<usize> {
    let (wanted, found) = (wanted.to_lowercase(), name.to_lowercase());
    // One edit in three letters is a likeness; more is another word.
    let tolerance = wanted.chars().count().div_ceil(3);
    let edits = edit_distance(&wanted, &found);
    let contains = |outer: &str, inner: &str| inner.len() >= 3 && outer.contains(inner);
    if edits <= tolerance {
        Some(edits)
    } else if contains(&found, &wanted) || contains(&wanted, &found) {
        Some(tolerance + 1)
    } else {
        None
    }
}

/// The names most like `text`, most similar first.
pub(crate) fn nearest<'n>(text: &str, names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let mut ranked: Vec<_> = names.filter_map(|name| Some((distance(text, name)?, name))).collect();
    ranked.sort_unstable();
    ranked.dedup();
    ranked.truncate(NEAR_NAMES);
    ranked.into_iter().map(|(_, name)| name.to_owned()).collect()
}

/// The Levenshtein distance, row by row.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<_> = right.chars().collect();
    let mut row: Vec<_> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
