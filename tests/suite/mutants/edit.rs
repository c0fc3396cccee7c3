//! A written module that can be changed: its bodies as operators, and a way to put other bytes in place of some.

use std::ops::Range;
use wasmparser::{Operator, Parser, Payload, TypeRef};

/// An operator and its bytes in the module.
pub struct At<'a> {
    pub operator: Operator<'a>,
    pub range: Range<usize>,
}

/// A body.
pub struct Body<'a> {
    /// The function's index.
    pub func: u32,
    /// Of the whole body, with the size in front.
    pub range: Range<usize>,
    /// Without it.
    pub contents: Range<usize>,
    pub operators: Vec<At<'a>>,
}

/// A module.
pub struct Written<'a> {
    pub bytes: &'a [u8],
    pub bodies: Vec<Body<'a>>,
    /// Where the code section's contents are, and where its id is.
    code: Range<usize>,
    code_start: usize,
    /// How many functions there are.
    pub funcs: u32,
}

/// Bytes of the module, and what to put in their place.
pub type Edit = (Range<usize>, Vec<u8>);

impl<'a> Written<'a> {
    pub fn read(bytes: &'a [u8]) -> Written<'a> {
        let (mut next, mut code, mut bodies) = (0, 0..0, Vec::new());
        let (mut code_start, mut end) = (0, 8);
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.unwrap();
            if let Some((id, range)) = payload.as_section() {
                if id == 10 {
                    code = range.start as usize..range.end as usize;
                    code_start = end;
                }
                end = range.end as usize;
            }
            match payload {
                Payload::ImportSection(imports) => {
                    let imports = imports.into_imports().map(|import| import.unwrap().ty);
                    let is_func =
                        |ty: &TypeRef| matches!(ty, TypeRef::Func(_) | TypeRef::FuncExact(_));
                    next += imports.filter(is_func).count() as u32;
                }
                Payload::CodeSectionEntry(body) => {
                    let contents = body.range().start as usize..body.range().end as usize;
                    let mut reader = body.get_operators_reader().unwrap();
                    let mut operators = Vec::new();
                    while !reader.eof() {
                        let start = reader.original_position() as usize;
                        let operator = reader.read().unwrap();
                        let range = start..reader.original_position() as usize;
                        operators.push(At { operator, range });
                    }
                    let size = leb(contents.len()).len();
                    let range = contents.start - size..contents.end;
                    bodies.push(Body { func: next, range, contents, operators });
                    next += 1;
                }
                _ => {}
            }
        }
        Written { bytes, bodies, code, code_start, funcs: next }
    }

    /// The module with edits to one body, in order of their places.
    pub fn with(&self, body: &Body<'_>, edits: &[Edit]) -> Vec<u8> {
        let mut contents = Vec::new();
        let mut kept = body.contents.start;
        for (range, bytes) in edits {
            contents.extend_from_slice(&self.bytes[kept..range.start]);
            contents.extend_from_slice(bytes);
            kept = range.end;
        }
        contents.extend_from_slice(&self.bytes[kept..body.contents.end]);
        let mut code = self.bytes[self.code.start..body.range.start].to_vec();
        code.extend(leb(contents.len()));
        code.extend(contents);
        code.extend_from_slice(&self.bytes[body.range.end..self.code.end]);
        let mut module = self.bytes[..self.code_start].to_vec();
        module.push(10);
        module.extend(leb(code.len()));
        module.extend(code);
        module.extend_from_slice(&self.bytes[self.code.end..]);
        module
    }
}

/// An unsigned LEB128 number.
pub fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

/// A signed LEB128 number.
pub fn signed(mut number: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        let done = (number == 0 && byte & 0x40 == 0) || (number == -1 && byte & 0x40 != 0);
        bytes.push(if done { byte } else { byte | 0x80 });
        if done {
            return bytes;
        }
    }
}

/// An instruction with one index.
pub fn indexed(opcode: u8, index: u32) -> Vec<u8> {
    [vec![opcode], leb(index as usize)].concat()
}
