package cli

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/internal/testreplica"
)

// startShell starts the shell of query on a terminal, with a history of its own.
func startShell(t *testing.T, args ...string) *terminalSession {
	t.Helper()
	t.Setenv("REPLCTL_HISTORY", filepath.Join(t.TempDir(), "state", "history"))
	t.Setenv("TZ", "UTC")
	s := startOnTerminal(t, "replctl", append([]string{"query"}, args...)...)
	s.until("sql> ")
	return s
}

// types types a line, and waits for what the shell says to it, and for the next prompt.
func (s *terminalSession) types(line string, says ...string) {
	s.t.Helper()
	s.press(line + "\r")
	for _, what := range says {
		s.until(what)
	}
	s.until("sql> ")
}

// A person asks SQL, looks around, goes to other moments, and compares two.
func TestShell(t *testing.T) {
	replica := testreplica.Copy(t, "v0.5")
	before := testreplica.Expected(t, "v0.5").Instants[1]
	moment := before.At.UTC().Format(time.RFC3339Nano)
	s := startShell(t, replica)
	s.types("select count(*) as n from note;", "168", "\nread ")
	s.types(".help", ".timeline [N]")
	s.types(".tables", "note\r\n", "tag\r\n")
	s.types(".schema TAG", "CREATE TABLE tag", ";\r\n")
	s.types(".timeline 2", "000000000000004d\r\n(2 of ")
	s.types(".at "+moment, "state transaction ", "before the timestamp")
	s.types("select 'n' || count(*) from note;", "n"+itoa(before.Rows["note"])+"\r\n")
	s.types(".at latest", "state transaction 000000000000004d")
	s.types(".attach before "+moment, "attached before:", "before the timestamp")
	s.types("select 'd' || ((select count(*) from note) - (select count(*) from before.note));",
		"d"+itoa(168-before.Rows["note"])+"\r\n")

	// The shell prints an error, and waits for the next line.
	s.types("selec 1;", `near "selec": syntax error`)
	s.types(".nothing", "unknown command .nothing; .help lists the commands")
	s.types(".at 2001-01-01", "Try: ")
	s.types(".attach main -1h", "there is a database main already")
	s.types("delete from note;", "this is a replica: restore it first")
	s.types("attach 'made.db' as made;", "this is a replica: restore it first")
	s.types(".timeline x", "want a number above 0")

	// Statements over several lines, several on a line, and the history.
	s.press("select 'first',\r")
	s.until("...> ")
	s.types("'second'; select 'third';", "first", "second", "third")
	s.types("\x1b[A", "third") // the line that was typed last
	s.press(".quit\r")
	s.ends(0)
}

func itoa(n int) string { return strings.TrimSpace(cell(int64(n))) }

// Ctrl-C discards a line, and interrupts a statement; Ctrl-D ends the shell.
func TestShellKeys(t *testing.T) {
	s := startShell(t, testreplica.Copy(t, "v0.3"))
	s.press("select 'not this\x03")
	s.until("sql> ")
	s.press("with recursive n(i) as (select 1 union all select i+1 from n) select count(*) from n;\r")
	s.until("from n;\r\n")
	s.press("\x03")
	pressed := make(chan struct{}) // once more: a key in the moment before the statement begins is lost
	again := time.AfterFunc(time.Second, func() { s.press("\x03"); close(pressed) })
	s.until("interrupted")
	if !again.Stop() {
		<-pressed
	}
	s.until("sql> ")
	s.types("select 'after' || 'wards';", "afterwards")
	s.press("\x04")
	s.ends(0)
	if strings.Contains(s.seen.String(), "unrecognized token") {
		t.Errorf("the line that was discarded was run:\n%s", s.seen.String())
	}
}

// The history is kept for the next shell.
func TestShellHistory(t *testing.T) {
	replica := testreplica.Copy(t, "v0.5")
	s := startShell(t, replica)
	s.types("select 'kept' || 1;", "kept1")
	s.press("\x04")
	s.ends(0)
	s = startOnTerminal(t, "replctl", "query", replica)
	s.until("sql> ")
	s.types("\x1b[A", "select 'kept' || 1;", "kept1")
	s.press(".exit\r")
	s.ends(0)
}

// --json is one document, which a shell does not print.
func TestShellFormats(t *testing.T) {
	replica := testreplica.Copy(t, "v0.5")
	s := startOnTerminal(t, "replctl", "query", replica, "--json")
	s.until("a shell does not print one JSON document")
	s.ends(exitUsage)
	s = startShell(t, replica, "--csv")
	s.types("select 1 as a, null as b, '' as c;", "a,b,c\r\n", `1,,""`)
	s.press("\x04")
	s.ends(0)
}
