//! The protocol between host and module, checked in every order of steps of a small model: `protocol` has it, with what must hold.
//!
//! What `reachability.als` beside it is for the analysis, this is for the protocol of the guide's chapter on hosts. It does not prove
//! that the code follows the model; `tests/suite/exec` runs the code. `SCOPES=large` checks deeper stacks.

mod protocol;

use protocol::{Bug, LIVENESS, Protocol, REACHED, SAFETY};
use stateright::{Checker, HasDiscoveries, Model};

/// How many frames a stack begins with, at most.
fn depth() -> usize {
    if std::env::var("SCOPES").is_ok_and(|scopes| scopes == "large") { 3 } else { 2 }
}

#[test]
fn the_protocol_is_safe_and_live_and_everything_happens() {
    let checker = Protocol { bug: None, depth: depth() }.checker().spawn_bfs().join();
    let mut found: Vec<_> = checker.discoveries().into_keys().collect();
    found.sort_unstable();
    let mut reached = REACHED.to_vec();
    reached.sort_unstable();
    assert_eq!(found, reached, "counterexamples, or things that never happen");
    let states = checker.unique_state_count();
    assert!(states > 10_000, "{states} states");
    println!("{states} states");
}

/// Each mistake is found, by the property that is about it.
#[test]
fn every_planted_bug_is_found() {
    let cases = [
        (Bug::FrameWithoutRoomIsDropped, SAFETY.stack),
        (Bug::FrameIsWrittenPastTheEnd, SAFETY.room),
        (Bug::GuardIsMissing, SAFETY.stack),
        (Bug::ChildResumes, SAFETY.globals),
        (Bug::ParentRewinds, SAFETY.globals),
        (Bug::SideModuleIsNotTold, SAFETY.globals),
        (Bug::SideModuleHasItsOwnState, SAFETY.stack),
        (Bug::FramesStayAfterARewind, SAFETY.stack),
        (Bug::ChildRewindsInTheParentsBuffer, SAFETY.stack),
        (Bug::UndoneEntrySucceeds, SAFETY.answer),
        (Bug::UndoIsNotEnded, SAFETY.trap),
        (Bug::HostForgetsTheParent, LIVENESS[0]),
        (Bug::HostForgetsTheParent, LIVENESS[1]),
    ];
    for (bug, property) in cases {
        let model = Protocol { bug: Some(bug), depth: depth() };
        let wanted = HasDiscoveries::AnyOf([property].into());
        let checker = model.checker().finish_when(wanted).spawn_bfs().join();
        let found: Vec<_> = checker.discoveries().into_keys().collect();
        assert!(found.contains(&property), "{bug:?} is found by {found:?}, not by `{property}`");
    }
}
