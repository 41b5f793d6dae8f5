package fakes3

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/johannesboyne/gofakes3"
)

// backend is gofakes3's memory, with a PutObject that is S3's.
type backend struct{ gofakes3.Backend }

// PutObject checks the conditions and then replaces the whole object: gofakes3
// would merge the metadata of the old one into the new. The server's lock makes
// it one step.
func (b backend) PutObject(
	bucket, key string, meta map[string]string, in io.Reader, size int64, cond *gofakes3.PutConditions,
) (gofakes3.PutObjectResult, error) {
	data, err := gofakes3.ReadAll(in, size)
	if err != nil {
		return gofakes3.PutObjectResult{}, err
	}
	if cond != nil {
		if err := b.check(bucket, key, cond); err != nil {
			return gofakes3.PutObjectResult{}, err
		}
	}
	if _, err := b.DeleteObject(bucket, key); err != nil {
		return gofakes3.PutObjectResult{}, err
	}
	return b.Backend.PutObject(bucket, key, meta, bytes.NewReader(data), size, nil)
}

func (b backend) check(bucket, key string, cond *gofakes3.PutConditions) error {
	old, err := b.HeadObject(bucket, key)
	if gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchKey) {
		if cond.IfMatch != nil {
			return gofakes3.KeyNotFound(key) // as Amazon; gofakes3 says 412
		}
		return nil
	}
	if err != nil {
		return err
	}
	return gofakes3.CheckPutConditions(cond, &gofakes3.ConditionalObjectInfo{Exists: true, Hash: old.Hash})
}

// refuse is what S3 checks and gofakes3 does not.
func (s *Server) refuse(req Request, r *http.Request) *Answer {
	if auth := r.Header.Get("Authorization"); !strings.Contains(auth, "Credential="+AccessKeyID+"/") {
		return Error(http.StatusForbidden, "InvalidAccessKeyId",
			"The AWS Access Key Id you provided does not exist in our records.")
	}
	if strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked") {
		return Error(http.StatusNotImplemented, "NotImplemented", "aws-chunked is not supported")
	}
	switch req.Op {
	case "GetObject", "HeadObject", "CompleteMultipartUpload":
		return s.refuseObject(req, r)
	}
	return nil
}

func (s *Server) refuseObject(req Request, r *http.Request) *Answer {
	o, err := s.store.HeadObject(s.Bucket, req.Key)
	if err != nil {
		return nil
	}
	if match := r.Header.Get("If-Match"); match != "" && match != `"`+hex.EncodeToString(o.Hash)+`"` ||
		r.Header.Get("If-None-Match") == "*" {
		return Error(http.StatusPreconditionFailed, "PreconditionFailed",
			"At least one of the pre-conditions you specified did not hold")
	}
	const keyMD5 = "X-Amz-Server-Side-Encryption-Customer-Key-Md5"
	if req.Op != "CompleteMultipartUpload" && o.Metadata[keyMD5] != r.Header.Get(keyMD5) {
		return Error(http.StatusBadRequest, "InvalidRequest", "The object was stored using a form of Server Side Encryption.")
	}
	return nil
}

var etagElement = regexp.MustCompile(`<ETag>.*</ETag>`)

// oneETag puts the ETag that HEAD will show into the answer of a completion,
// for which gofakes3 makes up another.
func (s *Server) oneETag(key string, body []byte) []byte {
	o, err := s.store.HeadObject(s.Bucket, key)
	if err != nil {
		return body
	}
	return etagElement.ReplaceAll(body, []byte(`<ETag>&#34;`+hex.EncodeToString(o.Hash)+`&#34;</ETag>`))
}

// age brings the stale copy up to date with the object as it is before req.
func (s *Server) age(req Request) {
	if req.Op != "PutObject" && req.Op != "CompleteMultipartUpload" && req.Op != "DeleteObject" {
		return
	}
	if err := s.copyOld(req.Key); err != nil {
		s.t.Errorf("fakes3: stale copy of %s: %v", req.Key, err)
	}
}

func (s *Server) copyOld(key string) error {
	o, err := s.store.GetObject(s.Bucket, key, nil)
	if gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchKey) {
		_, err = s.old.store.DeleteObject(s.Bucket, key)
		return err
	}
	if err != nil {
		return err
	}
	_, err = s.old.store.PutObject(s.Bucket, key, o.Metadata, o.Contents, o.Size, nil)
	return errors.Join(err, o.Contents.Close())
}
