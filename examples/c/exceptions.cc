// C++ in goroutines: a pipeline whose workers throw and catch, and wait while they handle what they
// caught. What belongs to a handler, the exception and `throw;`, stays the goroutine's own, whoever
// else throws meanwhile on the same thread.
//
//   exceptions [JOBS]
#include <gort.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

struct FreeChannel {
    void operator()(gort_chan *chan) const { gort_chan_free(chan); }
};

// A channel of ints that is freed with its scope.
using Channel = std::unique_ptr<gort_chan, FreeChannel>;

Channel make_channel(size_t capacity) { return Channel(gort_chan_new(sizeof(int), capacity)); }

struct Pipeline {
    Channel jobs = make_channel(0), done = make_channel(4);
};

int half(int n)
{
    gort_yield(); // an exception may begin on another thread than the `try` did
    if (n % 2 != 0)
        throw std::invalid_argument(std::to_string(n) + " is odd");
    return n / 2;
}

// Half of an even number; of an odd one the length of the complaint, after some waiting.
int attempt(int n)
{
    try {
        return half(n);
    } catch (const std::exception &) {
        gort_sleep(10000); // others throw meanwhile
        try {
            throw; // still the same one
        } catch (const std::invalid_argument &e) {
            gort_yield();
            return -static_cast<int>(std::string(e.what()).size());
        }
    }
}

void *work(void *arg)
{
    auto &pipeline = *static_cast<Pipeline *>(arg);
    for (int n; gort_chan_recv(pipeline.jobs.get(), &n, GORT_FOREVER) == 0;) {
        int result = attempt(n);
        gort_chan_send(pipeline.done.get(), &result, GORT_FOREVER);
    }
    return nullptr;
}

struct Feed {
    Pipeline *pipeline;
    int jobs;
};

void feed(void *arg)
{
    auto *f = static_cast<Feed *>(arg);
    for (int n = 0; n < f->jobs; n++)
        gort_chan_send(f->pipeline->jobs.get(), &n, GORT_FOREVER);
}

void main_goroutine(void *arg)
{
    Pipeline pipeline;
    Feed to_feed{&pipeline, *static_cast<int *>(arg)};
    gort_task *workers[8];
    for (auto &worker : workers)
        if (gort_task_go(&worker, work, &pipeline) != 0)
            std::abort();
    gort_go(feed, &to_feed);
    int fine = 0, odd = 0;
    for (int i = 0; i < to_feed.jobs; i++) {
        int result = 0;
        gort_chan_recv(pipeline.done.get(), &result, GORT_FOREVER);
        (result < 0 ? odd : fine)++;
    }
    std::printf("%d halves, %d exceptions\n", fine, odd);
    gort_chan_close(pipeline.jobs.get());
    for (gort_task *worker : workers)
        gort_task_join(worker, nullptr, GORT_FOREVER);
}

} // namespace

int main(int argc, char **argv)
{
    int jobs = argc > 1 ? std::atoi(argv[1]) : 1000;
    return gort_run(main_goroutine, &jobs) == 0 ? 0 : 1;
}
