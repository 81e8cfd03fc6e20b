package main

import (
	"fmt"
	"runtime"
	"sync"
	"time"
)

// n calls of Gosched by two goroutines for each P, so that there is always another to run.
func yields(n int) (int, time.Duration, error) {
	yielders := 2 * runtime.GOMAXPROCS(0)
	each := n / yielders
	var wg sync.WaitGroup
	begin := time.Now()
	for y := 0; y < yielders; y++ {
		wg.Add(1)
		go func() {
			for i := 0; i < each; i++ {
				runtime.Gosched()
			}
			wg.Done()
		}()
	}
	wg.Wait()
	return each * yielders, time.Since(begin), nil
}

// n round trips between main and an echoing goroutine over two unbuffered channels.
func pingpong(n int) (int, time.Duration, error) {
	there, back := make(chan uint64), make(chan uint64)
	go func() {
		for v := range there {
			back <- v
		}
	}()
	begin := time.Now()
	for i := 0; i < n; i++ {
		there <- uint64(i)
		<-back
	}
	took := time.Since(begin)
	close(there)
	return n, took, nil
}

// One goroutine after the other, each waited for through a WaitGroup before the next is started.
func joinWaitGroup(n int) (int, time.Duration, error) {
	var wg sync.WaitGroup
	begin := time.Now()
	for i := 0; i < n; i++ {
		wg.Add(1)
		go func() { wg.Done() }()
		wg.Wait()
	}
	return n, time.Since(begin), nil
}

// The same with a fresh channel of capacity one that brings the result.
func joinChannel(n int) (int, time.Duration, error) {
	begin := time.Now()
	for i := 0; i < n; i++ {
		value, result := uint64(i), make(chan uint64, 1)
		go func() { result <- value }()
		if <-result != value {
			return 0, 0, fmt.Errorf("a goroutine lost its result")
		}
	}
	return n, time.Since(begin), nil
}

// Starts n goroutines, then waits for all of them through one WaitGroup.
func batch(n int) (int, time.Duration, error) {
	var wg sync.WaitGroup
	begin := time.Now()
	wg.Add(n)
	for i := 0; i < n; i++ {
		go func() { wg.Done() }()
	}
	wg.Wait()
	return n, time.Since(begin), nil
}

// The prime sieve of Go's book, made to end: counts the primes below limit through a chain of
// filters, one goroutine and one unbuffered channel for each prime.
func sieve(limit int) (int, time.Duration, error) {
	begin := time.Now()
	numbers := make(chan uint64)
	go func() {
		for i := 2; i < limit; i++ {
			numbers <- uint64(i)
		}
		close(numbers)
	}()
	primes, source := 0, numbers
	for {
		prime, open := <-source
		if !open {
			break
		}
		primes++
		input, output := source, make(chan uint64)
		source = output
		go func() {
			for v := range input {
				if v%prime != 0 {
					output <- v
				}
			}
			close(output)
		}()
	}
	took := time.Since(begin)
	if primes != primesBelow(limit) {
		return 0, 0, fmt.Errorf("the sieve found %d primes below %d", primes, limit)
	}
	return 1, took, nil
}

func primesBelow(limit int) int {
	count := 0
	for n := 2; n < limit; n++ {
		prime := true
		for d := 2; d*d <= n && prime; d++ {
			prime = n%d != 0
		}
		if prime {
			count++
		}
	}
	return count
}

// A tree of goroutines with ten children each, down to the leaves; sums their numbers.
func skynet(leaves int) (int, time.Duration, error) {
	result := make(chan uint64)
	begin := time.Now()
	go skynetNode(result, 0, uint64(leaves))
	sum := <-result
	took := time.Since(begin)
	if want := uint64(leaves) * uint64(leaves-1) / 2; sum != want {
		return 0, 0, fmt.Errorf("skynet of %d leaves summed to %d", leaves, sum)
	}
	return 1, took, nil
}

func skynetNode(out chan<- uint64, first, leaves uint64) {
	if leaves == 1 {
		out <- first
		return
	}
	sums := make(chan uint64)
	for i := uint64(0); i < 10; i++ {
		go skynetNode(sums, first+i*(leaves/10), leaves/10)
	}
	sum := uint64(0)
	for i := 0; i < 10; i++ {
		sum += <-sums
	}
	out <- sum
}
