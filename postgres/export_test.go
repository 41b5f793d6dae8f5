//go:build realservers

package postgres

import (
	"testing"
)

// Keepalives returns what the server does to find out that the other end of a lock's session is
// gone.
func Keepalives(t *testing.T, s *Store) map[string]string {
	t.Helper()
	conn, err := s.connect(t.Context(), "replicate lock 0")
	if err != nil {
		t.Fatal(err)
	}
	defer hangUp(t.Context(), conn)
	settings := map[string]string{}
	for _, name := range []string{"tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count"} {
		var value string
		if err := conn.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&value); err != nil {
			t.Fatal(err)
		}
		settings[name] = value
	}
	return settings
}
