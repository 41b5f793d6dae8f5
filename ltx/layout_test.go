package ltx

import (
	"errors"
	"math"
	"slices"
	"testing"
)

func TestLayoutKey(t *testing.T) {
	for layout, want := range map[Layout]string{
		LayoutFile: "ltx/9/0000000000000001-00000000000000ff.ltx",
		LayoutS3:   "0009/0000000000000001-00000000000000ff.ltx",
	} {
		if got := layout.Key(SnapshotLevel, 1, 255); got != want {
			t.Errorf("%s: got %q, want %q", layout, got, want)
		}
	}
}

func TestLayoutString(t *testing.T) {
	got := []string{LayoutFile.String(), LayoutS3.String(), Layout(7).String()}
	if want := []string{"file", "s3", "Layout(7)"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParseKeyInvertsKey(t *testing.T) {
	for _, layout := range []Layout{LayoutFile, LayoutS3} {
		for level := MinLevel; level <= MaxLevel; level++ {
			key := layout.Key(level, 3, math.MaxUint64)
			gotLayout, gotLevel, min, max, err := ParseKey(key)
			if err != nil || gotLayout != layout || gotLevel != level || min != 3 || max != math.MaxUint64 {
				t.Errorf("ParseKey(%q) = %s, %d, %d, %d, %v", key, gotLayout, gotLevel, min, max, err)
			}
		}
	}
}

func TestParseKeyRefuses(t *testing.T) {
	const name = "0000000000000001-0000000000000001.ltx"
	for _, key := range []string{
		"",
		name,
		"/" + name,
		"ltx/" + name,
		"ltx/10/" + name,
		"ltx/-1/" + name,
		"ltx/00/" + name,
		"ltx/0000/" + name,
		"ltx//" + name,
		"ltx/a/" + name,
		"/ltx/0/" + name,
		"LTX/0/" + name,
		"ltx/0/x/" + name,
		"ltx/0/../0/" + name,
		"000a/" + name,
		"0010/" + name,
		"0/" + name,
		"00000/" + name,
		"0000//" + name,
		"ltx/0/",
		"0000/",
		"0000/" + name + ".tmp",
	} {
		if _, _, _, _, err := ParseKey(key); !errors.Is(err, ErrInvalidName) {
			t.Errorf("ParseKey(%q): got %v, want ErrInvalidName", key, err)
		}
	}
}

func TestDetectLayout(t *testing.T) {
	for _, tt := range []struct {
		prefixes []string
		want     []Layout
	}{
		{nil, nil},
		{[]string{"generations/", "lock.json"}, nil},
		{[]string{"ltx"}, nil},
		{[]string{"0000"}, nil},
		{[]string{"000a/", "0010/", "1/"}, nil},
		{[]string{"generations/", "ltx/"}, []Layout{LayoutFile}},
		{[]string{"0009/"}, []Layout{LayoutS3}},
		{[]string{"0000/", "0001/", "0009/", "lock.json"}, []Layout{LayoutS3}},
		{[]string{"0000/", "ltx/"}, []Layout{LayoutFile, LayoutS3}},
	} {
		if got := DetectLayout(tt.prefixes); !slices.Equal(got, tt.want) {
			t.Errorf("DetectLayout(%q) = %v, want %v", tt.prefixes, got, tt.want)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("ltx/0/0000000000000001-0000000000000001.ltx")
	f.Add("0009/0000000000000001-00000000000000ff.ltx")
	f.Add("ltx/10/0000000000000001-00000000000000ff.ltx")
	f.Fuzz(func(t *testing.T, key string) {
		layout, level, min, max, err := ParseKey(key)
		if err != nil {
			if !errors.Is(err, ErrInvalidName) {
				t.Fatalf("ParseKey(%q): %v is not ErrInvalidName", key, err)
			}
			return
		}
		if got := layout.Key(level, min, max); got != key {
			t.Fatalf("ParseKey(%q) passes, but prints as %q", key, got)
		}
	})
}
