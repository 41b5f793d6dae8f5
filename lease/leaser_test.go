package lease_test

import (
	"context"
	"testing"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/replicatest"
)

func TestStoreLeaser(t *testing.T) {
	replicatest.RunLeaser(t, func(*testing.T) replicatest.Lock {
		store := new(cas.Memory)
		ctx := context.Background()
		return replicatest.Lock{
			Open: func(c replicatest.LeaserConfig) replicate.Leaser {
				return lease.NewLeaser("memory",
					func() lease.Config {
						return lease.Config{Owner: c.Owner, TTL: c.TTL, MaxTTL: c.MaxTTL}
					},
					func(context.Context) (cas.Store, error) { return store, nil })
			},
			Get: func() ([]byte, error) {
				r, err := store.Read(ctx, lease.DefaultFile, "")
				return r.Value, err
			},
			Put: func(data []byte) error {
				r, err := store.Read(ctx, lease.DefaultFile, "")
				if err == nil {
					_, err = store.Write(ctx, lease.DefaultFile, data, r.Token)
				}
				return err
			},
			Remove: func() error {
				store.Forget(lease.DefaultFile)
				return nil
			},
		}
	})
}
