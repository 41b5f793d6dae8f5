package cli

import (
	"errors"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/replctl/replicate/internal/moment"
)

// timeFlag is a moment on the command line, as [moment.Parse] takes it. It is a pflag.Value.
type timeFlag struct {
	at  time.Time
	now func() time.Time
}

func (f *timeFlag) Set(s string) error {
	t, err := moment.Parse(s, f.now())
	if err == nil && t.IsZero() { // which would mean that there is no flag
		err = errors.New("that is before any replica")
	}
	f.at = t
	return err
}

func (f *timeFlag) Type() string { return "time" }

func (f *timeFlag) String() string {
	if f.at.IsZero() {
		return ""
	}
	return f.at.Format(time.RFC3339Nano)
}

// sayZone says on standard error which moment a flag was taken for, with its zone and its age, so
// that a wrong guess is seen. JSON has it as a key.
func (a *app) sayZone(what string, t time.Time) {
	if !t.IsZero() && !a.json {
		a.talk("%s %s (%s)", what, t.Format("2006-01-02T15:04:05.999Z07:00"), humanize.Time(t))
	}
}
