// Package fleet finds the replicas of databases below a place, and says of each what it is
// good for.
//
// [Find] walks a bucket, a prefix or a directory by delimited listings and knows a replica by
// the shapes of its names: ltx/, 0000/ to 0009/, generations/. [Look] says of one replica how
// new its newest state is, since when it can be restored, and who holds its lease.
//
// # What it costs
//
// Finding costs one listing of each directory, with a page for each 1,000 entries. Looking
// costs four requests: one listing, and one small read each for the newest state's time, the
// oldest one's, and the lease; a record of drills is one read more. The names decide, and the
// plan that a restore would make of them. Of a replica with 1,000 objects or more only the
// ends of its levels are listed, unless they show something wrong: then all of it is.
//
// # What it does not know
//
// No object is read but for its header. Damage inside of an object is for package check, and
// whether a state restores, for package drill to say.
package fleet
