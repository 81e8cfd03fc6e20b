@ Context switching for 32-bit ARM: AAPCS with VFP (eabihf), ELF, little-endian, A32 state.
@ arch/README.md has the contract of all CPUs.
@
@ A context is memory of this shape (src/switch/native.rs asserts the offsets). The registers in
@ it are those of the side that is NOT running: the context's while it is suspended, its resumer's
@ while it runs. A switch exchanges them, so it is one routine for both directions.
@
@         0     4     8    12
@       +-----+-----+-----+-----+--
@       | sp  | pc  | r11 | r4  |
@       +-----+-----+-----+-----+--
@
@ pc is gort_switched for every side that has run, and a switch compares it instead of jumping
@ there: no indirect jump, and the word cannot send it anywhere else.
@
@ FPSCR (rounding mode and flags) stays as it is: it belongs to the OS thread. r9 is saved like any
@ other; d16 to d31 are the caller's.
@
@ Two descriptions of each frame: .cfi_* goes to .debug_frame, for debuggers, exact at every
@ instruction; .fnstart and its kin to the tables that ARM's run-time unwinders read, which describe
@ a frame between its prologue and its epilogue.

        .syntax unified
        .arm
        .fpu    vfpv2
        .cfi_sections .debug_frame

        .set    CTX_SP, 0
        .set    CTX_PC, 4
        .set    CTX_FP, 8
        .set    CTX_R4, 12

@ size_t gort_switch(size_t word, struct gort_context *context)
@
@       r0         word; the word of the switch that comes back
@       r1         context
@
@       +----------------+  sp on arrival
@       | lr             |  +92
@       | r5 .. r10      |  +68
@       | (padding)      |  +64
@       +----------------+
@       | d8 .. d15      |  sp in the context while this side is away
@       +----------------+
@
@ r4 and r11 are exchanged and need no place here. From the exchange of sp on the frame is the other
@ side's, of the same layout, so the unwind information stays as it is.
        .section .text.gort_switch, "ax", %progbits
        .p2align 2
        .globl  gort_switch
        .hidden gort_switch
        .type   gort_switch, %function
gort_switch:
        .fnstart
        .cfi_startproc
        push    {r3, r5, r6, r7, r8, r9, r10, lr}       @ r3 keeps sp 8-aligned
        .save   {r3, r5, r6, r7, r8, r9, r10, lr}
        .cfi_adjust_cfa_offset 32
        .cfi_rel_offset r5, 4
        .cfi_rel_offset r6, 8
        .cfi_rel_offset r7, 12
        .cfi_rel_offset r8, 16
        .cfi_rel_offset r9, 20
        .cfi_rel_offset r10, 24
        .cfi_rel_offset lr, 28
        vpush   {d8, d9, d10, d11, d12, d13, d14, d15}
        .vsave  {d8, d9, d10, d11, d12, d13, d14, d15}
        .cfi_adjust_cfa_offset 64
        .cfi_rel_offset d8, 0
        .cfi_rel_offset d9, 8
        .cfi_rel_offset d10, 16
        .cfi_rel_offset d11, 24
        .cfi_rel_offset d12, 32
        .cfi_rel_offset d13, 40
        .cfi_rel_offset d14, 48
        .cfi_rel_offset d15, 56
        adr     r12, gort_switched
        ldm     r1, {r5, r6, r7, r8}                    @ sp, pc, r11, r4 of the other side
        str     sp, [r1, #CTX_SP]
        str     r12, [r1, #CTX_PC]
        str     r11, [r1, #CTX_FP]
        str     r4, [r1, #CTX_R4]
        cmp     r6, r12
        bne     gort_start
        .cfi_remember_state
        mov     r4, r8
        .cfi_escape 0x10, 4, 2, 0x71, CTX_R4            @ r4 is at [r1, #CTX_R4]
        mov     r11, r7
        .cfi_escape 0x10, 11, 2, 0x71, CTX_FP           @ r11 is at [r1, #CTX_FP]
        mov     sp, r5
        .cfi_restore_state
gort_switched:
        vpop    {d8, d9, d10, d11, d12, d13, d14, d15}
        .cfi_adjust_cfa_offset -64
        .cfi_restore d8
        .cfi_restore d9
        .cfi_restore d10
        .cfi_restore d11
        .cfi_restore d12
        .cfi_restore d13
        .cfi_restore d14
        .cfi_restore d15
        pop     {r3, r5, r6, r7, r8, r9, r10, pc}
        .cfi_endproc
        .fnend
        .size   gort_switch, . - gort_switch

@ void gort_entry(void)                                                  [not for calling]
@
@ Where a prepared context begins, and its outermost frame. Prepared means sp = top,
@ pc = gort_entry, r4 = entry, r11 = arg; gort_switch comes to gort_start with
@
@       r0         word            r8         size_t (*entry)(void *arg, size_t word)
@       r1         context         r7         arg
@                                  r5         top
@
@       top  ->  +----------------+  sp at the call: 8-aligned
@                | entry's frame  |
@
@ Nobody called: unwinders are told so, and walkers of frame pointers find zero. entry must not
@ unwind. Its result goes to the resumer as the last word, and the context is finished: it has
@ no stack, and who resumes it stops at the udf.
        .p2align 2
        .type   gort_start, %function
gort_start:
        .fnstart
        .cantunwind
        .cfi_startproc
        .cfi_undefined lr
        cmp     r5, #0
        beq     1f
        mov     sp, r5
        mov     r4, r8
        mov     r11, r7
        .globl  gort_entry
        .hidden gort_entry
        .type   gort_entry, %function
gort_entry:
        mov     r2, r4
        mov     r4, r1                                  @ the context, kept over the call
        mov     r1, r0
        mov     r0, r11
        mov     r11, #0
        blx     r2
        mov     r1, r4
        mov     r2, #0
        ldr     r5, [r1, #CTX_SP]
        ldr     r11, [r1, #CTX_FP]
        ldr     r4, [r1, #CTX_R4]
        str     r2, [r1, #CTX_SP]                       @ finished: neither a stack
        str     r2, [r1, #CTX_PC]                       @ nor a place to go on
        .cfi_remember_state
        mov     sp, r5
        .cfi_def_cfa sp, 96                             @ the resumer's frame, as in gort_switch
        .cfi_offset r5, 68-96
        .cfi_offset r6, 72-96
        .cfi_offset r7, 76-96
        .cfi_offset r8, 80-96
        .cfi_offset r9, 84-96
        .cfi_offset r10, 88-96
        .cfi_offset lr, 92-96
        .cfi_offset d8, 0-96
        .cfi_offset d9, 8-96
        .cfi_offset d10, 16-96
        .cfi_offset d11, 24-96
        .cfi_offset d12, 32-96
        .cfi_offset d13, 40-96
        .cfi_offset d14, 48-96
        .cfi_offset d15, 56-96
        b       gort_switched                           @ the resumer waits there
        .cfi_restore_state
1:      udf     #0                                      @ a finished context was resumed
        .cfi_endproc
        .fnend
        .size   gort_start, . - gort_start
        .size   gort_entry, . - gort_entry

@ size_t gort_outermost(void *arg, size_t word, size_t (*entry)(void *arg, size_t word))
@
@       r0         arg; entry's result
@       r1         word
@       r2         entry
@
@       +----------------+  sp on arrival
@       | lr             |  +4
@       | r11            |  sp at the call: 8-aligned
@       +----------------+
@       | entry's frame  |
@
@ Calls entry as if nobody had called this: ends the backtrace for a backend whose own first frame
@ leads on to the resumer. entry must not unwind.
        .section .text.gort_outermost, "ax", %progbits
        .p2align 2
        .globl  gort_outermost
        .hidden gort_outermost
        .type   gort_outermost, %function
gort_outermost:
        .fnstart
        .cantunwind
        .cfi_startproc
        push    {r11, lr}
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r11, 0
        .cfi_rel_offset lr, 4
        .cfi_remember_state
        .cfi_undefined lr                               @ from here on nobody called
        mov     r11, #0
        blx     r2
        .cfi_restore_state                              @ and from here on somebody did
        pop     {r11, pc}
        .cfi_endproc
        .fnend
        .size   gort_outermost, . - gort_outermost

@ size_t gort_call_on(size_t top, size_t (*f)(...), const size_t *args, size_t count)
@
@       r0         top; f's result
@       r1         f
@       r2         args
@       r3         count
@
@ Calls f(args[0], .., args[count - 1]) on the stack that ends at top, 8-aligned. All arguments are
@ copied to that stack, and the first four popped into their registers: what is left lies where the
@ ABI wants it.
@
@       this stack                           the other one
@       +----------------+                   top ->  +----------------+
@       | lr             |                           | args[count-1]  |  one word of padding above
@       | r11            |  <- r11                   | ..             |  if count is odd
@       +----------------+                           | args[4]        |  sp at the call
@                                                    | args[3] .. [0] |  popped
@
@ Unwinding and walking frame pointers both go on into the caller: f may unwind.
        .section .text.gort_call_on, "ax", %progbits
        .p2align 2
        .globl  gort_call_on
        .hidden gort_call_on
        .type   gort_call_on, %function
gort_call_on:
        .fnstart
        .cfi_startproc
        push    {r11, lr}
        .save   {r11, lr}
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r11, 0
        .cfi_rel_offset lr, 4
        mov     r11, sp
        .setfp  r11, sp
        .cfi_def_cfa_register r11
        mov     lr, r1
        add     r12, r3, #1
        bic     r12, r12, #1                            @ an even number of words keeps sp aligned,
        cmp     r12, #4
        movlo   r12, #4                                 @ and four can be popped in any case
        sub     sp, r0, r12, lsl #2
        b       2f
1:      ldr     r12, [r2, r3, lsl #2]
        str     r12, [sp, r3, lsl #2]
2:      subs    r3, r3, #1
        bpl     1b
        pop     {r0, r1, r2, r3}
        blx     lr
        mov     sp, r11
        .cfi_def_cfa_register sp
        pop     {r11, pc}
        .cfi_endproc
        .fnend
        .size   gort_call_on, . - gort_call_on

@ What follows speaks for the object file as a whole, so only for one that holds nothing else:
@ --defsym gort_standalone=1. rustc writes its own notes.
        .ifdef  gort_standalone
        .section .note.GNU-stack, "", %progbits
        .endif
        .text
