// C++ in goroutines: exceptions are caught inside, with waits in between and on whichever thread the
// goroutine then is; destructors run when it exits or panics; what leaves a goroutine ends the process.
//
//   exceptions          the tests
//   exceptions leave    throws out of a goroutine
#include <gort.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>

static void check(bool ok, const char *what)
{
    if (!ok) {
        std::fprintf(stderr, "failed: %s\n", what);
        std::abort();
    }
}

static std::atomic<int> alive, finished;

struct Guard {
    Guard() { alive++; }
    ~Guard() { alive--; }
};

static void nested(int depth, const std::string &me)
{
    Guard guard;
    try {
        gort_yield();
        throw std::runtime_error(me + std::to_string(depth));
    } catch (const std::exception &e) {
        gort_sleep(1000);
        check(e.what() == me + std::to_string(depth), "the exception is this goroutine's");
        if (depth > 0)
            nested(depth - 1, me);
        gort_yield();
        check(e.what() == me + std::to_string(depth), "and stays it");
        try {
            gort_yield();
            throw;
        } catch (const std::runtime_error &again) {
            check(again.what() == me + std::to_string(depth), "also when it is thrown again");
        }
    }
    check(std::uncaught_exceptions() == 0, "none is on its way");
}

static void *throws(void *arg)
{
    for (int i = 0; i < 20; i++)
        nested(3, std::to_string(reinterpret_cast<long>(arg)) + "/");
    finished++;
    return nullptr;
}

static void *leaves(void *)
{
    Guard guard;
    gort_exit();
}

static void panics(void *)
{
    Guard guard;
    gort_panic("from C++");
}

static void main_goroutine(void *)
{
    gort_task *tasks[16];
    for (long i = 0; i < 16; i++)
        check(gort_task_go(&tasks[i], throws, reinterpret_cast<void *>(i)) == 0, "go");
    for (gort_task *task : tasks)
        check(gort_task_join(task, nullptr, GORT_FOREVER) == 0, "join");
    check(finished == 16 && alive == 0, "all have ended");
    check(gort_task_go(&tasks[0], leaves, nullptr) == 0, "go");
    gort_task_join(tasks[0], nullptr, GORT_FOREVER);
    check(alive == 0, "gort_exit runs destructors");
    char text[32];
    check(gort_try(panics, nullptr, text, sizeof text) < 0, "gort_try stops a panic");
    check(alive == 0 && std::strcmp(text, "from C++") == 0, "which runs destructors");
    std::puts("exceptions");
}

static void throws_out(void *)
{
    throw std::runtime_error("nobody catches this");
}

static void lets_go(void *)
{
    gort_go(throws_out, nullptr);
    gort_sleep(3600LL * 1000000000);
}

int main(int argc, char **)
{
    return gort_run(argc > 1 ? lets_go : main_goroutine, nullptr) == 0 ? 0 : 1;
}
