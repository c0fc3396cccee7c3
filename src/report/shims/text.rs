//! The report for people, and the words of adaptations, reasons and types.

use super::{
    CallClass, Disagreement, Disagreements, LargestPairs, MismatchingCall, REST, ShimReport,
    SignaturePair,
};
use crate::index::TypeIdx;
use crate::read::Module;
use crate::shim::{Adaptation, AdaptedValue, Reason};
use crate::text::{count, escape, signature_with};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use wasmparser::types::CoreTypeId;
use wasmparser::{HeapType, UnpackedIndex, ValType};

/// How many functions of known slots are shown.
const SHOWN: usize = 8;

/// How long a text may be, in characters, that comes again and again.
const LONG: usize = 160;

/// The report as text: what calls of each type can meet, the callers with their calls, and the largest pairs, if any
/// are wanted.
pub struct Text<'r> {
    report: &'r ShimReport,
    largest: Option<&'r LargestPairs>,
}

impl ShimReport {
    /// The report for people, with the largest pairs if they are given.
    pub fn text<'r>(&'r self, largest: Option<&'r LargestPairs>) -> Text<'r> {
        Text { report: self, largest }
    }
}

impl fmt::Display for ShimReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text(None).fmt(f)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report;
        writeln!(
            f,
            "{} of {} indirect calls can meet a function of another type that can be adapted",
            report.adaptable_calls, report.indirect_calls
        )?;
        if report.callers.is_empty() {
            return Ok(());
        }
        report.write_classes(f)?;
        report.write_callers(f)?;
        let largest = self.largest.filter(|largest| !largest.pairs.is_empty());
        largest.map_or(Ok(()), |largest| write_pairs(largest, f))
    }
}

/// If there are more calls of which nothing is known but their table, they are counted.
const MOST_LISTED: usize = 100;

impl ShimReport {
    fn write_classes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nby table and type:")?;
        let mut largest: Vec<_> = self.classes.iter().collect();
        // The sort is stable: classes stay in order among their equals.
        largest.sort_by_key(|class| {
            let pairs = |functions: usize| std::cmp::Reverse(class.calls * functions);
            (pairs(class.adaptable.functions), pairs(class.others.functions))
        });
        for class in largest {
            let (adaptable, others) = (class.adaptable.functions, class.others.functions);
            let types = class.adaptable.types + class.others.types;
            let functions = count(adaptable + others, "function");
            let types =
                if types == 1 { "another type".into() } else { format!("{types} other types") };
            write!(f, "  table {} as {}: ", class.table, self.asked_for(class))?;
            let calls = count(class.calls, "call");
            writeln!(f, "{calls}, {functions} of {types}: {adaptable} adaptable, {others} not")?;
        }
        Ok(())
    }

    /// What calls of a class ask for: the type's index, where the signature is long, for it comes again and again.
    fn asked_for(&self, class: &CallClass) -> Cow<'_, str> {
        let signature = self.signature(class.r#type);
        match signature.len() <= LONG {
            true => Cow::Borrowed(signature),
            false => format!("type {}", class.r#type).into(),
        }
    }

    fn write_callers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nby caller:")?;
        // The names of what definite calls meet: where they are in the report.
        let mut names = HashMap::new();
        for function in self.slots.iter().flat_map(|slots| &slots.functions) {
            names.insert(function.index, function.name.as_deref().unwrap_or("-"));
        }
        let all = self.callers.iter().flat_map(|caller| &caller.calls);
        let is_counted = |call: &MismatchingCall| call.rank() == REST && !call.chosen;
        let lists_all = all.filter(|call| is_counted(call)).count() <= MOST_LISTED;
        let is_listed = |call: &&MismatchingCall| lists_all || !is_counted(call);
        let (mut functions, mut calls) = (0, 0);
        for caller in &self.callers {
            let mut listed: Vec<_> = caller.calls.iter().filter(is_listed).collect();
            let counted = caller.calls.len() - listed.len();
            if listed.is_empty() {
                (functions, calls) = (functions + 1, calls + counted);
                continue;
            }
            let name = caller.name.as_deref().unwrap_or("-");
            write!(f, "  {} {}: ", caller.index, escape(name))?;
            write!(f, "{}", count(caller.adaptable_pairs, "adaptable pair"))?;
            writeln!(f, ", {} not", caller.other_pairs)?;
            // The sort is stable: equals stay in the order of the module.
            listed.sort_by_key(|call| call.rank());
            listed.into_iter().try_for_each(|call| self.write_call(call, &names, f))?;
            if counted > 0 {
                writeln!(
                    f,
                    "    {} more that may meet what the table holds",
                    count(counted, "call")
                )?;
            }
        }
        if functions > 0 {
            writeln!(
                f,
                "  {} more with {} that may meet what the table holds; a module that records finds out which do",
                count(functions, "function"),
                count(calls, "call")
            )?;
        }
        Ok(())
    }

    fn write_call(
        &self,
        call: &MismatchingCall,
        names: &HashMap<u32, &str>,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let class = &self.classes[call.class];
        write!(f, "    {:#x}", call.offset)?;
        if let Some(source) = &call.source {
            write!(f, " {}", escape(source))?;
        }
        write!(f, " table {} as {}: {}", class.table, self.asked_for(class), call.certainty)?;
        if let Some(index) = &call.index {
            let index: Vec<_> = index.iter().map(u64::to_string).collect();
            write!(f, ", index {}", index.join(" or "))?;
        }
        let known = call.known.map_or(&[][..], |known| &class.known[known]);
        for func in &known[..known.len().min(SHOWN)] {
            write!(f, ", {func} {}", shortened(names.get(func).unwrap_or(&"-")))?;
        }
        if known.len() > SHOWN {
            write!(f, " and {} more", known.len() - SHOWN)?;
        }
        writeln!(f, "{}", if call.chosen { ", chosen" } else { "" })?;
        write_disagreements(&call.disagreements, f)
    }
}

fn write_disagreements(found: &Disagreements, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for Disagreement { function, name, declared, held_by } in &found.meets {
        let name = shortened(name.as_deref().unwrap_or("-"));
        write!(f, "      likely meets {function} {name}, ")?;
        match held_by {
            Some(held_by) => {
                write!(f, "which {} holds as {}", escape(held_by), shortened(declared))?
            }
            None => write!(f, "cast to {}, perhaps", shortened(declared))?,
        }
        writeln!(f)?;
    }
    if found.likely > found.meets.len() {
        writeln!(f, "      and {} more", found.likely - found.meets.len())?;
    }
    Ok(())
}

fn write_pairs(
    LargestPairs { pairs, all }: &LargestPairs,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    match pairs.len() == *all {
        true => writeln!(f, "\nby signatures:")?,
        false => writeln!(f, "\nby signatures, the largest {} of {all}:", pairs.len())?,
    }
    for pair in pairs {
        let SignaturePair { table, site_type, callee_type, .. } = pair;
        let (calls, functions) = (count(pair.calls, "call"), count(pair.functions, "function"));
        write!(f, "  table {table} as {site_type} meets {callee_type}: {calls}, {functions}: ")?;
        match (&pair.adaptation, &pair.reason) {
            (Some(adaptation), _) => writeln!(f, "{adaptation}")?,
            (None, reason) => {
                writeln!(f, "not adapted: {}", reason.as_deref().unwrap_or("no reason"))?;
            }
        }
    }
    Ok(())
}

/// A name, of a long one its start.
fn shortened(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(LONG) {
        None => escape(name),
        Some((end, _)) => format!("{}…", escape(&name[..end])).into(),
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::BitCast => "a number would change its type, which bit casts would permit",
            Reason::Incompatible => "its types convert to nothing that the call has",
            Reason::NoZero => "a missing reference can't be null",
            Reason::StructReturn => "it may return a structure through its first parameter",
            Reason::Variadic => "it takes variable arguments",
        })
    }
}

/// `argument 2 dropped, result zero`.
impl fmt::Display for Adaptation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let taken = self.args.len();
        match self.dropped_args {
            0 => {}
            1 => parts.push(format!("argument {} dropped", taken + 1)),
            count => parts.push(format!("arguments {} to {} dropped", taken + 1, taken + count)),
        }
        for (position, value) in (1..).zip(&self.args) {
            parts.extend(describe(&format!("argument {position}"), *value));
        }
        for (position, value) in (1..).zip(&self.results) {
            let name = match self.results.len() {
                1 => "result".to_owned(),
                _ => format!("result {position}"),
            };
            parts.extend(describe(&name, *value));
        }
        if self.dropped_results > 0 {
            parts.push(match self.dropped_results {
                1 => "a result dropped".into(),
                count => format!("{count} results dropped"),
            });
        }
        f.write_str(if parts.is_empty() { "nothing to change" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

fn describe(name: &str, value: AdaptedValue) -> Option<String> {
    match value {
        AdaptedValue::Same(_) => None,
        AdaptedValue::Cast(_, cast) => Some(format!("{name} by {}", cast.instruction())),
        AdaptedValue::Zero(ValType::Ref(_)) => Some(format!("{name} null")),
        AdaptedValue::Zero(_) => Some(format!("{name} zero")),
    }
}

/// Types as text.
pub(super) struct TypeNames<'m> {
    module: &'m Module<'m>,
    /// For each type the least index that names it.
    indices: HashMap<CoreTypeId, u32>,
}

impl<'m> TypeNames<'m> {
    pub(super) fn new(module: &'m Module<'m>) -> TypeNames<'m> {
        let types = module.types();
        let all = (0..types.core_type_count_in_module()).rev();
        let indices = all.map(|index| (types.core_type_at_in_module(index), index)).collect();
        TypeNames { module, indices }
    }

    /// `(i32, i32) -> i32`
    pub(super) fn signature(&self, ty: TypeIdx) -> String {
        signature_with(self.module.func_type_at(ty), |ty| self.name(ty))
    }

    /// A concrete heap type by the least index that names it.
    fn name(&self, ty: ValType) -> String {
        if let ValType::Ref(reference) = ty
            && let HeapType::Concrete(UnpackedIndex::Id(id)) = reference.heap_type()
            && let Some(index) = self.indices.get(&id)
        {
            let null = if reference.is_nullable() { "null " } else { "" };
            return format!("(ref {null}{index})");
        }
        ty.to_string()
    }
}
