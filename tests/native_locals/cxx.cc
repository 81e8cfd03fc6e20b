// C++ exceptions and thread_locals on goroutines that change threads at every yield.
#include <atomic>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

using yield_fn = void();
#define CHECK(ok) do { if (!(ok)) return __LINE__; } while (0)

static std::atomic<int> *alive_count() { static std::atomic<int> n{0}; return &n; }
struct Counted { int value = 7; Counted() { ++*alive_count(); } ~Counted() { --*alive_count(); } };
static thread_local Counted counted;
extern "C" int cxx_alive() { return alive_count()->load(); }

static int caught_and_suspended(yield_fn *yield) {
    for (int i = 0; i < 4; i++) {
        std::string mine = "error " + std::to_string(reinterpret_cast<unsigned long>(&mine));
        try { throw std::runtime_error(mine); }
        catch (const std::exception &e) {
            yield();
            CHECK(e.what() == mine);
            try { yield(); throw; }
            catch (const std::runtime_error &again) { yield(); CHECK(again.what() == mine); }
        }
    }
    return 0;
}

struct Unwinds {
    yield_fn *yield; int *seen;
    ~Unwinds() { *seen = std::uncaught_exceptions(); yield(); *seen += 10 * std::uncaught_exceptions(); }
};
static int uncaught_is_counted(yield_fn *yield) {
    CHECK(std::uncaught_exceptions() == 0);
    int seen = 0;
    try { Unwinds u{yield, &seen}; throw 1; } catch (int) { yield(); }
    CHECK(seen == 11 && std::uncaught_exceptions() == 0);
    return 0;
}

static int current_exception_is_ours(yield_fn *yield) {
    std::exception_ptr p;
    int number = static_cast<int>(reinterpret_cast<unsigned long>(&p) >> 8 & 0xffffff);
    try { throw number; } catch (...) { yield(); p = std::current_exception(); yield(); }
    try { std::rethrow_exception(p); } catch (int n) { CHECK(n == number); }
    CHECK(!std::current_exception());
    return 0;
}

static int thread_locals_are_made_and_unmade(yield_fn *yield) {
    CHECK(counted.value == 7);
    counted.value = 8;
    yield();
    CHECK(counted.value == 8);
    return 0;
}

static int threads_and_once(yield_fn *yield) {
    int n = 0; std::once_flag once;
    std::thread t([&] { n++; });
    yield();
    t.join();
    std::call_once(once, [&] { yield(); n++; });
    CHECK(n == 2);
    return 0;
}

struct test { const char *name; int (*run)(yield_fn *); int heavy; };
extern "C" { test cxx_tests[] = {
    {"caught_and_suspended", caught_and_suspended, 0}, {"uncaught_is_counted", uncaught_is_counted, 0},
    {"current_exception_is_ours", current_exception_is_ours, 0},
    {"thread_locals_are_made_and_unmade", thread_locals_are_made_and_unmade, 0},
    {"threads_and_once", threads_and_once, 1}, {nullptr, nullptr, 0},
}; }
