package s3

import "strings"

// trimETag is an ETag without its quotes: stores quote in some answers and not
// in others. A weak one keeps its W/"...".
func trimETag(etag *string) string {
	if etag == nil {
		return ""
	}
	if t, ok := strings.CutPrefix(*etag, `"`); ok {
		return strings.TrimSuffix(t, `"`)
	}
	return *etag
}

// ifMatch is the condition that names a version, or nil if its ETag does not:
// weak ETags never match (RFC 9110, 13.1.1).
func (s *Store) ifMatch(etag string) *string {
	switch {
	case etag == "" || strings.HasPrefix(etag, "W/"):
		return nil
	case !s.c.Provider.BareETags:
		etag = `"` + etag + `"`
	}
	return &etag
}
