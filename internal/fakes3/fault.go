package fakes3

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Rule makes requests fail. The first rule that matches a request, and is not
// used up, applies.
type Rule struct {
	Match       func(Request) bool // nil matches all
	Times       int                // how often; 0 is once, less than 0 always
	Probability float64            // of each match to count; 0 is certain
	Fault       Fault

	used int
}

// Fault answers a request in place of the server.
type Fault func(w http.ResponseWriter, c *Call)

// Fail adds rules.
func (s *Server) Fail(rules ...Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rules {
		s.rules = append(s.rules, &r)
	}
}

// Op matches requests of the given operations.
func Op(ops ...string) func(Request) bool {
	return func(r Request) bool { return slices.Contains(ops, r.Op) }
}

// record logs a request and finds its fault, or nil.
func (s *Server) record(req Request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, req)
	for _, r := range s.rules {
		switch {
		case r.Times >= 0 && r.used >= max(1, r.Times), r.Match != nil && !r.Match(req):
			continue
		case r.Probability > 0 && s.rand.Float64() >= r.Probability:
			continue
		}
		r.used++
		return r.Fault
	}
	return nil
}

// Call is a request in the hands of a fault.
type Call struct {
	Request
	s    *Server
	http *http.Request
	body []byte
}

// Apply lets the server do what it was asked. The answer is not sent yet.
func (c *Call) Apply() *Answer { return c.s.apply(c.Request, c.http, c.body) }

// ApplyWith lets the server do it with another body: what a rival asks for that
// came first.
func (c *Call) ApplyWith(body []byte) *Answer {
	r := c.http.Clone(c.http.Context())
	r.Header.Set("Content-Length", fmt.Sprint(len(body)))
	r.Header.Del("Content-Md5")
	return c.s.apply(c.Request, r, body)
}

// Answer is a whole answer.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Error is an error answer of S3.
func Error(status int, code, message string) *Answer {
	body := fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message>`+
		`<RequestId>FAKE0123456789</RequestId></Error>`, code, message)
	header := http.Header{"Content-Type": {"application/xml"}, "X-Amz-Request-Id": {"FAKE0123456789"}}
	return &Answer{Status: status, Header: header, Body: []byte(body)}
}

func (a *Answer) send(w http.ResponseWriter) { a.sendBody(w, bytes.NewReader(a.Body)) }

func (a *Answer) sendBody(w http.ResponseWriter, body io.Reader) {
	for name, values := range a.Header {
		w.Header()[name] = values
	}
	if w.Header().Get("Content-Length") == "" {
		w.Header().Set("Content-Length", fmt.Sprint(len(a.Body)))
	}
	w.WriteHeader(a.Status)
	_, _ = io.Copy(w, body) // the client may have left
}

// Respond answers with what is given, and does nothing.
func Respond(a *Answer) Fault { return func(w http.ResponseWriter, _ *Call) { a.send(w) } }

// Status answers with an error, and does nothing.
func Status(status int, code string) Fault {
	return func(w http.ResponseWriter, _ *Call) { Error(status, code, "injected").send(w) }
}

// ApplyThen does what was asked, and answers with an error.
func ApplyThen(status int, code string) Fault {
	return func(w http.ResponseWriter, c *Call) {
		c.Apply()
		Error(status, code, "injected after the fact").send(w)
	}
}

// DropReply does what was asked, and closes the connection.
func DropReply() Fault {
	return func(_ http.ResponseWriter, c *Call) {
		c.Apply()
		panic(http.ErrAbortHandler)
	}
}

// DropRequest does nothing, and closes the connection.
func DropRequest() Fault {
	return func(http.ResponseWriter, *Call) { panic(http.ErrAbortHandler) }
}

// Hang does nothing, and never answers, until the client leaves.
func Hang() Fault {
	return func(_ http.ResponseWriter, c *Call) { c.wait() }
}

// HangAfter does what was asked, and never answers.
func HangAfter() Fault {
	return func(_ http.ResponseWriter, c *Call) {
		c.Apply()
		c.wait()
	}
}

// wait returns when the client has left.
func (c *Call) wait() {
	<-c.http.Context().Done()
	panic(http.ErrAbortHandler)
}

// TruncateBody sends the first n bytes of the body and closes the connection.
func TruncateBody(n int) Fault {
	return func(w http.ResponseWriter, c *Call) {
		a := c.Apply()
		a.sendBody(w, bytes.NewReader(a.Body[:min(n, len(a.Body))]))
		flush(w)
		panic(http.ErrAbortHandler)
	}
}

// StallBody sends the first n bytes of the body, and then nothing, until the
// client leaves.
func StallBody(n int) Fault {
	return func(w http.ResponseWriter, c *Call) {
		a := c.Apply()
		a.sendBody(w, bytes.NewReader(a.Body[:min(n, len(a.Body))]))
		flush(w)
		c.wait()
	}
}

// SlowBody sends the body in n pieces with a pause after each.
func SlowBody(n int, pause time.Duration) Fault {
	return func(w http.ResponseWriter, c *Call) {
		a := c.Apply()
		a.sendBody(w, bytes.NewReader(nil))
		for piece := range slices.Chunk(a.Body, max(1, (len(a.Body)+n-1)/n)) {
			_, _ = w.Write(piece)
			flush(w)
			select {
			case <-c.http.Context().Done():
				return
			case <-time.After(pause):
			}
		}
	}
}

func flush(w http.ResponseWriter) { w.(http.Flusher).Flush() }

// NoETag removes the ETag from the answer, header and XML.
func NoETag() Fault {
	return func(w http.ResponseWriter, c *Call) {
		a := c.Apply()
		a.Header.Del("ETag")
		if c.Op != "GetObject" {
			a.Body = etagElement.ReplaceAll(a.Body, nil)
		}
		a.send(w)
	}
}

// ErrorWith200 does nothing, and answers with status 200 and an error's body.
func ErrorWith200(code string) Fault {
	return func(w http.ResponseWriter, _ *Call) { Error(http.StatusOK, code, "injected").send(w) }
}

// StaleRead answers with the object as it was before it was last written.
func StaleRead() Fault {
	return func(w http.ResponseWriter, c *Call) { c.s.old.apply(c.Request, c.http, c.body).send(w) }
}

// IgnoreConditions does what was asked as if there were no If-Match and no
// If-None-Match.
func IgnoreConditions() Fault { return DropHeaders("If-Match", "If-None-Match") }

// DropHeaders does what was asked as if the request did not have these headers.
func DropHeaders(names ...string) Fault {
	return func(w http.ResponseWriter, c *Call) {
		for _, name := range names {
			c.http.Header.Del(name)
		}
		c.Apply().send(w)
	}
}

// CheckThenAct looks whether the conditions of a request hold, and then does what
// was asked, with a pause between the two in which others may do the same. Where
// this process hardly gets to run, and so the others neither, the pause is longer.
func CheckThenAct(pause time.Duration) Fault {
	return func(w http.ResponseWriter, c *Call) {
		o, err := c.s.store.HeadObject(c.s.Bucket, c.Key)
		match, exists := c.http.Header.Get("If-Match"), err == nil
		switch {
		case match != "" && (!exists || strings.Trim(match, `"`) != hex.EncodeToString(o.Hash)),
			c.http.Header.Get("If-None-Match") == "*" && exists:
			Error(http.StatusPreconditionFailed, "PreconditionFailed", "injected").send(w)
			return
		}
		for range pause / time.Millisecond {
			time.Sleep(time.Millisecond) // may end late, but not earlier than others get to run
		}
		IgnoreConditions()(w, c)
	}
}

// Pretend answers as if the request had been applied, and does nothing: of a
// delete, that all keys are gone.
func Pretend() Fault {
	return func(w http.ResponseWriter, c *Call) {
		body := bytes.ReplaceAll(c.body, []byte("<Object>"), []byte("<Deleted>"))
		body = bytes.ReplaceAll(body, []byte("</Object>"), []byte("</Deleted>"))
		body = bytes.ReplaceAll(body, []byte("Delete xmlns"), []byte("DeleteResult xmlns"))
		body = bytes.ReplaceAll(body, []byte("</Delete>"), []byte("</DeleteResult>"))
		a := &Answer{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/xml"}}, Body: body}
		a.send(w)
	}
}

// Send applies the request and sends the answer: what happens without a fault.
func (c *Call) Send(w http.ResponseWriter) { c.Apply().send(w) }

// Forget drops a parameter from the request, as a store does that does not know
// it.
func (c *Call) Forget(parameter string) {
	q := c.http.URL.Query()
	q.Del(parameter)
	c.http.URL.RawQuery = q.Encode()
}
