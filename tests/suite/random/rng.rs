//! A small generator of random numbers (SplitMix64, Steele, Lea and Flood 2014): the same seed gives
//! the same numbers on every machine and with every version of every dependency.

/// The generator's state.
pub struct Rng {
    seed: u64,
    /// What a fuzzer chose, the next number last: taken before any number is made, so that a small change makes another choice at
    /// one place.
    chosen: Vec<u16>,
}

impl Rng {
    pub fn new(seed: u64) -> Self {
        Rng { seed, chosen: Vec::new() }
    }

    /// First the numbers that are in `bytes`, of two bytes each, then some that follow from how many these are.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let chosen = bytes.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]]));
        Rng { seed: bytes.len() as u64, chosen: chosen.rev().collect() }
    }

    pub fn next(&mut self) -> u64 {
        if let Some(chosen) = self.chosen.pop() {
            return chosen.into();
        }
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which must not be zero.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of the items, which must not be empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}
