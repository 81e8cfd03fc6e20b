# Context switching for 32-bit x86: System V ABI (i386), ELF. arch/README.md has the contract of
# all CPUs.
#
# A context is memory of this shape (src/switch/native.rs asserts the offsets). The registers in
# it are those of the side that is NOT running: the context's while it is suspended, its resumer's
# while it runs. A switch exchanges them, so it is one routine for both directions.
#
#         0     4     8    12
#       +-----+-----+-----+-----+--
#       | esp | eip | ebp | ebx |
#       +-----+-----+-----+-----+--
#
# eip is gort_switched for every side that has run, and a switch compares it instead of jumping
# there: no indirect jump, and the word cannot send it anywhere else.
#
# MXCSR, the x87 control word and DF stay as they are: they belong to the OS thread. The x87 stack
# is empty at a call, as the ABI says. There are no user shadow stacks for 32-bit code on Linux.

        .intel_syntax noprefix

        .set    CTX_SP, 0
        .set    CTX_PC, 4
        .set    CTX_FP, 8
        .set    CTX_BX, 12

# size_t gort_switch(size_t word, struct gort_context *context)
#
#       eax        the word of the switch that comes back
#
#                | context        |  +8
#                | word           |  +4
#                +----------------+
#                | return address |  esp on arrival
#                +----------------+
#                | esi            |  +4
#                | edi            |  esp in the context while this side is away
#                +----------------+
#
# ebx and ebp are exchanged and need no place here. From the exchange of esp on the frame is the
# other side's, of the same layout, so the unwind information stays as it is.
        .section .text.gort_switch, "ax", @progbits
        .p2align 4
        .globl  gort_switch
        .hidden gort_switch
        .type   gort_switch, @function
gort_switch:
        .cfi_startproc
        endbr32
        push    esi
        .cfi_adjust_cfa_offset 4
        .cfi_rel_offset esi, 0
        push    edi
        .cfi_adjust_cfa_offset 4
        .cfi_rel_offset edi, 0
        mov     eax, [esp + 12]         # word
        mov     edx, [esp + 16]         # context
        call    gort_pc                 # this CPU cannot name an address relative to eip,
1:      .att_syntax                     # and an absolute one would need a relocation
        addl    $(gort_switched - 1b), %ecx     # (LLVM takes a difference in this syntax only)
        .intel_syntax noprefix
        mov     esi, [edx + CTX_SP]
        mov     edi, [edx + CTX_FP]
        cmp     ecx, [edx + CTX_PC]
        mov     [edx + CTX_PC], ecx
        mov     ecx, [edx + CTX_BX]
        mov     [edx + CTX_SP], esp
        mov     [edx + CTX_FP], ebp
        mov     [edx + CTX_BX], ebx
        jne     gort_start
        .cfi_remember_state
        mov     ebx, ecx
        .cfi_escape 0x10, 3, 2, 0x72, CTX_BX    # ebx is at [edx + CTX_BX]
        mov     ebp, edi
        .cfi_escape 0x10, 5, 2, 0x72, CTX_FP    # ebp is at [edx + CTX_FP]
        mov     esp, esi
        .cfi_restore_state
gort_switched:
        pop     edi
        .cfi_adjust_cfa_offset -4
        .cfi_restore edi
        pop     esi
        .cfi_adjust_cfa_offset -4
        .cfi_restore esi
        ret
        .cfi_endproc
        .size   gort_switch, . - gort_switch

# ecx = the return address. Called and returned from, so that the return predictor stays right.
        .p2align 4
        .type   gort_pc, @function
gort_pc:
        .cfi_startproc
        mov     ecx, [esp]
        ret
        .cfi_endproc
        .size   gort_pc, . - gort_pc

# void gort_entry(void)                                                  [not for calling]
#
# Where a prepared context begins, and its outermost frame. Prepared means esp = top,
# eip = gort_entry, ebx = entry, ebp = arg; gort_switch comes to gort_start with
#
#       eax        word            ecx        size_t (*entry)(void *arg, size_t word)
#       edx        context         edi        arg
#                                  esi        top
#
#       top  ->  +----------------+
#                | (padding)      |
#                | word           |  +4
#                | arg            |  esp at the call: 16-aligned
#                +----------------+
#                | entry's frame  |
#
# Nobody called: unwinders are told so, and walkers of frame pointers find zero. entry must not
# unwind. Its result goes to the resumer as the last word, and the context is finished: it has
# no stack, and who resumes it stops at the ud2.
        .p2align 4
        .type   gort_start, @function
gort_start:
        .cfi_startproc
        .cfi_def_cfa esp, 0
        .cfi_undefined eip
        test    esi, esi
        jz      1f
        mov     esp, esi
        mov     ebx, ecx
        mov     ebp, edi
        .globl  gort_entry
        .hidden gort_entry
        .type   gort_entry, @function
gort_entry:
        endbr32
        mov     ecx, ebx
        mov     ebx, edx                # the context, kept over the call
        sub     esp, 8
        .cfi_adjust_cfa_offset 8
        push    eax
        .cfi_adjust_cfa_offset 4
        push    ebp
        .cfi_adjust_cfa_offset 4
        xor     ebp, ebp
        call    ecx
        mov     edx, ebx
        xor     ecx, ecx
        mov     esi, [edx + CTX_SP]
        mov     ebp, [edx + CTX_FP]
        mov     ebx, [edx + CTX_BX]
        mov     [edx + CTX_SP], ecx     # finished: neither a stack
        mov     [edx + CTX_PC], ecx     # nor a place to go on
        .cfi_remember_state
        mov     esp, esi
        .cfi_def_cfa esp, 12            # the resumer's frame, as in gort_switch
        .cfi_restore eip
        .cfi_offset esi, -8
        .cfi_offset edi, -12
        jmp     gort_switched           # the resumer waits there
        .cfi_restore_state
1:      ud2                             # a finished context was resumed
        .cfi_endproc
        .size   gort_start, . - gort_start
        .size   gort_entry, . - gort_entry

# size_t gort_outermost(void *arg, size_t word, size_t (*entry)(void *arg, size_t word))
#
#       eax        entry's result
#
#                | entry          |  +12
#                | word           |  +8
#                | arg            |  +4
#                +----------------+
#                | return address |  esp on arrival
#                +----------------+
#                | caller's ebp   |
#                | word           |  +4
#                | arg            |  esp at the call: 16-aligned
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
        endbr32
        mov     eax, [esp + 4]
        mov     edx, [esp + 8]
        mov     ecx, [esp + 12]
        push    ebp
        .cfi_adjust_cfa_offset 4
        .cfi_rel_offset ebp, 0
        push    edx
        .cfi_adjust_cfa_offset 4
        push    eax
        .cfi_adjust_cfa_offset 4
        .cfi_remember_state
        .cfi_undefined eip              # from here on nobody called
        xor     ebp, ebp
        call    ecx
        .cfi_restore_state              # and from here on somebody did
        add     esp, 8
        .cfi_adjust_cfa_offset -8
        pop     ebp
        .cfi_adjust_cfa_offset -4
        .cfi_restore ebp
        ret
        .cfi_endproc
        .size   gort_outermost, . - gort_outermost

# size_t gort_call_on(size_t top, size_t (*f)(...), const size_t *args, size_t count)
#
#       eax        f's result
#
# Calls f(args[0], .., args[count - 1]) on the stack that ends at top, 16-aligned. The arguments
# are copied to that stack, which is where the ABI wants them.
#
#       this stack                           the other one
#       | count          |  +20              top ->  +----------------+
#       | args           |  +16                      | args[count-1]  |  up to three words of
#       | f              |  +12                      | ..             |  padding above
#       | top            |  +8                       | args[0]        |  esp at the call: 16-aligned
#       | return address |                           +----------------+
#       +----------------+
#       | caller's ebp   |  <- ebp
#       +----------------+
#
# Unwinding and walking frame pointers both go on into the caller: f may unwind.
        .section .text.gort_call_on, "ax", @progbits
        .p2align 4
        .globl  gort_call_on
        .hidden gort_call_on
        .type   gort_call_on, @function
gort_call_on:
        .cfi_startproc
        endbr32
        push    ebp
        .cfi_adjust_cfa_offset 4
        .cfi_rel_offset ebp, 0
        mov     ebp, esp
        .cfi_def_cfa_register ebp
        mov     edx, [ebp + 16]         # args
        mov     ecx, [ebp + 20]         # count
        mov     eax, ecx
        neg     eax
        shl     eax, 2
        add     eax, [ebp + 8]          # top
        and     eax, -16
        mov     esp, eax                # in one step: a signal may come at any time
        jmp     2f
1:      mov     eax, [edx + 4*ecx]
        mov     [esp + 4*ecx], eax
2:      dec     ecx
        jns     1b
        call    [ebp + 12]              # f
        mov     esp, ebp
        pop     ebp
        .cfi_def_cfa esp, 4
        .cfi_restore ebp
        ret
        .cfi_endproc
        .size   gort_call_on, . - gort_call_on

# What follows speaks for the object file as a whole, so only for one that holds nothing else:
# --defsym gort_standalone=1. rustc writes its own notes.
        .ifdef  gort_standalone
        .section .note.gnu.property, "a", @note
        .p2align 2
        .long   4, 12, 5
        .asciz  "GNU"
        .long   0xc0000002, 4, 1        # GNU_PROPERTY_X86_FEATURE_1_AND: IBT
        .section .note.GNU-stack, "", @progbits
        .endif
        .text
