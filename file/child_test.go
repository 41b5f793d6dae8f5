package file_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/ltx"
)

// childVerb, in the environment, makes the test binary one of the processes
// below instead: killed, raced or starved by the tests.
const childVerb = "REPLICATE_FILE_TEST_CHILD"

var children = map[string]func(dir string, args []int) error{
	"write":     childWrite,
	"create":    childCreate,
	"hold":      childHold,
	"overwrite": childOverwrite,
	"claim":     childClaim,
	"count":     childCount,
	"lock":      childLock,
	"serve":     childServe,
}

func TestMain(m *testing.M) {
	verb := os.Getenv(childVerb)
	if verb == "" {
		os.Exit(m.Run())
	}
	var args []int
	for _, s := range os.Args[2:] {
		n, err := strconv.Atoi(s)
		if err != nil {
			panic(err)
		}
		args = append(args, n)
	}
	if err := children[verb](os.Args[1], args); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func isLarge(txid int) bool { return txid%7 == 0 }

// bodySize makes one file in seven take long enough to be killed in the middle.
func bodySize(txid int) int {
	if isLarge(txid) {
		return 150_000 + txid
	}
	return txid * 31 % 5000
}

// slowly reads a file in small pieces, so that writing it takes a while.
func slowly(data []byte) io.Reader { return &pieces{bytes.NewReader(data)} }

type pieces struct{ r io.Reader }

func (p *pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), 100)]) }

// childWrite writes the files from args[0] to args[1], announcing each.
func childWrite(dir string, args []int) error {
	c := file.NewReplicaClient(dir)
	for i := args[0]; i <= args[1]; i++ {
		fmt.Println("write", i)
		txid := ltx.TXID(i)
		if _, err := c.WriteLTXFile(context.Background(), 0, txid, txid, slowly(ltxFile(txid, bodySize(i)))); err != nil {
			return err
		}
	}
	return nil
}

// childCreate does the same create-only; a file that is there already is fine.
func childCreate(dir string, args []int) error {
	s := file.NewStore(dir, file.Options{})
	for i := args[0]; i <= args[1]; i++ {
		fmt.Println("create", i)
		txid := ltx.TXID(i)
		opts := blob.WriteOptions{ModTime: headerTime(txid), IfAbsent: true}
		_, err := s.Write(context.Background(), ltx.LayoutFile.Key(0, txid, txid), slowly(ltxFile(txid, bodySize(i))), opts)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// childHold stops in the middle of writing file args[0] until it gets a line.
func childHold(dir string, args []int) error {
	txid := ltx.TXID(args[0])
	data := ltxFile(txid, 300_000)
	body := io.MultiReader(bytes.NewReader(data[:200_000]), pause{}, bytes.NewReader(data[200_000:]))
	_, err := file.NewReplicaClient(dir).WriteLTXFile(context.Background(), 0, txid, txid, body)
	return err
}

type pause struct{}

func (pause) Read([]byte) (int, error) {
	fmt.Println("holding")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	return 0, io.EOF
}

// childOverwrite writes file 1 with a body of args[0] bytes, args[1] times.
func childOverwrite(dir string, args []int) error {
	c := file.NewReplicaClient(dir)
	data := ltxFile(1, args[0])
	for range args[1] {
		if _, err := c.WriteLTXFile(context.Background(), 0, 1, 1, bytes.NewReader(data)); err != nil {
			return err
		}
	}
	return nil
}

// childClaim creates the key that each line names, with its own number args[0]
// as content, and says whether it won.
func childClaim(dir string, args []int) error {
	s := file.NewStore(dir, file.Options{})
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		_, err := s.Write(context.Background(), in.Text(), bytes.NewReader([]byte(strconv.Itoa(args[0]))),
			blob.WriteOptions{IfAbsent: true})
		switch {
		case err == nil:
			fmt.Println("won")
		case errors.Is(err, fs.ErrExist):
			fmt.Println("lost")
		default:
			return err
		}
	}
	return nil
}

type child struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	raw io.ReadCloser // what out scans
	out *bufio.Scanner
}

func startChild(t *testing.T, verb, dir string, args ...int) *child {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], dir)
	for _, n := range args {
		cmd.Args = append(cmd.Args, strconv.Itoa(n))
	}
	// The race detector would have each child wait for a second at its end.
	cmd.Env = append(os.Environ(), childVerb+"="+verb, "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	return &child{t: t, cmd: cmd, in: in, raw: out, out: bufio.NewScanner(out)}
}

// line is the next line of the child, or empty when it has ended.
func (c *child) line() string {
	c.out.Scan()
	return c.out.Text()
}

func (c *child) want(line string) {
	c.t.Helper()
	if got := c.line(); got != line {
		c.t.Fatalf("the child says %q, want %q", got, line)
	}
}

func (c *child) say(line string) {
	c.t.Helper()
	_, err := io.WriteString(c.in, line+"\n")
	must(c.t, err)
}

// finish lets the child end by itself.
func (c *child) finish() {
	c.t.Helper()
	must(c.t, c.wait())
}

func (c *child) wait() error {
	_ = c.in.Close()
	last := ""
	for c.out.Scan() {
		last = c.out.Text()
	}
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("child: %w: %s", err, last)
	}
	return nil
}

// kill is SIGKILL: no deferred function runs.
func (c *child) kill() {
	c.t.Helper()
	must(c.t, c.cmd.Process.Kill())
	for c.out.Scan() {
		if l := c.out.Text(); len(l) > 6 && l[:6] == "error:" {
			c.t.Fatal(l)
		}
	}
	_ = c.cmd.Wait() // "signal: killed"
}
