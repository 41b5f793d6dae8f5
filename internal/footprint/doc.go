// Package footprint tests how little a program has to download and link that uses a part
// of this module: its tests build such programs, each in a module of its own.
package footprint
