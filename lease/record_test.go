package lease_test

import (
	"errors"
	"testing"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/lease"
)

func TestParseLease(t *testing.T) {
	now := time.Date(2026, 11, 20, 14, 5, 0, 0, time.UTC)
	for in, want := range map[string]lease.State{
		`{"generation":3,"expires_at":"2026-11-20T14:05:10Z","owner":"host:1"}`:                       lease.Held,
		`{"generation":3,"expires_at":"2026-11-20T15:05:10+01:00"}`:                                   lease.Held,
		`{"generation":3,"expires_at":"2026-11-20T14:04:59.9Z","owner":"host:1"}`:                     lease.Expired,
		`{"generation":3,"expires_at":"2026-11-20T14:04:00Z","released":true,"nonce":"x","more":[1]}`: lease.Released,
		``:                          lease.Corrupt,
		`{}`:                        lease.Corrupt,
		`null`:                      lease.Corrupt,
		`[]`:                        lease.Corrupt,
		`{"generation":3}`:          lease.Corrupt,
		`{"generation":"3"}`:        lease.Corrupt,
		`{"expires_at":"tomorrow"}`: lease.Corrupt,
		`{"generation":-1,"expires_at":"2026-11-20T14:05:10Z"}`:         lease.Corrupt,
		`{"generation":0,"expires_at":"2026-11-20T14:05:10Z"}`:          lease.Corrupt,
		`{"generation":1,"expires_at":"2026-11-20T14:05:10Z"} trailing`: lease.Corrupt,
	} {
		held, got, err := lease.Parse([]byte(in), now, time.Minute)
		if got != want || (err != nil) != (want == lease.Corrupt) || (held == nil) != (err != nil) {
			t.Errorf("ParseLease(%s): got %v, %q, %v, want %q", in, held, got, err, want)
		}
		if err != nil && !errors.Is(err, replicate.ErrLeaseCorrupt) {
			t.Errorf("ParseLease(%s): got error %v, want ErrLeaseCorrupt", in, err)
		}
	}
}

func FuzzParseLease(f *testing.F) {
	f.Add([]byte(`{"generation":3,"expires_at":"2026-11-20T14:05:10Z","owner":"host:1"}`))
	f.Add([]byte(`{"generation":1e3,"expires_at":null}`))
	now := time.Now()
	f.Fuzz(func(t *testing.T, data []byte) {
		held, state, err := lease.Parse(data, now, time.Minute)
		var reach *lease.ReachError
		if errors.As(err, &reach) {
			if held == nil || state != lease.Held && state != lease.Corrupt {
				t.Errorf("lease %v, state %q, error %v", held, state, err)
			}
		} else if (err == nil) != (held != nil) || (err != nil) != (state == lease.Corrupt) {
			t.Errorf("lease %v, state %q, error %v", held, state, err)
		}
		if held != nil && (held.Generation < 1 || held.ExpiresAt.IsZero()) {
			t.Errorf("impossible values pass: %+v", held)
		}
	})
}
