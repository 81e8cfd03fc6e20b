// The Go twin of the switch_cost benchmark: the same small programs, answered one line at a time.
//
// Started as `switch_cost_go PROCS`. Reads requests `NAME N` from standard input and answers each with
// `ok key=number ...` or `err text`, the form that benches/switch_cost/reply.rs describes.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// A program does n operations and returns how many it did and how long they took.
type program func(n int) (ops int, took time.Duration, err error)

var programs = map[string]program{
	"yield":     yields,
	"pingpong":  pingpong,
	"join-wg":   joinWaitGroup,
	"join-chan": joinChannel,
	"batch":     batch,
	"sieve":     sieve,
	"skynet":    skynet,
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: switch_cost_go PROCS")
		os.Exit(2)
	}
	procs, err := strconv.Atoi(os.Args[1])
	if err != nil || procs < 1 {
		fmt.Fprintf(os.Stderr, "switch_cost_go: %q is not a number of Ps\n", os.Args[1])
		os.Exit(2)
	}
	runtime.GOMAXPROCS(procs)
	requests := bufio.NewScanner(os.Stdin)
	for requests.Scan() {
		fmt.Println(answer(requests.Text()))
	}
}

func answer(request string) string {
	name, number, _ := strings.Cut(request, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Sprintf("err a request that is none: %q", request)
	}
	if name == "park" || name == "alive" {
		return park(n, name == "alive")
	}
	run, known := programs[name]
	if !known {
		return "err no such measurement in Go: " + name
	}
	// The garbage of the warm-up and of earlier rounds is not charged to this one.
	runtime.GC()
	ops, took, err := run(n)
	if err != nil {
		return "err " + err.Error()
	}
	return fmt.Sprintf("ok ops=%d ns=%d", ops, took.Nanoseconds())
}
