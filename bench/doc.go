// Package bench puts this project side by side with Litestream's own packages: do
// the interfaces fit, does each read what the other writes, and what does it
// cost. It is a module of its own, so that nobody who imports replicate gets
// Litestream and its dependencies with it.
package bench
