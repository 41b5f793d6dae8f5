// Package lsconfig reads Litestream's configuration file, of versions 0.3 and 0.5: which databases
// there are, and where their replicas are.
//
// It takes the file as Litestream does: variables of the environment are expanded in its text, keys at the top
// are the defaults of all replicas, a replica has a URL or its parts, and a dir with a pattern stands for all
// databases below it. What only a replicator needs is passed over.
package lsconfig

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Replica is the replica of a database.
type Replica struct {
	DB   string // the path of the database
	Name string // of the replica, where it has one
	URL  string // without credentials
	Line int    // where the file has it

	Credentials
}

// Credentials are those of the store. Where they are empty the environment has them.
type Credentials struct {
	AccessKeyID     string `yaml:"access-key-id"`
	SecretAccessKey string `yaml:"secret-access-key"`

	SSECustomerAlgorithm string `yaml:"sse-customer-algorithm"`
	SSECustomerKey       string `yaml:"sse-customer-key"`
	SSECustomerKeyPath   string `yaml:"sse-customer-key-path"`
}

// settings are the keys of a replica that say where it is; at the top they are defaults.
type settings struct {
	Credentials `yaml:",inline"`

	Region         string `yaml:"region"`
	Bucket         string `yaml:"bucket"`
	Endpoint       string `yaml:"endpoint"`
	ForcePathStyle *bool  `yaml:"force-path-style"`
	SkipVerify     *bool  `yaml:"skip-verify"`

	AccountName string `yaml:"account-name"`
	Host        string `yaml:"host"`
}

type replicaConfig struct {
	settings `yaml:",inline"`

	Type string `yaml:"type"`
	Name string `yaml:"name"`
	Path string `yaml:"path"`
	URL  string `yaml:"url"`
}

type databaseConfig struct {
	Path      string      `yaml:"path"`
	Dir       string      `yaml:"dir"`
	Pattern   string      `yaml:"pattern"`
	Recursive bool        `yaml:"recursive"`
	Replica   yaml.Node   `yaml:"replica"`
	Replicas  []yaml.Node `yaml:"replicas"`
}

// Read reads a file. An error has the line, where one is to blame.
func Read(file string) ([]Replica, error) {
	file, err := expandHome(file)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	replicas, err := Parse(data, os.Getenv)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return replicas, nil
}

// Parse reads the content of a file. Getenv gives the variables of the environment.
func Parse(data []byte, getenv func(string) string) (replicas []Replica, err error) {
	return parse(data, getenv, filepath.WalkDir)
}

// walkFunc is filepath.WalkDir.
type walkFunc = func(root string, fn fs.WalkDirFunc) error

func parse(data []byte, getenv func(string) string, walk walkFunc) (replicas []Replica, err error) {
	data = []byte(os.Expand(string(data), func(name string) string {
		if name == "PID" {
			return strconv.Itoa(os.Getpid())
		}
		return getenv(name)
	}))
	var file struct {
		settings `yaml:",inline"`
		DBs      []yaml.Node `yaml:"dbs"`
	}
	if err := yaml.NewDecoder(bytes.NewReader(data)).Decode(&file); err != nil {
		return nil, withoutPrefix(err)
	}
	for i := range file.DBs {
		found, err := parseDatabase(&file.DBs[i], &file.settings, walk)
		if err != nil {
			return nil, err
		}
		replicas = append(replicas, found...)
	}
	if len(replicas) == 0 {
		return nil, errors.New("it has no databases: dbs is missing, or empty")
	}
	return replicas, nil
}

// withoutPrefix is an error of the parser without its name.
func withoutPrefix(err error) error {
	return errors.New(strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "unmarshal errors:\n  ", ""))
}

func at(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("line %d: "+format, append([]any{n.Line}, args...)...)
}

func parseDatabase(n *yaml.Node, defaults *settings, walk walkFunc) (replicas []Replica, err error) {
	var db databaseConfig
	if err := n.Decode(&db); err != nil {
		return nil, withoutPrefix(err)
	}
	nodes := make([]*yaml.Node, 0, len(db.Replicas)+1)
	for i := range db.Replicas {
		nodes = append(nodes, &db.Replicas[i])
	}
	if !db.Replica.IsZero() {
		nodes = append(nodes, &db.Replica)
	}
	switch {
	case db.Path == "" && db.Dir == "":
		return nil, at(n, "a database needs path, or dir and pattern")
	case db.Path != "" && db.Dir != "":
		return nil, at(n, "a database has path or dir, not both")
	case db.Dir != "" && db.Pattern == "":
		return nil, at(n, "dir needs a pattern")
	case !db.Replica.IsZero() && len(db.Replicas) > 0:
		return nil, at(n, "a database has replica or replicas, not both")
	case len(nodes) == 0:
		return nil, at(n, "a database needs a replica")
	}
	paths, below, err := db.databases(n, walk)
	if err != nil {
		return nil, err
	}
	for i, file := range paths {
		for _, node := range nodes {
			r, err := parseReplica(node, defaults, below[i])
			if err != nil {
				return nil, err
			}
			r.DB = file
			replicas = append(replicas, r)
		}
	}
	return replicas, nil
}

// databases are the paths of the databases, and what is appended to the paths of their replicas.
func (db *databaseConfig) databases(n *yaml.Node, walk walkFunc) (paths, below []string, err error) {
	if db.Path != "" {
		file, err := expandHome(db.Path)
		return []string{file}, []string{""}, err
	}
	dir, err := expandHome(db.Dir)
	if err != nil {
		return nil, nil, err
	}
	if _, err := filepath.Match(db.Pattern, ""); err != nil {
		return nil, nil, at(n, "pattern %q: %w", db.Pattern, err)
	}
	err = walk(dir, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != dir && !db.Recursive:
			return filepath.SkipDir
		case entry.IsDir():
			return nil
		}
		if ok, _ := filepath.Match(db.Pattern, filepath.Base(file)); !ok {
			return nil
		}
		ok, err := isDatabase(file)
		if err != nil || !ok {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		paths, below = append(paths, file), append(below, filepath.ToSlash(rel))
		return err
	})
	if err != nil {
		return nil, nil, at(n, "dir: %w", err)
	}
	return paths, below, nil
}

// isDatabase reports whether a file begins as a database of SQLite does.
func isDatabase(file string) (bool, error) {
	f, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	const magic = "SQLite format 3\x00"
	head := make([]byte, len(magic))
	n, _ := f.Read(head)
	return string(head[:n]) == magic, nil
}

func parseReplica(n *yaml.Node, defaults *settings, below string) (r Replica, err error) {
	c := replicaConfig{settings: *defaults}
	if err := n.Decode(&c); err != nil {
		return r, withoutPrefix(err)
	}
	r = Replica{Name: c.Name, Line: n.Line, Credentials: c.Credentials}
	bucketGiven := c.Bucket != defaults.Bucket
	switch {
	case strings.Contains(c.Path, "://"):
		return r, at(n, "path is a URL, which has a key of its own: url")
	case c.URL != "" && c.Path != "":
		return r, at(n, "a replica has url or path, not both")
	case c.URL != "" && bucketGiven:
		return r, at(n, "a replica has url or bucket, not both")
	case c.URL == "" && c.Path == "" && c.Bucket == "":
		return r, at(n, "a replica needs url, or path, or bucket")
	}
	u, err := c.place(below)
	if err != nil {
		return r, at(n, "%w", err)
	}
	if r.URL = u.String(); u.Scheme == "" {
		r.URL = u.Path
	}
	return r, nil
}

// place is the URL of a replica, of parts or as given. A path on disk has no scheme.
func (c *replicaConfig) place(below string) (*url.URL, error) {
	u := &url.URL{}
	if c.URL != "" {
		var err error
		if u, err = url.Parse(c.URL); err != nil {
			return nil, errors.New("url cannot be parsed")
		}
		if _, secret := u.User.Password(); secret {
			return nil, errors.New("url has a password; access-key-id and secret-access-key are keys of their own")
		}
	}
	kind := cmp.Or(u.Scheme, c.Type, "file")
	switch {
	case kind == "file":
		file, err := expandHome(cmp.Or(u.Path, c.Path))
		return &url.URL{Path: filepath.Join(file, filepath.FromSlash(below))}, err
	case c.URL == "":
		u = &url.URL{Scheme: kind, Host: cmp.Or(c.Bucket, c.Host), Path: path.Join("/", c.Path)}
		if kind == "abs" && c.AccountName != "" {
			u.User = url.User(c.AccountName)
		}
	}
	if below != "" {
		u.Path = path.Join("/", u.Path, below)
	}
	if kind != "s3" {
		return u, nil
	}
	if u.Host == "" {
		return nil, errors.New("a replica in a bucket needs bucket, or url")
	}
	q := u.Query()
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("endpoint", c.Endpoint)
	set("region", c.Region)
	for name, on := range map[string]*bool{"force-path-style": c.ForcePathStyle, "skip-verify": c.SkipVerify} {
		if on != nil {
			set(name, strconv.FormatBool(*on))
		}
	}
	u.RawQuery = q.Encode()
	return u, nil
}

// expandHome makes a path absolute, and expands the ~ at its begin.
func expandHome(file string) (string, error) {
	rest, ok := strings.CutPrefix(file, "~"+string(os.PathSeparator))
	if !ok && file != "~" {
		return filepath.Abs(file)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		var u *user.User
		if u, err = user.Current(); err != nil {
			return "", err
		}
		home = u.HomeDir
	}
	return filepath.Join(home, rest), nil
}
