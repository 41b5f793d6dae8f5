package fakes3

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
)

// do sends a request, signed only as far as the fake looks.
func do(
	t *testing.T,
	s *Server,
	method, key, body string,
	header ...string,
) (status int, answer string, h http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/"+s.Bucket+"/"+key, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+AccessKeyID+"/x")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, // so that net/http does not repeat a request by itself
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
	}}
	res, err := client.Do(req)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return res.StatusCode, string(data) + "|" + err.Error(), res.Header
	}
	return res.StatusCode, string(data), res.Header
}

func wantStatus(t *testing.T, what string, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("%s: status %d, want %d", what, got, want)
	}
}

// TestLikeS3: the places where gofakes3 alone is not.
func TestLikeS3(t *testing.T) {
	s := New(t)
	status, _, h := do(t, s, "PUT", "k", "one", "X-Amz-Meta-A", "1")
	wantStatus(t, "put", status, 200)
	etag := h.Get("ETag")
	status, _, _ = do(t, s, "PUT", "k", "two", "X-Amz-Meta-B", "2", "If-Match", etag)
	wantStatus(t, "put if match", status, 200)
	status, _, _ = do(t, s, "PUT", "k", "three", "If-Match", etag)
	wantStatus(t, "put if stale match", status, 412)
	status, _, _ = do(t, s, "PUT", "k", "three", "If-None-Match", "*")
	wantStatus(t, "create again", status, 412)
	status, _, _ = do(t, s, "PUT", "absent", "x", "If-Match", etag)
	wantStatus(t, "put if match of an absent key", status, 404)
	status, body, h := do(t, s, "GET", "k", "")
	if status != 200 || body != "two" || h.Get("X-Amz-Meta-A") != "" || h.Get("X-Amz-Meta-B") != "2" {
		t.Errorf("get: %d %q %v", status, body, h)
	}
	status, _, _ = do(t, s, "GET", "k", "", "If-Match", etag)
	wantStatus(t, "get if stale match", status, 412)
	status, _, _ = do(t, s, "GET", "k", "", "Authorization", "AWS4-HMAC-SHA256 Credential=nobody/x")
	wantStatus(t, "unknown key", status, 403)
	status, _, _ = do(t, s, "PUT", "k", "x", "Content-Encoding", "aws-chunked")
	wantStatus(t, "aws-chunked", status, 501)
}

func TestMultipart(t *testing.T) {
	s := New(t)
	upload := func(content string, header ...string) (int, string) {
		_, answer, _ := do(t, s, "POST", "k?uploads", "")
		_, rest, _ := strings.Cut(answer, "<UploadId>")
		id, _, _ := strings.Cut(rest, "</UploadId>")
		_, _, h := do(t, s, "PUT", "k?partNumber=1&uploadId="+id, content)
		status, answer, _ := do(
			t,
			s,
			"POST",
			"k?uploadId="+id,
			`<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>`+h.Get(
				"ETag",
			)+`</ETag></Part></CompleteMultipartUpload>`,
			header...)
		return status, answer
	}
	status, answer := upload("one")
	wantStatus(t, "complete", status, 200)
	_, _, h := do(t, s, "HEAD", "k", "")
	if etag := strings.Trim(h.Get("ETag"), `"`); etag == "" || !strings.Contains(answer, etag) {
		t.Errorf("ETag %q in HEAD, in the completion %s", etag, answer)
	}
	status, _ = upload("two", "If-None-Match", "*")
	wantStatus(t, "create again", status, 412)
	if _, body, _ := do(t, s, "GET", "k", ""); body != "one" {
		t.Errorf("content %q", body)
	}
}

func TestFaults(t *testing.T) {
	s := New(t, TLS())
	put := func(body string) int { status, _, _ := do(t, s, "PUT", "k", body); return status }
	get := func() (int, string) { status, body, _ := do(t, s, "GET", "k", ""); return status, body }
	put("old")
	put("content")

	s.Fail(Rule{Match: Op("PutObject"), Times: 2, Fault: Status(503, "SlowDown")})
	wantStatus(t, "first", put("x"), 503)
	wantStatus(t, "second", put("x"), 503)
	if _, body := get(); body != "content" {
		t.Errorf("after refused writes: %q", body)
	}
	for name, c := range map[string]struct {
		fault  Fault
		status int
		body   string
	}{
		"truncated":      {TruncateBody(3), 200, "con|"},
		"stale":          {StaleRead(), 200, "old"},
		"200 with error": {ErrorWith200("InternalError"), 200, "InternalError"},
		"slow":           {SlowBody(3, 1), 200, "content"},
		"dropped":        {DropRequest(), 0, ""},
		"no etag":        {NoETag(), 200, "content"},
	} {
		s.Fail(Rule{Match: Op("GetObject"), Fault: c.fault})
		status, body := get()
		wantStatus(t, name, status, c.status)
		if !strings.Contains(body, c.body) {
			t.Errorf("%s: %q", name, body)
		}
	}
	s.Fail(Rule{Match: Op("PutObject"), Fault: DropReply()})
	wantStatus(t, "reply dropped", put("applied"), 0)
	s.Fail(Rule{Match: Op("GetObject"), Fault: ApplyThen(500, "InternalError")})
	status, _ := get()
	wantStatus(t, "applied, then 500", status, 500)
	if _, body := get(); body != "applied" {
		t.Errorf("after a dropped reply: %q", body)
	}
	s.Fail(Rule{Match: Op("PutObject"), Fault: IgnoreConditions()})
	status, _, _ = do(t, s, "PUT", "k", "replaced", "If-None-Match", "*")
	wantStatus(t, "conditions ignored", status, 200)
	if n := s.Count("PutObject"); n != 6 {
		t.Errorf("%d PUTs logged, want 6", n)
	}
}

// TestProbability: two servers have the same faults.
func TestProbability(t *testing.T) {
	var runs [2][]byte
	for i := range runs {
		s := New(t)
		s.Fail(Rule{Times: -1, Probability: 0.5, Fault: Status(500, "InternalError")})
		for range 40 {
			status, _, _ := do(t, s, "HEAD", "k", "")
			runs[i] = append(runs[i], byte(status/100))
		}
	}
	if !bytes.Equal(runs[0], runs[1]) || bytes.Count(runs[0], []byte{5}) < 5 || bytes.Count(runs[0], []byte{4}) < 5 {
		t.Errorf("got %v and %v", runs[0], runs[1])
	}
}
