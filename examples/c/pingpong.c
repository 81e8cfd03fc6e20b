/* What a switch costs: two goroutines that exchange messages, and one that yields.
 *
 *   pingpong [ROUNDS]
 */
#include <gort.h>
#include <stdio.h>
#include <stdlib.h>

static long rounds = 1000000;
static gort_chan *ping, *pong;

static void echo(void *arg)
{
    long value;
    (void)arg;
    while (gort_chan_recv(ping, &value, GORT_FOREVER) == 0)
        gort_chan_send(pong, &value, GORT_FOREVER);
}

static void main_goroutine(void *arg)
{
    long value = 0;
    (void)arg;
    ping = gort_chan_new(sizeof(long), 0);
    pong = gort_chan_new(sizeof(long), 0);
    gort_go(echo, NULL);
    int64_t start = gort_now();
    for (long i = 0; i < rounds; i++) {
        gort_chan_send(ping, &i, GORT_FOREVER);
        gort_chan_recv(pong, &value, GORT_FOREVER);
    }
    int64_t talked = gort_now();
    for (long i = 0; i < rounds; i++)
        gort_yield();
    int64_t yielded = gort_now();
    gort_chan_close(ping);
    printf("%ld rounds: %.1f ns for a round trip, %.1f ns for a yield\n", value + 1,
           (double)(talked - start) / (double)rounds, (double)(yielded - talked) / (double)rounds);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        rounds = atol(argv[1]);
    return gort_run(main_goroutine, NULL) == 0 ? 0 : 1;
}
