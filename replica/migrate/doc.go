// Package migrate makes an LTX replica, which Litestream 0.5 reads and goes on from, of a
// Litestream v0.3.x backup.
//
// [Run] migrates the latest state, another one, or the whole history. It only reads the
// backup, and never replaces an object of the destination.
package migrate
