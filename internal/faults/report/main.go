//go:build faults

// Report writes docs/faults.md from the logs of the tests that make everything fail once:
//
//	go run -tags faults ./internal/faults/report [-powerloss FILE] LOG... > docs/faults.md
//
// A log is what REPLCTL_FAULTS_LOG names. FILE is the output of go test -v of internal/powerloss.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/replctl/replicate/internal/faults"
)

func main() {
	powerLoss := flag.String("powerloss", "", "output of go test -v of internal/powerloss")
	flag.Parse()
	if err := run(os.Stdout, *powerLoss, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, powerLoss string, logs []string) error {
	if len(logs) == 0 {
		return errors.New("which logs? their names are missing")
	}
	var lines []faults.Line
	for _, name := range logs {
		read, err := readLog(name)
		if err != nil {
			return err
		}
		lines = append(lines, read...)
	}
	var loss losses
	if powerLoss != "" {
		b, err := os.ReadFile(powerLoss)
		if err != nil {
			return err
		}
		loss = parseLosses(string(b))
	}
	out := bufio.NewWriter(w)
	newPage(lines, loss).write(out)
	return out.Flush()
}

func readLog(name string) (lines []faults.Line, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for dec := json.NewDecoder(f); ; {
		var line faults.Line
		switch err := dec.Decode(&line); {
		case errors.Is(err, io.EOF):
			return lines, nil
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		lines = append(lines, line)
	}
}
