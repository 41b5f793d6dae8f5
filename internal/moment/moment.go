// Package moment reads the moments and lengths of time that people type: 14:02, yesterday 18:00,
// -90m, 2 days ago, RFC 3339, @1763733900.
package moment

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Forms describes in one sentence what [Parse] takes, for the help of a flag.
const Forms = `A time is a clock time (14:02, the latest one that is not in the future; yesterday 18:00),
a date with or without one (2026-11-20 14:05), RFC 3339 (2026-11-20T14:05:00Z; the offset may be
+01:00, +0100, Z or UTC), an offset from now (-90m, -2d, 30s ago) or seconds since 1970 (@1763733900).
A time without an offset is local. It is printed back with its zone.`

var errForm = errors.New(
	`want RFC 3339, local time "2006-01-02 15:04", "15:04" or "yesterday 15:04", ` +
		`an offset from now such as -90m, -2d or "30s ago", or @ and Unix seconds`)

// Parse returns the moment that s means at the time now. A time without a zone is one of now's
// location. The result has the zone that s names, or else that location.
//
//   - "14:02", "14:02:30", "14:02 UTC": the latest such time that is not after now;
//   - "today 14:02", "yesterday 18:00";
//   - "2026-11-28 14:02", with or without seconds, fractions and a zone, with a T or a space;
//   - "2026-11-28": the beginning of that day;
//   - "-5m", "-1h30m", "-2d", "30s ago", "2 days ago"; "now";
//   - "@1763733900", "@1763733900.25": seconds since 1970, UTC.
//
// Letters may be of either case. Where clocks are set back, a local time exists twice: the later
// one that is not after now is meant. Where they are set forward, a local time that was skipped is
// an error if it has a date; without one, the same time of an earlier day is meant.
func Parse(s string, now time.Time) (time.Time, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	ago, isAgo := strings.CutSuffix(s, " ago")
	switch {
	case s == "now":
		return now, nil
	case strings.HasPrefix(s, "@"):
		return parseUnix(s[1:], now.Location())
	case isAgo:
		d, err := ParseDuration(ago)
		return now.Add(-d), err
	case strings.HasPrefix(s, "-"):
		d, err := ParseDuration(s[1:])
		return now.Add(-d), err
	}
	return parseClock(s, now)
}

var unixSeconds = regexp.MustCompile(`^(\d{1,12})(\.\d+)?$`)

func parseUnix(s string, zone *time.Location) (time.Time, error) {
	m := unixSeconds.FindStringSubmatch(s)
	if m == nil {
		return time.Time{}, fmt.Errorf("@%s: want seconds since 1970, such as @1763733900", s)
	}
	seconds, err := strconv.ParseInt(m[1], 10, 64)
	t := time.Unix(seconds, nanoseconds(m[2])).In(zone)
	if err == nil && t.Year() > 9999 {
		err = fmt.Errorf("@%s: that is after the year 9999; want seconds, not milliseconds", s)
	}
	return t, err
}

// nanoseconds is what a fraction of a second comes to, such as ".25"; further digits are dropped.
func nanoseconds(fraction string) int64 {
	if fraction == "" {
		return 0
	}
	n, _ := strconv.ParseInt((fraction[1:] + "000000000")[:9], 10, 64) // of digits alone
	return n
}

var clockForm = regexp.MustCompile(`^(?:(today|yesterday|\d{4}-\d\d-\d\d)(t|\s+|$))?` +
	`(?:(\d\d?):(\d\d)(?::(\d\d)(\.\d+)?)?\s*(z|utc|gmt|[+-]\d\d(?::?\d\d)?)?)?$`)

// clock is a time of day, in its zone.
type clock struct {
	hour, minute, second int
	nanosecond           int64
	zone                 *time.Location
}

func parseClock(s string, now time.Time) (time.Time, error) {
	m := clockForm.FindStringSubmatch(s)
	if m == nil || s == "" || m[2] == "t" && m[3] == "" {
		return time.Time{}, errForm
	}
	day, hour := m[1], m[3]
	c := clock{number(hour), number(m[4]), number(m[5]), nanoseconds(m[6]), now.Location()}
	if c.hour > 23 || c.minute > 59 || c.second > 59 {
		return time.Time{}, fmt.Errorf("there is no %s:%s:%02d on a clock of 24 hours", hour, m[4], c.second)
	}
	if m[7] != "" {
		var err error
		if c.zone, err = parseZone(m[7]); err != nil {
			return time.Time{}, err
		}
	}
	today := now.In(c.zone)
	switch {
	case day == "":
		return c.latest(today)
	case hour == "" && (day == "today" || day == "yesterday"):
		return time.Time{}, fmt.Errorf("%s at what time? Such as %q", day, day+" 18:00")
	case day == "today":
		return c.on(today, today)
	case day == "yesterday":
		return c.on(today.AddDate(0, 0, -1), today)
	}
	date, err := time.ParseInLocation(time.DateOnly, day, time.UTC)
	if err != nil {
		return time.Time{}, fmt.Errorf("there is no day %s", day)
	}
	if hour == "" {
		return time.Date(date.Year(), date.Month(), date.Day(), 0, 0, 0, 0, c.zone), nil
	}
	return c.on(date, today)
}

// number is the value of up to four digits, and 0 of none.
func number(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}

// parseZone reads Z, UTC, GMT, +01, +0100 or +01:00.
func parseZone(s string) (*time.Location, error) {
	if s[0] != '+' && s[0] != '-' {
		return time.UTC, nil
	}
	digits := strings.ReplaceAll(s[1:], ":", "") + "00"
	hours, minutes := number(digits[:2]), number(digits[2:4])
	if hours > 23 || minutes > 59 {
		return nil, fmt.Errorf("there is no offset %s from UTC", s)
	}
	offset := hours*3600 + minutes*60
	if s[0] == '-' {
		offset = -offset
	}
	if offset == 0 {
		return time.UTC, nil
	}
	return time.FixedZone("", offset), nil
}

// latest returns the latest time with this clock that is not after now.
func (c clock) latest(now time.Time) (time.Time, error) {
	for ago := range 3 { // a day may skip the time
		for _, t := range c.times(now.AddDate(0, 0, -ago)) {
			if !t.After(now) {
				return t, nil
			}
		}
	}
	return time.Time{}, errors.New("there is no such time in the last days")
}

// on returns the time with this clock on a day.
func (c clock) on(day, now time.Time) (time.Time, error) {
	times := c.times(day)
	if len(times) == 0 {
		return time.Time{}, fmt.Errorf("there was no %02d:%02d in local time on %s: the clock was set forward; "+
			"give the offset from UTC, such as +01:00", c.hour, c.minute, day.Format(time.DateOnly))
	}
	for _, t := range times {
		if !t.After(now) {
			return t, nil
		}
	}
	return times[0], nil
}

// times returns the moments at which the clock shows this time on a day, the latest first: one,
// none where it was set forward, two where it was set back.
func (c clock) times(day time.Time) []time.Time {
	wall := time.Date(day.Year(), day.Month(), day.Day(), c.hour, c.minute, c.second, int(c.nanosecond), time.UTC)
	var times []time.Time
	for _, around := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		_, offset := wall.Add(around).In(c.zone).Zone()
		t := wall.Add(-time.Duration(offset) * time.Second).In(c.zone)
		_, got := t.Zone()
		if got == offset && (len(times) == 0 || !times[0].Equal(t)) {
			times = append(times, t)
		}
	}
	if len(times) == 2 && times[1].After(times[0]) {
		times[0], times[1] = times[1], times[0]
	}
	return times
}

// units are the words of [ParseDuration] for units beyond those of time.ParseDuration.
var units = map[string]time.Duration{
	"s": time.Second, "sec": time.Second, "secs": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "mins": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hrs": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
	"w": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour, "weeks": 7 * 24 * time.Hour,
}

var numberAndUnit = regexp.MustCompile(`^(\d+(?:\.\d+)?|\.\d+)\s*([a-z]+)$`)

// ParseDuration is time.ParseDuration with days (d), weeks (w) and the units' whole words: 36h, 7d,
// 1h30m, 2 weeks. It refuses negative lengths.
func ParseDuration(s string) (time.Duration, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	if m := numberAndUnit.FindStringSubmatch(s); m != nil && units[m[2]] != 0 {
		n, err := strconv.ParseFloat(m[1], 64)
		if err == nil && n*float64(units[m[2]]) < math.MaxInt64 {
			return time.Duration(n * float64(units[m[2]])), nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || strings.HasPrefix(s, "-") {
		return 0, fmt.Errorf("%q is no length of time: want a number and a unit, such as 90m, 1h30m or 2d", s)
	}
	return d, nil
}
