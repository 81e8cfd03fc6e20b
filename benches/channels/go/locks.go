package main

import "sync"

var locks = []program{
	{name: "mutex, alone", timed: func(n int) { mutex(n, 1) }},
	{name: "mutex, 100 goroutines", timed: func(n int) { mutex(n, 100) }},
	{name: "rwlock, read alone", timed: rwlock},
	{name: "rwlock, 100 goroutines, 1 in 100 writes", timed: rwlockShared},
	{name: "wait group, add and done", timed: waitGroup},
	{name: "wait group, start 100 and wait", timed: waitGroupOf100},
	{name: "once, done", timed: once},
	{name: "condvar, ping-pong", timed: condvar},
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

func rwlockShared(n int) {
	var mu sync.RWMutex
	var wg sync.WaitGroup
	value, sink := 0, make([]int, 100)
	for g := 0; g < 100; g++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; i < n/100; i++ {
				if i%100 == 0 {
					mu.Lock()
					value++
					mu.Unlock()
				} else {
					mu.RLock()
					sink[g] = value
					mu.RUnlock()
				}
			}
		}()
	}
	wg.Wait()
}

func waitGroup(n int) {
	var wg sync.WaitGroup
	for i := 0; i < n; i++ {
		wg.Add(1)
		wg.Done()
	}
	wg.Wait()
}

func waitGroupOf100(n int) {
	for i := 0; i < (n+99)/100; i++ {
		var wg sync.WaitGroup
		for g := 0; g < 100; g++ {
			wg.Go(func() {})
		}
		wg.Wait()
	}
}

func once(n int) {
	var once sync.Once
	times := 0
	for i := 0; i < n; i++ {
		once.Do(func() { times++ })
	}
	if times != 1 {
		panic("not once")
	}
}

func condvar(n int) {
	var mu sync.Mutex
	cond := sync.NewCond(&mu)
	turn := 0
	take := func(own int) {
		mu.Lock()
		for turn%2 != own {
			cond.Wait()
		}
		turn++
		cond.Signal()
		mu.Unlock()
	}
	go func() {
		for i := 0; i < n; i++ {
			take(1)
		}
	}()
	for i := 0; i < n; i++ {
		take(0)
	}
}
