//! Families of modules with one large body.

use super::draft::{Draft, FORK, PLAIN, SINK, UNARY, site};
use std::borrow::Cow;
use wasm_encoder::{BlockType, Catch, ElementSegment, Elements, InstructionSink, TagKind, TagType};

/// A module with one function, which has so many locals besides its parameter.
fn body(locals: usize, body: impl FnOnce(&mut InstructionSink<'_>)) -> Vec<u8> {
    let mut draft = Draft::new();
    draft.func_with_locals(SINK, locals, body);
    draft.finish()
}

/// Sites one after the other.
pub(super) fn sites(size: usize) -> Vec<u8> {
    body(0, |sink| {
        for _ in 0..size {
            sink.local_get(0).call(FORK).local_set(0);
        }
    })
}

/// Sites in blocks side by side.
pub(super) fn sites_in_blocks(size: usize) -> Vec<u8> {
    body(0, |sink| {
        for _ in 0..size {
            sink.block(BlockType::Empty).local_get(0).br_if(0).local_get(0).call(FORK);
            sink.local_set(0).end();
        }
    })
}

/// Sites in loops side by side.
pub(super) fn sites_in_loops(size: usize) -> Vec<u8> {
    body(0, |sink| {
        for _ in 0..size {
            sink.loop_(BlockType::Empty).local_get(0).call(FORK).local_tee(0).br_if(0).end();
        }
    })
}

/// Operands below a site.
pub(super) fn operands(size: usize) -> Vec<u8> {
    body(0, |sink| {
        for _ in 0..size {
            sink.local_get(0).memory_grow(0);
        }
        site(sink);
        for _ in 1..size {
            sink.i32_add();
        }
        sink.local_set(0);
    })
}

/// Results of sites below further sites.
pub(super) fn results(size: usize) -> Vec<u8> {
    body(0, |sink| {
        for _ in 0..size {
            sink.local_get(0).call(FORK);
        }
        for _ in 1..size {
            sink.i32_add();
        }
        sink.local_set(0);
    })
}

/// Results of sites below further sites, that are only dropped.
pub(super) fn dropped(size: usize) -> Vec<u8> {
    body(0, |sink| {
        for _ in 0..size {
            sink.local_get(0).call(FORK);
            site(sink);
        }
        for _ in 0..size {
            sink.drop();
        }
    })
}

/// References below sites, that are made again.
pub(super) fn references(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    let func = draft.next_func();
    let funcs = Cow::Owned(vec![func]);
    draft.elements.segment(ElementSegment {
        mode: wasm_encoder::ElementMode::Declared,
        elements: Elements::Functions(funcs),
    });
    draft.func(SINK, |sink| {
        for _ in 0..size {
            sink.ref_func(func);
            site(sink);
        }
        for _ in 0..size {
            sink.ref_is_null().drop();
        }
    });
    draft.finish()
}

/// Locals that all live across a site.
pub(super) fn locals(size: usize) -> Vec<u8> {
    body(size, |sink| {
        for local in 1..=size as u32 {
            sink.local_get(0).local_set(local);
        }
        site(sink);
        for local in 1..=size as u32 {
            sink.local_get(local).local_get(0).i32_add().local_set(0);
        }
    })
}

/// Sites and locals, half of which live across each site: for no two sites the same. There are as many locals as can be,
/// whatever the size: what is done for each local at each site is bounded by that alone.
pub(super) fn window_of_locals(size: usize) -> Vec<u8> {
    let locals = super::LOCALS as u32;
    body(locals as usize, |sink| {
        (1..=locals).for_each(|local| _ = sink.local_get(0).local_set(local));
        for at in 0..size as u32 {
            site(sink);
            let (read, set) = (1 + at % locals, 1 + (at + locals / 2) % locals);
            sink.local_get(read).local_set(set);
        }
        (1..=locals).for_each(|local| _ = sink.local_get(local).local_set(0));
    })
}

/// Blocks in each other, with a site behind each.
pub(super) fn blocks(size: usize) -> Vec<u8> {
    body(0, |sink| {
        for _ in 0..size {
            sink.block(BlockType::Empty).local_get(0).br_if(0);
        }
        for _ in 0..size {
            site(sink);
            sink.end();
        }
    })
}

/// Ifs in each other, with a site in each arm.
pub(super) fn ifs(size: usize) -> Vec<u8> {
    body(0, |sink| {
        for _ in 0..size {
            sink.local_get(0).if_(BlockType::Empty);
        }
        for _ in 0..size {
            site(sink);
            sink.else_();
            site(sink);
            sink.end();
        }
    })
}

/// Loops in each other, each with a way out, and a way back after what is inside: what is read at the start of the outermost one is
/// live in all of them, by as many branches back as there are.
pub(super) fn loops(size: usize) -> Vec<u8> {
    body(1, |sink| {
        sink.loop_(BlockType::Empty).local_get(1).local_set(0);
        for _ in 0..size {
            sink.loop_(BlockType::Empty).block(BlockType::Empty).local_get(0).br_if(0);
        }
        site(sink);
        for _ in 0..size {
            sink.end().local_get(0).br_if(1).local_get(0).br_if(0).end();
        }
        sink.local_get(0).br_if(0).end();
    })
}

/// `try_table`s in each other, with a site in each.
pub(super) fn try_tables(size: usize) -> Vec<u8> {
    body(1, |sink| {
        for _ in 0..size {
            let catch_all = [Catch::All { label: 0 }];
            sink.block(BlockType::Empty).try_table(BlockType::Empty, catch_all);
            site(sink);
        }
        for _ in 0..size {
            sink.end().local_get(1).local_set(0).end();
        }
    })
}

/// Legacy `try`s in each other, with a site in each body and each handler.
pub(super) fn legacy_tries(size: usize) -> Vec<u8> {
    body(1, |sink| {
        for _ in 0..size {
            sink.try_(BlockType::Empty);
            site(sink);
        }
        for _ in 0..size {
            sink.catch_all().local_get(1).local_set(0);
            site(sink);
            sink.end();
        }
    })
}

/// Tags without values, and one function.
fn with_tags(count: usize, body: impl FnOnce(&mut InstructionSink<'_>)) -> Vec<u8> {
    let mut draft = Draft::new();
    for _ in 0..count {
        draft.tags.tag(TagType { kind: TagKind::Exception, func_type_idx: PLAIN });
    }
    draft.func_with_locals(SINK, 1, body);
    draft.finish()
}

/// A `try_table` with many catches, and as many sites inside.
pub(super) fn catches(size: usize) -> Vec<u8> {
    with_tags(size, |sink| {
        let catches = (0..size as u32).map(|tag| Catch::One { tag, label: 0 });
        sink.block(BlockType::Empty).try_table(BlockType::Empty, catches.collect::<Vec<_>>());
        (0..size).for_each(|_| site(sink));
        sink.end().end().local_get(1).local_set(0);
    })
}

/// A legacy `try` with many handlers with a site each, and as many sites in its body.
pub(super) fn legacy_handlers(size: usize) -> Vec<u8> {
    with_tags(size, |sink| {
        sink.try_(BlockType::Empty);
        (0..size).for_each(|_| site(sink));
        for tag in 0..size as u32 {
            sink.catch(tag);
            site(sink);
        }
        sink.end().local_get(1).local_set(0);
    })
}

/// Legacy handlers of all exceptions, one after the other, that throw on what they caught behind a site.
pub(super) fn pads(size: usize) -> Vec<u8> {
    with_tags(10, |sink| {
        for _ in 0..size {
            sink.try_(BlockType::Empty);
            site(sink);
            sink.catch_all();
            site(sink);
            sink.rethrow(0).end();
        }
    })
}

/// A branch table with many arms that lead to one label.
pub(super) fn arms(size: usize) -> Vec<u8> {
    body(0, |sink| {
        sink.block(BlockType::Empty);
        let arms = (0..size).map(|arm| arm as u32 % 2).collect::<Vec<_>>();
        sink.block(BlockType::Empty).local_get(0).br_table(arms, 0).end();
        site(sink);
        sink.end();
    })
}

/// A branch table with an arm for each of many blocks, with a site behind each.
pub(super) fn cases(size: usize) -> Vec<u8> {
    let mut draft = Draft::new();
    draft.func(UNARY, |sink| {
        (0..size).for_each(|_| _ = sink.block(BlockType::Empty));
        sink.local_get(0).br_table((0..size as u32).collect::<Vec<_>>(), 0);
        for case in 0..size as i32 {
            sink.end();
            site(sink);
            sink.i32_const(case).local_set(0);
        }
        sink.local_get(0);
    });
    draft.finish()
}
