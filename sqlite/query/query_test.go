package query

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/sqlite"
)

// open returns a connection to a new database with what a script makes.
func open(t testing.TB, script string) *sql.Conn {
	t.Helper()
	return openFile(t, filepath.Join(t.TempDir(), "db"), script)
}

func openFile(t testing.TB, path, script string) *sql.Conn {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), script); err != nil {
		t.Fatal(err)
	}
	return conn
}

// run is the result of statements in one of the forms.
func run(t testing.TB, conn *sql.Conn, form, statements string, args ...any) (string, error) {
	t.Helper()
	var b bytes.Buffer
	w := map[string]Writer{"csv": NewCSV(&b), "json": NewJSON(&b), "jsonl": NewJSONL(&b)}[form]
	for _, s := range Split(statements) {
		if err := Run(t.Context(), conn, s, w, args...); err != nil {
			return b.String(), err
		}
	}
	if j, ok := w.(*JSON); ok {
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String(), nil
}

func TestRunForms(t *testing.T) {
	conn := open(t, `CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, at DATETIME);
		INSERT INTO t VALUES(1,'a,b','2026-11-28 14:02'),(2,NULL,'2026-11-28T14:02:00Z'),(3,'','x')`)
	const q = "SELECT * FROM t ORDER BY id DESC; PRAGMA user_version; SELECT 1 AS a, 2 AS a, 3 AS \"a:2\" WHERE 0;"
	for form, want := range map[string]string{
		"csv": "id,name,at\n3,\"\",x\n2,,2026-11-28T14:02:00Z\n1,\"a,b\",2026-11-28 14:02\n\nuser_version\n0\n\na,a,a:2\n",
		"json": `[
{"columns":["id","name","at"],"rows":[
[3,"","x"],
[2,null,"2026-11-28T14:02:00Z"],
[1,"a,b","2026-11-28 14:02"]]},
{"columns":["user_version"],"rows":[
[0]]},
{"columns":["a","a","a:2"],"rows":[]}
]`,
		"jsonl": `{"id":3,"name":"","at":"x"}
{"id":2,"name":null,"at":"2026-11-28T14:02:00Z"}
{"id":1,"name":"a,b","at":"2026-11-28 14:02"}
{"user_version":0}
`,
	} {
		got, err := run(t, conn, form, q)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got)\n%s", form, err, diff)
		}
	}
	if got := uniqueNames([]string{"a", "a", "a:2", "a"}); !slices.Equal(got, []string{"a", "a:2", "a:2:2", "a:3"}) {
		t.Errorf("names: %q", got)
	}
	if got, err := run(t, conn, "json", " -- nothing"); got != "[]" || err != nil {
		t.Errorf("no statement: %q (%v)", got, err)
	}
}

// Text in columns of dates is as it is stored, whatever the statement around it is.
func TestDatesStayText(t *testing.T) {
	const stored = "2026-11-28 14:02:00 +0100 CET m=+1.5"
	conn := open(t, "CREATE TABLE exact(d DATE, ts TIMESTAMP, dt DATETIME); INSERT INTO exact VALUES('"+stored+
		"',5,x'00'),('0001-01-01',1.5,'')")
	for _, q := range []string{
		"SELECT d, ts, dt FROM exact", "SELECT * FROM exact -- all", "WITH w AS (SELECT * FROM exact) SELECT * FROM w",
		"SELECT * FROM exact ORDER BY ts DESC", "SELECT d, ts, dt FROM exact WHERE ts > ? LIMIT 10",
	} {
		var args []any
		if strings.Contains(q, "?") {
			args = append(args, int64(0))
		}
		got, err := run(t, conn, "jsonl", q, args...)
		want := `{"d":"` + stored + `","ts":5,"dt":{"blob":"AA=="}}` + "\n" + `{"d":"0001-01-01","ts":1.5,"dt":""}` + "\n"
		if got != want || err != nil {
			t.Errorf("%s: got %s (%v)", q, got, err)
		}
	}
}

func TestRunErrors(t *testing.T) {
	conn := open(t, "CREATE TABLE t(a); INSERT INTO t VALUES(1); PRAGMA query_only=1")
	for q, want := range map[string]string{
		"SELECT nope FROM t":               "no such column: nope",
		"SELEC 1":                          `near "SELEC": syntax error`,
		"SELECT * FROM missing":            "no such table: missing",
		"SELECT abs(-9223372036854775808)": "integer overflow",
		"SELECT :x":                        `missing named argument "x"`,
		"INSERT INTO t VALUES(2)":          sqlite.ErrReplica.Error(),
		"DELETE FROM t RETURNING a":        sqlite.ErrReplica.Error(),
		"DROP TABLE t":                     sqlite.ErrReplica.Error(),
		"CREATE TABLE u(d DATE)":           sqlite.ErrReplica.Error(),
	} {
		got, err := run(t, conn, "csv", q)
		if err == nil || !strings.Contains(err.Error(), want) || got != "" || strings.Contains(err.Error(), "SQL logic") {
			t.Errorf("%s: got %q, %v, want %s", q, got, err, want)
		}
	}
	var e *Error
	if _, err := run(t, conn, "csv", "SELEC 1"); !errors.As(err, &e) || errors.Unwrap(e) == nil {
		t.Errorf("a syntax error is %T", err)
	}
}

// An interrupted statement says why it ended.
func TestRunCancelled(t *testing.T) {
	conn := open(t, "")
	cause := errors.New("the user has had enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	err := Run(ctx, conn, "SELECT 1", NewCSV(&bytes.Buffer{}))
	if !errors.Is(err, cause) {
		t.Errorf("before: %v", err)
	}
	ctx, cancel = context.WithCancelCause(t.Context())
	w := &cancelling{cancel: func() { cancel(cause) }}
	err = Run(ctx, conn, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n", w)
	if !errors.Is(err, cause) || w.rows < 3 {
		t.Errorf("after %d rows: %v", w.rows, err)
	}
}

type cancelling struct {
	rows   int
	cancel func()
}

func (c *cancelling) Begin([]string) error { return nil }
func (c *cancelling) End() error           { return nil }

func (c *cancelling) Row([]any) error {
	if c.rows++; c.rows == 3 {
		c.cancel()
	}
	return nil
}

// values are a hundred kinds of values, as SQL, and as each form has them.
func values() []any {
	all := []any{
		nil, int64(0), int64(-1), int64(1 << 53), int64(1<<53 + 1), int64(-1 << 53), int64(-1<<53 - 1),
		int64(math.MaxInt64), int64(math.MinInt64), 0.0, math.Copysign(0, -1), 1.0, -1.5, 0.1, 1e15, 1e16, 1e21, 1e300,
		math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), 1.0 / 3, 123456789012345680.0,
		"", " ", "a", "NULL", "null", "1", "1.0", "X'00'", "it's", `say "hi"`, "a,b", "a;b", "a\nb", "a\r\nb", "\r", "\n",
		"a\tb", " lead", "trail ", "\x00", "a\x00b", "a\r\x00\r", `\r`, "\\r\r", `\r~` + "\r", "\x1b[31mred\x1b[0m", "\x7f",
		"\u0085", "\u202eright to left", "\u2028", "\ufeffbom", "\ufffd", "grüße", "日本語", "😀", "e\u0301", "\xff",
		"a\xc3", "\xed\xa0\x80", "\xf8\x88\x80\x80\x80", "<script>&", "--", "/* */", "'; DROP TABLE t; --", "=1+1", "@x",
		"2026-11-28 14:02", "-0", "+1", "0x10", "Infinity", "NaN", "true", strings.Repeat("x", 100_000),
		strings.Repeat("\r\n", 2000), strings.Repeat("'", 1000), "`", "[x]", "?1", ":p", "$p", "%s", "%!d",
		`\`, `\n`, `\u0000`,
		[]byte{}, []byte{0}, []byte("text"), []byte{0xff, 0xfe}, bytes.Repeat([]byte{7}, 70_000), []byte("'"),
	}
	for r := rune(1); len(all) < 120; r++ {
		all = append(all, "ctl"+string(r))
	}
	return all
}

// Each value comes back as it is, through JSON and as a literal.
func TestValues(t *testing.T) {
	conn := open(t, "PRAGMA synchronous=0; CREATE TABLE t(i INTEGER PRIMARY KEY, v); BEGIN")
	for i, v := range values() {
		if _, err := conn.ExecContext(t.Context(), "INSERT INTO t VALUES(?,?)", i, v); err != nil {
			t.Fatal(err)
		}
		if s, ok := v.(string); ok { // the driver binds some text as it is only in the shape of a blob
			if _, err := conn.ExecContext(t.Context(), "UPDATE t SET v = CAST(? AS TEXT) WHERE i = ?",
				[]byte(s), i); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := &collector{}
	if err := Run(t.Context(), conn, "SELECT v FROM t ORDER BY i", got); err != nil {
		t.Fatal(err)
	}
	for i, v := range values() {
		if !same(got.values[i], v) {
			t.Errorf("%.40q: got %.40q", v, got.values[i])
		}
		literal := string(AppendLiteral(nil, v))
		back := &collector{}
		if err := Run(t.Context(), conn, "SELECT "+literal, back); err != nil || !same(back.values[0], v) {
			t.Errorf("%.40q: literal %.60s is %.40q (%v)", v, literal, back.values, err)
		}
		if strings.ContainsAny(literal, "\r\x00") {
			t.Errorf("%.40q: literal %.60q", v, literal)
		}
		if j := AppendJSON(nil, v); !same(fromJSON(t, j), v) {
			t.Errorf("%.40q: JSON %.60s", v, j)
		}
	}
}

type collector struct{ values []any }

func (c *collector) Begin([]string) error { return nil }
func (c *collector) End() error           { return nil }

func (c *collector) Row(values []any) error {
	c.values = append(c.values, values[0])
	return nil
}

// same reports whether two values have the same type and bytes; -0.0 is 0.0, as SQLite has it.
func same(a, b any) bool {
	return fmt.Sprintf("%T", a) == fmt.Sprintf("%T", b) && (cmp.Equal(a, b, cmp.Comparer(bytes.Equal)))
}

func TestIdentifier(t *testing.T) {
	if got := Identifier(`a"b`); got != `"a""b"` {
		t.Error(got)
	}
}

// sqlite3 runs the real shell on a database.
func sqlite3(t testing.TB, path, input string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sqlite3", "-batch", "-bail", path)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("sqlite3 %s: %v\n%s", path, err, out)
	}
	return string(out)
}
