//! Liveness of random bodies, compared with what following every path from each site finds; and that it takes no longer
//! than it should.

use super::*;
use std::collections::BTreeSet;

/// Locals beyond one column are read too.
const LOCALS: u32 = 70;

/// What a body consists of here.
#[derive(Clone, Copy, Debug)]
enum Item {
    Get(LocalIdx),
    Set(LocalIdx),
    Event(Event),
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as u32) % limit
    }
}

/// Makes bodies.
struct Generator {
    random: Random,
    skeleton: Skeleton,
    items: Vec<Item>,
    depth: u32,
    /// How many open constructs could catch.
    tries: u32,
    /// How many events there may be still.
    left: u32,
}

impl Generator {
    fn body(seed: u64) -> (Skeleton, Vec<Item>) {
        let (random, skeleton) = (Random(seed), Skeleton::default());
        let (items, depth, tries, left) = (Vec::new(), 0, 0, 40);
        let mut generator = Generator { random, skeleton, items, depth, tries, left };
        generator.skeleton.locals = vec![wasmparser::ValType::I32; LOCALS as usize];
        generator.sequence();
        generator.push(Event::End);
        (generator.skeleton, generator.items)
    }

    fn push(&mut self, event: Event) {
        self.skeleton.events.push(event);
        self.items.push(Item::Event(event));
    }

    fn local(&mut self) -> LocalIdx {
        // Few of them, in both columns.
        LocalIdx([0, 1, 2, 63, 64, 69][self.random.below(6) as usize])
    }

    fn label(&mut self) -> u32 {
        self.random.below(self.depth + 1)
    }

    /// Events up to the end of a construct, or to one from which control does not come back.
    fn sequence(&mut self) {
        for _ in 0..self.random.below(7) {
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            match self.random.below(16) {
                0..4 => {
                    let local = self.local();
                    self.skeleton.access(local, false, 0);
                    self.items.push(Item::Get(local));
                }
                4..6 => {
                    let local = self.local();
                    self.skeleton.access(local, true, 0);
                    self.items.push(Item::Set(local));
                }
                6..9 => self.site(),
                9 => {
                    let label = self.label();
                    self.push(Event::BrIf(label));
                }
                10 => {
                    let label = self.label();
                    self.push(Event::BrIf(label));
                    return self.push(Event::Stop);
                }
                11 => self.construct(Event::Block),
                12 => {
                    let ordinal = self.skeleton.loops;
                    self.skeleton.loops += 1;
                    self.construct(Event::Loop(ordinal));
                }
                13 => self.branches(),
                14 => self.try_table(),
                _ => self.legacy_try(),
            }
        }
    }

    fn site(&mut self) {
        let skeleton = &mut self.skeleton;
        let start = skeleton.needed_locals.len();
        if self.random.below(2) == 0 {
            skeleton.needed_locals.push(LocalIdx(self.random.below(LOCALS)));
        }
        skeleton.needed.push((0, start..skeleton.needed_locals.len()));
        let ordinal = skeleton.needed.len() as u32 - 1;
        self.push(Event::Site(ordinal));
        if self.tries > 0 {
            self.push(Event::MayThrow);
        }
    }

    fn construct(&mut self, open: Event) {
        self.push(open);
        self.inside();
        self.push(Event::End);
    }

    fn inside(&mut self) {
        self.depth += 1;
        self.sequence();
        self.depth -= 1;
    }

    fn branches(&mut self) {
        self.push(Event::If);
        self.inside();
        if self.random.below(2) == 0 {
            self.push(Event::Else);
            self.inside();
        }
        self.push(Event::End);
    }

    fn try_table(&mut self) {
        for _ in 0..self.random.below(3) {
            let label = self.label();
            self.push(Event::Handler(label));
        }
        self.tries += 1;
        self.push(Event::Block);
        self.inside();
        self.tries -= 1;
        self.push(Event::End);
    }

    fn legacy_try(&mut self) {
        self.tries += 1;
        self.push(Event::Try);
        self.inside();
        self.tries -= 1;
        for _ in 0..self.random.below(3) {
            self.push(Event::Catch);
            self.inside();
        }
        self.push(Event::End);
    }
}

/// The constructs around each event, outermost first, by the events that open them.
struct Structure<'a> {
    items: &'a [Item],
    around: Vec<Vec<usize>>,
    end_of: Vec<usize>,
}

impl<'a> Structure<'a> {
    fn of(items: &'a [Item]) -> Structure<'a> {
        let (mut around, mut end_of) = (Vec::new(), vec![usize::MAX; items.len()]);
        let mut open = Vec::new();
        for (position, event) in items.iter().enumerate() {
            if matches!(event, Item::Event(Event::End))
                && let Some(opener) = open.pop()
            {
                end_of[opener] = position;
            }
            around.push(open.clone());
            if matches!(event, Item::Event(Event::Block | Event::Loop(_) | Event::If | Event::Try))
            {
                open.push(position);
            }
        }
        Structure { items, around, end_of }
    }

    /// Where a branch from `position` leads, if not out of the body.
    fn label(&self, position: usize, depth: u32) -> Option<usize> {
        let around = &self.around[position];
        let opener = around[around.len().checked_sub(1 + depth as usize)?];
        Some(match self.items[opener] {
            Item::Event(Event::Loop(_)) => opener,
            _ => self.end_of[opener],
        })
    }

    /// The `else` or the `catch`es of the construct that is opened at `opener`.
    fn parts(&self, opener: usize) -> Vec<usize> {
        let depth = self.around[opener].len() + 1;
        let inside = opener + 1..self.end_of[opener];
        let is_part = |at: &usize| {
            matches!(self.items[*at], Item::Event(Event::Else | Event::Catch))
                && self.around[*at].len() == depth
        };
        inside.filter(is_part).collect()
    }

    /// Where what is thrown at `position` may be caught.
    fn handlers(&self, position: usize) -> Vec<usize> {
        let mut handlers = Vec::new();
        for opener in self.around[position].iter().copied() {
            match self.items[opener] {
                Item::Event(Event::Try) => {
                    let catches = self.parts(opener);
                    if catches.first().is_some_and(|first| position < *first) {
                        handlers.extend(catches.into_iter().map(|catch| catch + 1));
                    }
                }
                Item::Event(Event::Block) => {
                    let named = self.items[..opener].iter().rev();
                    for event in named {
                        let Item::Event(Event::Handler(depth)) = event else { break };
                        handlers.extend(self.label(opener, *depth));
                    }
                }
                _ => {}
            }
        }
        handlers
    }

    /// The events that may come after that at `position`.
    fn next(&self, position: usize) -> Vec<usize> {
        let mut next = vec![position + 1];
        let Item::Event(event) = self.items[position] else { return next };
        match event {
            Event::Stop => next.clear(),
            Event::BrIf(depth) => next.extend(self.label(position, depth)),
            Event::MayThrow => next.extend(self.handlers(position)),
            Event::If => {
                let otherwise = self.parts(position).first().map(|otherwise| otherwise + 1);
                next.push(otherwise.unwrap_or(self.end_of[position]));
            }
            // Control runs into it from the part before.
            Event::Else | Event::Catch => {
                let opener = *self.around[position].last().unwrap();
                next = vec![self.end_of[opener]];
            }
            _ => {}
        }
        next.retain(|next| *next < self.items.len());
        next
    }
}

/// The locals that are read before they are set, on some path from behind the event at `position`.
fn live_behind(skeleton: &Skeleton, items: &[Item], position: usize) -> BTreeSet<u32> {
    let structure = Structure::of(items);
    let mut live = BTreeSet::new();
    for local in (0..LOCALS).map(LocalIdx) {
        let (mut seen, mut paths) = (BTreeSet::new(), structure.next(position));
        while let Some(at) = paths.pop() {
            if !seen.insert(at) {
                continue;
            }
            let reads = match items[at] {
                Item::Get(read) => read == local,
                Item::Event(Event::Site(site)) => {
                    let (_, needed) = &skeleton.needed[site as usize];
                    skeleton.needed_locals[needed.clone()].contains(&local)
                }
                _ => false,
            };
            if reads {
                live.insert(local.0);
                break;
            }
            if !matches!(items[at], Item::Set(set) if set == local) {
                paths.extend(structure.next(at));
            }
        }
    }
    live
}

/// What the pass finds, for each site.
fn found(skeleton: &Skeleton, scratch: &mut Scratch) -> Vec<BTreeSet<u32>> {
    let mut found = vec![BTreeSet::new(); skeleton.needed.len()];
    live_at_sites(skeleton, scratch, |column, live| {
        for (found, live) in found.iter_mut().zip(live) {
            let bits = (0..COLUMN).filter(|bit| live & (1 << bit) != 0);
            found.extend(bits.map(|bit| (column * COLUMN + bit) as u32));
        }
    });
    found
}

#[test]
fn what_is_read_on_some_path_is_live_and_nothing_else() {
    let mut sites = 0;
    // Nothing of one body may show in the next.
    let mut scratch = Scratch::default();
    for seed in 0..4000 {
        let (skeleton, items) = Generator::body(seed);
        let found = found(&skeleton, &mut scratch);
        for (position, item) in items.iter().enumerate() {
            let Item::Event(Event::Site(site)) = item else { continue };
            let mut expected = live_behind(&skeleton, &items, position);
            let (_, needed) = &skeleton.needed[*site as usize];
            expected.extend(skeleton.needed_locals[needed.clone()].iter().map(|local| local.0));
            assert_eq!(found[*site as usize], expected, "seed {seed}, item {position}: {items:?}");
            sites += 1;
        }
    }
    assert!(sites > 5000, "{sites} sites say little");
}
