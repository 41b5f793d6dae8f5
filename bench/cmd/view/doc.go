// Command view measures what SQL on a replica costs without restoring it, beside
// "litestream restore" and then the same SQL, and beside Litestream's VFS extension:
//
//	go run ./cmd/view -endpoint http://127.0.0.1:9000 -replctl PATH -litestream PATH -extension PATH
//
// It makes a database and its replica, of a snapshot and deltas in three levels, in a new
// bucket of the server, which it empties and removes in the end. Requests and bytes are
// counted in a proxy before the server, which also delays requests and limits the rate of
// each connection where that is measured. The programs that are not given are left out.
//
// Credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
package main
