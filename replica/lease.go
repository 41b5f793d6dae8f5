package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/lease"
)

// LeaseRecord is the record of a replica's lease as found.
type LeaseRecord struct {
	replicate.Lease // zero if the record is corrupt
	State           lease.State
}

// ReadLease reads the record of the replica's lease, and says of it what a leaser with the default
// maximum does at this moment. The record is nil if there is none. A doubt is what is wrong
// with what it says.
func (f *Files) ReadLease(ctx context.Context) (record *LeaseRecord, doubt, err error) {
	rc, err := f.store().Open(ctx, lease.DefaultFile, 0, lease.MaxRecordSize+1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	defer rc.Close()
	data, err := io.ReadAll(rc)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", lease.DefaultFile, err)
	}
	held, state, doubt := lease.Parse(data, time.Now(), lease.DefaultMaxTTL)
	record = &LeaseRecord{State: state}
	if held != nil {
		record.Lease = *held
	}
	return record, doubt, nil
}
