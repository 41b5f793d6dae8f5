package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/replctl/replicate/internal/moment"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
	"github.com/replctl/replicate/sqlite"
	"github.com/replctl/replicate/sqlite/query"
)

const shellHelp = `SQL ends with a semicolon. Ctrl-C interrupts a statement, Ctrl-D ends the shell.
.at TIME           go to another moment: 14:02, yesterday 18:00, -5m, 2026-11-20 14:05, ...; or latest
.timeline [N]      list the last N moments that the replica has (20)
.attach NAME TIME  attach the database of another moment, to compare: select * from NAME.users
.tables            list the tables
.schema [TABLE]    show the SQL of all tables, or of one
.help              show this
.quit              end the shell`

// shell asks a person for SQL on a terminal.
type shell struct {
	app      *app
	r        *opened
	flags    *queryFlags
	binds    []any
	db       *database
	attached []sqlite.NamedView
	keys     *keys
	line     *term.Terminal
}

func (a *app) runShell(ctx context.Context, r *opened, target restore.Target, flags *queryFlags, binds []any) error {
	if a.json {
		return usageError("--jsonl, or SQL as an argument", "query: a shell does not print one JSON document")
	}
	s := &shell{app: a, r: r, flags: flags, binds: binds, keys: &keys{in: os.Stdin}}
	s.line = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{s.keys, a.stdout}, "")
	s.line.History = newHistory()
	defer s.close()
	if err := s.goTo(ctx, target); err != nil {
		return err
	}
	a.talk("SQL as of that state, which cannot be changed. .help says more; Ctrl-D ends.")
	return s.loop(ctx)
}

func (s *shell) close() {
	if s.db != nil {
		s.db.close()
	}
	for _, v := range s.attached {
		if v, ok := v.View.(*view.View); ok {
			_ = v.Close()
		}
	}
}

// loop reads and answers until the end of the input.
func (s *shell) loop(ctx context.Context) error {
	pending := ""
	for {
		prompt := "sql> "
		if pending != "" {
			prompt = "...> "
		}
		line, err := s.readLine(ctx, prompt)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case s.keys.interrupted():
			pending = ""
			continue
		case pending == "" && strings.HasPrefix(strings.TrimSpace(line), "."):
			if ends := s.command(ctx, strings.Fields(line)); ends {
				return nil
			}
			continue
		}
		pending = s.answer(ctx, pending+line+"\n")
	}
}

// answer runs the statements that are complete, and returns what is not.
func (s *shell) answer(ctx context.Context, text string) (pending string) {
	for {
		statement, rest, complete := query.Next(text)
		if !complete {
			if statement == "" {
				return "" // space and comments
			}
			return text
		}
		text = rest
		s.interruptible(ctx, func(ctx context.Context) error {
			before, since := s.db.view.Stats(), time.Now()
			err := s.db.answer(ctx, []string{statement}, s.flags, s.binds)
			if err == nil {
				s.db.sayCost(before, since)
			}
			return err
		})
		if ctx.Err() != nil {
			return ""
		}
	}
}

// interruptible does something that Ctrl-C and --timeout interrupt, and says what went wrong.
func (s *shell) interruptible(ctx context.Context, do func(context.Context) error) {
	limited, stop := s.flags.limited(ctx)
	defer stop()
	limited, cancel := context.WithCancelCause(limited)
	defer cancel(nil)
	defer onInterrupt(ctx, func() { cancel(errors.New("interrupted")) })()
	err := viewFailure(limited, waitFor(limited, func() error { return do(limited) }))
	if err == nil {
		return
	}
	s.app.exitCode(err) // which prints it
	var left *abandonedError
	if errors.As(err, &left) && s.db != nil { // SQLite still uses the connection
		if conn, err := s.db.db.Conn(ctx); err == nil {
			s.db.conn = conn
		}
	}
}

// readLine reads a line with the terminal in raw mode. The terminal is as it was when the line ends.
func (s *shell) readLine(ctx context.Context, prompt string) (string, error) {
	in := int(os.Stdin.Fd())
	was, err := term.MakeRaw(in)
	if err != nil {
		return "", fmt.Errorf("query: prepare the terminal: %w", err)
	}
	defer func() { _ = term.Restore(in, was) }()
	if width, height, err := term.GetSize(in); err == nil && width > 0 {
		_ = s.line.SetSize(width, height)
	}
	s.line.SetPrompt(prompt)
	type result struct {
		line string
		err  error
	}
	read := make(chan result, 1)
	go func() {
		line, err := s.line.ReadLine()
		read <- result{line, err}
	}()
	select {
	case r := <-read:
		return r.line, r.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// command does what a line that begins with a dot asks for, and reports whether the shell ends.
func (s *shell) command(ctx context.Context, words []string) (ends bool) {
	argument := strings.Join(words[1:], " ")
	do := map[string]func(context.Context) error{
		".help":     func(context.Context) error { return s.app.print("%s\n", safe(shellHelp)) },
		".at":       func(ctx context.Context) error { return s.at(ctx, argument) },
		".timeline": func(ctx context.Context) error { return s.timeline(ctx, argument) },
		".attach":   func(ctx context.Context) error { return s.attach(ctx, words[1:]) },
		".tables":   func(ctx context.Context) error { return s.tables(ctx) },
		".schema":   func(ctx context.Context) error { return s.schema(ctx, argument) },
	}[words[0]]
	switch {
	case words[0] == ".quit" || words[0] == ".exit":
		return true
	case do == nil:
		s.app.talk("replctl: unknown command %s; .help lists the commands", words[0])
		return false
	}
	s.interruptible(ctx, do)
	return false
}

// parseTarget is a moment of a command, or the latest state.
func parseTarget(text string) (restore.Target, error) {
	if text == "latest" {
		return restore.Target{}, nil
	}
	t, err := moment.Parse(text, time.Now())
	return restore.Target{Timestamp: t}, err
}

func (s *shell) at(ctx context.Context, text string) error {
	target, err := parseTarget(text)
	if err != nil {
		return fmt.Errorf(".at: %w", err)
	}
	return s.goTo(ctx, target)
}

// goTo opens another state in place of the one that is shown. If it fails, that one stays.
func (s *shell) goTo(ctx context.Context, target restore.Target) error {
	limited, cancel := s.flags.limited(ctx)
	defer cancel()
	db, err := s.app.openDatabase(limited, s.r, target, s.flags.viewFlags, s.attached...)
	if err != nil {
		return err
	}
	if s.db != nil {
		s.db.close()
	}
	s.db = db
	db.sayState()
	return nil
}

const maxAttached = 10

func (s *shell) attach(ctx context.Context, words []string) error {
	if len(words) < 2 || len(s.attached) == maxAttached {
		return fmt.Errorf(".attach: want a name and a moment, such as .attach before -1h; at most %d", maxAttached)
	}
	name := words[0]
	for _, taken := range append([]sqlite.NamedView{{Name: "main"}, {Name: "temp"}}, s.attached...) {
		if strings.EqualFold(name, taken.Name) {
			return fmt.Errorf(".attach: there is a database %s already", name)
		}
	}
	target, err := parseTarget(strings.Join(words[1:], " "))
	if err != nil {
		return fmt.Errorf(".attach: %w", err)
	}
	v, err := s.app.openView(ctx, s.r, target, s.flags.viewFlags)
	if err != nil {
		return err
	}
	again := *s.db
	views := append(slices.Clone(s.attached), sqlite.NamedView{Name: name, View: v})
	if err := again.connect(ctx, s.flags.viewFlags, views); err != nil {
		_ = v.Close()
		return err
	}
	_ = s.db.conn.Close()
	_ = s.db.db.Close()
	s.db, s.attached = &again, views
	s.app.talk("attached %s:", name)
	(&database{app: s.app, target: target, view: v}).sayState()
	return nil
}

func (s *shell) tables(ctx context.Context) error {
	objects, err := query.Schema(ctx, s.db.conn)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if o.Type != "index" {
			if err := s.app.print("%s\n", o.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *shell) schema(ctx context.Context, table string) error {
	rows, err := s.db.conn.QueryContext(ctx, `SELECT sql FROM main.sqlite_schema WHERE sql <> ''
		AND (?1 = '' OR tbl_name = ?1 COLLATE NOCASE) ORDER BY rowid`, table)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var sql string
		if err := rows.Scan(&sql); err != nil {
			return err
		}
		if err := s.app.print("%s;\n", safe(harmlessLines(sql))); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *shell) timeline(ctx context.Context, text string) error {
	n := 20
	if text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 {
			return fmt.Errorf(".timeline: want a number above 0, not %q", text)
		}
	}
	points, total, err := lastPoints(ctx, s.r, n)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(s.app.stdout)
	for _, p := range points {
		_, _ = fmt.Fprintf(out, "%s  %s\n", preciseStamp(p.Time), pointName(p))
	}
	_, _ = fmt.Fprintf(out, "(%d of %s)\n", len(points), count(total, "state", "states"))
	return out.Flush()
}
