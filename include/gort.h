/* gort: Go's goroutine runtime for native programs. https://crates.io/crates/gort

   Names are gort_<noun>_<verb>. A call that may wait takes a deadline, a point of the monotonic clock in
   nanoseconds (gort_after makes one; GORT_FOREVER waits as long as it takes, 0 not at all). Calls return
   0 or a negative error of <errno.h>: -EINVAL for null and other bad arguments.

   Handles are opaque, may be used from any goroutine or thread, and are freed once, when nobody uses
   them any more. Blocking calls park the calling goroutine; on a plain thread they block the thread.

   Everything a goroutine's function is given must outlive its use. A goroutine may continue on another
   thread after any call that waits.

   Made by cbindgen from src/ffi: do not edit. */

#ifndef GORT_H
#define GORT_H

#include <stddef.h>
#include <stdint.h>

// The deadline of a call that waits as long as it takes. (The deadline 0 is "now": the call does not
// wait at all.)
#define GORT_FOREVER -1

// The operation of a case: receive to `value`.
#define GORT_RECV 0

// The operation of a case: send what lies at `value`.
#define GORT_SEND 1

// A channel.
typedef struct gort_chan gort_chan;

// A condition variable: waits for what another one changes under a mutex.
typedef struct gort_cond gort_cond;

// A descriptor that goroutines wait for: a socket, a pipe, a terminal, an eventfd. Regular files are
// always ready and need none; read(2) and write(2) on them block the thread, which is noticed.
//
// One goroutine reads at a time, and one writes; others wait for their turn.
typedef struct gort_fd gort_fd;

// A mutex. It belongs to no goroutine: another one may unlock it.
typedef struct gort_mutex gort_mutex;

// Something to be done once.
typedef struct gort_once gort_once;

// A lock for many readers or one writer; a writer that waits holds off new readers.
typedef struct gort_rwlock gort_rwlock;

// Counted permits, first come first served whatever each one asks for.
typedef struct gort_semaphore gort_semaphore;

// A goroutine that can be joined.
typedef struct gort_task gort_task;

// Something that is to happen later.
typedef struct gort_timer gort_timer;

// A counter to wait for: zero when all it counts have ended.
typedef struct gort_waitgroup gort_waitgroup;

// A function that the library calls, with the argument given along with it.
typedef void (*gort_function)(void *arg);

// How the runtime is to run; for `gort_config_run`. Zeroes are the defaults.
typedef struct gort_config {
  // sizeof(struct gort_config): later versions may add members.
  size_t size;
  // How many goroutines run at the same time. 0: the environment's GOMAXPROCS, else the CPUs the
  // process may use.
  size_t procs;
  // Cap of a goroutine's stack, in bytes. 0: 1 GiB, on 32-bit targets 250 MB.
  size_t max_stack;
  // Most OS threads. 0: 10,000.
  size_t max_threads;
  // Not 0: a panic that nobody recovers ends its goroutine only, not the process.
  int isolate_panics;
} gort_config;

// One of the operations among which `gort_select` chooses.
typedef struct gort_case {
  // The channel; null is never ready.
  const struct gort_chan *chan;
  // GORT_RECV or GORT_SEND.
  int op;
  // The element, or room for one.
  void *value;
  // Set by `gort_select` in the case that was chosen: as `gort_chan_send` or `gort_chan_recv`
  // returns, 0 or -EPIPE.
  int result;
} gort_case;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Runs `f(arg)` as a goroutine, beginning on the calling thread, and returns when it has returned;
// starts the runtime with its defaults if it does not run yet. Goroutines that still run then are not
// waited for. Several threads may be in it at once.
//
// 0; -EINVAL without a function; -EPERM in a goroutine; -EAGAIN if the system refuses a thread or a
// stack. -ENOTRECOVERABLE if the function panicked.
int gort_run(gort_function f,
             void *arg);

// As `gort_run`, with a configuration (null: the defaults), which the first run of a process fixes:
// -EINVAL if another one is in force.
int gort_config_run(const struct gort_config *config, gort_function f, void *arg);

// Starts a goroutine that runs `f(arg)`. From a plain thread, too, which starts the runtime if it does
// not run.
//
// 0; -EINVAL without a function; -EAGAIN if no goroutine can be made.
int gort_go(gort_function f,
            void *arg);

// Lets other goroutines run. On a plain thread, yields the thread.
void gort_yield(void);

// Ends the calling goroutine: unwinds its stack (see `gort_panic`), running deferred calls and
// destructors. Nothing can stop it. A main goroutine's `gort_run` does not return then.
void gort_exit(void) __attribute__((noreturn));

// The number of the calling goroutine, never reused; 0 on a plain thread.
uint64_t gort_goid(void);

// Sets how many goroutines run at the same time; the number before. 0 only asks.
size_t gort_gomaxprocs(size_t n);

// CPUs that the process could use when it started.
size_t gort_num_cpu(void);

// Goroutines that exist: running, runnable or blocked.
size_t gort_num_goroutine(void);

// Goroutines started since the process began.
uint64_t gort_num_goroutine_created(void);

// OS threads that the runtime has.
size_t gort_num_threads(void);

// Whose thread-locals goroutines use (C's `__thread`, errno, C++'s `thread_local`): 1, each has its own; 0,
// they are the thread's, and a goroutine that has started stays on its thread.
int gort_own_thread_locals(void);

// Binds the calling goroutine to its OS thread, and the thread to it, until as many unlocks. A goroutine
// that ends bound ends its thread. -EPERM on a plain thread.
int gort_lock_thread(void);

// Undoes one `gort_lock_thread`. -EPERM on a plain thread.
int gort_unlock_thread(void);

// Calls `f(arg)`, which may block its OS thread: a system call, another library. Other goroutines go
// on meanwhile; nothing has to be declared, but what is declared is noticed sooner.
//
// 0; -EINVAL without a function.
int gort_blocking(gort_function f,
                  void *arg);

// Copies the stacks of all goroutines, as text in Go's layout, to `text`: at most `size` bytes,
// zero-terminated. The length of the whole text.
size_t gort_dump(char *text, size_t size);

// Makes a channel of elements of `size` bytes each (0: signals), which buffers `capacity` of them; with 0 a
// send waits for its receive. Null, and errno, if it would not fit into memory.
struct gort_chan *gort_chan_new(size_t size,
                                size_t capacity);

// Sends the element at `value`; waits until a receiver takes it or the buffer has room.
//
// 0; -EPIPE if the channel is closed, or comes to that meanwhile; -EAGAIN or -ETIMEDOUT when the
// deadline has come; -EINVAL.
int gort_chan_send(const struct gort_chan *chan, const void *value, int64_t deadline);

// Receives an element to `value`; waits until there is one.
//
// 0; -EPIPE once the channel is closed and drained, and `value` is zeroes then; -EAGAIN or -ETIMEDOUT
// when the deadline has come; -EINVAL.
int gort_chan_recv(const struct gort_chan *chan,
                   void *value,
                   int64_t deadline);

// Sends if that needs no waiting: `gort_chan_send` with the deadline 0.
int gort_chan_try_send(const struct gort_chan *chan, const void *value);

// Receives if that needs no waiting: `gort_chan_recv` with the deadline 0.
int gort_chan_try_recv(const struct gort_chan *chan, void *value);

// Closes the channel: what is buffered can still be received, everyone who waits to send gets -EPIPE.
//
// 0; -EPIPE if it was closed; -EINVAL.
int gort_chan_close(const struct gort_chan *chan);

// Elements in the buffer; 0 for a bad handle.
size_t gort_chan_len(const struct gort_chan *chan);

// How many elements the buffer can hold; 0 for a bad handle.
size_t gort_chan_cap(const struct gort_chan *chan);

// Frees a channel that nobody uses any more, with what is in its buffer. Null is no error.
int gort_chan_free(struct gort_chan *chan);

// Makes a handle of the open descriptor `number`, which belongs to the handle from then on, and sets
// its file to non-blocking mode. Null, and errno: EPERM for what is always ready, such as regular files.
struct gort_fd *gort_fd_new(int number);

// Closes the descriptor and frees the handle; nobody uses it any more. Null is no error.
int gort_fd_free(struct gort_fd *fd);

// Frees the handle without closing the descriptor, which stays in non-blocking mode: its number.
int gort_fd_release(struct gort_fd *fd);

// The descriptor's number, for calls that never wait, such as setsockopt(2).
int gort_fd_number(const struct gort_fd *fd);

// Closes the descriptor at once: whoever waits for it gets -EBADF, and so do all later calls. The handle
// stays, and has to be freed.
//
// 0; -EBADF if it was closed; -EINVAL.
int gort_fd_close(const struct gort_fd *fd);

// Waits until a read would not have to wait: for data, the end of it, a connection, or an error.
//
// 0; -EAGAIN or -ETIMEDOUT when the deadline has come; -EBADF after `gort_fd_close`; -EINVAL.
int gort_fd_readable(const struct gort_fd *fd, int64_t deadline);

// Waits until a write would not have to wait: for room, or an error.
//
// 0; -EAGAIN or -ETIMEDOUT when the deadline has come; -EBADF after `gort_fd_close`; -EINVAL.
int gort_fd_writable(const struct gort_fd *fd, int64_t deadline);

// Reads at most `size` bytes to `to`; waits until there are some.
//
// How many; 0 at the end of the data. -EAGAIN or -ETIMEDOUT when the deadline has come; -EBADF after
// `gort_fd_close`; -EINVAL; other errors of read(2).
ptrdiff_t gort_fd_read(const struct gort_fd *fd,
                       void *to,
                       size_t size,
                       int64_t deadline);

// Writes at most `size` bytes from `from`; waits until there is room for some. A socket whose other end
// is gone is -EPIPE, and no signal.
//
// How many. -EAGAIN or -ETIMEDOUT when the deadline has come; -EBADF after `gort_fd_close`; -EINVAL;
// other errors of write(2).
ptrdiff_t gort_fd_write(const struct gort_fd *fd,
                        const void *from,
                        size_t size,
                        int64_t deadline);

// Writes all `size` bytes from `from`, by as many `gort_fd_write` as it takes.
//
// 0; after an error, as those of `gort_fd_write`, some of the bytes may have been written.
int gort_fd_write_all(const struct gort_fd *fd, const void *from, size_t size, int64_t deadline);

// Takes the next connection from a listening socket; `*connection` is its handle.
//
// 0; -EAGAIN or -ETIMEDOUT when the deadline has come; -EBADF after `gort_fd_close`; -EINVAL; other
// errors of accept(2).
int gort_fd_accept(struct gort_fd **connection, const struct gort_fd *listener, int64_t deadline);

// Connects the socket with the number `socket` to the `length` bytes of address at `address` (a struct
// sockaddr_in or its kin); `*connection` is its handle, to which the socket belongs from then on.
//
// 0; after an error the socket is the caller's still: -EAGAIN or -ETIMEDOUT when the deadline has come,
// or -EINVAL, or another error of connect(2).
int gort_fd_connect(struct gort_fd **connection,
                    int socket,
                    const void *address,
                    size_t length,
                    int64_t deadline);

// Makes a key for goroutine-local values, to be kept for ever. `destructor` (or null) is called with
// each goroutine's value, unless that is null, when the goroutine ends.
//
// The key, 0 or more; -ENOMEM after 4096 keys.
int gort_local_new(void (*destructor)(void *value));

// Sets the calling goroutine's value. The value before is not destroyed.
//
// -EINVAL for a key that is none; -EPERM in a goroutine that was not started from C, and on plain
// threads.
int gort_local_set(int key, void *value);

// The calling goroutine's value; null if none was set.
void *gort_local_get(int key);

// Has `f(arg)` called when the innermost function ends: the body of the innermost `gort_func` or
// `gort_try`, or the goroutine's own. Deferred calls run last in first out, whether the function
// returns, panics, or the goroutine ends by `gort_exit`.
//
// -EPERM in a goroutine that was not started from C, on a plain thread, and in a deferred call (which
// may use `gort_func`).
int gort_defer(gort_function f,
               void *arg);

// Calls `body(arg)` as a function with deferred calls of its own. A panic goes on when they have run,
// unless one of them recovers it.
int gort_func(gort_function body,
              void *arg);

// In a deferred call: stops the panic of the function that deferred it, which will return. Copies at
// most `size` bytes of the panic's message, zero-terminated, to `message`, unless that is null.
//
// 1 if there was a panic; 0 if there was none, or it has been recovered; -EPERM outside of deferred
// calls.
int gort_recover(char *message,
                 size_t size);

// Panics with a message: unwinds the stack, through C frames that have unwind tables (gcc and clang
// make them by default on 64-bit targets, elsewhere with -fexceptions), running deferred calls and the
// destructors of C++ and Rust. If nothing recovers it, the goroutine and the process end with Go's
// report and status 2.
void gort_panic(const char *message) __attribute__((noreturn));

// Calls `body(arg)` and stops a panic that leaves it: a `gort_func` with a `gort_recover` in it.
// Copies at most `size` bytes of the panic's message, zero-terminated, to `message`, unless that is
// null.
//
// 0; -ENOTRECOVERABLE after a panic; -EPERM as `gort_defer`.
int gort_try(gort_function body, void *arg, char *message, size_t size);

// Waits until one of the operations can go on, and performs it: of those that are ready each with the
// same chance.
//
// The index of the case; -EAGAIN or -ETIMEDOUT if none was ready by the deadline; -EINVAL. Without
// cases it waits for the deadline.
int gort_select(struct gort_case *cases,
                size_t count,
                int64_t deadline);

// Bytes left on the piece of stack that the caller runs on.
size_t gort_stack_remaining(void);

// The most bytes of stack that the calling goroutine can have in use.
size_t gort_stack_limit(void);

// Calls `f(arg)` with at least `bytes` of stack: here if there is as much left, else on a further
// piece, which is released when `f` ends. For recursions whose depth the input decides; works on plain
// threads, too.
//
// 0; -EINVAL without a function; -ENOMEM, and `f` has not been called, if that would exceed the limit
// or the system has no memory.
int gort_stack_ensure(size_t bytes,
                      gort_function f,
                      void *arg);

// A wait group whose counter is 0.
struct gort_waitgroup *gort_waitgroup_new(void);

// Frees it; nobody uses it any more. Null is no error.
int gort_waitgroup_free(struct gort_waitgroup *object);

// Adds `delta`, which may be negative, to the counter. At 0 everyone who waits goes on. Call it before
// the goroutine it stands for is started.
//
// 0; -EINVAL if the counter would be negative, and then it stays.
int gort_waitgroup_add(const struct gort_waitgroup *group,
                       int64_t delta);

// Takes one from the counter.
int gort_waitgroup_done(const struct gort_waitgroup *group);

// Waits until the counter is 0.
//
// 0; -EAGAIN or -ETIMEDOUT when the deadline has come; -EINVAL.
int gort_waitgroup_wait(const struct gort_waitgroup *group, int64_t deadline);

// A mutex that nobody holds.
struct gort_mutex *gort_mutex_new(void);

// Frees it; nobody uses it any more. Null is no error.
int gort_mutex_free(struct gort_mutex *object);

// Locks the mutex; waits until it is free.
//
// 0; -EAGAIN or -ETIMEDOUT when the deadline has come; -EINVAL.
int gort_mutex_lock(const struct gort_mutex *mutex, int64_t deadline);

// Locks the mutex if it is free: `gort_mutex_lock` with the deadline 0.
int gort_mutex_try_lock(const struct gort_mutex *mutex);

// Unlocks the mutex. -EPERM if nobody holds it.
int gort_mutex_unlock(const struct gort_mutex *mutex);

// A read-write lock that nobody holds.
struct gort_rwlock *gort_rwlock_new(void);

// Frees it; nobody uses it any more. Null is no error.
int gort_rwlock_free(struct gort_rwlock *object);

// Locks for reading.
//
// 0; -EAGAIN or -ETIMEDOUT when the deadline has come; -EINVAL.
int gort_rwlock_read(const struct gort_rwlock *lock, int64_t deadline);

// Locks for writing.
//
// 0; -EAGAIN or -ETIMEDOUT when the deadline has come; -EINVAL.
int gort_rwlock_write(const struct gort_rwlock *lock, int64_t deadline);

// Unlocks what the caller has locked, for reading or for writing. -EPERM if nobody holds it.
int gort_rwlock_unlock(const struct gort_rwlock *lock);

// A condition variable on which nobody waits.
struct gort_cond *gort_cond_new(void);

// Frees it; nobody uses it any more. Null is no error.
int gort_cond_free(struct gort_cond *object);

// Unlocks the mutex, waits to be woken, and locks the mutex again, however long that takes. Nobody is
// woken but by a signal or the deadline.
//
// 0; -ETIMEDOUT when the deadline has come (-EAGAIN for 0); -EPERM if nobody holds the mutex; -EINVAL.
int gort_cond_wait(const struct gort_cond *cond,
                   const struct gort_mutex *mutex,
                   int64_t deadline);

// Wakes the one that has waited longest.
int gort_cond_signal(const struct gort_cond *cond);

// Wakes everyone who waits now.
int gort_cond_broadcast(const struct gort_cond *cond);

// Not done yet.
struct gort_once *gort_once_new(void);

// Frees it; nobody uses it any more. Null is no error.
int gort_once_free(struct gort_once *object);

// Calls `f(arg)`, unless that has been done. When this returns it has been; whoever comes meanwhile
// waits. If it panics or exits that counts as done.
int gort_once_do(const struct gort_once *once, gort_function f, void *arg);

// A semaphore with so many permits to give.
struct gort_semaphore *gort_semaphore_new(size_t permits);

// Frees it; nobody uses it any more. Null is no error.
int gort_semaphore_free(struct gort_semaphore *object);

// Takes `k` permits; waits until everyone who came before is served and so many are there.
//
// 0; -EAGAIN or -ETIMEDOUT when the deadline has come; -EINVAL.
int gort_semaphore_acquire(const struct gort_semaphore *semaphore, size_t k, int64_t deadline);

// Takes `k` permits if so many are there and nobody waits: `gort_semaphore_acquire` with the deadline 0.
int gort_semaphore_try_acquire(const struct gort_semaphore *semaphore,
                               size_t k);

// Gives `k` permits back, or new ones. -EINVAL if there would be more than a size_t counts.
int gort_semaphore_release(const struct gort_semaphore *semaphore, size_t k);

// Starts a goroutine that runs `f(arg)` and can be joined; `*task` is its handle.
//
// 0; -EINVAL; -EAGAIN if no goroutine can be made.
int gort_task_go(struct gort_task **task, void *(*f)(void *arg), void *arg);

// Waits for the task's end, and frees the handle; `*result`, unless null, is what its function
// returned.
//
// 0; -ECANCELED if it ended by `gort_exit`; -ENOTRECOVERABLE if it panicked. -EAGAIN or -ETIMEDOUT if
// it has not ended by `deadline`: then the handle stays.
int gort_task_join(struct gort_task *task,
                   void **result,
                   int64_t deadline);

// Gives the handle up; the goroutine goes on. If it panics nobody hears of it.
int gort_task_detach(struct gort_task *task);

// The number of the task's goroutine; 0 for a bad handle.
uint64_t gort_task_id(const struct gort_task *task);

// Nanoseconds of the monotonic clock: what deadlines are counted in (CLOCK_MONOTONIC).
int64_t gort_now(void);

// The deadline that is `ns` nanoseconds away.
int64_t gort_after(int64_t ns);

// Blocks the caller until the clock shows `deadline`; not at all for one that has passed, and for ever
// with GORT_FOREVER.
void gort_sleep_until(int64_t deadline);

// Blocks the caller for `ns` nanoseconds.
void gort_sleep(int64_t ns);

// Calls `f(arg)` in a goroutine of its own when the clock shows `deadline`. Null without a function.
struct gort_timer *gort_timer_new(int64_t deadline,
                                  gort_function f,
                                  void *arg);

// Calls the timer off: 1 if it was to ring, 0 if it had or was off; -EINVAL.
int gort_timer_stop(const struct gort_timer *timer);

// Sets the timer to `deadline` instead: 1 if it was to ring, 0 if it had or was off; -EINVAL.
int gort_timer_reset(const struct gort_timer *timer, int64_t deadline);

// Frees the handle; a timer that is to ring will. Null is no error.
int gort_timer_free(struct gort_timer *timer);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* GORT_H */
