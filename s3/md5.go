package s3

import (
	"net/http"
	"strings"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// Buckets with Object Lock take a body only with a checksum, which stores other than
// AWS are not sent, since some refuse it. So it is learnt from the refusal.

// learnMD5 reports whether a request was refused for want of a Content-MD5, and is
// worth sending again: from now on it has one. Known is needsMD5 when it was sent.
func (s *Store) learnMD5(known bool, err error) bool {
	_, status := answer(err)
	if known || status != http.StatusBadRequest || !wantsMD5(err) {
		return false
	}
	s.needsMD5.Store(true)
	return true
}

// wantsMD5 reports whether an error is about a missing Content-MD5. One that is
// wrong is another matter, and damage on the way.
func wantsMD5(err error) bool {
	code, _ := answer(err)
	if code == "BadDigest" || code == "InvalidDigest" {
		return false
	}
	return err != nil && strings.Contains(strings.ToLower(err.Error()), "content-md5")
}

// bodyOptions are those of requests with an object's content.
func (s *Store) bodyOptions(o *awss3.Options) {
	if s.cfg.PutContentMD5 || s.needsMD5.Load() {
		o.APIOptions = append(o.APIOptions, contentMD5)
	}
}

// deleteOptions are those of DeleteObjects.
func (s *Store) deleteOptions(o *awss3.Options) {
	if s.cfg.ContentMD5.or(!s.provider.noContentMD5 && !s.provider.sdkDefaults) || s.needsMD5.Load() {
		o.APIOptions = append(o.APIOptions, contentMD5)
	}
}
