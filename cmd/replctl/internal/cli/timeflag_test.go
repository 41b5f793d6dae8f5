package cli

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	zone := time.Local
	t.Cleanup(func() { time.Local = zone })
	time.Local = time.FixedZone("west", -3*3600)

	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]string{
		"2026-11-20T14:05:00Z":           "2026-11-20T14:05:00Z",
		"2026-11-20T14:05:00.123456789Z": "2026-11-20T14:05:00.123456789Z",
		"2026-11-20T14:05:00+05:30":      "2026-11-20T08:35:00Z",
		"2026-11-20 14:05:00Z":           "2026-11-20T14:05:00Z", // as the tables print it
		"2026-11-20 14:05:00.500Z":       "2026-11-20T14:05:00.5Z",
		"2026-11-20 14:05+02:00":         "2026-11-20T12:05:00Z",
		"2026-11-20 14:05:00":            "2026-11-20T17:05:00Z",
		"2026-11-20 14:05:00.25":         "2026-11-20T17:05:00.25Z",
		"2026-11-20 14:05":               "2026-11-20T17:05:00Z",
		"2026-11-20T14:05:00":            "2026-11-20T17:05:00Z",
		"2026-11-20T14:05":               "2026-11-20T17:05:00Z",
		"2026-11-20":                     "2026-11-20T03:00:00Z",
		"now":                            "2026-11-21T12:00:00Z",
		"-90m":                           "2026-11-21T10:30:00Z",
		"-1h30m":                         "2026-11-21T10:30:00Z",
		"-2d":                            "2026-11-19T12:00:00Z",
		"-1.5d":                          "2026-11-20T00:00:00Z",
		"-1w":                            "2026-11-14T12:00:00Z",
		"-0s":                            "2026-11-21T12:00:00Z",
	} {
		got, err := parseTime(s, now)
		if err != nil || got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%s: got %v (%v), want %s", s, got.UTC(), err, want)
		}
	}
}

func TestParseTimeRefuses(t *testing.T) {
	for _, s := range []string{
		"", "yesterday", "90m", "-", "-5", "-d", "--5m", "-NaNd", "-Infd", "-infw", "-106752d", "-15251w", "-1e300d",
		"-9999999h",
		"2026-02-30", "2026-11-20T25:00:00Z", "14:05", "1763733900", "2026-11-20 14:05 ",
	} {
		if got, err := parseTime(s, time.Unix(0, 0)); err == nil {
			t.Errorf("%q is %v", s, got)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2026-11-20T14:05:00Z", "2026-11-20 14:05", "-90m", "-2d", "-1.5w", "now"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseTime(s, now)
		if err == nil && len(s) > 0 && s[0] == '-' && got.After(now) {
			t.Errorf("%q is %v, after now", s, got)
		}
	})
}
