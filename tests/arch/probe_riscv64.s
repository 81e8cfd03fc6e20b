# size_t probe(void *f, const size_t *args, const uint64_t *in, uint64_t *out)
# size_t frame_pointer(void *arg, size_t word): see gort_arch.h
        .macro  all op, fop, base, at
        \op     s0, \at+0(\base)
        \op     s1, \at+8(\base)
        \op     s2, \at+16(\base)
        \op     s3, \at+24(\base)
        \op     s4, \at+32(\base)
        \op     s5, \at+40(\base)
        \op     s6, \at+48(\base)
        \op     s7, \at+56(\base)
        \op     s8, \at+64(\base)
        \op     s9, \at+72(\base)
        \op     s10, \at+80(\base)
        \op     s11, \at+88(\base)
        \fop    fs0, \at+96(\base)
        \fop    fs1, \at+104(\base)
        \fop    fs2, \at+112(\base)
        \fop    fs3, \at+120(\base)
        \fop    fs4, \at+128(\base)
        \fop    fs5, \at+136(\base)
        \fop    fs6, \at+144(\base)
        \fop    fs7, \at+152(\base)
        \fop    fs8, \at+160(\base)
        \fop    fs9, \at+168(\base)
        \fop    fs10, \at+176(\base)
        \fop    fs11, \at+184(\base)
        .endm
        .text
        .globl  probe
        .type   probe, @function
probe:
        .cfi_startproc
        addi    sp, sp, -208
        .cfi_def_cfa_offset 208
        sd      ra, 0(sp)
        .cfi_rel_offset ra, 0
        sd      a3, 8(sp)
        all     sd, fsd, sp, 16
        .cfi_rel_offset s0, 16
        .cfi_rel_offset s1, 24
        .cfi_rel_offset s2, 32
        .cfi_rel_offset s3, 40
        .cfi_rel_offset s4, 48
        .cfi_rel_offset s5, 56
        all     ld, fld, a2, 0
        mv      t0, a0
        ld      a0, 0(a1)
        ld      a2, 16(a1)
        ld      a3, 24(a1)
        ld      a1, 8(a1)
        jalr    t0
        ld      a3, 8(sp)
        all     sd, fsd, a3, 0
        all     ld, fld, sp, 16
        ld      ra, 0(sp)
        addi    sp, sp, 208
        .cfi_def_cfa_offset 0
        .cfi_restore ra
        ret
        .cfi_endproc
        .size   probe, . - probe
        .globl  frame_pointer
        .type   frame_pointer, @function
frame_pointer:
        mv      a0, s0
        ret
        .size   frame_pointer, . - frame_pointer
        .section .note.GNU-stack, "", @progbits
