package replica

import (
	"errors"
	"time"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/v3compat"
)

// The formats that a replica may have.
const (
	FormatLTX = "ltx"  // Litestream 0.5
	FormatV3  = "v0.3" // Litestream v0.3.x
)

// Problem is one finding about a replica: what, where, and what follows.
type Problem = v3compat.Problem

// Severity says how bad a Problem is.
type Severity = v3compat.Severity

const (
	SeverityError   = v3compat.SeverityError   // something cannot be restored
	SeverityWarning = v3compat.SeverityWarning // out of order, nothing is lost
	SeverityInfo    = v3compat.SeverityInfo    // worth knowing
)

// Errors about replicas, found with errors.Is.
var (
	// ErrNoReplica: nothing of either format is there. Every listing came back whole,
	// and none had an object of a replica; a listing that failed is another error.
	ErrNoReplica = errors.New("no replica there")
	// ErrDamaged: objects are missing that a restore would need.
	ErrDamaged = errors.New("objects are missing")
)

// Point is a state that a replica can be brought to.
type Point struct {
	TXID ltx.TXID     // of an LTX replica
	Pos  v3compat.Pos // of a v0.3 backup: where its last WAL segment or its snapshot begins
	Time time.Time    // of its last transaction, or of the object that it is in
}

// IsZero reports whether p is no point at all.
func (p Point) IsZero() bool { return p.TXID == 0 && p.Pos.IsZero() }

// Object is one object of a replica.
type Object struct {
	Key  string // relative to the replica's root
	Size int64  // in bytes, as stored
}

// Keys are the keys of objects.
func Keys(objects []Object) (keys []string) {
	for _, o := range objects {
		keys = append(keys, o.Key)
	}
	return keys
}

// Window is a stretch of time of which every state that the replica has can be
// restored. Between two states of it there may be moments inside a compacted file, which
// have none of their own. In a v0.3 backup without times.json the last segment of an index
// may be missing in it, which no name shows.
//
// If no time of a v0.3 generation is known, those of its windows are zero, and it can be
// restored by generation and index alone. If only some times are known, no window is
// reported.
type Window struct {
	Format     string
	Generation string // FormatV3
	From, To   Point
}

// FormatTime shows a moment as messages do: in UTC, to the millisecond.
func FormatTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999Z") }

// SumProgress returns a function that takes bytes as they are read and tells progress how
// many of the total were read so far. It is nil if progress is.
func SumProgress(progress func(done, total int64), total int64) func(int64) {
	if progress == nil {
		return nil
	}
	var done int64
	return func(n int64) {
		done += n
		progress(done, total)
	}
}
