/* A program that has never heard of the library loads it while it runs: several of its threads call
 * in, and the runtime's first goroutine is not on the main thread.
 *
 *   host LIBRARY
 */
#include <gort.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int (*run)(gort_function f, void *arg);
static int (*go)(gort_function f, void *arg);
static gort_chan *(*chan_new)(size_t size, size_t capacity);
static int (*chan_send)(const gort_chan *chan, const void *value, int64_t deadline);
static int (*chan_recv)(const gort_chan *chan, void *value, int64_t deadline);

static gort_chan *numbers;

static void send_number(void *arg)
{
    chan_send(numbers, &arg, GORT_FOREVER);
}

static void in_goroutine(void *arg)
{
    for (int i = 0; i < 100; i++)
        go(send_number, arg);
}

static void *thread(void *arg)
{
    return run(in_goroutine, arg) == 0 ? NULL : arg;
}

static void load(void *library, const char *name, void *function)
{
    void *found = dlsym(library, name);
    if (found == NULL) {
        fprintf(stderr, "no %s\n", name);
        exit(1);
    }
    memcpy(function, &found, sizeof found);
}

int main(int argc, char **argv)
{
    void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    pthread_t threads[4];
    size_t sum = 0, number;
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    load(library, "gort_run", &run);
    load(library, "gort_go", &go);
    load(library, "gort_chan_new", &chan_new);
    load(library, "gort_chan_send", &chan_send);
    load(library, "gort_chan_recv", &chan_recv);
    numbers = chan_new(sizeof(void *), 10);
    for (size_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, thread, (void *)(i + 1));
    for (int i = 0; i < 400; i++) {
        chan_recv(numbers, &number, GORT_FOREVER);
        sum += number;
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    printf("sum %zu\n", sum);
    return 0;
}
