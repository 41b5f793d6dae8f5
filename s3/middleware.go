package s3

import (
	"context"
	"errors"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// payloadHash is the SDK's name for the step that hashes the body, or not.
const payloadHash = "ComputePayloadHash"

// middleware turns the provider's settings into steps of the SDK's stack.
func (s *Store) middleware(stack *middleware.Stack) error {
	if err := errors.Join(s.checkAnswer(stack), s.signPayload(stack)); err != nil {
		return err
	}
	for name, value := range s.provider.headers {
		if err := stack.Build.Add(setHeader(name, value), middleware.After); err != nil {
			return err
		}
	}
	if s.cfg.SignAcceptEncoding.or(!s.provider.acceptEncoding) {
		return nil
	}
	// Taken away before the signature is made, put back after it: without the
	// header net/http would ask for gzip, and GCS would send it.
	if err := stack.Finalize.Insert(acceptEncoding("ReplicateDropAcceptEncoding", ""), "Signing", middleware.Before); err != nil {
		return err
	}
	return stack.Finalize.Insert(acceptEncoding("ReplicateAcceptIdentity", "identity"), "Signing", middleware.After)
}

// signPayload decides about the hash of the body in the signature. The SDK
// leaves it out over TLS; providers have refused that (litestream#894, #918).
func (s *Store) signPayload(stack *middleware.Stack) error {
	if s.provider.sdkDefaults && s.cfg.SignPayload == Auto {
		return nil
	}
	if _, ok := stack.Finalize.Get(payloadHash); !ok {
		return nil
	}
	if s.cfg.SignPayload == No {
		return v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware(stack)
	}
	_, err := stack.Finalize.Swap(payloadHash, &v4.ComputePayloadSHA256{})
	return err
}

// contentMD5 adds the header that DeleteObjects had to have before there were
// other checksums, and that some stores still insist on (litestream#802).
func contentMD5(stack *middleware.Stack) error {
	return smithyhttp.AddContentChecksumMiddleware(stack)
}

func setHeader(name, value string) middleware.BuildMiddleware {
	return middleware.BuildMiddlewareFunc("ReplicateHeader"+name,
		func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
			if req, ok := in.Request.(*smithyhttp.Request); ok {
				req.Header.Set(name, value)
			}
			return next.HandleBuild(ctx, in)
		})
}

func acceptEncoding(id, value string) middleware.FinalizeMiddleware {
	return middleware.FinalizeMiddlewareFunc(id,
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			if req, ok := in.Request.(*smithyhttp.Request); ok {
				req.Header.Del("Accept-Encoding")
				if value != "" {
					req.Header.Set("Accept-Encoding", value)
				}
			}
			return next.HandleFinalize(ctx, in)
		})
}
