// load is the two ends of the guard's benchmark: a stand-in for dockerd, and
// its clients. Both are Go's, as Docker's own are, and neither is what a
// proxy between them would have to wait for.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "load: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("usage: load serve|requests|stream FLAGS")
	}
	commands := map[string]func([]string) (any, error){"serve": serve, "requests": requests, "stream": stream}
	command, known := commands[args[0]]
	if !known {
		return fmt.Errorf("there is no command %q", args[0])
	}
	result, err := command(args[1:])
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}
