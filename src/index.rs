//! Index spaces of a module as types of their own.
//!
//! An *index* is a position in one of the specification's index spaces ("Indices", core
//! specification, section 2.5.1); past [`crate::read`] it is never a bare integer. Our own numberings
//! are called *ordinals* and live beside what they number.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// What every index type offers.
pub trait IndexType: Copy + Eq + Ord + fmt::Debug {
    /// The index for a position in its index space.
    fn from_usize(position: usize) -> Self;
    /// The position in its index space.
    fn as_usize(self) -> usize;
}

macro_rules! define_index {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl IndexType for $name {
            fn from_usize(position: usize) -> Self {
                $name(u32::try_from(position).expect("an index space is smaller than 2^32"))
            }
            fn as_usize(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

define_index! {
    /// An index into the function index space: imported functions first, then defined ones.
    FuncIdx;
    /// An index into the type index space.
    TypeIdx;
    /// An index into the table index space.
    TableIdx;
    /// An index into the memory index space.
    MemoryIdx;
    /// An index into the global index space.
    GlobalIdx;
    /// An index into the tag index space.
    TagIdx;
    /// An index into the element segments.
    ElemIdx;
    /// An index into the data segments.
    DataIdx;
    /// An index into a function's locals: parameters first, then declared locals.
    LocalIdx;
}

/// A vector addressed by one index type only.
#[derive(Clone, PartialEq, Eq)]
pub struct IndexVec<I, T> {
    items: Vec<T>,
    index: PhantomData<fn(I)>,
}

impl<I, T> Default for IndexVec<I, T> {
    fn default() -> Self {
        IndexVec { items: Vec::new(), index: PhantomData }
    }
}

impl<I: IndexType, T> IndexVec<I, T> {
    /// A vector of `len` copies of `value`.
    pub fn filled(value: T, len: usize) -> Self
    where
        T: Clone,
    {
        IndexVec { items: vec![value; len], index: PhantomData }
    }

    /// Appends `item` and returns its index.
    pub fn push(&mut self, item: T) -> I {
        self.items.push(item);
        I::from_usize(self.items.len() - 1)
    }

    /// The number of items.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// The item at `index`, if it is within bounds.
    pub fn get(&self, index: I) -> Option<&T> {
        self.items.get(index.as_usize())
    }

    /// The items in index order.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }

    /// Indices and items in index order.
    pub fn iter_enumerated(&self) -> impl ExactSizeIterator<Item = (I, &T)> {
        self.items.iter().enumerate().map(|(position, item)| (I::from_usize(position), item))
    }

    /// All indices, in order.
    pub fn indices(&self) -> impl ExactSizeIterator<Item = I> + use<I, T> {
        (0..self.items.len()).map(I::from_usize)
    }

    /// The items as a slice, for parallel iteration.
    pub fn as_slice(&self) -> &[T] {
        &self.items
    }
}

impl<I, T> FromIterator<T> for IndexVec<I, T> {
    fn from_iter<S: IntoIterator<Item = T>>(items: S) -> Self {
        IndexVec { items: items.into_iter().collect(), index: PhantomData }
    }
}

impl<I, T> From<Vec<T>> for IndexVec<I, T> {
    fn from(items: Vec<T>) -> Self {
        IndexVec { items, index: PhantomData }
    }
}

impl<I: IndexType, T> Index<I> for IndexVec<I, T> {
    type Output = T;
    fn index(&self, index: I) -> &T {
        &self.items[index.as_usize()]
    }
}

impl<I: IndexType, T> IndexMut<I> for IndexVec<I, T> {
    fn index_mut(&mut self, index: I) -> &mut T {
        &mut self.items[index.as_usize()]
    }
}

impl<I, T: fmt::Debug> fmt::Debug for IndexVec<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.items.fmt(f)
    }
}
