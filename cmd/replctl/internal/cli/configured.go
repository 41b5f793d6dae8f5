package cli

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/cmd/replctl/internal/lsconfig"
	"github.com/replctl/replicate/s3"
)

// configFlags name Litestream's configuration file, and which replica of a database is meant.
type configFlags struct {
	file, replica string
	read          []lsconfig.Replica
}

func (f *configFlags) load() ([]lsconfig.Replica, error) {
	if f.read == nil {
		var err error
		if f.read, err = lsconfig.Read(f.file); err != nil {
			return nil, usageError("the file that litestream replicate -config has", "--config: %w", err)
		}
	}
	return f.read, nil
}

// chosen are the replicas of the file; with --replica those that it names.
func (f *configFlags) chosen() ([]lsconfig.Replica, error) {
	all, err := f.load()
	if err != nil || f.replica == "" {
		return all, err
	}
	var chosen []lsconfig.Replica
	for _, r := range all {
		if f.names(r) {
			chosen = append(chosen, r)
		}
	}
	if len(chosen) == 0 {
		return nil, usageError("--replica "+shellQuote(cmp.Or(all[0].Name, all[0].URL)),
			"%s has no replica %q", f.file, f.replica)
	}
	return chosen, nil
}

// names reports whether --replica means this one, if it is given.
func (f *configFlags) names(r lsconfig.Replica) bool {
	return f.replica == "" || f.replica == r.Name || f.replica == r.URL
}

// configured is the replica that an argument means: that of a database in the configuration file, if one is given
// and the argument is no URL.
func (a *app) configured(arg string) (lsconfig.Replica, error) {
	if a.config.replica != "" && a.config.file == "" {
		return lsconfig.Replica{}, usageError("--config /etc/litestream.yml", "--replica is of a configuration file")
	}
	if a.config.file == "" || strings.Contains(arg, "://") {
		return lsconfig.Replica{URL: arg}, nil
	}
	all, err := a.config.load()
	if err != nil {
		return lsconfig.Replica{}, err
	}
	path, err := filepath.Abs(arg)
	if err != nil {
		return lsconfig.Replica{}, err
	}
	var found []lsconfig.Replica
	var known, names []string
	for _, r := range all {
		known = append(known, r.DB)
		if r.DB != path {
			continue
		}
		names = append(names, cmp.Or(r.Name, r.URL))
		if a.config.names(r) {
			found = append(found, r)
		}
	}
	switch {
	case len(names) == 0:
		return lsconfig.Replica{}, usageError(known[0]+", one of the databases there",
			"%s has no database %s", a.config.file, path)
	case len(found) == 0:
		return lsconfig.Replica{}, usageError("--replica "+shellQuote(names[0]),
			"%s has no replica %q of %s", a.config.file, a.config.replica, path)
	case len(found) > 1:
		return lsconfig.Replica{}, usageError("--replica "+shellQuote(names[0])+", or --replica "+shellQuote(names[1]),
			"%s has %d replicas of %s", a.config.file, len(found), path)
	}
	return found[0], nil
}

// replicasOf are the replicas that arguments mean; none means all of the configuration file.
func (a *app) replicasOf(args []string) (all []lsconfig.Replica, err error) {
	if len(args) == 0 {
		return a.config.chosen()
	}
	for _, arg := range args {
		r, err := a.configured(arg)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// someReplicas are the arguments of commands that take any number of replicas.
func (a *app) someReplicas(_ *cobra.Command, args []string) error {
	if len(args) == 0 && a.config.file == "" {
		return errors.New("which replica? its path or URL is missing")
	}
	return nil
}

// authorize gives a client or a leaser the credentials of the configuration file.
func authorize(engine any, c lsconfig.Credentials) error {
	var cfg *s3.Config
	switch e := engine.(type) {
	case *s3.ReplicaClient:
		cfg = &e.Config
	case *s3.Leaser:
		cfg = &e.Config
	default:
		return nil
	}
	if c.AccessKeyID != "" || c.SecretAccessKey != "" {
		cfg.AccessKeyID, cfg.SecretAccessKey = c.AccessKeyID, c.SecretAccessKey
	}
	if c.SSECustomerKey == "" && c.SSECustomerKeyPath != "" {
		key, err := os.ReadFile(c.SSECustomerKeyPath)
		if err != nil {
			return err
		}
		c.SSECustomerKey = strings.TrimSpace(string(key))
	}
	if c.SSECustomerKey != "" {
		cfg.SSECustomerAlgorithm, cfg.SSECustomerKey = cmp.Or(c.SSECustomerAlgorithm, "AES256"), c.SSECustomerKey
	}
	return nil
}

// oneOrConfigured are the arguments of commands that take a URL, or everything in the configuration file.
func (a *app) oneOrConfigured(cmd *cobra.Command, args []string) error {
	if len(args) == 0 && a.config.file != "" {
		return nil
	}
	return oneURL(cmd, args)
}
