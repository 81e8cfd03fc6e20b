/* The contract of arch/README.md in C, for the drivers in this directory. */
#ifndef GORT_ARCH_H
#define GORT_ARCH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gort_context {
    size_t sp, pc, fp, extra, shadow;
};

typedef size_t entry_fn(void *arg, size_t word);

size_t gort_switch(size_t word, struct gort_context *context);
void gort_entry(void);
size_t gort_outermost(void *arg, size_t word, entry_fn *entry);
size_t gort_call_on(size_t top, size_t (*f)(), const size_t *args, size_t count);

/* shadow.c: a restore token for a new shadow stack, or 0 where the thread has none. */
size_t shadow_stack(size_t stack_bytes);

static inline void gort_prepare(struct gort_context *context, size_t top, entry_fn *entry,
                                void *arg)
{
    /* The shadow stack of a finished context is empty and taken up again. */
    size_t shadow = context->shadow ? context->shadow : shadow_stack(1 << 16);
    *context = (struct gort_context){top, (size_t)gort_entry, (size_t)arg, (size_t)entry, shadow};
}

/* probe_<cpu>.s: fills every callee-saved register from in, calls f(args[0] .. args[3]), and dumps
   the same registers to out. */
size_t probe(void *f, const size_t *args, const uint64_t *in, uint64_t *out);
/* The same file: an entry that returns the frame pointer it was called with. */
entry_fn frame_pointer;

/* unwind.cc */
void test_exceptions(void);

#define STACK ((size_t)1 << 18)
/* The top of a new stack, 16-aligned. */
size_t new_stack(void);
void check(int ok, const char *what);

#ifdef __cplusplus
}
#endif
#endif
