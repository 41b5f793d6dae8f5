package ltx

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Layout is how the files of a replica are arranged below its root. Litestream
// has one for directories and one for buckets; a bucket synced to a disk keeps
// the bucket's, so either may be found anywhere.
type Layout int

const (
	// LayoutFile is "ltx/<level>/<name>", the level in decimal.
	LayoutFile Layout = iota
	// LayoutS3 is "<level>/<name>", the level in four hex digits.
	LayoutS3
)

func (l Layout) String() string {
	switch l {
	case LayoutFile:
		return "file"
	case LayoutS3:
		return "s3"
	}
	return "Layout(" + strconv.Itoa(int(l)) + ")"
}

// LevelPrefix is the common prefix of a level's keys. It ends in "/".
func (l Layout) LevelPrefix(level int) string {
	if l == LayoutS3 {
		return fmt.Sprintf("%04x/", level)
	}
	return fmt.Sprintf("ltx/%d/", level)
}

// Key is the place of a file, relative to the replica's root. The caller has
// checked level and range; see [CheckLevel] and [CheckRange].
func (l Layout) Key(level int, min, max TXID) string {
	return l.LevelPrefix(level) + FormatName(min, max)
}

// ParseKey is the inverse of [Layout.Key], for either layout. Whatever Key does
// not print for a legal level and range is an error that is [ErrInvalidName].
func ParseKey(key string) (layout Layout, level int, min, max TXID, err error) {
	i := strings.LastIndexByte(key, '/') + 1
	if layout, level, err = parseLevelPrefix(key[:i]); err != nil {
		return 0, 0, 0, 0, fmt.Errorf("%w %q: %w", ErrInvalidName, key, err)
	}
	if min, max, err = ParseName(key[i:]); err != nil {
		return 0, 0, 0, 0, fmt.Errorf("key %q: %w", key, err)
	}
	return layout, level, min, max, nil
}

func parseLevelPrefix(prefix string) (Layout, int, error) {
	rest, ok := strings.CutSuffix(prefix, "/")
	if digit, isFile := strings.CutPrefix(rest, "ltx/"); ok && isFile && isDigit(digit) {
		return LayoutFile, int(digit[0] - '0'), nil
	}
	if digit, isS3 := strings.CutPrefix(rest, "000"); ok && isS3 && isDigit(digit) {
		return LayoutS3, int(digit[0] - '0'), nil
	}
	return 0, 0, fmt.Errorf("%w in %q: want ltx/0/ to ltx/9/ or 0000/ to 0009/", ErrInvalidLevel, prefix)
}

func isDigit(s string) bool { return len(s) == 1 && '0' <= s[0] && s[0] <= '9' }

// DetectLayout finds the layouts present in a delimited listing of the root,
// whose entries are such as "ltx/", "0000/" or "0009/". The result has each
// layout at most once, LayoutFile first; two mean that two replicas share the
// root.
func DetectLayout(prefixes []string) (found []Layout) {
	if slices.Contains(prefixes, "ltx/") {
		found = append(found, LayoutFile)
	}
	isLevel := func(prefix string) bool {
		layout, _, err := parseLevelPrefix(prefix)
		return err == nil && layout == LayoutS3
	}
	if slices.ContainsFunc(prefixes, isLevel) {
		found = append(found, LayoutS3)
	}
	return found
}
