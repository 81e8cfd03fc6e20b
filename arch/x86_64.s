# Context switching for x86-64: System V ABI, ELF. arch/README.md has the contract of all CPUs.
#
# A context is memory of this shape (src/switch/native.rs asserts the offsets). The registers in
# it are those of the side that is NOT running: the context's while it is suspended, its resumer's
# while it runs. A switch exchanges them, so it is one routine for both directions.
#
#         0     8    16    24      32    ..
#       +-----+-----+-----+-----+--------+--
#       | rsp | rip | rbp | rbx | shadow |
#       +-----+-----+-----+-----+--------+--
#
# shadow is 0, or where CET is on, the address of the restore token of that side's shadow stack.
#
# What a switch takes across, and the only thing a target may rely on:
#
#       rdi        the word handed over           rsp, rbp, rbx   its own
#       rsi        the context                    rip             its own, at an endbr64
#
#       MXCSR, the x87 control word, DF and AC stay as they are: they belong to the OS thread.
#       Everything else is dead. Who needs it keeps it: gort_switch for C, the compiler for the
#       switch that is written out at its call sites (src/switch/native.rs).
#
# It goes on by a jump, not by a return: the return-address predictor then still knows the frames
# the goroutine is about to return through.

        .intel_syntax noprefix

        .set    CTX_SP, 0
        .set    CTX_PC, 8
        .set    CTX_FP, 16
        .set    CTX_BX, 24
        .set    CTX_SHADOW, 32

# Leaves this side's shadow stack for the one in the context, which takes this one in exchange.
#
#       rstorssp   makes the target's token the top of the shadow stack in use,
#       saveprevssp puts a token on top of the one just left: 8 below where it stood.
        .macro  exchange_shadow_stacks
        rdsspq  rax
        sub     rax, 8
        mov     rdx, [rsi + CTX_SHADOW]
        mov     [rsi + CTX_SHADOW], rax
        rstorssp [rdx]
        saveprevssp
        .endm

# size_t gort_switch(size_t word, struct gort_context *context)
#
#       rdi        word            rax        the word of the switch that comes back
#       rsi        context
#
#                | return address |  rsp on arrival
#                +----------------+
#                | r12            |  +24
#                | r13            |  +16
#                | r14            |  +8
#                | r15            |  rsp in the context while this side is away
#                +----------------+
#
# The switch for callers that keep to the C ABI. From the exchange of rsp on the frame is the
# other side's, and the unwind information says so: the caller is then whatever rip, in rcx, names.
        .section .text.gort_switch, "ax", @progbits
        .p2align 4
        .globl  gort_switch
        .hidden gort_switch
        .type   gort_switch, @function
gort_switch:
        .cfi_startproc
        endbr64
        push    r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r12, 0
        push    r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r13, 0
        push    r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r14, 0
        push    r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r15, 0
        .cfi_remember_state
        lea     rax, [rip + gort_switched]
        mov     rcx, [rsi + CTX_PC]
        mov     [rsi + CTX_PC], rax
        mov     rax, [rsi + CTX_BX]
        mov     [rsi + CTX_BX], rbx
        mov     rbx, rax
        .cfi_escape 0x10, 3, 2, 0x74, CTX_BX    # rbx is at [rsi + CTX_BX]
        mov     rax, [rsi + CTX_FP]
        mov     rdx, [rsi + CTX_SP]
        mov     [rsi + CTX_FP], rbp
        mov     [rsi + CTX_SP], rsp
        mov     rbp, rax
        .cfi_escape 0x10, 6, 2, 0x74, CTX_FP    # rbp is at [rsi + CTX_FP]
        mov     rsp, rdx
        .cfi_def_cfa rsp, 0                     # the target, as if it had jumped here
        .cfi_register rip, rcx
        .cfi_same_value rbx
        .cfi_same_value rbp
        .cfi_same_value r12
        .cfi_same_value r13
        .cfi_same_value r14
        .cfi_same_value r15
        cmp     qword ptr [rsi + CTX_SHADOW], 0
        jne     1f
        jmp     rcx
1:      exchange_shadow_stacks
        jmp     rcx
        .cfi_restore_state
        int3                            # unwinders look at the byte before an address
gort_switched:
        endbr64                         # reached by an indirect jump
        pop     r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore r15
        pop     r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore r14
        pop     r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore r13
        pop     r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore r12
        mov     rax, rdi
        ret
        .cfi_endproc
        .size   gort_switch, . - gort_switch

# void gort_entry(void)                                                  [not for calling]
#
# Where a prepared context begins, and its outermost frame. Prepared means rsp = top,
# rip = gort_entry, rbx = entry, rbp = arg; so the first switch arrives here with
#
#       rdi        word            rbx        size_t (*entry)(void *arg, size_t word)
#       rsi        context         rbp        arg
#
#       top  ->  +----------------+  rsp on arrival and at the call: 16-aligned
#                | return address |  into gort_entry: the last one there is
#                +----------------+
#                | entry's frame  |
#
# Nobody called: unwinders are told so, and walkers of frame pointers find zero. entry must not
# unwind. Its result goes to the resumer as the last word, and the context is finished: it has
# no stack, and who resumes it stops at gort_finished.
        .section .text.gort_entry, "ax", @progbits
        .p2align 4
        .globl  gort_entry
        .hidden gort_entry
        .type   gort_entry, @function
        .type   gort_start, @function
gort_start:
        .cfi_startproc
        .cfi_def_cfa rsp, 0
        .cfi_undefined rip
        int3                            # unwinders look at the byte before an address
gort_entry:
        endbr64                         # reached by an indirect jump
        mov     rax, rbx
        mov     rbx, rsi                # the context, kept over the call
        mov     rsi, rdi
        mov     rdi, rbp
        xor     ebp, ebp
        call    rax
        mov     rdi, rax
        mov     rsi, rbx
        cmp     qword ptr [rsi + CTX_SHADOW], 0
        je      1f
        exchange_shadow_stacks
1:      lea     rax, [rip + gort_finished]
        mov     rcx, [rsi + CTX_PC]
        mov     [rsi + CTX_PC], rax
        mov     rbx, [rsi + CTX_BX]
        mov     rbp, [rsi + CTX_FP]
        mov     rsp, [rsi + CTX_SP]
        .cfi_register rip, rcx          # the resumer has its frame back
        mov     qword ptr [rsi + CTX_SP], 0
        jmp     rcx
        .cfi_undefined rip
        int3
gort_finished:
        endbr64
        ud2                             # a finished context was resumed
        .cfi_endproc
        .size   gort_start, . - gort_start
        .size   gort_entry, . - gort_entry

# size_t gort_outermost(void *arg, size_t word, size_t (*entry)(void *arg, size_t word))
#
#       rdi        arg             rax        entry's result
#       rsi        word
#       rdx        entry
#
#                | return address |  rsp on arrival
#                +----------------+
#                | caller's rbp   |  rsp at the call: 16-aligned
#                +----------------+
#                | entry's frame  |
#
# Calls entry as if nobody had called this: ends the backtrace for a backend whose own first frame
# leads on to the resumer. entry must not unwind.
        .section .text.gort_outermost, "ax", @progbits
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
        .cfi_undefined rip              # from here on nobody called
        xor     ebp, ebp
        call    rdx
        .cfi_restore_state              # and from here on somebody did
        pop     rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbp
        ret
        .cfi_endproc
        .size   gort_outermost, . - gort_outermost

# size_t gort_call_on(size_t top, size_t (*f)(...), const size_t *args, size_t count)
#
#       rdi        top             rax        f's result
#       rsi        f
#       rdx        args
#       rcx        count
#
# Calls f(args[0], .., args[count - 1]) on the stack that ends at top, 16-aligned. All arguments
# are copied to that stack, and the first six popped into their registers: what is left lies
# where the ABI wants it.
#
#       this stack                           the other one
#       | return address |                   top ->  +----------------+
#       +----------------+                           | args[count-1]  |  one word of padding above
#       | caller's rbp   |  <- rbp                   | ..             |  if count is odd
#       +----------------+                           | args[6]        |  rsp at the call
#                                                    | args[5] .. [0] |  popped
#
# Unwinding and walking frame pointers both go on into the caller: f may unwind.
        .section .text.gort_call_on, "ax", @progbits
        .p2align 4
        .globl  gort_call_on
        .hidden gort_call_on
        .type   gort_call_on, @function
gort_call_on:
        .cfi_startproc
        endbr64
        push    rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbp, 0
        mov     rbp, rsp
        .cfi_def_cfa_register rbp
        mov     r10, rsi
        lea     rax, [rcx + 1]
        and     rax, -2                 # an even number of words keeps rsp 16-aligned,
        mov     r8d, 6
        cmp     rax, r8
        cmovb   rax, r8                 # and six can be popped whatever count is
        neg     rax
        lea     rsp, [rdi + 8*rax]
        jmp     2f
1:      mov     rax, [rdx + 8*rcx]
        mov     [rsp + 8*rcx], rax
2:      dec     rcx
        jns     1b
        pop     rdi
        pop     rsi
        pop     rdx
        pop     rcx
        pop     r8
        pop     r9
        xor     eax, eax                # f may be variadic: no vector registers are used
        call    r10
        mov     rsp, rbp
        pop     rbp
        .cfi_def_cfa rsp, 8
        .cfi_restore rbp
        ret
        .cfi_endproc
        .size   gort_call_on, . - gort_call_on

        .purgem exchange_shadow_stacks

# What follows speaks for the object file as a whole, so only for one that holds nothing else:
# --defsym gort_standalone=1. rustc writes its own notes.
        .ifdef  gort_standalone
        .section .note.gnu.property, "a", @note
        .p2align 3
        .long   4, 16, 5
        .asciz  "GNU"
        .long   0xc0000002, 4, 3, 0     # GNU_PROPERTY_X86_FEATURE_1_AND: IBT | SHSTK
        .section .note.GNU-stack, "", @progbits
        .endif
        .text
