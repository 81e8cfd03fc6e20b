/* The smallest program: a goroutine, a channel, and the answer. */
#include <gort.h>
#include <stdio.h>

static void answer(void *chan)
{
    int value = 6 * 7;
    gort_chan_send(chan, &value, GORT_FOREVER);
}

static void main_goroutine(void *arg)
{
    (void)arg;
    gort_chan *chan = gort_chan_new(sizeof(int), 0);
    int value = 0;
    gort_go(answer, chan);
    gort_chan_recv(chan, &value, GORT_FOREVER);
    printf("the answer is %d\n", value);
    gort_chan_free(chan);
}

int main(void)
{
    return gort_run(main_goroutine, NULL) == 0 ? 0 : 1;
}
