// The twin of ../main.rs: the same programs, with the same names.
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

func pingPong(n int) {
	a, b := make(chan uint32), make(chan uint32)
	go func() {
		for v := range a {
			b <- v
		}
	}()
	for i := 0; i < n; i++ {
		a <- uint32(i)
		if <-b != uint32(i) {
			panic("wrong value")
		}
	}
	close(a)
}

func many(n, senders, receivers, capacity int) {
	c, sum := make(chan uint32, capacity), make(chan int, receivers)
	var wg sync.WaitGroup
	for s := 0; s < senders; s++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; i < n/senders; i++ {
				c <- uint32(i)
			}
		}()
	}
	for r := 0; r < receivers; r++ {
		go func() {
			count := 0
			for range c {
				count++
			}
			sum <- count
		}()
	}
	wg.Wait()
	close(c)
	total := 0
	for r := 0; r < receivers; r++ {
		total += <-sum
	}
	if total != n/senders*senders {
		panic("wrong count")
	}
}

func contended(n int) {
	c := make(chan uint32, 100)
	var wg sync.WaitGroup
	for g := 0; g < 8; g++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; i < n/8; i++ {
				c <- uint32(i)
				<-c
			}
		}()
	}
	wg.Wait()
}

func selectReady(n int) {
	a, b := make(chan uint32, 1), make(chan uint32, 1)
	a <- 0
	for i := 0; i < n; i++ {
		select {
		case v := <-a:
			b <- v
		case v := <-b:
			a <- v
		}
	}
}

func selectPingPong(n int) {
	a, b, never := make(chan uint32), make(chan uint32), make(chan uint32)
	go func() {
		for {
			select {
			case v, ok := <-a:
				if !ok {
					return
				}
				b <- v
			case <-never:
			}
		}
	}()
	for i := 0; i < n; i++ {
		a <- uint32(i)
		select {
		case v := <-b:
			if v != uint32(i) {
				panic("wrong value")
			}
		case <-never:
		}
	}
	close(a)
}

func selectDefault(n int) {
	a, b := make(chan uint32), make(chan uint32, 1)
	for i := 0; i < n; i++ {
		select {
		case <-a:
		case <-b:
		default:
		}
	}
}

func tryRecv(n int) {
	c := make(chan uint32)
	for i := 0; i < n; i++ {
		select {
		case <-c:
			panic("a value")
		default:
		}
	}
}

func selectors(n int) {
	common := make(chan uint32)
	var wg sync.WaitGroup
	own := make([]chan uint32, 1000)
	for i := range own {
		own[i] = make(chan uint32)
		mine := own[i]
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				select {
				case _, ok := <-mine:
					if !ok {
						return
					}
				case <-common:
				}
			}
		}()
	}
	for i := 0; i < n; i++ {
		own[i%1000] <- uint32(i)
	}
	for _, c := range own {
		close(c)
	}
	wg.Wait()
}

func mutex(n, goroutines int) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	total := 0
	for g := 0; g < goroutines; g++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; i < n/goroutines; i++ {
				mu.Lock()
				total++
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	if total != n/goroutines*goroutines {
		panic("wrong count")
	}
}

func rwlock(n int) {
	var mu sync.RWMutex
	value, sum := 1, 0
	for i := 0; i < n; i++ {
		mu.RLock()
		sum += value
		mu.RUnlock()
	}
	if sum != n {
		panic("wrong sum")
	}
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

func main() {
	rounds, _ := strconv.Atoi(os.Args[1])
	n, _ := strconv.Atoi(os.Args[2])
	programs := []struct {
		name string
		run  func(int)
	}{
		{"unbuffered ping-pong (round trip)", pingPong},
		{"buffered(128), one to one", func(n int) { many(n, 1, 1, 128) }},
		{"buffered(128), 4 to 4", func(n int) { many(n, 4, 4, 128) }},
		{"unbuffered, 4 to 4", func(n int) { many(n, 4, 4, 0) }},
		{"contended: 8 on one channel", contended},
		{"select of two, ready", selectReady},
		{"select of two, ping-pong", selectPingPong},
		{"select with default, empty", selectDefault},
		{"try_recv on empty", tryRecv},
		{"1000 selectors on one channel", selectors},
		{"mutex, alone", func(n int) { mutex(n, 1) }},
		{"mutex, 100 goroutines", func(n int) { mutex(n, 100) }},
		{"rwlock read, alone", rwlock},
		{"timer: new and stop", timer},
		{"select with time limit, ready later", limits},
	}
	for _, p := range programs {
		best := 1e18
		for r := 0; r < rounds; r++ {
			start := time.Now()
			p.run(n)
			best = min(best, float64(time.Since(start).Nanoseconds())/float64(n))
		}
		fmt.Printf("%s\t%.2f\n", p.name, best)
	}
}
