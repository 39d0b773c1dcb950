//! The instructions that calculate the two numbers of a comparison.

use super::compile::{Code, Place};
use super::opcodes::{
    ADD_X, ANY_BIT, AT_LEAST, EQUAL, GREATER, JUMP, LOAD_NUMBER, STORE, TRANSPORT, X_MEMORY,
};
use super::operations::{Base, Calculation, Comparison, Operation};

/// The first cell for the values of a calculation.
const VALUES: u32 = 2;

const LOAD_MEMORY: u16 = 0x60;
const LOAD_LENGTH: u16 = 0x80;
const TO_X: u16 = 0x07;
/// Added to an operation: its operand is X.
const WITH_X: u16 = 0x08;

/// A part of the calculation.
#[derive(Clone, Copy)]
enum Line {
    Do(u16, u32),
    /// Skips instructions if A is greater.
    SkipUnlessGreater(u32, u8),
    RejectIfAnyBit(u32),
}

impl Code<'_> {
    /// Writes the calculation of two numbers, their comparison, and its two jumps.
    pub(super) fn relation(
        &mut self,
        operations: &[Operation],
        comparison: Comparison,
        yes: Place,
        no: Place,
    ) -> Place {
        let (lines, with) = lines(operations);
        let (code, is_negated) = match comparison {
            Comparison::Equal => (EQUAL, false),
            Comparison::NotEqual => (EQUAL, true),
            Comparison::Greater => (GREATER, false),
            Comparison::AtMost => (GREATER, true),
            Comparison::AtLeast => (AT_LEAST, false),
            Comparison::Less => (AT_LEAST, true),
        };
        let (yes, no) = if is_negated { (no, yes) } else { (yes, no) };
        let code = if with.is_none() { code | WITH_X } else { code };
        let mut place = self.jump(code, with.unwrap_or_default(), yes, no);
        for line in lines.into_iter().rev() {
            place = match line {
                Line::Do(code, k) => self.push(code, k),
                Line::SkipUnlessGreater(k, skipped) => self.skip_unless(GREATER, k, skipped),
                Line::RejectIfAnyBit(k) => self.jump(ANY_BIT, k, Place::Reject, place),
            };
        }
        place
    }
}

/// The instructions after which A holds the left number, and the right one if it is known, else X holds it.
fn lines(operations: &[Operation]) -> (Vec<Line>, Option<u32>) {
    let mut lines = Vec::new();
    // The last value is in A, those before it in memory.
    let mut count = 0_u32;
    let mut rest = operations;
    while let Some((&operation, behind)) = rest.split_first() {
        rest = behind;
        if let (Operation::Number(k), Some(&Operation::Apply(calculation))) =
            (operation, rest.first())
        {
            put(&mut lines, Line::Do(code_of(calculation), k));
            rest = &rest[1..];
            continue;
        }
        if let (Operation::Number(k), true) = (operation, rest.is_empty()) {
            return (lines, Some(k));
        }
        if matches!(operation, Operation::Number(_) | Operation::Len) {
            if count > 0 {
                put(&mut lines, Line::Do(STORE, VALUES + count - 1));
            }
            count += 1;
        }
        match operation {
            Operation::Number(k) => {
                if let Some(&Operation::Load(base, bytes)) = rest.first() {
                    rest = &rest[1..];
                    load(&mut lines, base, bytes, Some(k));
                } else {
                    put(&mut lines, Line::Do(LOAD_NUMBER, k));
                }
            }
            Operation::Len => put(&mut lines, Line::Do(LOAD_LENGTH, 0)),
            Operation::Load(base, bytes) => load(&mut lines, base, bytes, None),
            Operation::Apply(calculation) => {
                count = count.saturating_sub(1);
                apply(&mut lines, calculation, VALUES + count.saturating_sub(1));
            }
        }
    }
    put(&mut lines, Line::Do(TO_X, 0));
    put(&mut lines, Line::Do(LOAD_MEMORY, VALUES));
    (lines, None)
}

#[inline(never)]
fn put(lines: &mut Vec<Line>, line: Line) {
    lines.push(line);
}

/// Loads bytes at a known index, or at that in A.
fn load(lines: &mut Vec<Line>, base: Base, bytes: u8, index: Option<u32>) {
    let size = match bytes {
        1 => 0x10,
        2 => 0x08,
        _ => 0x00,
    };
    const ABSOLUTE: u16 = 0x20;
    const BEHIND_X: u16 = 0x40;
    match (index, base) {
        (Some(index), Base::Tcp) => {
            put(lines, Line::Do(X_MEMORY, TRANSPORT));
            put(lines, Line::Do(BEHIND_X | size, index));
        }
        (Some(index), _) => put(lines, Line::Do(ABSOLUTE | size, index)),
        (None, _) => {
            if base == Base::Tcp {
                put(lines, Line::Do(X_MEMORY, TRANSPORT));
                put(lines, Line::Do(ADD_X, 0));
            }
            // The kernel has other data at offsets below 0.
            put(lines, Line::RejectIfAnyBit(1 << 31));
            put(lines, Line::Do(TO_X, 0));
            put(lines, Line::Do(BEHIND_X | size, 0));
        }
    }
}

/// Applies a calculation to a cell of memory and A.
fn apply(lines: &mut Vec<Line>, calculation: Calculation, left: u32) {
    put(lines, Line::Do(TO_X, 0));
    if matches!(calculation, Calculation::ShiftLeft | Calculation::ShiftRight) {
        // Processors shift by 32 and more in different ways.
        put(lines, Line::SkipUnlessGreater(31, 2));
        put(lines, Line::Do(LOAD_NUMBER, 0));
        put(lines, Line::Do(JUMP, 2));
    }
    put(lines, Line::Do(LOAD_MEMORY, left));
    // A division by 0 ends the program with 0.
    put(lines, Line::Do(code_of(calculation) | WITH_X, 0));
}

/// The operation on A and a number.
fn code_of(calculation: Calculation) -> u16 {
    match calculation {
        Calculation::Add => 0x04,
        Calculation::Subtract => 0x14,
        Calculation::Multiply => 0x24,
        Calculation::Divide => 0x34,
        Calculation::Or => 0x44,
        Calculation::And => 0x54,
        Calculation::ShiftLeft => 0x64,
        Calculation::ShiftRight => 0x74,
        Calculation::Modulo => 0x94,
        Calculation::Xor => 0xa4,
    }
}
