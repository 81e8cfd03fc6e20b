/* Drives arch/<cpu>.s from C: no Rust, no corosensei, so it runs wherever there is a C compiler.
 *
 *   driver              all tests, a line for each; the first that fails ends it with status 1
 *   driver quick        the tests that switch, with fewer switches: for a slow machine
 *   driver guarded      all tests, on aarch64 with landing pads enforced (BTI)
 *   driver pairs N      N resume + suspend pairs and nothing else, to count instructions
 *   driver gdb          one pass through every frame a debugger should find its way through
 */
#define _GNU_SOURCE
#include "gort_arch.h"

#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
static const char *const registers[] = {"rbx", "rbp", "r12", "r13", "r14", "r15"};
#elif defined(__i386__)
static const char *const registers[] = {"ebx", "ebp", "esi", "edi"};
#elif defined(__aarch64__)
static const char *const registers[] = {"x19", "x20", "x21", "x22", "x23", "x24", "x25",
                                        "x26", "x27", "x28", "x29", "d8",  "d9",  "d10",
                                        "d11", "d12", "d13", "d14", "d15"};
#elif defined(__riscv)
static const char *const registers[] = {
    "s0",  "s1",  "s2",  "s3",  "s4",  "s5",  "s6",  "s7",  "s8",  "s9",  "s10",  "s11",
    "fs0", "fs1", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11"};
#elif defined(__arm__)
static const char *const registers[] = {"r4", "r5", "r6",  "r7",  "r8",  "r9",  "r10", "r11",
                                        "d8", "d9", "d10", "d11", "d12", "d13", "d14", "d15"};
#endif
#define REGISTERS (sizeof registers / sizeof *registers)

/* Whether register i holds 64 bits. */
static int is_wide(size_t i)
{
    return sizeof(size_t) == 8 || registers[i][0] == 'd';
}

void check(int ok, const char *what)
{
    if (!ok) {
        printf("FAILED: %s\n", what);
        exit(1);
    }
}

size_t new_stack(void)
{
    char *p = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(p != MAP_FAILED, "mmap");
    mprotect(p, 4096, PROT_NONE);
    return (size_t)p + STACK;
}

/* xorshift64: another pattern for every register and every switch. */
static uint64_t next_pattern(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Calls f(args ..) with patterns in all callee-saved registers, and checks that they survive. */
static size_t probed(void *f, const size_t args[4], uint64_t *state)
{
    uint64_t in[REGISTERS], out[REGISTERS];
    for (size_t i = 0; i < REGISTERS; i++) {
        uint64_t pattern = next_pattern(state);
        in[i] = is_wide(i) ? pattern : (uint32_t)pattern;
        out[i] = 0;
    }
    size_t result = probe(f, args, in, out);
    for (size_t i = 0; i < REGISTERS; i++) {
        if (in[i] != out[i]) {
            printf("FAILED: %s: %#llx became %#llx\n", registers[i], (unsigned long long)in[i],
                   (unsigned long long)out[i]);
            exit(1);
        }
    }
    return result;
}

static size_t probed_switch(size_t word, struct gort_context *context, uint64_t *state)
{
    const size_t args[4] = {word, (size_t)context};
    return probed((void *)gort_switch, args, state);
}

/* --- every register, a million switches ------------------------------------------------------ */

static size_t patterned(void *arg, size_t word)
{
    struct gort_context *context = arg;
    uint64_t state = 0x9e3779b97f4a7c15;
    while (word != 0)
        word = probed_switch(word ^ 0x5a5a, context, &state);
    return 77;
}

static void test_registers(size_t pairs)
{
    struct gort_context context = {0};
    uint64_t state = 0xdeadbeefcafef00d;
    gort_prepare(&context, new_stack(), patterned, &context);
    for (size_t word = 1; word <= pairs; word++)
        check(probed_switch(word, &context, &state) == (word ^ 0x5a5a), "words cross");
    check(probed_switch(0, &context, &state) == 77, "the last word is entry's result");
    check(context.sp == 0, "a finished context has no stack");
}

static size_t once(void *arg, size_t word)
{
    return word + (size_t)arg;
}

static void test_reuse(size_t rounds)
{
    struct gort_context context = {0};
    uint64_t state = 12345;
    size_t top = new_stack();
    for (size_t i = 0; i < rounds; i++) {
        gort_prepare(&context, top, once, (void *)i);
        check(probed_switch(1, &context, &state) == i + 1, "a context runs again");
    }
}

/* --- nested entries -------------------------------------------------------------------------- */

static size_t nested(void *arg, size_t depth)
{
    struct gort_context *self = arg;
    uint64_t state = depth + 1;
    size_t inner = 0;
    if (depth > 0) {
        struct gort_context context = {0};
        gort_prepare(&context, new_stack(), nested, &context);
        inner = probed_switch(depth - 1, &context, &state);
        check(inner == depth - 1, "the inner context suspends");
        inner = probed_switch(0, &context, &state);
    }
    probed_switch(depth, self, &state);
    return inner + 1;
}

static void test_nested(size_t levels)
{
    struct gort_context context = {0};
    uint64_t state = 99;
    gort_prepare(&context, new_stack(), nested, &context);
    check(probed_switch(levels, &context, &state) == levels, "the outermost suspends");
    check(probed_switch(0, &context, &state) == levels + 1, "all of them end");
}

/* --- calls on another stack ------------------------------------------------------------------ */

static size_t expected, other_top;

static void aligned_locals(void *local, size_t to)
{
    check((size_t)local % to == 0, "the stack is aligned at a call");
}

static size_t many(size_t a, size_t b, size_t c, size_t d, size_t e, size_t f, size_t g, size_t h,
                   size_t i, size_t j, size_t k, size_t l, size_t m, size_t n, size_t o, size_t p,
                   size_t q, size_t r, size_t s, size_t t)
{
    size_t got[] = {a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t};
#ifdef __arm__
    _Alignas(8) double local = 1;
    aligned_locals(&local, 8);
#else
    _Alignas(16) char local[16];
    aligned_locals(local, 16);
#endif
    check((size_t)&local < other_top && (size_t)&local > other_top - STACK, "it is that stack");
    size_t sum = 0;
    for (size_t x = 0; x < expected; x++) {
        check(got[x] == 1000 + x * x, "an argument arrives");
        sum += got[x];
    }
    return sum;
}

static void call_many(void)
{
    uint64_t state = 4242;
    size_t values[20], sum = 0;
    other_top = new_stack() - 256; /* many reads twenty arguments, however few there are */
    for (expected = 0; expected <= 20; expected++) {
        const size_t args[4] = {other_top, (size_t)many, (size_t)values, expected};
        check(probed((void *)gort_call_on, args, &state) == sum, "f's result comes back");
        values[expected % 20] = 1000 + expected * expected;
        sum += 1000 + expected * expected;
    }
}

static size_t call_many_in_context(void *arg, size_t word)
{
    (void)arg;
    call_many();
    return word;
}

static size_t suspend_there(struct gort_context *context, size_t word)
{
    uint64_t state = word;
    return probed_switch(word, context, &state);
}

/* A context may suspend while it is on a second stack. */
static size_t suspend_on_other_stack(void *arg, size_t word)
{
    const size_t values[2] = {(size_t)arg, word + 1};
    const size_t args[4] = {new_stack(), (size_t)suspend_there, (size_t)values, 2};
    uint64_t state = 31;
    return probed((void *)gort_call_on, args, &state) + 1;
}

static void test_call_on(void)
{
    struct gort_context context = {0};
    uint64_t state = 7;
    call_many();
    gort_prepare(&context, new_stack(), call_many_in_context, NULL);
    check(probed_switch(5, &context, &state) == 5, "calls on a third stack");
    gort_prepare(&context, new_stack(), suspend_on_other_stack, &context);
    check(probed_switch(10, &context, &state) == 11, "suspends on the second stack");
    check(probed_switch(20, &context, &state) == 21, "and goes on there");
}

static void test_outermost(void)
{
    const size_t args[4] = {30, 4, (size_t)once};
    uint64_t state = 8;
    check(probed((void *)gort_outermost, args, &state) == 34, "entry's result comes back");
}

/* --- backtraces ------------------------------------------------------------------------------ */

/* Functions whose frames the tests look for, each in a section of its own: the linker then knows
   where they begin and end. */
#define LANDMARK(name) __attribute__((noinline, section(#name "_code")))
extern char __start_inner_code[], __stop_inner_code[];
extern char __start_root_code[], __stop_root_code[];
extern char __start_outer_code[], __stop_outer_code[];
extern char __start_middle_code[], __stop_middle_code[];

static void *frames[64];
static int depth;

LANDMARK(inner) size_t inner(void)
{
    depth = backtrace(frames, 64);
    return (size_t)depth;
}

LANDMARK(middle) size_t middle(void *arg, size_t word)
{
    (void)arg;
    size_t got = inner();
    return got ? word : 0; /* not a tail call */
}

/* On another stack, as the last thing but one of a chain that should not end there. */
LANDMARK(middle) size_t middle_on_other_stack(void)
{
    return inner() + 1;
}

static int has_frame(const char *start, const char *stop)
{
    for (int i = 0; i < depth; i++)
        if (start < (char *)frames[i] && (char *)frames[i] <= stop)
            return 1;
    return 0;
}
#define HAS(name) has_frame(__start_##name##_code, __stop_##name##_code)

static int ends_in(void *routine)
{
#ifdef __arm__
    /* Its unwinder reports the frames before one that cannot be unwound, and not that one. */
    return routine && !HAS(root);
#endif
    char *start = (char *)((size_t)routine & ~(size_t)1);
    int last = depth - 1;
    while (last > 0 && !frames[last]) /* libgcc counts the end as a frame at address zero */
        last--;
    return start < (char *)frames[last] && (char *)frames[last] < start + 100;
}

LANDMARK(outer) void outer_resumes(struct gort_context *context)
{
    check(gort_switch(9, context) == 9, "the word comes back");
}

LANDMARK(outer) void outer_calls_outermost(void)
{
    check(gort_outermost(NULL, 9, middle) == 9, "the result comes back");
}

LANDMARK(outer) void outer_calls_on(void)
{
    check(gort_call_on(new_stack(), middle_on_other_stack, NULL, 0) > 1, "the result comes back");
}

static size_t call_on_in_context(void *arg, size_t word)
{
    (void)arg;
    outer_calls_on();
    return word;
}

static void test_backtrace(void)
{
    struct gort_context context = {0};
    gort_prepare(&context, new_stack(), middle, NULL);
    outer_resumes(&context);
    check(HAS(inner) && HAS(middle), "a backtrace on a context shows its frames");
    check(!HAS(outer), "and not its resumer's");
    check(ends_in((void *)gort_entry), "and ends in gort_entry");

    outer_calls_outermost();
    check(HAS(inner) && HAS(middle) && !HAS(outer), "gort_outermost ends a backtrace");
    check(ends_in((void *)gort_outermost), "in itself");

    outer_calls_on();
    check(HAS(inner) && HAS(middle) && HAS(outer), "gort_call_on does not end a backtrace");

    gort_prepare(&context, new_stack(), call_on_in_context, NULL);
    check(gort_switch(9, &context) == 9, "the word comes back");
    check(HAS(inner) && HAS(middle) && HAS(outer), "nor does it on a context");
    check(ends_in((void *)gort_entry), "which gort_entry still ends");
}

#ifndef __arm__ /* has no one layout of frame records: A32 and Thumb code differ */
/* Frame pointers, for profilers: zero at the entry, and through gort_call_on to the caller. Where the
   record of a frame is, and how to read its return address. */
#if defined(__riscv)
#define RECORD(frame) ((size_t *)(frame) - 2)
#else
#define RECORD(frame) ((size_t *)(frame))
#endif

static void *without_signature(size_t address)
{
#ifdef __aarch64__
    register size_t x30 __asm__("x30") = address;
    __asm__("hint #7 // xpaclri" : "+r"(x30));
    return (void *)x30;
#else
    return (void *)address;
#endif
}

__attribute__((noinline)) static size_t walk(void)
{
#ifdef __riscv
    __asm__ volatile("" ::: "ra"); /* a leaf would not save it */
#endif
    void *frame = __builtin_frame_address(0);
    for (depth = 0; frame && !HAS(outer); depth++) {
        frames[depth] = without_signature(RECORD(frame)[1]);
        frame = (void *)RECORD(frame)[0];
    }
    return (size_t)depth;
}

LANDMARK(middle) size_t middle_walks(void *arg, size_t word)
{
    (void)arg;
    return walk() ? word : 0;
}

LANDMARK(outer) void outer_walks(struct gort_context *context)
{
    check(gort_switch(3, context) == 3, "the word comes back");
}

LANDMARK(outer) void outer_walks_on(void)
{
    const size_t args[2] = {0, 3};
    check(gort_call_on(new_stack(), middle_walks, args, 2) == 3, "the result comes back");
}

static void test_walks(void)
{
    struct gort_context context = {0};
    gort_prepare(&context, new_stack(), middle_walks, NULL);
    outer_walks(&context);
    check(depth == 2 && ends_in((void *)gort_entry), "frame pointers end at the entry");
    check(gort_outermost(NULL, 3, middle_walks) == 3 && depth == 2, "and in gort_outermost");
    outer_walks_on();
    check(depth == 3 && HAS(outer), "and lead through gort_call_on");
}
#else
static void test_walks(void)
{
}
#endif

static void test_frame_pointers(void)
{
    struct gort_context context = {0};
    gort_prepare(&context, new_stack(), frame_pointer, &context);
    check(gort_switch(1, &context) == 0, "an entry has no frame below");
    check(gort_outermost(NULL, 1, frame_pointer) == 0, "nor has one in gort_outermost");
    test_walks();
}

/* --- misuse ---------------------------------------------------------------------------------- */

static void test_finished_stops(void)
{
    struct gort_context context = {0};
    gort_prepare(&context, new_stack(), once, NULL);
    gort_switch(1, &context);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGILL, SIG_DFL);
        gort_switch(1, &context);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    check(WIFSIGNALED(status) && (WTERMSIG(status) == SIGILL), "a finished context cannot run");
}

/* --- for tools ------------------------------------------------------------------------------- */

static size_t bare(void *arg, size_t word)
{
    while (word != SIZE_MAX)
        word = gort_switch(word, arg);
    return word;
}

static void pairs_only(size_t pairs)
{
    struct gort_context context = {0};
    gort_prepare(&context, new_stack(), bare, &context);
    for (size_t i = 0; i < pairs; i++)
        gort_switch(i, &context);
}

__attribute__((noinline)) size_t gdb_stop(size_t where)
{
    __asm__ volatile("" ::"r"(where) : "memory");
    return where;
}

__attribute__((noinline)) size_t gdb_on_segment(size_t where)
{
    return gdb_stop(where) + 1;
}

__attribute__((noinline)) size_t gdb_as_outermost(void *arg, size_t word)
{
    (void)arg;
    return gdb_stop(word);
}

/* gdb takes a caller at a lower address for a corrupt stack, so the segment lies below. */
static size_t gdb_segment;

__attribute__((noinline)) size_t gdb_body(void *arg, size_t word)
{
    const size_t args[1] = {2};
    gdb_stop(1);
    gort_call_on(gdb_segment, (size_t (*)())gdb_on_segment, args, 1);
    word = gort_switch(word, arg);
    return word + 1;
}

__attribute__((noinline)) void gdb_resume(struct gort_context *context, size_t word)
{
    gort_switch(word, context);
    __asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) void gdb_pass(size_t top)
{
    struct gort_context context = {0};
    gort_prepare(&context, top, gdb_body, &context);
    gdb_resume(&context, 1);
    gdb_resume(&context, 2);
    gort_outermost(NULL, 3, gdb_as_outermost);
}

static void test_switches(size_t pairs, size_t rounds, size_t levels)
{
    test_registers(pairs);
    printf("registers: %zu switches\n", 2 * pairs);
    test_reuse(rounds);
    puts("reuse");
    test_nested(levels);
    puts("nested");
    test_call_on();
    puts("calls on another stack");
    test_outermost();
    puts("outermost");
}

LANDMARK(root) void run_tests(void)
{
    test_switches(500000, 1000, 50);
    test_backtrace();
    puts("backtrace");
    test_frame_pointers();
    puts("frame pointers");
    test_exceptions();
    puts("exceptions");
    test_finished_stops();
    puts("misuse");
}

/* From here on an indirect jump must meet a landing pad. Not done by the linker, because the C
   library's start-up code has none. */
static void guard_code(void)
{
#ifdef __aarch64__
    extern char __executable_start[], etext[];
    size_t from = (size_t)__executable_start & ~(size_t)4095;
    check(mprotect((void *)from, (size_t)etext - from, PROT_READ | PROT_EXEC | 0x10) == 0, "BTI");
#endif
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "pairs")) {
        pairs_only(strtoul(argv[2], NULL, 10));
        return 0;
    }
    if (argc == 2 && !strcmp(argv[1], "gdb")) {
        size_t one = new_stack(), two = new_stack();
        gdb_segment = one < two ? one : two;
        gdb_pass(one < two ? two : one);
        return 0;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && !strcmp(argv[1], "quick")) {
        test_switches(200, 20, 10);
        return 0;
    }
    if (argc == 2 && !strcmp(argv[1], "guarded"))
        guard_code();
    run_tests();
    fflush(stdout);
    _exit(0); /* the start-up code's other end has no landing pads either */
}
