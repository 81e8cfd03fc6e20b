/* Shadow stacks for the drivers: as src/switch/shadow_x86_64.rs has it. */
#define _GNU_SOURCE
#include "gort_arch.h"

#ifdef __x86_64__
#include <sys/syscall.h>
#include <unistd.h>

size_t shadow_stack(size_t stack_bytes)
{
    size_t ssp = 0;
    __asm__ volatile("rdsspq %0" : "+r"(ssp));
    if (ssp == 0)
        return 0;
    size_t bytes = stack_bytes / 2;
    size_t base = (size_t)syscall(453 /* map_shadow_stack */, 0UL, bytes, 1UL /* with a token */);
    check(base != (size_t)-1, "map_shadow_stack");
    return base + bytes - 8;
}
#else
size_t shadow_stack(size_t stack_bytes)
{
    return stack_bytes & 0;
}
#endif
