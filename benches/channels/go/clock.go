package main

import (
	"slices"
	"sync"
	"syscall"
	"time"
)

var clock = []program{
	{name: "timer: new and stop", timed: timer},
	{name: "select with time limit, ready later", timed: limits},
	{name: "100,000 sleep for 10 ms", timed: sleepers},
	{name: "1,000 sleep for 1 ms: median lateness", own: func(n int) float64 { return lateness(n, 50) }},
	{name: "1,000 sleep for 1 ms: 99th percentile", own: func(n int) float64 { return lateness(n, 99) }},
	{name: "CPU in a second, 10,000 parked and a timer", own: idle},
}

func timer(n int) {
	for i := 0; i < n; i++ {
		if !time.NewTimer(time.Hour).Stop() {
			panic("it has fired")
		}
	}
}

func limits(n int) {
	a, b := make(chan uint32), make(chan uint32)
	go func() {
		for v := range a {
			b <- v
		}
	}()
	for i := 0; i < n; i++ {
		a <- uint32(i)
		limit := time.NewTimer(time.Hour)
		select {
		case <-b:
		case <-limit.C:
			panic("an hour")
		}
		limit.Stop()
	}
	close(a)
}

func sleepers(int) {
	var wg sync.WaitGroup
	for i := 0; i < 100_000; i++ {
		wg.Go(func() { time.Sleep(10 * time.Millisecond) })
	}
	wg.Wait()
}

func lateness(n, percentile int) float64 {
	var late []time.Duration
	for i := 0; i < n; i++ {
		results := make(chan time.Duration, 1000)
		for g := 0; g < 1000; g++ {
			go func() {
				start := time.Now()
				time.Sleep(time.Millisecond)
				results <- time.Since(start) - time.Millisecond
			}()
		}
		for g := 0; g < 1000; g++ {
			late = append(late, <-results)
		}
		time.Sleep(5 * time.Millisecond)
	}
	slices.Sort(late)
	return float64(late[len(late)*percentile/100])
}

func idle(int) float64 {
	never, release := make(chan int), make(chan int)
	for i := 0; i < 10_000; i++ {
		go func() { <-never }()
	}
	go func() {
		select {
		case <-release:
		case <-time.After(time.Hour):
		}
	}()
	time.Sleep(300 * time.Millisecond)
	before := cpuTime()
	time.Sleep(time.Second)
	return float64(cpuTime() - before)
}

func cpuTime() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}
