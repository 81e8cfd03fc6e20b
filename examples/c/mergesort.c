/* Parallel mergesort: each half in a goroutine of its own as long as there is enough to do, and then by
 * deep recursion. Ends with a recursion that needs megabytes of stack, which is simply there.
 */
#include <gort.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 200000, ALONE = 2000 };

struct slice {
    int *items, *room;
    size_t count;
};

static void merge(const struct slice *s, size_t half)
{
    size_t left = 0, right = half;
    for (size_t i = 0; i < s->count; i++) {
        int from_left = right == s->count || (left < half && s->items[left] <= s->items[right]);
        s->room[i] = from_left ? s->items[left++] : s->items[right++];
    }
    memcpy(s->items, s->room, s->count * sizeof *s->items);
}

static void *sort(void *arg)
{
    const struct slice *s = arg;
    if (s->count < 2)
        return NULL;
    size_t half = s->count / 2;
    struct slice left = {s->items, s->room, half};
    struct slice right = {s->items + half, s->room + half, s->count - half};
    gort_task *task = NULL;
    if (s->count > ALONE && gort_task_go(&task, sort, &left) == 0) {
        sort(&right);
        gort_task_join(task, NULL, GORT_FOREVER);
    } else {
        sort(&left);
        sort(&right);
    }
    merge(s, half);
    return NULL;
}

static unsigned depth(unsigned n)
{
    volatile char frame[1024];
    frame[n % sizeof frame] = (char)n;
    return n == 0 ? 0 : depth(n - 1) + 1 + (unsigned)(frame[n % sizeof frame] - (char)n);
}

static void main_goroutine(void *arg)
{
    int *items = malloc(2 * COUNT * sizeof *items);
    unsigned random = 1;
    (void)arg;
    if (items == NULL)
        abort();
    for (size_t i = 0; i < COUNT; i++)
        items[i] = (int)((random = random * 1664525 + 1013904223) >> 8);
    struct slice all = {items, items + COUNT, COUNT};
    sort(&all);
    for (size_t i = 1; i < COUNT; i++)
        if (items[i - 1] > items[i])
            abort();
    free(items);
    printf("sorted %d, recursed %u deep\n", COUNT, depth(20000));
}

int main(void)
{
    return gort_run(main_goroutine, NULL) == 0 ? 0 : 1;
}
