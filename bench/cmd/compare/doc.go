// Command compare does the same work with this project's clients and with
// Litestream's, turn about, in one process, and prints what each costs:
//
//	go run ./cmd/compare                          # a directory
//	go run ./cmd/compare -ops 'file/list' -rounds 9
//	go run ./cmd/compare -endpoint minio=http://127.0.0.1:9000
//
// Time is the median of the rounds, of which each has ours, Litestream's and the
// floor one after the other, in an order that changes from round to round. The
// ratios are medians of the rounds' own ratios, so that a machine that is slower
// for a while slows down both sides of each.
//
// The floor is the same work without a client: file operations with the same
// durability, or the calls of the AWS SDK. Requests are counted in a run of their
// own, through a proxy that the timed rounds go without. Memory is this process's:
// servers are other processes.
//
// Credentials for servers come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
package main
