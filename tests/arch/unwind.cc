/* Exceptions through the frames of arch/<cpu>.s: what a Rust panic does there. */
#include "gort_arch.h"

#include <csignal>
#include <cstdio>
#include <sys/wait.h>
#include <unistd.h>

static int destroyed; /* how many guards */

struct Guard {
    ~Guard() { destroyed++; }
};

static size_t thrower(size_t what)
{
    Guard guard;
    if (what != 0)
        throw what;
    return 0;
}

/* Throws through gort_call_on to its caller. */
static size_t through_call_on(size_t what)
{
    Guard guard;
    const size_t args[1] = {what};
    return gort_call_on(new_stack(), (size_t (*)())(void *)thrower, args, 1);
}

static size_t caught(size_t what)
{
    try {
        return through_call_on(what);
    } catch (size_t got) {
        return got + 1;
    }
}

/* Throws, catches, suspends in between, and ends: all on a context. */
static size_t throwing_body(void *arg, size_t word)
{
    gort_context *context = static_cast<gort_context *>(arg);
    for (int i = 0; i < 10; i++) {
        try {
            Guard guard;
            word = gort_switch(word, context);
            thrower(word);
        } catch (size_t got) {
            word = got + caught(word);
        }
    }
    return word;
}

/* Nobody catches: the search must end at gort_entry and not go on into the resumer. */
static size_t uncaught_body(void *, size_t word)
{
    return thrower(word);
}

static void expect_abort(void (*f)())
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        fclose(stderr);
        try {
            f();
        } catch (...) {
        }
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "an exception stays on its context");
}

extern "C" void test_exceptions()
{
    check(caught(5) == 6 && destroyed == 2, "an exception comes through gort_call_on");
    check(caught(0) == 0 && destroyed == 4, "and a result does");

    gort_context context = {};
    gort_prepare(&context, new_stack(), throwing_body, &context);
    destroyed = 0;
    check(gort_switch(3, &context) == 3, "it suspends inside try");
    for (size_t word = 1; word < 10; word++)
        check(gort_switch(word, &context) == 2 * word + 1, "it catches and suspends again");
    check(gort_switch(20, &context) == 41 && destroyed == 40, "no destructor is left out");

    expect_abort([] {
        gort_context context = {};
        gort_prepare(&context, new_stack(), uncaught_body, nullptr);
        gort_switch(1, &context);
    });
    expect_abort([] { gort_outermost(nullptr, 1, uncaught_body); });
}
