package query

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const trigger = `CREATE TEMP TRIGGER tr AFTER INSERT ON t BEGIN
	SELECT CASE WHEN 1 THEN 2 END; -- a comment; END
	UPDATE t SET a = ';END;' WHERE b;
END`

func TestSplit(t *testing.T) {
	for sql, want := range map[string][]string{
		"":                                    nil,
		" ;; \n; ":                            nil,
		"-- only this":                        nil,
		"/* ; */ ; -- ;":                      nil,
		"SELECT 1":                            {"SELECT 1"},
		"SELECT 1;":                           {"SELECT 1"},
		" SELECT 1 ; SELECT 2 ":               {"SELECT 1", "SELECT 2"},
		"SELECT ';', \";\", `;`, [;];x":       {"SELECT ';', \";\", `;`, [;]", "x"},
		"SELECT 'it''s; ok'; y":               {"SELECT 'it''s; ok'", "y"},
		"SELECT 1 -- no; end\n, 2; z":         {"SELECT 1 -- no; end\n, 2", "z"},
		"SELECT /* ; */ 1; z":                 {"SELECT /* ; */ 1", "z"},
		"-- first\nSELECT 1; -- second":       {"-- first\nSELECT 1"},
		"SELECT 1 - -1; z":                    {"SELECT 1 - -1", "z"},
		"SELECT 'open; z":                     {"SELECT 'open; z"},
		"SELECT [open; z":                     {"SELECT [open; z"},
		trigger + ";SELECT 1":                 {trigger, "SELECT 1"},
		"explain query plan " + trigger + ";": {"explain query plan " + trigger},
		"CREATE TABLE trigger(a); z":          {"CREATE TABLE trigger(a)", "z"},
		"SELECT trigger; END; z":              {"SELECT trigger", "END", "z"},
		"BEGIN; SELECT 1; END; z":             {"BEGIN", "SELECT 1", "END", "z"},
		"EXPLAIN SELECT 1; z":                 {"EXPLAIN SELECT 1", "z"},
		"SELECT \"a\"\"b;\"; z":               {"SELECT \"a\"\"b;\"", "z"},
		"ä;ö":                                 {"ä", "ö"},
	} {
		if diff := cmp.Diff(want, Split(sql)); diff != "" {
			t.Errorf("%q (-want +got)\n%s", sql, diff)
		}
	}
}

func TestNextIncomplete(t *testing.T) {
	for sql, want := range map[string]bool{
		"SELECT 1;": true, "SELECT 1": false, "SELECT ';": false, "SELECT 1 /* ;": false, "SELECT 1 -- ;": false,
		trigger: false, trigger + ";": true, "CREATE TRIGGER t BEGIN SELECT 1;": false, "": false,
	} {
		if _, _, got := Next(sql); got != want {
			t.Errorf("%q: complete %v", sql, got)
		}
	}
}

func FuzzNext(f *testing.F) {
	for _, s := range []string{"SELECT ';'; x", trigger + ";", "/*;*/;--;\n;`", "explain create trigger;end;",
		"0--\n;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		statement, rest, complete := Next(sql)
		if !strings.HasSuffix(sql, rest) || !strings.Contains(sql, statement) || complete && statement == "" ||
			!complete && rest != "" || complete && len(statement)+len(rest) >= len(sql) {
			t.Fatalf("%q: %q, %q, %v", sql, statement, rest, complete)
		}
		if !complete {
			return
		}
		again, more, ends := Next(Terminated(statement))
		if again != statement || more != "" || !ends {
			t.Fatalf("%q by itself is %q, %q, %v", statement, again, more, ends)
		}
	})
}
