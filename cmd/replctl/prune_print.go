package main

import (
	"path"

	"github.com/replctl/replicate"
)

func windowDocs(windows []replicate.Window) []windowJSON {
	docs := []windowJSON{}
	for _, w := range windows {
		doc := windowJSON{Format: w.Format, From: optionalTime(w.From.Time), To: optionalTime(w.To.Time), Generation: w.Generation}
		if w.Format == replicate.FormatLTX {
			doc.MinTXID, doc.MaxTXID = w.From.TXID.String(), w.To.TXID.String()
		}
		docs = append(docs, doc)
	}
	return docs
}

func (a *app) printPrune(plan *replicate.PrunePlan, doc pruneJSON) error {
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
	err := a.print("%-12s  %s, %s\n%-12s  %s, %s\n\nrestorable  ", verb, count(len(doc.Objects), "object", "objects"), size(doc.Bytes),
		"keeps", count(doc.Kept, "object", "objects"), size(doc.KeptBytes))
	if err != nil {
		return err
	}
	return a.printWindows(plan.Restorable)
}
