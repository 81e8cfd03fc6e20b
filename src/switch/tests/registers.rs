//! Every callee-saved register on both sides of every switch: what the compiler relies on without
//! asking.

#[cfg(target_arch = "x86_64")]
use super::{Backend, Task};

/// rbx, rbp, r12 to r15.
#[cfg(target_arch = "x86_64")]
type Registers = [usize; 6];

/// Calls `f(arg)` with `input` in the callee-saved registers and dumps them to `output`.
///
/// # Safety
/// As `f` asks.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn patterned(
    f: unsafe extern "C" fn(*mut ()),
    arg: *mut (),
    input: &Registers,
    output: &mut Registers,
) {
    core::arch::naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "push rcx",
        "mov  rbx, [rdx]",
        "mov  rbp, [rdx + 8]",
        "mov  r12, [rdx + 16]",
        "mov  r13, [rdx + 24]",
        "mov  r14, [rdx + 32]",
        "mov  r15, [rdx + 40]",
        "mov  rax, rdi",
        "mov  rdi, rsi",
        "call rax",
        "pop  rcx",
        "mov  [rcx], rbx",
        "mov  [rcx + 8], rbp",
        "mov  [rcx + 16], r12",
        "mov  [rcx + 24], r13",
        "mov  [rcx + 32], r14",
        "mov  [rcx + 40], r15",
        "pop  r15",
        "pop  r14",
        "pop  r13",
        "pop  r12",
        "pop  rbx",
        "pop  rbp",
        "ret",
    )
}

/// Calls `f` with patterns made of `seed`, and checks that they are there afterwards.
#[cfg(target_arch = "x86_64")]
fn check(f: unsafe extern "C" fn(*mut ()), arg: *const (), seed: usize) {
    let input = std::array::from_fn(|i| seed.wrapping_mul(2 * i + 1));
    let mut output = [0; 6];
    // SAFETY: `f` is one of the two functions below, with a context that it may switch.
    unsafe { patterned(f, arg.cast_mut(), &input, &mut output) };
    assert_eq!(input, output);
}

/// # Safety
/// `context` is a `B` that is prepared or suspended.
#[cfg(target_arch = "x86_64")]
unsafe extern "C" fn resume<B: Backend>(context: *mut ()) {
    // SAFETY: the caller's promise.
    unsafe { (*context.cast::<B>()).resume(0) };
}

/// # Safety
/// `context` is the `B` this runs on.
#[cfg(target_arch = "x86_64")]
unsafe extern "C" fn suspend<B: Backend>(context: *mut ()) {
    // SAFETY: the caller's promise.
    unsafe { (*context.cast::<B>()).suspend(0) };
}

/// Other patterns for the resumer and for the context, at each of a hundred switches.
#[cfg(target_arch = "x86_64")]
pub(super) fn callee_saved_registers_survive<B: Backend>() {
    let task = Task::<B>::new(|context, _| {
        for round in 0..100 {
            check(suspend::<B>, (&raw const *context).cast(), 0x0123_4567_89ab + round);
        }
        0
    });
    for round in 0..101 {
        check(resume::<B>, (&raw const task.context).cast(), 0xfedc_ba98_7654 + round);
    }
}

/// On the other CPUs the drivers of `tests/arch` fill the registers; here it is live values.
#[cfg(not(target_arch = "x86_64"))]
pub(super) use super::live_values_survive as callee_saved_registers_survive;
