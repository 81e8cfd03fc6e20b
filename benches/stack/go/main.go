// The twin of the bench: `stack-go serve depth-go LEVELS` prints the nanoseconds of the first and the
// second time that a goroutine comes so many frames of 1 KiB down.
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"time"
)

//go:noinline
func down(levels int) int {
	var frame [118]int
	use(&frame, levels)
	if levels > 0 {
		return down(levels-1) + 1
	}
	return frame[0]
}

//go:noinline
func use(frame *[118]int, n int) {
	frame[0] = n
}

func once(levels int) int64 {
	start := time.Now()
	if down(levels) != levels {
		panic("wrong")
	}
	return time.Since(start).Nanoseconds()
}

func main() {
	levels, err := strconv.Atoi(os.Args[3])
	if err != nil {
		panic(err)
	}
	debug.SetMaxStack(4 << 30)
	done := make(chan [2]int64)
	go func() { done <- [2]int64{once(levels), once(levels)} }()
	got := <-done
	fmt.Println(got[0], got[1])
}
