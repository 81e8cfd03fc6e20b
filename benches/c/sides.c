/* The C side: what `main.rs` does in Rust, by the same number of goroutines and messages.
 *
 *   sides PROGRAM N      prints nanoseconds for each of N
 */
#include <gort.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *program;
static long count;
static gort_chan *ping, *pong;

static void check(int ok)
{
    if (!ok)
        abort();
}

static void echo(void *arg)
{
    long value;
    (void)arg;
    while (gort_chan_recv(ping, &value, GORT_FOREVER) == 0)
        check(gort_chan_send(pong, &value, GORT_FOREVER) == 0);
}

static void run_pingpong(long n)
{
    long value = 0;
    for (long i = 0; i < n; i++) {
        check(gort_chan_send(ping, &i, GORT_FOREVER) == 0);
        check(gort_chan_recv(pong, &value, GORT_FOREVER) == 0 && value == i);
    }
}

static void yielder(void *arg)
{
    (void)arg;
    for (;;)
        gort_yield();
}

static void run_yield(long n)
{
    for (long i = 0; i < n; i++)
        gort_yield();
}

static void *nothing(void *arg)
{
    return arg;
}

static void run_join(long n)
{
    for (long i = 0; i < n; i++) {
        gort_task *task;
        check(gort_task_go(&task, nothing, NULL) == 0);
        check(gort_task_join(task, NULL, GORT_FOREVER) == 0);
    }
}

struct filter {
    gort_chan *in, *out;
    long prime;
};

static void generate(void *out)
{
    for (long i = 2; gort_chan_send(out, &i, GORT_FOREVER) == 0; i++) {
    }
}

static void filter(void *arg)
{
    struct filter f = *(struct filter *)arg;
    long i;
    free(arg);
    while (gort_chan_recv(f.in, &i, GORT_FOREVER) == 0)
        if (i % f.prime != 0)
            check(gort_chan_send(f.out, &i, GORT_FOREVER) == 0);
}

static void run_sieve(long n)
{
    gort_chan *chan = gort_chan_new(sizeof(long), 0);
    gort_go(generate, chan);
    for (long i = 0; i < n; i++) {
        struct filter *next = malloc(sizeof *next);
        check(next != NULL && gort_chan_recv(chan, &next->prime, GORT_FOREVER) == 0);
        next->in = chan;
        next->out = chan = gort_chan_new(sizeof(long), 0);
        gort_go(filter, next);
    }
}

static void main_goroutine(void *arg)
{
    void (*run)(long n) = NULL;
    (void)arg;
    ping = gort_chan_new(sizeof(long), 0);
    pong = gort_chan_new(sizeof(long), 0);
    if (strcmp(program, "pingpong") == 0) {
        gort_go(echo, NULL);
        run = run_pingpong;
    } else if (strcmp(program, "yield") == 0) {
        gort_go(yielder, NULL);
        run = run_yield;
    } else if (strcmp(program, "join") == 0) {
        run = run_join;
    } else {
        check(strcmp(program, "sieve") == 0);
        run = run_sieve;
    }
    if (run != run_sieve)
        run(count / 10); /* warm */
    int64_t start = gort_now();
    run(count);
    printf("%f\n", (double)(gort_now() - start) / (double)count);
}

int main(int argc, char **argv)
{
    gort_config config = {.size = sizeof config, .procs = 1};
    check(argc == 3);
    program = argv[1];
    count = atol(argv[2]);
    return gort_config_run(&config, main_goroutine, NULL) == 0 ? 0 : 1;
}
