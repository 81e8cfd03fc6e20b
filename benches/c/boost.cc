// The same programs with Boost.Fiber, on one thread with its default scheduler.
//
//   boost PROGRAM N      prints nanoseconds for each of N
#include <boost/fiber/all.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

namespace fibers = boost::fibers;
using Channel = fibers::unbuffered_channel<long>;

static void check(bool ok)
{
    if (!ok)
        std::abort();
}

static Channel ping, pong;

static void run_pingpong(long n)
{
    long value = 0;
    for (long i = 0; i < n; i++) {
        check(ping.push(i) == fibers::channel_op_status::success);
        check(pong.pop(value) == fibers::channel_op_status::success && value == i);
    }
}

static void run_yield(long n)
{
    for (long i = 0; i < n; i++)
        boost::this_fiber::yield();
}

static void run_join(long n)
{
    for (long i = 0; i < n; i++)
        fibers::fiber([] {}).join();
}

static void run_sieve(long n)
{
    auto *chan = new Channel;
    fibers::fiber([chan] {
        for (long i = 2; chan->push(i) == fibers::channel_op_status::success; i++) {
        }
    }).detach();
    for (long k = 0; k < n; k++) {
        auto *next = new Channel;
        long prime;
        check(chan->pop(prime) == fibers::channel_op_status::success);
        fibers::fiber([chan, next, prime] {
            for (long i; chan->pop(i) == fibers::channel_op_status::success;)
                if (i % prime != 0)
                    check(next->push(i) == fibers::channel_op_status::success);
        }).detach();
        chan = next;
    }
}

int main(int argc, char **argv)
{
    check(argc == 3);
    std::string program = argv[1];
    long count = std::atol(argv[2]);
    void (*run)(long) = run_sieve;
    if (program == "pingpong") {
        run = run_pingpong;
        fibers::fiber([] {
            for (long value; ping.pop(value) == fibers::channel_op_status::success;)
                check(pong.push(value) == fibers::channel_op_status::success);
        }).detach();
    } else if (program == "yield") {
        run = run_yield;
        fibers::fiber([] {
            for (;;)
                boost::this_fiber::yield();
        }).detach();
    } else if (program == "join") {
        run = run_join;
    } else {
        check(program == "sieve");
    }
    if (run != run_sieve)
        run(count / 10); // warm
    auto start = std::chrono::steady_clock::now();
    run(count);
    std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    std::printf("%f\n", took.count() / static_cast<double>(count));
    std::fflush(stdout);
    std::_Exit(0); // fibers that still wait are not waited for
}
