/* Every function of gort.h, its errors, and its rules; prints a line for each group. */
#include <gort.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static const int64_t MS = 1000000;

static void nothing(void *arg)
{
    (void)arg;
}

/* Channels. */

static void sender(void *arg)
{
    gort_chan *chan = arg;
    for (int i = 0; i < 100; i++)
        CHECK(gort_chan_send(chan, &i, GORT_FOREVER) == 0);
    CHECK(gort_chan_close(chan) == 0);
}

struct large {
    char bytes[1000];
};

static void channels(void)
{
    gort_chan *chan = gort_chan_new(sizeof(int), 3);
    int value = 7, sum = 0;
    CHECK(gort_chan_cap(chan) == 3 && gort_chan_len(chan) == 0);
    CHECK(gort_chan_try_recv(chan, &value) == -EAGAIN);
    CHECK(gort_chan_recv(chan, &value, gort_after(MS)) == -ETIMEDOUT);
    for (int i = 0; i < 3; i++)
        CHECK(gort_chan_try_send(chan, &i) == 0);
    CHECK(gort_chan_len(chan) == 3 && gort_chan_try_send(chan, &value) == -EAGAIN);
    CHECK(gort_chan_send(chan, &value, gort_after(MS)) == -ETIMEDOUT);
    for (int i = 0; i < 3; i++)
        CHECK(gort_chan_recv(chan, &value, 0) == 0 && value == i);
    gort_go(sender, chan);
    while (gort_chan_recv(chan, &value, GORT_FOREVER) == 0)
        sum += value;
    CHECK(sum == 4950 && value == 0);
    CHECK(gort_chan_close(chan) == -EPIPE && gort_chan_send(chan, &value, 0) == -EPIPE);
    CHECK(gort_chan_free(chan) == 0 && gort_chan_free(NULL) == 0);

    const size_t sizes[] = {0, 1, 3, 8, 9, 16, 17, 64, 65, sizeof(struct large)};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct large in, out;
        memset(&in, (int)i + 1, sizeof in);
        memset(&out, 99, sizeof out);
        chan = gort_chan_new(sizes[i], 1);
        CHECK(gort_chan_send(chan, &in, 0) == 0 && gort_chan_recv(chan, &out, 0) == 0);
        CHECK(memcmp(&in, &out, sizes[i]) == 0);
        CHECK(sizes[i] == sizeof out || out.bytes[sizes[i]] == 99);
        gort_chan_free(chan);
    }
    CHECK(gort_chan_send(NULL, &value, 0) == -EINVAL && gort_chan_recv(NULL, &value, 0) == -EINVAL);
    CHECK(gort_chan_close(NULL) == -EINVAL && gort_chan_len(NULL) == 0);
    chan = gort_chan_new(sizeof(int), 1);
    CHECK(gort_chan_send(chan, NULL, 0) == -EINVAL && gort_chan_recv(chan, NULL, 0) == -EINVAL);
    gort_chan_free(chan);
    errno = 0;
    CHECK(gort_chan_new((size_t)-1 / 2, 100) == NULL && errno == ENOMEM);
    puts("channels");
}

/* Select. */

static void selects(void)
{
    gort_chan *in = gort_chan_new(sizeof(int), 1), *out = gort_chan_new(sizeof(int), 1);
    int got = 0, put = 5, chosen[2] = {0, 0};
    gort_case cases[] = {
        {in, GORT_RECV, &got, 1},
        {NULL, GORT_RECV, &got, 1},
        {out, GORT_SEND, &put, 1},
    };
    CHECK(gort_select(cases, 3, 0) == 2 && cases[2].result == 0);
    CHECK(gort_select(cases, 3, 0) == -EAGAIN);
    CHECK(gort_select(cases, 3, gort_after(MS)) == -ETIMEDOUT);
    CHECK(gort_chan_send(in, &put, 0) == 0);
    CHECK(gort_select(cases, 3, GORT_FOREVER) == 0 && got == 5 && cases[0].result == 0);
    CHECK(gort_chan_recv(out, &got, 0) == 0);
    for (int i = 0; i < 200; i++) {
        CHECK(gort_chan_try_send(in, &i) >= -EAGAIN);
        int k = gort_select(cases, 3, GORT_FOREVER);
        CHECK(k == 0 || k == 2);
        chosen[k / 2]++;
        gort_chan_try_recv(out, &got);
    }
    CHECK(chosen[0] > 20 && chosen[1] > 20);
    gort_chan_close(in);
    gort_chan_try_recv(in, &got);
    while (gort_select(cases, 1, GORT_FOREVER) == 0 && cases[0].result == 0) {
    }
    CHECK(cases[0].result == -EPIPE && got == 0);
    gort_chan_close(out);
    CHECK(gort_select(&cases[2], 1, 0) == 0 && cases[2].result == -EPIPE);
    cases[0].op = 9;
    CHECK(gort_select(cases, 1, 0) == -EINVAL && gort_select(NULL, 1, 0) == -EINVAL);
    CHECK(gort_select(NULL, 0, 0) == -EAGAIN && gort_select(NULL, 0, gort_after(MS)) == -ETIMEDOUT);
    gort_chan_free(in);
    gort_chan_free(out);
    puts("select");
}

/* Tasks. */

static void *twice(void *arg)
{
    return (char *)arg + (size_t)arg;
}

static void *leave(void *arg)
{
    (void)arg;
    gort_exit();
}

static void *fail(void *arg)
{
    gort_panic(arg);
}

static void *park(void *chan)
{
    gort_chan_recv(chan, NULL, GORT_FOREVER);
    return NULL;
}

static void tasks(void)
{
    gort_task *task = NULL;
    void *result = NULL;
    CHECK(gort_task_go(&task, twice, (void *)21) == 0 && gort_task_id(task) > 1);
    CHECK(gort_task_join(task, &result, GORT_FOREVER) == 0 && result == (void *)42);
    CHECK(gort_task_go(&task, leave, NULL) == 0);
    CHECK(gort_task_join(task, NULL, GORT_FOREVER) == -ECANCELED);
    CHECK(gort_task_go(&task, fail, "as told") == 0);
    CHECK(gort_task_join(task, NULL, GORT_FOREVER) == -ENOTRECOVERABLE);
    gort_chan *chan = gort_chan_new(0, 0);
    CHECK(gort_task_go(&task, park, chan) == 0);
    CHECK(gort_task_join(task, NULL, 0) == -EAGAIN);
    CHECK(gort_task_join(task, NULL, gort_after(MS)) == -ETIMEDOUT);
    gort_chan_close(chan);
    CHECK(gort_task_join(task, NULL, GORT_FOREVER) == 0);
    CHECK(gort_task_go(&task, twice, NULL) == 0 && gort_task_detach(task) == 0);
    CHECK(gort_task_go(NULL, twice, NULL) == -EINVAL && gort_task_go(&task, NULL, NULL) == -EINVAL);
    CHECK(gort_task_join(NULL, NULL, 0) == -EINVAL && gort_task_id(NULL) == 0);
    gort_chan_free(chan);
    puts("tasks");
}

/* What goroutines share. */

enum { WORKERS = 20, EACH = 200 };
static gort_mutex *mutex;
static gort_rwlock *rwlock;
static gort_cond *cond;
static gort_waitgroup *group;
static gort_semaphore *semaphore;
static gort_once *once;
static int counter, inside, times, done_once;

static void once_only(void *arg)
{
    gort_yield();
    ++*(int *)arg;
}

static void worker(void *arg)
{
    (void)arg;
    for (int i = 0; i < EACH; i++) {
        CHECK(gort_mutex_lock(mutex, GORT_FOREVER) == 0);
        int was = counter;
        if (i % 16 == 0)
            gort_yield();
        counter = was + 1;
        CHECK(gort_mutex_unlock(mutex) == 0);

        CHECK(gort_semaphore_acquire(semaphore, 1, GORT_FOREVER) == 0);
        CHECK(__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST) <= 3);
        gort_yield();
        __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
        CHECK(gort_semaphore_release(semaphore, 1) == 0);

        if (i % 10 == 0) {
            CHECK(gort_rwlock_write(rwlock, GORT_FOREVER) == 0);
            times++;
        } else {
            CHECK(gort_rwlock_read(rwlock, GORT_FOREVER) == 0);
        }
        CHECK(gort_rwlock_unlock(rwlock) == 0);
    }
    CHECK(gort_once_do(once, once_only, &done_once) == 0 && done_once == 1);
    CHECK(gort_mutex_lock(mutex, GORT_FOREVER) == 0);
    counter++;
    gort_cond_signal(cond);
    gort_mutex_unlock(mutex);
    CHECK(gort_waitgroup_done(group) == 0);
}

static void sync(void)
{
    mutex = gort_mutex_new(), rwlock = gort_rwlock_new(), cond = gort_cond_new();
    group = gort_waitgroup_new(), semaphore = gort_semaphore_new(3), once = gort_once_new();
    CHECK(gort_waitgroup_add(group, WORKERS) == 0);
    for (int i = 0; i < WORKERS; i++)
        CHECK(gort_go(worker, NULL) == 0);
    CHECK(gort_mutex_lock(mutex, GORT_FOREVER) == 0);
    while (counter < WORKERS * (EACH + 1))
        CHECK(gort_cond_wait(cond, mutex, GORT_FOREVER) == 0);
    CHECK(gort_cond_wait(cond, mutex, gort_after(MS)) == -ETIMEDOUT);
    CHECK(gort_mutex_try_lock(mutex) == -EAGAIN);
    CHECK(gort_mutex_lock(mutex, gort_after(MS)) == -ETIMEDOUT);
    CHECK(gort_mutex_unlock(mutex) == 0 && gort_mutex_unlock(mutex) == -EPERM);
    CHECK(gort_cond_wait(cond, mutex, 0) == -EPERM && gort_cond_broadcast(cond) == 0);
    CHECK(gort_waitgroup_wait(group, GORT_FOREVER) == 0 && times == WORKERS * EACH / 10);
    CHECK(gort_waitgroup_add(group, 1) == 0 && gort_waitgroup_wait(group, 0) == -EAGAIN);
    CHECK(gort_waitgroup_wait(group, gort_after(MS)) == -ETIMEDOUT);
    CHECK(gort_waitgroup_done(group) == 0 && gort_waitgroup_done(group) == -EINVAL);
    CHECK(gort_semaphore_try_acquire(semaphore, 3) == 0);
    CHECK(gort_semaphore_try_acquire(semaphore, 1) == -EAGAIN);
    CHECK(gort_semaphore_acquire(semaphore, 1, gort_after(MS)) == -ETIMEDOUT);
    CHECK(gort_semaphore_release(semaphore, 3) == 0);
    CHECK(gort_semaphore_release(semaphore, (size_t)-1) == -EINVAL);
    CHECK(gort_rwlock_read(rwlock, 0) == 0 && gort_rwlock_read(rwlock, 0) == 0);
    CHECK(gort_rwlock_write(rwlock, gort_after(MS)) == -ETIMEDOUT);
    CHECK(gort_rwlock_unlock(rwlock) == 0 && gort_rwlock_unlock(rwlock) == 0);
    CHECK(gort_rwlock_write(rwlock, 0) == 0 && gort_rwlock_read(rwlock, 0) == -EAGAIN);
    CHECK(gort_rwlock_unlock(rwlock) == 0 && gort_rwlock_unlock(rwlock) == -EPERM);
    CHECK(gort_mutex_free(mutex) == 0 && gort_rwlock_free(rwlock) == 0);
    CHECK(gort_cond_free(cond) == 0 && gort_waitgroup_free(group) == 0);
    CHECK(gort_semaphore_free(semaphore) == 0 && gort_once_free(once) == 0);
    CHECK(gort_mutex_lock(NULL, 0) == -EINVAL && gort_once_do(NULL, nothing, NULL) == -EINVAL);
    puts("sync");
}

/* Time. */

static void send_one(void *chan)
{
    CHECK(gort_chan_send(chan, NULL, GORT_FOREVER) == 0);
}

static void timers(void)
{
    gort_chan *rung = gort_chan_new(0, 1);
    int64_t start = gort_now();
    gort_sleep(2 * MS);
    gort_sleep_until(start + 3 * MS);
    CHECK(gort_now() - start >= 3 * MS);
    gort_timer *timer = gort_timer_new(gort_after(MS), send_one, rung);
    CHECK(gort_chan_recv(rung, NULL, GORT_FOREVER) == 0);
    CHECK(gort_timer_stop(timer) == 0);
    CHECK(gort_timer_reset(timer, gort_after(3600 * 1000 * MS)) == 0);
    CHECK(gort_timer_reset(timer, gort_after(MS)) == 1);
    CHECK(gort_chan_recv(rung, NULL, GORT_FOREVER) == 0);
    CHECK(gort_timer_free(timer) == 0 && gort_timer_stop(NULL) == -EINVAL);
    CHECK(gort_timer_new(0, NULL, NULL) == NULL);
    gort_chan_free(rung);
    puts("time");
}

/* Deferred calls and panics. */

static char order[16];

static void note(void *arg)
{
    strcat(order, arg);
}

static void recovers(void *arg)
{
    char text[8];
    (void)arg;
    CHECK(gort_recover(text, sizeof text) == 1 && strcmp(text, "too lon") == 0);
    CHECK(gort_recover(NULL, 0) == 0);
    CHECK(gort_defer(nothing, NULL) == -EPERM);
}

static void body(void *arg)
{
    CHECK(gort_defer(note, "1") == 0 && gort_defer(note, "2") == 0);
    if (arg != NULL) {
        gort_defer(recovers, NULL);
        gort_defer(note, "3");
        gort_panic(arg);
    }
}

static void tries(void *arg)
{
    char text[64] = "";
    CHECK(gort_try(body, arg, text, sizeof text) == 0 && text[0] == 0);
    gort_panic("through");
}

static void panics(void)
{
    char text[64];
    CHECK(gort_func(body, NULL) == 0 && strcmp(order, "21") == 0);
    CHECK(gort_func(body, "too long") == 0 && strcmp(order, "21321") == 0);
    CHECK(gort_try(tries, "too long", text, sizeof text) == -ENOTRECOVERABLE);
    CHECK(strcmp(text, "through") == 0 && gort_recover(NULL, 0) == -EPERM);
    CHECK(gort_func(NULL, NULL) == -EINVAL && gort_defer(NULL, NULL) == -EINVAL);
    puts("panics");
}

/* Goroutine-local values. */

static int key, destroyed;
static __thread void *own;

static void destroy(void *value)
{
    __atomic_add_fetch(&destroyed, *(int *)value, __ATOMIC_SEQ_CST);
}

static void *has_locals(void *arg)
{
    int mine = gort_own_thread_locals();
    CHECK(gort_local_get(key) == NULL && gort_local_set(key, arg) == 0);
    CHECK(own == NULL || !mine);
    own = arg;
    errno = *(int *)arg;
    for (int i = 0; i < 50; i++)
        gort_yield();
    CHECK(gort_local_get(key) == arg);
    if (mine)
        CHECK(own == arg && errno == *(int *)arg);
    return NULL;
}

static void locals(void)
{
    int values[] = {1, 2, 4, 8};
    gort_task *task[4];
    key = gort_local_new(destroy);
    CHECK(key >= 0 && gort_local_set(key + 1, NULL) == -EINVAL);
    for (int i = 0; i < 4; i++)
        CHECK(gort_task_go(&task[i], has_locals, &values[i]) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(gort_task_join(task[i], NULL, GORT_FOREVER) == 0);
    CHECK(destroyed == 15 && gort_local_get(key) == NULL && gort_local_get(-1) == NULL);
    puts("locals");
}

/* The runtime. */

static void mark(void *arg)
{
    *(int *)arg = 1;
}

static void *plain(void *arg)
{
    int value = 3, done = 0;
    CHECK(gort_goid() == 0 && gort_lock_thread() == -EPERM);
    CHECK(gort_defer(nothing, NULL) == -EPERM && gort_local_set(key, NULL) == -EPERM);
    CHECK(gort_chan_send(arg, &value, GORT_FOREVER) == 0);
    CHECK(gort_run(mark, &done) == 0 && done == 1);
    return NULL;
}

static void join_thread(void *arg)
{
    CHECK(pthread_join(*(pthread_t *)arg, NULL) == 0);
}

static void runtime(void)
{
    int done = 0, value = 0;
    char dump[4096];
    gort_chan *chan = gort_chan_new(sizeof(int), 0);
    pthread_t thread;
    CHECK(gort_goid() == 1 && gort_num_goroutine() >= 1 && gort_num_goroutine_created() >= 1);
    CHECK(gort_num_cpu() >= 1 && gort_num_threads() >= 1 && gort_gomaxprocs(0) == 3);
    CHECK(gort_gomaxprocs(2) == 3 && gort_gomaxprocs(3) == 2);
    CHECK(gort_lock_thread() == 0 && gort_unlock_thread() == 0);
    CHECK(gort_blocking(mark, &done) == 0 && done == 1 && gort_blocking(NULL, NULL) == -EINVAL);
    CHECK(gort_run(nothing, NULL) == -EPERM && gort_go(NULL, NULL) == -EINVAL);
    CHECK(gort_dump(dump, sizeof dump) > 10 && strncmp(dump, "goroutine 1 [running]:", 22) == 0);
    CHECK(pthread_create(&thread, NULL, plain, chan) == 0);
    CHECK(gort_chan_recv(chan, &value, GORT_FOREVER) == 0 && value == 3);
    CHECK(gort_blocking(join_thread, &thread) == 0);
    gort_chan_free(chan);
    puts("runtime");
}

static void main_goroutine(void *arg)
{
    (void)arg;
    locals();
    runtime();
    channels();
    selects();
    tasks();
    sync();
    timers();
    panics();
}

int main(void)
{
    gort_config config = {0};
    config.procs = 3;
    CHECK(gort_config_run(&config, main_goroutine, NULL) == -EINVAL);
    config.size = sizeof config;
    CHECK(gort_run(NULL, NULL) == -EINVAL);
    CHECK(gort_config_run(&config, main_goroutine, NULL) == 0);
    config.procs = 4;
    CHECK(gort_config_run(&config, nothing, NULL) == -EINVAL);
    CHECK(gort_run(nothing, NULL) == 0);
    return 0;
}
