package transport

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
func (c *Conn) middleware(stack *middleware.Stack) error {
	err := errors.Join(c.checkAnswer(stack), c.signPayload(stack), setHeaders(stack, c.Provider.Headers),
		c.Encryption.add(stack))
	if err != nil || c.SignAcceptEncoding {
		return err
	}
	// Taken away before the signature is made, put back after it: without the
	// header net/http would ask for gzip, and GCS would send it.
	return errors.Join(
		stack.Finalize.Insert(acceptEncoding("ReplicateDropAcceptEncoding", ""), "Signing", middleware.Before),
		stack.Finalize.Insert(acceptEncoding("ReplicateAcceptIdentity", "identity"), "Signing", middleware.After))
}

func setHeaders(stack *middleware.Stack, headers map[string]string) (err error) {
	for name, value := range headers {
		err = errors.Join(err, smithyhttp.SetHeaderValue(name, value)(stack))
	}
	return err
}

// signPayload decides about the hash of the body in the signature. The SDK
// leaves it out over TLS; providers have refused that (litestream#894, #918).
func (c *Conn) signPayload(stack *middleware.Stack) error {
	if c.Payload == AsSDK {
		return nil
	}
	if _, ok := stack.Finalize.Get(payloadHash); !ok {
		return nil
	}
	if c.Payload == Unsigned {
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

func acceptEncoding(id, value string) middleware.FinalizeMiddleware {
	return middleware.FinalizeMiddlewareFunc(id,
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
			middleware.FinalizeOutput, middleware.Metadata, error,
		) {
			if req, ok := in.Request.(*smithyhttp.Request); ok {
				req.Header.Del("Accept-Encoding")
				if value != "" {
					req.Header.Set("Accept-Encoding", value)
				}
			}
			return next.HandleFinalize(ctx, in)
		})
}
