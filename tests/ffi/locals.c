/* What C programs keep for a thread is the goroutine's: errno, _Thread_local, keys, pthread_self, the
 * allocator. Thousands of goroutines change threads at every yield; those that come later use their
 * places again. With -DLOAD the library is loaded at run time:
 *
 *   locals [LIBRARY]
 */
#include <gort.h>

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(ok)                                                      \
    do {                                                               \
        if (!(ok)) {                                                   \
            fprintf(stderr, "line %d: %s\n", __LINE__, #ok);           \
            abort();                                                   \
        }                                                              \
    } while (0)

enum { GOROUTINES = 2000, TURNS = 8, ROUNDS = 3 };

#ifdef LOAD
static int (*run)(gort_function f, void *arg);
static int (*go)(gort_function f, void *arg);
static void (*yield)(void);
static size_t (*count)(void);
static size_t (*procs)(size_t n);

static void load(const char *library)
{
    static const char *const names[] = { "gort_run", "gort_go", "gort_yield", "gort_num_goroutine", "gort_gomaxprocs" };
    void *const places[] = { &run, &go, &yield, &count, &procs };
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    CHECK(handle);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        void *found = dlsym(handle, names[i]);
        CHECK(found);
        memcpy(places[i], &found, sizeof found);
    }
}
#else
#define run gort_run
#define go gort_go
#define yield gort_yield
#define count gort_num_goroutine
#define procs gort_gomaxprocs
#endif

static _Thread_local int initialized = 4321, zero;
static pthread_key_t key;
static atomic_int destroyed, moved;

static void destroy(void *value)
{
    destroyed += value != NULL;
}

static void goroutine(void *arg)
{
    int me = (int)(size_t)arg, *at = &zero;
    pthread_t self = pthread_self();
    char *text = malloc((size_t)me % 500 + 20);
    CHECK(text && initialized == 4321 && zero == 0 && !pthread_getspecific(key));
    sprintf(text, "%d", me);
    initialized = zero = me;
    CHECK(pthread_setspecific(key, text) == 0);
    for (int i = 0; i < TURNS; i++) {
        errno = me;
        yield();
        CHECK(errno == me && initialized == me && *at == me && at == &zero);
        CHECK(pthread_equal(self, pthread_self()) && pthread_getspecific(key) == text);
        CHECK(atoi(text) == me && isalpha('g') && !isalpha('1'));
    }
    free(text);
    moved++;
}

static void main_goroutine(void *arg)
{
    /* Those of the thread that called. */
    CHECK(zero == 77 && pthread_equal(*(pthread_t *)arg, pthread_self()));
    for (int round = 1; round <= ROUNDS; round++) {
        procs((size_t)round);
        for (size_t i = 1; i <= GOROUTINES; i++)
            CHECK(go(goroutine, (void *)i) == 0);
        while (count() > 1)
            yield();
        CHECK(moved == round * GOROUTINES && destroyed == round * GOROUTINES);
        CHECK(zero == 77);
    }
    zero = 78;
}

int main(int argc, char **argv)
{
    pthread_t self = pthread_self();
#ifdef LOAD
    CHECK(argc > 1);
    load(argv[1]);
#else
    (void)argc, (void)argv;
#endif
    CHECK(pthread_key_create(&key, destroy) == 0);
    zero = 77;
    CHECK(run(main_goroutine, &self) == 0);
    CHECK(zero == 78);
    puts("locals");
    return 0;
}
