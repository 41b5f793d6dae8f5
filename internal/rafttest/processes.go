//go:build realservers

package rafttest

import (
	"bufio"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/raft"
)

// Processes starts three nodes with certificates, each a "replctl node run", and returns what opens handles
// on fresh records: clients, two thirds of which begin with a follower. The end of the test stops them.
func Processes(t *testing.T) (records func(t *testing.T) (open func() cas.Store)) {
	t.Helper()
	dir, a := t.TempDir(), NewAuthority(t)
	program := filepath.Join(dir, "replctl")
	build := exec.Command("go", "build", "-o", program, "github.com/replctl/replicate/cmd/replctl")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build replctl: %v: %s", err, out)
	}
	var addresses []string
	for i := range 3 {
		files := a.Write(a)
		args := []string{"node", "run", "--data", filepath.Join(dir, ID(i)), "--id", ID(i), "--listen", "127.0.0.1:0",
			"--tls-ca", filepath.Join(files, "ca"), "--tls-cert", filepath.Join(files, "cert"),
			"--tls-key", filepath.Join(files, "key")}
		if i == 0 {
			args = append(args, "--bootstrap")
		} else {
			args = append(args, "--join", addresses[0])
		}
		addresses = append(addresses, startProcess(t, program, args))
	}
	settings := a.Load(a)
	var names, next atomic.Int64
	return func(t *testing.T) func() cas.Store {
		prefix := fmt.Sprintf("fresh-%d/", names.Add(1))
		return func() cas.Store {
			i := int(next.Add(1)) % len(addresses)
			c, err := raft.Dial(raft.ClientConfig{Addresses: slices.Concat(addresses[i:], addresses[:i]), Prefix: prefix,
				TLS: settings, Patience: Patience, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			return c
		}
	}
}

// startProcess starts a node, waits until it is ready, and returns its address.
func startProcess(t *testing.T, program string, args []string) (address string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	talk, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	ready, said := make(chan bool, 1), &strings.Builder{}
	go func() {
		lines := bufio.NewScanner(talk)
		for lines.Scan() {
			if _, after, ok := strings.Cut(lines.Text(), " listens on "); ok {
				address = after
			}
			if strings.HasSuffix(lines.Text(), " is ready") {
				ready <- true
			}
			said.WriteString(lines.Text() + "\n")
		}
		close(ready)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if !<-ready {
		t.Fatalf("the node does not start: %s", said)
	}
	return address
}
