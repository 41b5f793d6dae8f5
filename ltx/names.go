package ltx

import (
	"errors"
	"fmt"
	"strings"
)

// Errors about names, found with errors.Is.
var (
	// ErrInvalidName: a file name or key that no LTX file has.
	ErrInvalidName = errors.New("invalid LTX file name")
	// ErrInvalidLevel: a level below MinLevel or above MaxLevel.
	ErrInvalidLevel = errors.New("invalid level")
	// ErrInvalidRange: transactions that begin before 1 or end before they begin.
	ErrInvalidRange = errors.New("invalid transaction range")
)

const (
	extension = ".ltx"
	txidLen   = 16
	nameLen   = txidLen + 1 + txidLen + len(extension)
)

// FormatName is the name of the file with transactions min to max:
// "<min>-<max>.ltx", 16 lower-case hex digits each.
func FormatName(min, max TXID) string {
	return min.String() + "-" + max.String() + extension
}

// ParseName is the inverse of [FormatName]. Whatever FormatName does not print
// for a legal range is an error that is [ErrInvalidName].
func ParseName(name string) (min, max TXID, err error) {
	if len(name) != nameLen || name[txidLen] != '-' || !strings.HasSuffix(name, extension) {
		return 0, 0, fmt.Errorf("%w %q: want <16 hex>-<16 hex>.ltx", ErrInvalidName, name)
	}
	min, okMin := parseLowerHex(name[:txidLen])
	max, okMax := parseLowerHex(name[txidLen+1 : 2*txidLen+1])
	if !okMin || !okMax {
		return 0, 0, fmt.Errorf("%w %q: want 16 lower-case hex digits on each side of the dash", ErrInvalidName, name)
	}
	if err := CheckRange(min, max); err != nil {
		return 0, 0, fmt.Errorf("%w %q: %w", ErrInvalidName, name, err)
	}
	return min, max, nil
}

func parseLowerHex(s string) (TXID, bool) {
	var v TXID
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			v = v<<4 | TXID(c-'0')
		case 'a' <= c && c <= 'f':
			v = v<<4 | TXID(c-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}

// CheckLevel returns an error that is [ErrInvalidLevel] unless level is 0 to 9.
func CheckLevel(level int) error {
	if level < MinLevel || level > MaxLevel {
		return fmt.Errorf("%w %d: want %d to %d", ErrInvalidLevel, level, MinLevel, MaxLevel)
	}
	return nil
}

// CheckRange returns an error that is [ErrInvalidRange] unless 1 <= min <= max.
func CheckRange(min, max TXID) error {
	switch {
	case min == 0:
		return fmt.Errorf("%w %s-%s: transactions are numbered from 1", ErrInvalidRange, min, max)
	case min > max:
		return fmt.Errorf("%w %s-%s: it ends before it begins", ErrInvalidRange, min, max)
	}
	return nil
}
