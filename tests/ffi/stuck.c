/* Goroutines in every state, for a debugger: at `stop_here`, or with an argument in a core.
 *
 *   stuck [core]
 */
#include <gort.h>

#include <stdio.h>
#include <stdlib.h>

static gort_chan *never, *arrived;

void stop_here(int end);
void waits_at(int depth, int secret);

/* The debugger is to find each of these frames, and the arguments in them. */
void __attribute__((noinline)) waits_at(int depth, int secret)
{
    volatile int kept = secret;
    if (depth > 0)
        waits_at(depth - 1, secret + 1);
    else
        gort_chan_recv(never, NULL, GORT_FOREVER);
    if (kept != secret)
        abort();
}

static void waiter(void *arg)
{
    gort_chan_send(arrived, NULL, GORT_FOREVER);
    waits_at(3, (int)(size_t)arg);
}

static void sleeper(void *arg)
{
    (void)arg;
    gort_chan_send(arrived, NULL, GORT_FOREVER);
    gort_sleep(INT64_C(3600) * 1000000000);
}

static void not_begun(void *arg)
{
    (void)arg;
}

void __attribute__((noinline)) stop_here(int end)
{
    if (end)
        abort();
    puts("went on");
}

static void main_goroutine(void *arg)
{
    never = gort_chan_new(0, 0);
    arrived = gort_chan_new(0, 0);
    gort_go(waiter, (void *)100);
    gort_go(waiter, (void *)200);
    gort_go(sleeper, NULL);
    for (int i = 0; i < 3; i++)
        gort_chan_recv(arrived, NULL, GORT_FOREVER);
    for (int i = 0; i < 10; i++)
        gort_yield(); /* there is one processor: they run until they wait */
    for (int i = 0; i < 100; i++)
        gort_go(not_begun, NULL);
    stop_here(*(int *)arg);
}

int main(int argc, char **argv)
{
    int end = argc > 1;
    gort_config config = {.size = sizeof config, .procs = 1, .max_stack = 256 << 10};
    (void)argv;
    return gort_config_run(&config, main_goroutine, &end) == 0 ? 0 : 1;
}
