package logstate

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// coded is an error with a code of gRPC, which status.Code finds in a chain, and
// with what it wraps, which errors.Is finds.
type coded struct {
	code codes.Code
	error
}

func withCode(code codes.Code, err error) error { return &coded{code, err} }

func (e *coded) Unwrap() error { return e.error }

// GRPCStatus is what package status looks for.
func (e *coded) GRPCStatus() *status.Status { return status.New(e.code, e.Error()) }
