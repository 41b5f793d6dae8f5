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

// condition is an ETag without its quotes as If-Match and If-None-Match want it.
func condition[T ~string](etag T, bare bool) *string {
	s := string(etag)
	if !bare {
		s = `"` + s + `"`
	}
	return &s
}

// ifMatch is the condition that names a version, or nil if its ETag does not:
// weak ETags never match (RFC 9110, 13.1.1).
func (s *Store) ifMatch(etag string) *string {
	if etag == "" || strings.HasPrefix(etag, "W/") {
		return nil
	}
	return condition(etag, s.c.Provider.BareETags)
}
