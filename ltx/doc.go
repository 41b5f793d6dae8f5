// Package ltx is what this project knows about LTX files, the format in which
// Litestream 0.5 keeps transactions: their names and places in a replica, their
// headers, page indexes and checksums, and which of them together make up a
// database ([Chain]).
//
// It is the only importer of github.com/superfly/ltx. Types that other programs
// share with us are aliases of that library's, so that a Litestream client and
// ours are interchangeable. What reads bytes from a store is our own, because
// here each size is checked against the size of the file before it is believed:
// a damaged file gives an error, never a panic and never a 4 GiB allocation.
//
// From cheap to dear: [ParseName] and [ParseKey] tell what a listing says of a
// file, [ReadHeader] the time of its last transaction, [ReadOutline] where its
// pages are, with two or three ranged reads, and [Verify] or a [Decoder] whether
// it is whole. [Apply] makes the database that a chain's files give, [Stream]
// writes it in page order, and [Outline.ReadPage] gets one page of it.
// [WriteSnapshot] makes a file of a database, [WriteDelta] one of some of its pages.
//
// An LTX file is a 100-byte header, page frames with LZ4-compressed pages in
// ascending page number, an end marker, a page index (page number, offset and
// size of each frame), the index's length in eight bytes, and a 16-byte trailer
// with two checksums: that of the database after the file is applied, and
// CRC-64/ISO of the file, in which pages count uncompressed. The format is
// described at https://github.com/superfly/ltx.
package ltx
