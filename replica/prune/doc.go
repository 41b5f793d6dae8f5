// Package prune deletes what of a replica a window of time does not need.
//
// [NewPlan] decides, and proves from the names of what stays that every promised state can
// still be restored. [Run] deletes what the plan says, in such an order that whatever is
// left at any moment can be restored as before. Run it with a replica.FencedClient.
package prune
