package logstate

import (
	"errors"

	"google.golang.org/grpc/codes"

	"github.com/replctl/replicate/store/internal/record"
)

// errCorrupt: a record is there that this package did not write, or it is damaged.
var errCorrupt = errors.New("record corrupt")

// recordFormat is the form of a record. Its body is the checkpoint, as it is, so that a
// person with nothing but a copy of the store can read it. A checkpoint that is set
// again is another version.
var recordFormat = record.Format{Name: "logstate/1", Corrupt: errCorrupt}

// withDataLoss gives an error its code, if it is about a record that is damaged.
func withDataLoss(err error) error {
	if errors.Is(err, errCorrupt) {
		return withCode(codes.DataLoss, err)
	}
	return err
}
