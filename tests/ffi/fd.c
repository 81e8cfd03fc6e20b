/* Descriptors and stacks: what goes through, who waits for whom and until when, and every error; prints
 * a line for each group. */
#include <gort.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #x, errno);              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static const int64_t MS = 1000000;

/* A connected pair. */
static void pair(gort_fd **a, gort_fd **b)
{
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    CHECK((*a = gort_fd_new(fds[0])) != NULL && (*b = gort_fd_new(fds[1])) != NULL);
}

static void nothing(void *arg)
{
    (void)arg;
}

/* Reads and writes. */

enum { MUCH = 4 << 20 };

static void *write_much(void *arg)
{
    char *bytes = malloc(MUCH);
    CHECK(bytes != NULL);
    for (int i = 0; i < MUCH; i++)
        bytes[i] = (char)(i * 31);
    CHECK(gort_fd_write_all(arg, bytes, MUCH, GORT_FOREVER) == 0);
    free(bytes);
    return NULL;
}

static void streams(void)
{
    gort_fd *a, *b;
    gort_task *task;
    char buffer[5000];
    ptrdiff_t n;
    long got = 0;
    pair(&a, &b);
    CHECK(gort_fd_read(a, buffer, 10, 0) == -EAGAIN && gort_fd_readable(a, 0) == -EAGAIN);
    CHECK(gort_fd_read(a, buffer, 10, gort_after(MS)) == -ETIMEDOUT);
    CHECK(gort_fd_readable(a, gort_after(MS)) == -ETIMEDOUT);
    CHECK(gort_fd_read(a, buffer, 10, gort_now() - MS) == -ETIMEDOUT);
    CHECK(gort_fd_writable(b, 0) == 0 && gort_fd_write(b, "hello", 5, 0) == 5);
    CHECK(gort_fd_readable(a, GORT_FOREVER) == 0);
    CHECK(gort_fd_read(a, buffer, 2, gort_now() - MS) == 2 && memcmp(buffer, "he", 2) == 0);
    CHECK(gort_fd_read(a, buffer, 10, GORT_FOREVER) == 3 && memcmp(buffer, "llo", 3) == 0);

    CHECK(gort_task_go(&task, write_much, b) == 0);
    while (got < MUCH) {
        CHECK((n = gort_fd_read(a, buffer, sizeof buffer, GORT_FOREVER)) > 0);
        for (ptrdiff_t i = 0; i < n; i++)
            CHECK(buffer[i] == (char)((got + i) * 31));
        got += n;
    }
    CHECK(gort_task_join(task, NULL, GORT_FOREVER) == 0);

    /* Full: a write waits, and its deadline comes. */
    while ((n = gort_fd_write(b, buffer, sizeof buffer, 0)) > 0) {
    }
    CHECK(n == -EAGAIN && gort_fd_write(b, buffer, 1, gort_after(MS)) == -ETIMEDOUT);
    CHECK(gort_fd_write_all(b, buffer, 1, gort_after(MS)) == -ETIMEDOUT);
    CHECK(gort_fd_writable(b, 0) == -EAGAIN);

    /* The other end goes: no signal, an error. */
    CHECK(gort_fd_free(a) == 0);
    CHECK(gort_fd_write(b, buffer, 1, GORT_FOREVER) == -EPIPE);
    CHECK(gort_fd_free(b) == 0 && gort_fd_free(NULL) == 0);
    puts("streams");
}

/* Who waits, and how they are woken. */

struct reader {
    gort_fd *fd;
    int64_t patience;
    ptrdiff_t result;
};

static void *read_one(void *arg)
{
    struct reader *r = arg;
    char byte;
    int64_t deadline = r->patience < 0 ? GORT_FOREVER : gort_after(r->patience);
    r->result = gort_fd_read(r->fd, &byte, 1, deadline);
    return NULL;
}

static void waits(void)
{
    gort_fd *a, *b;
    struct reader readers[6];
    gort_task *tasks[6];
    int served = 0;
    pair(&a, &b);
    /* One waits for ever; the deadline of the one behind it comes all the same. */
    readers[0] = (struct reader){a, -1, 0};
    readers[1] = (struct reader){a, 2 * MS, 0};
    for (int i = 0; i < 2; i++)
        CHECK(gort_task_go(&tasks[i], read_one, &readers[i]) == 0);
    CHECK(gort_task_join(tasks[1], NULL, GORT_FOREVER) == 0 && readers[1].result == -ETIMEDOUT);
    CHECK(gort_task_join(tasks[0], NULL, 0) == -EAGAIN);
    CHECK(gort_fd_write(b, "x", 1, GORT_FOREVER) == 1);
    CHECK(gort_task_join(tasks[0], NULL, GORT_FOREVER) == 0 && readers[0].result == 1);
    /* Each byte serves one of many; closing ends the rest. */
    for (int i = 0; i < 6; i++) {
        readers[i] = (struct reader){a, -1, 0};
        CHECK(gort_task_go(&tasks[i], read_one, &readers[i]) == 0);
    }
    CHECK(gort_fd_write_all(b, "yz", 2, GORT_FOREVER) == 0);
    while (gort_fd_write(b, "", 0, 0) == 0 && gort_num_goroutine() > 5)
        gort_sleep(MS / 10);
    CHECK(gort_fd_close(a) == 0 && gort_fd_close(a) == -EBADF);
    for (int i = 0; i < 6; i++) {
        CHECK(gort_task_join(tasks[i], NULL, GORT_FOREVER) == 0);
        CHECK(readers[i].result == 1 || readers[i].result == -EBADF);
        served += readers[i].result == 1;
    }
    CHECK(served == 2);
    CHECK(gort_fd_read(a, &served, 1, 0) == -EBADF && gort_fd_writable(a, 0) == -EBADF);
    CHECK(gort_fd_free(a) == 0);
    /* The end of the data. */
    CHECK(gort_fd_read(b, &served, 1, GORT_FOREVER) == 0);
    CHECK(gort_fd_readable(b, GORT_FOREVER) == 0 && gort_fd_free(b) == 0);
    puts("waits");
}

/* Connections. */

static void *answer(void *arg)
{
    gort_fd *connection = NULL;
    CHECK(gort_fd_accept(&connection, arg, GORT_FOREVER) == 0);
    CHECK(gort_fd_write_all(connection, "welcome", 7, GORT_FOREVER) == 0);
    CHECK(gort_fd_free(connection) == 0);
    return NULL;
}

static void connections(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof at;
    gort_fd *listener, *connection = NULL;
    gort_task *task;
    char text[16];
    int s = socket(AF_INET, SOCK_STREAM, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(s, (struct sockaddr *)&at, size) == 0 && listen(s, 10) == 0);
    CHECK(getsockname(s, (struct sockaddr *)&at, &size) == 0);
    CHECK((listener = gort_fd_new(s)) != NULL && gort_fd_number(listener) == s);
    CHECK(gort_fd_accept(&connection, listener, 0) == -EAGAIN);
    CHECK(gort_fd_accept(&connection, listener, gort_after(MS)) == -ETIMEDOUT);
    for (int i = 0; i < 100; i++) {
        ptrdiff_t got = 0, n;
        CHECK(gort_task_go(&task, answer, listener) == 0);
        CHECK((s = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
        CHECK(gort_fd_connect(&connection, s, &at, size, GORT_FOREVER) == 0);
        CHECK(gort_fd_number(connection) == s);
        while ((n = gort_fd_read(connection, text + got, sizeof text - (size_t)got, -1)) > 0)
            got += n;
        CHECK(n == 0 && got == 7 && memcmp(text, "welcome", 7) == 0);
        CHECK(gort_fd_free(connection) == 0 && gort_task_join(task, NULL, GORT_FOREVER) == 0);
    }
    CHECK(gort_fd_free(listener) == 0);
    /* Nobody listens any more: the socket stays ours. */
    CHECK((s = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
    CHECK(gort_fd_connect(&connection, s, &at, size, GORT_FOREVER) == -ECONNREFUSED);
    CHECK((fcntl(s, F_GETFL) & O_NONBLOCK) == 0 && close(s) == 0);
    CHECK(gort_fd_connect(&connection, s, &at, size, GORT_FOREVER) == -EBADF);
    puts("connections");
}

/* Other descriptors, and bad arguments. */

static void others(void)
{
    int fds[2], number;
    char byte = 0;
    gort_fd *reader, *other;
    CHECK(pipe(fds) == 0);
    CHECK((reader = gort_fd_new(fds[0])) != NULL && (fcntl(fds[0], F_GETFL) & O_NONBLOCK) != 0);
    CHECK(write(fds[1], "!", 1) == 1 && gort_fd_read(reader, &byte, 1, GORT_FOREVER) == 1);
    CHECK((number = gort_fd_release(reader)) == fds[0] && byte == '!');
    CHECK(fcntl(number, F_GETFL) != -1 && close(number) == 0 && close(fds[1]) == 0);

    errno = 0;
    CHECK(gort_fd_new(-1) == NULL && errno == EBADF);
    CHECK(gort_fd_new(number) == NULL && errno == EBADF);
    CHECK((number = open("/proc/self/exe", O_RDONLY)) >= 0);
    CHECK(gort_fd_new(number) == NULL && errno == EPERM);
    CHECK((fcntl(number, F_GETFL) & O_NONBLOCK) == 0 && close(number) == 0);

    CHECK(gort_fd_read(NULL, &byte, 1, 0) == -EINVAL && gort_fd_write(NULL, "", 0, 0) == -EINVAL);
    CHECK(gort_fd_write_all(NULL, "", 0, 0) == -EINVAL && gort_fd_close(NULL) == -EINVAL);
    CHECK(gort_fd_readable(NULL, 0) == -EINVAL && gort_fd_writable(NULL, 0) == -EINVAL);
    CHECK(gort_fd_number(NULL) == -EINVAL && gort_fd_release(NULL) == -EINVAL);
    CHECK(gort_fd_accept(&other, NULL, 0) == -EINVAL);
    CHECK(gort_fd_connect(NULL, 0, "", 1, 0) == -EINVAL);
    CHECK(gort_fd_connect(&other, 0, NULL, 1, 0) == -EINVAL);
    pair(&reader, &other);
    CHECK(gort_fd_read(reader, NULL, 1, 0) == -EINVAL && gort_fd_write(other, NULL, 1, 0) == -EINVAL);
    CHECK(gort_fd_write_all(other, NULL, 1, 0) == -EINVAL);
    CHECK(gort_fd_accept(NULL, reader, 0) == -EINVAL);
    CHECK(gort_fd_accept(&other, reader, 0) < 0);
    gort_fd_free(reader);
    gort_fd_free(other);
    puts("others");
}

/* Stacks. */

struct level {
    unsigned left;
    size_t deepest;
};

/* Takes some 16 KiB of stack for each level, on as many pieces as that needs. */
static void down(void *arg)
{
    struct level *level = arg;
    volatile char frame[16 << 10];
    unsigned mine = level->left--;
    if (mine == 0)
        return;
    frame[mine] = 1;
    CHECK(gort_stack_ensure(64 << 10, down, level) == 0);
    level->deepest += (size_t)frame[mine] * sizeof frame;
}

static void panics_deep(void *arg)
{
    if (--*(int *)arg == 0)
        gort_panic("at the bottom");
    CHECK(gort_stack_ensure(1 << 20, panics_deep, arg) == 0);
}

/* A thread with little stack goes down as far as a goroutine. */
static void *on_a_thread(void *arg)
{
    size_t before = gort_stack_remaining();
    CHECK(before > 0 && before < 256 << 10);
    CHECK(gort_stack_ensure(1 << 20, down, arg) == 0);
    CHECK(gort_stack_remaining() == before);
    return NULL;
}

static void stacks(void)
{
    struct level level = {2000, 0};
    char text[32];
    int deep = 3;
    pthread_t thread;
    pthread_attr_t small;
    CHECK(gort_stack_remaining() > 0 && gort_stack_limit() == 64 << 20);
    CHECK(gort_stack_ensure(1000, down, &level) == 0 && level.deepest == (size_t)2000 * (16 << 10));
    CHECK(gort_stack_ensure(2 * gort_stack_limit(), nothing, NULL) == -ENOMEM);
    CHECK(gort_stack_ensure(1000, NULL, NULL) == -EINVAL);
    CHECK(gort_try(panics_deep, &deep, text, sizeof text) == -ENOTRECOVERABLE && deep == 0);
    CHECK(strcmp(text, "at the bottom") == 0);

    level = (struct level){2000, 0};
    CHECK(pthread_attr_init(&small) == 0 && pthread_attr_setstacksize(&small, 256 << 10) == 0);
    CHECK(pthread_create(&thread, &small, on_a_thread, &level) == 0);
    CHECK(pthread_join(thread, NULL) == 0 && level.deepest == (size_t)2000 * (16 << 10));
    puts("stacks");
}

static void main_goroutine(void *arg)
{
    (void)arg;
    stacks();
    streams();
    waits();
    connections();
    others();
}

int main(void)
{
    gort_config config = {.size = sizeof config, .procs = 2, .max_stack = 64 << 20};
    CHECK(gort_config_run(&config, main_goroutine, NULL) == 0);
    return 0;
}
