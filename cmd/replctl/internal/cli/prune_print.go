package cli

import (
	"fmt"
	"path"
	"slices"

	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/prune"
)

func windowDocs(windows []replica.Window) []windowJSON {
	docs := []windowJSON{}
	for _, w := range windows {
		doc := windowJSON{
			Format: w.Format, From: optionalTime(w.From.Time), To: optionalTime(w.To.Time), Generation: w.Generation,
		}
		if w.Format == replica.FormatLTX {
			doc.MinTXID, doc.MaxTXID = w.From.TXID.String(), w.To.TXID.String()
		}
		docs = append(docs, doc)
	}
	return docs
}

func (a *app) printPrune(plan *prune.Plan, doc pruneJSON) error {
	if a.json {
		return a.printJSON(doc)
	}
	verb := "deleted"
	if !doc.Deleted {
		verb = "would delete"
	}
	if len(doc.Objects) > 0 {
		g := newGrid("size", "object")
		g.right = []string{"size"}
		for _, o := range doc.Objects {
			g.add(o.Size, path.Clean(o.Key))
		}
		if err := a.print("%s\n\n", g.render(terminalWidth(a.stdout))); err != nil {
			return err
		}
	}
	err := a.print("%-12s  %s, %s\n%-12s  %s, %s\n", verb, count(len(doc.Objects), "object", "objects"), size(doc.Bytes),
		"keeps", count(doc.Kept, "object", "objects"), size(doc.KeptBytes))
	if err != nil {
		return err
	}
	for _, lost := range lostStates(plan.Before, plan.Restorable) {
		if err := a.print("%-12s  %s\n", "lost", lost); err != nil {
			return err
		}
	}
	if err := a.print("\nrestorable  "); err != nil {
		return err
	}
	return a.printWindows(plan.Restorable)
}

// lostStates names the states that can be restored before a plan and not after it. A plan
// deletes the beginning of a window, or all of it.
func lostStates(before, after []replica.Window) []string {
	var lost []string
	for _, w := range before {
		i := slices.IndexFunc(after, func(a replica.Window) bool {
			return a.Format == w.Format && a.Generation == w.Generation && !earlier(a.To, w.From) && !earlier(w.To, a.From)
		})
		var end string
		last := w.To.TXID
		switch {
		case i < 0:
			end = "to " + preciseStamp(w.To.Time)
		case earlier(w.From, after[i].From):
			end = "until before " + preciseStamp(after[i].From.Time)
			last = after[i].From.TXID - 1
		default:
			continue
		}
		what := "generation " + w.Generation
		if w.Format == replica.FormatLTX {
			what = "transactions " + txids(w.From.TXID, last)
		}
		lost = append(lost, fmt.Sprintf("the states from %s %s, %s", preciseStamp(w.From.Time), end, what))
	}
	if len(lost) == 0 {
		lost = []string{"nothing: every state can be restored afterwards"}
	}
	return lost
}

// earlier compares two points of one format and generation.
func earlier(a, b replica.Point) bool {
	if a.TXID != 0 {
		return a.TXID < b.TXID
	}
	return a.Time.Before(b.Time)
}
