# Context switching for riscv64: LP64D, ELF. arch/README.md has the contract of all CPUs.
#
# A context is memory of this shape (src/switch/native.rs asserts the offsets). The registers in
# it are those of the side that is NOT running: the context's while it is suspended, its resumer's
# while it runs. A switch exchanges them, so it is one routine for both directions.
#
#         0     8    16    24
#       +-----+-----+-----+-----+--
#       | sp  | pc  | s0  | s1  |
#       +-----+-----+-----+-----+--
#
# pc is gort_switched for every side that has run, and a switch compares it instead of jumping
# there: no indirect jump, and the word cannot send it anywhere else.
#
# fcsr (rounding mode and flags) stays as it is: it belongs to the OS thread. So do gp and tp; the
# vector registers are the caller's to save.

        .attribute arch, "rv64imafdc"   # for assemblers that were told less than the target is

        .set    CTX_SP, 0
        .set    CTX_PC, 8
        .set    CTX_FP, 16
        .set    CTX_S1, 24

        .set    FRAME, 192              # of gort_switch

# size_t gort_switch(size_t word, struct gort_context *context)
#
#       a0         word; the word of the switch that comes back
#       a1         context
#
#       +----------------+  sp on arrival
#       | ra             |  +184
#       | s2 .. s11      |  +176 down to +104
#       | fs0 .. fs11    |  +96 down to +8
#       | (padding)      |  sp in the context while this side is away
#       +----------------+
#
# s0 and s1 are exchanged and need no place here. From the exchange of sp on the frame is the other
# side's, of the same layout, so the unwind information stays as it is.
        .section .text.gort_switch, "ax", @progbits
        .p2align 2
        .globl  gort_switch
        .hidden gort_switch
        .type   gort_switch, @function
gort_switch:
        .cfi_startproc
        addi    sp, sp, -FRAME
        .cfi_def_cfa_offset FRAME
        sd      ra, 184(sp)
        .cfi_offset ra, 184-FRAME
        sd      s2, 176(sp)
        .cfi_offset s2, 176-FRAME
        sd      s3, 168(sp)
        .cfi_offset s3, 168-FRAME
        sd      s4, 160(sp)
        .cfi_offset s4, 160-FRAME
        sd      s5, 152(sp)
        .cfi_offset s5, 152-FRAME
        sd      s6, 144(sp)
        .cfi_offset s6, 144-FRAME
        sd      s7, 136(sp)
        .cfi_offset s7, 136-FRAME
        sd      s8, 128(sp)
        .cfi_offset s8, 128-FRAME
        sd      s9, 120(sp)
        .cfi_offset s9, 120-FRAME
        sd      s10, 112(sp)
        .cfi_offset s10, 112-FRAME
        sd      s11, 104(sp)
        .cfi_offset s11, 104-FRAME
        fsd     fs0, 96(sp)
        .cfi_offset fs0, 96-FRAME
        fsd     fs1, 88(sp)
        .cfi_offset fs1, 88-FRAME
        fsd     fs2, 80(sp)
        .cfi_offset fs2, 80-FRAME
        fsd     fs3, 72(sp)
        .cfi_offset fs3, 72-FRAME
        fsd     fs4, 64(sp)
        .cfi_offset fs4, 64-FRAME
        fsd     fs5, 56(sp)
        .cfi_offset fs5, 56-FRAME
        fsd     fs6, 48(sp)
        .cfi_offset fs6, 48-FRAME
        fsd     fs7, 40(sp)
        .cfi_offset fs7, 40-FRAME
        fsd     fs8, 32(sp)
        .cfi_offset fs8, 32-FRAME
        fsd     fs9, 24(sp)
        .cfi_offset fs9, 24-FRAME
        fsd     fs10, 16(sp)
        .cfi_offset fs10, 16-FRAME
        fsd     fs11, 8(sp)
        .cfi_offset fs11, 8-FRAME
        lla     t0, gort_switched
        ld      t1, CTX_SP(a1)
        ld      t2, CTX_PC(a1)
        ld      t3, CTX_FP(a1)
        ld      t4, CTX_S1(a1)
        sd      sp, CTX_SP(a1)
        sd      t0, CTX_PC(a1)
        sd      s0, CTX_FP(a1)
        sd      s1, CTX_S1(a1)
        bne     t2, t0, gort_start
        .cfi_remember_state
        mv      s1, t4
        .cfi_escape 0x10, 9, 2, 0x7b, CTX_S1    # s1 is at CTX_S1(a1)
        mv      s0, t3
        .cfi_escape 0x10, 8, 2, 0x7b, CTX_FP    # s0 is at CTX_FP(a1)
        mv      sp, t1
        .cfi_restore_state
gort_switched:
        fld     fs11, 8(sp)
        .cfi_restore fs11
        fld     fs10, 16(sp)
        .cfi_restore fs10
        fld     fs9, 24(sp)
        .cfi_restore fs9
        fld     fs8, 32(sp)
        .cfi_restore fs8
        fld     fs7, 40(sp)
        .cfi_restore fs7
        fld     fs6, 48(sp)
        .cfi_restore fs6
        fld     fs5, 56(sp)
        .cfi_restore fs5
        fld     fs4, 64(sp)
        .cfi_restore fs4
        fld     fs3, 72(sp)
        .cfi_restore fs3
        fld     fs2, 80(sp)
        .cfi_restore fs2
        fld     fs1, 88(sp)
        .cfi_restore fs1
        fld     fs0, 96(sp)
        .cfi_restore fs0
        ld      s11, 104(sp)
        .cfi_restore s11
        ld      s10, 112(sp)
        .cfi_restore s10
        ld      s9, 120(sp)
        .cfi_restore s9
        ld      s8, 128(sp)
        .cfi_restore s8
        ld      s7, 136(sp)
        .cfi_restore s7
        ld      s6, 144(sp)
        .cfi_restore s6
        ld      s5, 152(sp)
        .cfi_restore s5
        ld      s4, 160(sp)
        .cfi_restore s4
        ld      s3, 168(sp)
        .cfi_restore s3
        ld      s2, 176(sp)
        .cfi_restore s2
        ld      ra, 184(sp)
        .cfi_restore ra
        addi    sp, sp, FRAME
        .cfi_def_cfa_offset 0
        ret
        .cfi_endproc
        .size   gort_switch, . - gort_switch

# void gort_entry(void)                                                  [not for calling]
#
# Where a prepared context begins, and its outermost frame. Prepared means sp = top,
# pc = gort_entry, s1 = entry, s0 = arg; gort_switch comes to gort_start with
#
#       a0         word            t4         size_t (*entry)(void *arg, size_t word)
#       a1         context         t3         arg
#                                  t1         top
#
#       top  ->  +----------------+  sp at the call: 16-aligned
#                | entry's frame  |
#
# Nobody called: unwinders are told so, and walkers of frame pointers find zero. entry must not
# unwind. Its result goes to the resumer as the last word, and the context is finished: it has
# no stack, and who resumes it stops at the unimp.
        .p2align 2
        .type   gort_start, @function
gort_start:
        .cfi_startproc
        .cfi_undefined ra
        beqz    t1, 1f
        mv      sp, t1
        mv      s1, t4
        mv      s0, t3
        .globl  gort_entry
        .hidden gort_entry
        .type   gort_entry, @function
gort_entry:
        mv      t0, s1
        mv      s1, a1                  # the context, kept over the call
        mv      a1, a0
        mv      a0, s0
        li      s0, 0
        jalr    t0
        mv      a1, s1
        ld      t1, CTX_SP(a1)
        ld      s0, CTX_FP(a1)
        ld      s1, CTX_S1(a1)
        sd      zero, CTX_SP(a1)        # finished: neither a stack
        sd      zero, CTX_PC(a1)        # nor a place to go on
        .cfi_remember_state
        mv      sp, t1
        .cfi_def_cfa sp, FRAME          # the resumer's frame, as in gort_switch
        .cfi_offset ra, 184-FRAME
        .cfi_offset s2, 176-FRAME
        .cfi_offset s3, 168-FRAME
        .cfi_offset s4, 160-FRAME
        .cfi_offset s5, 152-FRAME
        .cfi_offset s6, 144-FRAME
        .cfi_offset s7, 136-FRAME
        .cfi_offset s8, 128-FRAME
        .cfi_offset s9, 120-FRAME
        .cfi_offset s10, 112-FRAME
        .cfi_offset s11, 104-FRAME
        .cfi_offset fs0, 96-FRAME
        .cfi_offset fs1, 88-FRAME
        .cfi_offset fs2, 80-FRAME
        .cfi_offset fs3, 72-FRAME
        .cfi_offset fs4, 64-FRAME
        .cfi_offset fs5, 56-FRAME
        .cfi_offset fs6, 48-FRAME
        .cfi_offset fs7, 40-FRAME
        .cfi_offset fs8, 32-FRAME
        .cfi_offset fs9, 24-FRAME
        .cfi_offset fs10, 16-FRAME
        .cfi_offset fs11, 8-FRAME
        j       gort_switched           # the resumer waits there
        .cfi_restore_state
1:      unimp                           # a finished context was resumed
        .cfi_endproc
        .size   gort_start, . - gort_start
        .size   gort_entry, . - gort_entry

# size_t gort_outermost(void *arg, size_t word, size_t (*entry)(void *arg, size_t word))
#
#       a0         arg; entry's result
#       a1         word
#       a2         entry
#
#       +----------------+  sp on arrival
#       | ra             |  +8
#       | s0             |  sp at the call: 16-aligned
#       +----------------+
#       | entry's frame  |
#
# Calls entry as if nobody had called this: ends the backtrace for a backend whose own first frame
# leads on to the resumer. entry must not unwind.
        .section .text.gort_outermost, "ax", @progbits
        .p2align 2
        .globl  gort_outermost
        .hidden gort_outermost
        .type   gort_outermost, @function
gort_outermost:
        .cfi_startproc
        addi    sp, sp, -16
        .cfi_def_cfa_offset 16
        sd      ra, 8(sp)
        .cfi_offset ra, -8
        sd      s0, 0(sp)
        .cfi_offset s0, -16
        .cfi_remember_state
        .cfi_undefined ra               # from here on nobody called
        li      s0, 0
        jalr    a2
        .cfi_restore_state              # and from here on somebody did
        ld      s0, 0(sp)
        .cfi_restore s0
        ld      ra, 8(sp)
        .cfi_restore ra
        addi    sp, sp, 16
        .cfi_def_cfa_offset 0
        ret
        .cfi_endproc
        .size   gort_outermost, . - gort_outermost

# size_t gort_call_on(size_t top, size_t (*f)(...), const size_t *args, size_t count)
#
#       a0         top; f's result
#       a1         f
#       a2         args
#       a3         count
#
# Calls f(args[0], .., args[count - 1]) on the stack that ends at top, 16-aligned. All arguments
# are copied to that stack, and the first eight popped into their registers: what is left lies
# where the ABI wants it.
#
#       this stack                           the other one
#       +----------------+  <- s0            top ->  +----------------+
#       | ra             |                           | args[count-1]  |  one word of padding above
#       | s0             |                           | ..             |  if count is odd
#       +----------------+                           | args[8]        |  sp at the call
#                                                    | args[7] .. [0] |  popped
#
# Unwinding and walking frame pointers both go on into the caller: f may unwind.
        .section .text.gort_call_on, "ax", @progbits
        .p2align 2
        .globl  gort_call_on
        .hidden gort_call_on
        .type   gort_call_on, @function
gort_call_on:
        .cfi_startproc
        addi    sp, sp, -16
        .cfi_def_cfa_offset 16
        sd      ra, 8(sp)
        .cfi_offset ra, -8
        sd      s0, 0(sp)
        .cfi_offset s0, -16
        addi    s0, sp, 16
        .cfi_def_cfa s0, 0
        mv      t0, a1
        mv      t1, a2
        addi    t2, a3, 1
        andi    t2, t2, -2              # an even number of words keeps sp 16-aligned,
        li      t3, 8
        bgeu    t2, t3, 1f
        mv      t2, t3                  # and eight can be popped whatever count is
1:      slli    t2, t2, 3
        sub     sp, a0, t2
        slli    a3, a3, 3
        add     t3, sp, a3
        add     t1, t1, a3
2:      beq     t3, sp, 3f
        addi    t1, t1, -8
        addi    t3, t3, -8
        ld      t4, 0(t1)
        sd      t4, 0(t3)
        j       2b
3:      ld      a0, 0(sp)
        ld      a1, 8(sp)
        ld      a2, 16(sp)
        ld      a3, 24(sp)
        ld      a4, 32(sp)
        ld      a5, 40(sp)
        ld      a6, 48(sp)
        ld      a7, 56(sp)
        addi    sp, sp, 64
        jalr    t0
        addi    sp, s0, -16
        .cfi_def_cfa sp, 16
        ld      s0, 0(sp)
        .cfi_restore s0
        ld      ra, 8(sp)
        .cfi_restore ra
        addi    sp, sp, 16
        .cfi_def_cfa_offset 0
        ret
        .cfi_endproc
        .size   gort_call_on, . - gort_call_on

# What follows speaks for the object file as a whole, so only for one that holds nothing else:
# --defsym gort_standalone=1. rustc writes its own notes.
        .ifdef  gort_standalone
        .section .note.GNU-stack, "", @progbits
        .endif
        .text
