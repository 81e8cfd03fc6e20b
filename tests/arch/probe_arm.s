@ size_t probe(void *f, const size_t *args, const uint64_t *in, uint64_t *out)
@ size_t frame_pointer(void *arg, size_t word): see gort_arch.h
        .syntax unified
        .arm
        .fpu    vfpv2
        .cfi_sections .debug_frame
        .text
        .p2align 2
        .globl  probe
        .type   probe, %function
probe:
        .fnstart
        .cfi_startproc
        push    {r3, r4, r5, r6, r7, r8, r9, r10, r11, lr}
        .save   {r3, r4, r5, r6, r7, r8, r9, r10, r11, lr}
        .cfi_adjust_cfa_offset 40
        .cfi_rel_offset r4, 4
        .cfi_rel_offset r5, 8
        .cfi_rel_offset r6, 12
        .cfi_rel_offset r7, 16
        .cfi_rel_offset r8, 20
        .cfi_rel_offset r9, 24
        .cfi_rel_offset r10, 28
        .cfi_rel_offset r11, 32
        .cfi_rel_offset lr, 36
        vpush   {d8-d15}
        .vsave  {d8-d15}
        .cfi_adjust_cfa_offset 64
        mov     r12, r0
        mov     lr, r1
        ldr     r4, [r2]
        ldr     r5, [r2, #8]
        ldr     r6, [r2, #16]
        ldr     r7, [r2, #24]
        ldr     r8, [r2, #32]
        ldr     r9, [r2, #40]
        ldr     r10, [r2, #48]
        ldr     r11, [r2, #56]
        add     r2, r2, #64
        vldm    r2, {d8-d15}
        ldm     lr, {r0-r3}
        blx     r12
        ldr     r3, [sp, #64]
        str     r4, [r3]
        str     r5, [r3, #8]
        str     r6, [r3, #16]
        str     r7, [r3, #24]
        str     r8, [r3, #32]
        str     r9, [r3, #40]
        str     r10, [r3, #48]
        str     r11, [r3, #56]
        add     r3, r3, #64
        vstm    r3, {d8-d15}
        vpop    {d8-d15}
        .cfi_adjust_cfa_offset -64
        pop     {r3, r4, r5, r6, r7, r8, r9, r10, r11, pc}
        .cfi_endproc
        .fnend
        .size   probe, . - probe
        .globl  frame_pointer
        .type   frame_pointer, %function
frame_pointer:
        mov     r0, r11
        bx      lr
        .size   frame_pointer, . - frame_pointer
        .section .note.GNU-stack, "", %progbits
