//! A separate machine for classic BPF: whether the kernel would accept a program, and what the program returns.

use connbox::capture_filter::Instruction;

/// Whether the kernel would accept the program (bpf_check_classic of net/core/filter.c): its length, its
/// operations, jumps that stay inside, and a return at the end.
pub fn is_sound(program: &[Instruction]) -> bool {
    let is_inside = |at: usize, jump: usize| at + 1 + jump < program.len();
    let known = [
        0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x0c, 0x14, 0x15, 0x1c, 0x1d, 0x20, 0x24,
        0x25, 0x28, 0x2c, 0x2d, 0x30, 0x34, 0x35, 0x3c, 0x3d, 0x40, 0x44, 0x45, 0x48, 0x4c, 0x50,
        0x54, 0x5c, 0x60, 0x61, 0x64, 0x6c, 0x74, 0x7c, 0x94, 0x9c, 0xa4, 0xac, 0xb1,
    ];
    (1..=4096).contains(&program.len())
        && program.last().is_some_and(|last| last.code == 0x06)
        && program.iter().enumerate().all(|(at, op)| {
            known.contains(&op.code)
                && match op.code {
                    0x05 => is_inside(at, op.k as usize),
                    0x15 | 0x25 | 0x35 | 0x45 | 0x1d | 0x2d | 0x3d => {
                        is_inside(at, op.jt.into()) && is_inside(at, op.jf.into())
                    }
                    0x02 | 0x03 | 0x60 | 0x61 => op.k < 16,
                    0x64 | 0x74 => op.k < 32,
                    0x34 | 0x94 => op.k != 0,
                    _ => true,
                }
        })
}

/// What the program returns for a packet that begins with its network header, and how many instructions that
/// took.
pub fn run(program: &[Instruction], ethertype: u16, packet: &[u8]) -> (u32, usize) {
    let (mut a, mut x, mut memory) = (0_u32, 0_u32, [0_u32; 16]);
    let (mut at, mut count) = (0, 0);
    // A load beyond the end ends the program with 0.
    let load = |place: u32, length: usize| -> Option<u32> {
        assert!(place < 1 << 31, "the kernel has other data there");
        let bytes = packet.get(place as usize..place as usize + length)?;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    };
    loop {
        let op = program[at];
        (at, count) = (at + 1, count + 1);
        let loaded = match op.code {
            0x28 if op.k == 0xffff_f000 => Some(ethertype.into()),
            // The packet came in, by interface 1.
            0x30 if op.k == 0xffff_f004 => Some(0),
            0x20 if op.k == 0xffff_f008 => Some(1),
            0x20 => load(op.k, 4),
            0x28 => load(op.k, 2),
            0x30 => load(op.k, 1),
            0x40 => load(x.wrapping_add(op.k), 4),
            0x48 => load(x.wrapping_add(op.k), 2),
            0x50 => load(x.wrapping_add(op.k), 1),
            0xb1 => load(op.k, 1).map(|byte| (byte & 0xf) * 4),
            _ => Some(0),
        };
        let Some(loaded) = loaded else { return (0, count) };
        let skip = |holds| usize::from(if holds { op.jt } else { op.jf });
        let operand = if op.code & 8 != 0 { x } else { op.k };
        match op.code {
            0x20 | 0x28 | 0x30 | 0x40 | 0x48 | 0x50 => a = loaded,
            0xb1 => x = loaded,
            0x00 => a = op.k,
            0x01 => x = op.k,
            0x61 => x = memory[op.k as usize],
            0x02 => memory[op.k as usize] = a,
            0x03 => memory[op.k as usize] = x,
            0x60 => a = memory[op.k as usize],
            0x07 => x = a,
            0x04 | 0x0c => a = a.wrapping_add(operand),
            0x14 | 0x1c => a = a.wrapping_sub(operand),
            0x24 | 0x2c => a = a.wrapping_mul(operand),
            0x34 | 0x3c | 0x94 | 0x9c if operand == 0 => return (0, count),
            0x34 | 0x3c => a /= operand,
            0x94 | 0x9c => a %= operand,
            0x44 | 0x4c => a |= operand,
            0x54 | 0x5c => a &= operand,
            0x64 | 0x6c => a <<= operand,
            0x74 | 0x7c => a >>= operand,
            0xa4 | 0xac => a ^= operand,
            0x05 => at += op.k as usize,
            0x15 | 0x1d => at += skip(a == operand),
            0x25 | 0x2d => at += skip(a > operand),
            0x35 | 0x3d => at += skip(a >= operand),
            0x45 => at += skip(a & op.k != 0),
            0x06 => return (op.k, count),
            other => panic!("operation {other:#x}"),
        }
    }
}
