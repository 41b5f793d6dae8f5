package cli

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/replctl/replicate/internal/testreplica"
)

// TestDrillPing: a dead man's switch is told of success alone, and its URL is in no message.
func TestDrillPing(t *testing.T) {
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; strings.HasSuffix(r.URL.Path, "refused") {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer srv.Close()
	dir := testreplica.Copy(t, "v0.5")
	drill := func(args ...string) (code int, said string) {
		code, stdout, stderr := replctl(t, append([]string{"drill", dir, "--moments", "0"}, args...)...)
		return code, stdout + stderr
	}
	if code, said := drill("--ping", srv.URL+"/secret"); code != exitOK || asked != 1 {
		t.Errorf("exit code %d, asked %d times\n%s", code, asked, said)
	}
	if code, _ := drill("--ping", srv.URL+"/secret", "--assert", "select 0"); code != exitDamage || asked != 1 {
		t.Errorf("after a failure: exit code %d, asked %d times", code, asked)
	}
	for _, target := range []string{srv.URL + "/secret-refused", "http://127.0.0.1:1/secret", "http://%zz/secret"} {
		if code, said := drill("--ping", target); code != exitFailure || strings.Contains(said, "secret") {
			t.Errorf("%s: exit code %d\n%s", target, code, said)
		}
	}
}
