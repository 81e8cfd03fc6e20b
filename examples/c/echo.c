/* An echo server on the loopback interface, a goroutine for each connection, and the clients that try
 * it, in one process. The sockets are made and set up as always; what waits is ours.
 *
 *   echo [CLIENTS [MESSAGES]]
 */
#include <gort.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int clients = 50, messages = 20;
static struct sockaddr_in address = {.sin_family = AF_INET};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void serve(void *arg)
{
    gort_fd *connection = arg;
    char buffer[4096];
    ptrdiff_t n;
    while ((n = gort_fd_read(connection, buffer, sizeof buffer, GORT_FOREVER)) > 0)
        if (gort_fd_write_all(connection, buffer, (size_t)n, GORT_FOREVER) != 0)
            break;
    gort_fd_free(connection);
}

static void *accept_all(void *arg)
{
    gort_fd *listener = arg, *connection;
    while (gort_fd_accept(&connection, listener, GORT_FOREVER) == 0)
        gort_go(serve, connection);
    return NULL;
}

static gort_fd *listen_somewhere(void)
{
    socklen_t size = sizeof address;
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (s < 0 || bind(s, (struct sockaddr *)&address, size) < 0 || listen(s, 1024) < 0)
        die("listen");
    if (getsockname(s, (struct sockaddr *)&address, &size) < 0)
        die("getsockname");
    gort_fd *listener = gort_fd_new(s);
    if (listener == NULL)
        die("gort_fd_new");
    return listener;
}

/* Sends numbered messages and reads each one back; how many came back whole. */
static void *client(void *arg)
{
    long back = 0;
    gort_fd *connection;
    int64_t deadline = gort_after(10 * INT64_C(1000000000));
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0 || gort_fd_connect(&connection, s, &address, sizeof address, deadline) != 0)
        die("connect");
    for (int i = 0; i < messages; i++) {
        char sent[64], received[64];
        int size = snprintf(sent, sizeof sent, "client %p, message %d", arg, i);
        if (gort_fd_write_all(connection, sent, (size_t)size, deadline) != 0)
            break;
        for (ptrdiff_t n, got = 0; got < size; got += n)
            if ((n = gort_fd_read(connection, received + got, (size_t)(size - got), deadline)) <= 0)
                die("read");
        back += memcmp(sent, received, (size_t)size) == 0;
    }
    gort_fd_free(connection);
    return (void *)back;
}

static void main_goroutine(void *arg)
{
    gort_fd *listener = listen_somewhere();
    gort_task *accepting, **tasks = calloc((size_t)clients, sizeof *tasks);
    long total = 0;
    (void)arg;
    if (gort_task_go(&accepting, accept_all, listener) != 0)
        abort();
    for (int i = 0; i < clients; i++)
        if (tasks == NULL || gort_task_go(&tasks[i], client, &tasks[i]) != 0)
            abort();
    for (int i = 0; i < clients; i++) {
        void *back = NULL;
        gort_task_join(tasks[i], &back, GORT_FOREVER);
        total += (long)back;
    }
    free(tasks);
    gort_fd_close(listener);
    gort_task_join(accepting, NULL, GORT_FOREVER);
    gort_fd_free(listener);
    printf("%ld messages came back\n", total);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        clients = atoi(argv[1]);
    if (argc > 2)
        messages = atoi(argv[2]);
    return gort_run(main_goroutine, NULL) == 0 ? 0 : 1;
}
