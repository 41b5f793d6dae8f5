package replicate_test

import (
	"errors"
	"testing"
	"time"

	"github.com/replctl/replicate"
)

func TestParseLease(t *testing.T) {
	now := time.Date(2026, 11, 20, 14, 5, 0, 0, time.UTC)
	for in, want := range map[string]replicate.LeaseState{
		`{"generation":3,"expires_at":"2026-11-20T14:05:10Z","owner":"host:1"}`:                       replicate.LeaseHeld,
		`{"generation":3,"expires_at":"2026-11-20T15:05:10+01:00"}`:                                   replicate.LeaseHeld,
		`{"generation":3,"expires_at":"2026-11-20T14:04:59.9Z","owner":"host:1"}`:                     replicate.LeaseExpired,
		`{"generation":3,"expires_at":"2026-11-20T14:04:00Z","released":true,"nonce":"x","more":[1]}`: replicate.LeaseReleased,
		``:                          replicate.LeaseCorrupt,
		`{}`:                        replicate.LeaseCorrupt,
		`null`:                      replicate.LeaseCorrupt,
		`[]`:                        replicate.LeaseCorrupt,
		`{"generation":3}`:          replicate.LeaseCorrupt,
		`{"generation":"3"}`:        replicate.LeaseCorrupt,
		`{"expires_at":"tomorrow"}`: replicate.LeaseCorrupt,
		`{"generation":-1,"expires_at":"2026-11-20T14:05:10Z"}`:         replicate.LeaseCorrupt,
		`{"generation":0,"expires_at":"2026-11-20T14:05:10Z"}`:          replicate.LeaseCorrupt,
		`{"generation":1,"expires_at":"2026-11-20T14:05:10Z"} trailing`: replicate.LeaseCorrupt,
	} {
		lease, got, err := replicate.ParseLease([]byte(in), now, time.Minute)
		if got != want || (err != nil) != (want == replicate.LeaseCorrupt) || (lease == nil) != (err != nil) {
			t.Errorf("ParseLease(%s): got %v, %q, %v, want %q", in, lease, got, err, want)
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
		lease, state, err := replicate.ParseLease(data, now, time.Minute)
		var reach *replicate.LeaseReachError
		if errors.As(err, &reach) {
			if lease == nil || state != replicate.LeaseHeld && state != replicate.LeaseCorrupt {
				t.Errorf("lease %v, state %q, error %v", lease, state, err)
			}
		} else if (err == nil) != (lease != nil) || (err != nil) != (state == replicate.LeaseCorrupt) {
			t.Errorf("lease %v, state %q, error %v", lease, state, err)
		}
		if lease != nil && (lease.Generation < 1 || lease.ExpiresAt.IsZero()) {
			t.Errorf("impossible values pass: %+v", lease)
		}
	})
}
