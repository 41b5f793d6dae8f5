// Package retain says what of a replica must stay for a window of time.
//
// [LTX] and [Backup] name the objects that are needed to restore every state since a
// moment; packages mirror and prune stand on them. [Windows] are the stretches of time that
// can be restored from given objects. Names and a few headers decide; no package deletes
// by anything else.
package retain
