# Context switching for x86-64, System V ABI, ELF.
#
# Taken into the crate by global_asm!(.., options(raw)); also a file of its own for the GNU
# assembler. arch/README.md has the contract all CPUs share.
#
# A context is memory of the following shape (src/switch/native.rs asserts the offsets). Whoever
# is NOT running has its registers there: while the context is suspended they are the context's,
# while it runs they are its resumer's. A switch exchanges the two, so it is the same thing in
# both directions, and it writes to neither stack.
#
#        0   8  16  24  32    40
#       +---+---+---+---+-----+---+
#       |rsp|rip|rbp|rbx|limit|top|
#       +---+---+---+---+-----+---+
#
# At a switch the rest of the machine state is as follows.
#
#       rdi        the word handed over
#       rsi        the context
#       rip        what the target saved; it starts with endbr64, as it is reached by a jump
#       MXCSR, x87 control word, DF, AC: untouched. They belong to the OS thread.
#       all others dead: the target declared them clobbered, or restores them itself
#
# Why a jump and not call and return: a switch then leaves the CPU's return-address predictor
# alone, so that the frames the goroutine returns through next are still predicted.

        .intel_syntax noprefix
        .text

        .set    CTX_SP, 0
        .set    CTX_PC, 8
        .set    CTX_FP, 16
        .set    CTX_BX, 24

# void gort_entry(void)                                        [reached by the first switch only]
#
# The outermost frame of a context. gort prepares rsp = top, rip = gort_entry, rbx = entry and
# rbp = arg, so the first switch arrives here with
#
#       rdi        word            rbx        size_t (*entry)(void *arg, size_t word)
#       rsi        context         rbp        arg
#
#       top  ->  +----------------+  16-aligned; rsp on arrival and at the call
#                | return address |  into gort_entry: the last one an unwinder finds
#                +----------------+
#                | entry's frame  |
#
# There is no caller: rip is undefined for unwinders and rbp is zero for walkers of frame
# pointers, at every instruction. entry must not unwind.
        .p2align 4
        .globl  gort_entry
        .hidden gort_entry
        .type   gort_entry, @function
gort_entry:
        .cfi_startproc
        .cfi_def_cfa rsp, 0
        .cfi_undefined rip
        .cfi_undefined rbp
        endbr64                         # reached by an indirect jump
        mov     rax, rbx
        mov     rbx, rsi                # callee-saved: the context outlives entry
        mov     rsi, rdi                # word
        mov     rdi, rbp                # arg
        xor     ebp, ebp                # ends the frame-pointer chain
        call    rax
        # entry has returned its last word: give the resumer its registers back, for good.
        mov     rdi, rax
        mov     rsi, rbx
        mov     rcx, [rsi + CTX_PC]
        mov     rsp, [rsi + CTX_SP]
        mov     rbp, [rsi + CTX_FP]
        mov     rbx, [rsi + CTX_BX]
        lea     rax, [rip + gort_finished]
        mov     [rsi + CTX_PC], rax     # whoever resumes a finished context stops there,
        mov     qword ptr [rsi + CTX_SP], 0     # and saved() sees that there are no frames
        jmp     rcx
        .cfi_endproc
        .size   gort_entry, . - gort_entry

# A finished context is suspended here, without a stack. To resume one is a bug of ours.
        .p2align 4
        .type   gort_finished, @function
gort_finished:
        .cfi_startproc
        .cfi_undefined rip
        endbr64
        ud2
        .cfi_endproc
        .size   gort_finished, . - gort_finished

# size_t gort_outermost(void *arg, size_t word, size_t (*entry)(void *arg, size_t word))
#
#       rdi        arg             rsi        word            rdx        entry
#       rax        entry's result
#
# Calls entry as if nobody had called this routine: the end of the backtrace for a backend whose
# own first frame leads on to the resumer.
#
#                | return address |  rsp on arrival
#                +----------------+
#                | caller's rbp   |  rsp at the call: 16-aligned
#                +----------------+
#                | entry's frame  |
        .p2align 4
        .globl  gort_outermost
        .hidden gort_outermost
        .type   gort_outermost, @function
gort_outermost:
        .cfi_startproc
        endbr64
        push    rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbp, 0
        .cfi_remember_state
        .cfi_undefined rip              # from here on there is no caller
        xor     ebp, ebp
        call    rdx
        .cfi_restore_state              # and from here on there is one again
        pop     rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbp
        ret
        .cfi_endproc
        .size   gort_outermost, . - gort_outermost
