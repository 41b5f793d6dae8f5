//go:build faults

package faults

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/replctl/replicate/internal/fakes3"
)

// Kind is one way in which a request fails.
type Kind struct {
	Name  string
	Times int // how many of the requests of one name fail; less than 0 is all

	// Fault fails a request. It calls stop to end the operation meanwhile.
	Fault func(stop func()) fakes3.Fault

	// Cause is what an error says of it, if it is an error, one of these.
	Cause []string

	// Wide failures are not of one request alone: others fail with it.
	Wide bool

	// Slow failures end after a timeout of the client.
	Slow bool

	// Only has the operations of S3 that it is for; all if empty.
	Only []string
}

func always(fault fakes3.Fault) func(func()) fakes3.Fault {
	return func(func()) fakes3.Fault { return fault }
}

// saysNoCode is what an error says of a refusal whose code it cannot know: the answer to
// HEAD has no body.
const saysNoCode = "Forbidden (http 403"

// What errors say of kinds of failure.
var (
	saysPrecondition = []string{"PreconditionFailed", "changed"}
	saysInternal     = []string{"InternalError", "500"}
	saysStalled      = []string{"in time", "stalled"}
	saysEnded        = []string{"EOF"}
	saysWebPage      = []string{"web page"}
	saysCanceled     = []string{"context canceled"}
)

// Kinds are the ways in which a request to S3 fails.
var Kinds = []Kind{
	{Name: "403 AccessDenied", Times: -1, Fault: always(fakes3.Status(403, "AccessDenied")),
		Cause: []string{"AccessDenied", "403", "denied", "refused"}},
	{Name: "403 InvalidObjectState", Times: -1, Fault: always(fakes3.Status(403, "InvalidObjectState")),
		Cause: []string{"InvalidObjectState", "archived", saysNoCode}},
	{Name: "404", Times: -1, Fault: always(missing), Cause: []string{"404", "not exist", "gone", "missing"}},
	{Name: "409", Fault: always(fakes3.Status(409, "ConditionalRequestConflict")), Cause: []string{"Conflict"}},
	{Name: "412", Fault: always(fakes3.Status(412, "PreconditionFailed")), Cause: saysPrecondition},
	{Name: "412 after applying", Fault: always(fakes3.ApplyThen(412, "PreconditionFailed")), Cause: saysPrecondition},
	{Name: "429", Fault: always(fakes3.Status(429, "TooManyRequests")), Cause: []string{"TooManyRequests"}},
	{Name: "500", Fault: always(fakes3.Status(500, "InternalError")), Cause: saysInternal},
	{Name: "500 for good", Times: -1, Slow: true, Fault: always(fakes3.Status(500, "InternalError")), Cause: saysInternal},
	{Name: "500 after applying", Fault: always(fakes3.ApplyThen(500, "InternalError")), Cause: saysInternal},
	{Name: "503 SlowDown", Fault: always(fakes3.Status(503, "SlowDown")), Cause: []string{"SlowDown"}},
	{Name: "connection refused", Slow: true, Wide: true, Fault: always(fakes3.Refused()),
		Cause: []string{"refused", "EOF", "reset"}},
	{Name: "connection closed", Fault: always(fakes3.DropRequest()), Cause: saysEnded},
	{Name: "connection reset", Fault: always(reset), Cause: []string{"reset"}},
	{Name: "answer lost", Fault: always(fakes3.DropReply()), Cause: saysEnded},
	{Name: "stall", Slow: true, Fault: always(fakes3.Hang()), Cause: saysStalled},
	{Name: "stall after applying", Slow: true, Fault: always(fakes3.HangAfter()), Cause: saysStalled},
	{Name: "repeated", Fault: always(repeated)},
	{Name: "answer cut", Fault: always(func(w http.ResponseWriter, c *fakes3.Call) {
		fakes3.TruncateBody(len(c.Apply().Body)/2)(w, c)
	}), Only: []string{"GetObject", "ListObjectsV2"}},
	{Name: "answer too long", Fault: always(altered(func(b []byte) []byte {
		return append(bytes.Clone(b), b[:min(len(b), 100)]...)
	})), Only: []string{"GetObject", "ListObjectsV2"}},
	{Name: "answer of half the length", Fault: always(altered(func(b []byte) []byte { return b[:len(b)/2] })),
		Only: []string{"GetObject", "ListObjectsV2"}},
	{Name: "stale read", Fault: always(fakes3.StaleRead()), Only: []string{"GetObject", "HeadObject", "ListObjectsV2"}},
	{Name: "web page", Fault: always(webPage), Cause: saysWebPage},
	{Name: "web page for good", Times: -1, Slow: true, Fault: always(webPage), Cause: saysWebPage},
	{Name: "empty 200", Fault: always(func(w http.ResponseWriter, _ *fakes3.Call) { w.WriteHeader(200) }),
		Cause: []string{"lacks", "does not mention"}},
	{Name: "redirect", Times: -1, Fault: always(func(w http.ResponseWriter, _ *fakes3.Call) {
		w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
		w.WriteHeader(http.StatusTemporaryRedirect)
	}), Cause: []string{"not followed"}},
	{Name: "cancelled", Wide: true, Cause: saysCanceled, Fault: func(stop func()) fakes3.Fault {
		return func(w http.ResponseWriter, c *fakes3.Call) { stop(); fakes3.Hang()(w, c) }
	}},
	{Name: "cancelled after applying", Wide: true, Cause: saysCanceled, Fault: func(stop func()) fakes3.Fault {
		return func(w http.ResponseWriter, c *fakes3.Call) { c.Apply(); stop(); fakes3.Hang()(w, c) }
	}},
}

func missing(w http.ResponseWriter, c *fakes3.Call) {
	if c.Key == "" {
		fakes3.Status(404, "NoSuchBucket")(w, c)
		return
	}
	fakes3.Status(404, "NoSuchKey")(w, c)
}

func webPage(w http.ResponseWriter, _ *fakes3.Call) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = io.WriteString(w, "<!DOCTYPE html><html><body><h1>Sign in</h1></body></html>")
}

// reset ends the connection with a TCP reset.
func reset(w http.ResponseWriter, _ *fakes3.Call) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// repeated is a proxy that sends a request twice and gives on the second answer.
func repeated(w http.ResponseWriter, c *fakes3.Call) {
	c.Apply()
	c.Send(w)
}

// altered answers with another body, and its length.
func altered(change func([]byte) []byte) fakes3.Fault {
	return func(w http.ResponseWriter, c *fakes3.Call) {
		a := c.Apply()
		a.Body = change(a.Body)
		a.Header.Set("Content-Length", fmt.Sprint(len(a.Body)))
		fakes3.Respond(a)(w, c)
	}
}

// Fits reports whether the kind is for a call, as [Call] names it.
func (k Kind) Fits(call string) bool {
	op, _, _ := strings.Cut(call, " ")
	for _, only := range k.Only {
		if op == only {
			return true
		}
	}
	return len(k.Only) == 0
}

// Rule is the kind as a rule of the server, for the requests that match.
func (k Kind) Rule(match func(fakes3.Request) bool, stop func()) fakes3.Rule {
	return fakes3.Rule{Match: match, Times: k.Times, Fault: k.Fault(stop)}
}

// random are the parts of names that are drawn anew in each run.
var random = regexp.MustCompile("(kv/lease/)[0-9]+|[a-z2-7]{26}")

// Call names requests that are one to an operation: a place's own name and what is random are
// left out.
func Call(r fakes3.Request, place string) string {
	what := r.Key
	if what == "" {
		what = r.Query.Get("prefix") + "?" + r.Query.Get("delimiter")
	}
	return r.Op + " " + random.ReplaceAllString(strings.TrimPrefix(what, place+"/"), "${1}RANDOM")
}

// Bound is how long an operation may take under one failure, with the timeouts that the
// tests set.
const Bound = time.Minute
