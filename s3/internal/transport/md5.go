package transport

import (
	"net/http"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/replctl/replicate/s3/internal/answer"
)

// Buckets with Object Lock take a body only with a checksum, which stores other than
// AWS are not sent, since some refuse it. So it is learnt from the refusal.

// NeedsMD5 reports whether a refusal has taught that bodies need a Content-MD5.
func (c *Conn) NeedsMD5() bool { return c.needsMD5.Load() }

// LearnMD5 reports whether a request was refused for want of a Content-MD5, and is
// worth sending again: from now on it has one. Known is NeedsMD5 when it was sent.
func (c *Conn) LearnMD5(known bool, err error) bool {
	_, status := answer.Of(err)
	if known || status != http.StatusBadRequest || !answer.WantsMD5(err) {
		return false
	}
	c.needsMD5.Store(true)
	return true
}

// BodyOptions are those of requests with an object's content.
func (c *Conn) BodyOptions(o *awss3.Options) {
	if c.PutMD5 || c.needsMD5.Load() {
		o.APIOptions = append(o.APIOptions, contentMD5)
	}
}

// DeleteOptions are those of DeleteObjects.
func (c *Conn) DeleteOptions(o *awss3.Options) {
	if c.DeleteMD5 || c.needsMD5.Load() {
		o.APIOptions = append(o.APIOptions, contentMD5)
	}
}
