package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/check"
)

type inspectJSON struct {
	URL         string            `json:"url"`
	Formats     []string          `json:"formats"`
	LTX         *ltxReportJSON    `json:"ltx,omitempty"`
	Generations []generationJSON  `json:"generations"`
	Lease       *leaseJSON        `json:"lease,omitempty"`
	Objects     int               `json:"objects"`
	Bytes       int64             `json:"bytes"`
	Verified    int               `json:"verified"`
	Problems    []replica.Problem `json:"problems"`
}

type ltxReportJSON struct {
	Layout         string      `json:"layout"`
	Levels         []levelJSON `json:"levels"`
	MaxTXID        string      `json:"max_txid"`
	RestorableTXID string      `json:"restorable_txid,omitempty"` // with restorable_at: absent if there is none
	RestorableAt   *time.Time  `json:"restorable_at,omitempty"`
}

type levelJSON struct {
	Level   int        `json:"level"`
	Files   int        `json:"files"`
	Bytes   int64      `json:"bytes"`
	MinTXID string     `json:"min_txid"`
	MaxTXID string     `json:"max_txid"`
	Oldest  *time.Time `json:"oldest"`
	Newest  *time.Time `json:"newest"`
	Gaps    []gapJSON  `json:"gaps"`
}

type gapJSON struct {
	After  string `json:"after"`
	Before string `json:"before"`
}

func newInspectCommand(a *app) *cobra.Command {
	var read string
	var maxAge agoFlag
	cmd := &cobra.Command{
		Use:   "inspect URL",
		Short: "Show what is in a replica, and what is wrong with it",
		Long: fmt.Sprintf(`Show what is in a replica: its formats, levels, generations and lease, from when
to when it reaches, and what is wrong with it.

A replica of up to %s in up to %d objects is read from end to end, and every
checksum verified. Of a larger one, names, sizes and a few headers are judged;
--read all reads it whole.

Exit code 4 means that a problem is an error: something cannot be restored. With --max-age,
exit code 7 means that none is but that the newest state is older.`,
			size(check.AutoReadBytes), check.AutoReadObjects),
		Example: "  replctl inspect /var/backups/db\n  replctl inspect file:///var/backups/db --read all --json",
		Args:    oneURL,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.inspect(cmd.Context(), args[0], read, &maxAge)
		},
	}
	addRead(cmd, &read)
	addMaxAge(cmd, &maxAge, "")
	a.addJSON(cmd)
	return cmd
}

func addRead(cmd *cobra.Command, read *string) {
	cmd.Flags().StringVar(read, "read", "auto", "how much to read and verify: auto (all of a small replica), all or none")
}

// look inspects the replica at url.
func (a *app) look(ctx context.Context, url, read string) (*opened, *check.Inspection, error) {
	mode, ok := map[string]check.ReadMode{
		"auto": check.ReadAuto, "all": check.ReadAll, "none": check.ReadNone,
	}[read]
	if !ok {
		return nil, nil, usageError("--read auto, --read all or --read none", "--read: %q is not a way to read", read)
	}
	r, err := a.openReplica(url)
	if err != nil {
		return nil, nil, err
	}
	m := a.newMeter("reading")
	defer m.done()
	in, err := check.Inspect(ctx, r, check.InspectOptions{Read: mode, Progress: m.update})
	return r, in, err
}

func (a *app) inspect(ctx context.Context, url, read string, maxAge *agoFlag) error {
	r, in, err := a.look(ctx, url, read)
	if err != nil {
		return err
	}
	if len(in.Formats()) == 0 && in.Lease == nil {
		return r.nothing(ctx)
	}
	if a.json {
		err = a.printJSON(newInspectJSON(r.url, in))
	} else {
		err = a.printInspection(r.url, in)
	}
	if err != nil {
		return err
	}
	return a.verdict(in.Damaged(), newestOf(extents(in)), maxAge)
}

// extents are what of an inspected replica can be restored, as far as its end is known.
func extents(in *check.Inspection) (windows []replica.Window) {
	if in.LTX != nil {
		windows = append(windows, replica.Window{To: replica.Point{Time: in.LTX.RestorableTime}})
	}
	for _, g := range in.Generations {
		for _, e := range g.Restorable {
			windows = append(windows, replica.Window{To: replica.Point{Time: e.ToTime}})
		}
	}
	return windows
}

func newInspectJSON(url string, in *check.Inspection) inspectJSON {
	out := inspectJSON{
		URL: url, Formats: in.Formats(), Generations: generationsJSON(in.Generations), Problems: problemsJSON(in.Problems),
		Objects: in.Objects, Bytes: in.Bytes, Verified: in.Verified,
	}
	if l := in.Lease; l != nil {
		lease := newLeaseJSON(&l.Lease, l.State)
		out.Lease = &lease
	}
	if in.LTX != nil {
		out.LTX = &ltxReportJSON{Layout: in.LTX.Layout.String(), MaxTXID: in.LTX.MaxTXID.String(), Levels: []levelJSON{}}
		if in.LTX.RestorableTXID > 0 {
			out.LTX.RestorableTXID = in.LTX.RestorableTXID.String()
			out.LTX.RestorableAt = optionalTime(in.LTX.RestorableTime)
		}
		for _, l := range in.LTX.Levels {
			out.LTX.Levels = append(out.LTX.Levels, newLevelJSON(l))
		}
	}
	return out
}

func newLevelJSON(l ltx.LevelSummary) levelJSON {
	gaps := []gapJSON{}
	for _, g := range l.Gaps {
		gaps = append(gaps, gapJSON{g.After.String(), g.Before.String()})
	}
	return levelJSON{
		l.Level, l.Files, l.Bytes, l.MinTXID.String(), l.MaxTXID.String(),
		optionalTime(l.Oldest), optionalTime(l.Newest), gaps,
	}
}

func (a *app) printInspection(url string, in *check.Inspection) error {
	what := "no replica, only a lease"
	if formats := in.Formats(); len(formats) > 0 {
		what = fmt.Sprintf("%s, %s in %s",
			strings.Join(formats, " and "), size(in.Bytes), count(in.Objects, "object", "objects"))
	}
	if err := a.print("%s  %s\n", a.paint(url, text.Bold), what); err != nil {
		return err
	}
	parts := []func(*check.Inspection) error{a.printLTXReport, a.printV3Report, a.printLease, a.printVerdict}
	for _, print := range parts {
		if err := print(in); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) printLTXReport(in *check.Inspection) error {
	if in.LTX == nil {
		return nil
	}
	g := newGrid("level", "files", "size", "txids", "oldest", "newest", "gaps")
	g.right = []string{"level", "files", "size"}
	g.expendable = []string{"gaps", "oldest", "files"} // gaps are problems, printed below
	for _, l := range in.LTX.Levels {
		g.add(l.Level, l.Files, size(l.Bytes), txids(l.MinTXID, l.MaxTXID), stamp(l.Oldest), stamp(l.Newest), gapList(l.Gaps))
	}
	restorable := a.paint("nothing", text.FgRed, text.Bold)
	if in.LTX.RestorableTXID > 0 {
		restorable = safe(fmt.Sprintf("up to %s, %s", in.LTX.RestorableTXID, stampAgo(in.LTX.RestorableTime)))
	}
	if err := a.print("\n"); err != nil {
		return err
	}
	if err := a.printGrid(g); err != nil {
		return err
	}
	return a.print("\nrestorable  %s\n", restorable)
}

// txids prints transactions as people do: "27-4d", "12".
func txids(first, last ltx.TXID) string {
	if first == last {
		return fmt.Sprintf("%x", uint64(first))
	}
	return fmt.Sprintf("%x-%x", uint64(first), uint64(last))
}

// gapList prints the missing transactions: "12-15, 20".
func gapList(gaps []ltx.Gap) string {
	const most = 3
	var parts []string
	for _, g := range gaps[:min(len(gaps), most)] {
		parts = append(parts, txids(g.After+1, g.Before-1))
	}
	if more := len(gaps) - most; more > 0 {
		parts = append(parts, fmt.Sprintf("%d more", more))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func (a *app) printV3Report(in *check.Inspection) error {
	if len(in.Generations) == 0 {
		return nil
	}
	if err := a.print("\n"); err != nil {
		return err
	}
	if err := a.printGrid(generationGrid(in.Generations)); err != nil {
		return err
	}
	g := newGrid("restorable", "from", "to")
	for _, rep := range in.Generations {
		for _, e := range rep.Restorable {
			g.add(rep.Generation, stamp(e.FromTime), stampAgo(e.ToTime))
		}
		if len(rep.Restorable) == 0 {
			g.add(rep.Generation, a.paint("nothing", text.FgRed, text.Bold), "")
		}
	}
	if err := a.print("\n"); err != nil {
		return err
	}
	return a.printGrid(g)
}

func (a *app) printLease(in *check.Inspection) error {
	if in.Lease == nil {
		return nil
	}
	l := in.Lease
	switch l.State {
	case lease.Corrupt:
		return a.print("\nlease  corrupt\n")
	case lease.Released:
		return a.print("\nlease  %s, generation %d, owner %q\n", l.State, l.Generation, l.Owner)
	}
	return a.print("\nlease  %s, generation %d, owner %q, until %s\n",
		l.State, l.Generation, l.Owner, stampAgo(l.ExpiresAt))
}

// notRead says how far to trust that there is no problem.
const notRead = "names, sizes and some headers checked; --read all checks the rest"

func (a *app) printVerdict(in *check.Inspection) error {
	if err := a.printProblems(in.Problems); err != nil {
		return err
	}
	read := fmt.Sprintf(" (%s read and verified)", count(in.Verified, "object", "objects"))
	switch {
	case in.Objects == 0:
		read = ""
	case in.Verified < in.Objects:
		read = "\n(" + notRead + ")"
	}
	return a.print("\nproblems  %s%s\n", a.paintVerdict(in), safe(read))
}

// paintVerdict is how many problems there are, in the colour of the worst.
func (a *app) paintVerdict(in *check.Inspection) safe {
	verdict := problemCount(in.Problems)
	switch {
	case in.Damaged():
		return a.paint(verdict, text.FgRed, text.Bold)
	case len(in.Problems) > 0:
		return a.paint(verdict, text.FgYellow)
	}
	return a.paint(verdict, text.FgGreen)
}
