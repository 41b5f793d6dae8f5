package cli

import (
	"regexp"
	"time"

	"github.com/replctl/replicate/replica/restore"
)

// momentFlag is a state on the command line: a time, or the 16 hex digits of a transaction. It is a
// pflag.Value.
type momentFlag struct {
	timeFlag
	txid string
}

const momentHelp = `A moment is a time, for which the last state at or before it is taken, or a transaction of an LTX
replica, by the 16 hex digits that listings show.`

var txidForm = regexp.MustCompile(`^[0-9a-fA-F]{16}$`)

func newMomentFlag() momentFlag { return momentFlag{timeFlag: timeFlag{now: time.Now}} }

func (f *momentFlag) Set(s string) error {
	if f.txid = ""; txidForm.MatchString(s) {
		f.txid = s
		_, err := parseTXID(s)
		return err
	}
	return f.timeFlag.Set(s)
}

func (f *momentFlag) Type() string { return "moment" }

func (f *momentFlag) String() string {
	if f.txid != "" {
		return f.txid
	}
	return f.timeFlag.String()
}

// target is the state that is meant; nil if the flag was not given.
func (f *momentFlag) target() *restore.Target {
	switch {
	case f.txid != "":
		txid, _ := parseTXID(f.txid) // Set has parsed it
		return &restore.Target{TXID: txid}
	case f.at.IsZero():
		return nil
	}
	return &restore.Target{Timestamp: f.at}
}
