// The twin of the bench: the same programs, with the same names. `channels-go PROCS NAME N` prints
// what one measurement gives.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// A program is timed, or measures something itself.
type program struct {
	name  string
	timed func(int)
	own   func(int) float64
}

func main() {
	n, err := strconv.Atoi(os.Args[3])
	if err != nil {
		panic(err)
	}
	for _, list := range [][]program{channels, locks, clock} {
		for _, p := range list {
			if p.name == os.Args[2] {
				fmt.Println(p.measure(n))
				return
			}
		}
	}
	os.Exit(2)
}

func (p program) measure(n int) float64 {
	if p.own != nil {
		return p.own(n)
	}
	p.timed(n/10 + 1)
	start := time.Now()
	p.timed(n)
	return float64(time.Since(start).Nanoseconds()) / float64(n)
}
