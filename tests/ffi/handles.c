/* Handles that are none, or of something else.
 *
 *   handles debug|release
 */
#include <gort.h>

#include <errno.h>
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

static void *crooked(void *handle)
{
    return (char *)handle + 1;
}

int main(int argc, char **argv)
{
    gort_chan *chan = gort_chan_new(sizeof(int), 1);
    gort_mutex *mutex = gort_mutex_new();
    void *other = chan;
    int value = 1;
    CHECK(gort_chan_send(crooked(chan), &value, 0) == -EINVAL);
    CHECK(gort_mutex_lock(crooked(mutex), 0) == -EINVAL && gort_mutex_free(crooked(mutex)) == -EINVAL);
    if (argc > 1 && strcmp(argv[1], "debug") == 0) {
        CHECK(gort_mutex_lock(other, 0) == -EINVAL && gort_mutex_free(other) == -EINVAL);
        CHECK(gort_waitgroup_add(other, 1) == -EINVAL && gort_rwlock_read(other, 0) == -EINVAL);
        CHECK(gort_cond_signal(other) == -EINVAL && gort_timer_stop(other) == -EINVAL);
        CHECK(gort_semaphore_release(other, 1) == -EINVAL && gort_task_id(other) == 0);
        CHECK(gort_fd_read(other, &value, 1, 0) == -EINVAL && gort_fd_close(other) == -EINVAL);
        other = mutex;
        CHECK(gort_chan_send(other, &value, 0) == -EINVAL && gort_chan_free(other) == -EINVAL);
        gort_case wrong = {other, GORT_SEND, &value, 0};
        CHECK(gort_select(&wrong, 1, 0) == -EINVAL);
    }
    CHECK(gort_chan_send(chan, &value, 0) == 0 && gort_mutex_lock(mutex, 0) == 0);
    CHECK(gort_chan_free(chan) == 0 && gort_mutex_free(mutex) == 0);
    puts("refused");
    return 0;
}
