package raftbackend

import (
	"errors"
	"fmt"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/resource"
)

// errorCode is an error as a status says it. The first of a list that an error is counts.
type errorCode struct {
	err  error
	code codes.Code
}

// errorCodes has no cas.ErrIndeterminate: that has the code of what is not here.
func errorCodes() []errorCode {
	return []errorCode{
		{resource.ErrNotFound, codes.NotFound},
		{resource.ErrWrongUID, codes.AlreadyExists}, // may be ErrCASFailure as well
		{resource.ErrCASFailure, codes.Aborted},
		{resource.ErrInconsistent, codes.FailedPrecondition},
		{resource.ErrInvalid, codes.InvalidArgument},
		{cas.ErrTooLarge, codes.ResourceExhausted},
	}
}

// mismatchURL names the type of the detail that a GroupVersionMismatchError has.
const mismatchURL = "type.googleapis.com/replicate.resource.v1.GroupVersionMismatch"

// toStatus returns an error as the status that a call fails with.
func toStatus(err error) error {
	s := &spb.Status{Code: int32(codes.Internal), Message: err.Error()}
	var mismatch resource.GroupVersionMismatchError
	if errors.As(err, &mismatch) {
		s.Code = int32(codes.OutOfRange)
		s.Details = []*anypb.Any{{TypeUrl: mismatchURL, Value: encode(mismatchFields(&mismatch))}}
		return status.ErrorProto(s)
	}
	for _, c := range errorCodes() {
		if errors.Is(err, c.err) && !errors.Is(err, cas.ErrIndeterminate) {
			s.Code = int32(c.code)
			break
		}
	}
	return status.ErrorProto(s)
}

// fromStatus returns the error that a call has failed with. Where the status is not the
// leader's answer, but something on the way made it up, it is an openError.
func fromStatus(err error, isAnswer bool) error {
	s := status.Convert(err).Proto()
	if !isAnswer {
		return openError{err}
	}
	for _, c := range errorCodes() {
		if int32(c.code) == s.GetCode() {
			return leaderError{s.GetMessage(), c.err}
		}
	}
	for _, d := range s.GetDetails() {
		var mismatch resource.GroupVersionMismatchError
		if s.GetCode() != int32(codes.OutOfRange) || d.GetTypeUrl() != mismatchURL {
			continue
		}
		if err := decode(d.GetValue(), mismatchFields(&mismatch)); err != nil {
			return fmt.Errorf("the leader's answer: %w", err)
		}
		return mismatch
	}
	return openError{err}
}

// leaderError is an error in the leader's words.
type leaderError struct {
	text string
	is   error
}

func (e leaderError) Error() string { return "the leader says: " + e.text }
func (e leaderError) Unwrap() error { return e.is }

// openError does not say whether the call was made.
type openError struct{ cause error }

func (e openError) Error() string { return fmt.Sprintf("call the leader: %v", e.cause) }
func (e openError) Unwrap() error { return e.cause }
