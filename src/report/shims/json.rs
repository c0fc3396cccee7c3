//! The report for programs, written piece by piece: pairs are never held all at once.

use super::{LargestPairs, ShimReport};
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// The report as one object, with the largest pairs as `signatures`, or each class with all that it `meets`.
pub struct Json<'r> {
    report: &'r ShimReport,
    largest: Option<&'r LargestPairs>,
}

impl ShimReport {
    /// The report for programs: with the largest pairs alone, or with all.
    pub fn json<'r>(&'r self, largest: Option<&'r LargestPairs>) -> Json<'r> {
        Json { report: self, largest }
    }
}

impl Serialize for ShimReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json(None).serialize(serializer)
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Json { report, largest } = self;
        let fields = if largest.is_some() { 8 } else { 6 };
        let mut object = serializer.serialize_struct("ShimReport", fields)?;
        object.serialize_field("indirect_calls", &report.indirect_calls)?;
        object.serialize_field("adaptable_calls", &report.adaptable_calls)?;
        object.serialize_field("host_visible_tables", &report.host_visible_tables)?;
        object.serialize_field("callers", &report.callers)?;
        if let Some(largest) = largest {
            object.serialize_field("signatures", &largest.pairs)?;
            object.serialize_field("all_signatures", &largest.all)?;
        }
        object.serialize_field("classes", &Classes { report, with_pairs: largest.is_none() })?;
        object.serialize_field("slots", &AllSlots(report))?;
        object.end()
    }
}

/// The classes, with all that each meets or without.
struct Classes<'r> {
    report: &'r ShimReport,
    with_pairs: bool,
}

impl Serialize for Classes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Classes { report, with_pairs } = *self;
        let classes = report.classes.iter().enumerate();
        serializer.collect_seq(classes.map(|(class, of)| WithSignature {
            signature: report.signature(of.r#type),
            of,
            meets: with_pairs.then_some(Meets { report, class }),
        }))
    }
}

struct AllSlots<'r>(&'r ShimReport);

impl Serialize for AllSlots<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.slots.iter().map(|slots| WithSignature {
            signature: self.0.signature(slots.r#type),
            of: slots,
            meets: None,
        }))
    }
}

/// A class or slots, with the text of their type.
#[derive(serde::Serialize)]
struct WithSignature<'r, T> {
    signature: &'r str,
    #[serde(flatten)]
    of: &'r T,
    #[serde(skip_serializing_if = "Option::is_none")]
    meets: Option<Meets<'r>>,
}

struct Meets<'r> {
    report: &'r ShimReport,
    class: usize,
}

impl Serialize for Meets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.report.meets(self.class))
    }
}
