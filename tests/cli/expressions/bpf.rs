//! Classic BPF as a machine of its own: what the kernel would say of a program, and what it answers.

use connbox::capture_filter::Instruction;

/// Whether the kernel would take the program (bpf_check_classic of net/core/filter.c): its length, its
/// operations, jumps that stay inside, a return at the end.
pub fn is_sound(program: &[Instruction]) -> bool {
    let is_inside = |at: usize, jump: usize| at + 1 + jump < program.len();
    let known = [
        0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x0c, 0x15, 0x20, 0x25, 0x28, 0x30, 0x35, 0x45, 0x48,
        0x50, 0x54, 0x61, 0x64, 0xb1,
    ];
    (1..=4096).contains(&program.len())
        && program.last().is_some_and(|last| last.code == 0x06)
        && program.iter().enumerate().all(|(at, op)| {
            known.contains(&op.code)
                && match op.code {
                    0x05 => is_inside(at, op.k as usize),
                    0x15 | 0x25 | 0x35 | 0x45 => {
                        is_inside(at, op.jt.into()) && is_inside(at, op.jf.into())
                    }
                    0x02 | 0x61 => op.k < 16,
                    0x64 => op.k < 32,
                    _ => true,
                }
        })
}

/// What the program returns for a packet that begins with its network header, and how many
/// instructions that took.
pub fn run(program: &[Instruction], ethertype: u16, packet: &[u8]) -> (u32, usize) {
    let (mut a, mut x, mut memory) = (0_u32, 0_u32, [0_u32; 16]);
    let (mut at, mut count) = (0, 0);
    // A load from behind the end ends the program with 0.
    let load = |place: u32, length: usize| -> Option<u32> {
        let bytes = packet.get(place as usize..place as usize + length)?;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    };
    loop {
        let op = program[at];
        (at, count) = (at + 1, count + 1);
        let loaded = match op.code {
            0x28 if op.k == 0xffff_f000 => Some(ethertype.into()),
            0x20 => load(op.k, 4),
            0x28 => load(op.k, 2),
            0x30 => load(op.k, 1),
            0x48 => load(x + op.k, 2),
            0x50 => load(x + op.k, 1),
            0xb1 => load(op.k, 1).map(|byte| (byte & 0xf) * 4),
            _ => Some(0),
        };
        let Some(loaded) = loaded else { return (0, count) };
        let skip = |holds| usize::from(if holds { op.jt } else { op.jf });
        match op.code {
            0x20 | 0x28 | 0x30 | 0x48 | 0x50 => a = loaded,
            0xb1 => x = loaded,
            0x00 => a = op.k,
            0x01 => x = op.k,
            0x61 => x = memory[op.k as usize],
            0x02 => memory[op.k as usize] = a,
            0x04 => a = a.wrapping_add(op.k),
            0x0c => a = a.wrapping_add(x),
            0x54 => a &= op.k,
            0x64 => a <<= op.k,
            0x05 => at += op.k as usize,
            0x15 => at += skip(a == op.k),
            0x25 => at += skip(a > op.k),
            0x35 => at += skip(a >= op.k),
            0x45 => at += skip(a & op.k != 0),
            0x06 => return (op.k, count),
            other => panic!("operation {other:#x}"),
        }
    }
}
