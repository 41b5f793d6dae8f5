// Package view reads the pages of a replicated database as of one moment, by ranged
// reads, without restoring it.
//
// [Open] plans as a restore does, and reads where the pages are: the page indexes of the
// plan's LTX files. A [View] is then an io.ReaderAt of the database file that a restore
// would give, byte for byte: it reads each page from the newest file that has it.
// sqlite.OpenView makes a database handle of it.
//
// # What is verified
//
// A page index must agree with the size of its file, and a frame with the index. A frame
// that does not decompress to a page is damage, and so is one in the older of the two
// encodings of pages whose checksum does not match. Files of at most 64 KiB are read whole
// when the view is opened, and their checksum is verified. Frames of larger files in the
// newer encoding have no checksum of their own: a change to their compressed bytes that
// still decompresses to a page is found by a restore or a check, not by a view. The
// objects of a v0.3 backup are verified whole.
//
// # Compaction
//
// A view is of one moment. If a file that it reads is gone, the view plans again for that
// same moment, and goes on with the files that replaced it. If no files lead to that
// moment any more, reading fails with [ErrGone]. Pages of two moments are never mixed.
package view
