//! Whether an unwind that began here would arrive: the first phase of a panic, done beforehand and
//! without doing anything.
//!
//! Walks the callers with the compiler's unwind tables and asks each function's exception table what
//! the unwinder would do at the call (`lsda.rs`). The walk ends well at the first frame that catches,
//! and badly at the first one that cannot be passed. Afterwards nothing is left to chance: the panic
//! that is raised meets the same frames.
//!
//! Runs in signal handlers: everything is allocated beforehand. What an address means is looked up
//! once; a recursion of millions of frames has a handful of them.

use super::code;
use super::expression;
use super::lsda::{Lsda, Site};
use crate::sys::image::{self, Image};
use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, EndianSlice, FrameDescriptionEntry, NativeEndian,
    Pointer, Register, RegisterRule, UnwindContext, UnwindSection,
};
use std::ops::Range;

type Slice = EndianSlice<'static, NativeEndian>;
type Fde = FrameDescriptionEntry<Slice>;

/// DWARF's numbers: rbx, rbp, rsp, r12 to r15, and the return address.
pub(super) const RBX: usize = 3;
pub(super) const RBP: usize = 6;
pub(super) const RSP: usize = 7;
pub(super) const RIP: usize = 16;
/// The registers that a function keeps for its caller.
pub(super) const KEPT: [usize; 6] = [RBX, RBP, 12, 13, 14, 15];

/// Addresses whose meaning is remembered.
const KNOWN: usize = 1024;
const WORD: usize = size_of::<usize>();

/// The registers of a frame, by DWARF's numbers.
pub(super) type Registers = [usize; 17];

/// Where an unwind would end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Catch {
    /// The stack pointer of the catching frame, at its call.
    pub(super) sp: usize,
}

/// Why an unwind would not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Frames between the innermost and the one in the way.
    pub(super) depth: usize,
    pub(super) why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// No unwind table, or one that asks for more than is done here.
    NoTable,
    /// An exception table that is not Rust's.
    Foreign,
    /// The compiler has proved that the call does not unwind.
    Proved,
    /// `extern "C"`, or a destructor during another panic.
    Barrier,
    /// The standard library is about to panic already.
    Panicking,
    /// There is no frame that catches.
    Nobody,
}

/// What tests compare: a register and the frame address from there, and the kept registers' places
/// from that.
#[cfg(test)]
pub(super) type Row = ((usize, i64), [Option<i64>; 6]);

/// A function, as its tables describe it.
#[derive(Clone, Debug)]
pub(super) struct Function {
    pub(super) code: Range<usize>,
    /// Its exception table, if it is in Rust's format.
    lsda: Option<usize>,
    /// At its first instruction the return address is on top of the stack.
    pub(super) starts_plain: bool,
    memory_end: usize,
}

impl Function {
    pub(super) fn lsda(&self) -> Option<Lsda<'static>> {
        let at = self.lsda?;
        let bytes = std::ptr::with_exposed_provenance(at);
        // SAFETY: the table lies in a loaded module, which ends at `memory_end`.
        let bytes = unsafe { std::slice::from_raw_parts(bytes, self.memory_end - at) };
        Some(Lsda::new(bytes, self.code.start))
    }
}

/// How to come from a frame to its caller, and what an unwind does on the way.
#[derive(Clone, Copy, Debug)]
struct Step {
    pc: usize,
    /// Where the function begins.
    function: usize,
    cfa: Cfa,
    /// Where the kept registers lie, from the CFA; `i32::MAX`: still in the register.
    saved: [i32; 6],
    outcome: Result<Site, Why>,
}

#[derive(Clone, Copy, Debug)]
enum Cfa {
    Register(usize, i64),
    /// An expression at this address, so many bytes.
    Expression(usize, usize),
    /// No caller.
    End,
}

const IN_PLACE: i32 = i32::MAX;

/// Answers questions about frames. Keeps what it has learned.
pub(super) struct Walker {
    context: UnwindContext<usize>,
    known: Box<[Step; KNOWN]>,
    /// The personality of Rust's functions here.
    rust: usize,
    /// The functions by which the standard library panics: they must not be left by another panic.
    machinery: Vec<usize>,
    /// A frame above which all is known to be well: its stack pointer, and where the walk ends.
    verified: Option<(usize, usize, usize)>,
}

impl Walker {
    /// `sample`: code of a function with destructors, which has Rust's personality.
    pub(super) fn new(sample: usize) -> Self {
        let none = Step {
            pc: 0,
            function: 0,
            cfa: Cfa::End,
            saved: [IN_PLACE; 6],
            outcome: Err(Why::NoTable),
        };
        let known = vec![none; KNOWN].into_boxed_slice().try_into().expect("so many");
        let mut this = Self {
            context: UnwindContext::new(),
            known,
            rust: 0,
            machinery: Vec::new(),
            verified: None,
        };
        this.rust = this.load(sample).and_then(|(_, fde, _)| personality(&fde)).unwrap_or(0);
        this
    }

    /// Calls `each` with the first instruction of every function of this program.
    #[cfg(test)]
    pub(super) fn each_function(&self, mut each: impl FnMut(usize)) {
        let image = image::at(Self::new as *const () as usize).expect("this program");
        let bases = bases(&image).expect("tables");
        let index = EhFrameHdr::new(bytes(&image.index), NativeEndian);
        let index = index.parse(&bases, WORD as u8).expect("a table");
        let table = index.table().expect("sorted");
        let mut rows = table.iter(&bases);
        while let Ok(Some((start, _))) = rows.next() {
            each(direct(start).expect("an address"));
        }
    }

    /// Where the tables say the caller's registers are, at the instruction `pc`: what the frame
    /// address is counted from, and each kept register's place from there.
    #[cfg(test)]
    pub(super) fn row(&mut self, pc: usize) -> Option<Row> {
        let step = self.learn(pc + 1);
        let Cfa::Register(register, offset) = step.cfa else { return None };
        let saved = step.saved.map(|at| (at != IN_PLACE).then_some(at.into()));
        Some(((register, offset), saved))
    }

    /// Says which functions are [`Why::Panicking`].
    pub(super) fn set_machinery(&mut self, mut functions: Vec<usize>) {
        functions.sort_unstable();
        self.machinery = functions;
        self.known.iter_mut().for_each(|step| step.pc = 0);
    }

    /// Forgets what it knows about the stack of one goroutine.
    pub(super) fn begin(&mut self) {
        self.verified = None;
    }

    /// The stack pointer has been at `sp`: frames below it are gone.
    pub(super) fn risen(&mut self, sp: usize) {
        if self.verified.is_some_and(|(firm, ..)| sp > firm) {
            self.verified = None;
        }
    }

    /// Where an unwind ends that begins at a call: `registers` are the caller's, with the address
    /// after the call as RIP and the stack pointer before it.
    pub(super) fn check(&mut self, registers: &Registers) -> Result<Catch, Refusal> {
        /// From here on a frame is remembered as good.
        const FIRM: usize = 8;
        let mut frame = *registers;
        let mut mark = None;
        for depth in 0.. {
            let (sp, pc) = (frame[RSP], frame[RIP]);
            if let Some((firm_sp, firm_pc, end)) = self.verified
                && (sp, pc) == (firm_sp, firm_pc)
            {
                return Ok(Catch { sp: end });
            }
            if depth == FIRM {
                mark = Some((sp, pc));
            }
            let step = self.step(pc);
            let refuse = |why| Err(Refusal { depth, why });
            match step.outcome {
                Ok(Site::Catch) => {
                    let firm = mark.unwrap_or((sp, pc));
                    self.verified = Some((firm.0, firm.1, sp));
                    return Ok(Catch { sp });
                }
                Ok(Site::Unlisted) => return refuse(Why::Proved),
                Ok(Site::Barrier) => return refuse(Why::Barrier),
                Ok(Site::Bare | Site::Cleanup) => {}
                Err(why) => return refuse(why),
            }
            if let Err(why) = climb(&step, &mut frame) {
                return refuse(why);
            }
        }
        unreachable!("the loop has no end")
    }

    /// Whether the function that begins at `function` is among the callers: then calling it is what
    /// the recursion consists of.
    pub(super) fn recurs(&mut self, registers: &Registers, function: usize) -> bool {
        /// The longest way round that is looked at.
        const FAR: usize = 256;
        let mut frame = *registers;
        for _ in 0..FAR {
            let step = self.step(frame[RIP]);
            if step.function == function || climb(&step, &mut frame).is_err() {
                return step.function == function;
            }
        }
        false
    }

    /// The function that `pc` is an instruction of.
    pub(super) fn function(&mut self, pc: usize) -> Option<Function> {
        let (frames, fde, image) = self.load(pc)?;
        let start = fde.initial_address() as usize;
        let (lsda, _) = self.table_of(&fde);
        let bases = bases(&image)?;
        let row =
            fde.unwind_info_for_address(&frames, &bases, &mut self.context, start as u64).ok()?;
        let plain = CfaRule::RegisterAndOffset { register: Register(RSP as u16), offset: 8 };
        Some(Function {
            code: start..start + fde.len() as usize,
            lsda,
            starts_plain: *row.cfa() == plain,
            memory_end: image.memory.end,
        })
    }

    /// What happens at the call before the return address `pc`.
    fn step(&mut self, pc: usize) -> Step {
        let at = (pc ^ (pc >> 10)) % KNOWN;
        if self.known[at].pc != pc {
            self.known[at] = self.learn(pc);
        }
        self.known[at]
    }

    fn learn(&mut self, pc: usize) -> Step {
        let refused =
            |why| Step { pc, function: 0, cfa: Cfa::End, saved: [IN_PLACE; 6], outcome: Err(why) };
        let call = pc.wrapping_sub(1);
        let Some((frames, fde, image)) = self.load(call) else { return refused(Why::NoTable) };
        let (lsda, foreign) = self.table_of(&fde);
        let Some(bases) = bases(&image) else { return refused(Why::NoTable) };
        let row = fde.unwind_info_for_address(&frames, &bases, &mut self.context, call as u64);
        let Ok(row) = row else { return refused(Why::NoTable) };
        let function = fde.initial_address() as usize;
        let mut step = refused(Why::NoTable);
        step.function = function;
        step.cfa = match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => {
                Cfa::Register(register.0.into(), *offset)
            }
            CfaRule::Expression(e) => match e.get(&frames) {
                Ok(e) => Cfa::Expression(e.0.slice().as_ptr().expose_provenance(), e.0.len()),
                Err(_) => return step,
            },
        };
        match row.register(Register(RIP as u16)) {
            Some(RegisterRule::Offset(-8)) => {}
            Some(RegisterRule::Undefined) => {
                step.cfa = Cfa::End;
                step.outcome = Err(Why::Nobody);
                return step;
            }
            _ => return step,
        }
        for (slot, register) in step.saved.iter_mut().zip(KEPT) {
            *slot = match row.register(Register(register as u16)) {
                None | Some(RegisterRule::SameValue) => IN_PLACE,
                Some(RegisterRule::Offset(at)) => at as i32,
                // An expression saves registers only where the stack was realigned, relative to
                // the frame pointer, and nothing on the way to the caller depends on them.
                Some(RegisterRule::Expression(_)) if register != RBP => IN_PLACE,
                _ => return step,
            };
        }
        step.outcome = if self.machinery.binary_search(&function).is_ok() {
            Err(Why::Panicking)
        } else if foreign {
            Err(Why::Foreign)
        } else {
            lsda.map_or(Ok(Site::Bare), |at| outcome(at, call, &fde, &image))
        };
        step
    }

    /// The exception table of a function; whether it is in a format that is not Rust's.
    fn table_of(&self, fde: &Fde) -> (Option<usize>, bool) {
        let Some(lsda) = fde.lsda().and_then(direct) else { return (None, false) };
        let rust = personality(fde).is_some_and(|p| p == self.rust && p != 0);
        if rust { (Some(lsda), false) } else { (None, true) }
    }

    fn load(&self, pc: usize) -> Option<(EhFrame<Slice>, Fde, Image)> {
        let image = image::at(pc)?;
        let bases = bases(&image)?;
        let index = EhFrameHdr::new(bytes(&image.index), NativeEndian);
        let index = index.parse(&bases, WORD as u8).ok()?;
        let start = direct(index.eh_frame_ptr())?;
        let frames = EhFrame::new(bytes(&(start..image.memory.end)), NativeEndian);
        let table = index.table()?;
        let fde = table.fde_for_address(&frames, &bases, pc as u64, EhFrame::cie_from_offset);
        let fde = fde.ok().filter(|f| f.contains(pc as u64) && !f.is_signal_trampoline())?;
        Some((frames, fde, image))
    }
}

/// What the exception table at `lsda` says of a call.
fn outcome(lsda: usize, call: usize, fde: &Fde, image: &Image) -> Result<Site, Why> {
    let function = fde.initial_address() as usize;
    match Lsda::new(bytes(&(lsda..image.memory.end)), function).site_and_pad(call) {
        // A function that may not be left runs its destructors first.
        Some((Site::Cleanup, pad)) => {
            let code = function..function + fde.len() as usize;
            let goes_on = code::resumes(&code, function + pad, &image.memory);
            Ok(if goes_on { Site::Cleanup } else { Site::Barrier })
        }
        site => site.map(|(site, _)| site).ok_or(Why::NoTable),
    }
}

/// Goes on to the caller.
fn climb(step: &Step, frame: &mut Registers) -> Result<(), Why> {
    let cfa = match step.cfa {
        Cfa::Register(r, offset) if r == RSP || r == RBP || KEPT.contains(&r) => {
            frame[r].wrapping_add_signed(offset as isize)
        }
        Cfa::Expression(at, len) => {
            let bytes = std::ptr::with_exposed_provenance(at);
            // SAFETY: the expression lies in a loaded module.
            let bytes = unsafe { std::slice::from_raw_parts(bytes, len) };
            expression::evaluate(bytes, frame).ok_or(Why::NoTable)?
        }
        Cfa::Register(..) => return Err(Why::NoTable),
        Cfa::End => return Err(Why::Nobody),
    };
    if !cfa.is_multiple_of(WORD) || cfa < 4096 {
        return Err(Why::NoTable);
    }
    // An overflow walks millions of frames: no iterators, which cost much in builds without
    // optimization.
    let mut i = 0;
    while i < KEPT.len() {
        if step.saved[i] != IN_PLACE {
            frame[KEPT[i]] = word(cfa.wrapping_add_signed(step.saved[i] as isize));
        }
        i += 1;
    }
    frame[RIP] = word(cfa - WORD);
    frame[RSP] = cfa;
    Ok(())
}

/// A word of a frame.
pub(super) fn word(at: usize) -> usize {
    let at = std::ptr::with_exposed_provenance::<usize>(at);
    // SAFETY: the unwind tables say that it lies in a live frame of the goroutine, which does not
    // run. Should they lie, the fault is not taken for an overflow.
    unsafe { at.read_volatile() }
}

fn bases(image: &Image) -> Option<BaseAddresses> {
    if image.index.is_empty() {
        return None;
    }
    let bases = BaseAddresses::default().set_eh_frame_hdr(image.index.start as u64);
    let index =
        EhFrameHdr::new(bytes(&image.index), NativeEndian).parse(&bases, WORD as u8).ok()?;
    Some(bases.set_eh_frame(direct(index.eh_frame_ptr())? as u64))
}

fn bytes(range: &Range<usize>) -> &'static [u8] {
    let start = std::ptr::with_exposed_provenance(range.start);
    // SAFETY: a range of a loaded module's read-only part: unwind tables are read to their end
    // marker, never beyond. Modules are assumed to stay.
    unsafe { std::slice::from_raw_parts(start, range.end - range.start) }
}

fn direct(pointer: Pointer) -> Option<usize> {
    match pointer {
        Pointer::Direct(at) => Some(at as usize),
        Pointer::Indirect(_) => None,
    }
}

/// The address of the personality routine, through its indirection.
fn personality(fde: &Fde) -> Option<usize> {
    Some(match fde.personality()? {
        Pointer::Direct(at) => at as usize,
        Pointer::Indirect(at) => word(at as usize),
    })
}
