//! Instructions, as far as an overflow has to understand them: is the next one a call, and of what?
//! And the functions around it.

use super::frames::{Function, Walker, word};
use super::rollback::{Analysis, Code, Plan, RSP};
use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};
use std::ops::Range;

/// Longest instruction.
const LONGEST: usize = 15;

/// A call that has not been made yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// Where it would return to.
    pub(super) next: usize,
    /// What it calls, if that can be told.
    pub(super) target: usize,
}

/// The instruction at `pc`, if code lies there.
fn decode(pc: usize, memory: &Range<usize>) -> Option<Instruction> {
    let end = memory.end.min(pc.saturating_add(LONGEST));
    if !memory.contains(&pc) {
        return None;
    }
    let bytes = std::ptr::with_exposed_provenance(pc);
    // SAFETY: the bytes are code of a loaded module, up to its end at most.
    let bytes = unsafe { std::slice::from_raw_parts(bytes, end - pc) };
    let mut decoder = Decoder::with_ip(64, bytes, pc as u64, DecoderOptions::NONE);
    Some(decoder.decode()).filter(|i| !i.is_invalid())
}

/// The call at `pc`, if there is one. `registers` by their number in the instruction set.
pub(super) fn call_at(pc: usize, registers: &[usize; 16], memory: &Range<usize>) -> Option<Call> {
    let i = decode(pc, memory)?;
    let target = match i.flow_control() {
        FlowControl::Call if i.is_call_near() => i.near_branch_target() as usize,
        FlowControl::IndirectCall if i.is_call_near_indirect() => match i.op0_kind() {
            OpKind::Register => registers[i.op0_register().number()],
            OpKind::Memory => word(operand(&i, registers)?),
            _ => return None,
        },
        _ => return None,
    };
    Some(Call { next: i.next_ip() as usize, target })
}

/// Whether the instruction at `pc` is a call whose push faulted at `addr`.
pub(super) fn pushes_at(registers: &[usize; 16], addr: usize) -> bool {
    let top = registers[RSP];
    (top.wrapping_sub(8)..top).contains(&addr)
}

/// The address of a memory operand.
fn operand(i: &Instruction, registers: &[usize; 16]) -> Option<usize> {
    if matches!(i.memory_segment(), Register::FS | Register::GS) {
        return None;
    }
    let of = |r: Register| match r {
        Register::None => Some(0),
        _ if r.is_gpr64() => Some(registers[r.number()]),
        _ => None,
    };
    if i.is_ip_rel_memory_operand() {
        return Some(i.ip_rel_memory_address() as usize);
    }
    let index = of(i.memory_index())?.wrapping_mul(i.memory_index_scale() as usize);
    let at = of(i.memory_base())?.wrapping_add(index);
    let at = at.wrapping_add(i.memory_displacement64() as usize);
    at.is_multiple_of(size_of::<usize>()).then_some(at)
}

/// Where a stub of the dynamic linker leads: a function that begins with an indirect jump.
pub(super) fn through_stub(target: usize, memory: &Range<usize>) -> usize {
    let mut at = target;
    for _ in 0..2 {
        let Some(i) = decode(at, memory) else { return target };
        if i.mnemonic() == Mnemonic::Endbr64 {
            at = i.next_ip() as usize;
        } else if i.flow_control() == FlowControl::IndirectBranch && i.is_ip_rel_memory_operand() {
            return word(i.ip_rel_memory_address() as usize);
        }
    }
    target
}

/// Whether the unwind goes on after the landing pad at `pad`: whether any way from there leads to
/// `_Unwind_Resume`. Where that would take too long to find out, it does.
pub(super) fn resumes(code: &Range<usize>, pad: usize, memory: &Range<usize>) -> bool {
    const WAYS: usize = 64;
    const PATIENCE: usize = 4000;
    use FlowControl::{Call, ConditionalBranch, IndirectCall, Next, UnconditionalBranch};
    let resume = crate::switch::inject::resume();
    let mut ways = [0; WAYS];
    ways[0] = pad;
    let (mut next, mut known, mut steps) = (0, 1, 0);
    while next < known {
        let mut at = ways[next];
        next += 1;
        while let Some(i) = decode(at, memory).filter(|_| code.contains(&at)) {
            steps += 1;
            if steps > PATIENCE || leads_to(&i, memory) == Some(resume) {
                return true;
            }
            let flow = i.flow_control();
            if matches!(flow, ConditionalBranch | UnconditionalBranch) {
                let target = i.near_branch_target() as usize;
                if !ways[..known].contains(&target) {
                    if known == WAYS {
                        return true;
                    }
                    ways[known] = target;
                    known += 1;
                }
            }
            if !matches!(flow, Next | ConditionalBranch | Call | IndirectCall) {
                // A jump by a table: one of its cases may go on.
                if flow == FlowControl::IndirectBranch {
                    return true;
                }
                break;
            }
            at = i.next_ip() as usize;
        }
    }
    false
}

/// What a call or jump to a fixed place leads to, through stubs and tables of the dynamic linker.
fn leads_to(i: &Instruction, memory: &Range<usize>) -> Option<usize> {
    if i.is_call_near() || i.is_jmp_short_or_near() {
        return Some(through_stub(i.near_branch_target() as usize, memory));
    }
    let indirect = i.is_call_near_indirect() || i.is_jmp_near_indirect();
    let fixed = indirect && i.is_ip_rel_memory_operand();
    fixed.then(|| word(i.ip_rel_memory_address() as usize))
}

/// The functions that `f` calls or jumps to directly.
pub(super) fn callees(f: &Function) -> impl Iterator<Item = usize> {
    let inside = f.code.clone();
    let mut decoder = Decoder::with_ip(64, code_of(f).bytes, f.code.start as u64, 0);
    let all = std::iter::from_fn(move || decoder.can_decode().then(|| decoder.decode()));
    all.filter(|i| i.is_call_near() || i.is_jmp_short_or_near())
        .map(|i| i.near_branch_target() as usize)
        .filter(move |target| !inside.contains(target))
}

pub(super) fn code_of(f: &Function) -> Code<'static> {
    let bytes = std::ptr::with_exposed_provenance(f.code.start);
    // SAFETY: the unwind table says that this is the code of a function; modules stay.
    let bytes = unsafe { std::slice::from_raw_parts(bytes, f.code.end - f.code.start) };
    Code { bytes, start: f.code.start }
}

/// How to take the function at `pc` back to its entry, if that can be done.
pub(super) fn plan(
    walker: &mut Walker,
    analysis: &mut Analysis,
    pc: usize,
) -> Option<(Function, Plan)> {
    let f = walker.function(pc).filter(|f| f.starts_plain)?;
    let plan = analysis.plan(code_of(&f), pc, |each| {
        if let Some(lsda) = f.lsda() {
            lsda.each_pad(each);
        }
    })?;
    Some((f, plan))
}
