package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

// addMaxAge adds the flag of those commands that tell how old a replica is.
func addMaxAge(cmd *cobra.Command, f *agoFlag, otherwise string) {
	cmd.Flags().Var(f, "max-age", "older is stale, and exit code 7, such as 15m, 36h or 7d"+otherwise)
}

// tooOld reports whether the newest state is older than the flag allows, and says how old it is.
func (f *agoFlag) tooOld(newest, now time.Time) (stale bool, how string) {
	switch {
	case f.text == "":
		return false, ""
	case newest.IsZero():
		return true, "stale: no state is known that can be restored, and --max-age is " + f.text
	case now.Sub(newest) > f.d:
		return true, fmt.Sprintf("stale: the newest state is of %s, and --max-age is %s", stampAgo(newest), f.text)
	}
	return false, ""
}

// verdict ends a command that has printed what it found: damage counts more than age. How old the newest
// state is, is said last.
func (a *app) verdict(damaged bool, newest time.Time, maxAge *agoFlag) error {
	stale, how := maxAge.tooOld(newest, time.Now())
	if stale && !a.json {
		if err := a.print("%s\n", how); err != nil {
			return err
		}
	}
	switch {
	case damaged:
		return errDamage
	case stale:
		return errStale
	}
	return nil
}
