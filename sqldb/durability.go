package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// CheckDurability returns which settings of the server, or of the connection, lose a write
// that was acknowledged, when the server crashes; nothing if none does. It is for package
// probe.
func (s *Store) CheckDurability(ctx context.Context) (fault string, err error) {
	if err := s.prepare(ctx, nil); err != nil {
		return "", fmt.Errorf("ask for the settings: %w", err)
	}
	if s.dialect == SQLite {
		return "", nil // prepare refuses such a connection
	}
	var bad []string
	err = s.on(ctx, s.isBroken, func(conn *sql.Conn) error {
		bad = nil
		for _, setting := range []string{"fsync", "full_page_writes", "synchronous_commit"} {
			var value string
			if err := conn.QueryRowContext(ctx, "SELECT current_setting($1)", setting).Scan(&value); err != nil {
				return err
			}
			if value == "off" {
				bad = append(bad, setting+"=off")
			}
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("ask for the settings: %w", err)
	}
	return strings.Join(bad, ", "), nil
}
