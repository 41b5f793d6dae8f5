package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	codes "modernc.org/sqlite/lib"
)

// CheckMode is how thoroughly a database is checked.
type CheckMode int

// CheckNone checks nothing. CheckQuick reads every page of every table and index
// and checks their structure. CheckFull also compares each index with its table,
// which takes longer. They are SQLite's quick_check and integrity_check.
const (
	CheckNone CheckMode = iota
	CheckQuick
	CheckFull
)

var modeNames = [...]string{CheckNone: "none", CheckQuick: "quick", CheckFull: "full"}

// String is the name that [ParseCheckMode] takes.
func (m CheckMode) String() string {
	if m < 0 || int(m) >= len(modeNames) {
		return fmt.Sprintf("CheckMode(%d)", int(m))
	}
	return modeNames[m]
}

// ParseCheckMode is the mode of a name: none, quick or full.
func ParseCheckMode(name string) (CheckMode, error) {
	for m, n := range modeNames {
		if n == name {
			return CheckMode(m), nil
		}
	}
	return CheckNone, fmt.Errorf("integrity check %q: want none, quick or full", name)
}

// Bounds of a CheckError. A message may quote names of any length from the schema.
const (
	maxMessages = 20
	maxMessage  = 300 // bytes
)

// CheckError is the verdict that a database is damaged.
type CheckError struct {
	Path     string
	Mode     CheckMode
	Messages []string // what SQLite found, in its words: at least 1, at most 20
	More     bool     // SQLite found more than Messages has
}

func (e *CheckError) Error() string {
	first, more := "it is damaged", ""
	if len(e.Messages) > 0 {
		first = e.Messages[0]
	}
	switch n := len(e.Messages) - 1; {
	case e.More:
		more = fmt.Sprintf(" (and more than %d others)", n)
	case n > 0:
		more = fmt.Sprintf(" (and %d more)", n)
	}
	return fmt.Sprintf("check database %s: %s%s", e.Path, first, more)
}

// Check asks SQLite whether a database file that nobody writes to is sound, and
// makes no file beside it, whichever journal mode the database is in. Damage is a
// [CheckError]; another error means that the check could not be made. The file is
// taken for the whole database: that a WAL or a journal of some content lies beside
// it is an error.
//
// SQLite cannot check an index whose collation or function only the database's own
// program has; that is an error too, with SQLite's words.
func Check(ctx context.Context, path string, mode CheckMode) error {
	if mode == CheckNone {
		return nil
	}
	messages, err := check(ctx, path, mode)
	if isDamage(err) {
		messages, err = append(messages, cut(err.Error())), nil
	}
	if err != nil {
		return fmt.Errorf("check database %s: %w", path, explain(err))
	}
	if len(messages) == 0 {
		return nil
	}
	n := min(len(messages), maxMessages)
	return &CheckError{Path: path, Mode: mode, Messages: messages[:n], More: len(messages) > n}
}

// isDamage tells damage so bad that SQLite stops at it.
func isDamage(err error) bool { return code(err)&0xff == codes.SQLITE_CORRUPT }

// check is what SQLite finds wrong, at least maxMessages+1 of them if there are as
// many. With an error, what it found before.
func check(ctx context.Context, path string, mode CheckMode) ([]string, error) {
	file, info, err := locate(path)
	if err != nil {
		return nil, err
	}
	if info.Size() == 0 {
		return nil, ErrEmpty
	}
	if err := alone(file); err != nil {
		return nil, err
	}
	conn, err := connect(ctx, file, immutable, "query_only(1)", "cache_size(-16384)")
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return ask(ctx, conn, mode)
}

// alone makes sure that no other file is part of the database.
func alone(file string) error {
	for _, suffix := range []string{"-wal", "-journal"} {
		if info, err := os.Stat(file + suffix); err == nil && info.Size() > 0 {
			return fmt.Errorf("%s is beside it: the file alone is not the database", file+suffix)
		}
	}
	return nil
}

func ask(ctx context.Context, conn *connection, mode CheckMode) ([]string, error) {
	pragma := map[CheckMode]string{CheckQuick: "quick_check", CheckFull: "integrity_check"}[mode]
	if pragma == "" {
		return nil, errors.New("unknown mode " + mode.String())
	}
	rows, err := conn.QueryContext(ctx, fmt.Sprintf("PRAGMA %s(%d)", pragma, maxMessages+1))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var messages []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return messages, err
		}
		messages = append(messages, split(text)...)
	}
	return messages, rows.Err()
}

// split makes messages of one result of SQLite: "ok" is none, and what it finds
// in the structure comes as one text of many lines below a headline of asterisks.
func split(text string) []string {
	var messages []string
	for line := range strings.SplitSeq(text, "\n") {
		if line != "" && line != "ok" && !strings.HasPrefix(line, "***") {
			messages = append(messages, cut(line))
		}
	}
	return messages
}

func cut(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "") + "..."
}
