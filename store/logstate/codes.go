package logstate

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/replctl/replicate/store/internal/record"
)

// codedError is an error with a code of gRPC, which status.Code finds in a chain, and
// with what it wraps, which errors.Is finds.
type codedError struct {
	code codes.Code
	error
}

func (e *codedError) Unwrap() error { return e.error }

// GRPCStatus is what package status looks for.
func (e *codedError) GRPCStatus() *status.Status { return status.New(e.code, e.Error()) }

// coded gives an error of a request under ctx its code.
func coded(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	return &codedError{codeOf(ctx, err), err}
}

func codeOf(ctx context.Context, err error) codes.Code {
	switch {
	case errors.Is(err, errCorrupt):
		return codes.DataLoss
	case errors.Is(err, errNoCheckpoint):
		return codes.NotFound
	case errors.Is(err, errInvalid):
		return codes.InvalidArgument
	case errors.Is(err, errClosed), errors.Is(err, errSet):
		return codes.FailedPrecondition
	case record.Lost(err):
		return codes.Aborted
	// The engines' own timeouts are no end of ctx.
	case ctx.Err() == nil || !errors.Is(err, ctx.Err()) && !errors.Is(err, context.Cause(ctx)):
		return codes.Unknown
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return codes.DeadlineExceeded
	}
	return codes.Canceled
}
