package sqlite

import (
	"os"
	"testing"
)

// A test binary started with this variable is a writer of the database it names.
const writerVariable = "SQLITE_TEST_WRITER"

func TestMain(m *testing.M) {
	if plan := os.Getenv(writerVariable); plan != "" {
		os.Exit(runWriter(plan))
	}
	os.Exit(m.Run())
}
