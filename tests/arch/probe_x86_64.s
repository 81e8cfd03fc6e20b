# size_t probe(void *f, const size_t *args, const uint64_t *in, uint64_t *out)
# size_t frame_pointer(void *arg, size_t word): see gort_arch.h
        .intel_syntax noprefix
        .text
        .globl  probe
        .type   probe, @function
probe:
        .cfi_startproc
        endbr64
        .irp    r, rbp, rbx, r12, r13, r14, r15
        push    \r
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset \r, 0
        .endr
        push    rcx
        .cfi_adjust_cfa_offset 8
        mov     rax, rdi
        mov     rbx, [rdx]
        mov     rbp, [rdx + 8]
        mov     r12, [rdx + 16]
        mov     r13, [rdx + 24]
        mov     r14, [rdx + 32]
        mov     r15, [rdx + 40]
        mov     rdi, [rsi]
        mov     rdx, [rsi + 16]
        mov     rcx, [rsi + 24]
        mov     rsi, [rsi + 8]
        call    rax
        pop     rcx
        .cfi_adjust_cfa_offset -8
        mov     [rcx], rbx
        mov     [rcx + 8], rbp
        mov     [rcx + 16], r12
        mov     [rcx + 24], r13
        mov     [rcx + 32], r14
        mov     [rcx + 40], r15
        .irp    r, r15, r14, r13, r12, rbx, rbp
        pop     \r
        .cfi_adjust_cfa_offset -8
        .cfi_restore \r
        .endr
        ret
        .cfi_endproc
        .size   probe, . - probe
        .globl  frame_pointer
        .type   frame_pointer, @function
frame_pointer:
        endbr64
        mov     rax, rbp
        ret
        .size   frame_pointer, . - frame_pointer
        .section .note.gnu.property, "a", @note
        .p2align 3
        .long   4, 16, 5
        .asciz  "GNU"
        .long   0xc0000002, 4, 3, 0
        .section .note.GNU-stack, "", @progbits
