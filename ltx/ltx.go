package ltx

import (
	"time"

	sltx "github.com/superfly/ltx"
)

// The vocabulary shared with Litestream.
type (
	// TXID is a transaction number; the first is 1. It prints as 16 hex digits.
	TXID = sltx.TXID
	// Checksum is a CRC-64/ISO with the top bit set, so that it is never zero.
	Checksum = sltx.Checksum
	// Pos is a transaction and the checksum of the database after it.
	Pos = sltx.Pos
	// Header is the first 100 bytes of a file.
	Header = sltx.Header
	// Trailer is the last 16 bytes of a file.
	Trailer = sltx.Trailer
	// FileInfo is one file as a listing shows it. CreatedAt is the time in the
	// header, or the store's cache of it.
	FileInfo = sltx.FileInfo
	// FileIterator walks a listing.
	FileIterator = sltx.FileIterator
)

const (
	// MinLevel holds a file for each sync of the replicator.
	MinLevel = 0
	// SnapshotLevel holds whole databases: files whose MinTXID is 1.
	SnapshotLevel = 9
	// MaxLevel is the highest level there is.
	MaxLevel = SnapshotLevel

	HeaderSize  = sltx.HeaderSize  // bytes
	TrailerSize = sltx.TrailerSize // bytes

	// ChecksumFlag is set in every checksum.
	ChecksumFlag = sltx.ChecksumFlag
	// HeaderFlagNoChecksum marks files whose writer does not track the
	// checksum of the database.
	HeaderFlagNoChecksum = sltx.HeaderFlagNoChecksum
)

// ParseTXID parses exactly 16 hex digits.
func ParseTXID(s string) (TXID, error) { return sltx.ParseTXID(s) }

// Time is the moment that a header claims for its last transaction: wall clock
// of the writer, millisecond resolution, UTC.
func Time(h Header) time.Time { return time.UnixMilli(h.Timestamp).UTC() }
