//! What is wrong with an output, and where.

use crate::error::Error;
use crate::index::FuncIdx;
use crate::text::escape;
use std::fmt;
use wasmparser::Operator;

/// Where something is wrong: offsets in bytes from the start of either file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub original: Option<usize>,
    pub output: Option<usize>,
    /// Whether that is in the resume module.
    pub is_elsewhere: bool,
}

impl Place {
    pub fn of_original(offset: usize) -> Place {
        Place { original: Some(offset), ..Place::default() }
    }

    pub fn of_output(offset: usize) -> Place {
        Place { output: Some(offset), ..Place::default() }
    }
}

/// An obligation that the output fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    what: Box<str>,
    func: Option<FuncIdx>,
    /// What the function is called, for people.
    name: Option<Box<str>>,
    /// The call at which the original stands still while the function is unwound and rewound: its offset in the original.
    site: Option<usize>,
    place: Place,
    is_gap: bool,
    /// The instructions around, a line each; and what else there is to say.
    around: Box<[String]>,
}

/// The name of an operator, as the parser has it.
pub(super) fn operator_name(operator: &Operator<'_>) -> String {
    let shown = format!("{operator:?}");
    shown.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
}

impl Fault {
    /// `what` may have names of the file in it.
    pub fn new(what: impl Into<String>) -> Fault {
        Fault {
            what: escape(&what.into()).into(),
            func: None,
            name: None,
            site: None,
            place: Place::default(),
            is_gap: false,
            around: Box::default(),
        }
    }

    /// For an operator that is not understood.
    pub fn unknown(operator: &Operator<'_>) -> Fault {
        Fault::new(format!("the instruction {} is not understood", operator_name(operator)))
    }

    /// For what is not checked: not a fault of the output, but nothing is known of it.
    pub fn not_covered(what: &str) -> Fault {
        Fault { is_gap: true, ..Fault::new(what) }
    }

    /// What isn't checked, if that is all that is wrong.
    pub fn gap(&self) -> Option<&str> {
        self.is_gap.then_some(&self.what)
    }

    /// With a place, unless it has one.
    #[must_use]
    pub fn at(mut self, place: Place) -> Fault {
        self.place.original = self.place.original.or(place.original);
        if self.place.output.is_none() {
            self.place.is_elsewhere = place.is_elsewhere;
            self.place.output = place.output;
        }
        self
    }

    /// While the function is unwound and rewound at the call that is there in the original.
    #[must_use]
    pub fn at_site(self, offset: usize) -> Fault {
        Fault { site: Some(offset), ..self }
    }

    /// What does not hold of an output of this tool is a mistake of this tool.
    pub fn internal(&self) -> Error {
        Error::Internal(self.to_string())
    }

    /// What does not hold of an output that someone gave.
    pub fn unfaithful(self) -> Error {
        Error::Unfaithful { reason: self.to_string(), around: self.around.into_vec() }
    }

    /// Where it is.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The function that it is in.
    pub fn func(&self) -> Option<FuncIdx> {
        self.func
    }

    /// With the function's name, and the instructions around.
    #[must_use]
    pub fn with(self, name: Option<String>, around: Vec<String>) -> Fault {
        Fault { name: name.map(Into::into), around: around.into(), ..self }
    }

    /// In this function.
    #[must_use]
    pub fn in_func(self, func: FuncIdx) -> Fault {
        Fault { func: Some(func), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(func) = self.func {
            write!(f, "function {func}")?;
            self.name.iter().try_for_each(|name| write!(f, " ({})", escape(name)))?;
            f.write_str(": ")?;
        }
        if let Some(site) = self.site {
            write!(f, "unwound and rewound at the call at {site:#x}: ")?;
        }
        f.write_str(&self.what)?;
        let file = if self.place.is_elsewhere { "resume module" } else { "output" };
        match (self.place.original, self.place.output) {
            (Some(original), Some(output)) => {
                write!(f, ", at {original:#x} of the original and {output:#x} of the {file}")
            }
            (Some(original), None) => write!(f, ", at {original:#x} of the original"),
            (None, Some(output)) => write!(f, ", at {output:#x} of the {file}"),
            (None, None) => Ok(()),
        }
    }
}

/// A body that was validated and yet can't be read.
impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        match error {
            Error::Internal(reason) => Fault::new(reason),
            error => Fault::new(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_line_whatever_names_say() {
        let told = Fault::new("an export `a\nb` was added").to_string();
        assert_eq!(told, r"an export `a\nb` was added");
    }
}
