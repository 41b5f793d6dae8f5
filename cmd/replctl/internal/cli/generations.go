package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/check"
	"github.com/replctl/replicate/v3compat"
)

type generationJSON struct {
	Generation  string            `json:"generation"`
	Snapshots   int               `json:"snapshots"`
	WALSegments int               `json:"wal_segments"`
	Bytes       int64             `json:"bytes"`
	CreatedAt   *time.Time        `json:"created_at"`
	UpdatedAt   *time.Time        `json:"updated_at"`
	Restorable  []extentJSON      `json:"restorable"`
	Problems    []replica.Problem `json:"problems"`
}

// extentJSON is a span of time in which every moment can be restored.
type extentJSON struct {
	From *time.Time `json:"from"`
	To   *time.Time `json:"to"`
}

func newGenerationsCommand(a *app) *cobra.Command {
	var read string
	cmd := &cobra.Command{
		Use:   "generations URL",
		Short: "List the generations of a v0.3 backup",
		Long: `List the generations of a Litestream v0.3.x backup: each an unbroken history of
one database.

Exit code 4 means that a problem is an error: something cannot be restored.`,
		Example: "  replctl generations /var/backups/db",
		Args:    oneURL,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.generations(cmd.Context(), args[0], read)
		},
	}
	addRead(cmd, &read)
	a.addJSON(cmd)
	return cmd
}

func (a *app) generations(ctx context.Context, url, read string) error {
	r, in, err := a.look(ctx, url, read)
	if err != nil {
		return err
	}
	if err := r.orNothing(ctx, len(in.Generations)); err != nil {
		return err
	}
	if a.json {
		err = a.printJSON(generationsJSON(in.Generations))
	} else {
		err = a.printGenerations(in)
	}
	if err == nil && hasErrors(in.Generations) {
		return errDamage
	}
	return err
}

func hasErrors(reports []*v3compat.Report) bool {
	for _, rep := range reports {
		for _, p := range rep.Problems {
			if p.Severity == v3compat.SeverityError {
				return true
			}
		}
	}
	return false
}

func generationsJSON(reports []*v3compat.Report) []generationJSON {
	out := []generationJSON{}
	for _, rep := range reports {
		restorable := []extentJSON{}
		for _, e := range rep.Restorable {
			restorable = append(restorable, extentJSON{optionalTime(e.FromTime), optionalTime(e.ToTime)})
		}
		out = append(out, generationJSON{
			Generation: rep.Generation, Snapshots: len(rep.Snapshots), WALSegments: len(rep.WALSegments), Bytes: rep.Bytes,
			CreatedAt: optionalTime(rep.CreatedAt), UpdatedAt: optionalTime(rep.UpdatedAt),
			Restorable: restorable, Problems: problemsJSON(rep.Problems),
		})
	}
	return out
}

// optionalTime is null in JSON where a time is not known.
func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// problemsJSON is never null.
func problemsJSON(problems []replica.Problem) []replica.Problem {
	return append([]replica.Problem{}, problems...)
}

func (a *app) printGenerations(in *check.Inspection) error {
	reports := in.Generations
	if len(reports) == 0 {
		a.talk("no generations: the replica is not a v0.3 backup")
		return nil
	}
	if err := a.printGrid(generationGrid(reports)); err != nil {
		return err
	}
	var problems []replica.Problem
	for _, rep := range reports {
		problems = append(problems, rep.Problems...)
	}
	if err := a.printProblems(problems); err != nil || in.Verified == in.Objects {
		return err
	}
	return a.print("\n(%s)\n", notRead)
}

func generationGrid(reports []*v3compat.Report) *grid {
	g := newGrid("generation", "snapshots", "wal", "size", "first", "last", "problems")
	g.right = []string{"snapshots", "wal", "size"}
	g.expendable = []string{"problems", "size", "snapshots", "first"} // problems are printed below
	for _, rep := range reports {
		g.add(rep.Generation, len(rep.Snapshots), len(rep.WALSegments), size(rep.Bytes),
			stamp(rep.CreatedAt), stamp(rep.UpdatedAt), problemCount(rep.Problems))
	}
	return g
}
