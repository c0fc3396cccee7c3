//! Sets of locals as bits.

use crate::index::LocalIdx;
use crate::work;

/// A set of locals. Two sets that meet have the same size.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BitSet {
    words: Vec<u64>,
}

impl BitSet {
    pub fn new(len: usize) -> Self {
        work::count(len.div_ceil(64));
        BitSet { words: vec![0; len.div_ceil(64)] }
    }

    pub fn clear(&mut self) {
        work::count(self.words.len());
        self.words.fill(0);
    }

    pub fn insert(&mut self, index: usize) {
        self.words[index / 64] |= 1 << (index % 64);
    }

    pub fn remove(&mut self, index: usize) {
        self.words[index / 64] &= !(1 << (index % 64));
    }

    /// Adds the members that `bits` says, of the 64 from `64 * word` on.
    pub fn add(&mut self, word: usize, bits: u64) {
        self.words[word] |= bits;
    }

    /// Adds all of `other`.
    pub fn union(&mut self, other: &BitSet) {
        work::count(self.words.len());
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }

    /// The members in order, as locals.
    pub fn locals(&self) -> impl Iterator<Item = LocalIdx> + '_ {
        self.iter().map(|index| LocalIdx(index as u32))
    }

    fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(word, bits)| {
            work::count(1);
            let mut rest = *bits;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros() as usize;
                    rest &= rest - 1;
                    word * 64 + bit
                })
            })
        })
    }

    /// How many words it has.
    pub fn words(&self) -> usize {
        self.words.len()
    }

    /// How many members it has.
    pub fn len(&self) -> usize {
        work::count(self.words.len());
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether `local` is a member.
    pub fn contains(&self, local: LocalIdx) -> bool {
        let index = local.0 as usize;
        self.words.get(index / 64).is_some_and(|word| word & 1 << (index % 64) != 0)
    }

    /// Whether all members are members of `other`, which has the same size.
    pub fn is_subset(&self, other: &BitSet) -> bool {
        self.words.iter().zip(&other.words).all(|(word, other)| {
            work::count(1);
            word & !other == 0
        })
    }
}
