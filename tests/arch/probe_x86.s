# size_t probe(void *f, const size_t *args, const uint64_t *in, uint64_t *out)
# size_t frame_pointer(void *arg, size_t word): see gort_arch.h
        .intel_syntax noprefix
        .text
        .globl  probe
        .type   probe, @function
probe:
        .cfi_startproc
        endbr32
        .irp    r, ebp, ebx, esi, edi
        push    \r
        .cfi_adjust_cfa_offset 4
        .cfi_rel_offset \r, 0
        .endr
        sub     esp, 12                 # 20..: saved and return; esp + 32: f, args, in, out
        .cfi_adjust_cfa_offset 12
        mov     ecx, [esp + 36]
        push    [ecx + 12]
        .cfi_adjust_cfa_offset 4
        push    [ecx + 8]
        .cfi_adjust_cfa_offset 4
        push    [ecx + 4]
        .cfi_adjust_cfa_offset 4
        push    [ecx]
        .cfi_adjust_cfa_offset 4
        mov     eax, [esp + 48]
        mov     edx, [esp + 56]
        mov     ebx, [edx]
        mov     ebp, [edx + 8]
        mov     esi, [edx + 16]
        mov     edi, [edx + 24]
        call    eax
        mov     edx, [esp + 60]
        mov     [edx], ebx
        mov     [edx + 8], ebp
        mov     [edx + 16], esi
        mov     [edx + 24], edi
        add     esp, 28
        .cfi_adjust_cfa_offset -28
        .irp    r, edi, esi, ebx, ebp
        pop     \r
        .cfi_adjust_cfa_offset -4
        .cfi_restore \r
        .endr
        ret
        .cfi_endproc
        .size   probe, . - probe
        .globl  frame_pointer
        .type   frame_pointer, @function
frame_pointer:
        endbr32
        mov     eax, ebp
        ret
        .size   frame_pointer, . - frame_pointer
        .section .note.GNU-stack, "", @progbits
