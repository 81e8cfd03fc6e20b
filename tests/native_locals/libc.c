/* What C programs do with what is a thread's, on goroutines that change threads at every yield. Each
 * function returns 0, or the line of what went wrong. Built by main.rs with the stack protector on. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <locale.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

typedef void yield_fn(void);
#define CHECK(ok) do { if (!(ok)) return __LINE__; } while (0)
#define TURNS 8

static __thread int initialized = 4321;
static __thread int zero;

static int errno_stays(yield_fn *yield) {
    int mine = (int)((unsigned long)&mine >> 12 & 0xfff) + 1;
    errno = mine;
    for (int i = 0; i < TURNS; i++) { yield(); CHECK(errno == mine); }
    return 0;
}

static int identity_stays(yield_fn *yield) {
    pthread_t self = pthread_self();
    for (int i = 0; i < TURNS; i++) { yield(); CHECK(pthread_equal(self, pthread_self())); }
    return 0;
}

static int thread_variables(yield_fn *yield) {
    CHECK(initialized == 4321 && zero == 0);
    int *at = &zero;
    for (int i = 1; i < TURNS; i++) { zero = i; initialized++; yield(); CHECK(*at == i && at == &zero); }
    CHECK(initialized == 4321 + TURNS - 1);
    return 0;
}

static int mutex_of_kind(yield_fn *yield, int kind, int robust, int inherit) {
    pthread_mutexattr_t attr; pthread_mutex_t m;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, kind);
    if (robust) pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    if (inherit) pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    CHECK(pthread_mutex_init(&m, &attr) == 0);
    for (int i = 0; i < TURNS; i++) {
        CHECK(pthread_mutex_lock(&m) == 0);
        yield();
        if (kind == PTHREAD_MUTEX_RECURSIVE) {
            CHECK(pthread_mutex_lock(&m) == 0); yield(); CHECK(pthread_mutex_unlock(&m) == 0);
        }
        if (kind == PTHREAD_MUTEX_ERRORCHECK) CHECK(pthread_mutex_lock(&m) == EDEADLK);
        CHECK(pthread_mutex_unlock(&m) == 0);
        if (kind != PTHREAD_MUTEX_NORMAL) CHECK(pthread_mutex_unlock(&m) == EPERM);
    }
    CHECK(pthread_mutex_destroy(&m) == 0);
    return 0;
}
static int mutex_recursive(yield_fn *y) { return mutex_of_kind(y, PTHREAD_MUTEX_RECURSIVE, 0, 0); }
static int mutex_errorcheck(yield_fn *y) { return mutex_of_kind(y, PTHREAD_MUTEX_ERRORCHECK, 0, 0); }
static int mutex_robust(yield_fn *y) { return mutex_of_kind(y, PTHREAD_MUTEX_ERRORCHECK, 1, 0); }
static int mutex_inherit(yield_fn *y) { return mutex_of_kind(y, PTHREAD_MUTEX_ERRORCHECK, 0, 1); }

static int rwlock_knows_its_writer(yield_fn *yield) {
    pthread_rwlock_t l = PTHREAD_RWLOCK_INITIALIZER;
    CHECK(pthread_rwlock_wrlock(&l) == 0);
    yield();
    CHECK(pthread_rwlock_wrlock(&l) == EDEADLK && pthread_rwlock_rdlock(&l) == EDEADLK);
    CHECK(pthread_rwlock_unlock(&l) == 0);
    return 0;
}

#define KEYS 80
static pthread_key_t keys[KEYS];
static pthread_once_t keys_once = PTHREAD_ONCE_INIT;
static int keys_made, destroyed;
static void destroy(void *value) { __atomic_add_fetch(&destroyed, value != 0, __ATOMIC_RELAXED); }
static void make_keys(void) { while (keys_made < KEYS && !pthread_key_create(&keys[keys_made], destroy)) keys_made++; }
static int keys_and_values(yield_fn *yield) {
    pthread_once(&keys_once, make_keys);
    CHECK(keys_made == KEYS);
    for (int i = 0; i < KEYS; i++) CHECK(!pthread_getspecific(keys[i]) && !pthread_setspecific(keys[i], &keys[i]));
    yield();
    for (int i = 0; i < KEYS; i++) CHECK(pthread_getspecific(keys[i]) == &keys[i]);
    return 0;
}
int values_destroyed(void) { return __atomic_load_n(&destroyed, __ATOMIC_RELAXED); }

static int cpu_and_clock(yield_fn *yield) {
    struct timespec t;
    for (int i = 0; i < TURNS; i++) {
        CHECK(sched_getcpu() >= 0 && clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
        CHECK(pthread_setname_np(pthread_self(), "goroutine") == 0);
        yield();
    }
    return 0;
}

static int kernel_ids_are_unknown(yield_fn *yield) {
    cpu_set_t set; struct sched_param p; int policy; (void)yield;
    CPU_ZERO(&set); CPU_SET(0, &set);
    /* The documented result: the kernel does not know the block's id. */
    CHECK(pthread_setaffinity_np(pthread_self(), sizeof set, &set) == ESRCH);
    CHECK(pthread_getschedparam(pthread_self(), &policy, &p) != EFAULT);
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
    return 0;
}

static volatile int signals;
static __thread volatile int seen;
static void on_signal(int s) { (void)s; int e = errno; errno = 77; seen++; __atomic_add_fetch(&signals, 1, __ATOMIC_RELAXED); errno = e; }
static int signals_to_itself(yield_fn *yield) {
    signal(SIGUSR1, on_signal);
    for (int i = 0; i < TURNS; i++) {
        int before = seen; errno = 5;
        CHECK(raise(SIGUSR1) == 0 && seen == before + 1 && errno == 5);
        CHECK(pthread_kill(pthread_self(), SIGUSR1) == 0 && seen == before + 2);
        yield();
    }
    return 0;
}

static int streams_locked(yield_fn *yield) {
    FILE *f = fopen("/dev/null", "w");
    CHECK(f);
    for (int i = 0; i < TURNS; i++) { flockfile(f); yield(); CHECK(fprintf(f, "%d", i) == 1); CHECK(ftrylockfile(f) == 0); funlockfile(f); funlockfile(f); }
    CHECK(fclose(f) == 0);
    return 0;
}

static int characters_and_locales(yield_fn *yield) {
    wchar_t w; locale_t c = newlocale(LC_ALL_MASK, "C", 0);
    CHECK(c && isalpha('a') && !isalpha('1') && strtod("2.5", 0) == 2.5 && mbtowc(&w, "x", 1) == 1);
    CHECK(uselocale(0) == LC_GLOBAL_LOCALE);
    uselocale(c);
    for (int i = 0; i < TURNS; i++) { yield(); CHECK(uselocale(0) == c && toupper('g') == 'G'); }
    return 0; /* left set: the next goroutine must not find it */
}

static int names_resolve(yield_fn *yield) {
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM }, *list;
    for (int i = 0; i < 3; i++) { CHECK(getaddrinfo("127.0.0.1", "80", &hints, &list) == 0); yield(); freeaddrinfo(list); }
    return 0;
}

static int loader_errors(yield_fn *yield) {
    char name[64]; snprintf(name, sizeof name, "/nonexistent/%p.so", (void *)name);
    CHECK(!dlopen(name, RTLD_NOW));
    yield();
    char *e = dlerror();
    CHECK(e && strstr(e, name) && !dlerror());
    return 0;
}

static int user_ids(yield_fn *yield) {
    for (int i = 0; i < 3; i++) { CHECK(setuid(getuid()) == 0 && setgid(getgid()) == 0); yield(); }
    return 0;
}

static void *child(void *arg) { initialized = 1; *(int *)arg += 1; return arg; }
static int threads_inside(yield_fn *yield) {
    pthread_t t; int n = 0; void *r;
    for (int i = 0; i < 3; i++) {
        CHECK(pthread_create(&t, 0, child, &n) == 0);
        yield();
        CHECK(pthread_join(t, &r) == 0 && r == &n && n == i + 1 && initialized == 4321);
    }
    return 0;
}

static int fork_inside(yield_fn *yield) {
    for (int i = 0; i < 2; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            pthread_t t; int n = 0; void *p = malloc(1000); pthread_mutex_t m = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
            int ok = p && !pthread_create(&t, 0, child, &n) && !pthread_join(t, 0) && n == 1
                && !pthread_mutex_lock(&m) && !pthread_mutex_lock(&m);
            free(p);
            _exit(ok ? 0 : 9);
        }
        int status = -1;
        CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
        yield();
    }
    return 0;
}

extern char **environ;
static int other_programs(yield_fn *yield) {
    char *argv[] = { "true", 0 }; pid_t pid; int status = -1;
    CHECK(posix_spawnp(&pid, "true", 0, 0, argv, environ) == 0 && waitpid(pid, &status, 0) == pid && status == 0);
    yield();
    FILE *p = popen("echo hi", "r"); char line[8] = "";
    CHECK(p && fgets(line, sizeof line, p) && !strcmp(line, "hi\n") && pclose(p) == 0);
    CHECK(system("exit 3") >> 8 == 3);
    return 0;
}

static int jumps(yield_fn *yield) {
    jmp_buf b; volatile int n = 0;
    if (setjmp(b) < 3) { yield(); n++; longjmp(b, n); }
    CHECK(n == 3);
    return 0;
}

static int conditions(yield_fn *yield) {
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; pthread_cond_t c = PTHREAD_COND_INITIALIZER; struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t); yield();
    CHECK(pthread_mutex_lock(&m) == 0 && pthread_cond_timedwait(&c, &m, &t) == ETIMEDOUT && pthread_mutex_unlock(&m) == 0);
    return 0;
}

static int allocations(yield_fn *yield) {
    char *kept[40];
    for (int i = 0; i < 40; i++) { kept[i] = malloc(8 + 25 * i); CHECK(kept[i]); memset(kept[i], i, 8 + 25 * i); if (i % 8 == 0) yield(); }
    for (int i = 0; i < 40; i++) { CHECK(kept[i][7 + 25 * i] == i); free(kept[i]); }
    return 0;
}

static int messages(yield_fn *yield) {
    char *a = strerror(123456); char copy[64]; snprintf(copy, sizeof copy, "%s", a);
    yield();
    CHECK(!strcmp(a, copy) && strstr(a, "123456"));
    return 0;
}

struct test { const char *name; int (*run)(yield_fn *); int heavy; };
struct test tests[] = {
#define T(f) { #f, f, 0 }
#define H(f) { #f, f, 1 }
    T(errno_stays), T(identity_stays), T(thread_variables), T(mutex_recursive), T(mutex_errorcheck), T(mutex_robust),
    T(mutex_inherit), T(rwlock_knows_its_writer), T(keys_and_values), T(cpu_and_clock), T(kernel_ids_are_unknown),
    T(signals_to_itself), T(streams_locked), T(characters_and_locales), T(names_resolve), T(loader_errors), H(user_ids),
    H(threads_inside), H(fork_inside), H(other_programs), T(jumps), T(conditions), T(allocations), T(messages),
    { 0, 0, 0 },
};
