package transport

import (
	"bytes"
	"context"
	"io"
	"mime"
	"net/http"
	"net/url"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/replctl/replicate/s3/internal/answer"
)

// Bounds of an answer, so that no server makes a client hold more than this in
// memory. An object is not held: it is streamed, and its reader stops at the end
// of what was asked for.
const (
	maxHeader    = 256 << 10 // all headers together
	maxErrorBody = 64 << 10  // an error; what is beyond is not read
	maxAnswer    = 8 << 20   // all else; 1,000 keys of 1,024 bytes, escaped, are 6 MB
)

// checkAnswer is the step that sees each answer first.
func (c *Conn) checkAnswer(stack *middleware.Stack) error {
	step := func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
		middleware.DeserializeOutput, middleware.Metadata, error,
	) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if raw, ok := out.RawResponse.(*smithyhttp.Response); ok && err == nil {
			err = c.bound(awsmiddleware.GetOperationName(ctx), raw.Response)
		}
		return out, metadata, err
	}
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("ReplicateAnswer", step), middleware.After)
}

// bound bounds the body of an answer, and refuses a web page with a status of
// success.
func (c *Conn) bound(op string, res *http.Response) error {
	page := isWebPage(op, res)
	if !page {
		c.reached.Store(true)
	}
	body := res.Body
	switch {
	case res.StatusCode >= 300:
		short := io.LimitReader(body, maxErrorBody)
		if res.StatusCode == http.StatusBadRequest && res.Request != nil && res.Request.URL.Scheme == "http" {
			text, _ := io.ReadAll(short)
			if !bytes.Contains(text, []byte("<Error>")) && bytes.Contains(text, []byte("HTTPS")) {
				_ = body.Close()
				return answer.ErrWantsHTTPS
			}
			short = bytes.NewReader(text)
		}
		res.Body = struct {
			io.Reader
			io.Closer
		}{short, body}
	case page:
		_ = body.Close()
		if !c.reached.Load() { // all that this server ever says; what was sent may have been done all the same
			return answer.Permanent(answer.GaveUp(answer.ErrWebPage))
		}
		return answer.Transient(answer.ErrWebPage)
	case op != "GetObject":
		res.Body = http.MaxBytesReader(nil, body, maxAnswer)
	}
	return nil
}

// isWebPage goes by the content type. That of an object is its writer's choice,
// so there the answer must also lack what S3 puts into each.
func isWebPage(op string, res *http.Response) bool {
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if kind != "text/html" && kind != "application/xhtml+xml" {
		return false
	}
	object := op == "GetObject" || op == "HeadObject"
	return !object || res.Header.Get("X-Amz-Request-Id") == ""
}

// noRedirects follows no redirect: the customer's key is in the headers of a
// request, and whoever answers could have it sent anywhere. It returns the
// redirect itself, also one that leads to no URL.
type noRedirects struct{ http.RoundTripper }

func (t noRedirects) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.RoundTripper.RoundTrip(r)
	if err == nil && res.StatusCode/100 == 3 && res.Header.Get("Location") != "" {
		res.Header.Set(answer.MovedTo, elsewhere(r.URL, res.Header.Get("Location")))
		res.Header.Del("Location")
	}
	return res, err
}

// elsewhere is scheme and host of where a redirect leads, if not to the server
// that answered.
func elsewhere(from *url.URL, location string) string {
	to, err := from.Parse(location)
	if err != nil || to.Host == "" || to.Scheme == from.Scheme && to.Host == from.Host {
		return ""
	}
	return answer.Clip((&url.URL{Scheme: to.Scheme, Host: to.Host}).String())
}
