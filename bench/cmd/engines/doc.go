// Command engines measures what small records cost on each engine: a read, a compare-and-swap,
// how soon a watcher sees a change, a lease, and its hand-over, with several numbers of clients:
//
//	go run ./cmd/engines file=/var/tmp/records sqlite=sqlite:///var/tmp/state.db \
//	    'postgres=postgres://user@localhost/db?pool_max_conns=64'
//
// Beside them is what the same costs without this project: the same SQL statements by pgx, and
// etcd's own client on an etcd that runs in this process. For a ratio the two sides take turns.
package main
