// Package viewtest tests replica/view and sqlite.OpenView together: SQL over real
// replicas and over larger ones made here, counted, damaged, and compacted meanwhile.
package viewtest
