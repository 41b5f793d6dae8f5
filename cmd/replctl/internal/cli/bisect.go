package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/internal/moment"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/history"
	"github.com/replctl/replicate/sqlite/query"
)

const bisectLong = `Find the moment at which the answer to SQL changed, by binary search.

The SQL gives one value; no row is NULL. It is asked at --from and --to, which are the first and
the latest moment that the replica has, and then at about log2(N) of the N moments between. What is
printed are two moments, one after the other, with different values, and the transaction between
them. SQL that fails at one moment, as before a table was made, has an answer too: what SQLite says.

With --while EXPR, an SQL expression of value such as 'value < 100', what is searched for is the
first moment at which it is not true.

If the values at both ends are the same, some moments between are asked. If one of these has
another value, the boundary before it is printed: it is one of several. --all asks at every moment
and prints every boundary.

` + momentHelp + "\n" + moment.Forms + `

` + cacheHelp

// bisectJSON is what bisect has found.
type bisectJSON struct {
	URL        string         `json:"url"`
	Format     string         `json:"format"`
	From       answerJSON     `json:"from"`
	To         answerJSON     `json:"to"`
	Same       bool           `json:"same"`
	Moments    int            `json:"moments"`
	Asked      int            `json:"asked"`
	Boundaries []boundaryJSON `json:"boundaries"`
	costJSON
}

type boundaryJSON struct {
	Before       answerJSON `json:"before"`
	After        answerJSON `json:"after"`
	Transactions *spanJSON  `json:"transactions,omitempty"` // of LTX: those between
}

type spanJSON struct {
	Min string `json:"min_txid"`
	Max string `json:"max_txid"`
}

type answerJSON struct {
	State pointJSON       `json:"state"`
	Value json.RawMessage `json:"value,omitempty"` // absent if there is an error
	Holds *bool           `json:"holds,omitempty"` // with --while
	Error string          `json:"error,omitempty"` // what SQLite says
}

type bisectFlags struct {
	*viewFlags
	from, to momentFlag
	while    string
	all      bool
}

func newBisectCommand(a *app) *cobra.Command {
	flags := &bisectFlags{from: newMomentFlag(), to: newMomentFlag()}
	cmd := &cobra.Command{
		Use:   "bisect URL SQL",
		Short: "Find the moment at which the answer to SQL changed",
		Long:  bisectLong,
		Example: `  replctl bisect s3://backups/db "select count(*) from users where id = 42"
  replctl bisect s3://backups/db "select sum(amount) from account" --from 'yesterday 18:00' --while 'value >= 0'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("want a url and SQL, which is one argument, in quotes")
			}
			return nil
		},
	}
	flags.viewFlags = addViews(cmd.Flags())
	cmd.Flags().Var(&flags.from, "from", "the moment to begin at (default the first)")
	cmd.Flags().Var(&flags.to, "to", "the moment to end at (default the latest)")
	cmd.Flags().StringVar(&flags.while, "while", "", "an SQL `expression` of value: find where it ceases to be true")
	cmd.Flags().BoolVar(&flags.all, "all", false, "ask at every moment, and print every boundary")
	a.addJSON(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.bisect(cmd.Context(), args[0], args[1], flags) }
	return cmd
}

func (a *app) bisect(ctx context.Context, url, sql string, flags *bisectFlags) error {
	statements := query.Split(sql)
	if len(statements) != 1 {
		return usageError(`replctl bisect URL "select 1"`, "bisect: want one statement, not %d", len(statements))
	}
	r, err := a.openReplica(url)
	if err != nil {
		return err
	}
	opts := history.BisectOptions{From: flags.from.target(), While: flags.while, All: flags.all}
	if to := flags.to.target(); to != nil {
		opts.To = *to
	}
	if opts.View, err = viewOptions(r, flags.viewFlags); err != nil {
		return err
	}
	meter := a.newMeter("asked at")
	meter.unit = func(n int64) string { return count(int(n), "moment", "moments") }
	asked := int64(2)
	opts.Progress = func(_ history.Value, left int) { asked++; meter.update(asked, asked+int64(left)) }
	ctx, cancel := flags.limited(ctx)
	defer cancel()
	began := time.Now()
	var b *history.Bisection
	err = waitFor(ctx, func() (err error) {
		b, err = history.Bisect(ctx, r, statements[0], opts)
		return err
	})
	meter.done()
	if err != nil {
		return a.bisectFailure(ctx, r, err)
	}
	a.sayZone("since", flags.from.at)
	a.sayZone("until", flags.to.at)
	if a.json {
		return a.printJSON(bisectDoc(r.url, b, flags.while != ""))
	}
	return a.printBisection(b, flags, began)
}

func (a *app) bisectFailure(ctx context.Context, r *opened, err error) error {
	if errors.Is(err, history.ErrNoMoments) {
		return usageError("replctl log URL, which lists them", "%w", err)
	}
	if ctx.Err() == nil {
		err = a.noPlan(ctx, r, err)
	}
	return viewFailure(ctx, err)
}

func (a *app) printBisection(b *history.Bisection, flags *bisectFlags, began time.Time) error {
	for i, boundary := range b.Boundaries {
		if i > 0 {
			if err := a.print("\n"); err != nil {
				return err
			}
		}
		g := newGrid("moment", "value")
		g.add(momentName(boundary.Before.Point), answerText(boundary.Before))
		g.add(momentName(boundary.After.Point), answerText(boundary.After))
		if err := a.printGrid(g); err != nil {
			return err
		}
		if err := a.print("changed %s\n", between(boundary)); err != nil {
			return err
		}
	}
	for _, note := range bisectNotes(b, flags) {
		a.talk("note: %s", note)
	}
	a.talk("read %s in %s, at %d of %s, %v", size(b.Stats.Bytes),
		count(int(b.Stats.Requests), "request", "requests"), b.Asked,
		count(b.Moments, "moment", "moments"), time.Since(began).Round(time.Millisecond))
	return nil
}

// bisectNotes says what the boundaries are worth.
func bisectNotes(b *history.Bisection, flags *bisectFlags) (notes []string) {
	ends := fmt.Sprintf("%s and %s", momentName(b.From.Point), momentName(b.To.Point))
	switch found := len(b.Boundaries); {
	case flags.while != "" && !b.From.Holds:
		notes = append(notes, "the expression is not true at the beginning, "+momentName(b.From.Point))
	case b.Same && found > 0 && !flags.all:
		notes = append(notes, fmt.Sprintf("the value is the same at both ends, %s: "+
			"this is one boundary of several, and --all finds the others", ends))
	case found == 0 && (flags.all || b.Asked >= b.Moments):
		notes = append(notes, fmt.Sprintf("the value is the same at every moment, %s included: %s", ends, answerText(b.From)))
	case found == 0:
		notes = append(notes, fmt.Sprintf("the value is the same at both ends, %s, and at each of the %d moments between "+
			"that were asked: %s; --all asks at every moment", ends, b.Asked-2, answerText(b.From)))
	}
	return notes
}

// momentName is the transaction or the position of a state, and its time.
func momentName(p replica.Point) string {
	if p.TXID != 0 {
		return fmt.Sprintf("transaction %s of %s", p.TXID, preciseStamp(p.Time))
	}
	return fmt.Sprintf("generation %s of %s", pointName(p), preciseStamp(p.Time))
}

// between is what was written between two moments.
func between(b history.Boundary) string {
	from, to := b.Before.Point, b.After.Point
	switch to.TXID {
	case 0:
		return fmt.Sprintf("by what was written until %s", preciseStamp(to.Time))
	case from.TXID + 1:
		return fmt.Sprintf("by transaction %s", to.TXID)
	}
	return fmt.Sprintf("by one of the transactions %s to %s, between which the replica has no moment",
		from.TXID+1, to.TXID)
}

func answerText(v history.Value) string {
	if v.Err != nil {
		return "(" + v.Err.Message + ")"
	}
	return cell(v.Value)
}

func bisectDoc(url string, b *history.Bisection, while bool) bisectJSON {
	doc := bisectJSON{URL: url, Format: replica.FormatLTX, From: answerDoc(b.From, while), To: answerDoc(b.To, while),
		Same: b.Same, Moments: b.Moments, Asked: b.Asked, Boundaries: []boundaryJSON{},
		costJSON: costJSON{b.Stats.Requests, b.Stats.Bytes}}
	if b.To.Point.TXID == 0 {
		doc.Format = replica.FormatV3
	}
	for _, found := range b.Boundaries {
		boundary := boundaryJSON{Before: answerDoc(found.Before, while), After: answerDoc(found.After, while)}
		if doc.Format == replica.FormatLTX {
			boundary.Transactions = &spanJSON{(found.Before.Point.TXID + 1).String(), found.After.Point.TXID.String()}
		}
		doc.Boundaries = append(doc.Boundaries, boundary)
	}
	return doc
}

func answerDoc(v history.Value, while bool) answerJSON {
	doc := answerJSON{State: *pointDoc(v.Point)}
	if while {
		doc.Holds = &v.Holds
	}
	if v.Err != nil {
		doc.Error = v.Err.Message
	} else {
		doc.Value = query.AppendJSON(nil, v.Value)
	}
	return doc
}
