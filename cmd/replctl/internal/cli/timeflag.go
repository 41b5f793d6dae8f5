package cli

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// timeFlag is a moment on the command line: RFC 3339, local date and time, or an
// offset from now such as -90m or -2d. It is a pflag.Value.
type timeFlag struct {
	at  time.Time
	now func() time.Time
}

var localLayouts = []string{
	"2006-01-02 15:04:05.999999999", "2006-01-02 15:04", "2006-01-02",
	"2006-01-02T15:04:05.999999999", "2006-01-02T15:04",
}

func (f *timeFlag) Set(s string) error {
	t, err := parseTime(s, f.now())
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

func parseTime(s string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	for _, layout := range localLayouts {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	if s == "now" {
		return now, nil
	}
	if strings.HasPrefix(s, "-") {
		d, err := parseAgo(s[1:])
		return now.Add(-d), err
	}
	return time.Time{}, errors.New(
		`want RFC 3339, local time "2006-01-02 15:04", or an offset from now such as -90m or -2d`)
}

// parseAgo is time.ParseDuration with days and weeks.
func parseAgo(s string) (time.Duration, error) {
	for suffix, unit := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		number, ok := strings.CutSuffix(s, suffix)
		n, err := strconv.ParseFloat(number, 64)
		if ok && err == nil && n >= 0 && n*float64(unit) < math.MaxInt64 {
			return time.Duration(n * float64(unit)), nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("offset -%s: want a number and a unit, such as -90m, -1h30m or -2d", s)
	}
	return d, nil
}
