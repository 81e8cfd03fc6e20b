// Context switching for aarch64: AAPCS64, ELF, little-endian. arch/README.md has the contract of
// all CPUs.
//
// A context is memory of this shape (src/switch/native.rs asserts the offsets). The registers in
// it are those of the side that is NOT running: the context's while it is suspended, its resumer's
// while it runs. A switch exchanges them, so it is one routine for both directions.
//
//         0     8    16    24
//       +-----+-----+-----+-----+--
//       | sp  | pc  | x29 | x19 |
//       +-----+-----+-----+-----+--
//
// pc is gort_switched for every side that has run, and a switch compares it instead of jumping
// there: no indirect jump, and the word cannot send it anywhere else. The return address
// in gort_switch's frame is signed (PAC) with the stack pointer, as in compiled code: by hints,
// which older CPUs skip.
//
// FPCR and FPSR stay as they are: they belong to the OS thread. Of v8 to v15 the lower halves are
// the callee's to keep, as the ABI says. x18 is the platform's and not touched.

        .set    CTX_SP, 0
        .set    CTX_PC, 8
        .set    CTX_FP, 16
        .set    CTX_X19, 24

        .set    FRAME, 144              // of gort_switch

// size_t gort_switch(size_t word, struct gort_context *context)
//
//       x0         word; the word of the switch that comes back
//       x1         context
//
//       +----------------+  sp on arrival
//       | d8 .. d15      |  +80
//       +----------------+
//       | x21 .. x28     |  +16
//       | x30, signed    |  +8
//       | x20            |  sp in the context while this side is away
//       +----------------+
//
// x19 and x29 are exchanged and need no place here. From the exchange of sp on the frame is the
// other side's, of the same layout, so the unwind information stays as it is.
        .section .text.gort_switch, "ax", %progbits
        .p2align 4
        .globl  gort_switch
        .hidden gort_switch
        .type   gort_switch, %function
gort_switch:
        .cfi_startproc
        hint    #25                     // paciasp; also the landing pad that BTI wants
        .cfi_negate_ra_state
        stp     x20, x30, [sp, #-FRAME]!
        .cfi_adjust_cfa_offset FRAME
        .cfi_rel_offset x20, 0
        .cfi_rel_offset x30, 8
        stp     x21, x22, [sp, #16]
        .cfi_rel_offset x21, 16
        .cfi_rel_offset x22, 24
        stp     x23, x24, [sp, #32]
        .cfi_rel_offset x23, 32
        .cfi_rel_offset x24, 40
        stp     x25, x26, [sp, #48]
        .cfi_rel_offset x25, 48
        .cfi_rel_offset x26, 56
        stp     x27, x28, [sp, #64]
        .cfi_rel_offset x27, 64
        .cfi_rel_offset x28, 72
        stp     d8, d9, [sp, #80]
        .cfi_rel_offset d8, 80
        .cfi_rel_offset d9, 88
        stp     d10, d11, [sp, #96]
        .cfi_rel_offset d10, 96
        .cfi_rel_offset d11, 104
        stp     d12, d13, [sp, #112]
        .cfi_rel_offset d12, 112
        .cfi_rel_offset d13, 120
        stp     d14, d15, [sp, #128]
        .cfi_rel_offset d14, 128
        .cfi_rel_offset d15, 136
        adr     x9, gort_switched
        mov     x10, sp
        ldp     x11, x12, [x1, #CTX_SP]
        ldp     x13, x14, [x1, #CTX_FP]
        stp     x10, x9, [x1, #CTX_SP]
        stp     x29, x19, [x1, #CTX_FP]
        cmp     x12, x9
        b.ne    gort_start
        .cfi_remember_state
        mov     x19, x14
        .cfi_escape 0x10, 19, 2, 0x71, CTX_X19  // x19 is at [x1 + CTX_X19]
        mov     x29, x13
        .cfi_escape 0x10, 29, 2, 0x71, CTX_FP   // x29 is at [x1 + CTX_FP]
        mov     sp, x11
        .cfi_restore_state
gort_switched:
        ldp     d14, d15, [sp, #128]
        .cfi_restore d14
        .cfi_restore d15
        ldp     d12, d13, [sp, #112]
        .cfi_restore d12
        .cfi_restore d13
        ldp     d10, d11, [sp, #96]
        .cfi_restore d10
        .cfi_restore d11
        ldp     d8, d9, [sp, #80]
        .cfi_restore d8
        .cfi_restore d9
        ldp     x27, x28, [sp, #64]
        .cfi_restore x27
        .cfi_restore x28
        ldp     x25, x26, [sp, #48]
        .cfi_restore x25
        .cfi_restore x26
        ldp     x23, x24, [sp, #32]
        .cfi_restore x23
        .cfi_restore x24
        ldp     x21, x22, [sp, #16]
        .cfi_restore x21
        .cfi_restore x22
        ldp     x20, x30, [sp], #FRAME
        .cfi_adjust_cfa_offset -FRAME
        .cfi_restore x20
        .cfi_restore x30
        hint    #29                     // autiasp
        .cfi_negate_ra_state
        ret
        .cfi_endproc
        .size   gort_switch, . - gort_switch

// void gort_entry(void)                                                  [not for calling]
//
// Where a prepared context begins, and its outermost frame. Prepared means sp = top,
// pc = gort_entry, x19 = entry, x29 = arg; gort_switch comes to gort_start with
//
//       x0         word            x14        size_t (*entry)(void *arg, size_t word)
//       x1         context         x13        arg
//                                  x11        top
//
//       top  ->  +----------------+  sp at the call: 16-aligned
//                | entry's frame  |
//
// Nobody called: unwinders are told so, and walkers of frame pointers find zero. entry must not
// unwind. Its result goes to the resumer as the last word, and the context is finished: it has
// no stack, and who resumes it stops at the udf.
        .p2align 4
        .type   gort_start, %function
gort_start:
        .cfi_startproc
        .cfi_undefined x30
        cbz     x11, 1f
        mov     sp, x11
        mov     x19, x14
        mov     x29, x13
        .globl  gort_entry
        .hidden gort_entry
        .type   gort_entry, %function
gort_entry:
        mov     x9, x19
        mov     x19, x1                 // the context, kept over the call
        mov     x1, x0
        mov     x0, x29
        mov     x29, xzr
        blr     x9
        mov     x1, x19
        ldr     x11, [x1, #CTX_SP]
        ldp     x29, x19, [x1, #CTX_FP]
        stp     xzr, xzr, [x1, #CTX_SP] // finished: neither a stack nor a place to go on
        .cfi_remember_state
        mov     sp, x11
        .cfi_def_cfa sp, FRAME          // the resumer's frame, as in gort_switch
        .cfi_negate_ra_state
        .cfi_offset x20, 0-FRAME
        .cfi_offset x30, 8-FRAME
        .cfi_offset x21, 16-FRAME
        .cfi_offset x22, 24-FRAME
        .cfi_offset x23, 32-FRAME
        .cfi_offset x24, 40-FRAME
        .cfi_offset x25, 48-FRAME
        .cfi_offset x26, 56-FRAME
        .cfi_offset x27, 64-FRAME
        .cfi_offset x28, 72-FRAME
        .cfi_offset d8, 80-FRAME
        .cfi_offset d9, 88-FRAME
        .cfi_offset d10, 96-FRAME
        .cfi_offset d11, 104-FRAME
        .cfi_offset d12, 112-FRAME
        .cfi_offset d13, 120-FRAME
        .cfi_offset d14, 128-FRAME
        .cfi_offset d15, 136-FRAME
        b       gort_switched           // the resumer waits there
        .cfi_restore_state
1:      udf     #0                      // a finished context was resumed
        .cfi_endproc
        .size   gort_start, . - gort_start
        .size   gort_entry, . - gort_entry

// size_t gort_outermost(void *arg, size_t word, size_t (*entry)(void *arg, size_t word))
//
//       x0         arg; entry's result
//       x1         word
//       x2         entry
//
//       +----------------+  sp on arrival
//       | x30, signed    |  +8
//       | x29            |  sp at the call: 16-aligned
//       +----------------+
//       | entry's frame  |
//
// Calls entry as if nobody had called this: ends the backtrace for a backend whose own first frame
// leads on to the resumer. entry must not unwind.
        .section .text.gort_outermost, "ax", %progbits
        .p2align 4
        .globl  gort_outermost
        .hidden gort_outermost
        .type   gort_outermost, %function
gort_outermost:
        .cfi_startproc
        hint    #25                     // paciasp
        .cfi_negate_ra_state
        stp     x29, x30, [sp, #-16]!
        .cfi_adjust_cfa_offset 16
        .cfi_rel_offset x29, 0
        .cfi_rel_offset x30, 8
        .cfi_remember_state
        .cfi_undefined x30              // from here on nobody called
        mov     x29, xzr
        blr     x2
        .cfi_restore_state              // and from here on somebody did
        ldp     x29, x30, [sp], #16
        .cfi_adjust_cfa_offset -16
        .cfi_restore x29
        .cfi_restore x30
        hint    #29                     // autiasp
        .cfi_negate_ra_state
        ret
        .cfi_endproc
        .size   gort_outermost, . - gort_outermost

// size_t gort_call_on(size_t top, size_t (*f)(...), const size_t *args, size_t count)
//
//       x0         top; f's result
//       x1         f
//       x2         args
//       x3         count
//
// Calls f(args[0], .., args[count - 1]) on the stack that ends at top, 16-aligned. All arguments
// are copied to that stack, and the first eight popped into their registers: what is left lies
// where the ABI wants it.
//
//       this stack                           the other one
//       +----------------+                   top ->  +----------------+
//       | x30, signed    |                           | args[count-1]  |  one word of padding above
//       | x29            |  <- x29                   | ..             |  if count is odd
//       +----------------+                           | args[8]        |  sp at the call
//                                                    | args[7] .. [0] |  popped
//
// Unwinding and walking frame pointers both go on into the caller: f may unwind.
        .section .text.gort_call_on, "ax", %progbits
        .p2align 4
        .globl  gort_call_on
        .hidden gort_call_on
        .type   gort_call_on, %function
gort_call_on:
        .cfi_startproc
        hint    #25                     // paciasp
        .cfi_negate_ra_state
        stp     x29, x30, [sp, #-16]!
        .cfi_adjust_cfa_offset 16
        .cfi_rel_offset x29, 0
        .cfi_rel_offset x30, 8
        mov     x29, sp
        .cfi_def_cfa_register x29
        mov     x9, x1
        mov     x10, x2
        add     x11, x3, #1
        and     x11, x11, #-2           // an even number of words keeps sp 16-aligned,
        mov     x12, #8
        cmp     x11, x12
        csel    x11, x12, x11, lo       // and eight can be popped whatever count is
        sub     sp, x0, x11, lsl #3
        mov     x12, sp
        b       2f
1:      ldr     x13, [x10, x3, lsl #3]
        str     x13, [x12, x3, lsl #3]
2:      subs    x3, x3, #1
        b.pl    1b
        ldp     x0, x1, [sp], #16
        ldp     x2, x3, [sp], #16
        ldp     x4, x5, [sp], #16
        ldp     x6, x7, [sp], #16
        blr     x9
        mov     sp, x29
        .cfi_def_cfa_register sp
        ldp     x29, x30, [sp], #16
        .cfi_adjust_cfa_offset -16
        .cfi_restore x29
        .cfi_restore x30
        hint    #29                     // autiasp
        .cfi_negate_ra_state
        ret
        .cfi_endproc
        .size   gort_call_on, . - gort_call_on

// What follows speaks for the object file as a whole, so only for one that holds nothing else:
// --defsym gort_standalone=1. rustc writes its own notes.
        .ifdef  gort_standalone
        .section .note.gnu.property, "a", %note
        .p2align 3
        .long   4, 16, 5
        .asciz  "GNU"
        .long   0xc0000000, 4, 3, 0     // GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI | PAC
        .section .note.GNU-stack, "", %progbits
        .endif
        .text
