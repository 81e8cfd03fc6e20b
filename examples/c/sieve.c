/* Go's prime sieve: a chain of goroutines, each of which filters the multiples of one prime.
 *
 *   sieve [N]      the first N primes (default 100)
 */
#include <gort.h>
#include <stdio.h>
#include <stdlib.h>

struct filter {
    gort_chan *in, *out;
    int prime;
};

static void generate(void *arg)
{
    gort_chan *out = arg;
    for (int i = 2; gort_chan_send(out, &i, GORT_FOREVER) == 0; i++) {
    }
}

static void filter(void *arg)
{
    struct filter f = *(struct filter *)arg;
    int i;
    free(arg);
    while (gort_chan_recv(f.in, &i, GORT_FOREVER) == 0)
        if (i % f.prime != 0 && gort_chan_send(f.out, &i, GORT_FOREVER) != 0)
            break;
}

static void sieve(void *arg)
{
    int count = *(int *)arg, prime = 0;
    gort_chan *chan = gort_chan_new(sizeof(int), 0);
    gort_go(generate, chan);
    for (int i = 0; i < count; i++) {
        gort_chan_recv(chan, &prime, GORT_FOREVER);
        struct filter *next = malloc(sizeof *next);
        if (next == NULL)
            abort();
        *next = (struct filter){chan, gort_chan_new(sizeof(int), 0), prime};
        chan = next->out;
        gort_go(filter, next);
    }
    printf("prime %d is %d\n", count, prime);
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 100;
    return gort_run(sieve, &count) == 0 ? 0 : 1;
}
