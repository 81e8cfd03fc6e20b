//! The stack of a goroutine that does not run, from its saved registers, without running it.
//!
//! The compiler's unwind tables say for each instruction where the caller's registers are. Compiled
//! Rust and C need two of them to go on, the stack and the frame pointer; a frame that would need
//! more (hand-written assembly, expressions) ends the walk. What a return address means is looked up
//! once: parked goroutines share most of theirs.
//!
//! A stack may change while it is read (a crash cannot always stop everybody), so every address is
//! checked to lie in the goroutine's own memory, and each frame to lie above the one before or on a
//! segment further out.

use crate::switch::Saved;
use crate::sys::modules::{self, Module};
use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, EndianSlice, NativeEndian, ParsedEhFrameHdr,
    Register, RegisterRule, UnwindContext, UnwindSection, UnwindTableRow,
};
use std::collections::HashMap;
use std::ops::Range;

type Slice = EndianSlice<'static, NativeEndian>;

/// DWARF's numbers of the frame pointer, the stack pointer and the return address.
#[cfg(target_arch = "x86_64")]
const NUMBERS: [Register; 3] = [Register(6), Register(7), Register(16)];
#[cfg(target_arch = "aarch64")]
const NUMBERS: [Register; 3] = [Register(29), Register(31), Register(30)];
#[cfg(target_arch = "riscv64")]
const NUMBERS: [Register; 3] = [Register(8), Register(2), Register(1)];
/// None of ours: the first frame ends the walk.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
const NUMBERS: [Register; 3] = [Register(u16::MAX); 3];
const FP: Register = NUMBERS[0];
const SP: Register = NUMBERS[1];
const RA: Register = NUMBERS[2];

const WORD: usize = size_of::<usize>();

/// How to come from a frame to its caller.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// The canonical frame address is one of the two registers plus `offset`.
    from_fp: bool,
    offset: i64,
    /// Where the return address lies, from there.
    ra: i64,
    /// Where the caller's frame pointer lies; `None` if it is still in the register.
    fp: Option<i64>,
}

struct Loaded {
    memory: Range<usize>,
    index: ParsedEhFrameHdr<Slice>,
    frames: EhFrame<Slice>,
    bases: BaseAddresses,
}

/// Walks stacks; keeps what it has learned of the code.
pub(super) struct Unwinder {
    modules: Vec<Loaded>,
    context: UnwindContext<usize>,
    steps: HashMap<usize, Option<Step>>,
}

impl Unwinder {
    pub(super) fn new() -> Self {
        let modules = modules::all().into_iter().filter_map(load).collect();
        Self { modules, context: UnwindContext::new(), steps: HashMap::new() }
    }

    /// Calls `each` with the address in every frame, innermost first, until it says false. `stacks`
    /// is the memory the frames lie on, the innermost's first.
    pub(super) fn walk(
        &mut self,
        from: Saved,
        mut stacks: impl Iterator<Item = Range<usize>>,
        mut each: impl FnMut(usize) -> bool,
    ) {
        let Saved { mut pc, mut sp, mut fp } = from;
        let Some(mut stack) = stacks.find(|stack| stack.contains(&sp)) else { return };
        // The first address is no return address: the instruction is that of the call itself.
        let mut at = pc;
        while pc != 0 && each(pc) {
            let Some(step) = self.step(at) else { return };
            let base = if step.from_fp { fp } else { sp };
            let cfa = base.wrapping_add_signed(step.offset as isize);
            if !(stack.start..=stack.end).contains(&cfa) {
                // The caller's frame lies on the segment that was left for this one.
                let Some(outer) = stacks.find(|stack| stack.contains(&cfa)) else { return };
                stack = outer;
            } else if cfa <= sp {
                return;
            }
            let read = |offset: i64| read(cfa.wrapping_add_signed(offset as isize), &stack);
            let Some(caller) = read(step.ra) else { return };
            if let Some(offset) = step.fp {
                let Some(saved) = read(offset) else { return };
                fp = saved;
            }
            (pc, at, sp) = (caller, caller.wrapping_sub(1), cfa);
        }
    }

    fn step(&mut self, pc: usize) -> Option<Step> {
        if let Some(known) = self.steps.get(&pc) {
            return *known;
        }
        let step = self.modules.iter().find(|m| m.memory.contains(&pc)).and_then(|m| {
            let row = m.index.table()?.unwind_info_for_address(
                &m.frames,
                &m.bases,
                &mut self.context,
                pc as u64,
                EhFrame::cie_from_offset,
            );
            understand(row.ok()?)
        });
        self.steps.insert(pc, step);
        step
    }
}

/// The two registers' rules; `None` if there is no caller, or one that takes more to find.
fn understand(row: &UnwindTableRow<usize>) -> Option<Step> {
    let (from_fp, offset) = match *row.cfa() {
        CfaRule::RegisterAndOffset { register, offset } if register == SP => (false, offset),
        CfaRule::RegisterAndOffset { register, offset } if register == FP => (true, offset),
        _ => return None,
    };
    let RegisterRule::Offset(ra) = row.register(RA)? else { return None };
    let fp = match row.register(FP) {
        Some(RegisterRule::Offset(at)) => Some(at),
        _ => None,
    };
    Some(Step { from_fp, offset, ra, fp })
}

fn load(module: Module) -> Option<Loaded> {
    let bases = BaseAddresses::default().set_eh_frame_hdr(module.index.as_ptr().addr() as u64);
    let header = EhFrameHdr::new(module.index, NativeEndian);
    let index = header.parse(&bases, WORD as u8).ok()?;
    let gimli::Pointer::Direct(start) = index.eh_frame_ptr() else { return None };
    let frames = EhFrame::new(module.from(start as usize)?, NativeEndian);
    let bases = bases.set_eh_frame(start);
    Some(Loaded { memory: module.memory, index, frames, bases })
}

fn read(at: usize, stack: &Range<usize>) -> Option<usize> {
    let inside = at.is_multiple_of(WORD) && at >= stack.start && at + WORD <= stack.end;
    let word = std::ptr::with_exposed_provenance::<usize>(at);
    // SAFETY: slots are mapped for ever, and the address lies above the slot's guard and below its
    // end. A value that changes meanwhile is a wrong frame, no more.
    inside.then(|| unsafe { word.read_volatile() })
}
