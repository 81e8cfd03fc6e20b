//! A call that the interrupted code did not make: the frame a signal handler puts on a stack so that
//! the code goes on in a function that panics.
//!
//! Two frames, both ordinary ones to an unwinder:
//!
//! * `gort_injected` is where the handler lets the thread go on, with the stack as a call leaves it.
//!   It calls `raise`, which panics. An unwind that comes back into it is stopped by a personality of
//!   its own and handed, with its exception, to `unwinding`.
//! * `gort_settled` is a frame put where the callee of the catching function was, after all frames
//!   below have been unwound. It calls `settled` and then lets the unwind go on into its caller.
//!
//! x86-64 only, as the overflow panic is.

use core::arch::global_asm;
use core::ffi::c_void;
use core::mem::offset_of;

/// What the unwinder passes around: Itanium's `_Unwind_Exception`. The body is the language's.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Exception {
    class: u64,
    cleanup: usize,
    /// Of the unwinder: 0, or the stop function of a forced unwind.
    pub(crate) private_1: usize,
    /// Of the unwinder: the stack pointer of the catching frame, or the stop function's argument.
    pub(crate) private_2: usize,
}

/// The unwinder's view of a frame.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Frame {
    _opaque: [u8; 0],
}

/// Decides about each frame of a forced unwind: Itanium's `_Unwind_Stop_Fn`.
pub(crate) type Stop = unsafe extern "C-unwind" fn(
    version: i32,
    actions: i32,
    class: u64,
    exception: *mut Exception,
    frame: *mut Frame,
    argument: *mut c_void,
) -> i32;

/// Three functions of whoever injects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hands {
    /// Panics.
    pub(crate) raise: extern "C-unwind" fn() -> !,
    /// An unwind has left `raise`.
    pub(crate) unwinding: unsafe extern "C-unwind" fn(*mut Exception) -> !,
    /// All frames up to the catching one have been unwound.
    pub(crate) settled: unsafe extern "C-unwind" fn(*mut Exception, *mut c_void),
}

static HANDS: std::sync::OnceLock<Hands> = std::sync::OnceLock::new();

/// Itanium's `_URC_INSTALL_CONTEXT`, `_URC_CONTINUE_UNWIND`; `_UA_SEARCH_PHASE`.
const INSTALL: i32 = 7;
const CONTINUE: i32 = 8;
const SEARCHING: i32 = 1;
/// rax, and DWARF's numbers of the registers a function keeps for its caller.
const RAX: i32 = 0;
const KEPT: [i32; 6] = [3, 6, 12, 13, 14, 15];

unsafe extern "C-unwind" {
    fn _Unwind_ForcedUnwind(exception: *mut Exception, stop: Stop, argument: *mut c_void) -> i32;
    fn _Unwind_GetCFA(frame: *mut Frame) -> usize;
    fn _Unwind_GetGR(frame: *mut Frame, register: i32) -> usize;
    fn _Unwind_GetIP(frame: *mut Frame) -> usize;
    fn _Unwind_SetGR(frame: *mut Frame, register: i32, value: usize);
    fn _Unwind_SetIP(frame: *mut Frame, value: usize);
    fn _Unwind_Resume();
    fn gort_injected();
    fn gort_injected_pad();
    fn gort_settle(at: *const Settle) -> !;
}

/// Says which functions the injected frames call. The first call counts.
pub(crate) fn prepare(hands: Hands) {
    HANDS.get_or_init(|| hands);
}

/// Where a cleanup goes when it is done.
pub(crate) fn resume() -> usize {
    _Unwind_Resume as *const () as usize
}

/// Where the thread is to go on, with the stack as a call leaves it.
pub(crate) fn entry() -> usize {
    gort_injected as *const () as usize
}

/// Goes on with an unwind, asking `stop` at each frame from the caller's caller on.
///
/// # Safety
/// The exception is under way and the caller is `Hands::unwinding`.
pub(crate) unsafe fn force(exception: *mut Exception, stop: Stop, argument: *mut c_void) {
    // SAFETY: the caller's promise; returns only if the unwinder cannot go on.
    unsafe { _Unwind_ForcedUnwind(exception, stop, argument) };
}

/// The stack pointer of a frame at its call.
///
/// # Safety
/// The unwinder has passed `frame` to the caller.
pub(crate) unsafe fn stack_pointer(frame: *mut Frame) -> usize {
    // SAFETY: the caller's promise.
    unsafe { _Unwind_GetCFA(frame) }
}

/// Leaves the unwinder and everything below `frame`; goes on as if `frame` had called a function that
/// calls `Hands::settled` and then resumes the unwind.
///
/// # Safety
/// Called by the stop function with what the unwinder gave it; what lies below `frame` has been
/// unwound.
pub(crate) unsafe fn settle(
    frame: *mut Frame,
    exception: *mut Exception,
    argument: *mut c_void,
) -> ! {
    let register = |r| {
        // SAFETY: the caller's promise; every frame has these registers.
        unsafe { _Unwind_GetGR(frame, r) }
    };
    let at = Settle {
        kept: KEPT.map(register),
        // SAFETY: as above.
        sp: unsafe { _Unwind_GetCFA(frame) },
        // SAFETY: as above.
        pc: unsafe { _Unwind_GetIP(frame) },
        exception,
        argument,
    };
    // SAFETY: these are the registers of a frame that waits for its callee to return or to unwind.
    unsafe { gort_settle(&raw const at) }
}

/// What `gort_settle` loads.
#[repr(C)]
struct Settle {
    kept: [usize; 6],
    sp: usize,
    pc: usize,
    exception: *mut Exception,
    argument: *mut c_void,
}

const _: () = assert!(offset_of!(Settle, sp) == 48 && offset_of!(Settle, argument) == 72);

/// The personality of `gort_injected`: passes over it while a catching frame is searched, stops there
/// when the unwind comes from `raise`, and lets it go when it comes from `unwinding`.
///
/// # Safety
/// Called by the unwinder with what it passes to personalities.
unsafe extern "C" fn personality(
    _version: i32,
    actions: i32,
    _class: u64,
    exception: *mut Exception,
    frame: *mut Frame,
) -> i32 {
    let pad = gort_injected_pad as *const () as usize;
    // SAFETY: the unwinder passes a valid frame.
    if actions & SEARCHING != 0 || unsafe { _Unwind_GetIP(frame) } > pad {
        return CONTINUE;
    }
    // SAFETY: as above; the pad takes the exception in rax.
    unsafe {
        _Unwind_SetGR(frame, RAX, exception.expose_provenance());
        _Unwind_SetIP(frame, pad);
    }
    INSTALL
}

extern "C-unwind" fn raise() -> ! {
    (HANDS.get().expect("prepared before anything is injected").raise)()
}

/// # Safety
/// Called by `gort_injected` with the exception that came there.
unsafe extern "C-unwind" fn unwinding(exception: *mut Exception) -> ! {
    let hands = HANDS.get().expect("as above");
    // SAFETY: called by the pad, with the exception that came there.
    unsafe { (hands.unwinding)(exception) }
}

/// # Safety
/// Called by `gort_settled` with what `settle` was given.
unsafe extern "C-unwind" fn settled(exception: *mut Exception, argument: *mut c_void) {
    let hands = HANDS.get().expect("as above");
    // SAFETY: called by `gort_settled` with what `settle` was given.
    unsafe { (hands.settled)(exception, argument) }
}

// gort_injected                                                            [not for calling]
//
//        | return address |  rsp on arrival: of the call that was not made, or of a function taken
//        +----------------+  back to its entry
//        | caller's rbp   |  <- rbp
//        +----------------+
//        | 0 or 8 bytes   |  rsp at the calls: 16-aligned
//
// All registers that a function keeps for its caller are as at a call; the flags as the ABI asks.
//
// gort_settle(const struct Settle *at)
//
//       rdi        at
//
// Loads the registers of a frame, pushes its pc as a return address, and is gort_settled then:
//
//        | frame          |  rsp of the frame at its call, 16-aligned
//        +----------------+
//        | return address |  the frame's pc
//        +----------------+
//        | exception      |  rsp at the calls: 16-aligned
//
// Signal handlers may write below rsp at any moment: all is in registers before rsp moves up.
global_asm!(
    "
        .section .text.gort_injected, \"ax\", @progbits
        .p2align 4
        .globl  gort_injected
        .hidden gort_injected
        .type   gort_injected, @function
gort_injected:
        .cfi_startproc
        .cfi_personality 0x1b, gort_injected_personality
        endbr64
        push    rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbp, 0
        mov     rbp, rsp
        .cfi_def_cfa_register rbp
        and     rsp, -16
        call    {raise}
        ud2
        .globl  gort_injected_pad
        .hidden gort_injected_pad
        .type   gort_injected_pad, @function
gort_injected_pad:
        mov     rdi, rax
        call    {unwinding}
        ud2
        .cfi_endproc
        .size   gort_injected, . - gort_injected
        .size   gort_injected_pad, . - gort_injected_pad

gort_injected_personality:
        .cfi_startproc
        jmp     {personality}
        .cfi_endproc

        .globl  gort_settle
        .hidden gort_settle
        .type   gort_settle, @function
gort_settle:
        .cfi_startproc
        .cfi_undefined rip
        endbr64
        mov     rbx, [rdi]
        mov     rbp, [rdi + 8]
        mov     r12, [rdi + 16]
        mov     r13, [rdi + 24]
        mov     r14, [rdi + 32]
        mov     r15, [rdi + 40]
        mov     rcx, [rdi + 48]
        mov     rax, [rdi + 56]
        mov     rsi, [rdi + 72]
        mov     rdi, [rdi + 64]
        mov     rsp, rcx
        push    rax
        .cfi_endproc
        .size   gort_settle, . - gort_settle
        .type   gort_settled, @function
gort_settled:
        .cfi_startproc
        push    rdi
        .cfi_adjust_cfa_offset 8
        call    {settled}
        mov     rdi, [rsp]
        call    {resume}
        ud2
        .cfi_endproc
        .size   gort_settled, . - gort_settled
        .text
    ",
    raise = sym raise,
    unwinding = sym unwinding,
    personality = sym personality,
    settled = sym settled,
    resume = sym _Unwind_Resume,
);
