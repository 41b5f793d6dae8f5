package verbs_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/race"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/drill"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/sqlite"
)

// outcomes are those of the moments of a drill, with what failed.
func outcomes(r *drill.Report) string {
	var b strings.Builder
	for _, m := range r.Moments {
		fmt.Fprintf(&b, "%s %s %v %v", m.Why, m.Outcome, m.State, m.Err)
		for _, c := range m.Checks {
			if c.Outcome != drill.Passed {
				fmt.Fprintf(&b, "; %s: %s", c.Name, c.Said)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// TestDrill: the replicas in the repository restore, at every moment, in both ways.
func TestDrill(t *testing.T) {
	for _, name := range []string{"v0.5", "v0.3"} {
		for _, asView := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " view ", asView), func(t *testing.T) {
				client := file.NewReplicaClient(testreplica.Copy(t, name))
				opts := drill.Options{Moments: race.Pick(1000, 3), View: asView, TempDir: t.TempDir(),
					Assertions: []string{"select count(*) >= 0 from sqlite_schema", "select 'x'"}}
				r, err := drill.Run(t.Context(), client, opts)
				if err != nil {
					t.Fatal(err)
				}
				if r.Outcome != drill.Passed || len(r.Moments) != race.Pick(r.States, 5) || r.States < 40 {
					t.Errorf("%s: %d of %d states\n%s", r.Outcome, len(r.Moments), r.States, outcomes(r))
				}
				plan, err := restore.NewPlan(t.Context(), client, restore.Target{})
				if err != nil || r.Newest != plan.State || r.Moments[0].State != plan.State || r.Age <= 0 || r.Restore <= 0 {
					t.Errorf("newest %v, age %v, restore %v; want %v (%v)", r.Newest, r.Age, r.Restore, plan.State, err)
				}
				for _, m := range r.Moments {
					if m.Size == 0 || len(m.Checks) < 4 || m.Format == "" {
						t.Errorf("%+v", m)
					}
				}
				if left, _ := filepath.Glob(filepath.Join(opts.TempDir, "*")); len(left) > 0 {
					t.Errorf("left behind: %q", left)
				}
			})
		}
	}
}

// TestDrillIsRepeatable: a seed decides what is picked.
func TestDrillIsRepeatable(t *testing.T) {
	client := file.NewReplicaClient(testreplica.Copy(t, "v0.5"))
	picked := func(seed uint64) string {
		r, err := drill.Run(t.Context(), client, drill.Options{Seed: seed, View: true})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Moments) != drill.DefaultMoments+2 || r.Moments[0].Why != "newest" || r.Moments[4].Why != "oldest" {
			t.Fatal(outcomes(r))
		}
		return outcomes(r)
	}
	one, again, two := picked(1), picked(1), picked(2)
	if one != again || one == two {
		t.Error("the seed does not decide")
	}
	r, err := drill.Run(t.Context(), client, drill.Options{Moments: -1})
	if err != nil || len(r.Moments) != 2 {
		t.Errorf("%v %v", r, err)
	}
}

// TestDrillFindsDamage: a moment passes exactly if a restore of it succeeds and SQLite finds it sound.
func TestDrillFindsDamage(t *testing.T) {
	for _, damage := range testreplica.Damaged(t) {
		t.Run(damage.Name, func(t *testing.T) {
			client := file.NewReplicaClient(testreplica.Copy(t, "damaged/"+damage.Name))
			r, err := drill.Run(t.Context(), client, drill.Options{Moments: race.Pick(8, 2)})
			if err != nil {
				t.Fatal(err)
			}
			worst := drill.Passed
			for _, m := range r.Moments {
				target := restore.Target{TXID: m.State.TXID}
				switch {
				case m.Why == "newest":
					target = restore.Target{}
				case m.State.TXID == 0:
					target = restore.Target{Generation: m.State.Pos.Generation, Timestamp: m.State.Time}
				}
				path := filepath.Join(t.TempDir(), "db")
				_, err := restore.File(t.Context(), client, target, path, restore.FileOptions{})
				if err == nil {
					err = sqlite.Check(t.Context(), path, sqlite.CheckFull)
				}
				want := drill.Passed
				if err != nil {
					want, worst = drill.Failed, drill.Failed
				}
				if m.Outcome != want {
					t.Errorf("%v is %s (%v), and a restore says %v", m.State, m.Outcome, m.Err, err)
				}
			}
			if r.Outcome != worst {
				t.Errorf("%s, want %s", r.Outcome, worst)
			}
		})
	}
}

// TestDrillAssertions: what SQL has to say is true, and what is wrong with a database is found.
func TestDrillAssertions(t *testing.T) {
	client := file.NewReplicaClient(testreplica.Copy(t, "v0.5"))
	for assertion, want := range map[string]string{
		"select count(*) > 0 from note":    "",
		"select 0.5":                       "",
		"select 0":                         "it is 0",
		"select null":                      "it is NULL",
		"select ''":                        `it is ""`,
		"select '0'":                       `it is "0"`,
		"select 1 where false":             "it gives no row",
		"select 1 union select 2":          "more than one row",
		"select 1, 2":                      "2 columns",
		"selec 1":                          "syntax error",
		"select count(*) from nowhere":     "no such table",
		"delete from note":                 "restore it first",
		"attach database 'x' as y":         "",
		"vacuum into 'stolen'":             "",
		"select writefile('stolen', 'x')":  "no such function",
		"create table t(a)":                "restore it first",
		"select load_extension('nothing')": "",
	} {
		r, err := drill.Run(t.Context(), client, drill.Options{Moments: -1, Assertions: []string{assertion}})
		if err != nil {
			t.Fatal(err)
		}
		m := r.Moments[0]
		c := m.Checks[len(m.Checks)-1]
		passes := want == "" && strings.HasPrefix(assertion, "select") && !strings.Contains(assertion, "load")
		if passes != (c.Outcome == drill.Passed) || !passes && c.Outcome != drill.Failed || !strings.Contains(c.Said, want) {
			t.Errorf("%s: %s, %q; want %q", assertion, c.Outcome, c.Said, want)
		}
	}
}

// TestDrillAsksSQLite: a database that was broken before it was replicated, and one with a row whose foreign
// key points nowhere.
func TestDrillAsksSQLite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`CREATE TABLE a(id INTEGER PRIMARY KEY); CREATE TABLE b(a REFERENCES a);
		INSERT INTO b VALUES (7), (8); CREATE TABLE c(x UNIQUE); INSERT INTO c VALUES (1), (2);
		PRAGMA writable_schema = 1; DELETE FROM sqlite_schema WHERE name = 'sqlite_autoindex_c_1'`); err != nil {
		t.Fatal(err)
	}
	db.Close()
	image, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	client := file.NewReplicaClient(t.TempDir())
	if _, err := replica.WriteSnapshot(t.Context(), client, image, replica.SnapshotOptions{Time: time.Now()}); err != nil {
		t.Fatal(err)
	}
	r, err := drill.Run(t.Context(), client, drill.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := outcomes(r)
	if r.Outcome != drill.Failed || !strings.Contains(got, "integrity: ") ||
		!strings.Contains(got, "foreign keys: 2 rows have a foreign key that points nowhere, the first of them in b") {
		t.Error(got)
	}
}

// unopened refuses to open objects.
type unopened struct{ blob.Store }

func (*unopened) Open(context.Context, string, int64, int64) (io.ReadCloser, error) {
	return nil, errRefused
}

// TestDrillNothing: no replica is an error, and one that cannot be read is inconclusive.
func TestDrillNothing(t *testing.T) {
	_, err := drill.Run(t.Context(), file.NewReplicaClient(t.TempDir()), drill.Options{})
	if !errors.Is(err, replica.ErrNoReplica) {
		t.Errorf("nothing there: %v", err)
	}
	if _, err := drill.Run(t.Context(), nil, drill.Options{}); err == nil {
		t.Error("no client: no error")
	}
	client := file.NewReplicaClient(testreplica.Copy(t, "v0.5"))
	store := storeOf(t, client)
	refused := clientAt(&refusing{Store: store, only: func(string) bool { return true }})
	if _, err := drill.Run(t.Context(), refused, drill.Options{}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("listings are refused: %v", err)
	}
	r, err := drill.Run(t.Context(), clientAt(&unopened{store}), drill.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range r.Moments {
		if m.Outcome != drill.Inconclusive || !errors.Is(m.Err, fs.ErrPermission) {
			t.Errorf("reads are refused: %s, %v", m.Outcome, m.Err)
		}
	}
	if r.Outcome != drill.Inconclusive {
		t.Errorf("reads are refused: %s", r.Outcome)
	}
}
