//! What can be seen of a run from outside, and in what two runs differ.

/// All that is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Observation {
    /// Each export that was called, with what came of it.
    pub(super) outcomes: Vec<String>,
    /// Each import that was called, with arguments and results.
    pub(super) events: Vec<String>,
    /// The exported globals.
    pub(super) globals: Vec<String>,
    /// The memories that the host sees, by name.
    pub(super) memories: Vec<(String, Vec<u8>)>,
    /// What else the host has to show, by name.
    pub(super) seen: Vec<(String, Vec<u8>)>,
}

impl Observation {
    /// The first thing in which `other` is not as this one, the original's, is. What happened first comes first.
    pub(super) fn difference(&self, other: &Observation) -> Option<String> {
        let lists = [
            ("call of an import", &self.events, &other.events),
            ("call of an export", &self.outcomes, &other.outcomes),
            ("exported global", &self.globals, &other.globals),
        ];
        let list =
            lists.iter().find_map(|(what, ours, theirs)| list_difference(what, ours, theirs));
        let memory = || {
            let memories = self.memories.iter().zip(&other.memories);
            memories.into_iter().find_map(|((name, ours), (_, theirs))| {
                bytes_difference(&format!("the memory `{name}`"), ours, theirs)
            })
        };
        list.or_else(|| self.seen_difference(other)).or_else(memory)
    }

    fn seen_difference(&self, other: &Observation) -> Option<String> {
        let names = |all: &Observation| -> Vec<String> {
            all.seen.iter().map(|(name, _)| name.clone()).collect()
        };
        let named = list_difference("thing that the host shows", &names(self), &names(other));
        let mut pairs = self.seen.iter().zip(&other.seen);
        named.or_else(|| {
            pairs.find_map(|((name, ours), (_, theirs))| bytes_difference(name, ours, theirs))
        })
    }
}

fn list_difference(what: &str, ours: &[String], theirs: &[String]) -> Option<String> {
    let count = ours.len().max(theirs.len());
    let at = (0..count).find(|at| ours.get(*at) != theirs.get(*at))?;
    let show =
        |texts: &[String]| texts.get(at).map_or("nothing".into(), |text| format!("`{text}`"));
    let (ours, theirs) = (show(ours), show(theirs));
    Some(format!("{what} {}: the original has {ours}, this run {theirs}", at + 1))
}

fn bytes_difference(what: &str, ours: &[u8], theirs: &[u8]) -> Option<String> {
    let at = ours.iter().zip(theirs).position(|(a, b)| a != b);
    match at {
        Some(at) => Some(format!(
            "{what} differs at byte {at:#x}: {:#04x} in the original, {:#04x} in this run",
            ours[at], theirs[at]
        )),
        None if ours.len() != theirs.len() => Some(format!(
            "{what} has {} bytes in the original, {} in this run",
            ours.len(),
            theirs.len()
        )),
        None => None,
    }
}
