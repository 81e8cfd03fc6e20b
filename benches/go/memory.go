package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// How long the parked ones are left alone before memory is read, as on the Rust side.
const settle = 20 * time.Millisecond

// Starting stops when less than this part of the machine's memory is left; looked at once in so many.
const (
	keepFree  = 6
	lookEvery = 8192
)

// bytesOf reads one "Name:  123 kB" line of a file in /proc, in bytes; 0 when it is missing.
func bytesOf(file, name string) int {
	text, _ := os.ReadFile(file)
	for _, line := range strings.Split(string(text), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			kilobytes, _ := strconv.Atoi(fields[1])
			return kilobytes * 1024
		}
	}
	return 0
}

var measured = []string{"VmRSS:", "RssAnon:", "VmPTE:"}

func footprint() (now [3]int) {
	for i, name := range measured {
		now[i] = bytesOf("/proc/self/status", name)
	}
	return now
}

// park keeps up to n goroutines in a receive on one channel; closing it wakes them all.
func park(n int, bounded bool) string {
	gate := make(chan struct{})
	var all sync.WaitGroup
	var started atomic.Int64
	reserve := bytesOf("/proc/meminfo", "MemTotal:") / keepFree
	before := footprint()
	begin := time.Now()
	alive, note := 0, ""
	for alive < n {
		all.Add(1)
		go func() {
			started.Add(1)
			<-gate
			all.Done()
		}()
		alive++
		if alive%lookEvery == 0 && bytesOf("/proc/meminfo", "MemAvailable:") < reserve {
			note = fmt.Sprintf(" | stopped to leave %d MiB of memory free", reserve>>20)
			break
		}
	}
	for started.Load() < int64(alive) {
		runtime.Gosched()
	}
	create := time.Since(begin)
	time.Sleep(settle)
	parked := footprint()
	begin = time.Now()
	close(gate)
	all.Wait()
	finish := time.Since(begin)
	if bounded && alive == n {
		note = " | the bound given, not a limit met"
	}
	rss, anon, tables := parked[0]-before[0], parked[1]-before[1], parked[2]-before[2]
	return fmt.Sprintf("ok ops=%d ns=%d finish=%d alive=%d rss=%d anon=%d tables=%d total=%d%s",
		alive, create.Nanoseconds(), finish.Nanoseconds(), alive, rss, anon, tables, rss+tables, note)
}
