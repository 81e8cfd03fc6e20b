/* A library that knows nothing of goroutines calls back into code that blocks: qsort's comparison
 * yields, and asks another goroutine.
 */
#include <gort.h>
#include <stdio.h>
#include <stdlib.h>

static gort_chan *questions, *answers;

static void oracle(void *arg)
{
    int pair[2];
    (void)arg;
    while (gort_chan_recv(questions, pair, GORT_FOREVER) == 0) {
        int order = (pair[0] > pair[1]) - (pair[0] < pair[1]);
        gort_chan_send(answers, &order, GORT_FOREVER);
    }
}

static int compare(const void *a, const void *b)
{
    int pair[2] = {*(const int *)a, *(const int *)b}, order = 0;
    gort_yield();
    gort_chan_send(questions, pair, GORT_FOREVER);
    gort_chan_recv(answers, &order, GORT_FOREVER);
    return order;
}

static void main_goroutine(void *arg)
{
    int items[] = {5, 3, 9, 1, 7, 2, 8, 6, 4, 0};
    (void)arg;
    questions = gort_chan_new(2 * sizeof(int), 0);
    answers = gort_chan_new(sizeof(int), 0);
    gort_go(oracle, NULL);
    qsort(items, sizeof items / sizeof *items, sizeof *items, compare);
    for (size_t i = 0; i < sizeof items / sizeof *items; i++)
        printf("%d", items[i]);
    printf("\n");
    gort_chan_close(questions);
}

int main(void)
{
    return gort_run(main_goroutine, NULL) == 0 ? 0 : 1;
}
