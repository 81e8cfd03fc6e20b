package main

import "sync"

var channels = []program{
	{name: "unbuffered ping-pong (round trip)", timed: pingPong},
	{name: "buffered(128), one to one", timed: func(n int) { many(n, 1, 1, 128) }},
	{name: "buffered(128), 4 to 4", timed: func(n int) { many(n, 4, 4, 128) }},
	{name: "unbuffered, 4 to 4", timed: func(n int) { many(n, 4, 4, 0) }},
	{name: "contended: 8 on one channel", timed: contended},
	{name: "select of two, ready", timed: selectReady},
	{name: "select of two, ping-pong", timed: selectPingPong},
	{name: "select with default, empty", timed: selectDefault},
	{name: "try_recv on empty", timed: tryRecv},
	{name: "1,000 selectors on one channel", timed: selectors},
	{name: "sieve to the 2,000th prime", timed: sieve},
}

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

func sieve(int) {
	from := make(chan uint32)
	first := from
	go func() {
		for n := uint32(2); ; n++ {
			first <- n
		}
	}()
	for i := 1; i < 2000; i++ {
		prime := <-from
		to, source := make(chan uint32), from
		from = to
		go func() {
			for n := range source {
				if n%prime != 0 {
					to <- n
				}
			}
		}()
	}
	if <-from != 17389 {
		panic("wrong prime")
	}
}
