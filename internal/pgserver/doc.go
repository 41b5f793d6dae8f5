// Package pgserver runs a PostgreSQL server for tests with the build tag realservers. Start
// makes a cluster in a directory of its own, and starts and stops the server. It needs initdb
// and postgres, in the path or where Debian has them.
package pgserver
