//! What to do with a stack that has ended: where to panic, when to let go on, when to give up.

use super::code::{self, Call};
use super::frames::{self, Catch, Function, Refusal, Registers, Walker, Why};
use super::raise::HANDS;
use super::rollback::{self, Analysis};
use crate::g::{GRef, Strain};
use crate::sched::current::current;
use crate::stack::Slot;
use crate::switch::inject;
use crate::sys::fault::{self, Interrupted};
use crate::sys::image;
use crate::sys::lock::Lock;
use crate::sys::mem::PAGE;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

/// Steps after which stepping ends, until the next page: a step costs some microseconds.
const PATIENT: u32 = 40_000;
/// A frame in the way that is further out than this will not be gone soon.
const NEAR: usize = 24;

/// What a decision needs, allocated beforehand.
struct Expert {
    walker: Walker,
    analysis: Analysis,
    /// Modules in which no panic begins.
    system: Vec<Range<usize>>,
    /// The module that was asked about last.
    image: Range<usize>,
}

static EXPERT: OnceLock<Lock<Expert>> = OnceLock::new();
/// The thread that consults the expert: a fault of its own is not an overflow.
static BUSY: AtomicU32 = AtomicU32::new(0);

/// A place where the panic could be raised.
struct Point {
    /// The caller's registers, by their number in the instruction set, and where it goes on.
    registers: [usize; 16],
    next: usize,
    /// The return address has to be written.
    push: bool,
    /// The function that will not run.
    callee: Option<Function>,
}

/// Sets everything up.
pub(super) fn prepare() {
    inject::prepare(HANDS);
    EXPERT.get_or_init(|| {
        let mut walker = Walker::new(sample as *const () as usize);
        let machinery = machinery(&mut walker);
        walker.set_machinery(machinery);
        let mut analysis = Analysis::new();
        // What is built lazily is built now.
        let _ = code::plan(&mut walker, &mut analysis, sample as *const () as usize + 4);
        let system = image::system();
        Lock::new(Expert { walker, analysis, system, image: 0..0 })
    });
    fault::on_traps(on_trap);
}

/// A panic that asks which functions panic.
pub(super) struct Probe(Arc<Lock<Vec<usize>>>);

impl Probe {
    /// Called by the hook: notes the return addresses between here and the function that panicked.
    pub(super) fn answer(&self) {
        let start = ask as *const () as usize;
        let mut calls = self.0.lock();
        backtrace::trace(|frame| {
            calls.push(frame.ip().addr());
            frame.symbol_address().addr() != start
        });
        calls.pop();
    }
}

#[inline(never)]
fn ask(probe: Probe) {
    std::panic::panic_any(probe);
}

/// Functions of the standard library that panic: a panic that begins in one of them would be taken
/// for a part of the one under way.
fn machinery(walker: &mut Walker) -> Vec<usize> {
    let calls = Arc::new(Lock::new(Vec::new()));
    if !cfg!(panic = "abort") {
        let probe = Probe(Arc::clone(&calls));
        let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ask(probe)));
        debug_assert!(end.is_err());
    }
    let calls = std::mem::take(&mut *calls.lock());
    let mut all: Vec<usize> =
        calls.iter().filter_map(|c| walker.function(c - 1)).map(|f| f.code.start).collect();
    // The way of a panic that goes on.
    let again: fn(Box<dyn std::any::Any + Send>) -> ! = std::panic::resume_unwind;
    if let Some(f) = walker.function(again as *const () as usize) {
        all.extend(code::callees(&f));
        all.push(f.code.start);
    }
    all
}

/// A function with a destructor, whose exception table is Rust's.
#[inline(never)]
fn sample(f: fn()) -> Box<u64> {
    let owned = Box::new(7);
    f();
    owned
}

/// Runs `f` with the expert; `None` in a fault of the expert's own.
fn consult<R>(f: impl FnOnce(&mut Expert) -> R) -> Option<R> {
    let me = crate::sys::thread::id();
    if BUSY.load(Ordering::Relaxed) == me {
        return None;
    }
    let mut expert = EXPERT.get()?.lock();
    BUSY.store(me, Ordering::Relaxed);
    let r = f(&mut expert);
    BUSY.store(0, Ordering::Relaxed);
    Some(r)
}

/// A goroutine's stack has ended. `None`: report it; `Some(false)`: it is no overflow after all.
pub(super) fn deal(at: &mut Interrupted<'_>, addr: usize, g: GRef, slot: Slot) -> Option<bool> {
    let strain = g.strain();
    if cfg!(panic = "abort") || crate::sched::boot::settings().overflow_is_fatal {
        return None;
    }
    let begun = consult(|e| {
        e.walker.begin();
        e.decide(at, addr, strain, false)
    });
    let mut verdict = begun?;
    let lowest = addr.min(at.sp());
    if matches!(verdict, Verdict::GoOn { step } if !reaches(lowest, slot, step)) {
        // There is no room to be choosy.
        verdict = consult(|e| e.decide(at, addr, strain, true))?;
    }
    let dealt = match verdict {
        Verdict::Panic(point) => raise(at, &point, g, slot),
        Verdict::GoOn { step } => reaches(lowest, slot, step) && go_on(at, addr, g, slot, step),
        Verdict::GiveUp => false,
    };
    dealt.then_some(true)
}

enum Verdict {
    Panic(Point),
    /// Not here; whether it is worth to look at what comes next, or a panic is under way already,
    /// which the whole reserve is for.
    GoOn {
        step: bool,
    },
    GiveUp,
}

/// Whether the code that runs is the runtime's own, inside the lease: it ends soon.
fn inside() -> bool {
    current().is_some_and(|m| m.is_inside())
}

impl Expert {
    fn decide(
        &mut self,
        at: &mut Interrupted<'_>,
        addr: usize,
        strain: &Strain,
        hurry: bool,
    ) -> Verdict {
        let (registers, pc) = (at.registers(), at.pc());
        if strain.hooks.get() > 0 {
            return Verdict::GoOn { step: false };
        }
        if inside() || self.is_system(pc) {
            return Verdict::GoOn { step: true };
        }
        let memory = self.image_of(pc);
        let call =
            code::call_at(pc, &registers, &memory).filter(|_| code::pushes_at(&registers, addr));
        let point = match call {
            Some(call) => self.point_of_call(call, registers, &memory),
            None => self.point_of_entry(pc, &registers),
        };
        let Some(point) = point else { return Verdict::GoOn { step: true } };
        self.judge(point, strain, hurry)
    }

    /// Whether the panic is raised at this place.
    fn judge(&mut self, point: Point, strain: &Strain, hurry: bool) -> Verdict {
        let registers = dwarf(&point);
        let checked = self.walker.check(&registers);
        let callee = point.callee.as_ref().map(|f| f.code.start);
        let recurs = callee.is_some_and(|start| self.walker.recurs(&registers, start));
        match checked {
            Ok(Catch { sp }) => {
                strain.catch.set(sp);
                if hurry || recurs {
                    return Verdict::Panic(point);
                }
                Verdict::GoOn { step: strain.unwinding.get() == 0 }
            }
            Err(Refusal { why: Why::Panicking, .. }) => Verdict::GoOn { step: false },
            // The recursion itself cannot be unwound, or what is in the way will not be gone soon.
            Err(Refusal { depth, .. }) if recurs || depth >= NEAR => Verdict::GiveUp,
            Err(_) => Verdict::GoOn { step: strain.unwinding.get() == 0 },
        }
    }

    /// A call that has not pushed its return address.
    fn point_of_call(
        &mut self,
        call: Call,
        registers: [usize; 16],
        memory: &Range<usize>,
    ) -> Option<Point> {
        let target = code::through_stub(call.target, memory);
        if self.is_system(target) {
            return None;
        }
        let callee = self.walker.function(target);
        // A call into the middle of a function is no call.
        let callee = match callee {
            Some(f) if f.code.start != target && f.code.contains(&call.next) => return None,
            other => other,
        };
        Some(Point { registers, next: call.next, push: true, callee })
    }

    /// The beginning of a function.
    fn point_of_entry(&mut self, pc: usize, registers: &[usize; 16]) -> Option<Point> {
        let (f, plan) = code::plan(&mut self.walker, &mut self.analysis, pc)?;
        let entry = plan.undo(registers, frames::word);
        let next = frames::word(entry[rollback::RSP]);
        let mut registers = entry;
        registers[rollback::RSP] += 8;
        Some(Point { registers, next, push: false, callee: Some(f) })
    }

    fn is_system(&self, pc: usize) -> bool {
        self.system.iter().any(|m| m.contains(&pc))
    }

    fn image_of(&mut self, pc: usize) -> Range<usize> {
        if !self.image.contains(&pc) {
            self.image = image::at(pc).map_or(0..0, |i| i.memory);
        }
        self.image.clone()
    }
}

/// The registers as the unwinder numbers them.
fn dwarf(point: &Point) -> Registers {
    let mut all = Registers::default();
    for (from, to) in rollback::KEPT.into_iter().zip(frames::KEPT) {
        all[to] = point.registers[from];
    }
    all[frames::RSP] = point.registers[rollback::RSP];
    all[frames::RIP] = point.next;
    all
}

/// Opens as much of the reserve as a panic needs to begin with, and goes on in the function that
/// panics.
fn raise(at: &mut Interrupted<'_>, point: &Point, g: GRef, slot: Slot) -> bool {
    let floor = slot.limit - slot.reserve();
    let mut registers = point.registers;
    registers[rollback::RSP] -= 8;
    let sp = registers[rollback::RSP];
    let to = floor.max((sp - quarter(slot)) & !(PAGE - 1));
    if sp < floor + quarter(slot) || !g.open_reserve(slot, to) {
        return false;
    }
    if point.push {
        let top = std::ptr::with_exposed_provenance_mut::<usize>(sp);
        // SAFETY: the place below the caller's frame, where its call would have pushed; open now.
        unsafe { top.write(point.next) };
    }
    g.strain().relax();
    g.strain().unwinding.update(|n| n + 1);
    at.set_registers(&registers);
    at.call(inject::entry());
    at.step(false);
    true
}

/// A quarter of the reserve: what a panic must find at least.
fn quarter(slot: Slot) -> usize {
    (slot.reserve() / 4) & !(PAGE - 1)
}

/// What stays open below a catching frame: room for what ends a panic, and begins the next.
fn keep(slot: Slot) -> usize {
    (slot.reserve() / 16).max(8 << 10)
}

/// Whether the code may use the reserve down to `addr` without a panic.
fn reaches(addr: usize, slot: Slot, step: bool) -> bool {
    let most = if step { 2 * quarter(slot) } else { slot.reserve() };
    addr >= slot.limit - most
}

/// Gives the code the page it wants, and watches what it does with it.
///
/// Stepping begins when some pages are used up: as a rule the recursion itself comes to the end of
/// the page that was opened for something else.
fn go_on(at: &mut Interrupted<'_>, addr: usize, g: GRef, slot: Slot, step: bool) -> bool {
    let step = step && addr < slot.limit - quarter(slot) / 2;
    let opened = g.open_reserve(slot, addr & !(PAGE - 1));
    g.strain().steps.set(0);
    watch_steps(at, g.strain(), step);
    opened
}

fn watch_steps(at: &mut Interrupted<'_>, strain: &Strain, wanted: bool) {
    let on = wanted && strain.steps.get() < PATIENT;
    if on {
        fault::take_traps();
    }
    strain.stepping.set(on);
    at.step(on);
}

/// Closes the reserve again, as far as the frame at `sp`, the lowest in use, can do without it.
pub(super) fn close(g: GRef, slot: Slot, sp: usize) {
    g.close_reserve(slot, sp - keep(slot));
}

/// In the handler of SIGTRAP: whether the step was ours.
fn on_trap(at: &mut Interrupted<'_>, _: usize) -> bool {
    // On a plain thread nobody of ours steps.
    let Some(m) = current() else { return false };
    match m.curg().and_then(|g| g.strain.get().map(|strain| (g, strain))) {
        Some((g, strain)) if strain.stepping.get() => step(at, g, strain),
        // Back on a thread, perhaps another one.
        Some((_, strain)) if strain.postponed.take() => watch_steps(at, strain, true),
        // The one that stepped has ended, or has left this thread.
        _ => at.step(false),
    }
    true
}

fn step(at: &mut Interrupted<'_>, g: GRef, strain: &Strain) {
    let slot = g.stack();
    let sp = at.sp();
    strain.steps.set(strain.steps.get() + 1);
    if !(slot.base..slot.top).contains(&sp) {
        // Left its stack: it parks.
        strain.stepping.set(false);
        strain.postponed.set(true);
        return at.step(false);
    }
    if strain.steps.get() > PATIENT {
        strain.stepping.set(false);
        if sp > slot.limit + quarter(slot) {
            // It has come out of the reserve, and calls nothing.
            close(g, slot, sp);
            strain.relax();
        }
        return at.step(false);
    }
    let verdict = consult(|e| e.at_step(at, strain)).unwrap_or(Verdict::GiveUp);
    match verdict {
        Verdict::Panic(point) => {
            raise(at, &point, g, slot);
        }
        Verdict::GoOn { step } => at.step(step),
        Verdict::GiveUp => super::report::fatal(g, slot, at),
    }
}

impl Expert {
    /// Between two instructions: is the next one a call to panic at?
    fn at_step(&mut self, at: &mut Interrupted<'_>, strain: &Strain) -> Verdict {
        self.walker.risen(at.sp());
        let (registers, pc) = (at.registers(), at.pc());
        if inside() || self.is_system(pc) {
            return Verdict::GoOn { step: true };
        }
        let memory = self.image_of(pc);
        let call = code::call_at(pc, &registers, &memory);
        match call.and_then(|call| self.point_of_call(call, registers, &memory)) {
            Some(point) => self.judge(point, strain, false),
            None => Verdict::GoOn { step: true },
        }
    }
}
