//go:build faults

package faults

import (
	"path"
	"regexp"
	"strings"
)

// Command is one run of a command of replctl, which is one operation.
//
// Words of its command lines stand for what differs from run to run: "URL" is the place, "OUT" a
// path in a fresh directory, "DB" a small database, "REPLICA" a directory with the replica in it,
// where nothing fails, "SHOWN" another fresh path. A line that ends with ">", "OUT" puts its
// standard output there, and a line that is one word stands for the content at that path.
type Command struct {
	Name string // unique; without "replctl"
	Args []string

	Prepare [][]string // commands that run before it, without failures
	Effect  [][]string // commands that show what it did, also {"OUT"}; without them its output counts
	Empty   bool       // the place holds no replica at first
	Writes  bool       // it changes the place, so that each run needs a place of its own
	Steps   bool       // it is several writes, and may end between two
	Raw     bool       // it shows what the store gives, also where that is cut or too long
	GoesOn  bool       // it ends when it is interrupted, which it is after its first line
}

// Op is what the log calls it.
func (c Command) Op() string { return "replctl " + c.Name }

// The preparations that more than one command has.
var (
	acquired    = [][]string{{"lease", "acquire", "URL", "--owner", "me", "--json", ">", "OUT"}}
	recorded    = [][]string{{"kv", "put", "URL", "a/b", "1"}}
	savedConfig = [][]string{{"config", "save", "URL", "fleet", "v1", "DB"}}
)

// The effects that more than one command has.
var (
	output     = [][]string{{"OUT"}}
	theLease   = [][]string{{"lease", "show", "URL", "--json"}}
	theRecords = [][]string{{"kv", "ls", "URL", "--json"}}
	theConfig  = [][]string{{"config", "ls", "URL"}, {"config", "get", "URL", "fleet", "v1"}}
	latest     = [][]string{{"restore", "URL", "-o", "SHOWN"}, {"SHOWN"}}
)

// Commands is each command of replctl that asks a store for something, with its main flags.
var Commands = []Command{
	{Name: "inspect", Args: []string{"inspect", "URL", "--json"}},
	{Name: "inspect --read all", Args: []string{"inspect", "URL", "--read", "all", "--json"}},
	{Name: "ls", Args: []string{"ls", "URL", "--jsonl", "--max-age", "10000d"}},
	{Name: "ls --sizes", Args: []string{"ls", "URL", "--json", "--sizes", "--max-age", "10000d"}},
	{Name: "generations", Args: []string{"generations", "URL", "--json"}},
	{Name: "snapshots", Args: []string{"snapshots", "URL", "--json"}},
	{Name: "wal", Args: []string{"wal", "URL", "--json"}},
	{Name: "ltx", Args: []string{"ltx", "URL", "--level", "all", "--json"}},
	{Name: "ltx --fast", Args: []string{"ltx", "URL", "--fast", "--json"}},
	{Name: "plan", Args: []string{"plan", "URL", "--json"}},
	{Name: "plan --timestamp", Args: []string{"plan", "URL", "--json", "--timestamp", theMoment}},
	{Name: "plan --txid", Args: []string{"plan", "URL", "--json", "--txid", "44"}},
	{Name: "restore", Args: []string{"restore", "URL", "-o", "OUT"}, Effect: output},
	{Name: "restore --timestamp", Args: []string{"restore", "URL", "-o", "OUT", "--timestamp", theMoment}, Effect: output},
	{Name: "restore --txid", Args: []string{"restore", "URL", "-o", "OUT", "--txid", "44"}, Effect: output},
	{Name: "restore --generation", Args: []string{"restore", "URL", "-o", "OUT", "--generation", theGeneration},
		Effect: output},
	{Name: "restore --if-replica-exists", Args: []string{"restore", "URL", "-o", "OUT", "--if-replica-exists"},
		Effect: output},
	{Name: "restore --force", Args: []string{"restore", "URL", "-o", "OUT", "--force"}, Effect: output,
		Prepare: [][]string{{"restore", "REPLICA", "-o", "OUT", "--txid", "44"}}},
	{Name: "restore to stdout", Args: []string{"restore", "URL", "-o", "-"}},
	{Name: "query", Args: []string{"query", "URL", "--csv", "select * from note"}},
	{Name: "query --timestamp", Args: []string{"query", "URL", "--csv", "--timestamp", theMoment, "select * from note"}},
	{Name: "query --generation", Args: []string{"query", "URL", "--csv", "--generation", theGeneration,
		"select * from note"}},
	{Name: "tables", Args: []string{"tables", "URL", "--count", "--bytes"}},
	{Name: "dump", Args: []string{"dump", "URL"}},
	{Name: "diff", Args: []string{"diff", "URL", "--from", "0000000000000044", "--sql"}},
	{Name: "log", Args: []string{"log", "URL"}},
	{Name: "log --table", Args: []string{"log", "URL", "--table", "note", "--limit", "5"}},
	{Name: "log --rows", Args: []string{"log", "URL", "--rows", "--limit", "3"}},
	{Name: "log --key", Args: []string{"log", "URL", "--table", "note", "--key", "165"}},
	{Name: "bisect", Args: []string{"bisect", "URL", "select count(*) > 100 from note"}},
	{Name: "check", Args: []string{"check", "URL", "--json"}},
	{Name: "check --deep", Args: []string{"check", "URL", "--deep", "--json"}},
	// Its exit code is what came of it: the report has how long it took.
	{Name: "drill", Args: []string{"drill", "URL", "--seed", "19", "--moments", "1"},
		Effect: [][]string{{"plan", "URL", "--json"}}},
	{Name: "cp to a directory", Args: []string{"cp", "URL", "OUT"}, Effect: output, Steps: true},
	{Name: "cp from a directory", Args: []string{"cp", "REPLICA", "URL"}, Empty: true, Writes: true, Steps: true,
		Effect: latest},
	{Name: "cp --lease", Args: []string{"cp", "REPLICA", "URL", "--lease", "--owner", "me"}, Empty: true, Writes: true,
		Steps: true, Effect: latest},
	{Name: "migrate to a directory", Args: []string{"migrate", "URL", "OUT", "--generation", theGeneration},
		Steps: true, Effect: [][]string{{"plan", "OUT", "--json"}}},
	{Name: "migrate from a directory", Args: []string{"migrate", "REPLICA", "URL", "--generation", theGeneration},
		Empty: true, Writes: true, Steps: true, Effect: [][]string{{"plan", "URL", "--json"}}},
	{Name: "prune", Args: []string{"prune", "URL", "--keep-within", "1h", "--json"}},
	{Name: "prune --yes", Writes: true, Steps: true, Args: []string{"prune", "URL", "--keep-within", "1h", "--yes"},
		Effect: [][]string{{"wal", "URL"}, {"ltx", "URL", "--level", "all"}}},
	{Name: "snapshot", Args: []string{"snapshot", "DB", "URL"}, Empty: true, Writes: true, Steps: true, Effect: latest},
	{Name: "snapshot --lease", Args: []string{"snapshot", "DB", "URL", "--lease"}, Empty: true, Writes: true,
		Steps: true, Effect: latest},
	{Name: "lease show", Empty: true, Args: []string{"lease", "show", "URL", "--json"}, Writes: true, Prepare: acquired},
	{Name: "lease watch", Empty: true, Args: []string{"lease", "watch", "URL", "--json"}, Writes: true, Prepare: acquired,
		GoesOn: true, Raw: true},
	// It withdraws what it may have acquired, if it fails.
	{Name: "lease acquire", Empty: true, Writes: true, Steps: true,
		Args: []string{"lease", "acquire", "URL", "--owner", "me"}, Effect: theLease},
	{Name: "lease renew", Empty: true, Writes: true, Args: []string{"lease", "renew", "URL", "--lease", "OUT"},
		Prepare: acquired, Effect: theLease},
	{Name: "lease release", Empty: true, Writes: true, Args: []string{"lease", "release", "URL", "--lease", "OUT"},
		Prepare: acquired, Effect: theLease},
	{Name: "lease break", Empty: true, Writes: true, Args: []string{"lease", "break", "URL", "--generation", "1"},
		Prepare: acquired, Effect: theLease},
	{Name: "lease exec", Empty: true, Writes: true, Steps: true, Effect: theLease,
		Args: []string{"lease", "exec", "URL", "--wait", "0", "--owner", "me", "--", "true"}},
	{Name: "kv get", Empty: true, Writes: true, Args: []string{"kv", "get", "URL", "a/b"}, Prepare: recorded},
	{Name: "kv watch", Empty: true, Writes: true, Args: []string{"kv", "watch", "URL", "a/b", "--json"}, Prepare: recorded,
		GoesOn: true},
	{Name: "kv ls", Empty: true, Writes: true, Args: []string{"kv", "ls", "URL", "--json"}, Prepare: recorded},
	{Name: "kv put", Empty: true, Writes: true, Args: []string{"kv", "put", "URL", "a/b", "2"}, Prepare: recorded,
		Effect: theRecords},
	{Name: "kv put --create", Empty: true, Writes: true, Args: []string{"kv", "put", "URL", "a/b", "2", "--create"},
		Effect: theRecords},
	{Name: "kv put --version", Empty: true, Writes: true, Prepare: recorded, Effect: theRecords,
		Args: []string{"kv", "put", "URL", "a/b", "2", "--version", "1"}},
	{Name: "kv put --ttl", Empty: true, Writes: true, Steps: true,
		Args: []string{"kv", "put", "URL", "a/b", "2", "--ttl", "1h"}, Effect: theRecords},
	{Name: "kv rm", Empty: true, Writes: true, Args: []string{"kv", "rm", "URL", "a/b"}, Prepare: recorded,
		Effect: theRecords},
	{Name: "config ls", Empty: true, Writes: true, Args: []string{"config", "ls", "URL"}, Prepare: savedConfig},
	{Name: "config get", Empty: true, Writes: true, Args: []string{"config", "get", "URL", "fleet", "v1"},
		Prepare: savedConfig},
	{Name: "config watch", Empty: true, Writes: true, Args: []string{"config", "watch", "URL", "fleet", "--json"},
		Prepare: savedConfig, GoesOn: true},
	{Name: "config save", Empty: true, Writes: true, Steps: true,
		Args: []string{"config", "save", "URL", "fleet", "v1", "DB"}, Effect: theConfig},
	{Name: "config activate", Empty: true, Writes: true, Steps: true, Prepare: savedConfig, Effect: theConfig,
		Args: []string{"config", "activate", "URL", "fleet", "v1", "--lock", "1"}},
	{Name: "config gc --yes", Empty: true, Writes: true, Steps: true, Prepare: savedConfig, Effect: theConfig,
		Args: []string{"config", "gc", "URL", "--before", "-0s", "--yes"}},
	{Name: "records ls", Empty: true, Writes: true, Raw: true, Args: []string{"records", "ls", "URL", "--prefix", "kv"},
		Prepare: recorded},
	{Name: "records cp from", Empty: true, Writes: true, Steps: true, Args: []string{"records", "cp", "URL", "OUT"},
		Prepare: recorded, Effect: [][]string{{"kv", "ls", "OUT", "--json"}}},
	{Name: "records cp to", Empty: true, Writes: true, Steps: true, Args: []string{"records", "cp", "OUT", "URL"},
		Prepare: [][]string{{"kv", "put", "OUT", "a/b", "1"}}, Effect: theRecords},
	{Name: "probe", Empty: true, Writes: true, Steps: true,
		Args: []string{"probe", "URL", "--rounds", "1", "--writers", "2"}},
}

// CommandsWithoutFaults are the commands that are not in the table, and why.
var CommandsWithoutFaults = map[string]string{
	"replctl version":    "asks no store",
	"replctl help":       "asks no store",
	"replctl completion": "asks no store",
	"replctl lease":      "has commands of its own",
	"replctl config":     "has commands of its own",
	"replctl records":    "has commands of its own",
	"replctl kv":         "has commands of its own",
	"replctl node":       "has commands of its own",

	"replctl node run":      "asks other nodes and no store; package raft has tests of nodes that fail",
	"replctl node status":   "asks nodes and no store",
	"replctl node leave":    "asks nodes and no store",
	"replctl node snapshot": "asks nodes and no store",
	"replctl node restore":  "asks nodes and no store",
}

// What the commands and the library's operations ask for.
const (
	theGeneration = "cc3d8cd75808a4ef"
	theMoment     = "2026-11-21T04:06:25Z"
)

// storeRecord is a key of a record that a facade or a copy has made.
var storeRecord = regexp.MustCompile(`^(kv|config|records-copy)/`)

// Subject is a request of the command, as [Exempt] sees it.
func (c Command) Subject(call string) Subject {
	verb, key, _ := strings.Cut(call, " ")
	isRecord := path.Base(key) == "lock.json" || storeRecord.MatchString(key)
	return Subject{Op: c.Op(), Records: isRecord, Raw: c.Raw, Verb: verb, Key: key}
}
