//go:build unix

package raft_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/internal/rafttest"
	"github.com/replctl/replicate/internal/tally"
	"github.com/replctl/replicate/raft"
)

// childEnv makes this test binary a node, whose settings are its value.
const childEnv = "REPLICATE_RAFT_TEST_NODE"

// child is what a process needs to be a node.
type child struct {
	ID, Dir, Bind, Join, Certificate, Key, Authority string
	Heartbeat                                        time.Duration

	Full bool // the disk: no file grows any more
}

func TestMain(m *testing.M) {
	if settings := os.Getenv(childEnv); settings != "" {
		if err := runChild(settings); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// runChild is a node until standard input ends. It prints its address.
func runChild(settings string) error {
	var c child
	if err := json.Unmarshal([]byte(settings), &c); err != nil {
		return err
	}
	tlsConfig, err := raft.LoadTLS(c.Certificate, c.Key, c.Authority)
	if err != nil {
		return err
	}
	cfg := raft.Config{ID: c.ID, Dir: c.Dir, Bind: c.Bind, Bootstrap: c.Join == "", TLS: tlsConfig, Heartbeat: c.Heartbeat,
		Patience: rafttest.Patience, SnapshotEvery: 64, Trailing: 32, Logger: quiet}
	if c.Join != "" {
		cfg.Join = []string{c.Join}
	}
	n, err := raft.Open(cfg)
	if err != nil {
		return err
	}
	fmt.Println(n.Address())
	if c.Full {
		if err := fill(filepath.Join(c.Dir, "log.db")); err != nil {
			return err
		}
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return n.Close()
}

// fill has no file of this process grow beyond the size of one.
func fill(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGXFSZ) // the write has an error
	size := uint64(info.Size())
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: size})
}

// processes are three nodes, each a process of its own, and one node without a vote in this
// process, by which the tests read and write.
type processes struct {
	t        *testing.T
	settings []child
	running  []*exec.Cmd
	here     *raft.Node
}

func startProcesses(t *testing.T, heartbeat time.Duration) *processes {
	t.Helper()
	p := &processes{t: t, running: make([]*exec.Cmd, 3)}
	a, dir := rafttest.NewAuthority(t), t.TempDir()
	for i := range 3 {
		files := a.Write(a)
		c := child{ID: fmt.Sprint("process-", i), Dir: filepath.Join(dir, fmt.Sprint(i)), Bind: "127.0.0.1:0",
			Certificate: files + "/cert", Key: files + "/key", Authority: files + "/ca", Heartbeat: heartbeat}
		if i > 0 {
			c.Join = p.settings[0].Bind
		}
		p.settings = append(p.settings, c)
		p.start(i)
	}
	t.Cleanup(p.stop)
	var err error
	p.here, err = raft.Open(raft.Config{ID: "here", Dir: filepath.Join(dir, "here"), Bind: "127.0.0.1:0", NonVoter: true,
		Join: []string{p.settings[0].Bind}, TLS: a.Load(a), Heartbeat: heartbeat, Patience: rafttest.Patience,
		Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.here.Close() })
	eventually(t, "the processes are three voters", func() bool {
		voters := 0
		for _, m := range status(t, p.here).Members {
			if m.Voter {
				voters++
			}
		}
		return voters == 3
	})
	return p
}

// start starts the process of a node, at the address that it had.
func (p *processes) start(i int) {
	p.t.Helper()
	settings, err := json.Marshal(p.settings[i])
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+string(settings))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		_, err = cmd.StdinPipe() // it ends with this process
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.running[i] = cmd
	if _, err := fmt.Fscanln(bufio.NewReader(out), &p.settings[i].Bind); err != nil {
		p.t.Fatalf("node %d does not start: %v", i, err)
	}
}

func (p *processes) kill(i int) {
	if cmd := p.running[i]; cmd != nil {
		p.running[i] = nil
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

func (p *processes) signal(i int, s syscall.Signal) {
	p.t.Helper()
	if err := p.running[i].Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

func (p *processes) stop() {
	for i := range p.running {
		p.kill(i)
	}
}

// leader is the process that leads, as the node here has heard.
func (p *processes) leader() int {
	at := -1
	eventually(p.t, "a process leads", func() bool {
		leader := status(p.t, p.here).Leader
		for i, c := range p.settings {
			if c.ID == leader && p.running[i] != nil {
				at = i
			}
		}
		return at >= 0
	})
	return at
}

// TestProcesses: castest on three processes with TLS. The handles are on a node that does not lead.
func TestProcesses(t *testing.T) {
	t.Parallel()
	p, n := startProcesses(t, rafttest.Heartbeat), 0
	castest.Run(t, castest.Harness{Unchanged: true, Slow: true, New: func(t *testing.T) func() cas.Store {
		n++
		s, err := p.here.With(raft.Options{Prefix: fmt.Sprint("fresh-", n, "/")})
		if err != nil {
			t.Fatal(err)
		}
		return func() cas.Store { return s }
	}})
}

// TestProcessTorture: kill -9, SIGSTOP and full disks of processes while clients increment a record. One
// chapter by default, 20 with REPLICATE_RAFTTORTURE=full.
func TestProcessTorture(t *testing.T) {
	chapters, rounds := 1, 5
	if os.Getenv("REPLICATE_RAFTTORTURE") == "full" {
		chapters, rounds = tortureChapters, chapterRounds
	}
	p := startProcesses(t, tortureHeartbeat)
	var all tally.Figures
	harms := map[string]int{}
	for n := range chapters {
		r := rand.New(rand.NewPCG(tortureSeed, uint64(n)))
		key := fmt.Sprint("tally/", n)
		all.Add(tally.Run(t, tally.Options{Stores: []cas.Store{p.here}, Clients: tortureClients, Key: key, Rand: r}, func() {
			for range rounds {
				p.progress(key)
				harms[p.harm(r)]++
				p.progress(key)
			}
		}))
	}
	t.Logf("%v: %v", harms, all)
}

// harm does something to one process, and mends it.
func (p *processes) harm(r *rand.Rand) string {
	i := p.leader()
	if r.IntN(4) == 0 {
		i = (i + 1) % 3
	}
	pause := time.Duration(r.IntN(5)) * tortureHeartbeat
	harm := []string{"SIGSTOP", "kill -9", "full disk"}[r.IntN(3)]
	switch harm {
	case "SIGSTOP":
		p.signal(i, syscall.SIGSTOP)
		time.Sleep(pause)
		p.signal(i, syscall.SIGCONT)
	case "kill -9":
		p.kill(i)
		time.Sleep(pause)
		p.start(i)
	case "full disk": // until somebody makes room
		p.restart(i, true)
		time.Sleep(2*pause + time.Second)
		p.restart(i, false)
	}
	return harm
}

// restart kills a process and starts it again, with a disk that is full, or not.
func (p *processes) restart(i int, full bool) {
	p.t.Helper()
	p.kill(i)
	p.settings[i].Full = full
	p.start(i)
}

// progress waits until the clients have written something.
func (p *processes) progress(key string) {
	p.t.Helper()
	first, last := int64(-1), int64(0)
	stop := make(chan struct{})
	end := time.AfterFunc(2*time.Minute, func() { close(stop) })
	follow(p.here, key, stop, func(n int64) {
		if first < 0 {
			first = n
		}
		if last = n; last > first && end.Stop() {
			close(stop)
		}
	})
	if last <= first {
		p.t.Fatal("writes do not go on")
	}
}
